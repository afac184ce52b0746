//! Downloads a file over HTTP, with resumption and verification.

use super::{FetchError, FetchSettings, Progress, ProgressCallback, RemoteFile};
use crate::checksum::{hash_rest, hexadecimal};
use sha2::{Digest, Sha256};
use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};
use ureq::http::{self, header};

const MAX_PAUSE: Duration = Duration::from_secs(10);
/// The largest accepted file of unknown size.
const MAX_BYTES_UNKNOWN_SIZE: u64 = 64 << 20;

/// Downloads into `part`, resumes an interrupted download, and verifies size and SHA-256.
///
/// If a resumed download does not match, the server may have changed the file in between: the download then starts again
/// from the beginning, once. Returns the file, locked, at an unspecified position. A file with another SHA-256 is deleted.
pub fn download(
    settings: &FetchSettings,
    remote: &RemoteFile,
    part: &Path,
    progress: &mut ProgressCallback,
) -> Result<File, FetchError> {
    let agent = agent();
    let mut part = Part::open(part)?;
    let mut last_try = false;
    loop {
        match receive_with_retries(&agent, settings, remote, &mut part, progress) {
            // The part is kept until the server offers a file of the right size.
            Err(FetchError::Size { .. }) if part.bytes > 0 && !last_try => part.ignored = true,
            Err(error) => {
                part.remove_if_empty()?;
                return Err(error);
            }
            Ok(()) => {
                let found = hexadecimal(&part.sha256.clone().finalize());
                if found.eq_ignore_ascii_case(&remote.sha256) {
                    return Ok(part.file);
                }
                if last_try || !part.resumed {
                    std::fs::remove_file(part.path).map_err(FetchError::io(part.path))?;
                    let (url, expected) = (remote.url.clone(), remote.sha256.clone());
                    return Err(FetchError::Checksum { url, expected, found });
                }
                part.restart()?;
            }
        }
        last_try = true;
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(Duration::from_secs(30)))
        .timeout_recv_response(Some(Duration::from_secs(60)))
        .timeout_per_read(Some(Duration::from_secs(60)))
        .user_agent(concat!("giemsa/", env!("CARGO_PKG_VERSION")))
        .accept_encoding("identity")
        .build()
        .into()
}

/// A partial download with the hash of its content.
struct Part<'a> {
    path: &'a Path,
    file: File,
    bytes: u64,
    sha256: Sha256,
    /// The content comes from more than one answer.
    resumed: bool,
    /// The next request is for the whole file.
    ignored: bool,
    /// The largest number of bytes so far, also before a restart.
    furthest: u64,
}

impl<'a> Part<'a> {
    fn open(path: &'a Path) -> Result<Part<'a>, FetchError> {
        // Opening or reading a pipe could wait for ever, and a link could lead to a file of the user.
        if std::fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(FetchError::Occupied { path: path.to_owned() });
        }
        let open = File::options().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = open.map_err(FetchError::io(path))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(FetchError::Busy { path: path.to_owned() }),
            // If the file system has no locks, the SHA-256 detects two simultaneous processes.
            Err(TryLockError::Error(_)) | Ok(()) => {}
        }
        let mut sha256 = Sha256::new();
        let bytes = hash_rest(&mut file, &mut sha256).map_err(FetchError::io(path))?;
        Ok(Part { path, file, bytes, sha256, resumed: bytes > 0, ignored: false, furthest: bytes })
    }

    fn restart(&mut self) -> Result<(), FetchError> {
        self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0))).map_err(FetchError::io(self.path))?;
        self.bytes = 0;
        self.sha256 = Sha256::new();
        (self.resumed, self.ignored) = (false, false);
        Ok(())
    }

    fn remove_if_empty(&self) -> Result<(), FetchError> {
        let length = self.file.metadata().map_err(FetchError::io(self.path))?.len();
        if length == 0 { std::fs::remove_file(self.path).map_err(FetchError::io(self.path)) } else { Ok(()) }
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        self.file.write_all(bytes).map_err(FetchError::io(self.path))?;
        self.bytes += bytes.len() as u64;
        self.furthest = self.furthest.max(self.bytes);
        self.sha256.update(bytes);
        Ok(())
    }
}

/// A failed attempt.
enum Failure {
    /// Another attempt may succeed.
    Temporary(String),
    /// Another attempt would fail too.
    Permanent(FetchError),
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Failure {
        Failure::Permanent(error)
    }
}

/// Retries until the file is complete, or too many consecutive attempts receive nothing or only a little.
fn receive_with_retries(
    agent: &ureq::Agent,
    settings: &FetchSettings,
    remote: &RemoteFile,
    part: &mut Part,
    progress: &mut ProgressCallback,
) -> Result<(), FetchError> {
    let (mut failures, mut short) = (0, 0);
    if remote.bytes.is_none_or(|total| part.bytes > total) {
        part.restart()?;
    }
    part.furthest = part.bytes;
    while remote.bytes != Some(part.bytes) {
        let before = part.furthest;
        let reason = match receive(agent, settings, remote, part, progress) {
            Ok(()) => return Ok(()),
            Err(Failure::Permanent(error)) => return Err(error),
            Err(Failure::Temporary(reason)) => reason,
        };
        let gained = part.furthest - before;
        failures = if remote.bytes.is_some() && gained > 0 { 1 } else { failures + 1 };
        short = if gained >= settings.least_bytes() { 0 } else { short + 1 };
        if failures >= settings.attempts || short >= settings.short_attempts {
            let attempts = if failures >= settings.attempts { failures } else { short };
            return Err(FetchError::Network { url: remote.url.clone(), reason, attempts });
        }
        let pause = settings.pause.saturating_mul(1 << (failures - 1).min(16)).min(MAX_PAUSE);
        report(progress, Progress::Retrying { reason, pause })?;
        std::thread::sleep(pause);
    }
    Ok(())
}

