//! Clients that are slow, large or many, on real connections.

use crate::socket::{Running, exchange, post_head, read_answer};
use giemsa_server::{Limits, Settings};
use std::io::{ErrorKind, Read, Write};
use std::thread::sleep;
use std::time::{Duration, Instant};

const CELL: &[u8] = include_bytes!("../../../../docs/images/cells/parasitized-1.png");
const GET: &str = "GET /api/model HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn limited(limits: Limits) -> Running {
    Running::start(Settings { limits, ..Settings::default() })
}

/// Waits until the other side closes, and returns how long it took.
fn time_to_close(stream: &mut impl Read) -> Duration {
    let began = Instant::now();
    match stream.read_to_end(&mut Vec::new()) {
        Ok(_) => began.elapsed(),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => began.elapsed(),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn slow_headers_are_cut() {
    let running = limited(Limits { header_timeout: Duration::from_millis(300), ..Limits::default() });
    let (mut silent, mut slow) = (running.connect(), running.connect());
    let drip = std::thread::spawn(move || {
        for byte in GET.bytes() {
            if slow.write_all(&[byte]).is_err() {
                return true;
            }
            sleep(Duration::from_millis(50));
        }
        false
    });
    assert!(time_to_close(&mut silent) < Duration::from_secs(2));
    assert!(drip.join().unwrap(), "the connection stayed open");
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let running = Running::start(Settings::default());
    let head = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(500_000));
    let mut stream = running.connect();
    // The server may close before all of it is written.
    let _ = stream.write_all(head.as_bytes());
    match read_answer(&mut stream) {
        Ok(answer) => assert_eq!(answer.unwrap().status, 431),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    assert_eq!(exchange(&mut running.connect(), GET).status, 200);
}

#[test]
fn slow_bodies_are_cut() {
    let limits = Limits { body_timeout: Duration::from_millis(400), lowest_bytes_per_s: 1000, ..Limits::default() };
    let running = limited(limits);
    // One client sends nothing. The other one pauses for less than the limit, and is too slow in all.
    let mut silent = running.connect();
    let answer = exchange(&mut silent, &post_head(100));
    assert_eq!((answer.status, answer.head.contains("connection: close")), (408, true), "{answer:?}");
    assert!(time_to_close(&mut silent) < Duration::from_secs(5));
    let mut slow = running.connect();
    slow.write_all(post_head(10_000).as_bytes()).unwrap();
    let mut writer = slow.try_clone().unwrap();
    let began = Instant::now();
    let drip = std::thread::spawn(move || {
        while writer.write_all(b"x").is_ok() {
            sleep(Duration::from_millis(100));
        }
    });
    let answer = read_answer(&mut slow).unwrap().unwrap();
    assert!(answer.status == 408 && began.elapsed() < Duration::from_secs(3), "{answer:?}");
    drop(slow);
    drip.join().unwrap();
}

#[test]
fn a_body_in_pieces_is_accepted() {
    let running = limited(Limits { body_timeout: Duration::from_millis(500), ..Limits::default() });
    let mut stream = running.connect();
    stream.write_all(post_head(CELL.len()).as_bytes()).unwrap();
    for piece in CELL.chunks(CELL.len() / 5) {
        sleep(Duration::from_millis(50));
        stream.write_all(piece).unwrap();
    }
    assert_eq!(read_answer(&mut stream).unwrap().unwrap().status, 200);
}

#[test]
fn a_client_that_does_not_read_is_cut() {
    let running = limited(Limits { read_timeout: Duration::from_millis(500), ..Limits::default() });
    let mut stream = running.connect();
    stream.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
    let requests = GET.repeat(1000);
    let began = Instant::now();
    // When both buffers are full, the server stops to read, too, and gives up.
    let error = loop {
        assert!(began.elapsed() < Duration::from_secs(30), "the connection stayed open");
        if let Err(error) = stream.write_all(requests.as_bytes()) {
            break error;
        }
    };
    assert!([ErrorKind::ConnectionReset, ErrorKind::BrokenPipe].contains(&error.kind()), "{error}");
}

#[test]
fn one_client_has_a_share_of_the_requests() {
    let running = limited(Limits { requests_per_client: 2, ..Limits::default() });
    let mut waiting = [running.connect(), running.connect()];
    for stream in &mut waiting {
        stream.write_all(post_head(CELL.len()).as_bytes()).unwrap();
    }
    sleep(Duration::from_millis(200));
    // The refused request has a body, and its connection can be used again.
    let mut stream = running.connect();
    stream.write_all(post_head(CELL.len()).as_bytes()).unwrap();
    stream.write_all(CELL).unwrap();
    let refused = read_answer(&mut stream).unwrap().unwrap();
    assert_eq!((refused.status, refused.head.contains("retry-after: 1")), (503, true), "{refused:?}");
    for stream in &mut waiting {
        stream.write_all(CELL).unwrap();
        assert_eq!(read_answer(stream).unwrap().unwrap().status, 200);
    }
    assert_eq!(exchange(&mut stream, GET).status, 200);
}

#[test]
fn bodies_share_a_budget_of_memory() {
    let running = limited(Limits { bodies_bytes: 40_000, ..Limits::default() });
    let mut first = running.connect();
    first.write_all(post_head(15_001).as_bytes()).unwrap();
    first.write_all(&[0; 15_000]).unwrap();
    sleep(Duration::from_millis(200));
    // The second one states its length, the third one does not.
    let stated = exchange(&mut running.connect(), &(post_head(8000) + &"x".repeat(8000)));
    let head = "POST /api/cells HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    let unstated = exchange(&mut running.connect(), &format!("{head}1f40\r\n{}\r\n0\r\n\r\n", "x".repeat(8000)));
    assert_eq!((stated.status, unstated.status), (503, 503));
    // What was stated and never sent takes no memory.
    let mut stating = running.connect();
    stating.write_all(post_head(4000).as_bytes()).unwrap();
    sleep(Duration::from_millis(100));
    assert_eq!(exchange(&mut running.connect(), &(post_head(4500) + &"x".repeat(4500))).status, 200);
    first.write_all(&[0]).unwrap();
    assert_eq!(read_answer(&mut first).unwrap().unwrap().status, 200);
    assert_eq!(exchange(&mut running.connect(), &(post_head(15_000) + &"x".repeat(15_000))).status, 200);
}

#[test]
fn connections_wait_for_each_other() {
    let limits = Limits { connections: 2, header_timeout: Duration::from_millis(500), ..Limits::default() };
    let running = limited(limits);
    let _idle = [running.connect(), running.connect()];
    // It is answered when the idle connections have been closed.
    assert_eq!(exchange(&mut running.connect(), GET).status, 200);
}

#[test]
fn an_answer_before_the_end_of_a_body_closes_the_connection() {
    let running = Running::start(Settings::default());
    let post = |path: &str, length: usize| post_head(length).replace("/api/cells", path);
    // The route does not exist, so nobody reads the body.
    let mut stream = running.connect();
    let answer = exchange(&mut stream, &post("/api/nothing", 3_000_000));
    assert_eq!((answer.status, answer.head.contains("connection: close")), (404, true), "{answer:?}");
    // A form ends before the end of its body.
    let form = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n--b--\r\n";
    let head = post_head(form.len()).replace("image/png", "multipart/form-data; boundary=b");
    let mut stream = running.connect();
    let answer = exchange(&mut stream, &(head + form));
    assert_eq!((answer.status, answer.head.contains("connection: close")), (200, false), "{answer:?}");
    assert_eq!(exchange(&mut stream, GET).status, 200);
}

#[test]
fn a_large_body_that_is_refused_does_not_hide_the_answer() {
    let running = limited(Limits { body_bytes: 1 << 20, ..Limits::default() });
    let mut stream = running.connect();
    stream.write_all(post_head(8 << 20).as_bytes()).unwrap();
    let _ = stream.write_all(&vec![0; 8 << 20]);
    let answer = read_answer(&mut stream).unwrap().unwrap();
    assert_eq!(answer.status, 413);
    assert!(String::from_utf8(answer.body).unwrap().contains("/api#too-large"));
}
