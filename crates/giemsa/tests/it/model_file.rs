//! Model files: what is written is read, and nothing else is.

use giemsa::model::{Model, Recipe};
use giemsa::nn::Network;
use std::path::{Path, PathBuf};

const RECIPE: &str = "
    name = 'tiny'
    layers = [{ kind = 'flatten' }, { kind = 'dense', units = 1, activation = 'sigmoid' }]
    input = { side_px = 3, resize = 'fit' }
    training = { epochs = 3, batch_size = 10, learning_rate = 0.01 }
";

fn tiny(seed: u64) -> Model {
    let recipe = Recipe::parse(RECIPE, "test").unwrap();
    let network = Network::new(recipe.input_shape(), &recipe.layers, seed).unwrap();
    Model {
        temperature: 1.3,
        threshold: 0.42,
        threshold_aim: Some("sensitivity ≥ 0.98".into()),
        ..Model::new(recipe, network)
    }
}

fn saved(model: &Model) -> (tempfile::TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("model.safetensors");
    model.save(&path).unwrap();
    (place, path)
}

fn error_of(bytes: &[u8]) -> String {
    let error = Model::from_bytes(bytes, Path::new("some/model")).expect_err("an error").to_string();
    assert!(error.starts_with("some/model: expected "), "{error}");
    error
}

#[test]
fn a_model_survives_being_written_and_read() {
    for seed in 0..20 {
        let model = tiny(seed);
        let (_place, path) = saved(&model);
        let read = Model::load(&path).unwrap();
        assert_eq!(read.recipe, model.recipe);
        assert_eq!(read.network.weights(), model.network.weights());
        assert_eq!((read.temperature, read.threshold), (1.3, 0.42));
        assert_eq!(read.threshold_aim, model.threshold_aim);
    }
}

#[test]
fn the_same_model_is_the_same_file() {
    let ((_a, first), (_b, second)) = (saved(&tiny(1)), saved(&tiny(1)));
    assert_eq!(std::fs::read(first).unwrap(), std::fs::read(second).unwrap());
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = std::fs::read(saved(&tiny(1)).1).unwrap();
    for length in 0..bytes.len() {
        error_of(&bytes[..length]);
    }
    error_of(&[bytes.as_slice(), &[0]].concat());
}

#[test]
fn every_flipped_bit_is_an_error() {
    let bytes = std::fs::read(saved(&tiny(1)).1).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        error_of(&flipped);
    }
}

#[test]
fn a_header_that_claims_to_be_huge_is_an_error() {
    let bytes = std::fs::read(saved(&tiny(1)).1).unwrap();
    for length in [u64::MAX, u64::MAX - 7, 1 << 62, 1 << 40, 99_999_999, 100_000_001, bytes.len() as u64, 0, 1] {
        let mut huge = bytes.clone();
        huge[..8].copy_from_slice(&length.to_le_bytes());
        error_of(&huge);
    }
}

/// Rewrites the header of a file, with a checksum that is right again.
fn with_header(change: impl Fn(&mut serde_json::Value)) -> Vec<u8> {
    let bytes = std::fs::read(saved(&tiny(1)).1).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    change(&mut header);
    with_checksum(header, &bytes[8 + length..])
}

fn with_checksum(mut header: serde_json::Value, data: &[u8]) -> Vec<u8> {
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
fn a_header_that_says_something_else_is_an_error_that_says_what() {
    let put =
        |name: &'static str, text: &'static str| with_header(move |header| header["__metadata__"][name] = text.into());
    assert!(Model::from_bytes(&with_header(|_| ()), Path::new("same")).is_ok());
    let larger = RECIPE.replace("side_px = 3", "side_px = 1000");
    let cases = [
        (put("format", "other-1"), "the format `giemsa-model-1`, found `other-1`"),
        (put("classes", "Uninfected,Parasitized"), "classes Parasitized,Uninfected, found Uninfected,Parasitized"),
        (put("temperature", "0"), "`temperature` above 0"),
        (put("temperature", "NaN"), "`temperature` above 0"),
        (put("temperature", "warm"), "a number as `temperature`, found `warm`"),
        (put("threshold", "1.5"), "a `threshold` in 0..=1, found 1.5"),
        (put("recipe", "name = 'x'"), "a recipe in the metadata"),
        (
            with_header(|h| h["__metadata__"]["recipe"] = larger.clone().into()),
            "3000001 weights, as its recipe has, found 28",
        ),
        (with_header(|h| drop(h["__metadata__"].as_object_mut().unwrap().remove("threshold"))), "metadata `threshold`"),
        (with_header(|h| h["dense.bias"]["dtype"] = "I32".into()), "`dense.bias` as F32, found I32"),
        (with_header(|h| h["dense.kernel"]["shape"] = vec![1, 27].into()), "weights that fit its recipe"),
    ];
    for (bytes, expected) in cases {
        let error = error_of(&bytes);
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

#[test]
fn weights_that_are_not_finite_are_an_error() {
    let bytes = std::fs::read(saved(&tiny(1)).1).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut data = bytes[8 + length..].to_vec();
        data[12..16].copy_from_slice(&value.to_le_bytes());
        let error = error_of(&with_checksum(header.clone(), &data));
        assert!(error.contains("finite numbers in `dense.kernel`"), "{error}");
    }
}

#[test]
fn what_is_no_model_file_is_named() {
    let place = tempfile::tempdir().unwrap();
    let picture = place.path().join("cell.png");
    std::fs::write(&picture, b"\x89PNG\r\n\x1a\n and so on").unwrap();
    for (path, expected) in [
        (picture.as_path(), "expected a safetensors file"),
        (place.path(), "expected a model file, found a folder"),
        (Path::new("/no/such/model"), "/no/such/model: "),
    ] {
        let error = Model::load(path).err().unwrap().to_string();
        assert!(error.starts_with(&path.display().to_string()) && error.contains(expected), "{error}");
    }
}
