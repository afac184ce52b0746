//! Model files and recipes of an attacker: each is an error, before much is allocated or computed.

use crate::model_file::{RECIPE, error_of, saved, tiny, with_checksum, with_header};
use giemsa::model::{Logits, Model, ModelError, Recipe, RecipeError, Tta, explain, predict_logits};
use giemsa::nn::{ArchitectureError, LayerError, Network, Resource};
use image::RgbImage;
use serde_json::{Value, json};
use std::path::Path;

/// A recipe with these layers before the last one.
fn recipe_text(side_px: usize, layers: &str) -> String {
    format!(
        "name = 'x'\nlayers = [{layers}{{ kind = 'dense', units = 1, activation = 'sigmoid' }}]\n\
         input = {{ side_px = {side_px}, resize = 'fit' }}\n\
         training = {{ epochs = 1, batch_size = 1, learning_rate = 0.1 }}\n"
    )
}

/// A file with this recipe and no weights.
fn with_recipe(recipe: &str) -> Vec<u8> {
    with_header(|header| header["__metadata__"]["recipe"] = recipe.into())
}

/// A file with this header, a checksum, and as many bytes of data.
fn with_entries(entries: &[(String, Value)], data_len: usize) -> Vec<u8> {
    let mut header = json!({"__metadata__": {"format": "giemsa-model-1"}});
    for (name, entry) in entries {
        header[name] = entry.clone();
    }
    with_checksum(header, &vec![0; data_len])
}

fn entry(shape: &[u64], from: u64, to: u64) -> Value {
    json!({"dtype": "F32", "shape": shape, "data_offsets": [from, to]})
}

#[test]
fn rejects_networks_that_need_too_much_in_recipes_and_in_model_files() {
    let conv =
        |filters: usize, kernel: usize| format!("{{ kind = 'conv2d', filters = {filters}, kernel = {kernel} }}, ");
    let average = "{ kind = 'global_average_pooling2d' }, ";
    let flatten = "{ kind = 'flatten' }, ";
    let dense = "{ kind = 'dense', units = 16384 }, ";
    let cases = [
        (1024, conv(16_384, 1) + average, Resource::OutputValues),
        (1024, conv(16, 1).repeat(997) + average, Resource::AllOutputValues),
        (1024, conv(1, 15).repeat(120) + average, Resource::MultiplyAdds),
        (1024, flatten.to_owned(), Resource::PaddingZeros),
        (1024, flatten.to_owned() + &dense.repeat(900), Resource::Weights),
        (
            1,
            flatten.to_owned() + &"{ kind = 'dense', units = 16384 }, { kind = 'dense', units = 1 }, ".repeat(490),
            Resource::PaddingZeros,
        ),
    ];
    for (side_px, layers, expected) in cases {
        let text = recipe_text(side_px, &layers);
        let error = Recipe::parse(&text, "mine.toml").unwrap_err();
        assert!(error.to_string().starts_with("mine.toml, line 2, column "), "{error}");
        assert_eq!(resource(&error), expected, "{error}");
        let ModelError::InvalidRecipe { source, .. } = error_of(&with_recipe(&text)) else { panic!("another error") };
        assert_eq!(resource(&source), expected);
    }
}

fn resource(error: &RecipeError) -> Resource {
    let RecipeError::Layers { source, .. } = error else { panic!("{error}") };
    let ArchitectureError::Layer { reason: LayerError::TooLarge { resource, found }, .. } = &**source else {
        panic!("{source}")
    };
    assert!(*found > resource.limit());
    *resource
}

