//! Errors of downloading and unpacking.

use crate::input::InputError;
use std::io;
use std::path::{Path, PathBuf};

/// A failed download.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// A file that is already there cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The server cannot be reached, or the connection fails repeatedly.
    #[error("{url}: {reason} ({attempts} attempts)")]
    Network {
        /// The address.
        url: String,
        /// The error of the last attempt.
        reason: String,
        /// The number of consecutive attempts that received nothing, or only a little.
        attempts: u32,
    },
    /// The address is not a valid URL.
    #[error("{url}: invalid URL: {reason}")]
    InvalidUrl {
        /// The address.
        url: String,
        /// The error of the parser.
        reason: String,
    },
    /// The server is too slow.
    #[error("{url}: expected at least {expected} bytes per second, found {found}; the download is kept")]
    TooSlow {
        /// The address.
        url: String,
        /// The lowest accepted speed, in bytes per second.
        expected: u64,
        /// The speed, in bytes per second.
        found: u64,
    },
    /// The server refuses the request.
    #[error("{url}: the server answered with status {status}")]
    Status {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The server announces a file of another size.
    #[error("{url}: expected {expected} bytes, found {found}")]
    Size {
        /// The address.
        url: String,
        /// The expected size.
        expected: u64,
        /// The announced size.
        found: u64,
    },
    /// The server sends more than expected.
    #[error("{url}: expected at most {max_bytes} bytes, found more")]
    TooLong {
        /// The address.
        url: String,
        /// The largest accepted size.
        max_bytes: u64,
    },
    /// The file has another content.
    #[error("{url}: expected SHA-256 {expected}, found {found}; the download was deleted")]
    Checksum {
        /// The address.
        url: String,
        /// The expected SHA-256.
        expected: String,
        /// The SHA-256 of the download.
        found: String,
    },
    /// The archive cannot be unpacked safely.
    #[error("cannot unpack the archive: {0}")]
    Archive(#[from] ArchiveError),
    /// Another file or folder has the name of the images or of a table.
    #[error("{path}: already exists with other content; move it away or choose another folder")]
    Occupied {
        /// The file or folder.
        path: PathBuf,
    },
    /// Another process downloads into the same folder.
    #[error("{path}: another process is downloading into this folder")]
    Busy {
        /// The locked file.
        path: PathBuf,
    },
    /// The disk is full.
    #[error("{path}: the disk is full; free some space and try again (the download is kept)")]
    DiskFull {
        /// The file that cannot be written.
        path: PathBuf,
    },
    /// A file or folder cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
    /// The progress callback stopped the download.
    #[error("stopped; the download is kept")]
    Stopped,
}

impl FetchError {
    /// Returns a function for `map_err` that adds the path to an error of the file system.
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> FetchError + '_ {
        move |source| {
            let path = path.to_owned();
            match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FetchError::DiskFull { path },
                _ => FetchError::Io { path, source },
            }
        }
    }
}

/// An archive that is damaged, unsafe, or without images.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The archive is not a valid zip file.
    #[error("{reason}")]
    Invalid {
        /// The error of the zip reader.
        reason: String,
    },
    /// The archive has too many entries.
    #[error("expected at most {max} entries, found {found}")]
    TooManyEntries {
        /// The limit.
        max: usize,
        /// The number of entries.
        found: usize,
    },
    /// The files are too large in total.
    #[error("the files have more than {max_bytes} bytes in total")]
    TooLarge {
        /// The limit.
        max_bytes: u64,
    },
    /// The data of two entries overlap, so that a small archive could unpack to many large files.
    #[error("{name}: overlaps another entry")]
    Overlap {
        /// One of the entries.
        name: PathBuf,
    },
    /// The name of an entry leads out of the folder.
    #[error("unsafe name {name:?}")]
    UnsafeName {
        /// The name; bytes that are not UTF-8 are replaced by U+FFFD.
        name: String,
    },
    /// An entry is a link or a device.
    #[error("{name}: neither a file nor a folder")]
    NotAFile {
        /// The entry.
        name: PathBuf,
    },
    /// A file is too large.
    #[error("{name}: expected at most {max_bytes} bytes, found {found}")]
    FileTooLarge {
        /// The entry.
        name: PathBuf,
        /// The limit.
        max_bytes: u64,
        /// The announced size.
        found: u64,
    },
    /// The compression ratio of a file is too high for an image.
    #[error("{name}: {packed_bytes} bytes would unpack to {bytes}")]
    SuspiciousRatio {
        /// The entry.
        name: PathBuf,
        /// The size in the archive.
        packed_bytes: u64,
        /// The announced size.
        bytes: u64,
    },
    /// A file cannot be unpacked, or has another size than announced.
    #[error("{path}: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The error of the zip reader, or the difference in size.
        reason: String,
    },
    /// There are no images in the expected folders.
    #[error("expected cell_images/{{Parasitized,Uninfected}} with images, found none")]
    NoImages,
}
