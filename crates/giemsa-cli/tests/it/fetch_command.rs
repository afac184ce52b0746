//! `giemsa fetch`.

use crate::cells::giemsa;
use crate::folder::names_in;
use crate::server::{Server, archive, assert_whole, cut, from, ok, sha256, status};
use assert_cmd::Command;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// Returns the command for an archive on a server.
fn giemsa_fetch(server: &Server, body: &[u8], out: &Path) -> Command {
    let mut command = giemsa();
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(name);
    }
    command.arg("fetch").arg(out).args(["--url", &format!("{}/cell_images.zip", server.address)]);
    command.args(["--sha256", &sha256(body), "--size", &body.len().to_string()]);
    command
}

#[test]
fn prints_plain_lines_without_a_terminal() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let server = Server::start({
        let body = body.clone();
        move |number, request| if number == 0 { cut(ok(&body), 5000) } else { from(&body, request.start) }
    });
    let run = giemsa_fetch(&server, &body, out.path()).assert().success();
    let (stdout, stderr) = (text(&run.get_output().stdout), text(&run.get_output().stderr));
    assert!(stdout.contains("cell_images: 3 images, downloaded"), "{stdout}");
    assert!(stderr.contains("downloading cell_images.zip:"), "{stderr}");
    assert!(stderr.contains("retrying in 1 s"), "{stderr}");
    assert!(stderr.contains("unpacking: 100 % of 4 entries"), "{stderr}");
    assert!(!stderr.contains('\x1b') && !stderr.contains('\r'), "{stderr}");
    assert_whole(out.path());

    let run = giemsa_fetch(&server, &body, out.path()).arg("--quiet").assert().success().stderr("");
    assert!(text(&run.get_output().stdout).contains("already downloaded"));
}

#[test]
fn fails_with_one_line_that_contains_the_address() {
    let (body, out) = (archive(), tempfile::tempdir().unwrap());
    let server = Server::start(|_, _| status("404 Not Found"));
    let expected = format!("error: {}/cell_images.zip: the server answered with status 404\n", server.address);
    giemsa_fetch(&server, &body, out.path()).assert().code(1).stdout("").stderr(expected);
}

#[test]
fn rejects_a_checksum_without_a_size_or_of_another_form() {
    for arguments in [["--sha256", "00"].as_slice(), &["--size", "7"], &["--sha256", "xyz", "--size", "7"]] {
        giemsa().arg("fetch").args(arguments).assert().code(2);
    }
}

/// Simulates a full disk by a limit on the size of files.
#[cfg(unix)]
#[test]
fn reports_the_file_of_a_failed_write_and_keeps_the_received_part() {
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
    assert_eq!(names_in(out.path()), [".cell_images.zip.part"]);

    giemsa_fetch(&server, &body, out.path()).assert().success();
    assert_whole(out.path());
}

#[cfg(unix)]
#[test]
fn exits_with_130_on_ctrl_c_and_keeps_the_received_part() {
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
    while !line.contains("retrying") {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "the command ended too early");
    }
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(names_in(out.path()), [".cell_images.zip.part"]);
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