#[test]
fn rejects_hundreds_of_thousands_of_layers_in_a_recipe() {
    let tables = "[[layers]]\n".repeat(300_000);
    let inline = format!("layers = [{}]", "{},".repeat(300_000));
    for text in [tables, inline] {
        assert!(
            matches!(Recipe::parse(&text, "r"), Err(RecipeError::TooLong { found_bytes, .. }) if found_bytes == text.len())
        );
        let ModelError::InvalidRecipe { source, .. } = error_of(&with_recipe(&text)) else { panic!("another error") };
        assert!(matches!(*source, RecipeError::TooLong { .. }), "{source}");
    }
    let many = recipe_text(8, &"{ kind = 'flatten' }, ".repeat(1000));
    let error = Recipe::parse(&many, "r").unwrap_err().to_string();
    assert_eq!(error, "r, line 2, column 10: expected `layers` to be at most 1000, found 1001");
}

#[test]
fn rejects_a_batch_that_does_not_fit_in_memory() {
    let text =
        recipe_text(512, "{ kind = 'conv2d', filters = 64, kernel = 1 }, { kind = 'global_average_pooling2d' }, ");
    let batch = |size: usize| Recipe::parse(&text.replace("batch_size = 1,", &format!("batch_size = {size},")), "r");
    assert!(batch(255).is_ok());
    assert_eq!(
        batch(256).unwrap_err().to_string(),
        "r, line 4, column 39: expected `training.batch_size` to be at most 255 for these layers, found 256"
    );
}

#[test]
fn rejects_names_of_recipes_that_are_not_plain_file_names() {
    for name in ["", "/tmp/x", "../../../x", "a\\b", ".hidden", "a\u{1b}[31m", "NUL", &"x".repeat(65)] {
        let text = RECIPE.replace("'tiny'", &json!(name).to_string());
        let error = Recipe::parse(&text, "mine.toml").unwrap_err();
        assert!(matches!(&error, RecipeError::OutOfRange { key, .. } if key == "name"), "{error}");
        assert!(error.to_string().starts_with("mine.toml, line 2, column 12: expected `name` to be a plain file name"));
        assert!(!error.to_string().contains(char::is_control), "{error}");
        let ModelError::InvalidRecipe { source, .. } = error_of(&with_recipe(&text)) else { panic!("another error") };
        assert!(matches!(*source, RecipeError::OutOfRange { .. }), "{source}");
    }
}

#[test]
fn rejects_headers_that_lie_about_arrays() {
    let huge = u64::MAX;
    let cases = [
        ("a huge shape", vec![entry(&[huge], 0, 4)]),
        ("a shape whose product overflows", vec![entry(&[1 << 32, 1 << 32, 4], 0, 4)]),
        ("a shape whose size in bytes overflows", vec![entry(&[1 << 62], 0, 4)]),
        ("a shape of zeros and huge numbers", vec![entry(&[0, huge, huge], 0, 8)]),
        ("offsets after the file", vec![entry(&[4], 0, 16)]),
        ("huge offsets", vec![entry(&[1], huge - 3, huge)]),
        ("offsets in the wrong order", vec![entry(&[1], 4, 0)]),
        ("overlapping arrays", vec![entry(&[2], 0, 8), entry(&[1], 4, 8)]),
        ("a gap between arrays", vec![entry(&[1], 4, 8)]),
        ("no arrays, but data", vec![]),
        ("a number for an array", vec![json!(1)]),
        ("a negative dimension", vec![json!({"dtype": "F32", "shape": [-1], "data_offsets": [0, 8]})]),
        ("an unknown type", vec![json!({"dtype": "X9", "shape": [2], "data_offsets": [0, 8]})]),
    ];
    for (what, entries) in cases {
        let named: Vec<_> = entries.into_iter().enumerate().map(|(i, entry)| (format!("t{i}"), entry)).collect();
        let error = error_of(&with_entries(&named, 8));
        assert!(matches!(error, ModelError::NotSafetensors { .. }), "{what}: {error}");
    }
}

