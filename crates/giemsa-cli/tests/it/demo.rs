//! `giemsa demo`.

use crate::cells::giemsa;
use crate::folder::names_in;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;

const OUTPUTS: [&str; 9] = [
    "README.txt",
    "cells",
    "curves.png",
    "history.csv",
    "index.html",
    "model.safetensors",
    "sheet.png",
    "smear-1.png",
    "smear-2.png",
];

#[test]
fn draws_trains_evaluates_and_writes_a_self_contained_page() {
    let place = tempfile::tempdir().unwrap();
    let run = giemsa().current_dir(&place).args(["demo", "out", "--images", "400", "--epochs", "2"]).assert().success();
    let stdout = String::from_utf8(run.get_output().stdout.clone()).unwrap();
    for expected in ["400 synthetic cells", "Epoch 2/2", "sensitivity", "False", "out/index.html", "drawn, not"] {
        assert!(stdout.to_lowercase().contains(&expected.to_lowercase()), "{expected} is not in:\n{stdout}");
    }
    let out = place.path().join("out");
    assert_eq!(names_in(&out), OUTPUTS);
    let page = std::fs::read_to_string(out.join("index.html")).unwrap();
    crate::page::assert_self_contained(&page);
    for expected in [
        "drawn by the program, not photographed",
        "Accuracy",
        "Sensitivity",
        "Specificity",
        "occlusion",
        "Counting a smear",
    ] {
        assert!(page.contains(expected), "{expected}");
    }
    assert!(!page.contains("Grad-CAM"));

    // Other commands accept the model, and the probability of the example is that of `giemsa predict`.
    let example = stdout.lines().find_map(|line| line.strip_prefix("Example: ")).unwrap();
    let path = example.split(": ").next().unwrap();
    let probability = example.split("P(Parasitized) = ").nth(1).and_then(|rest| rest.split(',').next()).unwrap();
    let probability: f64 = probability.parse().unwrap();
    let predicted = giemsa()
        .current_dir(&place)
        .args(["predict", "--model", "out/model.safetensors", "--format", "jsonl", path])
        .assert()
        .success();
    let row: serde_json::Value = serde_json::from_slice(&predicted.get_output().stdout).unwrap();
    let again = row["probability"]["Parasitized"].as_f64().unwrap();
    assert!((again - probability).abs() <= 0.0005, "{again} is not {probability}");
}

#[test]
fn refuses_a_folder_with_other_files_and_suggests_a_remedy() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("mine.txt"), "x").unwrap();
    let run = giemsa().args(["demo", &place.path().display().to_string()]).assert().code(1);
    run.stderr(
        contains("choose another folder with `giemsa demo OUT`, or delete it")
            .and(contains(place.path().display().to_string())),
    );
    assert_eq!(names_in(place.path()), ["mine.txt"]);
}

/// `giemsa demo out | head -1` closes standard output early.
#[cfg(unix)]
#[test]
fn keeps_the_results_when_standard_output_is_closed() {
    let place = tempfile::tempdir().unwrap();
    let mut demo = std::process::Command::new(assert_cmd::cargo::cargo_bin("giemsa"));
    demo.current_dir(&place).args(["demo", "out", "--images", "400", "--epochs", "1"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let run = demo.stdout(writer).output().unwrap();
    assert!(run.status.success(), "{:?}: {}", run.status, String::from_utf8_lossy(&run.stderr));
    assert_eq!(names_in(&place.path().join("out")), OUTPUTS);
}

/// The drawing of so many cells would take minutes.
#[cfg(unix)]
#[test]
fn ctrl_c_stops_the_drawing_at_once_and_leaves_nothing() {
    use std::io::{BufRead, BufReader};
    use std::time::{Duration, Instant};
    let place = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("giemsa"))
        .current_dir(&place)
        .args(["demo", "out", "--images", "100000"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("Drawing")));
    let start = Instant::now();
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(names_in(place.path()), [""; 0]);
}
