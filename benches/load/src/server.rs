//! `giemsa serve` on a free port, with an empty folder for its cases.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A running server, which is killed when it is dropped.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
    data: PathBuf,
}

impl Running {
    /// Starts a server, and waits until it listens.
    pub fn start(program: &str) -> Running {
        let data = std::env::temp_dir().join(format!("giemsa-load-{}", std::process::id()));
        let _ = fs::remove_dir_all(&data);
        let mut command = Command::new(program);
        command.args(["serve", "--port", "0", "--data"]).arg(&data).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("the line with the address");
        let address = line.trim().strip_prefix("http://").and_then(|address| address.parse().ok());
        Running { address: address.unwrap_or_else(|| panic!("no address: {line}")), child, data }
    }

    /// Returns the largest amount of memory that the server has had, in MB.
    pub fn peak_mb(&self) -> f64 {
        self.status_mb("VmHWM:")
    }

    fn status_mb(&self, key: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse().map_or(f64::NAN, |kb: f64| kb / 1024.0)
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "cannot send a signal");
    }

    /// Waits for the end of a server that was terminated.
    pub fn wait(&mut self) -> ExitStatus {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(60) {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the server does not end");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.data);
    }
}
