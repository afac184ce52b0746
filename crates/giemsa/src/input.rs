//! Input files: the one function that opens a file of the user. It reads regular files only, and never more than a limit.

use std::fmt;
use std::fs::{File, FileType};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// The file does not exist, or cannot be opened or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The path is not that of a regular file.
    #[error("{}: expected a file, found {found}", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// The kind of the entry.
        found: NotAFile,
    },
    /// The file is larger than any file of its kind.
    #[error("{}: expected a file of at most {limit_bytes} bytes, found a larger one", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The largest size that is read.
        limit_bytes: u64,
    },
    /// The folder is inside too many others.
    #[error("{}: folders are nested more than {limit} deep", path.display())]
    TooDeep {
        /// The folder.
        path: PathBuf,
        /// The largest number of folders inside each other that are read.
        limit: usize,
    },
    /// A text file contains bytes that are not UTF-8.
    #[error("{}: expected text in UTF-8", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
    },
}

impl InputError {
    /// Returns the path.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            InputError::Io { path, .. }
            | InputError::NotAFile { path, .. }
            | InputError::TooLarge { path, .. }
            | InputError::TooDeep { path, .. }
            | InputError::NotUtf8 { path } => path,
        }
    }
}

/// An entry of the file system that is not a regular file. Reading a pipe, a socket or a device could wait for ever, or
/// never end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum NotAFile {
    Folder,
    NamedPipe,
    Socket,
    Device,
}

impl NotAFile {
    /// Returns the kind of an entry; `None` for a regular file.
    #[must_use]
    pub fn of(kind: FileType) -> Option<NotAFile> {
        if kind.is_file() {
            return None;
        }
        if kind.is_dir() {
            return Some(NotAFile::Folder);
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::FileTypeExt;
            if kind.is_fifo() {
                return Some(NotAFile::NamedPipe);
            }
            if kind.is_socket() {
                return Some(NotAFile::Socket);
            }
        }
        Some(NotAFile::Device)
    }
}

impl fmt::Display for NotAFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotAFile::Folder => "a folder",
            NotAFile::NamedPipe => "a named pipe",
            NotAFile::Socket => "a socket",
            NotAFile::Device => "a device",
        })
    }
}

/// Opens a regular file, following symbolic links, and returns it with its size in bytes.
///
/// # Errors
/// [`InputError::Io`] or [`InputError::NotAFile`].
pub(crate) fn open(path: &Path) -> Result<(File, u64), InputError> {
    let io_error = |source| InputError::Io { path: path.to_owned(), source };
    // The kind is checked before opening, because opening a named pipe waits for its writer.
    let kind = std::fs::metadata(path).map_err(io_error)?.file_type();
    if let Some(found) = NotAFile::of(kind) {
        return Err(InputError::NotAFile { path: path.to_owned(), found });
    }
    let file = File::open(path).map_err(io_error)?;
    let length = file.metadata().map_err(io_error)?.len();
    Ok((file, length))
}

/// Reads a regular file of at most `limit_bytes`, and allocates no more than its size.
///
/// # Errors
/// See [`InputError`].
pub(crate) fn read(path: &Path, limit_bytes: u64) -> Result<Vec<u8>, InputError> {
    let (file, length) = open(path)?;
    let too_large = || InputError::TooLarge { path: path.to_owned(), limit_bytes };
    let io_error = |source| InputError::Io { path: path.to_owned(), source };
    if length > limit_bytes {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    // One byte more, so that the last read meets the end of the file without growing the buffer.
    bytes.try_reserve_exact(length as usize + 1).map_err(|e| io_error(e.into()))?;
    // The file may grow while it is read.
    file.take(limit_bytes + 1).read_to_end(&mut bytes).map_err(io_error)?;
    if bytes.len() as u64 > limit_bytes { Err(too_large()) } else { Ok(bytes) }
}

/// Reads a regular text file of at most `limit_bytes`.
///
/// ```
/// let error = giemsa::input::read_text("src".as_ref(), 1 << 20).unwrap_err();
/// assert_eq!(error.to_string(), "src: expected a file, found a folder");
/// ```
///
/// # Errors
/// See [`InputError`].
pub fn read_text(path: &Path, limit_bytes: u64) -> Result<String, InputError> {
    String::from_utf8(read(path, limit_bytes)?).map_err(|_| InputError::NotUtf8 { path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_file_up_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert_eq!(read_text(&path, 6).unwrap(), "12345");
        assert!(matches!(read(&path, 4).unwrap_err(), InputError::TooLarge { limit_bytes: 4, .. }));
        std::fs::write(&path, b"\xff").unwrap();
        assert!(matches!(read_text(&path, 5).unwrap_err(), InputError::NotUtf8 { .. }));
        assert!(matches!(read(&folder.path().join("none"), 5).unwrap_err(), InputError::Io { .. }));
    }

    #[cfg(unix)]
    #[test]
    fn rejects_folders_pipes_sockets_and_devices_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, socket) = (folder.path().join("pipe"), folder.path().join("socket"));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let cases = [
            (folder.path(), NotAFile::Folder),
            (&pipe, NotAFile::NamedPipe),
            (&socket, NotAFile::Socket),
            (Path::new("/dev/zero"), NotAFile::Device),
        ];
        for (path, expected) in cases {
            let error = read(path, 5).unwrap_err();
            assert!(matches!(&error, InputError::NotAFile { found, .. } if *found == expected), "{error}");
            assert_eq!(error.to_string(), format!("{}: expected a file, found {expected}", path.display()));
        }
    }
}
