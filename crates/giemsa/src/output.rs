//! Output files: atomic writes, and paths that are not UTF-8.

use crate::input::{self, InputError};
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes a file so that it appears complete or not at all, and replaces an existing file.
///
/// The content goes to a temporary file in the same folder, which is flushed to the disk and then renamed. The file has
/// the permissions of any new file of the user.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("history.csv");
/// giemsa::output::write_atomically(&path, |file| writeln!(file, "epoch,loss"))?;
/// assert_eq!(std::fs::read_to_string(&path)?, "epoch,loss\n");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// If `write` returns an error or the file system does. The error does not contain the path. An existing file is then
/// unchanged.
pub fn write_atomically(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = temporary_file().tempfile_in(folder)?;
    {
        let mut buffered = io::BufWriter::new(file.as_file_mut());
        write(&mut buffered)?;
        buffered.flush()?;
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    sync_folder(folder)
}

/// The prefix of temporary files; 6 random letters and digits follow.
pub(crate) const TEMPORARY_PREFIX: &str = ".giemsa-";

fn temporary_file() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY_PREFIX);
    // Temporary files are private by default, and the rename would keep that. The umask restricts 0666 as usual.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder
}

/// Flushes the rename to the disk, so that it survives a power failure.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Returns the bytes of a path for text and CSV output.
///
/// On Unix they are unchanged, so that another program can open the file. Elsewhere, characters that are not valid
/// Unicode are replaced by U+FFFD.
///
/// ```
/// use std::path::Path;
/// assert_eq!(&*giemsa::output::path_bytes(Path::new("cells/a.png")), b"cells/a.png");
/// ```
pub fn path_bytes(path: &Path) -> Cow<'_, [u8]> {
    #[cfg(unix)]
    return Cow::Borrowed(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()));
    #[cfg(not(unix))]
    match path.to_string_lossy() {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// Converts the bytes of [`path_bytes`] back into a path.
pub fn path_from_bytes(bytes: Vec<u8>) -> PathBuf {
    #[cfg(unix)]
    return <std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes).into();
    #[cfg(not(unix))]
    String::from_utf8_lossy(&bytes).into_owned().into()
}

/// Serialises a path as a CSV field without changing its bytes, with `#[serde(with = "csv_path")]`.
pub(crate) mod csv_path {
    use super::{path_bytes, path_from_bytes};
    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};
    use std::path::{Path, PathBuf};

    pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&path_bytes(path))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = PathBuf;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a path")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<PathBuf, E> {
                Ok(path_from_bytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

/// Reads the rows of a CSV file, which may contain bytes that are not UTF-8.
///
/// # Errors
/// If the file cannot be read, or a column is missing or has a value of another type.
pub(crate) fn read_csv<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, InputError> {
    let rows = |file: File| -> csv::Result<Vec<T>> {
        let mut reader = csv::Reader::from_reader(file);
        let header = reader.byte_headers()?.clone();
        reader.byte_records().map(|record| record?.deserialize(Some(&header))).collect()
    };
    rows(input::open(path)?.0).map_err(|error| InputError::Io { path: path.to_owned(), source: error.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn replaces_an_existing_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        fs::write(&path, "old and longer").unwrap();
        write_atomically(&path, |file| file.write_all(b"new")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn keeps_the_old_file_if_writing_fails_midway() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        fs::write(&path, "old").unwrap();
        let result = write_atomically(&path, |file| {
            file.write_all(&[0; 100_000])?;
            Err(io::Error::other("out of ink"))
        });
        assert_eq!(result.unwrap_err().to_string(), "out of ink");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn leaves_no_file_if_the_writer_panics() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        let result = std::panic::catch_unwind(|| write_atomically(&path, |_| panic!("on purpose")));
        assert!(result.is_err());
        assert_eq!(names(folder.path()), [""; 0]);
    }

    #[test]
    fn returns_an_error_if_a_folder_has_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        assert!(write_atomically(&path, |file| file.write_all(b"new")).is_err());
        assert!(path.is_dir());
        assert_eq!(names(folder.path()), ["taken"]);
    }

    #[test]
    fn returns_an_error_if_the_folder_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let error = write_atomically(&folder.path().join("none/a.txt"), |_| Ok(())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn sets_the_permissions_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (ours, plain) = (folder.path().join("ours"), folder.path().join("plain"));
        write_atomically(&ours, |file| file.write_all(b"x")).unwrap();
        fs::write(&plain, "x").unwrap();
        let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&ours), mode(&plain));
    }

    #[cfg(unix)]
    #[test]
    fn keeps_the_bytes_of_a_path_that_is_not_utf_8() {
        let bytes = b"cells/odd\xff.png".to_vec();
        let path = path_from_bytes(bytes.clone());
        assert_eq!(*path_bytes(&path), bytes[..]);
    }

    #[cfg(unix)]
    #[test]
    fn writes_and_reads_a_path_that_is_not_utf_8_in_csv() {
        #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        struct Row {
            #[serde(with = "csv_path")]
            path: PathBuf,
            patient: Option<String>,
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let row = Row { path: path_from_bytes(b"a,\xff.png".to_vec()), patient: None };
        let mut csv = csv::Writer::from_path(&path).unwrap();
        csv.serialize(&row).unwrap();
        csv.flush().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"path,patient\n\"a,\xff.png\",\n");
        assert_eq!(read_csv::<Row>(&path).unwrap(), [row]);
    }
}
