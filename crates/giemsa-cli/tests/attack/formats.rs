//! Broken files of other tools: every truncation, and random changes of the bytes.

use crate::Size;
use crate::cells::cell;
use crate::models::{CONVOLUTIONS, model_of};
use crate::mutation::{Random, mutate};
use crate::table::Row;
use giemsa::model::ModelError;
use giemsa::model::format::{Format, FormatError, ImportSettings, import_bytes};
use std::path::Path;

/// Imports changed files of each format, and predicts one image with those that are accepted. A changed weight is a weight, so
/// formats without checksums accept some of them.
pub fn attack(size: Size) -> Vec<Row> {
    Format::ALL.into_iter().flat_map(|format| attack_format(format, size)).collect()
}

fn attack_format(format: Format, size: Size) -> [Row; 2] {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    model_of(CONVOLUTIONS).export(format, &path).unwrap();
    let file = std::fs::read(&path).unwrap();
    let (truncated, changed) = names(format);
    let (mut truncations, mut changes) = (Row::new(truncated), Row::new(changed));
    for length in (0..file.len()).step_by(size.of(file.len() / 200 + 1, 1)) {
        count(&mut truncations, length, &file[..length], format);
    }
    for number in 0..size.of(300, 10_000) {
        count(&mut changes, number, &mutate(&file, &mut Random::new(number as u64)), format);
    }
    [truncations, changes]
}

/// Returns the names of the rows of a format.
fn names(format: Format) -> (&'static str, &'static str) {
    match format {
        Format::Onnx => ("onnx, truncated", "onnx, changed bytes"),
        Format::Keras => ("keras, truncated", "keras, changed bytes"),
        Format::KerasWeights => ("keras-weights, truncated", "keras-weights, changed bytes"),
        Format::LegacyH5 => ("legacy-h5, truncated", "legacy-h5, changed bytes"),
        _ => ("safetensors-pytorch, truncated", "safetensors-pytorch, changed bytes"),
    }
}

fn count(row: &mut Row, number: usize, bytes: &[u8], format: Format) {
    let image = cell(true, 3);
    row.count(&format!("{format} {number}"), || {
        let model = import_bytes(bytes, Path::new("model"), Some(format), &ImportSettings::default())?;
        match model.predict(&image) {
            Ok(prediction) => assert!((0.0..=1.0).contains(&prediction.probability_parasitized), "not a probability"),
            Err(error) => assert!(matches!(error, ModelError::NonFiniteOutput { .. }), "{error}"),
        }
        Ok::<_, FormatError>(())
    });
}
