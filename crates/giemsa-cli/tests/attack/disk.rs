//! A full disk during training: a file system of a few kilobytes if the user may mount one, and a limit on the size of
//! files.

use crate::Size;
use crate::table::Row;
use crate::training::{Training, message_of, model_in};
use std::process::{Command, Output};

/// Fills the disk at several moments of a run, and resumes the run when there is space again.
pub fn attack(size: Size) -> Vec<Row> {
    let training = Training::new();
    let mut rows = vec![limit_files(&training, size)];
    match small_disk(&training, size) {
        Some(row) => rows.push(row),
        None => eprintln!("skipped: a full disk, because this user cannot mount a file system"),
    }
    rows
}

/// Runs with a limit on the size of each file, in blocks of 512 bytes: up to 368 KiB, which is enough.
fn limit_files(training: &Training, size: Size) -> Row {
    let mut row = Row::new("limited file size, `giemsa train`");
    for blocks in (0..size.of(3, 24)).map(|step| 32 * step) {
        let name = format!("limited-{blocks}");
        let train = training.start(&name);
        let arguments = train.get_args().map(|arg| arg.to_str().unwrap()).collect::<Vec<_>>().join(" ");
        // The signal is ignored, so that writing returns an error.
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec '{}' {arguments}", env!("CARGO_BIN_EXE_giemsa"));
        let output = Command::new("sh").args(["-c", &script]).current_dir(training.path("")).output().unwrap();
        check(training, &name, &output, &mut row);
    }
    row
}

/// Runs on a file system with little space. Returns `None` if it cannot be mounted.
fn small_disk(training: &Training, size: Size) -> Option<Row> {
    let mut row = Row::new("full disk, `giemsa train`");
    let disk = training.path("disk");
    std::fs::create_dir_all(&disk).unwrap();
    let mount = |options: &str| {
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&disk);
        command.output().is_ok_and(|output| output.status.success())
    };
    for step in 1..size.of(3, 24) {
        if !mount(&format!("size={}k", 32 * step)) {
            return None;
        }
        let output = training.start("disk/run").output().unwrap();
        // There is space again.
        assert!(mount("remount,size=16m"));
        check(training, "disk/run", &output, &mut row);
        assert!(Command::new("umount").arg(&disk).status().unwrap().success());
    }
    Some(row)
}

/// Checks the error of a run on a full disk, and that it can be resumed.
fn check(training: &Training, name: &str, full: &Output, row: &mut Row) {
    row.inputs += 1;
    let message = String::from_utf8_lossy(&full.stderr);
    if full.status.success() {
        row.accepted += 1;
    } else {
        row.refused += 1;
        if full.status.code() != Some(1) || !message.contains(name) {
            row.faults.push(format!("{name}: exit code {:?}, {}", full.status.code(), message_of(full)));
        }
    }
    let begun = training.path(name).join("last.safetensors").exists();
    let mut command = if begun { training.resume(name) } else { training.start(name) };
    let output = command.output().unwrap();
    if !output.status.success() {
        row.faults.push(format!("{name}, with space again: {}", message_of(&output)));
    } else if model_in(&training.path(name)) != training.model {
        row.faults.push(format!("{name}, with space again: other weights"));
    }
}
