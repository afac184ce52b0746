//! Tests of `giemsa evaluate`.

use crate::cells::{giemsa, place, save_brightness_model, save_grey, save_overflowing_model};
use giemsa::model::Model;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Greys of 0, 51, 204 and 255, whose logits are -5, -3, 3 and 5: two true positives, one false negative, one false
/// positive and three true negatives.
fn prepared() -> (tempfile::TempDir, PathBuf) {
    let (folder, _) = place();
    let root = folder.path().to_owned();
    save_brightness_model(&root.join("model.safetensors"));
    let cells = [("Parasitized", 0), ("Parasitized", 51), ("Parasitized", 204)];
    let uninfected = [("Uninfected", 51), ("Uninfected", 204), ("Uninfected", 255), ("Uninfected", 254)];
    for (number, (class, grey)) in cells.into_iter().chain(uninfected).enumerate() {
        save_grey(&root.join(format!("data/{class}/C{number}P1_{grey}.png")), grey);
    }
    (folder, root)
}

fn evaluate(root: &Path, more: &[&str]) -> assert_cmd::Command {
    let mut command = giemsa();
    command.current_dir(root).args(["evaluate", "--model", "model.safetensors"]).args(more);
    command
}

fn json(command: &mut assert_cmd::Command, code: i32) -> Value {
    serde_json::from_slice(&command.assert().code(code).get_output().stdout).unwrap()
}

#[test]
fn metrics_match_hand_arithmetic() {
    let (_folder, root) = prepared();
    let metrics = json(&mut evaluate(&root, &["data", "--json"]), 0);
    for (key, count) in
        [("images", 7), ("true_positives", 2), ("false_negatives", 1), ("false_positives", 1), ("true_negatives", 3)]
    {
        assert_eq!(metrics[key], count, "{key}");
    }
    // ln(1 + exp(-5)) = 0.0067153, ln(1 + exp(-3)) = 0.0485874, of the wrong class at 3: 3.0485874; 254 gives a logit of
    // 4.9607843, and ln(1 + exp(-4.9607843)) = 0.0069826.
    let loss = (2.0 * 0.006_715_3 + 2.0 * 0.048_587_4 + 2.0 * 3.048_587_4 + 0.006_982_6) / 7.0;
    let expected = [
        ("loss", loss),
        ("accuracy", 5.0 / 7.0),
        ("sensitivity", 2.0 / 3.0),
        ("specificity", 3.0 / 4.0),
        ("precision", 2.0 / 3.0),
        ("f1", 2.0 / 3.0),
    ];
    for (key, expected) in expected {
        assert!((metrics[key].as_f64().unwrap() - expected).abs() < 1e-5, "{key}: {metrics}");
    }
    assert_eq!(metrics["unreadable"], 0);
    assert_eq!(metrics["research_only"], "For research use only, not for diagnosis.");
}

#[test]
fn text_contains_the_confusion_matrix() {
    let (_folder, root) = prepared();
    evaluate(&root, &["data"]).assert().success().stdout(
        contains("Found 7 images belonging to 2 classes.")
            .and(contains("true positives         2"))
            .and(contains("false negatives        1  (Parasitized, classified as Uninfected)"))
            .and(contains("accuracy        0.7143"))
            .and(contains("For research use only, not for diagnosis.")),
    );
}

#[test]
fn lists_and_counts_unreadable_images() {
    let (_folder, root) = prepared();
    fs::write(root.join("data/Uninfected/C9P1_broken.png"), "").unwrap();
    let mut command = evaluate(&root, &["data", "--json"]);
    let metrics = json(&mut command, 5);
    assert_eq!((metrics["images"].as_u64(), metrics["unreadable"].as_u64()), (Some(7), Some(1)));
    command.assert().stderr(contains("C9P1_broken.png"));
}

#[test]
fn errors_contain_the_path() {
    let (_folder, root) = prepared();
    fs::create_dir(root.join("empty")).unwrap();
    evaluate(&root, &["empty"]).assert().code(3).stderr(contains("empty"));
    fs::write(root.join("model.safetensors"), "no model").unwrap();
    evaluate(&root, &["data"]).assert().code(4).stderr(contains("model.safetensors"));
}

#[test]
fn the_limit_of_detection_at_sensitivity_zero_is_undefined() {
    let (_folder, root) = prepared();
    let mut model = Model::load(&root.join("model.safetensors")).unwrap();
    model.threshold = 1.0;
    model.save(&root.join("model.safetensors")).unwrap();
    evaluate(&root, &["data", "--report", "out"]).assert().success().stdout(
        contains("sensitivity     0.0000").and(contains("undefined (mean reading")).and(contains("none").not()),
    );
    let page = fs::read_to_string(root.join("out/index.html")).unwrap();
    assert!(page.contains("<td>undefined</td>"));
}

#[test]
fn a_variation_between_patients_of_zero_is_explained() {
    let (_folder, root) = prepared();
    // Two patients with the same images: their false positive rates are equal.
    for patient in ["C70", "C71"] {
        for (number, grey) in [51, 204, 255].into_iter().enumerate() {
            save_grey(&root.join(format!("data/Uninfected/{patient}P1_{number}.png")), grey);
        }
    }
    let metrics = json(&mut evaluate(&root, &["data", "--json"]), 0);
    let row = &metrics["detection_limits"][2];
    assert_eq!((&row["patients_differ"], &row["between_patients"]), (&Value::from(true), &Value::from(0.0)));
    let explained = contains("The estimated variation of the false positive rate between patients is 0");
    let printed = contains("FPR varies between patients").and(explained.clone());
    evaluate(&root, &["data", "--report", "out"]).assert().success().stdout(printed);
    let page = fs::read_to_string(root.join("out/index.html")).unwrap();
    assert!(explained.eval(&page) && page.contains("<td>varies between patients</td>"));
}

#[test]
fn json_contains_the_provenance() {
    let (_folder, root) = prepared();
    let found = json(&mut evaluate(&root, &["data", "--json", "--report", "out"]), 0)["provenance"].clone();
    assert_eq!((found["model"].as_str(), found["data"].as_str()), (Some("model.safetensors"), Some("data")));
    assert_eq!((found["recipe"].as_str(), found["threshold"].as_f64()), (Some("brightness"), Some(0.5)));
    assert_eq!(
        (found["temperature"].as_f64(), found["version"].as_str()),
        (Some(1.0), Some(env!("CARGO_PKG_VERSION")))
    );
    let sha256 = crate::server::sha256(&fs::read(root.join("model.safetensors")).unwrap());
    assert_eq!(found["model_sha256"].as_str(), Some(sha256.as_str()));
    let file: Value = serde_json::from_slice(&fs::read(root.join("out/metrics.json")).unwrap()).unwrap();
    assert_eq!(file["provenance"], found);
    let builtin = json(giemsa().current_dir(&root).args(["evaluate", "data", "--json"]), 0);
    assert_eq!(builtin["provenance"]["model"], "builtin");
}

#[test]
fn exits_with_4_if_the_output_of_the_model_is_not_finite() {
    let (_folder, root) = prepared();
    save_overflowing_model(&root.join("model.safetensors"));
    let run = evaluate(&root, &["data"]).assert().code(4);
    run.stderr(contains("the output of the model is not finite (inf): its weights are unusable"));
}
