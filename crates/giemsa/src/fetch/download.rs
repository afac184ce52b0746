//! One file over HTTP, resumed and verified.

use super::{FetchError, Order, Progress, Remote, Watcher};
use crate::checksum::{hash_rest, hexadecimal};
use sha2::{Digest, Sha256};
use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;
use ureq::http::{self, header};

const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A file of unknown size may not be larger.
const MOST_BYTES_UNANNOUNCED: u64 = 64 << 20;

/// Downloads into `part`, from where an earlier download stopped, and verifies size and sum.
///
/// Gives the file, locked, positioned anywhere. A file with a wrong sum is removed.
pub fn download(order: &Order, remote: &Remote, part: &Path, watch: &mut Watcher) -> Result<File, FetchError> {
    let agent = agent();
    let mut part = Part::open(part)?;
    let mut resumed = part.bytes > 0;
    loop {
        if let Err(error) = receive_with_patience(&agent, order, remote, &mut part, watch) {
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
        // The start may be of another file than the rest: once more, from nothing.
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

/// The growing file and the sum of what is in it.
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
            Err(TryLockError::WouldBlock) => return Err(FetchError::Busy { path: path.display().to_string() }),
            // Where the file system knows no locks, two processes at once are found out by the sum.
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

/// Why one attempt ended early.
enum Broken {
    /// Worth another attempt.
    ForNow(String),
    /// Not worth another attempt.
    ForGood(FetchError),
}

impl From<FetchError> for Broken {
    fn from(error: FetchError) -> Broken {
        Broken::ForGood(error)
    }
}

/// Attempts until the file is whole; only attempts in a row that bring nothing count against the limit.
fn receive_with_patience(
    agent: &ureq::Agent,
    order: &Order,
    remote: &Remote,
    part: &mut Part,
    watch: &mut Watcher,
) -> Result<(), FetchError> {
    let mut failures = 0;
    if remote.bytes.is_none_or(|total| part.bytes > total) {
        part.restart()?;
    }
    while remote.bytes != Some(part.bytes) {
        let before = part.bytes;
        let reason = match receive(agent, remote, part, watch) {
            Ok(()) => return Ok(()),
            Err(Broken::ForGood(error)) => return Err(error),
            Err(Broken::ForNow(reason)) => reason,
        };
        failures = if remote.bytes.is_some() && part.bytes > before { 1 } else { failures + 1 };
        if failures >= order.attempts {
            return Err(FetchError::Network { url: remote.url.clone(), reason, attempts: failures });
        }
        let pause = order.pause.saturating_mul(1 << (failures - 1).min(16)).min(LONGEST_PAUSE);
        tell(watch, Progress::Retrying { reason, pause })?;
        std::thread::sleep(pause);
    }
    Ok(())
}

/// One request, from where the part ends to the end of the file.
fn receive(agent: &ureq::Agent, remote: &Remote, part: &mut Part, watch: &mut Watcher) -> Result<(), Broken> {
    if remote.bytes.is_none() {
        part.restart()?;
    }
    let mut request = agent.get(&remote.url);
    if part.bytes > 0 {
        request = request.header(header::RANGE, format!("bytes={}-", part.bytes));
    }
    let response = request.call().map_err(|error| match error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            let source = io::Error::new(io::ErrorKind::InvalidInput, error.to_string());
            Broken::ForGood(FetchError::Io { path: remote.url.clone(), source })
        }
        ureq::Error::Io(error) => Broken::ForNow(error.to_string()),
        error => Broken::ForNow(error.to_string()),
    })?;
    accept(remote, part, &response)?;

    let most = remote.bytes.unwrap_or(MOST_BYTES_UNANNOUNCED);
    let mut body = response.into_body().into_reader();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Broken::ForNow(error.to_string())),
        };
        if part.bytes + read as u64 > most {
            part.restart()?;
            return Err(wrong_size(remote, most, "more").into());
        }
        part.append(&buffer[..read])?;
        let (url, bytes) = (remote.url.clone(), part.bytes);
        tell(watch, Progress::Downloading { url, bytes, total: remote.bytes })?;
    }
    match remote.bytes {
        Some(total) if part.bytes < total => {
            Err(Broken::ForNow(format!("the connection ended after {} of {total} bytes", part.bytes)))
        }
        _ => Ok(()),
    }
}

/// Checks status and announced size, and makes the part end where the answer begins.
fn accept(remote: &Remote, part: &mut Part, response: &http::Response<ureq::Body>) -> Result<(), Broken> {
    let announced = match response.status().as_u16() {
        200 => {
            // From the beginning, whatever was asked for.
            part.restart()?;
            response.body().content_length()
        }
        206 => {
            let (start, total) = content_range(response);
            if start != Some(part.bytes) {
                part.restart()?;
                return Err(Broken::ForNow("the server sent another part than was asked for".to_owned()));
            }
            total
        }
        416 if part.bytes > 0 => {
            part.restart()?;
            check_size(remote, content_range(response).1)?;
            return Err(Broken::ForNow("the server does not have the rest of the file".to_owned()));
        }
        status @ (408 | 429 | 500..) => {
            return Err(Broken::ForNow(format!("the server answered with status {status}")));
        }
        status => return Err(FetchError::Status { url: remote.url.clone(), status }.into()),
    };
    Ok(check_size(remote, announced)?)
}

fn check_size(remote: &Remote, announced: Option<u64>) -> Result<(), FetchError> {
    match (remote.bytes, announced) {
        (Some(expected), Some(found)) if expected != found => Err(wrong_size(remote, expected, found)),
        (None, Some(found)) if found > MOST_BYTES_UNANNOUNCED => {
            Err(wrong_size(remote, format!("at most {MOST_BYTES_UNANNOUNCED}"), found))
        }
        _ => Ok(()),
    }
}

fn wrong_size(remote: &Remote, expected: impl ToString, found: impl ToString) -> FetchError {
    FetchError::Size { url: remote.url.clone(), expected: expected.to_string(), found: found.to_string() }
}

/// First byte and total size from `Content-Range: bytes 5-9/10` or `bytes */10`.
fn content_range(response: &http::Response<ureq::Body>) -> (Option<u64>, Option<u64>) {
    let value = response.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let Some((range, total)) = value.and_then(|value| value.strip_prefix("bytes ")).and_then(|v| v.split_once('/'))
    else {
        return (None, None);
    };
    let start = range.split_once('-').and_then(|(start, _)| start.parse().ok());
    (start, total.parse().ok())
}

fn tell(watch: &mut Watcher, progress: Progress) -> Result<(), FetchError> {
    if watch(progress).is_break() { Err(FetchError::Stopped) } else { Ok(()) }
}
