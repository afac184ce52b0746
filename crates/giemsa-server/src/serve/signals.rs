//! The signals that stop the server.

use std::io;

/// SIGTERM and SIGINT; where there are none, Ctrl-C.
#[cfg(unix)]
pub struct Signals {
    terminated: tokio::signal::unix::Signal,
    interrupted: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// Registers for the signals: from now on they do not end the process.
    pub fn register() -> io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals { terminated: signal(SignalKind::terminate())?, interrupted: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminated.recv() => (),
            _ = self.interrupted.recv() => (),
        }
    }
}

/// SIGTERM and SIGINT; where there are none, Ctrl-C.
#[cfg(not(unix))]
pub struct Signals;

#[cfg(not(unix))]
impl Signals {
    /// Registers for the signals.
    pub fn register() -> io::Result<Signals> {
        Ok(Signals)
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) {
        // If it cannot be registered, the operating system ends the process.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
