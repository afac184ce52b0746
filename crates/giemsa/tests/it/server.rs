//! A local HTTP server that fails in configurable ways, and an archive for it to serve.

use crate::folder::names_in;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{BufRead, BufReader, Cursor, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use zip::write::{SimpleFileOptions, ZipWriter};

/// A request of a client.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The path in the URL.
    pub path: String,
    /// The first byte of the requested range, 0 without one.
    pub start: usize,
}

/// A server that answers with raw bytes, computed from the number of the request and the request, and then closes the
/// connection.
pub struct Server {
    /// The address with scheme and port.
    pub address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Starts a server that runs until the test ends.
    pub fn start(answer: impl Fn(usize, &Request) -> Vec<u8> + Send + 'static) -> Server {
        Server::start_slow(usize::MAX, answer)
    }

    /// Starts a server that pauses for a few milliseconds after each `chunk` bytes.
    pub fn start_slow(chunk: usize, answer: impl Fn(usize, &Request) -> Vec<u8> + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                let request = read_request(&stream);
                log.lock().unwrap().push(request.clone());
                // A client may close the connection early.
                let answer = answer(number, &request);
                let _ = answer.chunks(chunk).enumerate().try_for_each(|(number, bytes)| {
                    std::thread::sleep(Duration::from_millis(if number > 0 { 5 } else { 0 }));
                    stream.write_all(bytes)
                });
            }
        });
        Server { address, requests }
    }

    /// Returns the first requested byte of each request.
    pub fn starts(&self) -> Vec<usize> {
        self.requests.lock().unwrap().iter().map(|request| request.start).collect()
    }
}

fn read_request(stream: &TcpStream) -> Request {
    let mut request = Request { path: String::new(), start: 0 };
    for line in BufReader::new(stream).lines().map(Result::unwrap).take_while(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("GET ") {
            request.path = rest.split(' ').next().unwrap().to_owned();
        } else if let Some(range) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
            request.start = range.trim_end_matches('-').parse().unwrap();
        }
    }
    request
}

/// Returns a complete answer.
pub fn ok(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Returns an answer without a body.
pub fn status(line: &str) -> Vec<u8> {
    format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
}

/// Returns the answer of a server that supports ranges.
pub fn from(body: &[u8], start: usize) -> Vec<u8> {
    if start == 0 {
        return ok(body);
    }
    if start >= body.len() {
        let range = format!("Content-Range: bytes */{}", body.len());
        return status(&format!("416 Range Not Satisfiable\r\n{range}"));
    }
    let (last, total, length) = (body.len() - 1, body.len(), body.len() - start);
    let range = format!("Content-Range: bytes {start}-{last}/{total}\r\nContent-Length: {length}");
    let head = format!("HTTP/1.1 206 Partial Content\r\n{range}\r\nConnection: close\r\n\r\n");
    [head.as_bytes(), &body[start..]].concat()
}

/// Truncates the body of an answer to this number of bytes.
pub fn cut(mut answer: Vec<u8>, body_bytes: usize) -> Vec<u8> {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    answer.truncate(head + body_bytes);
    answer
}

/// Returns a zip archive of these files.
pub fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, contents) in entries {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(contents).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Returns incompressible bytes, the same each time.
pub fn noise(bytes: usize) -> Vec<u8> {
    // xorshift64 (Marsaglia, 2003).
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

/// Returns a small archive in the layout of the NIH archive.
pub fn archive() -> Vec<u8> {
    zip_of(&[
        ("cell_images/Parasitized/a.png", &noise(9000)),
        ("cell_images/Parasitized/Thumbs.db", b"thumbs"),
        ("cell_images/Uninfected/b.png", b"b"),
        ("cell_images/Uninfected/c.png", b"c"),
    ])
}

/// Computes the SHA-256 as hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Checks that all files of the archive are in the folder.
#[track_caller]
pub fn assert_whole(out: &Path) {
    assert_eq!(names_in(out), ["cell_images"]);
    assert_eq!(names_in(&out.join("cell_images")), [".fetched.toml", "Parasitized", "Uninfected"]);
    assert_eq!(names_in(&out.join("cell_images/Parasitized")), ["a.png"]);
    assert_eq!(fs::read(out.join("cell_images/Parasitized/a.png")).unwrap(), noise(9000));
    assert_eq!(names_in(&out.join("cell_images/Uninfected")), ["b.png", "c.png"]);
}
