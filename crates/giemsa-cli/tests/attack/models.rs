//! Broken model files: random changes of the bytes, and changes of the header with a correct checksum.

use crate::Size;
use crate::cells::{QUICK_RECIPE, cell};
use crate::mutation::{Random, mutate, mutate_toml};
use crate::table::Row;
use giemsa::model::{Model, ModelError, Recipe};
use giemsa::nn::Network;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::Path;

/// Convolutions with and without batch normalisation, in a few kilobytes.
pub const CONVOLUTIONS: &str = "
name = 'convolutions'
input = { side_px = 12, resize = 'fit' }
training = { epochs = 1, batch_size = 8, learning_rate = 0.001 }
[[layers]]
kind = 'conv2d'
filters = 3
kernel = 3
batch_norm = true
activation = 'relu'
[[layers]]
kind = 'max_pooling2d'
[[layers]]
kind = 'conv2d'
filters = 2
kernel = 2
[[layers]]
kind = 'global_average_pooling2d'
[[layers]]
kind = 'dense'
units = 1
activation = 'sigmoid'
";

/// Loads changed model files, and predicts one image with those that are accepted.
pub fn attack(size: Size) -> Vec<Row> {
    let seeds = [model_file(QUICK_RECIPE), model_file(CONVOLUTIONS), Model::BUILTIN.to_vec()];
    let (mut bytes_row, mut header_row) = (Row::new("models, changed bytes"), Row::new("models, changed header"));
    for number in 0..size.of(300, 5_000) {
        let mut random = Random::new(number as u64);
        let seed = &seeds[number % seeds.len()];
        count(&mut bytes_row, number, &mutate(seed, &mut random));
        count(&mut header_row, number, &with_changed_header(seed, &mut random));
    }
    vec![bytes_row, header_row]
}

/// Returns an untrained model.
pub fn model_of(recipe: &str) -> Model {
    let recipe = Recipe::parse(recipe, "seed").unwrap();
    let network = Network::new(recipe.input_shape(), &recipe.layers, 0).unwrap();
    Model::new(recipe, network)
}

/// Returns the file of an untrained model.
fn model_file(recipe: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    model_of(recipe).save(&path).unwrap();
    std::fs::read(path).unwrap()
}

fn count(row: &mut Row, number: usize, bytes: &[u8]) {
    let image = cell(true, 3);
    row.count(&format!("model {number}"), || {
        let prediction = Model::from_bytes(bytes, Path::new("model.safetensors"))?.predict(&image)?;
        assert!((0.0..=1.0).contains(&prediction.probability_parasitized), "not a probability");
        Ok::<_, ModelError>(prediction)
    });
}

/// Changes a value of the header, and corrects the checksum, so that the change reaches the code behind it.
fn with_changed_header(file: &[u8], random: &mut Random) -> Vec<u8> {
    let length = u64::from_le_bytes(*file.first_chunk().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    let mut data = file[8 + length..].to_vec();
    if random.below(3) == 0 {
        change_metadata(&mut header["__metadata__"], random);
    } else if random.below(2) == 0 {
        change_tensor(&mut header, random);
    } else {
        change_weight(&mut data, random);
    }
    let checksum = checksum(&header["__metadata__"], &data);
    header["__metadata__"]["sha256"] = checksum.into();
    let header = serde_json::to_vec(&header).unwrap();
    [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat()
}

fn change_metadata(metadata: &mut Value, random: &mut Random) {
    let keys: Vec<String> = metadata.as_object().unwrap().keys().cloned().collect();
    let key = &keys[random.below(keys.len())];
    let text = metadata[key].as_str().unwrap().to_owned();
    metadata[key] = mutate_toml(&text, random).into();
}

fn change_tensor(header: &mut Value, random: &mut Random) {
    let names: Vec<String> = header.as_object().unwrap().keys().filter(|key| *key != "__metadata__").cloned().collect();
    let name = &names[random.below(names.len())];
    let numbers = [0_u64, 1, 2, 1 << 20, 1 << 31, 1 << 40, u64::MAX, u64::MAX / 4];
    match random.below(4) {
        0 | 1 => {
            let list = header[name][random.choose(&["shape", "data_offsets"])].as_array_mut().unwrap();
            let at = random.below(list.len());
            list[at] = random.choose(&numbers).into();
        }
        2 => header[name]["dtype"] = random.choose(&["F16", "F64", "I8", "BOOL", "F32"]).into(),
        _ => {
            let entry = header.as_object_mut().unwrap().remove(name).unwrap();
            header[format!("{name}x")] = entry;
        }
    }
}

/// Replaces a weight by an extreme number.
fn change_weight(data: &mut [u8], random: &mut Random) {
    let weights = data.as_chunks_mut::<4>().0;
    let at = random.below(weights.len());
    let numbers = [f32::MAX, f32::MIN, f32::MIN_POSITIVE, -0.0, f32::NAN, f32::INFINITY, 1e30, -1e30];
    weights[at] = random.choose(&numbers).to_le_bytes();
}

/// Computes the checksum of a model file as `docs/model-file.md` defines it.
fn checksum(metadata: &Value, data: &[u8]) -> String {
    let mut hash = Sha256::new();
    // The keys of a JSON object are sorted.
    for (key, text) in metadata.as_object().unwrap().iter().filter(|(key, _)| *key != "sha256") {
        for part in [key.as_str(), text.as_str().unwrap()] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
    }
    hash.update(data);
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
