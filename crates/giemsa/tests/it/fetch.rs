//! Downloading from a local server that fails as real servers and networks do.

use crate::folder::names_in;
use crate::server::{Server, archive, assert_whole, cut, from, noise, ok, sha256, status, zip_of};
use giemsa::fetch::{FetchError, FetchSettings, Fetched, Progress, RemoteFile, fetch};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

/// Returns settings for this archive at the address of the server, without long pauses.
fn settings(server: &Server, archive: &[u8]) -> FetchSettings {
    let url = format!("{}/cell_images.zip", server.address);
    let archive = RemoteFile { url, bytes: Some(archive.len() as u64), sha256: sha256(archive) };
    FetchSettings { attempts: 3, pause: Duration::from_millis(1), ..FetchSettings::for_archive(archive) }
}

fn fetch_into(out: &Path, settings: &FetchSettings) -> Result<Fetched, FetchError> {
    fetch(settings, out, &mut |_| ControlFlow::Continue(()))
}

#[test]
fn completes_a_download_over_many_interrupted_connections() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let server = Server::start({
        let body = body.clone();
        move |_, request| cut(from(&body, request.start), 1000)
    });
    let fetched = fetch_into(out.path(), &settings(&server, &body)).unwrap();
    assert_eq!(fetched, Fetched { folder: out.path().join("cell_images"), images: 3, already_present: false });
    assert_whole(out.path());
    let expected: Vec<usize> = (0..body.len()).step_by(1000).collect();
    assert_eq!(server.starts(), expected);
}

#[test]
fn restarts_if_the_server_ignores_ranges() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let server = Server::start({
        let body = body.clone();
        move |number, _| if number == 0 { cut(ok(&body), 5000) } else { ok(&body) }
    });
    fetch_into(out.path(), &settings(&server, &body)).unwrap();
    assert_whole(out.path());
    assert_eq!(server.starts(), [0, 5000]);
}

#[test]
fn resumes_the_download_of_an_earlier_process() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    fs::write(out.path().join(".cell_images.zip.part"), &body[..3000]).unwrap();
    let server = Server::start({
        let body = body.clone();
        move |_, request| from(&body, request.start)
    });
    fetch_into(out.path(), &settings(&server, &body)).unwrap();
    assert_whole(out.path());
    assert_eq!(server.starts(), [3000]);
}

#[test]
fn restarts_if_the_earlier_part_belongs_to_another_file() {
    for part in [vec![0; 3000], vec![0; 1_000_000], vec![0; archive().len()]] {
        let (body, out) = (archive(), tempfile::tempdir().unwrap());
        fs::write(out.path().join(".cell_images.zip.part"), part).unwrap();
        let server = Server::start({
            let body = body.clone();
            move |_, request| from(&body, request.start)
        });
        fetch_into(out.path(), &settings(&server, &body)).unwrap();
        assert_whole(out.path());
        assert_eq!(server.starts().last(), Some(&0));
    }
}

#[test]
fn restarts_if_the_server_does_not_have_the_rest() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    fs::write(out.path().join(".cell_images.zip.part"), &body[..3000]).unwrap();
    let server = Server::start({
        let body = body.clone();
        move |_, request| if request.start > 0 { status("416 Range Not Satisfiable") } else { ok(&body) }
    });
    fetch_into(out.path(), &settings(&server, &body)).unwrap();
    assert_whole(out.path());
    assert_eq!(server.starts(), [3000, 0]);
}

#[test]
fn rejects_another_range_than_requested() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    fs::write(out.path().join(".cell_images.zip.part"), &body[..3000]).unwrap();
    let server = Server::start({
        let body = body.clone();
        move |_, request| from(&body, if request.start == 0 { 0 } else { 100 })
    });
    fetch_into(out.path(), &settings(&server, &body)).unwrap();
    assert_whole(out.path());
    assert_eq!(server.starts(), [3000, 0]);
}

