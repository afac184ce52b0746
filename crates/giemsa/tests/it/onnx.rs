//! ONNX files: those of other exporters, round trips, another runtime in Rust, and hostile files.
//!
//! `tests/reference/onnx_golden.py` wrote the files of other exporters, and computed their probabilities with ONNX Runtime.

use crate::model_file::tiny;
use giemsa::classes::Class;
use giemsa::model::format::{Format, FormatError, ImportSettings, import_bytes};
use giemsa::model::{Model, Recipe, Tta};
use giemsa::nn::Network;
use giemsa::synthetic::draw_cell;
use image::RgbImage;
use std::collections::BTreeMap;
use std::path::Path;

/// The layers of a network with everything that a recipe can have in an unusual order: an even kernel with an odd side, batch
/// normalisation without an activation, layers after flattening, and dense layers without an activation.
const UNUSUAL: &str = "
    name = 'unusual'
    layers = [
        { kind = 'conv2d', filters = 5, kernel = 4, activation = 'relu' },
        { kind = 'max_pooling2d' },
        { kind = 'conv2d', filters = 7, kernel = 3, batch_norm = true },
        { kind = 'dropout', rate = 0.3 },
        { kind = 'flatten' },
        { kind = 'conv2d', filters = 6, kernel = 2, activation = 'relu' },
        { kind = 'flatten' },
        { kind = 'dense', units = 4 },
        { kind = 'dense', units = 20, activation = 'relu' },
        { kind = 'dense', units = 2, activation = 'sigmoid' },
    ]
    input = { side_px = 9, resize = 'fit' }
    training = { epochs = 3, batch_size = 10, learning_rate = 0.01 }
";

/// The recipe of the file with two outputs.
const TWO_OUTPUTS: &str = "
    name = 'two-outputs'
    layers = [
        { kind = 'conv2d', filters = 4, kernel = 3, batch_norm = true, activation = 'relu' },
        { kind = 'max_pooling2d' },
        { kind = 'flatten' },
        { kind = 'dense', units = 5, activation = 'relu' },
        { kind = 'dense', units = 2, activation = 'sigmoid' },
    ]
    input = { side_px = 8, resize = 'stretch_nearest' }
    training = { epochs = 3, batch_size = 10, learning_rate = 0.01 }
";

/// A model of a recipe with weights from a seed.
fn model(recipe: Recipe) -> Model {
    let network = Network::new(recipe.input_shape(), &recipe.layers, 7).unwrap();
    Model { temperature: 0.1, threshold: 0.3, ..Model::new(recipe, network) }
}

fn models() -> [Model; 4] {
    let tutorial = model(Recipe::load("keras-tutorial").unwrap());
    let unusual = model(Recipe::parse(UNUSUAL, "test").unwrap());
    [Model::embedded().unwrap(), tutorial, unusual, tiny(1)]
}

fn exported(model: &Model) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    model.export(Format::Onnx, &path).unwrap();
    std::fs::read(path).unwrap()
}

fn imported(bytes: &[u8], settings: &ImportSettings) -> Result<Model, FormatError> {
    import_bytes(bytes, Path::new("some.onnx"), Some(Format::Onnx), settings)
}

#[test]
fn networks_of_other_exporters_have_the_probabilities_of_onnx_runtime() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference");
    let golden = std::fs::read_to_string(folder.join("onnx_golden.json")).unwrap();
    let golden: BTreeMap<String, Vec<Vec<f32>>> = serde_json::from_str(&golden).unwrap();
    assert_eq!(golden.len(), 8);
    for (name, expected) in golden {
        let bytes = std::fs::read(folder.join("onnx").join(&name)).unwrap();
        for (probability_of, is_parasitized) in [(Class::Uninfected, false), (Class::Parasitized, true)] {
            let mut settings = ImportSettings::default();
            settings.probability_of = probability_of;
            settings.recipe = (name == "onnx_floats.onnx").then(|| Recipe::parse(TWO_OUTPUTS, "test").unwrap());
            let model = imported(&bytes, &settings).unwrap_or_else(|error| panic!("{name}: {error}"));
            let found = model.predictor(Tta::None).predict_images(&pixels(model.recipe.input.side_px)).unwrap();
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                let first = if is_parasitized { expected[0] } else { 1.0 - expected[0] };
                let off = (found.probability_parasitized - first).abs();
                assert!(off < 1e-6, "{name}: {found:?}, expected {expected:?}");
                assert_eq!(found.probability_red_cell.is_some(), expected.len() > 1);
                let off = found.probability_red_cell.map_or(0.0, |found| (found - expected[1]).abs());
                assert!(off < 1e-6, "{name}: {found:?}, expected {expected:?}");
            }
        }
    }
}

#[test]
fn two_outputs_of_another_exporter_need_a_recipe() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/onnx/onnx_floats.onnx");
    let error = imported(&std::fs::read(path).unwrap(), &ImportSettings::default()).unwrap_err();
    assert!(error.to_string().contains("unsupported output: expected one value, found several"), "{error}");
}

