//! `giemsa pretrain` and the interruption of its folds, as a user meets them.

use crate::cells::{QUICK_RECIPE, draw_cells, giemsa, place};
use crate::folder::names_in;
use giemsa::model::Model;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use std::fs;

const COMMAND: [&str; 11] = [
    "pretrain",
    "data",
    "--recipe",
    "quick.toml",
    "--baseline",
    "other.toml",
    "--folds",
    "3",
    "--draws",
    "100",
    "--out",
];

#[test]
fn pretraining_makes_a_model_with_the_card_of_its_folds() {
    let (folder, _) = place();
    let root = folder.path();
    draw_cells(&root.join("data"), 1, 6, 3);
    fs::write(root.join("other.toml"), QUICK_RECIPE.replace("quick", "other").replace("side_px = 20", "side_px = 10"))
        .unwrap();
    fs::write(root.join("failures.md"), "Dots on the edge.").unwrap();
    let run = |out: &str| {
        let mut command = giemsa();
        command.current_dir(root).args(COMMAND).args([out, "--failures", "failures.md"]);
        command.assert().success()
    };
    run("made").stdout(contains("Training quick on all 36 images").and(contains("made/MODEL_CARD.md")));
    assert_eq!(
        names_in(&root.join("made")),
        ["MODEL_CARD.md", "last.safetensors", "other", "quick", "quick.safetensors"]
    );
    let card = fs::read_to_string(root.join("made/MODEL_CARD.md")).unwrap();
    for expected in [
        "# Model card: quick",
        "36 images of 6 patients: 18 Parasitized, 18 Uninfected.",
        "| metric | quick | other | difference |\n|---|---|---|---|\n| accuracy | ",
        "3 networks, each trained on all folds except one",
        "| C6 | 3 | ",
        "Dots on the edge.",
        "side_px = 20",
    ] {
        assert!(card.contains(expected), "{expected} is not in:\n{card}");
    }
    let model = Model::load(&root.join("made/quick.safetensors")).unwrap();
    assert_eq!(model.card.as_deref(), Some(card.as_str()));
    assert_eq!(model.threshold_aim.as_deref(), Some("specificity at least 0.975"));

    // The same again is the same byte for byte, and a finished run has nothing left to train.
    run("again");
    let read = |path: &str| fs::read(root.join(path)).unwrap();
    assert!(read("made/quick.safetensors") == read("again/quick.safetensors"));
    run("made").stdout(contains("Fold 1:").not());
    assert!(read("made/quick.safetensors") == read("again/quick.safetensors"));
}

#[test]
fn one_patient_or_too_few_are_refused_before_anything_is_written() {
    let (folder, recipe) = place();
    let root = folder.path();
    fs::copy(&recipe, root.join("other.toml")).unwrap();
    for patients in [1, 2] {
        let data = root.join("data");
        draw_cells(&data, 1, patients, 3);
        giemsa().current_dir(root).args(COMMAND).arg("out").assert().code(3).stderr(contains("found"));
        assert!(!root.join("out/other/fold-1").exists());
    }
}

#[cfg(unix)]
#[test]
fn a_cross_validation_that_ctrl_c_stopped_in_a_fold_goes_on_to_the_same_predictions() {
    use std::io::{BufRead, BufReader};
    let (folder, _) = place();
    let root = folder.path();
    draw_cells(&root.join("data"), 1, 6, 4);
    let command = |out: &str| {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("giemsa"));
        command.current_dir(root).args(["cross-validate", "data", "--recipe", "quick.toml", "--folds", "2"]);
        command.args(["--epochs", "200", "--draws", "100", "--out", out]);
        command
    };
    assert!(command("whole").output().unwrap().status.success());
    let piped = std::process::Stdio::piped;
    let mut child = command("stopped").stdout(piped()).stderr(piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("  epoch 3 ")));
    assert!(std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    lines.for_each(drop);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(root.join("stopped/fold-1/last.safetensors").exists());
    let rest = command("stopped").output().unwrap();
    let said = String::from_utf8(rest.stdout).unwrap();
    let first = said.lines().find(|line| line.starts_with("  epoch ")).unwrap();
    assert!(rest.status.success() && !first.starts_with("  epoch 1 "), "begins again:\n{said}");
    let read = |run: &str, file: &str| fs::read(root.join(run).join(file)).unwrap();
    assert!(read("whole", "predictions.csv") == read("stopped", "predictions.csv"));
    assert!(read("whole", "fold-1/model.safetensors") == read("stopped", "fold-1/model.safetensors"));
}
