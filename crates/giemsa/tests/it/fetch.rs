//! The download against a server of our own that misbehaves in the ways servers and networks do.

use crate::folder::names_in;
use crate::server::{Server, archive, assert_whole, cut, from, noise, ok, sha256, status, zip_of};
use giemsa::fetch::{FetchError, Fetched, Order, Progress, Remote, fetch};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

/// An order for these bytes, at the server's address, without long pauses.
fn order(server: &Server, archive: &[u8]) -> Order {
    let url = format!("{}/cell_images.zip", server.address);
    let archive = Remote { url, bytes: Some(archive.len() as u64), sha256: sha256(archive) };
    Order { attempts: 3, pause: Duration::from_millis(1), ..Order::archive_alone(archive) }
}

fn fetch_into(out: &Path, order: &Order) -> Result<Fetched, FetchError> {
    fetch(order, out, &mut |_| ControlFlow::Continue(()))
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
    assert_eq!(names_in(out.path()), [""; 0]);
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
    assert_eq!(names_in(out.path()), [""; 0]);
}

#[test]
fn a_file_that_does_not_end_where_it_should_is_refused() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let server =
        Server::start(|_, _| [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".as_slice(), &noise(1_000_000)].concat());
    let error = fetch_into(out.path(), &order(&server, &body)).unwrap_err();
    assert!(matches!(error, FetchError::Size { .. }), "{error}");
    assert_eq!(names_in(out.path()), [""; 0]);
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
        assert_eq!(names_in(&out), [""; 0]);
        assert_eq!(names_in(above.path()), ["out"]);
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
    assert_eq!(names_in(&out.path().join("cell_images")), ["mine.txt"]);
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
    assert_eq!(names_in(out.path()), [".cell_images.zip.part"]);
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
    assert_eq!(names_in(out.path()), ["cell_images", "right.csv"]);
    assert!(fetch_into(out.path(), &right).unwrap().was_there);
    assert_eq!(server.starts().len(), 2);

    let out = tempfile::tempdir().unwrap();
    let wrong = Order { tables: vec![table("wrong.csv")], ..order(&server, &body) };
    let error = fetch_into(out.path(), &wrong).unwrap_err();
    assert!(matches!(error, FetchError::Checksum { .. }), "{error}");
    assert_eq!(names_in(out.path()), [""; 0]);
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
