//! `giemsa fetch` against a server of our own that misbehaves in the ways servers and networks do.

use assert_cmd::Command;
use giemsa::fetch::{FetchError, Fetched, Order, Progress, Remote, fetch};
use giemsa::random::Random;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{BufRead, BufReader, Cursor, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use zip::write::{SimpleFileOptions, ZipWriter};

/// What a client asked for.
#[derive(Clone, Debug, PartialEq)]
struct Request {
    path: String,
    /// First byte of its `Range`, 0 without one.
    start: usize,
}

/// A server whose answers are raw bytes, given by a function of the request's number and the request; it closes the
/// connection after each.
struct Server {
    address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    fn start(answer: impl Fn(usize, &Request) -> Vec<u8> + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                let request = read_request(&stream);
                log.lock().unwrap().push(request.clone());
                // A client may hang up in the middle of an answer.
                let _ = stream.write_all(&answer(number, &request));
            }
        });
        Server { address, requests }
    }

    fn starts(&self) -> Vec<usize> {
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

fn ok(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn status(line: &str) -> Vec<u8> {
    format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
}

/// As a server that knows ranges answers.
fn from(body: &[u8], start: usize) -> Vec<u8> {
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

/// Cuts an answer so that so many bytes of its body are left.
fn cut(mut answer: Vec<u8>, body_bytes: usize) -> Vec<u8> {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    answer.truncate(head + body_bytes);
    answer
}

fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, contents) in entries {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(contents).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut random = Random::keyed(&[1]);
    (0..bytes).map(|_| random.below(256) as u8).collect()
}

/// A small archive laid out as the official one.
fn archive() -> Vec<u8> {
    zip_of(&[
        ("cell_images/Parasitized/a.png", &noise(9000)),
        ("cell_images/Parasitized/Thumbs.db", b"thumbs"),
        ("cell_images/Uninfected/b.png", b"b"),
        ("cell_images/Uninfected/c.png", b"c"),
    ])
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An order for these bytes, at the server's address, without long pauses.
fn order(server: &Server, archive: &[u8]) -> Order {
    let url = format!("{}/cell_images.zip", server.address);
    let archive = Remote { url, bytes: Some(archive.len() as u64), sha256: sha256(archive) };
    Order { attempts: 3, pause: Duration::from_millis(1), ..Order::archive_alone(archive) }
}

fn fetch_into(out: &Path, order: &Order) -> Result<Fetched, FetchError> {
    fetch(order, out, &mut |_| ControlFlow::Continue(()))
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[track_caller]
fn assert_whole(out: &Path) {
    assert_eq!(names(out), ["cell_images"]);
    assert_eq!(names(&out.join("cell_images")), [".fetched.toml", "Parasitized", "Uninfected"]);
    assert_eq!(names(&out.join("cell_images/Parasitized")), ["a.png"]);
    assert_eq!(fs::read(out.join("cell_images/Parasitized/a.png")).unwrap(), noise(9000));
    assert_eq!(names(&out.join("cell_images/Uninfected")), ["b.png", "c.png"]);
}

#[test]
fn puts_a_download_together_that_breaks_off_again_and_again() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let server = Server::start({
        let body = body.clone();
        move |_, request| cut(from(&body, request.start), 1000)
    });
    let fetched = fetch_into(out.path(), &order(&server, &body)).unwrap();
    assert_eq!(fetched, Fetched { folder: out.path().join("cell_images"), files: 3, was_there: false });
    assert_whole(out.path());
    let expected: Vec<usize> = (0..body.len()).step_by(1000).collect();
    assert_eq!(server.starts(), expected);
}

#[test]
fn starts_anew_where_the_server_ignores_ranges() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let server = Server::start({
        let body = body.clone();
        move |number, _| if number == 0 { cut(ok(&body), 5000) } else { ok(&body) }
    });
    fetch_into(out.path(), &order(&server, &body)).unwrap();
    assert_whole(out.path());
    assert_eq!(server.starts(), [0, 5000]);
}

#[test]
fn goes_on_where_an_earlier_process_stopped() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    fs::write(out.path().join(".cell_images.zip.part"), &body[..3000]).unwrap();
    let server = Server::start({
        let body = body.clone();
        move |_, request| from(&body, request.start)
    });
    fetch_into(out.path(), &order(&server, &body)).unwrap();
    assert_whole(out.path());
    assert_eq!(server.starts(), [3000]);
}

#[test]
fn starts_anew_where_the_earlier_part_is_of_another_file() {
    for part in [vec![0; 3000], vec![0; 1_000_000], vec![0; archive().len()]] {
        let (body, out) = (archive(), tempfile::tempdir().unwrap());
        fs::write(out.path().join(".cell_images.zip.part"), part).unwrap();
        let server = Server::start({
            let body = body.clone();
            move |_, request| from(&body, request.start)
        });
        fetch_into(out.path(), &order(&server, &body)).unwrap();
        assert_whole(out.path());
        assert_eq!(server.starts().last(), Some(&0));
    }
}

#[test]
fn starts_anew_where_the_server_cannot_give_the_rest() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    fs::write(out.path().join(".cell_images.zip.part"), &body[..3000]).unwrap();
    let server = Server::start({
        let body = body.clone();
        move |_, request| if request.start > 0 { status("416 Range Not Satisfiable") } else { ok(&body) }
    });
    fetch_into(out.path(), &order(&server, &body)).unwrap();
    assert_whole(out.path());
    assert_eq!(server.starts(), [3000, 0]);
}

