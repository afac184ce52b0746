//! Brings the official cell images: download, verify, unpack, and only then put in place.

mod download;
mod unpack;

pub use unpack::Limits;

use crate::checksum::sha256_of_file;

use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the U.S. National Library of Medicine keeps the archive.
pub const ARCHIVE_URL: &str = "https://data.lhncbc.nlm.nih.gov/public/Malaria/cell_images.zip";
/// Size of the archive.
pub const ARCHIVE_BYTES: u64 = 353_452_851;
/// SHA-256 of the archive.
pub const ARCHIVE_SHA256: &str = "0a949556b2414159b5100192609805376654c4266d8d187be9b1922fad43c668";
/// The tables beside the archive that say which patient a cell is of, and their SHA-256.
pub const TABLES: [(&str, &str); 2] = [
    ("patientid_cellmapping_parasitized.csv", "d0367e513397404e980baee2a641bce9ce329a22e62ea9007962dfca2f8418d3"),
    ("patientid_cellmapping_uninfected.csv", "a8577b21e7154724f4bbd18326218e2c63a99b22ab372b79a7530d36df6dab78"),
];

/// The folder that the archive holds, and that appears in the target folder.
const IMAGES: &str = "cell_images";
/// What the download grows in; it stays when the download is cut off.
const PART: &str = ".cell_images.zip.part";
const UNPACKING: &str = ".cell_images.unpacking";
/// Lies in the folder of images and says what was unpacked there.
const RECEIPT: &str = ".fetched.toml";

/// A file on a server, and how to know it.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Its address.
    pub url: String,
    /// Its size, where it is known beforehand; only then can a download be resumed.
    pub bytes: Option<u64>,
    /// Its SHA-256, as 64 hexadecimal digits.
    pub sha256: String,
}

/// What to fetch, and how patiently.
#[derive(Clone, Debug)]
pub struct Order {
    /// The archive of images.
    pub archive: Remote,
    /// Small files to lay beside the images.
    pub tables: Vec<Remote>,
    /// How often in a row a connection may fail without bringing anything before it is an error.
    pub attempts: u32,
    /// The pause after the first failure in a row; each further pause is twice as long, up to 10 seconds.
    pub pause: Duration,
    /// What the archive may unpack to.
    pub limits: Limits,
}

impl Order {
    /// The official archive and its tables, from the folder at an address: the official one or a mirror.
    pub fn official(archive_url: &str) -> Order {
        let folder = archive_url.rsplit_once('/').map_or("", |(folder, _)| folder);
        let table = |(name, sha256): &(&str, &str)| Remote {
            url: format!("{folder}/{name}"),
            bytes: None,
            sha256: (*sha256).to_owned(),
        };
        let tables = TABLES.iter().map(table).collect();
        let archive =
            Remote { url: archive_url.to_owned(), bytes: Some(ARCHIVE_BYTES), sha256: ARCHIVE_SHA256.to_owned() };
        Order { tables, ..Order::archive_alone(archive) }
    }

    /// An archive without tables, fetched with the usual patience and limits.
    pub fn archive_alone(archive: Remote) -> Order {
        let (tables, limits) = (Vec::new(), Limits::default());
        Order { archive, tables, attempts: 6, pause: Duration::from_secs(1), limits }
    }
}

/// Told while it works.
#[derive(Clone, Debug)]
pub enum Progress {
    /// So much of a file has come.
    Downloading {
        /// The file's address.
        url: String,
        /// How much of it is here.
        bytes: u64,
        /// Its size, where it is known.
        total: Option<u64>,
    },
    /// A connection failed and is tried again after a pause.
    Retrying {
        /// Why it failed.
        reason: String,
        /// How long the pause is.
        pause: Duration,
    },
    /// So many of the archive's entries are unpacked.
    Unpacking {
        /// Entries done.
        entries: usize,
        /// Entries in all.
        total: usize,
    },
}

/// Receives [`Progress`]; breaking stops the work, and what has come so far stays for the next time.
pub type Watcher<'a> = dyn FnMut(Progress) -> ControlFlow<()> + 'a;

/// What lies in the target folder now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The folder with one folder a class.
    pub folder: PathBuf,
    /// How many files it holds.
    pub files: usize,
    /// Whether it was there, whole, before.
    pub was_there: bool,
}

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The server cannot be reached or keeps breaking off.
    #[error("{url}: {reason} ({attempts} attempts)")]
    Network {
        /// The address.
        url: String,
        /// What the last attempt met.
        reason: String,
        /// How many attempts in a row brought nothing.
        attempts: u32,
    },
    /// The server refuses.
    #[error("{url}: the server answered with status {status}")]
    Status {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The file on the server has another size.
    #[error("{url}: expected {expected} bytes, found {found}")]
    Size {
        /// The address.
        url: String,
        /// The size it should have.
        expected: String,
        /// The size the server says or sends.
        found: String,
    },
    /// The file came whole and is another one.
    #[error("{url}: expected SHA-256 {expected}, found {found}; it was thrown away")]
    Checksum {
        /// The address.
        url: String,
        /// The sum it should have.
        expected: String,
        /// The sum it has.
        found: String,
    },
    /// The archive cannot be unpacked, or not safely.
    #[error("the archive is refused: {0}")]
    Archive(String),
    /// Something else lies where the images belong.
    #[error("{path}: exists and is not what was fetched (whole); move it away or name another folder")]
    Occupied {
        /// Where.
        path: String,
    },
    /// Another process fetches into the same folder.
    #[error("{path}: another process is fetching into this folder")]
    Busy {
        /// The file it has locked.
        path: String,
    },
    /// No space is left.
    #[error("{path}: the disk is full; make room and run it again, what was downloaded is kept")]
    DiskFull {
        /// What was being written.
        path: String,
    },
    /// A file or folder cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The watcher asked to stop.
    #[error("stopped; what was downloaded is kept")]
    Stopped,
}

