//! The walk of `docs/own-microscope.md`: its commands run as printed, in their order, on drawn smears.
#![cfg(unix)]

use crate::cells::giemsa;
use crate::folder::names_in;
use giemsa::synthetic::{SmearSettings, write_smears};
use std::collections::BTreeSet;
use std::ops::ControlFlow::Continue;
use std::path::Path;
use std::process::Command;

/// A recipe that trains in seconds, in the place of `compact`.
const RECIPE: &str = "
name = 'quick'
layers = [
    { kind = 'conv2d', filters = 8, kernel = 3, activation = 'relu' },
    { kind = 'max_pooling2d' },
    { kind = 'flatten' },
    { kind = 'dense', units = 1, activation = 'sigmoid' },
]
input = { side_px = 24, resize = 'fit' }
training = { epochs = 3, batch_size = 16, learning_rate = 0.003 }
";

/// Returns the commands of the document, in their order.
fn commands() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/own-microscope.md");
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with("giemsa "))
        .map(str::to_owned)
        .collect()
}

/// Draws ten slides with infected cells on each.
fn draw_smears(folder: &Path) {
    let settings = SmearSettings {
        width_px: 480,
        height_px: 360,
        red_cells: 16,
        parasitaemia: 0.5,
        crowding: 0.0,
        white_cells: 0,
        ..SmearSettings::default()
    };
    write_smears(folder, 1, 10, 1, &settings, &|| Continue(())).unwrap();
}

/// Returns the slides of the images in the class folders of a part.
fn slides_in(part: &Path) -> BTreeSet<String> {
    let names = ["Parasitized", "Uninfected"].into_iter().flat_map(|class| names_in(&part.join(class)));
    names.map(|name| name.split('_').next().unwrap().to_owned()).collect()
}

#[test]
fn the_commands_of_the_document_train_a_model_on_drawn_smears() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    draw_smears(&root.join("smears"));
    std::fs::write(root.join("quick.toml"), RECIPE).unwrap();
    let program = assert_cmd::cargo::cargo_bin("giemsa");
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let help = String::from_utf8(giemsa().arg("--help").output().unwrap().stdout).unwrap();
    let is_known = |command: &String| {
        let name = command.split(' ').nth(1).unwrap();
        // The document is ahead of programs without this command.
        name != "count" || help.contains("\n  count ")
    };
    let commands: Vec<String> = commands().into_iter().filter(is_known).collect();
    assert!(commands.len() >= 9, "{commands:?}");
    for command in commands {
        let quick = command.replace("--recipe compact", "--recipe quick.toml");
        let run = Command::new("sh").args(["-c", &quick]).current_dir(root).env("PATH", &path).output().unwrap();
        let stderr = String::from_utf8_lossy(&run.stderr);
        // 5: some photographs are not used.
        assert!(matches!(run.status.code(), Some(0 | 5)), "{command}\n{}: {stderr}", run.status);
    }
    let [test, calibration, training] =
        ["parts/Test", "groups/Test", "groups/Train"].map(|part| slides_in(&root.join(part)));
    assert!(test.len() >= 2 && !calibration.is_empty() && training.len() >= 3, "{test:?} {calibration:?} {training:?}");
    assert!(test.is_disjoint(&calibration) && test.is_disjoint(&training) && calibration.is_disjoint(&training));
    predict_test_cells(root);
}

/// Checks that the model of the walk gives a probability for every test cell.
fn predict_test_cells(root: &Path) {
    let predict = ["predict", "--model", "calibrated.safetensors", "parts/Test", "--format", "jsonl"];
    let run = giemsa().current_dir(root).args(predict).assert().success();
    let rows = String::from_utf8(run.get_output().stdout.clone()).unwrap();
    let cells: usize =
        ["Parasitized", "Uninfected"].map(|class| names_in(&root.join("parts/Test").join(class)).len()).iter().sum();
    assert_eq!(rows.lines().count(), cells);
    for row in rows.lines() {
        let row: serde_json::Value = serde_json::from_str(row).unwrap();
        assert!(row["probability"]["Parasitized"].is_number(), "{row}");
    }
}
