//! The examples in the help texts, run as a user types them. A test of the help parses all of them; here those run that
//! take seconds and need no network.
#![cfg(unix)]

use crate::cells::{cell, draw_cells, giemsa, save_brightness_model};
use std::path::Path;
use std::process::Command;

/// Commands whose examples take seconds and need no network.
const QUICK_COMMANDS: [&str; 12] = [
    "stats",
    "show",
    "split",
    "summary",
    "evaluate",
    "compare",
    "calibrate",
    "predict",
    "explain",
    "info",
    "completions",
    "man",
];

/// The data folders, model files and images that examples refer to.
const DATA: [&str; 4] = ["cell_images", "data/cell_images", "data/test", "data/calibration"];
const MODELS: [&str; 6] = [
    "a.safetensors",
    "b.safetensors",
    "run/model.safetensors",
    "runs/a/model.safetensors",
    "runs/b/model.safetensors",
    "runs/compact-1/model.safetensors",
];
const IMAGES: [&str; 2] = ["cell.png", "slide/1.png"];
/// Folders that users of shells have.
const HOME_FOLDERS: [&str; 3] = [".local/share/bash-completion/completions", ".zfunc", ".config/fish/completions"];

fn make_fixture(folder: &Path) {
    for data in DATA {
        draw_cells(&folder.join(data), 1, 6, 4);
    }
    draw_cells(&folder.join("sites/bangkok"), 1, 2, 2);
    let create_parent = |path: &Path| std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    for path in MODELS.map(|model| folder.join(model)) {
        create_parent(&path);
        save_brightness_model(&path);
    }
    for path in IMAGES.map(|image| folder.join(image)) {
        create_parent(&path);
        cell(true, 1).save(path).unwrap();
    }
    HOME_FOLDERS.iter().for_each(|home| std::fs::create_dir_all(folder.join(home)).unwrap());
}

/// Returns the lines below "Examples:" in the help of a command.
fn examples_of(command: &str) -> Vec<String> {
    let output = giemsa().args([command, "--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let lines = help.split("Examples:\n").nth(1).unwrap().lines();
    lines.take_while(|line| line.starts_with("  ")).map(str::to_owned).collect()
}

/// Returns whether the other programs of a pipe are installed.
fn can_run(line: &str) -> bool {
    let programs = line.split('|').filter_map(|part| part.split_whitespace().next());
    programs.filter(|&program| program != "giemsa").all(|program| {
        Command::new("sh").args(["-c", &format!("command -v {program}")]).output().is_ok_and(|run| run.status.success())
    })
}

#[test]
fn examples_in_the_help_run_as_printed() {
    let program = assert_cmd::cargo::cargo_bin("giemsa");
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    for example in QUICK_COMMANDS.into_iter().flat_map(examples_of) {
        if !can_run(&example) {
            eprintln!("skipped: {example}");
            continue;
        }
        // Each example starts from the same files: several are alternatives with the same output.
        let folder = tempfile::tempdir().unwrap();
        make_fixture(folder.path());
        let mut shell = Command::new("sh");
        shell.args(["-e", "-c", &example]).current_dir(&folder);
        let run = shell.env("PATH", &path).env("HOME", folder.path()).output().unwrap();
        let stderr = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success() && !stderr.contains("error"), "{example}\n{}: {stderr}", run.status);
    }
}

/// The README shows these commands.
#[test]
fn classifies_the_cells_of_the_documentation_correctly() {
    let cells = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/images/cells");
    let mut count = 0;
    for name in crate::folder::names_in(&cells) {
        let run = giemsa().args(["predict", "--format", "jsonl"]).arg(cells.join(&name)).assert().success();
        let row: serde_json::Value = serde_json::from_slice(&run.get_output().stdout).unwrap();
        let probability = row["probability"]["Parasitized"].as_f64().unwrap();
        match name.split('-').next().unwrap() {
            "parasitized" => assert!(probability > 0.9, "{name}: {probability}"),
            "uninfected" => assert!(probability < 0.2, "{name}: {probability}"),
            _ => panic!("{name} has no class in its name"),
        }
        count += 1;
    }
    assert_eq!(count, 4);
}
