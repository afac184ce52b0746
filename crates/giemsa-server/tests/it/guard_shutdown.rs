//! The end of a server: what was accepted is answered.

use crate::socket::{Running, exchange, post_head, read_answer};
use giemsa_server::{Limits, Settings};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

const CELL: &[u8] = include_bytes!("../../../../docs/images/cells/parasitized-1.png");
const GET: &str = "GET /api/model HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn request() -> Vec<u8> {
    [post_head(CELL.len()).as_bytes(), CELL].concat()
}

#[test]
fn a_stopped_server_closes_idle_connections_and_ends() {
    let mut running = Running::start(Settings::default());
    let mut idle = running.connect();
    assert!(!exchange(&mut idle, GET).head.contains("connection: close"));
    let began = Instant::now();
    running.stop();
    sleep(Duration::from_millis(200));
    assert!(!running.server.is_ready());
    assert!(read_answer(&mut idle).unwrap().is_none(), "the connection is closed without a reset");
    drop(idle);
    running.join();
    assert!(began.elapsed() < Duration::from_secs(4));
    assert!(TcpStream::connect(running.address).is_err());
}

#[test]
fn a_server_without_connections_ends_at_once() {
    let mut running = Running::start(Settings::default());
    let began = Instant::now();
    running.stop();
    running.join();
    assert!(began.elapsed() < Duration::from_millis(400), "{:?}", began.elapsed());
}

#[test]
fn an_open_connection_is_still_answered_and_asked_to_close() {
    let mut running = Running::start(Settings::default());
    let (mut old, mut slow) = (running.connect(), running.connect());
    exchange(&mut old, GET);
    slow.write_all(post_head(CELL.len()).as_bytes()).unwrap();
    sleep(Duration::from_millis(100));
    running.stop();
    sleep(Duration::from_millis(200));
    for stream in [&mut old, &mut running.connect()] {
        let answer = exchange(stream, GET);
        assert_eq!((answer.status, answer.head.contains("connection: close")), (200, true), "{answer:?}");
    }
    // This request is in work until its body is complete, after the listener is closed.
    sleep(Duration::from_secs(2));
    slow.write_all(CELL).unwrap();
    assert_eq!(read_answer(&mut slow).unwrap().unwrap().status, 200);
    drop(slow);
    running.join();
}

#[test]
fn a_request_that_does_not_finish_is_dropped() {
    let limits = Limits { shutdown_timeout: Duration::from_millis(300), ..Limits::default() };
    let mut running = Running::start(Settings { limits, ..Settings::default() });
    let mut slow = running.connect();
    slow.write_all(post_head(100).as_bytes()).unwrap();
    sleep(Duration::from_millis(100));
    let began = Instant::now();
    running.stop();
    running.join();
    assert!(began.elapsed() < Duration::from_secs(4));
}

/// Sends requests until the server refuses a connection, and returns how many were answered. A request that was written to a
/// connection must be answered.
fn send_until_refused(address: SocketAddr, answered: &AtomicUsize) {
    let request = request();
    while let Ok(mut stream) = TcpStream::connect(address) {
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        loop {
            stream.write_all(&request).unwrap();
            let answer = read_answer(&mut stream).unwrap().expect("a request on an open connection is answered");
            assert!([200, 503].contains(&answer.status), "{answer:?}");
            answered.fetch_add(1, Ordering::Relaxed);
            if answer.head.contains("connection: close") {
                break;
            }
        }
    }
}

#[test]
fn no_request_is_lost_when_the_server_is_stopped_under_load() {
    for _ in 0..3 {
        let mut running = Running::start(Settings::default());
        let (address, answered) = (running.address, std::sync::Arc::new(AtomicUsize::new(0)));
        let clients: Vec<_> = (0..8)
            .map(|_| {
                let answered = answered.clone();
                spawn(move || send_until_refused(address, &answered))
            })
            .collect();
        sleep(Duration::from_millis(300));
        running.stop();
        running.join();
        clients.into_iter().for_each(|client| client.join().unwrap());
        assert!(answered.load(Ordering::Relaxed) > 20);
    }
}
