//! Configurations of models that cannot be imported, and of those that can.

use super::import::{Place, parse};
use super::*;
use crate::model::format::Format;
use crate::nn::{Activation, LayerSpec};
use serde_json::{Value, json};
use std::path::Path;

fn layer(class: &str, name: &str, settings: Value) -> Value {
    let mut layer = json!({"class_name": class, "config": settings});
    layer["config"]["name"] = name.into();
    layer
}

fn conv(settings: Value) -> Value {
    let mut all = json!({"filters": 4, "kernel_size": [3, 3], "padding": "same", "activation": "linear"});
    all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    layer("Conv2D", "first", all)
}

fn input() -> Value {
    layer("InputLayer", "input", json!({"batch_shape": [null, 8, 8, 3]}))
}

fn last() -> Value {
    layer("Dense", "last", json!({"units": 1, "activation": "sigmoid"}))
}

fn sequential(layers: &[Value]) -> String {
    json!({"class_name": "Sequential", "config": {"name": "a", "layers": layers}}).to_string()
}

fn source() -> Source<'static> {
    Source { path: Path::new("a.keras"), format: Format::Keras }
}

fn message(config: &str) -> String {
    parse(config, source()).err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn layers_and_settings_without_an_equivalent_are_refused_by_name() {
    let plain = || conv(json!({}));
    let norm = |settings| layer("BatchNormalization", "norm", settings);
    let pool = |settings| layer("MaxPooling2D", "pool", settings);
    let cases = [
        (
            vec![layer("LSTM", "memory", json!({"units": 3}))],
            "layer `memory` (LSTM): this class of layers does not exist",
        ),
        (vec![layer("Sequential", "inner", json!({"layers": []}))], "layer `inner` (Sequential): this class of layers"),
        (
            vec![conv(json!({"padding": "valid"}))],
            r#"layer `first` (Conv2D): expected `padding` to be "same", found "valid""#,
        ),
        (vec![conv(json!({"strides": [2, 2]}))], "layer `first` (Conv2D): expected `strides` to be [1,1], found [2,2]"),
        (vec![conv(json!({"dilation_rate": [2, 2]}))], "expected `dilation_rate` to be [1,1], found [2,2]"),
        (vec![conv(json!({"groups": 3}))], "expected `groups` to be 1, found 3"),
        (vec![conv(json!({"kernel_size": [3, 1]}))], "expected a square `kernel_size`, found 3x1"),
        (vec![conv(json!({"data_format": "channels_first"}))], r#"expected `data_format` to be "channels_last""#),
        (
            vec![conv(json!({"activation": "tanh"}))],
            r#"expected the activation "linear", "relu" or "sigmoid", found "tanh""#,
        ),
        (vec![conv(json!({"filters": -1}))], "expected `filters` to be a count, found -1"),
        (vec![pool(json!({"pool_size": [3, 3]}))], "layer `pool` (MaxPooling2D): expected `pool_size` to be [2,2]"),
        (
            vec![pool(json!({"pool_size": [2, 2], "padding": "same"}))],
            r#"expected `padding` to be "valid", found "same""#,
        ),
        (
            vec![conv(json!({"activation": "relu"})), norm(json!({"epsilon": 0.1}))],
            "layer `norm` (BatchNormalization): expected it right after a convolution without an activation",
        ),
        (vec![plain(), norm(json!({"epsilon": 0.1, "axis": 1}))], "expected `axis` to be -1, found 1"),
        (vec![layer("ReLU", "r", json!({}))], "layer `r` (ReLU): expected it after a convolution or a dense layer"),
        (vec![plain(), layer("ReLU", "r", json!({"max_value": 6.0}))], "expected `max_value` to be null, found 6.0"),
        (vec![layer("Rescaling", "r", json!({"scale": 0.5}))], "expected `scale` to be 1 / 255, found 0.5"),
        (
            vec![plain(), layer("Rescaling", "r", json!({"scale": 1.0 / 255.0}))],
            "layer `r` (Rescaling): expected it before all other layers",
        ),
        (
            vec![layer("Rescaling", "r", json!({"scale": 1.0 / 255.0, "offset": -1.0}))],
            "expected `offset` to be 0.0, found -1.0",
        ),
    ];
    for (layers, expected) in cases {
        let found = message(&sequential(&[vec![input()], layers, vec![last()]].concat()));
        assert!(found.starts_with("a.keras: unsupported layer") && found.contains(expected), "{found}");
    }
}

#[test]
fn configurations_that_are_no_model_are_malformed() {
    let cases = [
        ("{", "configuration: EOF while parsing"),
        ("{}", "unsupported model (\"\")"),
        (r#"{"class_name": "Tree"}"#, "unsupported model (\"Tree\"): expected a `Sequential` or a `Functional` model"),
        (r#"{"class_name": "Sequential"}"#, "configuration: no list of layers"),
        (r#"{"class_name": "Sequential", "config": {"layers": []}}"#, "configuration: no shape of the input"),
        (r#"{"class_name": "Sequential", "config": {"layers": [3]}}"#, "a layer without `class_name`"),
    ];
    for (config, expected) in cases {
        assert!(message(config).contains(expected), "{}", message(config));
    }
    let variable = layer("InputLayer", "input", json!({"batch_shape": [null, null, null, 3]}));
    let found = message(&sequential(&[variable, last()]));
    assert!(
        found.contains("layer `input` (InputLayer): expected an input of [null, height, width, channels]"),
        "{found}"
    );
}

#[test]
fn a_functional_model_must_be_a_chain() {
    let with_inputs = |mut layer: Value, names: &[&str]| {
        layer["inbound_nodes"] = json!([{"args": names.iter().map(|name| {
            json!({"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}})
        }).collect::<Vec<_>>()}]);
        layer
    };
    let model = |names: &[&str]| {
        let layers = [
            input(),
            with_inputs(layer("Flatten", "flat", json!({})), &["input"]),
            with_inputs(layer("Dense", "hidden", json!({"units": 2, "activation": "relu"})), &["flat"]),
            with_inputs(last(), names),
        ];
        json!({"class_name": "Functional", "config": {"layers": layers}}).to_string()
    };
    assert_eq!(message(&model(&["hidden"])), "");
    for names in [&["flat"][..], &["hidden", "flat"], &[]] {
        let found = message(&model(names));
        let expected = format!(
            "layer `last` (Dense): expected a chain of layers: the input `hidden`, found `{}`",
            names.join(", ")
        );
        assert!(found.contains(&expected), "{found}");
    }
}

#[test]
fn layers_become_parts_of_others_and_groups_are_numbered_by_class() {
    let layers = [
        input(),
        layer("Rescaling", "scale", json!({"scale": 1.0 / 255.0, "offset": 0.0})),
        conv(json!({"use_bias": false})),
        layer("BatchNormalization", "norm", json!({"epsilon": 0.01, "axis": [3], "scale": false})),
        layer("Activation", "a", json!({"activation": "relu"})),
        conv(json!({"padding": "valid", "kernel_size": [1, 1]})),
        layer("GlobalAveragePooling2D", "g", json!({"keepdims": false})),
        layer("Dense", "hidden", json!({"units": 2})),
        layer("ReLU", "r", json!({"negative_slope": 0.0})),
        last(),
    ];
    let model = parse(&sequential(&layers), source()).unwrap_or_else(|error| panic!("{error}"));
    let conv = |kernel, batch_norm, activation| LayerSpec::Conv2d { filters: 4, kernel, batch_norm, activation };
    let expected = [
        conv(3, true, Activation::Relu),
        conv(1, false, Activation::Linear),
        LayerSpec::GlobalAveragePooling2d {},
        LayerSpec::Dense { units: 2, activation: Activation::Relu },
        LayerSpec::Dense { units: 1, activation: Activation::Sigmoid },
    ];
    assert_eq!(model.layers, expected);
    let places: Vec<_> =
        model.stored.iter().map(|stored| (&stored.kernel.name[..], &stored.kernel.group[..])).collect();
    let expected = [("first", "conv2d"), ("first", "conv2d_1"), ("hidden", "dense"), ("last", "dense_1")];
    assert_eq!(places, expected);
    assert_eq!(model.stored.iter().map(|stored| stored.has_bias).collect::<Vec<_>>(), [false, true, true, true]);
    let norm = model.stored[0].batch_norm.as_ref().unwrap();
    assert_eq!(norm.place, Place { name: "norm".to_owned(), group: "batch_normalization".to_owned() });
    assert_eq!((norm.scale, norm.center, norm.epsilon), (false, true, 0.01));
}
