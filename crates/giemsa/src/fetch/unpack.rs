//! Unpacks a zip archive that is not trusted.

use super::{FetchError, Progress, Watcher};
use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::path::{Component, Path, PathBuf};
use zip::read::ZipFile;

/// What an archive may unpack to.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Entries, folders included.
    pub entries: usize,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Bytes of all files.
    pub total_bytes: u64,
    /// How many times larger than in the archive a file may be; images hardly shrink.
    pub ratio: u64,
}

impl Default for Limits {
    /// Some times what the official archive needs: 27,558 images of about 13 KB.
    fn default() -> Limits {
        Limits { entries: 100_000, file_bytes: 4 << 20, total_bytes: 2 << 30, ratio: 20 }
    }
}

/// Below this size a high ratio is harmless: a plain black image shrinks a lot.
const SMALL_BYTES: u64 = 64 << 10;

/// Unpacks the files of an archive below `folder`, which is made.
///
/// The archive is refused as a whole, before anything is written, if an entry's name leads anywhere but below the
/// folder, if it is a link or a device, or if the announced sizes break the limits. What an entry unpacks to is held
/// to its announced size.
pub fn unpack(
    archive: impl Read + Seek,
    folder: &Path,
    limits: &Limits,
    watch: &mut Watcher,
) -> Result<(), FetchError> {
    let mut archive = zip::ZipArchive::new(archive).map_err(refuse)?;
    let names = names(&mut archive, limits)?;
    let total = names.len();
    fs::create_dir_all(folder).map_err(FetchError::io(folder))?;
    for (index, name) in names.into_iter().enumerate() {
        if let Some(name) = name {
            write_file(archive.by_index(index).map_err(refuse)?, &folder.join(name))?;
        }
        if watch(Progress::Unpacking { entries: index + 1, total }).is_break() {
            return Err(FetchError::Stopped);
        }
    }
    Ok(())
}

fn refuse(error: zip::result::ZipError) -> FetchError {
    FetchError::Archive(error.to_string())
}

/// Checks all entries; gives for each the name to unpack it to, or none if it is a folder or a stray file.
fn names(archive: &mut zip::ZipArchive<impl Read + Seek>, limits: &Limits) -> Result<Vec<Option<PathBuf>>, FetchError> {
    if archive.len() > limits.entries {
        let (most, found) = (limits.entries, archive.len());
        return Err(FetchError::Archive(format!("expected at most {most} entries, found {found}")));
    }
    let mut names = Vec::with_capacity(archive.len());
    let mut total_bytes = 0;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(refuse)?;
        let name = safe_name(&entry)?;
        check_kind(&entry, &name)?;
        if !entry.is_file() || is_stray(&name) {
            names.push(None);
            continue;
        }
        check_size(&entry, &name, limits)?;
        total_bytes += entry.size();
        if total_bytes > limits.total_bytes {
            return Err(FetchError::Archive(format!("it would unpack to more than {} bytes", limits.total_bytes)));
        }
        names.push(Some(name));
    }
    Ok(names)
}

fn check_kind<R: Read>(entry: &ZipFile<R>, name: &Path) -> Result<(), FetchError> {
    const KIND: u32 = 0o170000;
    const FILE: u32 = 0o100000;
    const FOLDER: u32 = 0o040000;

    // Archives made elsewhere than on Unix do not say.
    let kind = entry.unix_mode().unwrap_or(0) & KIND;
    if [0, FILE, FOLDER].contains(&kind) {
        Ok(())
    } else {
        Err(FetchError::Archive(format!("{}: is neither a file nor a folder", name.display())))
    }
}

/// Checks the sizes that an entry announces.
fn check_size<R: Read>(entry: &ZipFile<R>, name: &Path, limits: &Limits) -> Result<(), FetchError> {
    let refused = |why: String| Err(FetchError::Archive(format!("{}: {why}", name.display())));
    let (bytes, packed_bytes) = (entry.size(), entry.compressed_size());
    if bytes > limits.file_bytes {
        return refused(format!("expected at most {} bytes, found {bytes}", limits.file_bytes));
    }
    if bytes > SMALL_BYTES && bytes / limits.ratio > packed_bytes {
        return refused(format!("{packed_bytes} bytes would unpack to {bytes}"));
    }
    Ok(())
}

/// The entry's name, if it is made of plain names alone: no `..`, no root, no drive, no backslash.
fn safe_name<R: Read>(entry: &ZipFile<R>) -> Result<PathBuf, FetchError> {
    let refused = || FetchError::Archive(format!("unsafe name {:?}", String::from_utf8_lossy(entry.name_raw())));
    let name = entry.name();
    let path = Path::new(name);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if !plain || name.is_empty() || name.contains(['\\', ':', '\0']) {
        return Err(refused());
    }
    Ok(path.to_owned())
}

