//! The model in the program, `giemsa explain` and `giemsa info` as a user meets them.

use crate::cells::{cell, giemsa, place, save_brightness_model, save_grey};
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
fn every_image_gets_a_picture_and_a_line() {
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
    // The image, Grad-CAM and occlusion, side by side.
    let picture = image::open(root.join("evidence/x.png")).unwrap();
    assert!(picture.width() > 3 * 256 && picture.height() > 256);
}

#[test]
fn what_speaks_for_parasitized_is_orange() {
    let (folder, _) = place();
    let root = folder.path();
    save_brightness_model(&root.join("model.safetensors"));
    // Darkness is Parasitized to this model, so a dark corner is the evidence; it has no convolution, and no Grad-CAM.
    let mut image = image::RgbImage::from_pixel(64, 64, Rgb([200; 3]));
    (0..24).for_each(|y| (0..24).for_each(|x| image.put_pixel(x, y, Rgb([1; 3]))));
    image.save(root.join("cell.png")).unwrap();
    let command = ["explain", "--model", "model.safetensors", "cell.png", "--out", "evidence"];
    giemsa().current_dir(root).args(command).assert().success();
    let picture = image::open(root.join("evidence/cell.png")).unwrap().to_rgb8();
    assert!(picture.width() < 3 * 256, "two parts");
    let is_orange = |Rgb([red, _, blue]): &Rgb<u8>| i16::from(*red) - i16::from(*blue) > 30;
    let orange = picture.enumerate_pixels().filter(|(_, _, pixel)| is_orange(pixel));
    let (left, top, count) =
        orange.fold((u32::MAX, u32::MAX, 0), |(left, top, n), (x, y, _)| (left.min(x), top.min(y), n + 1));
    assert!(count > 500, "{count}");
    // The second part begins after 12 + 256 + 12 pixels, below a title of 40; the corner is three eighths of its side.
    assert!((280..376).contains(&left) && (40..148).contains(&top), "{left} {top}");
}

#[test]
fn without_a_model_named_the_one_in_the_program_is_used() {
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
fn info_prints_the_card_or_says_that_there_is_none() {
    let (folder, _) = place();
    let root = folder.path();
    save_brightness_model(&root.join("model.safetensors"));
    let info = |more: &[&str]| {
        let mut command = giemsa();
        command.current_dir(root).arg("info").args(more);
        command.assert().success()
    };
    info(&["--model", "model.safetensors"])
        .stdout(contains("without a model card").and(contains("Parameters: 49")).and(contains("side_px = 4")));
    info(&[]).stdout(contains("# Model card: compact").and(contains("For research use only, not for diagnosis.")));
}

#[test]
fn the_card_in_the_documentation_is_that_of_the_model_in_the_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/MODEL_CARD.md");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(Model::embedded().unwrap().card.as_deref() == Some(text.as_str()), "{} is another card", path.display());
}

#[test]
fn the_model_in_the_program_tells_drawn_cells_apart() {
    let (folder, _) = place();
    let cells = folder.path().join("cells");
    giemsa::synthetic::write_folder(&cells, 120, 4, 5, &|| std::ops::ControlFlow::Continue(())).unwrap();
    let output = giemsa().args(["evaluate", "--json", "--draws", "100"]).arg(&cells).assert().success();
    let metrics: serde_json::Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    // It has learned from photographs alone; drawn cells are another microscope to it.
    assert!(metrics["roc_auc"].as_f64().unwrap() > 0.93, "{}", metrics["roc_auc"]);
}
