//! `giemsa evaluate --report`, `compare`, `calibrate` and `cross-validate` as a user meets them.

use crate::cells::{draw_cells, giemsa, place, save_brightness_model, save_grey};
use crate::folder::names_in;
use giemsa::model::Model;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Four patients, a dark parasitized and a bright healthy cell each; C4's are the other way round.
fn prepared() -> (tempfile::TempDir, PathBuf) {
    let (folder, _) = place();
    let root = folder.path().to_owned();
    save_brightness_model(&root.join("model.safetensors"));
    for (patient, parasitized, healthy) in [(1, 0, 255), (2, 51, 204), (3, 102, 153), (4, 153, 102)] {
        save_grey(&root.join(format!("data/Parasitized/C{patient}P1_a.png")), parasitized);
        save_grey(&root.join(format!("data/Uninfected/C{patient}P1_b.png")), healthy);
    }
    (folder, root)
}

fn run(root: &Path, args: &[&str]) -> assert_cmd::Command {
    let mut command = giemsa();
    command.current_dir(root).args(args);
    command
}

fn json(command: &mut assert_cmd::Command) -> Value {
    serde_json::from_slice(&command.assert().success().get_output().stdout).unwrap()
}

#[test]
fn a_report_is_three_files_of_which_the_page_needs_no_other() {
    let (_folder, root) = prepared();
    run(&root, &["evaluate", "--model", "model.safetensors", "data", "--report", "out"]).assert().success();
    assert_eq!(names_in(&root.join("out")), ["index.html", "metrics.json", "predictions.csv"]);
    let page = fs::read_to_string(root.join("out/index.html")).unwrap();
    for part in ["<svg", "data:image/png;base64,", "C4P1_a.png", "Worst false alarms", "For research use only"] {
        assert!(page.contains(part), "{part}");
    }
    // SVG names its namespace by an address, which nobody loads.
    let loaded = page.replace("http://www.w3.org/2000/svg", "");
    assert!(!loaded.contains("http://") && !loaded.contains("https://") && !loaded.contains("<script"), "loads");
    let metrics: Value = serde_json::from_slice(&fs::read(root.join("out/metrics.json")).unwrap()).unwrap();
    // Three of four of each class are called what they are. Of the 16 pairs of one of each class, 153 against 102 is
    // lost, and 102 against 102 and 153 against 153 count half.
    assert_eq!((metrics["accuracy"].as_f64(), metrics["patients"].as_u64()), (Some(0.75), Some(4)));
    assert_eq!(metrics["roc_auc"].as_f64(), Some(14.0 / 16.0));
    let predictions = fs::read_to_string(root.join("out/predictions.csv")).unwrap();
    assert_eq!(predictions.lines().next(), Some("path,patient,class,probability_parasitized,called"));
    assert_eq!(predictions.lines().count(), 9);
}

#[test]
fn images_without_a_patient_are_evaluated_by_image_and_the_text_says_so() {
    let (_folder, root) = prepared();
    save_grey(&root.join("data/Uninfected/nobody.png"), 255);
    run(&root, &["evaluate", "--model", "model.safetensors", "data"])
        .assert()
        .success()
        .stdout(contains("9 images of unknown patients").and(contains("intervals by image")));
    fs::write(root.join("patients.csv"), "file,patient\nnobody.png,C9\n").unwrap();
    let pattern = ["evaluate", "--model", "model.safetensors", "data", "--json", "--patient-pattern", "^(..)"];
    assert_eq!(json(&mut run(&root, &pattern))["patients"], 5);
}

#[test]
fn a_model_compared_with_itself_does_not_differ() {
    let (_folder, root) = prepared();
    let same = json(&mut run(&root, &["compare", "model.safetensors", "model.safetensors", "data", "--json"]));
    assert_eq!((same["difference"]["accuracy"].as_f64(), same["mcnemar"]["exact_p"].as_f64()), (Some(0.0), Some(1.0)));
    assert_eq!(same["differing"], Value::Array(Vec::new()));
}

#[test]
fn images_on_which_two_models_differ_are_named() {
    let (_folder, root) = prepared();
    let mut strict = Model::load(&root.join("model.safetensors")).unwrap();
    // The logits of the greys 102 and 153 are -1 and 1, so 0.73 and 0.27; 51 has 0.95.
    strict.threshold = 0.9;
    strict.save(&root.join("strict.safetensors")).unwrap();
    let found = json(&mut run(&root, &["compare", "strict.safetensors", "model.safetensors", "data", "--json"]));
    let right: Vec<(&str, &str)> = found["differing"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| (image["path"].as_str().unwrap(), image["right"].as_str().unwrap()))
        .collect();
    assert_eq!(right, [("data/Parasitized/C3P1_a.png", "b"), ("data/Uninfected/C4P1_b.png", "a")]);
    assert_eq!(found["difference"]["sensitivity"].as_f64(), Some(-0.25));
    assert_eq!(found["difference"]["specificity"].as_f64(), Some(0.25));
    run(&root, &["compare", "strict.safetensors", "model.safetensors", "data"])
        .assert()
        .success()
        .stdout(contains("only A is right on 1 images, only B on 1").and(contains("C3P1_a.png")));
}