/// Whether it is what desktops leave behind: `Thumbs.db`, `__MACOSX`, hidden files.
fn is_stray(name: &Path) -> bool {
    name.iter().any(|part| {
        part.eq_ignore_ascii_case("Thumbs.db") || part == "__MACOSX" || part.as_encoded_bytes().starts_with(b".")
    })
}

/// Writes a file that is not there yet. Permissions are this user's usual ones, not the archive's.
fn write_file<R: Read>(entry: ZipFile<R>, path: &Path) -> Result<(), FetchError> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).map_err(FetchError::io(parent))?;
    let bytes = entry.size();
    let mut contents = Vec::new();
    let read = entry.take(bytes + 1).read_to_end(&mut contents);
    read.map_err(|error| FetchError::Archive(format!("{}: {error}", path.display())))?;
    if contents.len() as u64 != bytes {
        return Err(FetchError::Archive(format!("{}: is not of the announced {bytes} bytes", path.display())));
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

    /// Unpacks into `inside` of a new folder, and gives all files of that new folder, sorted.
    fn unpacked(archive: &[u8], limits: &Limits) -> (Result<(), FetchError>, Vec<String>) {
        let outside = tempfile::tempdir().unwrap();
        let mut watch = |_| ControlFlow::Continue(());
        let result = unpack(Cursor::new(archive), &outside.path().join("inside"), limits, &mut watch);
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
    fn unpacks_files_and_skips_what_desktops_leave_behind() {
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
    fn refuses_a_name_that_leads_elsewhere_and_writes_nothing() {
        for name in ["../evil", "a/../../evil", "a/../b", "/tmp/evil", "./evil", "..\\evil", "C:evil", "a\0b"] {
            let archive = zip_of(&[("fine.png", b"x"), (name, b"x")]);
            let (result, files) = unpacked(&archive, &Limits::default());
            assert!(matches!(result, Err(FetchError::Archive(_))), "{name}: {result:?}");
            assert_eq!(files, [""; 0], "{name}");
        }
    }

    #[test]
    fn refuses_a_symbolic_link() {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.add_symlink("link", "/etc", SimpleFileOptions::default()).unwrap();
        let (result, files) = unpacked(&writer.finish().unwrap().into_inner(), &Limits::default());
        assert!(result.unwrap_err().to_string().contains("neither a file nor a folder"));
        assert_eq!(files, [""; 0]);
    }

    #[test]
    fn refuses_what_breaks_a_limit_and_writes_nothing() {
        let zeros = vec![0; 100_000];
        let mut random = crate::random::Random::keyed(&[1]);
        let noise: Vec<u8> = (0..200_000).map(|_| random.below(256) as u8).collect();
        let (short, long) = (&noise[..100_000], &noise[..]);
        let limits = Limits { entries: 3, file_bytes: 150_000, total_bytes: 250_000, ratio: 20 };
        let cases = [
            ("at most 3 entries, found 4", zip_of(&[("a", b""), ("b", b""), ("c", b""), ("d", b"")])),
            ("bytes would unpack to 100000", zip_of(&[("bomb", &zeros)])),
            ("more than 250000", zip_of(&[("a", short), ("b", short), ("c", short)])),
            ("at most 150000 bytes, found 200000", zip_of(&[("a", long)])),
        ];
        for (expected, archive) in cases {
            let (result, files) = unpacked(&archive, &limits);
            let error = result.unwrap_err().to_string();
            assert!(error.contains(expected), "expected {expected:?} in {error:?}");
            assert_eq!(files, [""; 0]);
        }
    }

    #[test]
    fn holds_an_entry_to_its_announced_size() {
        let mut archive = zip_of(&[("a", &[7; 50_000])]);
        let truth = 50_000_u32.to_le_bytes();
        let places: Vec<usize> = (0..archive.len() - 4).filter(|&at| archive[at..at + 4] == truth).collect();
        assert!(!places.is_empty());
        for at in places {
            archive[at..at + 4].copy_from_slice(&10_u32.to_le_bytes());
        }
        let (result, files) = unpacked(&archive, &Limits::default());
        assert!(matches!(result, Err(FetchError::Archive(_))), "{result:?}");
        assert_eq!(files, [""; 0]);
    }

    #[test]
    fn an_archive_cut_anywhere_is_an_error() {
        let archive = zip_of(&[("a/b.png", b"some bytes"), ("a/c.png", b"some more bytes")]);
        for length in 0..archive.len() {
            let (result, _) = unpacked(&archive[..length], &Limits::default());
            assert!(matches!(result, Err(FetchError::Archive(_))), "{length}: {result:?}");
        }
    }

    #[test]
    fn a_flipped_bit_never_writes_outside_the_folder() {
        let archive = zip_of(&[("a/b.png", b"some bytes"), ("a/c.png", b"some more bytes")]);
        for at in 0..archive.len() {
            let mut flipped = archive.clone();
            flipped[at] ^= 1 << (at % 8);
            let (_, files) = unpacked(&flipped, &Limits::default());
            assert!(files.iter().all(|file| file.starts_with("inside/")), "byte {at}: {files:?}");
        }
    }
}
