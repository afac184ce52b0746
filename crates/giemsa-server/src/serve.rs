//! Binds an address, and answers requests until the server is stopped.

mod connections;
mod signals;
mod stream;

use crate::Settings;
use crate::reload::reload_on_hangup;
use crate::state::{Server, Shared};
use crate::store::StoreError;
use connections::Connections;
use etcetera::base_strategy::{BaseStrategy, choose_native_strategy};
use giemsa::model::ModelError;
use signals::Signals;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long a stopped server accepts connections while clients are connected. Every answer asks them to go elsewhere.
const DRAIN: Duration = Duration::from_secs(1);
/// How long it waits for requests on connections that were open when it stopped to accept.
const LAST_REQUESTS: Duration = Duration::from_millis(500);

/// A server that cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address cannot be used.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The reason.
        source: io::Error,
    },
    /// An address that other machines reach needs a token.
    #[error("{address} can be reached from other machines, so a token is required")]
    TokenRequired {
        /// The address.
        address: SocketAddr,
    },
    /// A model cannot be loaded.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The data folder cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The runtime cannot start.
    #[error("cannot start the server")]
    Runtime(#[source] io::Error),
}

/// Returns the folder in which cases are stored unless another one is given: `giemsa` in the user's data folder.
#[must_use]
pub fn default_data() -> Option<PathBuf> {
    choose_native_strategy().ok().map(|folders| folders.data_dir().join("giemsa"))
}

/// Runs a server until it receives SIGTERM or SIGINT, and then until its requests in work are answered. A second signal ends it
/// at once. `listening` is called once with the address when it can be reached.
///
/// # Errors
/// If the server cannot start.
pub fn serve(settings: Settings, listening: impl FnOnce(SocketAddr)) -> Result<(), ServeError> {
    if !settings.address.ip().is_loopback() && settings.token.is_none() {
        return Err(ServeError::TokenRequired { address: settings.address });
    }
    let server = Server::start(settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(ServeError::Runtime)?;
    let result = runtime.block_on(run(&server, listening));
    // The requests that a second signal has cut off end here. The server, the last owner of all that is stored, is dropped after them.
    runtime.shutdown_timeout(Duration::from_secs(1));
    drop(server);
    result
}

async fn run(server: &Shared, listening: impl FnOnce(SocketAddr)) -> Result<(), ServeError> {
    let address = server.settings.address;
    let bind = |source| ServeError::Bind { address, source };
    let mut signals = Signals::register().map_err(ServeError::Runtime)?;
    let listener = TcpListener::bind(address).await.map_err(bind)?;
    reload_on_hangup(server).map_err(ServeError::Runtime)?;
    let bound = listener.local_addr().map_err(bind)?;
    listening(bound);
    tracing::info!(address = %bound, "listening");
    let (stop, stopped) = oneshot::channel();
    let two_signals = async {
        signals.next().await;
        tracing::info!("stopping");
        // The receiver is there until this function returns.
        let _ = stop.send(());
        signals.next().await;
    };
    tokio::select! {
        () = serve_on(server, listener, async { stopped.await.unwrap_or_default() }) => (),
        () = two_signals => (),
    }
    Ok(())
}

/// Answers the requests that arrive on a listener until `stop` is ready, and then until all requests in work are answered.
///
/// A client that keeps its connections open must not lose a request to a connection that is closed at that moment. So a stopped
/// server first announces it, in `ready` and in every answer, and goes on to answer. Then it completes the handshakes that have
/// begun and closes the listener, then the connections that have no request, and waits for the others.
pub async fn serve_on(server: &Shared, listener: TcpListener, stop: impl Future<Output = ()>) {
    let connections = Connections::new(server);
    tokio::select! {
        () = connections.accept(&listener) => (),
        () = stop => (),
    }
    server.stop();
    tokio::select! {
        () = connections.accept(&listener) => (),
        () = connections.closed() => (),
        () = tokio::time::sleep(DRAIN) => (),
    }
    connections.accept_last(listener).await;
    // Whatever is not finished after these times is dropped.
    let _ = timeout(LAST_REQUESTS, connections.closed()).await;
    let _ = timeout(server.settings.limits.shutdown_timeout, connections.shutdown()).await;
}
