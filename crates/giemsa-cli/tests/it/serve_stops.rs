//! `giemsa serve` as a process: its address, its token, and its end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

const CELL: &[u8] = include_bytes!("../../../../docs/images/cells/parasitized-1.png");

/// A server, which is killed if a test fails.
struct Serving {
    child: Child,
    address: SocketAddr,
    _data: tempfile::TempDir,
}

impl Serving {
    fn start(arguments: &[&str]) -> Serving {
        let data = tempfile::tempdir().unwrap();
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("giemsa"));
        command.args(["serve", "--port", "0", "--data"]).arg(data.path()).args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://").unwrap_or_else(|| panic!("{line}"));
        Serving { child, address: address.parse().unwrap(), _data: data }
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Waits for the end, and returns the exit code and the time it took.
    fn end(&mut self) -> (Option<i32>, Duration) {
        let began = Instant::now();
        let status = self.child.wait().unwrap();
        (status.code(), began.elapsed())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a request on a connection, and returns the answer: until the server closes, or as far as the head states.
fn exchange(stream: &mut TcpStream, request: &[u8]) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request).unwrap();
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut buffer).unwrap();
        assert_ne!(read, 0, "no answer: {:?}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&answer).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() >= length.parse().unwrap() {
            return text;
        }
    }
}

fn post() -> Vec<u8> {
    let head = format!("POST /api/cells HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", CELL.len());
    [head.as_bytes(), CELL].concat()
}

#[test]
#[cfg(unix)]
fn sigterm_under_load_loses_no_request_and_exits_with_0() {
    for _ in 0..3 {
        let mut serving = Serving::start(&[]);
        let address = serving.address;
        // Each client sends until the server is gone. `exchange` panics if an open connection does not answer.
        let clients = [(); 6].map(|()| {
            spawn(move || {
                let mut answers = 0;
                while let Ok(mut stream) = TcpStream::connect(address) {
                    while !exchange(&mut stream, &post()).contains("connection: close") {
                        answers += 1;
                    }
                    answers += 1;
                }
                answers
            })
        });
        sleep(Duration::from_millis(400));
        serving.signal("-TERM");
        let (code, time) = serving.end();
        assert!(code == Some(0) && time < Duration::from_secs(10), "{code:?} {time:?}");
        let answers: usize = clients.map(|client| client.join().unwrap()).into_iter().sum();
        assert!(answers > 20, "{answers}");
    }
}

#[test]
#[cfg(unix)]
fn a_second_signal_ends_it_at_once() {
    let mut serving = Serving::start(&[]);
    let mut stream = TcpStream::connect(serving.address).unwrap();
    // A request in work: its body does not come.
    stream.write_all(&post()[..200]).unwrap();
    sleep(Duration::from_millis(200));
    serving.signal("-INT");
    sleep(Duration::from_millis(2500));
    assert!(serving.child.try_wait().unwrap().is_none(), "it waits for the request");
    serving.signal("-INT");
    let (code, time) = serving.end();
    assert!(code == Some(0) && time < Duration::from_secs(3), "{code:?} {time:?}");
}

#[test]
fn the_token_is_required_and_not_in_the_output() {
    let serving = Serving::start(&["--token", "a secret"]);
    let request = |rest: &str| {
        let mut stream = TcpStream::connect(serving.address).unwrap();
        exchange(&mut stream, format!("GET {rest}\r\n\r\n").as_bytes())
    };
    assert!(request("/api/model HTTP/1.1\r\nHost: localhost").starts_with("http/1.1 401"));
    let with_token = "/api/model HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer a secret";
    assert!(request(with_token).starts_with("http/1.1 200"));
    let login = request("/?token=a%20secret HTTP/1.1\r\nHost: localhost");
    assert!(login.starts_with("http/1.1 303") && login.contains("set-cookie: giemsa="), "{login}");
}

#[test]
fn an_address_of_other_machines_needs_a_token() {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("giemsa"));
    command.args(["serve", "--port", "0", "--address", "0.0.0.0"]).env_remove("GIEMSA_TOKEN");
    let Output { status, stderr, .. } = command.output().unwrap();
    let message = String::from_utf8(stderr).unwrap();
    assert!(!status.success() && message.contains("a token is required"), "{message}");
}
