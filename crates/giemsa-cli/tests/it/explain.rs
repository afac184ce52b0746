//! The built-in model, and the commands `giemsa explain` and `giemsa info`.

use crate::cells::{cell, giemsa, place, save_brightness_model, save_grey, save_overflowing_model};
use crate::folder::names_in;
use giemsa::model::{Model, Recipe};
use giemsa::nn::Network;
use image::Rgb;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use std::path::Path;

/// Saves an untrained model with one convolution.
fn save_small_model(path: &Path) {
    let text = "
        name = 'small'
        layers = [
            { kind = 'conv2d', filters = 4, kernel = 3, activation = 'relu' },
            { kind = 'global_average_pooling2d' },
            { kind = 'dense', units = 1, activation = 'sigmoid' },
        ]
        input = { side_px = 12, resize = 'fit' }
        training = { epochs = 1, batch_size = 1, learning_rate = 0.1 }";
    let recipe = Recipe::parse(text, "small").unwrap();
    let network = Network::new(recipe.input_shape(), &recipe.layers, 3).unwrap();
    Model::new(recipe, network).save(path).unwrap();
}

#[test]
fn writes_one_picture_and_prints_one_line_per_image() {
    let (folder, _) = place();
    let root = folder.path();
    save_small_model(&root.join("small.safetensors"));
    for (name, parasitized) in [("a/x.png", true), ("b/x.png", false)] {
        std::fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
        cell(parasitized, 3).save(root.join(name)).unwrap();
    }
    std::fs::write(root.join("b/y.png"), "no image").unwrap();
    giemsa()
        .current_dir(root)
        .args(["explain", "--model", "small.safetensors", "a", "b", "--out", "evidence"])
        .assert()
        .code(5)
        .stdout(contains("a/x.png -> evidence/x.png").and(contains("b/x.png -> evidence/x-2.png")))
        .stdout(contains("For research use only, not for diagnosis."))
        .stderr(contains("unreadable: b/y.png"));
    assert_eq!(names_in(&root.join("evidence")), ["x-2.png", "x.png"]);
    // The image and the occlusion map, side by side.
    let picture = image::open(root.join("evidence/x.png")).unwrap();
    assert!(picture.width() > 2 * 256 && picture.height() > 256);
}

#[test]
fn exits_like_predict_without_images_or_with_wrong_paths() {
    let (folder, _) = place();
    let root = folder.path();
    std::fs::create_dir(root.join("empty")).unwrap();
    std::fs::write(root.join("text.png"), "not an image").unwrap();
    for (path, code, message) in [
        ("empty", 3, "no images found in empty"),
        ("typo.png", 2, "typo.png: no such file or folder"),
        ("text.png", 3, "the image cannot be used"),
    ] {
        let run = giemsa().current_dir(root).args(["explain", path, "--out", "evidence"]).assert();
        run.code(code).stderr(contains(message));
    }
}

#[test]
fn exits_with_4_if_the_output_of_the_model_is_not_finite() {
    let (folder, _) = place();
    let root = folder.path();
    save_overflowing_model(&root.join("model.safetensors"));
    save_grey(&root.join("cell.png"), 120);
    let command = ["explain", "--model", "model.safetensors", "cell.png", "--out", "evidence"];
    let run = giemsa().current_dir(root).args(command).assert().code(4);
    run.stderr(contains("model.safetensors").and(contains("the output of the model is not finite")));
}

#[test]
fn draws_evidence_for_parasitized_in_orange() {
    let (folder, _) = place();
    let root = folder.path();
    save_brightness_model(&root.join("model.safetensors"));
    // This model classifies dark images as Parasitized, so a dark corner is the evidence.
    let mut image = image::RgbImage::from_pixel(64, 64, Rgb([200; 3]));
    (0..24).for_each(|y| (0..24).for_each(|x| image.put_pixel(x, y, Rgb([1; 3]))));
    image.save(root.join("cell.png")).unwrap();
    let command = ["explain", "--model", "model.safetensors", "cell.png", "--out", "evidence"];
    giemsa().current_dir(root).args(command).assert().success();
    let picture = image::open(root.join("evidence/cell.png")).unwrap().to_rgb8();
    let is_orange = |Rgb([red, _, blue]): &Rgb<u8>| i16::from(*red) - i16::from(*blue) > 30;
    let orange = picture.enumerate_pixels().filter(|(_, _, pixel)| is_orange(pixel));
    let (left, top, count) =
        orange.fold((u32::MAX, u32::MAX, 0), |(left, top, n), (x, y, _)| (left.min(x), top.min(y), n + 1));
    assert!(count > 500, "{count}");
    // The map begins after 12 + 256 + 12 pixels, below a title of 40. The corner is three eighths of its side.
    assert!((280..376).contains(&left) && (40..148).contains(&top), "{left} {top}");
}

#[test]
fn the_built_in_model_is_the_default() {
    let (folder, _) = place();
    let root = folder.path();
    save_grey(&root.join("cell.png"), 120);
    for command in ["predict", "predict --tta"] {
        let mut line: Vec<&str> = command.split(' ').collect();
        line.push("cell.png");
        giemsa().current_dir(root).args(line).assert().success().stdout(contains("cell.png"));
    }
    Model::embedded().unwrap().save(&root.join("copy.safetensors")).unwrap();
    let rows = |more: &[&str]| {
        let mut command = giemsa();
        command.current_dir(root).args(["predict", "--format", "csv", "cell.png"]).args(more);
        command.assert().success().get_output().stdout.clone()
    };
    assert_eq!(rows(&[]), rows(&["--model", "copy.safetensors"]));
}

#[test]
fn info_prints_the_model_card_or_a_description() {
    let (folder, _) = place();
    let root = folder.path();
    save_brightness_model(&root.join("model.safetensors"));
    let info = |more: &[&str]| {
        let mut command = giemsa();
        command.current_dir(root).arg("info").args(more);
        command.assert().success()
    };
    info(&["--model", "model.safetensors"])
        .stdout(contains("It has no model card").and(contains("Parameters: 49")).and(contains("side_px = 4")));
    info(&["--model", "builtin"]).stdout(contains("# Model card: compact"));
    info(&[]).stdout(contains("# Model card: compact").and(contains("For research use only, not for diagnosis.")));
}

#[test]
fn docs_contain_the_model_card_of_the_built_in_model() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/MODEL_CARD.md");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        Model::embedded().unwrap().card.as_deref() == Some(text.as_str()),
        "{} differs from the card of the built-in model",
        path.display()
    );
}

#[test]
fn the_built_in_model_classifies_synthetic_cells() {
    let (folder, _) = place();
    let cells = folder.path().join("cells");
    giemsa::synthetic::write_folder(&cells, 120, 4, 5, &|| std::ops::ControlFlow::Continue(())).unwrap();
    let output = giemsa().args(["evaluate", "--json", "--draws", "100"]).arg(&cells).assert().success();
    let metrics: serde_json::Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    // The model was trained on photographs only; synthetic cells look like those of another microscope.
    assert!(metrics["roc_auc"].as_f64().unwrap() > 0.93, "{}", metrics["roc_auc"]);
}
