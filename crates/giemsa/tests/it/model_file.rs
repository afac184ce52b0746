//! Model files: round trips, and rejection of damaged or foreign files.

use giemsa::evaluate::limit_of_detection::detection_limit;
use giemsa::input::InputError;
use giemsa::model::{CellErrors, Model, ModelError, Recipe};
use giemsa::nn::Network;
use std::path::{Path, PathBuf};

pub const RECIPE: &str = "
    name = 'tiny'
    layers = [{ kind = 'flatten' }, { kind = 'dense', units = 1, activation = 'sigmoid' }]
    input = { side_px = 3, resize = 'fit' }
    training = { epochs = 3, batch_size = 10, learning_rate = 0.01 }
";

pub fn tiny(seed: u64) -> Model {
    let recipe = Recipe::parse(RECIPE, "test").unwrap();
    let network = Network::new(recipe.input_shape(), &recipe.layers, seed).unwrap();
    Model {
        temperature: 1.3,
        threshold: 0.42,
        threshold_aim: Some("sensitivity ≥ 0.98".into()),
        error_rates: Some(CellErrors {
            sensitivity: 0.98,
            false_positive_rate: 0.1 + 0.2,
            between_patients: Some(0.015),
        }),
        healthy_logit: Some(-3.7),
        ..Model::new(recipe, network)
    }
}

pub fn saved(model: &Model) -> (tempfile::TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("model.safetensors");
    model.save(&path).unwrap();
    (place, path)
}

pub fn error_of(bytes: &[u8]) -> ModelError {
    let error = Model::from_bytes(bytes, Path::new("some/model")).expect_err("an error");
    assert!(error.to_string().starts_with("some/model: "), "{error}");
    error
}

#[test]
fn round_trips_through_a_file() {
    for seed in 0..20 {
        let model = tiny(seed);
        let (_place, path) = saved(&model);
        let read = Model::load(&path).unwrap();
        assert_eq!(read.recipe, model.recipe);
        assert_eq!(read.network.weights(), model.network.weights());
        assert_eq!((read.temperature, read.threshold), (1.3, 0.42));
        assert_eq!(read.threshold_aim, model.threshold_aim);
        assert_eq!((read.error_rates, read.healthy_logit), (model.error_rates, model.healthy_logit));
    }
}

#[test]
fn a_model_need_not_have_error_rates() {
    let alike = CellErrors { sensitivity: 1.0, false_positive_rate: 0.0, between_patients: None };
    for error_rates in [None, Some(alike)] {
        let model = Model { error_rates, healthy_logit: None, ..tiny(1) };
        let read = Model::load(&saved(&model).1).unwrap();
        assert_eq!((read.error_rates, read.healthy_logit), (error_rates, None));
    }
}

#[test]
fn the_built_in_model_has_the_error_rates_of_its_card() {
    let model = Model::embedded().unwrap();
    let errors = model.error_rates.unwrap();
    let card = model.card.unwrap();
    for text in [
        format!("| sensitivity | {:.4} ", errors.sensitivity),
        format!("| macro false positive rate | {:.4} ", errors.false_positive_rate),
    ] {
        assert!(card.contains(&text), "{text}");
    }
    // The card has the limits of detection that follow from all three rates.
    for cells in [1_000, 10_000] {
        let limit = detection_limit(errors, cells).limit_of_detection.unwrap();
        let row =
            format!("varies between patients | {:.2} % | {:.2} % |", 100.0 * errors.false_positive_rate, 100.0 * limit);
        assert!(card.contains(&row), "{row}");
    }
    assert!((-5.0..-2.0).contains(&model.healthy_logit.unwrap()));
}

#[test]
fn writes_the_same_bytes_for_the_same_model() {
    let ((_a, first), (_b, second)) = (saved(&tiny(1)), saved(&tiny(1)));
    assert_eq!(std::fs::read(first).unwrap(), std::fs::read(second).unwrap());
}

#[test]
fn rejects_every_truncation() {
    let bytes = std::fs::read(saved(&tiny(1)).1).unwrap();
    for length in 0..bytes.len() {
        error_of(&bytes[..length]);
    }
    error_of(&[bytes.as_slice(), &[0]].concat());
}

#[test]
fn rejects_every_flipped_bit() {
    let bytes = std::fs::read(saved(&tiny(1)).1).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        error_of(&flipped);
    }
}

#[test]
fn rejects_a_header_with_a_huge_length() {
    let bytes = std::fs::read(saved(&tiny(1)).1).unwrap();
    for length in [u64::MAX, u64::MAX - 7, 1 << 62, 1 << 40, 99_999_999, 100_000_001, bytes.len() as u64, 0, 1] {
        let mut huge = bytes.clone();
        huge[..8].copy_from_slice(&length.to_le_bytes());
        error_of(&huge);
    }
}

/// Changes the header of a file, and updates the checksum.
pub fn with_header(change: impl Fn(&mut serde_json::Value)) -> Vec<u8> {
    let bytes = std::fs::read(saved(&tiny(1)).1).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    change(&mut header);
    with_checksum(header, &bytes[8 + length..])
}

