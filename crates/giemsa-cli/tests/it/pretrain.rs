//! Tests of `giemsa pretrain`, and of interrupted folds.

use crate::cells::{QUICK_RECIPE, draw_cells, giemsa, place};
use crate::folder::names_in;
use giemsa::model::Model;
use predicates::prelude::*;
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
fn writes_a_model_and_a_card_with_the_metrics_of_its_folds() {
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
    let errors = model.error_rates.unwrap();
    assert!(card.contains(&format!("| sensitivity | {:.4} ", errors.sensitivity)), "{errors:?}");
    assert!(card.contains(&format!("| macro false positive rate | {:.4} ", errors.false_positive_rate)), "{errors:?}");
    assert!(errors.between_patients.is_some() && model.healthy_logit.is_some());

    // A second run writes the same bytes, and a finished run trains nothing.
    run("again");
    let read = |path: &str| fs::read(root.join(path)).unwrap();
    assert!(read("made/quick.safetensors") == read("again/quick.safetensors"));
    run("made").stdout(contains("Fold 1:").not());
    assert!(read("made/quick.safetensors") == read("again/quick.safetensors"));
}

#[test]
fn the_network_learns_from_teachers_and_the_card_states_it() {
    let (folder, _) = place();
    let root = folder.path();
    fs::write(root.join("other.toml"), QUICK_RECIPE.replace("quick", "other")).unwrap();
    draw_cells(&root.join("data"), 1, 6, 3);
    let run = |more: &[&str]| giemsa().current_dir(root).args(COMMAND).arg("out").args(more).assert();
    run(&["--teachers", "2", "--student-epochs", "3"])
        .success()
        .stdout(contains(" Teacher 2 of 2.").and(contains(" The network that learns from the teachers.")));
    let names = names_in(&root.join("out"));
    assert!(["teacher-1.safetensors", "teacher-2.safetensors"].iter().all(|name| names.iter().any(|n| n == name)));
    let card = fs::read_to_string(root.join("out/MODEL_CARD.md")).unwrap();
    assert!(card.contains("mean output of 2 networks of the same recipe, trained for 2 epochs"), "{card}");
    assert!(card.contains("epochs = 3"), "{card}");
    let page = fs::read_to_string(root.join("out/quick/index.html")).unwrap();
    assert!(page.contains("learned the mean output of 2 others, in 3 epochs"));
    run(&["--teachers", "3"]).code(1).stderr(contains("begun with other teachers"));
    run(&["--student-epochs", "3"]).code(2).stderr(contains("--teachers"));
}

#[test]
fn rejects_too_few_patients_before_it_writes_anything() {
    let (folder, recipe) = place();
    let root = folder.path();
    fs::copy(&recipe, root.join("other.toml")).unwrap();
    for patients in [1, 2] {
        let data = root.join("data");
        draw_cells(&data, 1, patients, 3);
        giemsa().current_dir(root).args(COMMAND).arg("out").assert().code(3).stderr(contains("data cannot be divided"));
        assert!(!root.join("out/other/fold-1").exists());
    }
}

#[test]
fn rejects_numbers_that_are_too_large_before_it_writes_anything() {
    let (folder, recipe) = place();
    let root = folder.path();
    draw_cells(&root.join("data"), 1, 6, 2);
    let too_large: [&[&str]; 3] = [&["--epochs", "2000000"], &["--folds", "70000"], &["--seed", "9223372036854775808"]];
    for options in too_large {
        let mut command = giemsa();
        command.current_dir(root).args(["cross-validate", "data", "--recipe", "quick.toml", "--out", "out"]);
        command.args(options).assert().code(2).stderr(contains(options[1]));
    }
    fs::write(recipe, QUICK_RECIPE.replace("epochs = 2", "epochs = 2000000")).unwrap();
    fs::write(root.join("other.toml"), QUICK_RECIPE).unwrap();
    giemsa().current_dir(root).args(COMMAND).arg("out").assert().code(2).stderr(contains("found 2000000"));
    assert!(!root.join("out").exists());
}

#[cfg(unix)]
#[test]
fn a_cross_validation_stopped_by_ctrl_c_continues_to_the_same_predictions() {
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
    assert!(rest.status.success() && !first.starts_with("  epoch 1 "), "starts again:\n{said}");
    let read = |run: &str, file: &str| fs::read(root.join(run).join(file)).unwrap();
    assert!(read("whole", "predictions.csv") == read("stopped", "predictions.csv"));
    assert!(read("whole", "fold-1/model.safetensors") == read("stopped", "fold-1/model.safetensors"));
}

#[test]
fn refuses_the_checkpoint_of_another_recipe() {
    let (folder, recipe) = place();
    let root = folder.path();
    fs::copy(&recipe, root.join("other.toml")).unwrap();
    draw_cells(&root.join("data"), 1, 6, 3);
    fs::write(root.join("b.toml"), QUICK_RECIPE.replace("quick", "b").replace("0.001", "0.01")).unwrap();
    giemsa().current_dir(root).args(COMMAND).arg("out").assert().success();
    let other = ["pretrain", "data", "--recipe", "b.toml", "--baseline", "other.toml"];
    giemsa()
        .current_dir(root)
        .args(other)
        .args(["--folds", "3", "--draws", "100", "--out", "out"])
        .assert()
        .code(1)
        .stderr(contains("begun with the recipe `quick`, not `b`").and(contains("choose another folder with --out")));
    assert!(!root.join("out/b.safetensors").exists());
}

#[test]
fn warns_of_a_weak_model_also_in_its_card() {
    let (folder, recipe) = place();
    let root = folder.path();
    fs::copy(&recipe, root.join("other.toml")).unwrap();
    draw_cells(&root.join("data/Train"), 1, 4, 3);
    draw_cells(&root.join("data/Test"), 5, 2, 3);
    // The labels of half of the patients are swapped, so nothing can be learned.
    for patient in [1, 3, 5] {
        let part = root.join(if patient < 5 { "data/Train" } else { "data/Test" });
        for cell in 0..3 {
            let name = format!("C{patient}P1_cell_{cell}.png");
            let [a, b] = ["Parasitized", "Uninfected"].map(|class| part.join(class).join(&name));
            fs::rename(&a, root.join("swap")).unwrap();
            fs::rename(&b, &a).unwrap();
            fs::rename(root.join("swap"), &b).unwrap();
        }
    }
    let warned = || contains("This model is not fit for use").and(contains("Only 6 patients have images of the class"));
    let mut command = giemsa();
    command.current_dir(root).args(COMMAND).args(["out", "--quiet"]).assert().success().stderr(warned());
    let card = fs::read_to_string(root.join("out/MODEL_CARD.md")).unwrap();
    assert!(warned().eval(&card), "{card}");
    let (warning, model) = (card.find("> **Warning**").unwrap(), card.find("## The model").unwrap());
    assert!(warning < model, "{card}");
    assert!(card.contains("36 images of 6 patients"), "{card}");
}
