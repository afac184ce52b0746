//! Tests of `giemsa evaluate --report`, `compare`, `calibrate` and `cross-validate`.

use crate::cells::{draw_cells, giemsa, place, save_brightness_model, save_grey};
use crate::folder::names_in;
use giemsa::model::Model;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Four patients with a dark Parasitized and a bright Uninfected cell each; those of C4 are reversed.
fn prepared() -> (tempfile::TempDir, PathBuf) {
    let (folder, _) = place();
    let root = folder.path().to_owned();
    save_brightness_model(&root.join("model.safetensors"));
    for (patient, parasitized, uninfected) in [(1, 0, 255), (2, 51, 204), (3, 102, 153), (4, 153, 102)] {
        save_grey(&root.join(format!("data/Parasitized/C{patient}P1_a.png")), parasitized);
        save_grey(&root.join(format!("data/Uninfected/C{patient}P1_b.png")), uninfected);
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
fn a_report_contains_a_self_contained_page_and_plots() {
    let (_folder, root) = prepared();
    run(&root, &["evaluate", "--model", "model.safetensors", "data", "--report", "out"]).assert().success();
    assert_eq!(names_in(&root.join("out")), ["index.html", "metrics.json", "plots", "predictions.csv"]);
    let page = fs::read_to_string(root.join("out/index.html")).unwrap();
    for part in ["<svg", "data:image/png;base64,", "C4P1_a.png", "False positives", "For research use only"] {
        assert!(page.contains(part), "{part}");
    }
    // The namespace of SVG is an address that is not loaded.
    let loaded = page.replace("http://www.w3.org/2000/svg", "");
    assert!(!loaded.contains("http://") && !loaded.contains("https://") && !loaded.contains("<script"), "loads");
    let names = ["calibration", "patients-false-negative-rate", "patients-false-positive-rate", "precision-recall"];
    let files = names.into_iter().chain(["probabilities", "roc"]);
    let files: Vec<String> = files.flat_map(|name| [format!("{name}.png"), format!("{name}.svg")]).collect();
    assert_eq!(names_in(&root.join("out/plots")), files);
    let roc = fs::read_to_string(root.join("out/plots/roc.svg")).unwrap();
    assert!(roc.contains("AUC 0.8750 (") && roc.contains("95 % confidence band"), "{roc}");
    // 300 dots per inch at a width of 11 cm.
    assert!(image::open(root.join("out/plots/roc.png")).unwrap().width() >= 1300);
    let metrics: Value = serde_json::from_slice(&fs::read(root.join("out/metrics.json")).unwrap()).unwrap();
    // Three of four images of each class are correct. Of the 16 pairs of one image of each class, 153 against 102 is lost,
    // and 102 against 102 and 153 against 153 count one half.
    assert_eq!((metrics["accuracy"].as_f64(), metrics["patients"].as_u64()), (Some(0.75), Some(4)));
    assert_eq!(metrics["roc_auc"].as_f64(), Some(14.0 / 16.0));
    let predictions = fs::read_to_string(root.join("out/predictions.csv")).unwrap();
    assert_eq!(predictions.lines().next(), Some("path,label,patient,probability_parasitized,predicted,cell"));
    assert_eq!(predictions.lines().count(), 9);
}

#[test]
fn evaluates_by_image_if_a_patient_is_unknown() {
    let (_folder, root) = prepared();
    save_grey(&root.join("data/Uninfected/nobody.png"), 255);
    run(&root, &["evaluate", "--model", "model.safetensors", "data"])
        .assert()
        .success()
        .stdout(contains("9 images of unknown patients").and(contains("resamples by image")));
    fs::write(root.join("patients.csv"), "file,patient\nnobody.png,C9\n").unwrap();
    let pattern = ["evaluate", "--model", "model.safetensors", "data", "--json", "--patient-pattern", "^(..)"];
    assert_eq!(json(&mut run(&root, &pattern))["patients"], 5);
}

#[test]
fn a_model_does_not_differ_from_itself() {
    let (_folder, root) = prepared();
    let same = json(&mut run(&root, &["compare", "model.safetensors", "model.safetensors", "data", "--json"]));
    assert_eq!((same["difference"]["accuracy"].as_f64(), same["mcnemar"]["exact_p"].as_f64()), (Some(0.0), Some(1.0)));
    assert_eq!(same["differing"], Value::Array(Vec::new()));
}

#[test]
fn lists_images_that_two_models_classify_differently() {
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
        .stdout(contains("Only A is correct on 1 image, only B on 1.").and(contains("C3P1_a.png")));
}

#[test]
fn calibration_stores_temperature_threshold_and_aim() {
    let (_folder, root) = prepared();
    let aim = ["--aim", "specificity>=1", "--out", "calibrated.safetensors"];
    run(&root, &[&["calibrate", "--model", "model.safetensors", "data"], &aim[..]].concat())
        .assert()
        .success()
        .stdout(contains("specificity at least 1: sensitivity 0.5000, specificity 1.0000 on these images"));
    let model = Model::load(&root.join("calibrated.safetensors")).unwrap();
    assert_eq!(model.threshold_aim.as_deref(), Some("specificity at least 1"));
    // The loss of logits 5, 3, 1 correct and 1 incorrect, over T, is smallest where its derivative is 0:
    // 5 s(-5/T) + 3 s(-3/T) + s(-1/T) = s(1/T), s being the sigmoid.
    let derivative = |z: f64| z / (1.0 + (z / f64::from(model.temperature)).exp());
    let sum = derivative(5.0) + derivative(3.0) + derivative(1.0) + derivative(-1.0);
    assert!(sum.abs() < 1e-5, "temperature {}: {sum}", model.temperature);
    assert_eq!(Model::load(&root.join("model.safetensors")).unwrap().temperature, 1.0);
}

#[test]
fn calibrate_requires_an_output() {
    let (_folder, root) = prepared();
    let before = fs::read(root.join("model.safetensors")).unwrap();
    run(&root, &["calibrate", "--model", "model.safetensors", "data"])
        .assert()
        .code(2)
        .stderr(contains("--out").and(contains("--in-place")));
    run(&root, &["calibrate", "data", "--in-place"]).assert().code(2);
    run(&root, &["calibrate", "--model", "builtin", "data", "--in-place"]).assert().code(2).stderr(contains("--out"));
    assert_eq!(fs::read(root.join("model.safetensors")).unwrap(), before);
    run(&root, &["calibrate", "--model", "model.safetensors", "data", "--in-place"]).assert().success();
    assert_ne!(Model::load(&root.join("model.safetensors")).unwrap().temperature, 1.0);
}

#[test]
fn calibrate_marks_the_metrics_in_the_card_as_those_of_the_previous_threshold() {
    let (_folder, root) = prepared();
    let mut model = Model::load(&root.join("model.safetensors")).unwrap();
    model.card = Some("# Model card\n\n| accuracy | 0.9 |\n".to_owned());
    model.save(&root.join("model.safetensors")).unwrap();
    run(&root, &["calibrate", "--model", "model.safetensors", "data", "--in-place"]).assert().success();
    let card = Model::load(&root.join("model.safetensors")).unwrap().card.unwrap();
    assert!(card.starts_with("# Model card\n\n> **Recalibrated:** temperature "), "{card}");
    assert!(card.contains("on 8 images of 4 patients.\n"), "{card}");
    assert!(card.contains("those of the previous temperature 1.0000 and threshold 0.5000.\n\n| accuracy |"), "{card}");
}

#[test]
fn calibrate_does_not_overwrite_a_training_checkpoint() {
    let (folder, _) = place();
    let root = folder.path();
    draw_cells(&root.join("data"), 1, 6, 3);
    run(root, &["train", "data", "--recipe", "quick.toml", "--out", "run"]).assert().success();
    let checkpoint = root.join("run/last.safetensors");
    let before = fs::read(&checkpoint).unwrap();
    for output in [&["--model", "run/last.safetensors", "--in-place"][..], &["--out", "run/last.safetensors"]] {
        let arguments = [&["calibrate", "data"], output].concat();
        run(root, &arguments).assert().code(1).stderr(contains("training checkpoint"));
    }
    assert_eq!(fs::read(&checkpoint).unwrap(), before);
    let copy = ["calibrate", "data", "--model", "run/last.safetensors", "--out", "copy.safetensors"];
    run(root, &copy).assert().success();
    assert!(!Model::is_checkpoint(&root.join("copy.safetensors")).unwrap());
}

#[test]
fn calibrate_warns_if_the_calibration_error_does_not_decrease() {
    let (_folder, root) = prepared();
    let twice = ["calibrate", "--model", "model.safetensors", "data", "--in-place"];
    run(&root, &twice).assert().success();
    run(&root, &twice).assert().success().stderr(contains("the expected calibration error did not decrease"));
}

#[test]
fn compare_accepts_the_built_in_model() {
    let (_folder, root) = prepared();
    let same = json(&mut run(&root, &["compare", "builtin", "builtin", "data", "--json"]));
    assert_eq!(same["difference"]["accuracy"].as_f64(), Some(0.0));
}

#[test]
fn an_invalid_aim_is_a_usage_error() {
    let (_folder, root) = prepared();
    let calibrate = ["calibrate", "--model", "model.safetensors", "data", "--in-place", "--aim"];
    run(&root, &[&calibrate[..], &["specificity>=98"]].concat()).assert().code(2).stderr(contains("specificity>=98"));
}

#[test]
fn cross_validation_evaluates_every_image_and_skips_finished_folds() {
    let (folder, _) = place();
    let root = folder.path();
    draw_cells(&root.join("data"), 1, 6, 3);
    let command = ["cross-validate", "data", "--recipe", "quick.toml", "--folds", "3", "--out", "cv", "--draws", "100"];
    run(root, &command)
        .assert()
        .success()
        .stdout(contains("6 patients in 3 folds").and(contains("Fold 3:")).and(contains("over 3 folds")));
    let expected = [
        "fold-1",
        "fold-2",
        "fold-3",
        "folds.json",
        "index.html",
        "metrics.json",
        "plots",
        "predictions.csv",
        "settings.toml",
    ];
    assert_eq!(names_in(&root.join("cv")), expected);
    let page = fs::read_to_string(root.join("cv/index.html")).unwrap();
    assert!(page.contains("<h2>Folds</h2>") && page.contains("<tr><td>3</td><td>12</td><td>2</td>"));
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
fn cross_validation_rejects_too_few_patients_and_other_settings() {
    let (folder, _) = place();
    let root = folder.path();
    draw_cells(&root.join("data"), 1, 3, 2);
    let cross = |more: &[&str]| {
        run(root, &[&["cross-validate", "data", "--recipe", "quick.toml", "--out", "cv"], more].concat())
    };
    cross(&["--folds", "5"]).assert().code(3).stderr(contains("expected at least 5 patients, found 3"));
    assert!(!root.join("cv").exists());
    cross(&["--folds", "3"]).assert().success();
    cross(&["--folds", "3", "--seed", "7"]).assert().code(1).stderr(
        contains("settings.toml: begun with the seed 0, not 7").and(contains("choose another folder with --out")),
    );
    save_grey(&root.join("data/Uninfected/nobody.png"), 200);
    cross(&["--folds", "3"]).assert().code(3).stderr(contains("nobody.png").and(contains("--patient-pattern")));
    fs::rename(root.join("data/Uninfected/nobody.png"), root.join("data/Uninfected/C4P1.png")).unwrap();
    fs::copy(root.join("data/Uninfected/C4P1.png"), root.join("data/Parasitized/C4P1.png")).unwrap();
    cross(&["--folds", "3"])
        .assert()
        .code(3)
        .stderr(contains("begun with other images").and(contains("choose another folder with --out")));
}

#[test]
fn cross_validation_uses_the_images_of_train_and_test() {
    let (folder, _) = place();
    let root = folder.path();
    draw_cells(&root.join("data/Train"), 1, 4, 3);
    draw_cells(&root.join("data/Test"), 5, 2, 3);
    let command = ["cross-validate", "data", "--recipe", "quick.toml", "--folds", "3", "--out", "cv", "--draws", "100"];
    run(root, &command)
        .assert()
        .success()
        .stdout(contains("Found 36 images").and(contains("images of both")).and(contains("6 patients in 3 folds")));
    let predictions = fs::read_to_string(root.join("cv/predictions.csv")).unwrap();
    assert_eq!(predictions.lines().count(), 1 + 36);
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
