//! `giemsa serve` that is killed, or has no space left: what it has answered is stored.
#![cfg(unix)]

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const CELL: &[u8] = include_bytes!("../../../../docs/images/cells/parasitized-1.png");
const VERDICTS: [&str; 5] = ["parasitized", "uninfected", "not_a_cell", "unsure", "skip"];

/// A running server, which is killed when it is dropped.
struct Serving {
    child: Child,
    address: String,
}

impl Serving {
    /// Starts a server on a folder. `limit` is a limit on the size of files, in blocks of 512 or 1024 bytes.
    fn start(data: &Path, limit: Option<u32>) -> Serving {
        let ulimit = limit.map_or(String::new(), |blocks| format!("trap '' XFSZ; ulimit -f {blocks}; "));
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{ulimit}exec \"$0\" serve --port 0 --data \"$1\"")]);
        command.arg(assert_cmd::cargo::cargo_bin("giemsa")).arg(data);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://").unwrap_or_else(|| panic!("{line}")).to_owned();
        Serving { child, address }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a request on a connection of its own, and returns the status and the body of the answer. An answer that is cut off is an
/// error.
fn request(address: &str, method: &str, path: &str, media_type: &str, body: &[u8]) -> io::Result<(u16, Value)> {
    let mut stream = TcpStream::connect(address)?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    write!(head, "Content-Type: {media_type}\r\nContent-Length: {}\r\n\r\n", body.len()).map_err(io::Error::other)?;
    stream.write_all(&[head.as_bytes(), body].concat())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    Ok((status, serde_json::from_str(body)?))
}

fn post(address: &str, path: &str, body: &Value) -> io::Result<(u16, Value)> {
    request(address, "POST", path, "application/json", body.to_string().as_bytes())
}

fn get(server: &Serving, path: &str) -> Value {
    let (status, body) = request(&server.address, "GET", path, "text/plain", b"").unwrap();
    assert_eq!(status, 200, "{body}");
    body
}

fn add_cell(address: &str) -> io::Result<(u16, Value)> {
    request(address, "POST", "/api/cases/1/images?name=cell.png", "image/png", CELL)
}

/// Creates case 1 with an image, and returns the number of the image.
fn create_case(server: &Serving) -> i64 {
    assert_eq!(post(&server.address, "/api/cases", &json!({"name": "Slide"})).unwrap().0, 201);
    let (status, added) = add_cell(&server.address).unwrap();
    assert_eq!(status, 200, "{added}");
    added["images"][0]["image"].as_i64().unwrap()
}

fn verdict(image: i64, number: usize) -> Value {
    json!({"image": image, "number": 1, "verdict": VERDICTS[number % VERDICTS.len()], "reviewer": "Ada", "key": number.to_string()})
}

/// Gives verdicts, from this number on, until the server is gone. Returns the verdicts that were answered, by their numbers in the
/// log, and the next number.
fn give_until_killed(address: String, image: i64, first: usize) -> JoinHandle<(BTreeMap<i64, Value>, usize)> {
    thread::spawn(move || {
        let mut answered = BTreeMap::new();
        for number in first.. {
            let body = verdict(image, number);
            let Ok((status, answer)) = post(&address, "/api/cases/1/verdicts", &body) else {
                return (answered, number + 1);
            };
            assert_eq!(status, 201, "{answer}");
            answered.insert(answer["id"].as_i64().unwrap(), body["verdict"].clone());
        }
        (answered, usize::MAX)
    })
}

/// Adds images until the server is gone, and returns the numbers of those that were answered.
fn add_until_killed(address: String) -> JoinHandle<Vec<i64>> {
    thread::spawn(move || {
        let mut answered = Vec::new();
        while let Ok((status, answer)) = add_cell(&address) {
            assert_eq!(status, 200, "{answer}");
            answered.push(answer["images"][0]["image"].as_i64().unwrap());
        }
        answered
    })
}

/// Returns the log of verdicts, by their numbers.
fn log(server: &Serving) -> BTreeMap<i64, Value> {
    let log = get(server, "/api/cases/1/verdicts");
    let row = |row: &Value| (row["id"].as_i64().unwrap(), row["verdict"].clone());
    log["verdicts"].as_array().unwrap().iter().map(row).collect()
}

fn images(server: &Serving) -> Vec<i64> {
    let case = get(server, "/api/cases/1");
    case["single_cells"].as_array().unwrap().iter().map(|cell| cell["image"].as_i64().unwrap()).collect()
}

#[test]
fn what_was_answered_survives_a_kill_at_any_moment() {
    let kills = if std::env::var("GIEMSA_ATTACK").is_ok_and(|size| size == "full") { 20 } else { 5 };
    let data = tempfile::tempdir().unwrap();
    let mut server = Serving::start(data.path(), None);
    let image = create_case(&server);
    let (mut verdicts, mut cells, mut next) = (BTreeMap::new(), vec![image], 0);
    for kill in 1..=kills {
        let reviewer = give_until_killed(server.address.clone(), image, next);
        let uploader = add_until_killed(server.address.clone());
        let nanoseconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
        sleep(Duration::from_millis(100 + u64::from(nanoseconds / 1000 % 500)));
        server.kill();
        let (answered, following) = reviewer.join().unwrap();
        println!("kill {kill}: {} verdicts were answered", answered.len());
        verdicts.extend(answered);
        cells.extend(uploader.join().unwrap());
        next = following;

        server = Serving::start(data.path(), None);
        let (log, images) = (log(&server), images(&server));
        let lost = verdicts.iter().filter(|(id, verdict)| log.get(id) != Some(verdict)).count();
        assert_eq!(lost, 0, "kill {kill}: of {} verdicts", verdicts.len());
        // The one that was not answered may be stored, too.
        assert!(log.len() - verdicts.len() <= kill, "kill {kill}: {} {}", log.len(), verdicts.len());
        assert!(cells.iter().all(|cell| images.contains(cell)), "kill {kill}: {cells:?} {images:?}");
        assert!(images.len() - cells.len() <= kill, "kill {kill}: {cells:?} {images:?}");
    }
    assert!(verdicts.len() > kills && cells.len() > 1, "{} {}", verdicts.len(), cells.len());
}

#[test]
fn a_full_disk_is_a_problem_and_loses_nothing() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Serving::start(data.path(), Some(500));
    let image = create_case(&server);
    let (mut cells, began) = (vec![image], Instant::now());
    let problem = loop {
        let (status, answer) = add_cell(&server.address).unwrap();
        if status != 200 {
            assert_eq!(status, 507, "{answer}");
            break answer;
        }
        cells.push(answer["images"][0]["image"].as_i64().unwrap());
        assert!(began.elapsed() < Duration::from_secs(60), "the disk does not get full");
    };
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("disk") && detail.ends_with("nothing was stored"), "{detail}");
    assert_eq!(images(&server), cells);
    server.kill();
    let server = Serving::start(data.path(), None);
    assert_eq!(images(&server), cells);
    assert_eq!(add_cell(&server.address).unwrap().0, 200);
    assert_eq!(post(&server.address, "/api/cases/1/verdicts", &verdict(image, 0)).unwrap().0, 201);
}