#[test]
fn deletes_a_download_with_another_checksum() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let server = Server::start({
        let mut wrong = body.clone();
        wrong[4000] ^= 1;
        move |_, request| from(&wrong, request.start)
    });
    let error = fetch_into(out.path(), &settings(&server, &body)).unwrap_err();
    assert!(matches!(error, FetchError::Checksum { .. }), "{error}");
    assert!(error.to_string().contains(&sha256(&body)), "{error}");
    assert_eq!(names_in(out.path()), [""; 0]);
}

#[test]
fn rejects_a_file_of_another_size_before_the_download() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let server = Server::start({
        let longer = [body.as_slice(), b"more"].concat();
        move |_, request| from(&longer, request.start)
    });
    let error = fetch_into(out.path(), &settings(&server, &body)).unwrap_err();
    let (expected, found) = (body.len().to_string(), (body.len() + 4).to_string());
    assert!(error.to_string().contains(&format!("expected {expected} bytes, found {found}")), "{error}");
    assert_eq!(server.starts(), [0]);
    assert_eq!(names_in(out.path()), [""; 0]);
}

#[test]
fn rejects_a_body_that_is_too_long() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let server =
        Server::start(|_, _| [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".as_slice(), &noise(1_000_000)].concat());
    let error = fetch_into(out.path(), &settings(&server, &body)).unwrap_err();
    assert!(matches!(error, FetchError::TooLong { .. }), "{error}");
    assert_eq!(names_in(out.path()), [""; 0]);
}

/// Downloads from a server that cuts the first answer after 4000 bytes. The answers have these bodies, the last one from
/// then on. Checks that the part is resumed once, and then the whole file is requested once.
fn fetch_changing(out: &Path, bodies: [Vec<u8>; 3]) -> Result<Fetched, FetchError> {
    let server = Server::start(move |number, request| {
        let answer = from(&bodies[number.min(2)], request.start);
        if number == 0 { cut(answer, 4000) } else { answer }
    });
    let result = fetch_into(out, &settings(&server, &archive()));
    assert_eq!(server.starts(), [0, 4000, 0]);
    result
}

#[test]
fn starts_over_once_if_the_file_changes_between_two_connections() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let mut other = body.clone();
    other[1000] ^= 1;
    let error = fetch_changing(out.path(), [other.clone(), body.clone(), other.clone()]).unwrap_err();
    assert!(matches!(error, FetchError::Checksum { .. }), "{error}");
    assert_eq!(names_in(out.path()), [""; 0]);
    fetch_changing(out.path(), [other, body.clone(), body]).unwrap();
    assert_whole(out.path());
}

#[test]
fn asks_once_for_the_whole_file_if_its_size_changes_between_two_connections() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let longer = [body.as_slice(), b"more"].concat();
    let error = fetch_changing(out.path(), [body.clone(), longer.clone(), longer.clone()]).unwrap_err();
    assert!(matches!(error, FetchError::Size { .. }), "{error}");
    let part = out.path().join(".cell_images.zip.part");
    assert!(fs::read(&part).unwrap() == body[..4000], "a later download can resume");
    fs::remove_file(part).unwrap();
    fetch_changing(out.path(), [body.clone(), longer, body]).unwrap();
    assert_whole(out.path());
}

#[test]
fn gives_up_on_a_slow_server_and_keeps_the_received_part() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let server = Server::start_slow(2, {
        let body = body.clone();
        move |_, request| from(&body, request.start)
    });
    let speed_window = Duration::from_millis(100);
    let slow = FetchSettings { min_bytes_per_s: 1_000_000, speed_window, ..settings(&server, &body) };
    let error = fetch_into(out.path(), &slow).unwrap_err();
    assert!(matches!(error, FetchError::TooSlow { expected: 1_000_000, .. }), "{error}");
    assert_eq!(names_in(out.path()), [".cell_images.zip.part"]);
    assert_eq!(server.starts(), [0]);
}

#[test]
fn gives_up_on_a_server_that_sends_a_few_bytes_per_connection() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let server = Server::start({
        let body = body.clone();
        move |_, request| cut(from(&body, request.start), 10)
    });
    let error = fetch_into(out.path(), &settings(&server, &body)).unwrap_err();
    assert!(matches!(error, FetchError::Network { attempts: 20, .. }), "{error}");
    assert_eq!(server.starts().len(), 20);
    assert_eq!(fs::read(out.path().join(".cell_images.zip.part")).unwrap().len(), 200);
}

