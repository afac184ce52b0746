//! A server on a socket, and clients that write bytes.

use giemsa_server::serve::serve_on;
use giemsa_server::{Server, Settings, Shared};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread::{JoinHandle, spawn};
use std::time::Duration;
use tokio::sync::oneshot;

/// A server that runs in threads of its own.
pub struct Running {
    pub address: SocketAddr,
    pub server: Shared,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// The data folder, unless the settings name one. It is deleted at the end.
    _folder: tempfile::TempDir,
}

impl Running {
    pub fn start(settings: Settings) -> Running {
        let folder = tempfile::tempdir().unwrap();
        let data = settings.data.clone().unwrap_or_else(|| folder.path().join("data"));
        let server = Server::start(Settings { data: Some(data), ..settings }).unwrap();
        let (stop, stopped) = oneshot::channel();
        let (send_address, address) = mpsc::channel();
        let shared = server.clone();
        let thread = spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                send_address.send(listener.local_addr().unwrap()).unwrap();
                serve_on(&shared, listener, async { stopped.await.unwrap() }).await;
            });
        });
        Running { address: address.recv().unwrap(), server, stop: Some(stop), thread: Some(thread), _folder: folder }
    }

    /// Opens a connection. Reading from it fails after ten seconds.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    /// Announces the end.
    pub fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Returns when the server has ended.
    pub fn join(&mut self) {
        self.thread.take().unwrap().join().unwrap();
    }
}

/// An answer of the wire.
#[derive(Debug)]
pub struct WireAnswer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

/// Reads one answer that states its length; `None` if the connection ends before it begins.
pub fn read_answer(stream: &mut impl Read) -> std::io::Result<Option<WireAnswer>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte)? {
            0 if head.is_empty() => return Ok(None),
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => head.push(byte[0]),
        }
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(Some(WireAnswer { status: head[9..12].parse().unwrap(), head, body }))
}

/// Writes text, and returns the answer.
pub fn exchange(stream: &mut TcpStream, text: &str) -> WireAnswer {
    stream.write_all(text.as_bytes()).unwrap();
    read_answer(stream).unwrap().expect("an answer")
}

/// Returns the head of a request that posts an image of `length` bytes.
pub fn post_head(length: usize) -> String {
    format!(
        "POST /api/cells HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: {length}\r\n\r\n"
    )
}