#[test]
fn does_not_join_a_part_that_it_did_not_ask_for() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    fs::write(out.path().join(".cell_images.zip.part"), &body[..3000]).unwrap();
    let server = Server::start({
        let body = body.clone();
        move |_, request| from(&body, if request.start == 0 { 0 } else { 100 })
    });
    fetch_into(out.path(), &order(&server, &body)).unwrap();
    assert_whole(out.path());
    assert_eq!(server.starts(), [3000, 0]);
}

#[test]
fn wrong_bytes_are_thrown_away() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let server = Server::start({
        let mut wrong = body.clone();
        wrong[4000] ^= 1;
        move |_, request| from(&wrong, request.start)
    });
    let error = fetch_into(out.path(), &order(&server, &body)).unwrap_err();
    assert!(matches!(error, FetchError::Checksum { .. }), "{error}");
    assert!(error.to_string().contains(&sha256(&body)), "{error}");
    assert_eq!(names(out.path()), [""; 0]);
}

#[test]
fn a_file_of_another_size_is_refused_before_it_is_downloaded() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let server = Server::start({
        let longer = [body.as_slice(), b"more"].concat();
        move |_, request| from(&longer, request.start)
    });
    let error = fetch_into(out.path(), &order(&server, &body)).unwrap_err();
    let (expected, found) = (body.len().to_string(), (body.len() + 4).to_string());
    assert!(error.to_string().contains(&format!("expected {expected} bytes, found {found}")), "{error}");
    assert_eq!(server.starts(), [0]);
    assert_eq!(names(out.path()), [""; 0]);
}

#[test]
fn a_file_that_does_not_end_where_it_should_is_refused() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let server =
        Server::start(|_, _| [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".as_slice(), &noise(1_000_000)].concat());
    let error = fetch_into(out.path(), &order(&server, &body)).unwrap_err();
    assert!(matches!(error, FetchError::Size { .. }), "{error}");
    assert_eq!(names(out.path()), [""; 0]);
}

#[test]
fn a_busy_server_is_asked_again_and_a_refusing_one_is_not() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let server = Server::start({
        let body = body.clone();
        move |number, _| if number < 2 { status("503 Service Unavailable") } else { ok(&body) }
    });
    fetch_into(out.path(), &order(&server, &body)).unwrap();
    assert_whole(out.path());

    let out = tempfile::tempdir().unwrap();
    let server = Server::start(|_, _| status("503 Service Unavailable"));
    let error = fetch_into(out.path(), &order(&server, &body)).unwrap_err();
    assert!(matches!(error, FetchError::Network { attempts: 3, .. }), "{error}");
    assert_eq!(server.starts().len(), 3);

    let server = Server::start(|_, _| status("404 Not Found"));
    let error = fetch_into(out.path(), &order(&server, &body)).unwrap_err();
    assert!(matches!(error, FetchError::Status { status: 404, .. }), "{error}");
    assert_eq!(server.starts().len(), 1);
}

#[test]
fn an_answer_that_is_no_http_is_an_error() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    for answer in [b"".to_vec(), b"hello\r\n\r\n".to_vec(), noise(10_000)] {
        let server = Server::start(move |_, _| answer.clone());
        let error = fetch_into(out.path(), &order(&server, &body)).unwrap_err();
        assert!(matches!(error, FetchError::Network { .. }), "{error}");
    }
}