#[test]
fn rejects_long_deep_and_ambiguous_headers() {
    let many: Vec<_> = (0..33_000).map(|i| (format!("{i}"), entry(&[0], 0, 0))).collect();
    let message = error_of(&with_entries(&many, 0)).to_string();
    assert!(message.contains("expected at most 32768 entries"), "{message}");
    let long = with_header(|header| header["__metadata__"]["card"] = "x".repeat(4 << 20).into());
    assert!(matches!(error_of(&long), ModelError::HeaderTooLarge { limit_bytes: 4_194_304, .. }));
    let long_list: Vec<_> = (0..400_000).map(|i| format!("\"{i}\":{{}}")).collect();
    assert!(matches!(error_of(&raw(&format!("{{{}}}", long_list.join(",")))), ModelError::HeaderTooLarge { .. }));
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{{\"a\":{}1{}}}", open.repeat(200_000), close.repeat(200_000));
        assert!(matches!(error_of(&raw(&deep)), ModelError::NotSafetensors { .. }));
    }
    let bytes = std::fs::read(saved(&tiny(1)).1).unwrap();
    for (once, twice) in [
        ("\"format\":\"giemsa-model-1\"", "\"format\":\"other\",\"format\":\"giemsa-model-1\""),
        ("\"dense.bias\":", "\"dense.bias\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"dense.bias\":"),
    ] {
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let header = std::str::from_utf8(&bytes[8..8 + length]).unwrap();
        assert!(header.contains(once));
        let header = header.replacen(once, twice, 1);
        let repeated = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &bytes[8 + length..]].concat();
        assert!(error_of(&repeated).to_string().contains("` twice"), "{}", error_of(&repeated));
    }
}

/// A file with this header and no data.
fn raw(header: &str) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat()
}

/// A network of a convolution with batch normalisation, a second convolution and a dense layer, with some weights
/// replaced.
fn convolutional(batch_norm: bool, change: impl Fn(&str, &mut [f32])) -> Model {
    let conv = |batch_norm: bool| {
        format!("{{ kind = 'conv2d', filters = 2, kernel = 3, batch_norm = {batch_norm}, activation = 'relu' }}, ")
    };
    let text =
        recipe_text(4, &(conv(batch_norm) + &conv(false) + "{ kind = 'max_pooling2d' }, { kind = 'flatten' }, "));
    let recipe = Recipe::parse(&text, "test").unwrap();
    let mut network = Network::new(recipe.input_shape(), &recipe.layers, 0).unwrap();
    let mut weights = network.weights();
    weights.iter_mut().for_each(|tensor| change(&tensor.name, &mut tensor.values));
    network.set_weights(&weights).unwrap();
    Model::new(recipe, network)
}

#[test]
fn rejects_negative_variances_but_accepts_zero() {
    for (variance, is_valid) in [(-1.0, false), (-1e-30, false), (0.0, true)] {
        let model = convolutional(true, |name, values| {
            if name.ends_with("moving_variance") {
                values.fill(variance);
            }
        });
        let read = Model::load(&saved(&model).1);
        let is_negative =
            |error: &ModelError| matches!(error, ModelError::NegativeValue { value, .. } if *value == variance);
        assert_eq!(read.as_ref().err().map(is_negative), (!is_valid).then_some(true), "{read:?}");
    }
}

#[test]
fn a_sum_that_overflows_is_an_error_even_if_relu_or_pooling_hides_it() {
    // The first convolution overflows to infinity; the second would turn it into minus infinity, and ReLU into zeros, so
    // that the logit were the bias: a finite number that does not depend on the image.
    let hidden = |name: &str, values: &mut [f32]| match name {
        "conv2d.kernel" => values.fill(f32::MAX),
        "conv2d_1.kernel" => values.fill(-1.0),
        "dense.bias" => values.fill(50.0),
        _ => {}
    };
    let model = convolutional(false, hidden);
    let white = RgbImage::from_pixel(4, 4, image::Rgb([255; 3]));
    let is_not_finite = |error: &ModelError| matches!(error, ModelError::NonFiniteOutput { .. });
    assert!(is_not_finite(&model.predict(&white).unwrap_err()));
    for tta in [Tta::None, Tta::Dihedral8] {
        assert!(is_not_finite(&model.predictor(tta).predict_images(&vec![white.clone(); 9]).unwrap_err()));
    }
    assert!(is_not_finite(&explain::occlusion(&model, &white).unwrap_err()));
    // An image without overflow in the same batch keeps its prediction.
    let (black, inputs) = (vec![0.0; 48], [vec![0.0; 48], vec![1.0; 48]].concat());
    let logits = model.network.predict(&inputs);
    assert_eq!(logits[0].to_bits(), model.network.predict(&black)[0].to_bits());
    assert!(logits[0].is_finite() && logits[1].is_nan());
}

