//! Downloads the NIH cell images: download, verify, unpack, and only then move into place.

mod download;
mod error;
mod unpack;

pub use error::{ArchiveError, FetchError};
pub use unpack::{Limits, unpack};

use crate::checksum::sha256_of_file;
use crate::input;
use crate::output::write_atomically;
use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The archive at the U.S. National Library of Medicine.
pub const ARCHIVE_URL: &str = "https://data.lhncbc.nlm.nih.gov/public/Malaria/cell_images.zip";
/// The size of the archive.
pub const ARCHIVE_BYTES: u64 = 353_452_851;
/// The SHA-256 of the archive.
pub const ARCHIVE_SHA256: &str = "0a949556b2414159b5100192609805376654c4266d8d187be9b1922fad43c668";
/// The tables of patients in the folder of the archive, and their SHA-256.
pub const TABLES: [(&str, &str); 2] = [
    ("patientid_cellmapping_parasitized.csv", "d0367e513397404e980baee2a641bce9ce329a22e62ea9007962dfca2f8418d3"),
    ("patientid_cellmapping_uninfected.csv", "a8577b21e7154724f4bbd18326218e2c63a99b22ab372b79a7530d36df6dab78"),
];

/// The folder in the archive and in the output folder.
const IMAGES: &str = "cell_images";
/// The partial download, which is kept if the download is interrupted.
const PART: &str = ".cell_images.zip.part";
const UNPACKING: &str = ".cell_images.unpacking";
/// A file in the folder of images that records the unpacked archive.
const RECEIPT: &str = ".fetched.toml";
const MAX_RECEIPT_BYTES: u64 = 64 << 10;

/// A file on a server, with its expected content.
#[derive(Clone, Debug)]
pub struct RemoteFile {
    /// The address.
    pub url: String,
    /// The size if it is known; only then can a download be resumed.
    pub bytes: Option<u64>,
    /// The SHA-256 as 64 hexadecimal digits.
    pub sha256: String,
}

/// The files to download, and the settings of the download.
#[derive(Clone, Debug)]
pub struct FetchSettings {
    /// The archive of images.
    pub archive: RemoteFile,
    /// Small files that are placed next to the images.
    pub tables: Vec<RemoteFile>,
    /// The number of consecutive attempts that receive nothing before the download fails.
    pub attempts: u32,
    /// The number of consecutive attempts that receive less than the slowest accepted server sends in one
    /// [`speed_window`](FetchSettings::speed_window), before the download fails.
    pub short_attempts: u32,
    /// The lowest accepted speed of a connection, averaged over each [`speed_window`](FetchSettings::speed_window).
    pub min_bytes_per_s: u64,
    /// The time over which the speed is averaged.
    pub speed_window: Duration,
    /// The pause after the first failed attempt. It doubles with each consecutive failure, up to 10 seconds.
    pub pause: Duration,
    /// The limits on the unpacked archive.
    pub limits: Limits,
}

impl FetchSettings {
    /// Returns the settings for the NIH archive and its tables, from [`ARCHIVE_URL`] or a mirror of its folder.
    pub fn official(archive_url: &str) -> FetchSettings {
        let folder = archive_url.rsplit_once('/').map_or("", |(folder, _)| folder);
        let table = |(name, sha256): &(&str, &str)| RemoteFile {
            url: format!("{folder}/{name}"),
            bytes: None,
            sha256: (*sha256).to_owned(),
        };
        let tables = TABLES.iter().map(table).collect();
        let archive =
            RemoteFile { url: archive_url.to_owned(), bytes: Some(ARCHIVE_BYTES), sha256: ARCHIVE_SHA256.to_owned() };
        FetchSettings { tables, ..FetchSettings::for_archive(archive) }
    }

    /// Returns the default settings for another archive, without tables.
    pub fn for_archive(archive: RemoteFile) -> FetchSettings {
        FetchSettings {
            archive,
            tables: Vec::new(),
            attempts: 6,
            short_attempts: 20,
            min_bytes_per_s: 1024,
            speed_window: Duration::from_secs(60),
            pause: Duration::from_secs(1),
            limits: Limits::default(),
        }
    }

    /// Returns the number of bytes that the slowest accepted server sends in one `speed_window`.
    fn least_bytes(&self) -> u64 {
        (self.min_bytes_per_s as f64 * self.speed_window.as_secs_f64()) as u64
    }
}

/// The progress of a download.
#[derive(Clone, Debug)]
pub enum Progress {
    /// A file is being downloaded.
    Downloading {
        /// The address.
        url: String,
        /// The number of bytes so far.
        bytes: u64,
        /// The size if it is known.
        total: Option<u64>,
    },
    /// A connection failed and is retried after a pause.
    Retrying {
        /// The error.
        reason: String,
        /// The pause.
        pause: Duration,
    },
    /// The archive is being unpacked.
    Unpacking {
        /// The number of unpacked entries.
        entries: usize,
        /// The number of entries.
        total: usize,
    },
}