#[test]
fn gives_up_on_a_server_that_starts_over_each_time() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let server = Server::start({
        let body = body.clone();
        // Every second answer is longer than the one before.
        move |number, _| cut(ok(&body), 4000 + number % 2)
    });
    let error = fetch_into(out.path(), &settings(&server, &body)).unwrap_err();
    assert!(matches!(error, FetchError::Network { attempts: 3, .. }), "{error}");
}

#[cfg(unix)]
#[test]
fn rejects_a_pipe_or_a_link_in_place_of_the_part() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let (part, mine) = (out.path().join(".cell_images.zip.part"), out.path().join("mine"));
    let server = Server::start(|_, _| Vec::new());
    let reject = || {
        let error = fetch_into(out.path(), &settings(&server, &body)).unwrap_err();
        assert!(matches!(&error, FetchError::Occupied { path } if *path == part), "{error}");
    };
    assert!(std::process::Command::new("mkfifo").arg(&part).status().unwrap().success());
    reject();
    fs::remove_file(&part).unwrap();
    fs::write(&mine, "mine").unwrap();
    std::os::unix::fs::symlink(&mine, &part).unwrap();
    reject();
    assert_eq!(fs::read(mine).unwrap(), b"mine");
    assert_eq!(server.starts(), [0; 0]);
}

#[test]
fn retries_a_busy_server_but_not_a_refusal() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let server = Server::start({
        let body = body.clone();
        move |number, _| if number < 2 { status("503 Service Unavailable") } else { ok(&body) }
    });
    fetch_into(out.path(), &settings(&server, &body)).unwrap();
    assert_whole(out.path());

    let out = tempfile::tempdir().unwrap();
    let server = Server::start(|_, _| status("503 Service Unavailable"));
    let error = fetch_into(out.path(), &settings(&server, &body)).unwrap_err();
    assert!(matches!(error, FetchError::Network { attempts: 3, .. }), "{error}");
    assert_eq!(server.starts().len(), 3);

    let server = Server::start(|_, _| status("404 Not Found"));
    let error = fetch_into(out.path(), &settings(&server, &body)).unwrap_err();
    assert!(matches!(error, FetchError::Status { status: 404, .. }), "{error}");
    assert_eq!(server.starts().len(), 1);
}

#[test]
fn rejects_an_answer_that_is_not_http() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    for answer in [b"".to_vec(), b"hello\r\n\r\n".to_vec(), noise(10_000)] {
        let server = Server::start(move |_, _| answer.clone());
        let error = fetch_into(out.path(), &settings(&server, &body)).unwrap_err();
        assert!(matches!(error, FetchError::Network { .. }), "{error}");
    }
}

#[test]
fn rejects_hostile_archives_without_leaving_files() {
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
        let error = fetch_into(&out, &settings(&server, &body)).unwrap_err();
        assert!(matches!(error, FetchError::Archive(_)), "{error}");
        assert_eq!(names_in(&out), [""; 0]);
        assert_eq!(names_in(above.path()), ["out"]);
    }
    assert!(!Path::new("/tmp/giemsa-evil.png").exists());
}

#[test]
fn does_not_download_complete_images_again() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let server = Server::start({
        let body = body.clone();
        move |_, _| ok(&body)
    });
    let settings = settings(&server, &body);
    fetch_into(out.path(), &settings).unwrap();
    let again = fetch_into(out.path(), &settings).unwrap();
    assert_eq!(again, Fetched { folder: out.path().join("cell_images"), images: 3, already_present: true });
    assert_eq!(server.starts().len(), 1);
    assert_whole(out.path());
}

