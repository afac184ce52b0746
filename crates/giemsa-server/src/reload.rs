//! Loads the models again when the process receives SIGHUP.

use crate::state::{Server, Shared};
use std::io;
use std::sync::{Arc, Weak};

/// Starts to wait for SIGHUP, which would end the process otherwise. Where there are no signals, nothing happens.
///
/// # Errors
/// If the runtime cannot receive signals.
pub fn reload_on_hangup(server: &Shared) -> io::Result<()> {
    // The server ends when its last owner does, and waiting is no reason to keep it.
    let server = Arc::downgrade(server);
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut hangup = signal(SignalKind::hangup())?;
        tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                reload(&server).await;
            }
        });
    }
    #[cfg(not(unix))]
    drop(server);
    Ok(())
}

#[cfg_attr(not(unix), allow(dead_code))]
async fn reload(server: &Weak<Server>) {
    let Some(server) = server.upgrade() else { return };
    // Loading reads files, and takes a moment.
    let result = tokio::task::spawn_blocking(move || {
        server.models.reload()?;
        Ok::<_, giemsa::model::ModelError>(server.models.all())
    });
    match result.await {
        Ok(Ok(models)) => {
            for model in models {
                tracing::info!(model = %model.name, sha256 = %model.sha256, "loaded again");
            }
        }
        Ok(Err(error)) => tracing::error!(%error, "the models cannot be loaded again: the old ones stay"),
        Err(error) => tracing::error!(%error, "loading the models failed: the old ones stay"),
    }
}
