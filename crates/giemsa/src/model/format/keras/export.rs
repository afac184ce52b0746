//! The layers of a model as those of Keras.

use crate::model::Model;
use crate::nn::{Activation, LayerSpec, Tensor, architecture};
use serde_json::{Map, Value, json};
use std::io;

/// A layer of Keras with its settings and its weights.
pub(super) struct ExportedLayer {
    pub(super) class: &'static str,
    pub(super) name: String,
    /// The settings that differ from Keras' defaults, and the name.
    pub(super) settings: Value,
    /// The weights with their names, in the order of Keras.
    pub(super) weights: Vec<(String, Tensor)>,
}

/// Returns the layers of a model. Batch normalisation, and the activation after it, are layers of their own.
///
/// # Errors
/// If the layers of the recipe do not fit each other.
pub(super) fn layers(model: &Model) -> io::Result<Vec<ExportedLayer>> {
    let recipe = &model.recipe;
    let summary = architecture::summary(recipe.input_shape(), &recipe.layers).map_err(io::Error::other)?;
    let mut names = summary.into_iter().map(|row| row.name);
    let mut layers = Vec::new();
    for layer in &recipe.layers {
        push(&mut layers, layer.kind().0, names.next().unwrap_or_default(), settings_of(layer));
        if let LayerSpec::Conv2d { batch_norm: true, activation, .. } = *layer {
            let settings = json!({"axis": -1, "epsilon": 0.001, "momentum": 0.99});
            push(&mut layers, "BatchNormalization", names.next().unwrap_or_default(), settings);
            if activation != Activation::Linear {
                let name = match layers.iter().filter(|layer| layer.class == "Activation").count() {
                    0 => "activation".to_owned(),
                    n => format!("activation_{n}"),
                };
                push(&mut layers, "Activation", name, json!({"activation": name_of(activation)}));
            }
        }
    }
    for tensor in model.network.weights() {
        let Some((name, role)) = tensor.name.rsplit_once('.').map(|(name, role)| (name.to_owned(), role.to_owned()))
        else {
            continue;
        };
        if let Some(layer) = layers.iter_mut().find(|layer| layer.name == name) {
            layer.weights.push((role, tensor));
        }
    }
    Ok(layers)
}

fn push(layers: &mut Vec<ExportedLayer>, class: &'static str, name: String, settings: Value) {
    let mut all = Map::new();
    all.insert("name".to_owned(), json!(name));
    if let Value::Object(settings) = settings {
        all.extend(settings);
    }
    layers.push(ExportedLayer { class, name, settings: Value::Object(all), weights: Vec::new() });
}

/// Returns the settings of a layer. A convolution before batch normalisation has neither a bias nor an activation.
fn settings_of(layer: &LayerSpec) -> Value {
    match *layer {
        LayerSpec::Conv2d { filters, kernel, batch_norm, activation } => json!({
            "filters": filters,
            "kernel_size": [kernel, kernel],
            "strides": [1, 1],
            "padding": "same",
            "data_format": "channels_last",
            "activation": name_of(if batch_norm { Activation::Linear } else { activation }),
            "use_bias": !batch_norm,
        }),
        LayerSpec::MaxPooling2d {} => {
            json!({"pool_size": [2, 2], "strides": [2, 2], "padding": "valid", "data_format": "channels_last"})
        }
        LayerSpec::GlobalAveragePooling2d {} | LayerSpec::Flatten {} => json!({"data_format": "channels_last"}),
        LayerSpec::Dropout { rate } => json!({"rate": decimal(rate)}),
        LayerSpec::Dense { units, activation } => {
            json!({"units": units, "activation": name_of(activation), "use_bias": true})
        }
    }
}

/// Returns the name of an activation function in Keras.
fn name_of(activation: Activation) -> &'static str {
    match activation {
        Activation::Linear => "linear",
        Activation::Relu => "relu",
        Activation::Sigmoid => "sigmoid",
    }
}

/// Returns the double with the fewest digits that rounds to a number, such as 0.2 for 0.2.
pub(super) fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}
