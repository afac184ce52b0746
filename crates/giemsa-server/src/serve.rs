//! Binds an address, and answers requests until the server is stopped.

use crate::state::{Server, Shared};
use crate::store::StoreError;
use crate::{Settings, app};
use giemsa::model::ModelError;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};

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
    dirs::data_dir().map(|folder| folder.join("giemsa"))
}

/// Runs a server until it receives SIGTERM or SIGINT. `listening` is called once with the address when it can be reached.
///
/// # Errors
/// If the server cannot start.
pub fn serve(settings: Settings, listening: impl FnOnce(SocketAddr)) -> Result<(), ServeError> {
    if !settings.address.ip().is_loopback() && settings.token.is_none() {
        return Err(ServeError::TokenRequired { address: settings.address });
    }
    let server = Server::start(settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(ServeError::Runtime)?;
    runtime.block_on(run(server, listening))
}

async fn run(server: Shared, listening: impl FnOnce(SocketAddr)) -> Result<(), ServeError> {
    let address = server.settings.address;
    let bind = |source| ServeError::Bind { address, source };
    let listener = TcpListener::bind(address).await.map_err(bind)?;
    listening(listener.local_addr().map_err(bind)?);
    let connections = GracefulShutdown::new();
    let mut terminated = signal(SignalKind::terminate()).map_err(ServeError::Runtime)?;
    let mut interrupted = signal(SignalKind::interrupt()).map_err(ServeError::Runtime)?;
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                answer(stream, &server, &connections);
            },
            _ = terminated.recv() => break,
            _ = interrupted.recv() => break,
        }
    }
    server.stop();
    drop(listener);
    // Whatever is not finished after this time is dropped.
    let _ = tokio::time::timeout(server.settings.limits.shutdown_timeout, connections.shutdown()).await;
    Ok(())
}

/// Answers the requests of a connection.
fn answer(stream: TcpStream, server: &Shared, connections: &GracefulShutdown) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(server.settings.limits.header_timeout);
    let service = TowerToHyperService::new(app(server.clone()));
    let connection = connections.watch(builder.serve_connection(TokioIo::new(stream), service));
    tokio::spawn(async move {
        // A connection that breaks is the client's business.
        let _ = connection.await;
    });
}
