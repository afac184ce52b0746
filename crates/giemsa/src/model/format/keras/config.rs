//! Writes the configuration of a model, with which Keras builds and compiles it.

use super::export::{self, ExportedLayer, decimal};
use crate::model::Model;
use serde_json::{Value, json};
use std::io;

/// The loss, and what Keras prints during training.
const LOSS: &str = "binary_crossentropy";
const METRICS: [&str; 1] = ["accuracy"];

/// Returns `config.json` of Keras 3.
pub(super) fn archive(model: &Model) -> io::Result<String> {
    let shape = model.recipe.input_shape();
    let input = json!({
        "name": "input_layer",
        "batch_shape": [null, shape.height, shape.width, shape.channels],
        "dtype": "float32",
    });
    let mut layers = vec![object("keras.layers", "InputLayer", input)];
    let exported = export::layers(model)?.into_iter();
    layers.extend(exported.map(|layer| object("keras.layers", layer.class, layer.settings)));
    let mut config = object("keras", "Sequential", json!({"name": model.recipe.name, "layers": layers}));
    config["compile_config"] = json!({
        "optimizer": object("keras.optimizers", "Adam", adam(model)),
        "loss": LOSS,
        "metrics": METRICS,
    });
    Ok(serde_json::to_string(&config)?)
}

/// Returns an object of Keras 3.
fn object(module: &str, class: &str, config: Value) -> Value {
    json!({"module": module, "class_name": class, "config": config, "registered_name": null})
}

/// Returns the attributes `model_config` and `training_config` of Keras 2.
pub(super) fn legacy(model: &Model) -> io::Result<(String, String)> {
    let shape = model.recipe.input_shape();
    let input = json!({
        "name": "input_layer",
        "batch_input_shape": [null, shape.height, shape.width, shape.channels],
        "dtype": "float32",
    });
    let mut layers = vec![json!({"class_name": "InputLayer", "config": input})];
    let legacy = |layer: ExportedLayer| json!({"class_name": layer.class, "config": layer.settings});
    layers.extend(export::layers(model)?.into_iter().map(legacy));
    let config = json!({"class_name": "Sequential", "config": {"name": model.recipe.name, "layers": layers}});
    let training = json!({
        "optimizer_config": {"class_name": "Adam", "config": adam(model)},
        "loss": LOSS,
        "metrics": METRICS,
        "weighted_metrics": null,
        "loss_weights": null,
    });
    Ok((serde_json::to_string(&config)?, serde_json::to_string(&training)?))
}

/// Returns the settings of Adam: the learning rate of the recipe, and Keras' defaults.
fn adam(model: &Model) -> Value {
    json!({"name": "Adam", "learning_rate": decimal(model.recipe.training.learning_rate)})
}