#[test]
fn neither_uses_nor_changes_other_files() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let server = Server::start({
        let body = body.clone();
        move |_, _| ok(&body)
    });
    let settings = settings(&server, &body);
    fetch_into(out.path(), &settings).unwrap();
    fs::remove_file(out.path().join("cell_images/Uninfected/b.png")).unwrap();
    let error = fetch_into(out.path(), &settings).unwrap_err();
    assert!(matches!(error, FetchError::Occupied { .. }), "{error}");

    let out = tempfile::tempdir().unwrap();
    fs::create_dir(out.path().join("cell_images")).unwrap();
    fs::write(out.path().join("cell_images/mine.txt"), "mine").unwrap();
    let error = fetch_into(out.path(), &settings).unwrap_err();
    assert!(matches!(error, FetchError::Occupied { .. }), "{error}");
    assert_eq!(names_in(&out.path().join("cell_images")), ["mine.txt"]);
    assert_eq!(server.starts().len(), 1);
}

#[test]
fn keeps_the_received_part_when_stopped() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let server = Server::start({
        let body = body.clone();
        move |_, request| cut(from(&body, request.start), 4000)
    });
    let settings = settings(&server, &body);
    let stopped = fetch(&settings, out.path(), &mut |progress| match progress {
        Progress::Retrying { .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    assert!(matches!(stopped, Err(FetchError::Stopped)), "{stopped:?}");
    let stopped = fetch(&settings, out.path(), &mut |progress| match progress {
        Progress::Unpacking { entries: 2, .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    assert!(matches!(stopped, Err(FetchError::Stopped)), "{stopped:?}");
    assert_eq!(names_in(out.path()), [".cell_images.zip.part"]);
    let requests = server.starts().len();
    fetch_into(out.path(), &settings).unwrap();
    assert_whole(out.path());
    assert_eq!(server.starts().len(), requests, "the download was complete");
}

#[test]
fn removes_the_leftovers_of_a_killed_process() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let left = out.path().join(".cell_images.unpacking/cell_images/Parasitized");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("half.png"), "half").unwrap();
    let server = Server::start({
        let body = body.clone();
        move |_, _| ok(&body)
    });
    fetch_into(out.path(), &settings(&server, &body)).unwrap();
    assert_whole(out.path());
}

#[test]
fn rejects_a_second_download_into_the_same_folder() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let part = fs::File::create(out.path().join(".cell_images.zip.part")).unwrap();
    part.try_lock().unwrap();
    let server = Server::start(|_, _| Vec::new());
    let error = fetch_into(out.path(), &settings(&server, &body)).unwrap_err();
    assert!(matches!(error, FetchError::Busy { .. }), "{error}");
    assert_eq!(server.starts(), [0; 0]);
}

#[test]
fn verifies_the_tables_of_patients() {
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
        |name: &str| RemoteFile { url: format!("{}/{name}", server.address), bytes: None, sha256: sha256(b"1,C33\n") };
    let right = FetchSettings { tables: vec![table("right.csv")], ..settings(&server, &body) };
    fetch_into(out.path(), &right).unwrap();
    assert_eq!(names_in(out.path()), ["cell_images", "right.csv"]);
    assert!(fetch_into(out.path(), &right).unwrap().already_present);
    assert_eq!(server.starts().len(), 2);

    let out = tempfile::tempdir().unwrap();
    let wrong = FetchSettings { tables: vec![table("wrong.csv")], ..settings(&server, &body) };
    let error = fetch_into(out.path(), &wrong).unwrap_err();
    assert!(matches!(error, FetchError::Checksum { .. }), "{error}");
    assert_eq!(names_in(out.path()), [""; 0]);
}

#[test]
fn expects_the_tables_in_the_folder_of_the_archive() {
    let settings = FetchSettings::official("https://mirror.example.org/m/cell_images.zip");
    let urls: Vec<&str> = settings.tables.iter().map(|table| table.url.as_str()).collect();
    assert_eq!(
        urls,
        [
            "https://mirror.example.org/m/patientid_cellmapping_parasitized.csv",
            "https://mirror.example.org/m/patientid_cellmapping_uninfected.csv"
        ]
    );
    assert_eq!(settings.archive.bytes, Some(353_452_851));
}