#[test]
fn hostile_archives_are_refused_and_leave_nothing() {
    let bomb = vec![0; 3_000_000];
    let archives = [
        zip_of(&[("cell_images/Parasitized/a.png", b"a"), ("../../evil.png", b"evil")]),
        zip_of(&[("cell_images/Parasitized/a.png", b"a"), ("/tmp/giemsa-evil.png", b"evil")]),
        zip_of(&[("cell_images/Parasitized/a.png", &bomb), ("cell_images/Uninfected/a.png", b"a")]),
        zip_of(&[("cell_images/Parasitized/a.png", b"one class only")]),
        zip_of(&[("elsewhere/a.png", b"a")]),
        noise(1000),
    ];
    for body in archives {
        let above = tempfile::tempdir().unwrap();
        let out = above.path().join("out");
        let server = Server::start({
            let body = body.clone();
            move |_, request| from(&body, request.start)
        });
        let error = fetch_into(&out, &order(&server, &body)).unwrap_err();
        assert!(matches!(error, FetchError::Archive(_)), "{error}");
        assert_eq!(names(&out), [""; 0]);
        assert_eq!(names(above.path()), ["out"]);
    }
    assert!(!Path::new("/tmp/giemsa-evil.png").exists());
}

#[test]
fn what_is_there_whole_is_left_alone() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let server = Server::start({
        let body = body.clone();
        move |_, _| ok(&body)
    });
    let order = order(&server, &body);
    fetch_into(out.path(), &order).unwrap();
    let again = fetch_into(out.path(), &order).unwrap();
    assert_eq!(again, Fetched { folder: out.path().join("cell_images"), files: 3, was_there: true });
    assert_eq!(server.starts().len(), 1);
    assert_whole(out.path());
}

#[test]
fn what_is_there_otherwise_is_neither_used_nor_touched() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let server = Server::start({
        let body = body.clone();
        move |_, _| ok(&body)
    });
    let order = order(&server, &body);
    fetch_into(out.path(), &order).unwrap();
    fs::remove_file(out.path().join("cell_images/Uninfected/b.png")).unwrap();
    let error = fetch_into(out.path(), &order).unwrap_err();
    assert!(matches!(error, FetchError::Occupied { .. }), "{error}");

    let out = tempfile::tempdir().unwrap();
    fs::create_dir(out.path().join("cell_images")).unwrap();
    fs::write(out.path().join("cell_images/mine.txt"), "mine").unwrap();
    let error = fetch_into(out.path(), &order).unwrap_err();
    assert!(matches!(error, FetchError::Occupied { .. }), "{error}");
    assert_eq!(names(&out.path().join("cell_images")), ["mine.txt"]);
    assert_eq!(server.starts().len(), 1);
}

#[test]
fn stopping_keeps_what_has_come() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let server = Server::start({
        let body = body.clone();
        move |_, request| cut(from(&body, request.start), 4000)
    });
    let order = order(&server, &body);
    let stopped = fetch(&order, out.path(), &mut |progress| match progress {
        Progress::Retrying { .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    assert!(matches!(stopped, Err(FetchError::Stopped)), "{stopped:?}");
    let stopped = fetch(&order, out.path(), &mut |progress| match progress {
        Progress::Unpacking { entries: 2, .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    assert!(matches!(stopped, Err(FetchError::Stopped)), "{stopped:?}");
    assert_eq!(names(out.path()), [".cell_images.zip.part"]);
    let requests = server.starts().len();
    fetch_into(out.path(), &order).unwrap();
    assert_whole(out.path());
    assert_eq!(server.starts().len(), requests, "all of it was there");
}

#[test]
fn leftovers_of_a_killed_process_are_cleared_away() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let left = out.path().join(".cell_images.unpacking/cell_images/Parasitized");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("half.png"), "half").unwrap();
    let server = Server::start({
        let body = body.clone();
        move |_, _| ok(&body)
    });
    fetch_into(out.path(), &order(&server, &body)).unwrap();
    assert_whole(out.path());
}

#[test]
fn two_at_once_in_one_folder_do_not_meet() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let part = fs::File::create(out.path().join(".cell_images.zip.part")).unwrap();
    part.try_lock().unwrap();
    let server = Server::start(|_, _| Vec::new());
    let error = fetch_into(out.path(), &order(&server, &body)).unwrap_err();
    assert!(matches!(error, FetchError::Busy { .. }), "{error}");
    assert_eq!(server.starts(), [0; 0]);
}

#[test]
fn tables_lie_beside_the_images_and_are_verified() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let server = Server::start({
        let body = body.clone();
        move |_, request| match request.path.as_str() {
            "/cell_images.zip" => ok(&body),
            "/right.csv" => ok(b"1,C33\n"),
            _ => ok(b"something else"),
        }
    });
    let table =
        |name: &str| Remote { url: format!("{}/{name}", server.address), bytes: None, sha256: sha256(b"1,C33\n") };
    let right = Order { tables: vec![table("right.csv")], ..order(&server, &body) };
    fetch_into(out.path(), &right).unwrap();
    assert_eq!(names(out.path()), ["cell_images", "right.csv"]);
    assert!(fetch_into(out.path(), &right).unwrap().was_there);
    assert_eq!(server.starts().len(), 2);

    let out = tempfile::tempdir().unwrap();
    let wrong = Order { tables: vec![table("wrong.csv")], ..order(&server, &body) };
    let error = fetch_into(out.path(), &wrong).unwrap_err();
    assert!(matches!(error, FetchError::Checksum { .. }), "{error}");
    assert_eq!(names(out.path()), [""; 0]);
}

#[test]
fn the_official_order_names_the_tables_beside_the_archive() {
    let order = Order::official("https://mirror.example.org/m/cell_images.zip");
    let urls: Vec<&str> = order.tables.iter().map(|table| table.url.as_str()).collect();
    assert_eq!(
        urls,
        [
            "https://mirror.example.org/m/patientid_cellmapping_parasitized.csv",
            "https://mirror.example.org/m/patientid_cellmapping_uninfected.csv"
        ]
    );
    assert_eq!(order.archive.bytes, Some(353_452_851));
}

/// The command, for an archive at a server.
fn giemsa_fetch(server: &Server, body: &[u8], out: &Path) -> Command {
    let mut command = Command::cargo_bin("giemsa").unwrap();
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(name);
    }
    command.arg("fetch").arg(out).args(["--url", &format!("{}/cell_images.zip", server.address)]);
    command.args(["--sha256", &sha256(body), "--size", &body.len().to_string()]);
    command
}

