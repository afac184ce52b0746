//! Runs that are killed, or have no space left, at any moment.

use crate::cells::{draw_cells, place};
use crate::folder::names_in;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const TRAIN: [&str; 8] = ["train", "data", "--recipe", "quick.toml", "--epochs", "6", "--out", "run"];
const RESUME: [&str; 3] = ["train", "--resume", "run"];
const CROSS_VALIDATE: [&str; 12] = [
    "cross-validate",
    "data",
    "--recipe",
    "quick.toml",
    "--folds",
    "2",
    "--epochs",
    "30",
    "--draws",
    "100",
    "--out",
    "run",
];

/// Returns the program with the working directory `root`.
fn giemsa(root: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("giemsa"));
    command.current_dir(root).args(args).stdout(Stdio::null());
    command
}

#[track_caller]
fn succeed(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Runs a command to its end, then kills it after a growing part of that time, and calls `finish` after each kill. The
/// files of the run must always be those of the first, uninterrupted run.
fn kill_at_many_moments(args: &[&str], files: &[&str], finish: impl Fn(&Path)) {
    const KILLS: u32 = 8;
    let (folder, _) = place();
    let root = folder.path();
    draw_cells(&root.join("data"), 1, 6, 3);
    let read = || files.iter().map(|file| fs::read(root.join("run").join(file)).unwrap()).collect::<Vec<_>>();
    let began = Instant::now();
    succeed(&giemsa(root, args).output().unwrap());
    let (whole_time, whole, names) = (began.elapsed(), read(), names_in(&root.join("run")));
    for kill in 1..=KILLS {
        fs::remove_dir_all(root.join("run")).unwrap();
        let mut child = giemsa(root, args).spawn().unwrap();
        std::thread::sleep(whole_time * kill / (KILLS + 1));
        child.kill().unwrap();
        child.wait().unwrap();
        finish(root);
        assert!(whole == read(), "kill {kill} of {KILLS}");
        assert_eq!(names, names_in(&root.join("run")));
    }
}

#[test]
fn a_training_run_killed_at_any_moment_can_be_completed() {
    kill_at_many_moments(&TRAIN, &["model.safetensors", "split.csv", "settings.toml"], |root| {
        let args: &[&str] = if root.join("run/settings.toml").exists() { &RESUME } else { &TRAIN };
        succeed(&giemsa(root, args).output().unwrap());
    });
}

#[test]
fn a_cross_validation_killed_at_any_moment_can_be_completed() {
    let files = ["fold-1/model.safetensors", "fold-2/model.safetensors", "predictions.csv", "settings.toml"];
    kill_at_many_moments(&CROSS_VALIDATE, &files, |root| {
        succeed(&giemsa(root, &CROSS_VALIDATE).output().unwrap());
        for fold in ["run/fold-1", "run/fold-2"] {
            assert_eq!(names_in(&root.join(fold)), ["model.safetensors", "predictions.csv"]);
        }
    });
}

/// Runs the program with a limit on the size of files, which kills it in the middle of writing a larger one.
#[cfg(unix)]
fn with_file_limit(root: &Path, blocks: u32, args: &[&str]) -> Output {
    let script = format!("ulimit -c 0; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.current_dir(root).args(["-c", &script]).arg(assert_cmd::cargo::cargo_bin("giemsa")).args(args);
    command.output().unwrap()
}

#[cfg(unix)]
#[test]
fn a_run_killed_while_it_writes_a_file_can_be_started_again() {
    let (folder, _) = place();
    let root = folder.path();
    draw_cells(&root.join("data"), 1, 6, 2);
    let again = |args: &[&str]| {
        succeed(&giemsa(root, args).output().unwrap());
        assert!(names_in(&root.join("run")).iter().all(|name| !name.starts_with(".giemsa-")));
        fs::remove_dir_all(root.join("run")).unwrap();
    };
    // A block has 512 or 1024 bytes, by shell. The settings have about 1 KB, the list of images 2, the checkpoint 18.
    for blocks in [0, 3, 6] {
        for (args, then) in [(&TRAIN[..], &TRAIN[..]), (&TRAIN, &RESUME), (&CROSS_VALIDATE, &CROSS_VALIDATE)] {
            let killed = with_file_limit(root, blocks, args);
            assert!(killed.status.code().is_none(), "{blocks} blocks: {:?}", killed.status);
            again(if root.join("run/settings.toml").exists() { then } else { args });
        }
    }
}

#[cfg(unix)]
#[test]
fn a_checkpoint_that_does_not_fit_leaves_the_earlier_one() {
    let (folder, recipe) = place();
    let root = folder.path();
    draw_cells(&root.join("data"), 1, 6, 2);
    // The model has 49 KB, the checkpoint 3 times as much.
    fs::write(recipe, crate::cells::QUICK_RECIPE.replace("side_px = 20", "side_px = 64")).unwrap();
    succeed(&giemsa(root, &["train", "data", "--recipe", "quick.toml", "--out", "run"]).output().unwrap());
    let checkpoint = fs::read(root.join("run/last.safetensors")).unwrap();
    // 120 blocks are 60 or 120 KB, by shell. The program ignores the signal and sees the error.
    let script = "trap '' XFSZ; ulimit -f 120; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.current_dir(root).args(["-c", script]).arg(assert_cmd::cargo::cargo_bin("giemsa"));
    let output = command.args(["train", "--resume", "run", "--epochs", "3"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("run/last.safetensors: File too large"), "{said}");
    assert!(checkpoint == fs::read(root.join("run/last.safetensors")).unwrap());
    assert!(names_in(&root.join("run")).iter().all(|name| !name.starts_with(".giemsa-")));
    succeed(&giemsa(root, &["train", "--resume", "run", "--epochs", "3"]).output().unwrap());
}

#[cfg(unix)]
#[test]
fn a_second_process_does_not_train_in_the_same_folder() {
    let (folder, _) = place();
    let root = folder.path();
    draw_cells(&root.join("data"), 1, 6, 3);
    let endless = ["train", "data", "--recipe", "quick.toml", "--epochs", "1000000", "--out", "run"];
    let mut first = giemsa(root, &endless).spawn().unwrap();
    let wait_until = |done: &mut dyn FnMut() -> bool| {
        let began = Instant::now();
        while !done() && began.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    wait_until(&mut || root.join("run/history.csv").exists());
    let mut second = giemsa(root, &RESUME).stderr(Stdio::piped()).spawn().unwrap();
    wait_until(&mut || second.try_wait().unwrap().is_some());
    let _ = second.kill();
    first.kill().unwrap();
    first.wait().unwrap();
    let second = second.wait_with_output().unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("run: another process is training in this folder"), "{said}");
}
