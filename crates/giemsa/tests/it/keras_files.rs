//! Files that Keras saved, and files for Keras. `tests/reference/keras_files_golden.py` writes the former, with the
//! probabilities that Keras computes.

use giemsa::model::format::{self, Format, FormatError, ImportSettings};
use giemsa::model::{Model, Recipe};
use giemsa::nn::{LayerSpec, Network};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct Golden {
    images: Vec<f32>,
    probabilities: BTreeMap<String, Vec<f32>>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../../../tests/reference/keras_files_golden.json")).unwrap()
}

pub fn golden_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/keras_files").join(name)
}

fn format_of(name: &str) -> Format {
    match name {
        _ if name.ends_with(".keras") => Format::Keras,
        _ if name.ends_with(".weights.h5") => Format::KerasWeights,
        _ => Format::LegacyH5,
    }
}

/// The recipe of the network that the script calls `sequential`.
const SEQUENTIAL: &str = "
name = 'sequential'
input = { side_px = 10, resize = 'stretch_nearest' }
layers = [
    { kind = 'conv2d', filters = 4, kernel = 2, activation = 'relu' },
    { kind = 'max_pooling2d' },
    { kind = 'conv2d', filters = 3, kernel = 3, batch_norm = true, activation = 'relu' },
    { kind = 'max_pooling2d' },
    { kind = 'dropout', rate = 0.2 },
    { kind = 'flatten' },
    { kind = 'dense', units = 5, activation = 'relu' },
    { kind = 'dropout', rate = 0.2 },
    { kind = 'dense', units = 1, activation = 'sigmoid' },
]
training = { epochs = 1, batch_size = 1, learning_rate = 0.1 }
";

fn settings_with(recipe: &str) -> ImportSettings {
    let mut settings = ImportSettings::default();
    settings.recipe = Some(Recipe::parse(recipe, "sequential.toml").unwrap());
    settings
}

fn sequential_layers() -> Vec<LayerSpec> {
    settings_with(SEQUENTIAL).recipe.unwrap().layers
}

fn import(name: &str, settings: &ImportSettings) -> Result<Model, FormatError> {
    format::import(&golden_file(name), Some(format_of(name)), settings)
}

fn probabilities(network: &Network, images: &[f32]) -> Vec<f32> {
    network.predict(images).iter().map(|logit| 1.0 / (1.0 + (-logit).exp())).collect()
}

#[test]
fn models_that_keras_saved_give_the_probabilities_of_keras() {
    let golden = golden();
    assert_eq!(golden.probabilities.len(), 6);
    for (name, expected) in &golden.probabilities {
        let settings = match format_of(name) {
            Format::KerasWeights => settings_with(SEQUENTIAL),
            _ => ImportSettings::default(),
        };
        let model = import(name, &settings).unwrap();
        let found = probabilities(&model.network, &golden.images);
        assert_eq!(found.len(), expected.len());
        let difference = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(difference <= 1e-5, "{name}: {found:?}, expected {expected:?}");
        if name.contains("sequential") {
            assert_eq!(model.recipe.layers, sequential_layers(), "{name}");
        }
    }
}

#[test]
fn a_file_of_weights_needs_a_recipe_with_its_shapes() {
    let error = import("sequential.weights.h5", &ImportSettings::default()).unwrap_err();
    assert!(matches!(error, FormatError::RecipeNeeded { format: Format::KerasWeights, .. }), "{error}");
    let cases = [
        ("filters = 3", "filters = 7", "`layers/conv2d_1/vars/0` of shape [3, 3, 4, 7], found shape [3, 3, 4, 3]"),
        (
            "units = 5, activation = 'relu' },",
            "units = 5 }, { kind = 'dense', units = 5 },",
            "`layers/dense_1/vars/0` of shape [5, 5], found shape [5, 1]",
        ),
        (
            "kernel = 2, activation",
            "kernel = 2, batch_norm = true, activation",
            "`layers/batch_normalization/vars/0` of shape [4], found shape [3]",
        ),
    ];
    for (from, to, expected) in cases {
        let error = import("sequential.weights.h5", &settings_with(&SEQUENTIAL.replacen(from, to, 1))).unwrap_err();
        assert!(matches!(error, FormatError::WeightMismatch { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn another_recipe_than_that_of_the_file_is_an_error() {
    for name in ["sequential.keras", "sequential.h5"] {
        let settings = settings_with(&SEQUENTIAL.replacen("filters = 3", "filters = 7", 1));
        let error = import(name, &settings).unwrap_err();
        assert!(matches!(error, FormatError::LayersDiffer { .. }), "{error}");
        import(name, &settings_with(SEQUENTIAL)).unwrap();
    }
}

#[test]
fn a_model_that_is_exported_and_imported_has_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let tutorial = Recipe::load("keras-tutorial").unwrap();
    let network = Network::new(tutorial.input_shape(), &tutorial.layers, 7).unwrap();
    let mut tutorial = Model::new(tutorial, network);
    (tutorial.temperature, tutorial.threshold) = (1.5, 0.25);
    for (i, model) in [Model::embedded().unwrap(), tutorial].into_iter().enumerate() {
        let [before, after] = ["before", "after"].map(|name| folder.path().join(format!("{i}-{name}.safetensors")));
        model.save(&before).unwrap();
        for format in [Format::Keras, Format::KerasWeights, Format::LegacyH5] {
            let [first, second] = [1, 2].map(|n| folder.path().join(format!("{i}-{format}-{n}")));
            model.export(format, &first).unwrap();
            model.export(format, &second).unwrap();
            assert_eq!(std::fs::read(&first).unwrap(), std::fs::read(&second).unwrap());
            format::import(&first, Some(format), &ImportSettings::default()).unwrap().save(&after).unwrap();
            assert!(std::fs::read(&before).unwrap() == std::fs::read(&after).unwrap(), "{i} {format}");
        }
    }
}

#[test]
fn the_format_of_a_file_is_detected() {
    for name in golden().probabilities.keys() {
        let bytes = std::fs::read(golden_file(name)).unwrap();
        assert_eq!(Format::detect(&bytes), Some(format_of(name)), "{name}");
    }
}
