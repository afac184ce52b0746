//! A client with one connection: writes a request, reads the answer.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A connection that is opened again when it has been closed.
pub struct Client {
    address: SocketAddr,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered with this status.
    Answered(u16),
    /// It was answered with status 200, and the image could not be used.
    Unusable,
    /// The connection was refused, so the server has not seen the request.
    Refused,
    /// The connection was open, and there was no answer.
    Lost(ErrorKind),
}

impl Client {
    /// Returns a client without a connection.
    pub fn new(address: SocketAddr) -> Client {
        Client { address, stream: None, buffer: vec![0; 64 << 10] }
    }

    /// Sends a request and reads the answer.
    pub fn send(&mut self, request: &[u8]) -> Outcome {
        let mut stream = match self.stream.take().map_or_else(|| connect(self.address), Ok) {
            Ok(stream) => stream,
            Err(_) => return Outcome::Refused,
        };
        match exchange(&mut stream, request, &mut self.buffer) {
            Ok(answer) => {
                self.stream = (!answer.is_closed).then_some(stream);
                if answer.has_error && answer.status == 200 {
                    Outcome::Unusable
                } else {
                    Outcome::Answered(answer.status)
                }
            }
            Err(error) => Outcome::Lost(error.kind()),
        }
    }

    /// Sends a request, and returns the body of the answer as text.
    pub fn body_of(&mut self, request: &[u8]) -> Option<String> {
        let outcome = self.send(request);
        let text = String::from_utf8_lossy(&self.buffer);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let body = body.get(..header(head, "content-length")?.parse().ok()?)?;
        matches!(outcome, Outcome::Answered(_)).then(|| body.to_owned())
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.set_write_timeout(Some(Duration::from_secs(60)))?;
    Ok(stream)
}

struct Answer {
    status: u16,
    /// Whether the server closes the connection.
    is_closed: bool,
    /// Whether an image has an error.
    has_error: bool,
}

/// Sends a request and reads the answer. It states its length, and fits the buffer.
fn exchange(stream: &mut TcpStream, request: &[u8], buffer: &mut [u8]) -> io::Result<Answer> {
    // A server that refuses a large request may answer before it has read all of it.
    let written = stream.write_all(request);
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..])?;
        if read == 0 {
            written?;
            return Err(ErrorKind::UnexpectedEof.into());
        }
        filled += read;
        let Some(end) = buffer[..filled].windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&buffer[..end]);
        let status = head.get(9..12).and_then(|status| status.parse().ok()).ok_or(ErrorKind::InvalidData)?;
        let length: usize =
            header(&head, "content-length").and_then(|n| n.parse().ok()).ok_or(ErrorKind::InvalidData)?;
        if filled >= end + 4 + length {
            let is_closed = header(&head, "connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
            let has_error = buffer[end..filled].windows(8).any(|bytes| bytes == b"\"error\":");
            return Ok(Answer { status, is_closed, has_error });
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut headers = head.lines().filter_map(|line| line.split_once(':'));
    headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}
