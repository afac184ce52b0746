//! Loads the models again when the process receives SIGHUP.

use crate::state::Shared;
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Starts to wait for SIGHUP, which would end the process otherwise.
///
/// # Errors
/// If the runtime cannot receive signals.
pub fn reload_on_hangup(server: Shared) -> io::Result<()> {
    let hangup = signal(SignalKind::hangup())?;
    tokio::spawn(wait(hangup, server));
    Ok(())
}

async fn wait(mut hangup: Signal, server: Shared) {
    while hangup.recv().await.is_some() {
        let reloading = server.clone();
        // Loading takes a moment and reads files.
        let result = tokio::task::spawn_blocking(move || reloading.models.reload()).await;
        match result {
            Ok(Ok(())) => {
                for model in server.models.all() {
                    tracing::info!(model = %model.name, sha256 = %model.sha256, "loaded again");
                }
            }
            Ok(Err(error)) => tracing::error!(%error, "the models cannot be loaded again: the old ones stay"),
            Err(error) => tracing::error!(%error, "loading the models failed: the old ones stay"),
        }
    }
}
