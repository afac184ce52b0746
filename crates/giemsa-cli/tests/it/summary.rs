//! The command `giemsa summary`.

use crate::cells::{giemsa, place, save_brightness_model};
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;

// The numbers are from the summary that Keras prints for the network of the tutorial.
#[test]
fn keras_tutorial_has_as_many_parameters_as_in_keras() {
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
fn prints_the_table_in_the_format_of_keras() {
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
fn prints_the_layers_of_a_model_file() {
    let (folder, _) = place();
    let path = folder.path().join("model.safetensors");
    save_brightness_model(&path);
    giemsa().arg("summary").arg("--model").arg(&path).assert().success().stdout(contains("Total params: 49"));
    let built_in = giemsa().args(["summary", "--model", "builtin"]).assert().success();
    built_in.stdout(contains("Model: \"compact\""));
    std::fs::write(&path, "not a model").unwrap();
    giemsa().arg("summary").arg("--model").arg(&path).assert().code(4).stderr(contains("model.safetensors"));
}

#[test]
fn an_unknown_recipe_is_an_error_that_lists_the_built_in_ones() {
    giemsa()
        .args(["summary", "--recipe", "sead"])
        .assert()
        .failure()
        .stderr(contains("unknown recipe `sead`: expected compact, keras-tutorial"));
}