#[test]
fn sums_that_overflow_in_batch_normalisation_or_dense_layers_are_errors() {
    let white = RgbImage::from_pixel(4, 4, image::Rgb([255; 3]));
    let gamma = convolutional(true, |name, values| {
        if name.ends_with("gamma") {
            values.fill(f32::MAX);
        }
        if name.ends_with("moving_variance") {
            values.fill(0.0);
        }
    });
    assert!(matches!(gamma.predict(&white), Err(ModelError::NonFiniteOutput { .. })));
    let text = recipe_text(4, "{ kind = 'flatten' }, { kind = 'dense', units = 3, activation = 'relu' }, ");
    let recipe = Recipe::parse(&text, "test").unwrap();
    let mut network = Network::new(recipe.input_shape(), &recipe.layers, 0).unwrap();
    let mut weights = network.weights();
    weights[0].values.fill(f32::MAX);
    weights[2].values.fill(0.0);
    network.set_weights(&weights).unwrap();
    assert!(matches!(Model::new(recipe, network).predict(&white), Err(ModelError::NonFiniteOutput { .. })));
}

/// White images.
struct White(usize);

impl giemsa::preprocess::Images for White {
    fn len(&self) -> usize {
        self.0
    }

    fn read(&self, _: usize, bytes: &mut [u8]) -> Result<(), giemsa::image::ImageError> {
        bytes.fill(255);
        Ok(())
    }
}

#[test]
fn logits_of_many_images_are_finite_or_an_error() {
    let model = convolutional(false, |_, values| values.fill(f32::MAX));
    let error = predict_logits(&model.network, &White(3), Tta::None).unwrap_err();
    assert!(error.to_string().contains("not finite"), "{error}");
}

#[test]
fn no_temperature_in_a_file_makes_a_probability_that_is_not_a_number() {
    for (temperature, is_valid) in [("1e-45", false), ("9e-4", false), ("1e-3", true), ("1000", true), ("1e38", false)]
    {
        let bytes = with_header(|header| header["__metadata__"]["temperature"] = temperature.into());
        let Ok(model) = Model::from_bytes(&bytes, Path::new("m")) else {
            assert!(!is_valid, "{temperature}");
            assert!(matches!(error_of(&bytes), ModelError::InvalidMetadata { key: "temperature", .. }));
            continue;
        };
        assert!(is_valid, "{temperature}");
        for logit in [0.0, -0.0, 1e-40, 1.0, -1.0, f32::MAX, f32::MIN] {
            let probability =
                model.prediction(Logits { class: logit, red_cell: None }).unwrap().probability_parasitized;
            assert!((0.0..=1.0).contains(&probability), "{temperature} {logit}: {probability}");
        }
    }
}

#[test]
fn a_checkpoint_with_an_invalid_step_count_is_an_error() {
    let mut network = tiny(0).network;
    let state = network.optimizer_state();
    for step in [[-1.0, 0.0], [0.5, 0.0], [0.0, 16_777_216.0], [1e30, 0.0], [0.0, 1e30]] {
        let mut changed = state.clone();
        changed[0].values = step.to_vec();
        let error = network.set_optimizer_state(&changed).unwrap_err();
        assert!(matches!(error, ArchitectureError::StepCount { found } if found == step), "{error}");
    }
    network.set_optimizer_state(&state).unwrap();
}