#[test]
fn the_command_reports_in_plain_lines_without_a_terminal() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let server = Server::start({
        let body = body.clone();
        move |number, request| if number == 0 { cut(ok(&body), 5000) } else { from(&body, request.start) }
    });
    let run = giemsa_fetch(&server, &body, out.path()).assert().success();
    let (stdout, stderr) = (text(&run.get_output().stdout), text(&run.get_output().stderr));
    assert!(stdout.contains("cell_images: 3 images, fetched"), "{stdout}");
    assert!(stderr.contains("downloading cell_images.zip:"), "{stderr}");
    assert!(stderr.contains("trying again in 1 s"), "{stderr}");
    assert!(stderr.contains("unpacking: 100 % of 4 entries"), "{stderr}");
    assert!(!stderr.contains('\x1b') && !stderr.contains('\r'), "{stderr}");
    assert_whole(out.path());

    let run = giemsa_fetch(&server, &body, out.path()).arg("--quiet").assert().success().stderr("");
    assert!(text(&run.get_output().stdout).contains("were there already"));
}

#[test]
fn the_command_fails_with_one_line_that_names_the_address() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let server = Server::start(|_, _| status("404 Not Found"));
    let expected = format!("error: {}/cell_images.zip: the server answered with status 404\n", server.address);
    giemsa_fetch(&server, &body, out.path()).assert().code(1).stdout("").stderr(expected);
}

#[test]
fn the_command_wants_sum_and_size_together_and_well_formed() {
    for arguments in [["--sha256", "00"].as_slice(), &["--size", "7"], &["--sha256", "xyz", "--size", "7"]] {
        Command::cargo_bin("giemsa").unwrap().arg("fetch").args(arguments).assert().code(2);
    }
}

/// A limit on the size of files stands in for a full disk.
#[cfg(unix)]
#[test]
fn a_write_that_fails_names_the_file_and_keeps_what_has_come() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let server = Server::start({
        let body = body.clone();
        move |_, request| from(&body, request.start)
    });
    let command = giemsa_fetch(&server, &body, out.path());
    // 8 blocks of 512 or 1024 bytes, by shell; either is less than the archive.
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$@\"", "sh"]).arg(command.get_program());
    let run = limited.args(command.get_args()).assert().code(1);
    let stderr = text(&run.get_output().stderr);
    assert!(stderr.contains("error: ") && stderr.contains(".cell_images.zip.part"), "{stderr}");
    assert_eq!(names(out.path()), [".cell_images.zip.part"]);

    giemsa_fetch(&server, &body, out.path()).assert().success();
    assert_whole(out.path());
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_with_130_and_keeps_what_has_come() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let server = Server::start({
        let body = body.clone();
        move |_, request| cut(from(&body, request.start), 2000)
    });
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("giemsa"))
        .args(giemsa_fetch(&server, &body, out.path()).get_args())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("trying again") {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "ended too early");
    }
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(names(out.path()), [".cell_images.zip.part"]);
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
