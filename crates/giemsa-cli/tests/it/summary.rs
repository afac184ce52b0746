//! `giemsa summary` as a user meets it.

use crate::cells::{giemsa, place, save_brightness_model};
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;

// The numbers are those of Keras' own summary of the seed network.
#[test]
fn the_seed_has_the_parameters_that_keras_counts() {
    let output = giemsa().args(["summary", "--recipe", "keras-tutorial", "--json"]).assert().success();
    let summary: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    let layers = summary["layers"].as_array().unwrap();
    let with_parameters: Vec<_> =
        layers.iter().map(|layer| layer["trainable"].as_u64().unwrap()).filter(|n| *n > 0).collect();
    assert_eq!(with_parameters, [208, 2080, 8256, 1_152_500, 501]);
    assert_eq!((summary["parameters"].as_u64(), summary["non_trainable"].as_u64()), (Some(1_163_545), Some(0)));
    assert_eq!(layers[0]["output"], serde_json::json!([50, 50, 16]));
    assert_eq!(layers.len(), 11);
}

#[test]
fn the_table_reads_as_that_of_keras() {
    giemsa().args(["summary", "--recipe", "keras-tutorial"]).assert().success().stdout(
        contains("conv2d (Conv2D)")
            .and(contains("max_pooling2d_2 (MaxPooling2D)"))
            .and(contains("(None, 50, 50, 16)"))
            .and(contains("(None, 2304)"))
            .and(contains("1,152,500"))
            .and(contains("Total params: 1,163,545 (4.44 MB)"))
            .and(contains("Trainable params: 1,163,545 (4.44 MB)"))
            .and(contains("Non-trainable params: 0 (0.00 B)")),
    );
}

#[test]
fn a_model_file_has_its_own_table() {
    let (folder, _) = place();
    let path = folder.path().join("model.safetensors");
    save_brightness_model(&path);
    giemsa().arg("summary").arg("--model").arg(&path).assert().success().stdout(contains("Total params: 49"));
    std::fs::write(&path, "no model").unwrap();
    giemsa().arg("summary").arg("--model").arg(&path).assert().code(4).stderr(contains("model.safetensors"));
}

#[test]
fn a_recipe_that_is_none_is_named() {
    giemsa().args(["summary", "--recipe", "sead"]).assert().failure().stderr(contains("no recipe `sead`"));
}
