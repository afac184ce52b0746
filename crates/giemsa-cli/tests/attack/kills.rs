//! `kill -9` at random moments of a training run and of a cross-validation, each followed by resuming it.

use crate::Size;
use crate::mutation::Random;
use crate::table::Row;
use crate::training::{Training, message_of, model_in};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Kills runs, resumes them until they end, and compares the weights with those of an undisturbed run.
pub fn attack(size: Size) -> Vec<Row> {
    let training = Training::new();
    let kills = size.of(4, 100);
    vec![kill_runs(&training, kills), kill_cross_validations(&training, kills)]
}

/// Starts a command and kills it after a random time. Returns whether it was killed before its end.
fn kill(mut command: Command, longest: Duration, random: &mut Random) -> bool {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(longest.mul_f64(random.below(1000) as f64 / 1000.0));
    let running = child.try_wait().unwrap().is_none();
    let _ = child.kill();
    child.wait().unwrap();
    running
}

fn kill_runs(training: &Training, kills: usize) -> Row {
    let mut row = Row::new("kill -9, `giemsa train`");
    let mut random = Random::new(1);
    let mut run = 0;
    while row.inputs < kills {
        run += 1;
        let name = format!("run-{run}");
        kill(training.start(&name), training.duration, &mut random);
        row.inputs += 1;
        // Every other run is killed again while it is resumed.
        if run % 2 == 0 && training.path(&name).join("last.safetensors").exists() {
            kill(training.resume(&name), training.duration, &mut random);
            row.inputs += 1;
        }
        finish(training, &name, &mut row);
    }
    row
}

/// Resumes a run, or starts it anew if it was killed before it began, and compares its weights.
fn finish(training: &Training, name: &str, row: &mut Row) {
    let begun = training.path(name).join("last.safetensors").exists();
    let mut command = if begun { training.resume(name) } else { training.start(name) };
    let start = Instant::now();
    let output = command.output().unwrap();
    row.longest = row.longest.max(start.elapsed());
    if !output.status.success() {
        row.faults.push(format!("{name}: {}", message_of(&output)));
    } else if model_in(&training.path(name)) != training.model {
        row.faults.push(format!("{name}: other weights"));
    } else {
        row.accepted += 1;
    }
}

fn kill_cross_validations(training: &Training, kills: usize) -> Row {
    let mut row = Row::new("kill -9, `giemsa cross-validate`");
    let mut random = Random::new(2);
    let predictions = |out: &str| std::fs::read(training.path(out).join("predictions.csv")).unwrap_or_default();
    let start = Instant::now();
    assert!(training.cross_validate("cv").output().unwrap().status.success());
    let duration = start.elapsed();
    let expected = predictions("cv");
    let mut run = 0;
    while row.inputs < kills {
        run += 1;
        let name = format!("cv-{run}");
        // Until it ends before it is killed, at most three times.
        for _ in 0..3 {
            row.inputs += 1;
            if !kill(training.cross_validate(&name), duration, &mut random) {
                break;
            }
        }
        let output = training.cross_validate(&name).output().unwrap();
        if !output.status.success() {
            row.faults.push(format!("{name}: {}", message_of(&output)));
        } else if predictions(&name) != expected || expected.is_empty() {
            row.faults.push(format!("{name}: other predictions"));
        } else {
            row.accepted += 1;
        }
    }
    row
}