/// Requests the rest of the file.
fn receive(
    agent: &ureq::Agent,
    settings: &FetchSettings,
    remote: &RemoteFile,
    part: &mut Part,
    progress: &mut ProgressCallback,
) -> Result<(), Failure> {
    if remote.bytes.is_none() {
        part.restart()?;
    }
    let mut request = agent.get(&remote.url);
    if part.bytes > 0 && !part.ignored {
        request = request.header(header::RANGE, format!("bytes={}-", part.bytes));
    }
    let response = request.call().map_err(|error| match error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            Failure::Permanent(FetchError::InvalidUrl { url: remote.url.clone(), reason: error.to_string() })
        }
        ureq::Error::Io(error) => Failure::Temporary(error.to_string()),
        error => Failure::Temporary(error.to_string()),
    })?;
    accept(remote, part, &response)?;

    let max_bytes = remote.bytes.unwrap_or(MAX_BYTES_UNKNOWN_SIZE);
    let mut body = response.into_body().into_reader();
    let mut buffer = vec![0; 64 << 10];
    let (mut since, mut bytes_since) = (Instant::now(), 0);
    loop {
        let read = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failure::Temporary(error.to_string())),
        };
        if part.bytes + read as u64 > max_bytes {
            part.restart()?;
            return Err(FetchError::TooLong { url: remote.url.clone(), max_bytes }.into());
        }
        part.append(&buffer[..read])?;
        bytes_since += read as u64;
        if since.elapsed() >= settings.speed_window {
            check_speed(settings, remote, bytes_since, since.elapsed())?;
            (since, bytes_since) = (Instant::now(), 0);
        }
        let (url, bytes) = (remote.url.clone(), part.bytes);
        report(progress, Progress::Downloading { url, bytes, total: remote.bytes })?;
    }
    match remote.bytes {
        Some(total) if part.bytes < total => {
            Err(Failure::Temporary(format!("the connection ended after {} of {total} bytes", part.bytes)))
        }
        _ => Ok(()),
    }
}

fn check_speed(settings: &FetchSettings, remote: &RemoteFile, bytes: u64, elapsed: Duration) -> Result<(), FetchError> {
    let (found, expected) = ((bytes as f64 / elapsed.as_secs_f64()) as u64, settings.min_bytes_per_s);
    if found < expected { Err(FetchError::TooSlow { url: remote.url.clone(), expected, found }) } else { Ok(()) }
}

/// Checks the status and the announced size, and truncates the part if the answer starts at the beginning.
fn accept(remote: &RemoteFile, part: &mut Part, response: &http::Response<ureq::Body>) -> Result<(), Failure> {
    let announced = match response.status().as_u16() {
        200 => {
            check_size(remote, response.body().content_length())?;
            // The answer starts at the beginning, even if a range was requested.
            part.restart()?;
            return Ok(());
        }
        206 => {
            let (start, total) = content_range(response);
            if start != Some(part.bytes) {
                part.restart()?;
                return Err(Failure::Temporary("the server sent another range than requested".to_owned()));
            }
            total
        }
        416 if part.bytes > 0 => {
            check_size(remote, content_range(response).1)?;
            part.restart()?;
            return Err(Failure::Temporary("the server does not have the rest of the file".to_owned()));
        }
        status @ (408 | 429 | 500..) => {
            return Err(Failure::Temporary(format!("the server answered with status {status}")));
        }
        status => return Err(FetchError::Status { url: remote.url.clone(), status }.into()),
    };
    check_size(remote, announced)?;
    part.resumed = true;
    Ok(())
}

fn check_size(remote: &RemoteFile, announced: Option<u64>) -> Result<(), FetchError> {
    let url = || remote.url.clone();
    match (remote.bytes, announced) {
        (Some(expected), Some(found)) if expected != found => Err(FetchError::Size { url: url(), expected, found }),
        (None, Some(found)) if found > MAX_BYTES_UNKNOWN_SIZE => {
            Err(FetchError::TooLong { url: url(), max_bytes: MAX_BYTES_UNKNOWN_SIZE })
        }
        _ => Ok(()),
    }
}

/// Parses first byte and total size from `Content-Range: bytes 5-9/10` or `bytes */10`.
fn content_range(response: &http::Response<ureq::Body>) -> (Option<u64>, Option<u64>) {
    let value = response.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let Some((range, total)) = value.and_then(|value| value.strip_prefix("bytes ")).and_then(|v| v.split_once('/'))
    else {
        return (None, None);
    };
    let start = range.split_once('-').and_then(|(start, _)| start.parse().ok());
    (start, total.parse().ok())
}

fn report(callback: &mut ProgressCallback, progress: Progress) -> Result<(), FetchError> {
    if callback(progress).is_break() { Err(FetchError::Stopped) } else { Ok(()) }
}
