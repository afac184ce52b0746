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
#[cfg(target_os = "linux")]
use socket2::{SockFilter, SockRef};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tower::Service;

/// The longest head of a request, and the largest part of a body that is read at once.
const BUFFER_BYTES: usize = 64 << 10;
/// The longest time of a handshake: half of it on the way to the client, half on the way back.
const HANDSHAKE: Duration = Duration::from_millis(200);
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

    /// Accepts the connections whose handshakes have begun, and closes the listener. A connection that arrived in between would
    /// be reset, and its client would not know whether its request was accepted: where the system cannot ignore new
    /// connections first, that may happen.
    pub async fn accept_last(&self, listener: TcpListener) {
        if ignore_new(&listener) {
            tokio::select! {
                () = self.accept(&listener) => (),
                () = sleep(HANDSHAKE) => (),
            }
        }
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

/// Makes the system ignore new connections to a listener. Handshakes that have begun go on. Returns whether it does so.
#[cfg(target_os = "linux")]
fn ignore_new(listener: &TcpListener) -> bool {
    // The filter sees the packet from its TCP header on, whose byte 13 contains the flags (RFC 9293, section 3.1).
    const FLAGS_OFFSET: u32 = 13;
    const SYN: u32 = 0x02;
    const SYN_AND_ACK: u32 = 0x12;
    // Instructions of the socket filter, and the bytes of a packet to keep (linux/bpf_common.h).
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const NOTHING: u32 = 0;
    const EVERYTHING: u32 = u32::MAX;
    let only_handshakes_that_have_begun = [
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS_OFFSET),
        SockFilter::new(AND, 0, 0, SYN_AND_ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, NOTHING),
        SockFilter::new(RETURN, 0, 0, EVERYTHING),
    ];
    SockRef::from(listener).attach_filter(&only_handshakes_that_have_begun).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn ignore_new(_: &TcpListener) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream as Client;

    #[tokio::test]
    async fn ignores_new_connections_and_keeps_those_that_wait() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Client::connect(address).unwrap();
        assert!(ignore_new(&listener));
        assert!(Client::connect_timeout(&address, Duration::from_millis(300)).is_err());

        waiting.write_all(b"sent later").unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let mut accepted = accepted.into_std().unwrap();
        accepted.set_nonblocking(false).unwrap();
        let mut received = [0; 10];
        accepted.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"sent later");
    }
}