#[test]
fn calibrating_stores_the_temperature_and_the_threshold_with_its_aim() {
    let (_folder, root) = prepared();
    let aim = ["--aim", "specificity>=1", "--out", "calibrated.safetensors"];
    run(&root, &[&["calibrate", "--model", "model.safetensors", "data"], &aim[..]].concat())
        .assert()
        .success()
        .stdout(contains("specificity at least 1: on these images sensitivity 0.5000, specificity 1.0000"));
    let model = Model::load(&root.join("calibrated.safetensors")).unwrap();
    assert_eq!(model.threshold_aim.as_deref(), Some("specificity at least 1"));
    // By hand: the loss of logits 5, 3, 1 right and 1 wrong, over T, is smallest where their mean pull is nothing:
    // 5 s(-5/T) + 3 s(-3/T) + s(-1/T) = s(1/T), s being the sigmoid.
    let pull = |z: f64| z / (1.0 + (z / f64::from(model.temperature)).exp());
    let sum = pull(5.0) + pull(3.0) + pull(1.0) + pull(-1.0);
    assert!(sum.abs() < 1e-5, "temperature {}: {sum}", model.temperature);
    assert_eq!(Model::load(&root.join("model.safetensors")).unwrap().temperature, 1.0);
}

#[test]
fn aims_that_are_none_are_wrong_usage() {
    let (_folder, root) = prepared();
    let calibrate = ["calibrate", "--model", "model.safetensors", "data", "--aim"];
    run(&root, &[&calibrate[..], &["specificity>=98"]].concat()).assert().code(2).stderr(contains("specificity>=98"));
}

#[test]
fn cross_validation_judges_every_image_and_does_not_train_a_finished_fold_again() {
    let (folder, _) = place();
    let root = folder.path();
    draw_cells(&root.join("data"), 1, 6, 3);
    let command = ["cross-validate", "data", "--recipe", "quick.toml", "--folds", "3", "--out", "cv", "--draws", "100"];
    run(root, &command)
        .assert()
        .success()
        .stdout(contains("6 patients in 3 folds").and(contains("Fold 3:")).and(contains("over 3 folds")));
    let expected =
        ["fold-1", "fold-2", "fold-3", "folds.json", "index.html", "metrics.json", "predictions.csv", "settings.toml"];
    assert_eq!(names_in(&root.join("cv")), expected);
    assert_eq!(names_in(&root.join("cv/fold-2")), ["model.safetensors", "predictions.csv"]);
    let predictions = fs::read(root.join("cv/predictions.csv")).unwrap();
    assert_eq!(String::from_utf8_lossy(&predictions).lines().count(), 1 + 36);
    fs::remove_dir_all(root.join("cv/fold-2")).unwrap();
    run(root, &command)
        .assert()
        .success()
        .stdout(contains("Fold 2:").and(contains("Fold 1:").not()).and(contains("Fold 3:").not()));
    assert_eq!(fs::read(root.join("cv/predictions.csv")).unwrap(), predictions);
}

#[test]
fn cross_validation_refuses_what_cannot_be_divided_or_was_begun_otherwise() {
    let (folder, _) = place();
    let root = folder.path();
    draw_cells(&root.join("data"), 1, 3, 2);
    let cross = |more: &[&str]| {
        run(root, &[&["cross-validate", "data", "--recipe", "quick.toml", "--out", "cv"], more].concat())
    };
    cross(&["--folds", "5"]).assert().code(3).stderr(contains("as many patients as folds (5), found 3"));
    assert!(!root.join("cv").exists());
    cross(&["--folds", "3"]).assert().success();
    cross(&["--folds", "3", "--seed", "7"]).assert().code(1).stderr(contains("settings.toml"));
    save_grey(&root.join("data/Uninfected/nobody.png"), 200);
    cross(&["--folds", "3"]).assert().code(3).stderr(contains("nobody.png"));
}

#[test]
fn compare_and_calibrate_accept_the_built_in_model() {
    let (_folder, root) = prepared();
    let found = json(&mut run(&root, &["compare", "builtin", "builtin", "data", "--json"]));
    assert_eq!(found["difference"]["accuracy"].as_f64(), Some(0.0));
    let in_place = ["calibrate", "--model", "builtin", "data"];
    run(&root, &in_place).assert().failure().stderr(contains("--out"));
    assert!(!root.join("builtin").exists());
    run(&root, &[&in_place[..], &["--out", "calibrated.safetensors"]].concat()).assert().success();
    assert_eq!(Model::load(&root.join("calibrated.safetensors")).unwrap().recipe.name, "compact");
}
