//! `giemsa evaluate` as a user meets it.

use crate::cells::{giemsa, place, save_brightness_model, save_grey, save_overflowing_model};
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Greys of 0, 51, 204 and 255, whose logits are -5, -3, 3 and 5: two parasitized found and one missed, one healthy one
/// taken for parasitized and three left alone.
fn prepared() -> (tempfile::TempDir, PathBuf) {
    let (folder, _) = place();
    let root = folder.path().to_owned();
    save_brightness_model(&root.join("model.safetensors"));
    let cells = [("Parasitized", 0), ("Parasitized", 51), ("Parasitized", 204)];
    let healthy = [("Uninfected", 51), ("Uninfected", 204), ("Uninfected", 255), ("Uninfected", 254)];
    for (number, (class, grey)) in cells.into_iter().chain(healthy).enumerate() {
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
fn figures_are_those_of_hand_arithmetic() {
    let (_folder, root) = prepared();
    let figures = json(&mut evaluate(&root, &["data", "--json"]), 0);
    for (key, count) in
        [("images", 7), ("true_positives", 2), ("false_negatives", 1), ("false_positives", 1), ("true_negatives", 3)]
    {
        assert_eq!(figures[key], count, "{key}");
    }
    // ln(1 + exp(-5)) = 0.0067153, ln(1 + exp(-3)) = 0.0485874, of the wrong side of 3: 3.0485874; 254 gives a logit of
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
        assert!((figures[key].as_f64().unwrap() - expected).abs() < 1e-5, "{key}: {figures}");
    }
    assert_eq!(figures["unreadable"], 0);
    assert_eq!(figures["research_only"], "For research use only, not for diagnosis.");
}

#[test]
fn text_names_the_four_counts() {
    let (_folder, root) = prepared();
    evaluate(&root, &["data"]).assert().success().stdout(
        contains("Found 7 images belonging to 2 classes.")
            .and(contains("true positives         2"))
            .and(contains("false negatives        1  (Parasitized, called Uninfected)"))
            .and(contains("accuracy        0.7143"))
            .and(contains("For research use only, not for diagnosis.")),
    );
}

#[test]
fn unreadable_images_are_listed_and_counted() {
    let (_folder, root) = prepared();
    fs::write(root.join("data/Uninfected/C9P1_broken.png"), "").unwrap();
    let mut command = evaluate(&root, &["data", "--json"]);
    let figures = json(&mut command, 5);
    assert_eq!((figures["images"].as_u64(), figures["unreadable"].as_u64()), (Some(7), Some(1)));
    command.assert().stderr(contains("C9P1_broken.png"));
}

#[test]
fn what_cannot_be_evaluated_is_named() {
    let (_folder, root) = prepared();
    fs::create_dir(root.join("empty")).unwrap();
    for name in ["empty", "missing"] {
        evaluate(&root, &[name]).assert().code(3).stderr(contains(name));
    }
    fs::write(root.join("model.safetensors"), "no model").unwrap();
    evaluate(&root, &["data"]).assert().code(4).stderr(contains("model.safetensors"));
}

#[test]
fn exits_with_4_if_the_output_of_the_model_is_not_finite() {
    let (_folder, root) = prepared();
    save_overflowing_model(&root.join("model.safetensors"));
    let run = evaluate(&root, &["data"]).assert().code(4);
    run.stderr(contains("the output of the model is not finite (inf): its weights are unusable"));
}
