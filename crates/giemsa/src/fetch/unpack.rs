//! Unpacks an untrusted zip archive.

use super::{ArchiveError, FetchError, Progress, ProgressCallback};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use zip::read::ZipFile;

/// Limits on an archive.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The number of entries, including folders.
    pub entries: usize,
    /// The size of one file.
    pub file_bytes: u64,
    /// The size of all files.
    pub total_bytes: u64,
    /// The compression ratio of one file, and of the archive. Images are already compressed.
    pub ratio: u64,
}

impl Default for Limits {
    /// Returns several times the needs of the NIH archive: 27,558 images of about 13 KB.
    fn default() -> Limits {
        Limits { entries: 100_000, file_bytes: 4 << 20, total_bytes: 2 << 30, ratio: 20 }
    }
}

/// A high ratio is harmless below this size, and a plain black image reaches one.
const SMALL_BYTES: u64 = 64 << 10;
/// The same for all files of an archive together.
const SMALL_TOTAL_BYTES: u64 = 1 << 20;

/// Unpacks the files of an archive into `folder`, which is created.
///
/// The archive is rejected before anything is written if the name of an entry leads out of the folder, an entry is a link
/// or a device, entries overlap, or an announced size exceeds the limits. An entry that unpacks to another size than announced is an
/// error.
pub fn unpack(
    mut archive: impl Read + Seek,
    folder: &Path,
    limits: &Limits,
    progress: &mut ProgressCallback,
) -> Result<(), FetchError> {
    let archive_bytes = archive.seek(SeekFrom::End(0)).map_err(|error| invalid(error.into()))?;
    let mut archive = zip::ZipArchive::new(archive).map_err(invalid)?;
    let names = names(&mut archive, archive_bytes, limits)?;
    let total = names.len();
    fs::create_dir_all(folder).map_err(FetchError::io(folder))?;
    for (index, name) in names.into_iter().enumerate() {
        if let Some(name) = name {
            write_file(archive.by_index(index).map_err(invalid)?, &folder.join(name))?;
        }
        if progress(Progress::Unpacking { entries: index + 1, total }).is_break() {
            return Err(FetchError::Stopped);
        }
    }
    Ok(())
}

fn invalid(error: zip::result::ZipError) -> ArchiveError {
    ArchiveError::Invalid { reason: error.to_string() }
}

/// Checks all entries, and returns for each the path to unpack it to; `None` for folders and ignored files.
fn names(
    archive: &mut zip::ZipArchive<impl Read + Seek>,
    archive_bytes: u64,
    limits: &Limits,
) -> Result<Vec<Option<PathBuf>>, ArchiveError> {
    if archive.len() > limits.entries {
        return Err(ArchiveError::TooManyEntries { max: limits.entries, found: archive.len() });
    }
    let max_bytes = limits.total_bytes.min((archive_bytes.saturating_mul(limits.ratio)).max(SMALL_TOTAL_BYTES));
    let mut names = Vec::with_capacity(archive.len());
    let mut ranges = Vec::with_capacity(archive.len());
    let mut total_bytes = 0;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(invalid)?;
        let name = safe_name(&entry)?;
        check_kind(&entry, &name)?;
        ranges.push((range(&entry), index));
        if !entry.is_file() || is_ignored(&name) {
            names.push(None);
            continue;
        }
        check_size(&entry, &name, limits)?;
        total_bytes += entry.size();
        if total_bytes > max_bytes {
            return Err(ArchiveError::TooLarge { max_bytes });
        }
        names.push(Some(name));
    }
    match first_overlap(ranges) {
        Some(index) => Err(ArchiveError::Overlap { name: safe_name(&archive.by_index_raw(index).map_err(invalid)?)? }),
        None => Ok(names),
    }
}

/// Returns the bytes of an entry in the archive: its header and its data.
fn range<R: Read>(entry: &ZipFile<R>) -> Range<u64> {
    let start = entry.header_start();
    start..entry.data_start().unwrap_or(start).saturating_add(entry.compressed_size())
}

/// Returns the index of an entry whose bytes also belong to another entry.
fn first_overlap(mut ranges: Vec<(Range<u64>, usize)>) -> Option<usize> {
    ranges.sort_unstable_by_key(|(range, _)| range.start);
    ranges.windows(2).find(|pair| pair[1].0.start < pair[0].0.end).map(|pair| pair[1].1)
}

fn check_kind<R: Read>(entry: &ZipFile<R>, name: &Path) -> Result<(), ArchiveError> {
    const KIND: u32 = 0o170000;
    const FILE: u32 = 0o100000;
    const FOLDER: u32 = 0o040000;

    // Archives from other systems than Unix contain no mode.
    let kind = entry.unix_mode().unwrap_or(0) & KIND;
    if [0, FILE, FOLDER].contains(&kind) { Ok(()) } else { Err(ArchiveError::NotAFile { name: name.to_owned() }) }
}

