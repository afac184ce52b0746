//! Keras files of an attacker: each is an error or a valid model, and none makes the parser panic.

use crate::keras_files::golden_file;
use giemsa::model::format::{self, Format, FormatError, ImportSettings};
use giemsa::model::{Model, Recipe};
use giemsa::nn::Network;
use std::io::Write;
use std::path::Path;
use zip::write::SimpleFileOptions;

const FORMATS: [Format; 3] = [Format::Keras, Format::KerasWeights, Format::LegacyH5];

fn import(bytes: &[u8], format: Format) -> Result<Model, FormatError> {
    format::import_bytes(bytes, Path::new("hostile"), Some(format), &ImportSettings::default())
}

/// A small model in a format, as this program writes it.
fn small(format: Format) -> Vec<u8> {
    let text = "
        name = 'small'
        input = { side_px = 2, resize = 'stretch_nearest' }
        layers = [
            { kind = 'conv2d', filters = 2, kernel = 1, batch_norm = true, activation = 'relu' },
            { kind = 'flatten' },
            { kind = 'dense', units = 1, activation = 'sigmoid' },
        ]
        training = { epochs = 1, batch_size = 1, learning_rate = 0.1 }";
    let recipe = Recipe::parse(text, "small.toml").unwrap();
    let network = Network::new(recipe.input_shape(), &recipe.layers, 0).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small");
    Model::new(recipe, network).export(format, &path).unwrap();
    std::fs::read(path).unwrap()
}

/// Numbers that look random: a multiplicative congruential generator with the parameters of Steele and Vigna 2022.
fn numbers() -> impl FnMut(usize) -> usize {
    let mut state = 1_u64;
    move |limit| {
        state = state.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(1);
        (state >> 33) as usize % limit
    }
}

#[test]
fn every_truncation_is_an_error() {
    for format in FORMATS {
        let bytes = small(format);
        import(&bytes, format).unwrap();
        for length in 0..bytes.len() {
            assert!(import(&bytes[..length], format).is_err(), "{format}: {length} bytes of {}", bytes.len());
            if length >= 8 {
                let _ = Format::detect(&bytes[..length]);
            }
        }
    }
}

/// Imports a file with 1 to 4 changed bytes, many times.
fn mutate(bytes: &[u8], format: Format, times: usize) {
    import(bytes, format).unwrap();
    let (mut number, mut errors) = (numbers(), 0);
    for _ in 0..times {
        let mut changed = bytes.to_vec();
        for _ in 0..=number(4) {
            let at = number(changed.len());
            changed[at] = [0, 1, 0x7f, 0xff, changed[at] ^ 1 << number(8), number(256) as u8][number(6)];
        }
        errors += usize::from(import(&changed, format).is_err());
    }
    assert!((times / 10..times).contains(&errors), "{format}: {errors} errors");
}

#[test]
fn ten_thousand_mutations_are_errors_or_valid_models() {
    FORMATS.into_iter().for_each(|format| mutate(&small(format), format, 10_000));
}

#[test]
fn mutations_of_files_of_keras_are_errors_or_valid_models() {
    for (name, format) in [("sequential.keras", Format::Keras), ("keras2_functional.h5", Format::LegacyH5)] {
        mutate(&std::fs::read(golden_file(name)).unwrap(), format, 1000);
    }
}

fn message(bytes: &[u8], format: Format) -> String {
    import(bytes, format).unwrap_err().to_string()
}

#[test]
fn names_without_end_in_a_file_of_keras_are_an_error() {
    let mut bytes = std::fs::read(golden_file("keras2_sequential.h5")).unwrap();
    // A local heap: its signature, its version, and at offset 24 the address of its names.
    for at in (0..bytes.len() - 32).filter(|&at| bytes[at..].starts_with(b"HEAP\0")).collect::<Vec<_>>() {
        let names = u64::from_le_bytes(bytes[at + 24..at + 32].try_into().unwrap()) as usize;
        let size = u64::from_le_bytes(bytes[at + 8..at + 16].try_into().unwrap()) as usize;
        // As long as the file allows.
        let longest = (bytes.len() - names) as u64;
        bytes[names..names + size].fill(b'a');
        bytes[at + 8..at + 16].copy_from_slice(&longest.to_le_bytes());
    }
    bytes.extend([b'a'; 2000]);
    let found = message(&bytes, Format::LegacyH5);
    assert!(found.contains("a name is longer than 1024 bytes"), "{found}");
}

/// The name and the content of an entry of an archive.
type Entry<'a> = (&'a str, &'a [u8]);

/// A zip archive with these entries.
fn archive(entries: &[Entry]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in entries {
        archive.start_file(*name, SimpleFileOptions::default()).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn refuses_other_archives_and_entries_that_are_too_large() {
    let bomb = vec![b' '; 2 << 20];
    let cases: [(&[Entry], &str); 7] = [
        (&[], "expected an entry `config.json`, found none"),
        (&[("config.json", b"{}")], "expected an entry `model.weights.h5`, found none"),
        (&[("config.json", b"{}"), ("model.weights.npz", b"")], "unsupported entry `model.weights.npz`"),
        (&[("config.json", b"{}"), ("model.weights.json", b"")], "unsupported entry `model.weights.json`"),
        (&[("arr_0.npy", b"")], "unsupported entry `arr_0.npy`: expected a Keras file, found a NumPy archive"),
        (&[("config.json", &bomb)], "configuration: expected at most 1048576 bytes"),
        (&[("config.json", b"{}"), ("model.weights.h5", &bomb)], "model.weights.h5: expected at most"),
    ];
    for (entries, expected) in cases {
        let found = message(&archive(entries), Format::Keras);
        assert!(found.contains(expected), "{found}");
    }
}