/// A callback for [`Progress`]. `Break` stops the download and keeps the received part.
pub type ProgressCallback<'a> = dyn FnMut(Progress) -> ControlFlow<()> + 'a;

/// The downloaded images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The folder of class folders.
    pub folder: PathBuf,
    /// The number of images.
    pub images: usize,
    /// `true` if all images had been downloaded before.
    pub already_present: bool,
}

/// Downloads `out/cell_images` and the tables next to it, unless they are already there.
///
/// An interrupted download is resumed. No file appears under its final name before it is complete and verified.
///
/// # Errors
/// See [`FetchError`]. In any case `out/cell_images` is either complete or missing.
pub fn fetch(settings: &FetchSettings, out: &Path, progress: &mut ProgressCallback) -> Result<Fetched, FetchError> {
    fs::create_dir_all(out).map_err(FetchError::io(out))?;
    for table in &settings.tables {
        fetch_table(settings, table, out, progress)?;
    }
    let folder = out.join(IMAGES);
    if fs::symlink_metadata(&folder).is_ok() {
        return match complete_images(&folder, &settings.archive.sha256) {
            Some(images) => Ok(Fetched { folder, images, already_present: true }),
            None => Err(FetchError::Occupied { path: folder }),
        };
    }
    let part = out.join(PART);
    // The lock is held until the images are in place.
    let archive = download::download(settings, &settings.archive, &part, progress)?;
    let unpacked = unpack_into_place(settings, &archive, out, progress);
    if matches!(unpacked, Ok(_) | Err(FetchError::Archive(_))) {
        fs::remove_file(&part).map_err(FetchError::io(&part))?;
    }
    unpacked.map(|images| Fetched { folder, images, already_present: false })
}

fn fetch_table(
    settings: &FetchSettings,
    table: &RemoteFile,
    out: &Path,
    progress: &mut ProgressCallback,
) -> Result<(), FetchError> {
    let name = table.url.rsplit('/').next().unwrap_or(&table.url);
    let path = out.join(name);
    if path.exists() {
        let found = sha256_of_file(&path)?;
        let matches = found.eq_ignore_ascii_case(&table.sha256);
        return if matches { Ok(()) } else { Err(FetchError::Occupied { path }) };
    }
    let part = out.join(format!(".{name}.part"));
    download::download(settings, table, &part, progress)?.sync_all().map_err(FetchError::io(&part))?;
    fs::rename(&part, &path).map_err(FetchError::io(&path))
}

fn unpack_into_place(
    settings: &FetchSettings,
    archive: &File,
    out: &Path,
    progress: &mut ProgressCallback,
) -> Result<usize, FetchError> {
    let temporary = out.join(UNPACKING);
    // The lock guarantees that no other process is using the folder of a killed one.
    remove_folder(&temporary)?;
    let images = temporary.join(IMAGES);
    let unpacked = unpack::unpack(io::BufReader::new(archive), &temporary, &settings.limits, progress).and_then(|()| {
        let count = count(&images).map_err(|_| ArchiveError::NoImages)?;
        let receipt = images.join(RECEIPT);
        write_receipt(&receipt, &settings.archive.sha256, count).map_err(FetchError::io(&receipt))?;
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

/// Counts the images of both classes. A class without images is an error.
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

/// Writes the receipt. The number of bytes detects files that a power failure has emptied, because flushing 27,558 files
/// to the disk would take longer than unpacking them.
fn write_receipt(path: &Path, sha256: &str, count: Count) -> io::Result<()> {
    let Count { files, bytes } = count;
    let text = format!("archive_sha256 = \"{}\"\nfiles = {files}\nbytes = {bytes}\n", sha256.to_ascii_lowercase());
    write_atomically(path, |file| file.write_all(text.as_bytes()))
}

/// Returns the number of images of an earlier download if all of them are still there.
fn complete_images(folder: &Path, sha256: &str) -> Option<usize> {
    #[derive(serde::Deserialize)]
    struct Receipt {
        archive_sha256: String,
        files: usize,
        bytes: u64,
    }
    let receipt: Receipt = toml::from_str(&input::read_text(&folder.join(RECEIPT), MAX_RECEIPT_BYTES).ok()?).ok()?;
    let found = count(folder).ok()?;
    let matches = receipt.archive_sha256.eq_ignore_ascii_case(sha256)
        && found == Count { files: receipt.files, bytes: receipt.bytes };
    matches.then_some(receipt.files)
}