impl FetchError {
    /// For `map_err` on whatever touches `path`.
    fn io(path: &Path) -> impl FnOnce(io::Error) -> FetchError + '_ {
        move |source| {
            let path = path.display().to_string();
            match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FetchError::DiskFull { path },
                _ => FetchError::Io { path, source },
            }
        }
    }
}

/// Brings `out/cell_images` and the tables beside it, unless they are there.
///
/// A download that was cut off goes on where it stopped. Nothing appears under its own name before it is whole and
/// has the right sum.
///
/// # Errors
/// See [`FetchError`]. Whatever happens, `out/cell_images` is either whole or not there.
pub fn fetch(order: &Order, out: &Path, watch: &mut Watcher) -> Result<Fetched, FetchError> {
    fs::create_dir_all(out).map_err(FetchError::io(out))?;
    for table in &order.tables {
        fetch_table(order, table, out, watch)?;
    }
    let folder = out.join(IMAGES);
    if fs::symlink_metadata(&folder).is_ok() {
        return match whole_files(&folder, &order.archive.sha256) {
            Some(files) => Ok(Fetched { folder, files, was_there: true }),
            None => Err(FetchError::Occupied { path: folder.display().to_string() }),
        };
    }
    let part = out.join(PART);
    // The lock is held until the images are in place.
    let archive = download::download(order, &order.archive, &part, watch)?;
    let unpacked = unpack_into_place(order, &archive, out, watch);
    if matches!(unpacked, Ok(_) | Err(FetchError::Archive(_))) {
        fs::remove_file(&part).map_err(FetchError::io(&part))?;
    }
    unpacked.map(|files| Fetched { folder, files, was_there: false })
}

fn fetch_table(order: &Order, table: &Remote, out: &Path, watch: &mut Watcher) -> Result<(), FetchError> {
    let name = table.url.rsplit('/').next().unwrap_or(&table.url);
    let path = out.join(name);
    if path.exists() {
        let there = sha256_of_file(&path).map_err(FetchError::io(&path))?;
        let right = there.eq_ignore_ascii_case(&table.sha256);
        return if right { Ok(()) } else { Err(FetchError::Occupied { path: path.display().to_string() }) };
    }
    let part = out.join(format!(".{name}.part"));
    download::download(order, table, &part, watch)?.sync_all().map_err(FetchError::io(&part))?;
    fs::rename(&part, &path).map_err(FetchError::io(&path))
}

fn unpack_into_place(order: &Order, archive: &File, out: &Path, watch: &mut Watcher) -> Result<usize, FetchError> {
    let temporary = out.join(UNPACKING);
    // Left by a process that was killed; the lock says that it is nobody's now.
    remove_folder(&temporary)?;
    let images = temporary.join(IMAGES);
    let unpacked = unpack::unpack(io::BufReader::new(archive), &temporary, &order.limits, watch).and_then(|()| {
        let count = count(&images).map_err(|_| {
            FetchError::Archive(format!("expected {IMAGES}/{{Parasitized,Uninfected}} with images, found none"))
        })?;
        let receipt = images.join(RECEIPT);
        write_receipt(&receipt, &order.archive.sha256, count).map_err(FetchError::io(&receipt))?;
        let folder = out.join(IMAGES);
        fs::rename(&images, &folder).map_err(FetchError::io(&folder))?;
        Ok(count.files)
    });
    let removed = remove_folder(&temporary);
    unpacked.and_then(|files| removed.map(|()| files))
}

fn remove_folder(folder: &Path) -> Result<(), FetchError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FetchError::io(folder)(error)),
        _ => Ok(()),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Count {
    files: usize,
    bytes: u64,
}

/// Counts the images of both classes; a class without any is an error.
fn count(images: &Path) -> io::Result<Count> {
    let mut count = Count { files: 0, bytes: 0 };
    for class in ["Parasitized", "Uninfected"] {
        let before = count.files;
        for entry in fs::read_dir(images.join(class))? {
            count.files += 1;
            count.bytes += entry?.metadata()?.len();
        }
        if count.files == before {
            return Err(io::ErrorKind::NotFound.into());
        }
    }
    Ok(count)
}

/// The receipt holds the number of bytes so that files which a power cut has emptied are noticed: flushing each of
/// 27,558 files to the disk would take longer than unpacking them.
fn write_receipt(path: &Path, sha256: &str, count: Count) -> io::Result<()> {
    let Count { files, bytes } = count;
    let text = format!("archive_sha256 = \"{}\"\nfiles = {files}\nbytes = {bytes}\n", sha256.to_ascii_lowercase());
    crate::files::write_whole(path, |file| file.write_all(text.as_bytes()))
}

/// How many files an earlier run has put into the folder, if all of them are still there.
fn whole_files(folder: &Path, sha256: &str) -> Option<usize> {
    #[derive(serde::Deserialize)]
    struct Receipt {
        archive_sha256: String,
        files: usize,
        bytes: u64,
    }
    let receipt: Receipt = toml::from_str(&fs::read_to_string(folder.join(RECEIPT)).ok()?).ok()?;
    let there = count(folder).ok()?;
    let right = receipt.archive_sha256.eq_ignore_ascii_case(sha256)
        && there == Count { files: receipt.files, bytes: receipt.bytes };
    right.then_some(receipt.files)
}