/// Returns images by the rule of `pixels` in the script.
fn pixels(side: usize) -> Vec<RgbImage> {
    let bytes: Vec<u8> =
        (0..4 * side * side * 3).map(|index| ((index as u32).wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let image = |bytes: &[u8]| RgbImage::from_raw(side as u32, side as u32, bytes.to_vec()).unwrap();
    bytes.chunks_exact(side * side * 3).map(image).collect()
}

#[test]
fn a_round_trip_keeps_every_byte() {
    for model in models() {
        let read = imported(&exported(&model), &ImportSettings::default()).unwrap();
        let bits = |model: &Model| -> Vec<(String, Vec<usize>, Vec<u32>)> {
            let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect();
            model.network.weights().into_iter().map(|tensor| (tensor.name, tensor.shape, bits(tensor.values))).collect()
        };
        assert_eq!(bits(&read), bits(&model));
        assert_eq!(read.recipe, model.recipe);
        assert_eq!((read.temperature, read.threshold), (model.temperature, model.threshold));
        assert_eq!(read.red_cell_threshold, model.red_cell_threshold);
        assert_eq!((read.threshold_aim, read.error_rates), (model.threshold_aim, model.error_rates));
        assert_eq!((read.healthy_logit, read.card), (model.healthy_logit, model.card));
        assert_eq!(read.training_patients, model.training_patients);
    }
}

#[test]
fn the_format_is_detected_by_the_content() {
    let file = exported(&tiny(0));
    assert_eq!(Format::detect(&file), Some(Format::Onnx));
}

#[test]
fn another_runtime_computes_the_same_probabilities() {
    for model in models() {
        let classes = [Class::Parasitized, Class::Uninfected];
        let draw = |index: usize| draw_cell(3, index / 10, index, classes[index % 2]);
        let cells: Vec<RgbImage> = (0..500).map(draw).collect();
        let bytes: Vec<u8> = cells.iter().flat_map(|cell| model.recipe.input.to_bytes(cell)).collect();
        let found = rten_outputs(&exported(&model), bytes, model.recipe.input.side_px, model.network.outputs());
        let expected = model.predictor(Tta::None).predict_images(&cells).unwrap();
        for (index, expected) in expected.iter().enumerate() {
            let expected = [Some(expected.probability_parasitized), expected.probability_red_cell];
            for (found, expected) in found.iter().zip(expected.into_iter().flatten()) {
                assert!((found[index] - expected).abs() <= 1e-5, "{}: {}, expected {expected}", index, found[index]);
            }
        }
        let spread =
            |values: &[f32]| values.iter().fold(0.0_f32, |spread, value| spread.max((value - values[0]).abs()));
        let spread = spread(&found[0]);
        assert!(spread > 1e-2, "{model:?}: the probabilities of the cells differ by {spread} only");
    }
}

/// Runs a file in rten: returns the values of each output.
fn rten_outputs(file: &[u8], bytes: Vec<u8>, side: usize, outputs: usize) -> Vec<Vec<f32>> {
    let model = rten::Model::load(file.to_vec()).unwrap();
    let names = ["probability_parasitized", "probability_red_cell"];
    let outputs: Vec<_> = names[..outputs].iter().map(|name| model.node_id(name).unwrap()).collect();
    let shape = [bytes.len() / (side * side * 3), side, side, 3];
    let images = rten::Value::from_shape(&shape, bytes).unwrap();
    let found = model.run(vec![(model.node_id("image").unwrap(), images.into())], &outputs, None).unwrap();
    found.into_iter().map(|values| values.as_tensor_view::<f32>().unwrap().iter().copied().collect()).collect()
}

#[test]
fn every_truncation_is_an_error() {
    let file = exported(&model(Recipe::parse(UNUSUAL, "test").unwrap()));
    for len in 0..file.len() {
        let error = imported(&file[..len], &ImportSettings::default()).expect_err("an error");
        assert!(error.to_string().starts_with("some.onnx: "), "{error}");
    }
}

#[test]
fn a_changed_file_is_an_error_or_a_valid_model() {
    let file = exported(&model(Recipe::parse(UNUSUAL, "test").unwrap()));
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut errors = 0;
    for _ in 0..10_000 {
        let mut changed = file.clone();
        for _ in 0..=random(3) {
            let at = random(changed.len());
            match random(4) {
                0 => changed[at] = random(256) as u8,
                1 => changed[at] ^= 1 << random(8),
                2 => drop(changed.drain(at..(at + 1 + random(8)).min(changed.len()))),
                _ => changed.insert(at, random(256) as u8),
            }
        }
        match imported(&changed, &ImportSettings::default()) {
            Ok(model) => drop(model.predict(&RgbImage::new(9, 9))),
            Err(_) => errors += 1,
        }
    }
    assert!(errors > 3_000, "{errors} errors");
}
