//! The connections of a server.

use super::stream::Stream;
use crate::app;
use crate::settings::Limits;
use crate::state::Shared;
use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tower::Service;

/// The longest head of a request, and the largest part of a body that is read at once.
const BUFFER_BYTES: usize = 64 << 10;
/// How long the server waits when it has no file descriptor for a connection.
const NO_DESCRIPTOR_WAIT: Duration = Duration::from_millis(50);

/// The open connections.
pub struct Connections {
    router: Router,
    limits: Limits,
    places: Arc<Semaphore>,
    open: GracefulShutdown,
}

impl Connections {
    /// Returns no connections yet.
    pub fn new(server: &Shared) -> Connections {
        let limits = server.settings.limits.clone();
        let places = Arc::new(Semaphore::new(limits.connections));
        Connections { router: app(server.clone()), limits, places, open: GracefulShutdown::new() }
    }

    /// Accepts connections and answers their requests. It never returns.
    pub async fn accept(&self, listener: &TcpListener) {
        while let Ok(place) = self.places.clone().acquire_owned().await {
            match listener.accept().await {
                Ok((stream, peer)) => self.answer(stream, peer, place),
                Err(_) => sleep(NO_DESCRIPTOR_WAIT).await,
            }
        }
    }

    /// Accepts the connections that wait, and closes the listener.
    pub async fn accept_last(&self, listener: TcpListener) {
        drop_new(&listener);
        let Ok(listener) = listener.into_std() else { return };
        while let Ok(place) = self.places.clone().try_acquire_owned()
            && let Ok((stream, peer)) = listener.accept()
        {
            if stream.set_nonblocking(true).is_ok()
                && let Ok(stream) = TcpStream::from_std(stream)
            {
                self.answer(stream, peer, place);
            }
        }
    }

    /// Waits until no connection is open.
    pub async fn closed(&self) {
        while self.open.count() > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Closes the connections that have no request in work, and waits for the others.
    pub async fn shutdown(self) {
        self.open.shutdown().await;
    }

    /// Answers the requests of a connection.
    fn answer(&self, stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit) {
        // An answer is written at once: waiting for more would only delay it.
        let _ = stream.set_nodelay(true);
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(self.limits.header_timeout).max_buf_size(BUFFER_BYTES);
        let router = self.router.clone();
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            router.clone().call(request)
        });
        let stream = TokioIo::new(Stream::new(stream, &self.limits));
        let connection = self.open.watch(builder.serve_connection(stream, service));
        tokio::spawn(async move {
            // A connection that breaks is the client's business.
            let _ = connection.await;
            drop(place);
        });
    }
}

/// Makes the system ignore new connections to a listener. One that arrived between the last accepted one and the end of the
/// listener would be reset, and its client would not know whether the request was accepted.
#[cfg(target_os = "linux")]
fn drop_new(listener: &TcpListener) {
    /// Returns a constant, the number of bytes of each packet to keep (linux/bpf_common.h: BPF_RET | BPF_K).
    const RETURN: u16 = 0x06;
    // Without the filter, a connection may be reset in the moment described above.
    let _ = socket2::SockRef::from(listener).attach_filter(&[socket2::SockFilter::new(RETURN, 0, 0, 0)]);
}

#[cfg(not(target_os = "linux"))]
fn drop_new(_: &TcpListener) {}