/// Checks the sizes that an entry announces.
fn check_size<R: Read>(entry: &ZipFile<R>, name: &Path, limits: &Limits) -> Result<(), ArchiveError> {
    let (bytes, packed_bytes) = (entry.size(), entry.compressed_size());
    let name = || name.to_owned();
    if bytes > limits.file_bytes {
        return Err(ArchiveError::FileTooLarge { name: name(), max_bytes: limits.file_bytes, found: bytes });
    }
    if bytes > SMALL_BYTES && bytes / limits.ratio > packed_bytes {
        return Err(ArchiveError::SuspiciousRatio { name: name(), packed_bytes, bytes });
    }
    Ok(())
}

/// Returns the name of an entry if it consists of plain names only: no `..`, no root, no drive, no backslash.
fn safe_name<R: Read>(entry: &ZipFile<R>) -> Result<PathBuf, ArchiveError> {
    let unsafe_name = || ArchiveError::UnsafeName { name: String::from_utf8_lossy(entry.name_raw()).into_owned() };
    let name = entry.name();
    let path = Path::new(name);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if !plain || name.is_empty() || name.contains(['\\', ':', '\0']) {
        return Err(unsafe_name());
    }
    Ok(path.to_owned())
}

/// Returns whether desktops leave files of this name behind: `Thumbs.db`, `__MACOSX`, hidden files.
fn is_ignored(name: &Path) -> bool {
    name.iter().any(|part| {
        part.eq_ignore_ascii_case("Thumbs.db") || part == "__MACOSX" || part.as_encoded_bytes().starts_with(b".")
    })
}

