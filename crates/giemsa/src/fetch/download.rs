//! Downloads a file over HTTP, with resumption and verification.

use super::{FetchError, FetchSettings, Progress, ProgressCallback, RemoteFile};
use crate::checksum::{hash_rest, hexadecimal};
use sha2::{Digest, Sha256};
use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;
use ureq::http::{self, header};

const MAX_PAUSE: Duration = Duration::from_secs(10);
/// The largest accepted file of unknown size.
const MAX_BYTES_UNKNOWN_SIZE: u64 = 64 << 20;

/// Downloads into `part`, resumes an interrupted download, and verifies size and SHA-256.
///
/// Returns the file, locked, at an unspecified position. A file with another SHA-256 is deleted.
pub fn download(
    settings: &FetchSettings,
    remote: &RemoteFile,
    part: &Path,
    progress: &mut ProgressCallback,
) -> Result<File, FetchError> {
    let agent = agent();
    let mut part = Part::open(part)?;
    let mut resumed = part.bytes > 0;
    loop {
        if let Err(error) = receive_with_retries(&agent, settings, remote, &mut part, progress) {
            part.remove_if_empty()?;
            return Err(error);
        }
        let found = hexadecimal(&part.sha256.clone().finalize());
        if found.eq_ignore_ascii_case(&remote.sha256) {
            return Ok(part.file);
        }
        if !resumed {
            std::fs::remove_file(part.path).map_err(FetchError::io(part.path))?;
            let (url, expected) = (remote.url.clone(), remote.sha256.clone());
            return Err(FetchError::Checksum { url, expected, found });
        }
        // The resumed part may belong to another file: start again from the beginning, once.
        resumed = false;
        part.restart()?;
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
}

impl<'a> Part<'a> {
    fn open(path: &'a Path) -> Result<Part<'a>, FetchError> {
        let open = File::options().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = open.map_err(FetchError::io(path))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(FetchError::Busy { path: path.to_owned() }),
            // If the file system has no locks, the SHA-256 detects two simultaneous processes.
            Err(TryLockError::Error(_)) | Ok(()) => {}
        }
        let mut sha256 = Sha256::new();
        let bytes = hash_rest(&mut file, &mut sha256).map_err(FetchError::io(path))?;
        Ok(Part { path, file, bytes, sha256 })
    }

    fn restart(&mut self) -> Result<(), FetchError> {
        self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0))).map_err(FetchError::io(self.path))?;
        self.bytes = 0;
        self.sha256 = Sha256::new();
        Ok(())
    }

    fn remove_if_empty(&self) -> Result<(), FetchError> {
        let length = self.file.metadata().map_err(FetchError::io(self.path))?.len();
        if length == 0 { std::fs::remove_file(self.path).map_err(FetchError::io(self.path)) } else { Ok(()) }
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        self.file.write_all(bytes).map_err(FetchError::io(self.path))?;
        self.bytes += bytes.len() as u64;
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

/// Retries until the file is complete. Only consecutive attempts without progress count against the limit.
fn receive_with_retries(
    agent: &ureq::Agent,
    settings: &FetchSettings,
    remote: &RemoteFile,
    part: &mut Part,
    progress: &mut ProgressCallback,
) -> Result<(), FetchError> {
    let mut failures = 0;
    if remote.bytes.is_none_or(|total| part.bytes > total) {
        part.restart()?;
    }
    while remote.bytes != Some(part.bytes) {
        let before = part.bytes;
        let reason = match receive(agent, remote, part, progress) {
            Ok(()) => return Ok(()),
            Err(Failure::Permanent(error)) => return Err(error),
            Err(Failure::Temporary(reason)) => reason,
        };
        failures = if remote.bytes.is_some() && part.bytes > before { 1 } else { failures + 1 };
        if failures >= settings.attempts {
            return Err(FetchError::Network { url: remote.url.clone(), reason, attempts: failures });
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
    remote: &RemoteFile,
    part: &mut Part,
    progress: &mut ProgressCallback,
) -> Result<(), Failure> {
    if remote.bytes.is_none() {
        part.restart()?;
    }
    let mut request = agent.get(&remote.url);
    if part.bytes > 0 {
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

/// Checks the status and the announced size, and truncates the part if the answer starts at the beginning.
fn accept(remote: &RemoteFile, part: &mut Part, response: &http::Response<ureq::Body>) -> Result<(), Failure> {
    let announced = match response.status().as_u16() {
        200 => {
            // The answer starts at the beginning, even if a range was requested.
            part.restart()?;
            response.body().content_length()
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
            part.restart()?;
            check_size(remote, content_range(response).1)?;
            return Err(Failure::Temporary("the server does not have the rest of the file".to_owned()));
        }
        status @ (408 | 429 | 500..) => {
            return Err(Failure::Temporary(format!("the server answered with status {status}")));
        }
        status => return Err(FetchError::Status { url: remote.url.clone(), status }.into()),
    };
    Ok(check_size(remote, announced)?)
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