pub fn with_checksum(mut header: serde_json::Value, data: &[u8]) -> Vec<u8> {
    use sha2::Digest;
    let texts = header["__metadata__"].as_object_mut().unwrap();
    let mut names: Vec<String> = texts.keys().filter(|name| *name != "sha256").cloned().collect();
    names.sort();
    let mut hash = sha2::Sha256::new();
    for name in names {
        hash.update(format!("{name}\0{}\0", texts[&name].as_str().unwrap()));
    }
    hash.update(data);
    let sum: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    texts.insert("sha256".into(), sum.into());
    let header = header.to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

#[test]
fn errors_of_metadata_contain_the_expected_and_the_actual_value() {
    let put =
        |name: &'static str, text: &'static str| with_header(move |header| header["__metadata__"][name] = text.into());
    assert!(Model::from_bytes(&with_header(|_| ()), Path::new("same")).is_ok());
    let larger = RECIPE.replace("side_px = 3", "side_px = 500");
    let cases = [
        (put("format", "other-1"), "the format `giemsa-model-1`, found `other-1`"),
        (put("classes", "Uninfected,Parasitized"), "classes Parasitized,Uninfected, found Uninfected,Parasitized"),
        (put("temperature", "0"), "expected `temperature` to be in 0.001..=1000, found `0`"),
        (put("temperature", "NaN"), "expected `temperature` to be in 0.001..=1000, found `NaN`"),
        (put("temperature", "warm"), "`temperature` to be in 0.001..=1000, found `warm`"),
        (put("threshold", "1.5"), "expected `threshold` to be in 0..=1, found `1.5`"),
        (put("sensitivity", "-0.1"), "expected `sensitivity` to be in 0..=1, found `-0.1`"),
        (put("false_positive_rate", "NaN"), "expected `false_positive_rate` to be in 0..=1, found `NaN`"),
        (
            put("false_positive_rate_between_patients", "2"),
            "expected `false_positive_rate_between_patients` to be in 0..=1, found `2`",
        ),
        (put("healthy_logit", "inf"), "expected `healthy_logit` to be a finite number, found `inf`"),
        (
            with_header(|h| drop(h["__metadata__"].as_object_mut().unwrap().remove("sensitivity"))),
            "its metadata has no `sensitivity`",
        ),
        (put("recipe", "name = 'x'"), "recipe in the metadata, line 1, column 1: missing field"),
        (
            with_header(|h| h["__metadata__"]["recipe"] = larger.clone().into()),
            "expected 750001 weights for the layers of its recipe, found 28",
        ),
        (
            with_header(|h| drop(h["__metadata__"].as_object_mut().unwrap().remove("threshold"))),
            "its metadata has no `threshold`",
        ),
        (
            with_header(|h| h["dense.bias"]["dtype"] = "I32".into()),
            "expected `dense.bias` to have the data type F32, found I32",
        ),
        (with_header(|h| h["dense.kernel"]["shape"] = vec![1, 27].into()), "the weights do not fit the layers: "),
    ];
    for (bytes, expected) in cases {
        let error = error_of(&bytes).to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

#[test]
fn rejects_weights_that_are_not_finite() {
    let bytes = std::fs::read(saved(&tiny(1)).1).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut data = bytes[8 + length..].to_vec();
        data[12..16].copy_from_slice(&value.to_le_bytes());
        let error = error_of(&with_checksum(header.clone(), &data));
        assert!(matches!(&error, ModelError::NonFiniteWeight { tensor, .. } if tensor == "dense.kernel"), "{error}");
    }
}

#[test]
fn rejects_files_that_are_not_models() {
    let place = tempfile::tempdir().unwrap();
    let picture = place.path().join("cell.png");
    std::fs::write(&picture, b"\x89PNG\r\n\x1a\n and so on").unwrap();
    for (path, expected) in [
        (picture.as_path(), "not a safetensors file"),
        (place.path(), "expected a file, found a folder"),
        (Path::new("/no/such/model"), "/no/such/model: "),
    ] {
        let error = Model::load(path).unwrap_err().to_string();
        assert!(error.starts_with(&path.display().to_string()) && error.contains(expected), "{error}");
    }
}

#[test]
fn errors_can_be_matched() {
    let bytes = std::fs::read(saved(&tiny(1)).1).unwrap();
    let mut damaged = bytes.clone();
    *damaged.last_mut().unwrap() ^= 1;
    assert!(matches!(error_of(&damaged), ModelError::ChecksumMismatch { path, .. } if path == Path::new("some/model")));
    assert!(matches!(error_of(b"not a model"), ModelError::NotSafetensors { .. }));
    let foreign = with_header(|header| drop(header["__metadata__"].as_object_mut().unwrap().remove("format")));
    assert!(matches!(error_of(&foreign), ModelError::MissingMetadata { key: "format", .. }));
    let wide = with_header(|header| {
        header["__metadata__"]["recipe"] = RECIPE.replace("side_px = 3", "side_px = 4").into();
    });
    // 3 * 3 * 3 + 1 and 4 * 4 * 3 + 1.
    assert!(matches!(error_of(&wide), ModelError::WeightCount { expected: 49, found: 28, .. }));
    assert!(matches!(
        Model::load(Path::new("/no/such/model")),
        Err(ModelError::Input(InputError::Io { source, .. })) if source.kind() == std::io::ErrorKind::NotFound
    ));
}