/// Writes a new file with the default permissions of the user, not those of the archive.
fn write_file<R: Read>(entry: ZipFile<R>, path: &Path) -> Result<(), FetchError> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).map_err(FetchError::io(parent))?;
    let bytes = entry.size();
    let mut contents = Vec::new();
    let read = entry.take(bytes + 1).read_to_end(&mut contents);
    let damaged = |reason| ArchiveError::Damaged { path: path.to_owned(), reason };
    read.map_err(|error| damaged(error.to_string()))?;
    if contents.len() as u64 != bytes {
        return Err(damaged(format!("the size is not the announced {bytes} bytes")).into());
    }
    let mut file = File::create_new(path).map_err(FetchError::io(path))?;
    file.write_all(&contents).map_err(FetchError::io(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;
    use std::ops::ControlFlow;
    use zip::write::{SimpleFileOptions, ZipWriter};

    fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, contents) in entries {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(contents).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    /// Unpacks into `inside` of a new folder, and returns all files of that folder, sorted.
    fn unpacked(archive: &[u8], limits: &Limits) -> (Result<(), FetchError>, Vec<String>) {
        let outside = tempfile::tempdir().unwrap();
        let mut progress = |_| ControlFlow::Continue(());
        let result = unpack(Cursor::new(archive), &outside.path().join("inside"), limits, &mut progress);
        let mut files = Vec::new();
        let mut folders = vec![outside.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push(path.strip_prefix(outside.path()).unwrap().display().to_string());
                }
            }
        }
        files.sort();
        (result, files)
    }

    #[test]
    fn unpacks_files_except_those_of_desktops() {
        let archive = zip_of(&[
            ("cell_images/Parasitized/a.png", b"a"),
            ("cell_images/Parasitized/Thumbs.db", &[0; 5 << 20]),
            ("cell_images/.DS_Store", b"d"),
            ("__MACOSX/cell_images/._a.png", b"m"),
        ]);
        let (result, files) = unpacked(&archive, &Limits::default());
        result.unwrap();
        assert_eq!(files, ["inside/cell_images/Parasitized/a.png"]);
    }

    #[test]
    fn rejects_a_name_that_leads_out_of_the_folder() {
        for name in ["../evil", "a/../../evil", "a/../b", "/tmp/evil", "./evil", "..\\evil", "C:evil", "a\0b"] {
            let archive = zip_of(&[("fine.png", b"x"), (name, b"x")]);
            let (result, files) = unpacked(&archive, &Limits::default());
            assert!(matches!(result, Err(FetchError::Archive(_))), "{name}: {result:?}");
            assert_eq!(files, [""; 0], "{name}");
        }
    }

    #[test]
    fn rejects_a_symbolic_link() {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.add_symlink("link", "/etc", SimpleFileOptions::default()).unwrap();
        let (result, files) = unpacked(&writer.finish().unwrap().into_inner(), &Limits::default());
        assert!(result.unwrap_err().to_string().contains("neither a file nor a folder"));
        assert_eq!(files, [""; 0]);
    }

    #[test]
    fn rejects_an_archive_that_exceeds_a_limit() {
        let zeros = vec![0; 100_000];
        let mut random = crate::random::Random::keyed(&[1]);
        let noise: Vec<u8> = (0..200_000).map(|_| random.below(256) as u8).collect();
        let (short, long) = (&noise[..100_000], &noise[..]);
        let limits = Limits { entries: 3, file_bytes: 150_000, total_bytes: 250_000, ratio: 20 };
        let cases = [
            ("at most 3 entries, found 4", zip_of(&[("a", b""), ("b", b""), ("c", b""), ("d", b"")])),
            ("bytes would unpack to 100000", zip_of(&[("bomb", &zeros)])),
            ("more than 250000 bytes in total", zip_of(&[("a", short), ("b", short), ("c", short)])),
            ("at most 150000 bytes, found 200000", zip_of(&[("a", long)])),
        ];
        for (expected, archive) in cases {
            let (result, files) = unpacked(&archive, &limits);
            let error = result.unwrap_err().to_string();
            assert!(error.contains(expected), "expected {expected:?} in {error:?}");
            assert_eq!(files, [""; 0]);
        }
    }

    /// Sets the offset of the header of an entry, counted from 0, in the directory of an archive.
    fn set_offset(archive: &mut [u8], entry: usize, offset: u32) {
        let records = (0..archive.len() - 4).filter(|&at| archive[at..].starts_with(b"PK\x01\x02"));
        let record = records.collect::<Vec<_>>()[entry];
        // Section 4.3.12 of the specification of zip, APPNOTE.TXT.
        archive[record + 42..record + 46].copy_from_slice(&offset.to_le_bytes());
    }

    #[test]
    fn rejects_entries_that_overlap() {
        let content = b"the same bytes for both entries";
        let mut same = zip_of(&[("a", content), ("b", content)]);
        set_offset(&mut same, 1, 0);
        // The header and the data of b are within the data of a (Fifield 2019, "A better zip bomb").
        let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        let stored_zip = |entries: &[(&str, &[u8])]| {
            let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
            for (name, contents) in entries {
                writer.start_file(*name, stored).unwrap();
                writer.write_all(contents).unwrap();
            }
            writer.finish().unwrap().into_inner()
        };
        let inner = stored_zip(&[("b", content)]);
        let mut quoted = stored_zip(&[("a", &inner), ("b", content)]);
        set_offset(&mut quoted, 1, 30 + 1);
        for archive in [same, quoted] {
            let (result, files) = unpacked(&archive, &Limits::default());
            assert!(matches!(result, Err(FetchError::Archive(ArchiveError::Overlap { .. }))), "{result:?}");
            assert_eq!(files, [""; 0]);
        }
    }

    #[test]
    fn rejects_many_small_files_that_unpack_to_a_multiple_of_the_archive() {
        let zeros = vec![0; 60_000];
        let names: Vec<String> = (0..100).map(|number| format!("{number}.png")).collect();
        let archive = zip_of(&names.iter().map(|name| (name.as_str(), &zeros[..])).collect::<Vec<_>>());
        let (result, files) = unpacked(&archive, &Limits::default());
        assert!(matches!(result, Err(FetchError::Archive(ArchiveError::TooLarge { .. }))), "{result:?}");
        assert_eq!(files, [""; 0]);
        let few = zip_of(&names[..10].iter().map(|name| (name.as_str(), &zeros[..])).collect::<Vec<_>>());
        unpacked(&few, &Limits::default()).0.unwrap();
    }

    #[test]
    fn rejects_an_entry_of_another_size_than_announced() {
        let mut archive = zip_of(&[("a", &[7; 50_000])]);
        let size = 50_000_u32.to_le_bytes();
        let places: Vec<usize> = (0..archive.len() - 4).filter(|&at| archive[at..at + 4] == size).collect();
        assert!(!places.is_empty());
        for at in places {
            archive[at..at + 4].copy_from_slice(&10_u32.to_le_bytes());
        }
        let (result, files) = unpacked(&archive, &Limits::default());
        assert!(matches!(result, Err(FetchError::Archive(_))), "{result:?}");
        assert_eq!(files, [""; 0]);
    }

    #[test]
    fn rejects_an_archive_truncated_anywhere() {
        let archive = zip_of(&[("a/b.png", b"some bytes"), ("a/c.png", b"some more bytes")]);
        for length in 0..archive.len() {
            let (result, _) = unpacked(&archive[..length], &Limits::default());
            assert!(matches!(result, Err(FetchError::Archive(_))), "{length}: {result:?}");
        }
    }

    #[test]
    fn never_writes_outside_the_folder_after_a_bit_flip() {
        let archive = zip_of(&[("a/b.png", b"some bytes"), ("a/c.png", b"some more bytes")]);
        for at in 0..archive.len() {
            let mut flipped = archive.clone();
            flipped[at] ^= 1 << (at % 8);
            let (_, files) = unpacked(&flipped, &Limits::default());
            assert!(files.iter().all(|file| file.starts_with("inside/")), "byte {at}: {files:?}");
        }
    }
}
