//! Safetensors files with a checksum: named f32 arrays and metadata, validated before anything is returned.
//!
//! This module writes the header itself, in sorted order, so that the same content has the same bytes. The
//! `safetensors` crate reads it, and checks every offset against the size of the file.

use super::ModelError;
use crate::checksum::hexadecimal;
use crate::input;
use crate::nn::Tensor;
use crate::output::write_atomically;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// The metadata of a file: texts by key.
pub type Metadata = BTreeMap<String, String>;

/// The key of the checksum over the other metadata and the arrays.
const CHECKSUM: &str = "sha256";

/// The largest file that is read, far above any network that giemsa can train.
const MAX_FILE_BYTES: u64 = 1 << 31;

#[derive(Serialize)]
struct TensorEntry<'a> {
    dtype: &'static str,
    shape: &'a [usize],
    data_offsets: [usize; 2],
}

/// Writes metadata and arrays atomically: the file appears complete or not at all.
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path, mut metadata: Metadata, tensors: &[Tensor]) -> Result<(), ModelError> {
    let data = bytes_of(tensors);
    metadata.insert(CHECKSUM.to_owned(), checksum(&metadata, &data));
    let io_error = |source: io::Error| ModelError::Write { path: path.to_owned(), source };
    let header = header(&metadata, tensors).map_err(|e| io_error(e.into()))?;
    write_atomically(path, |file| {
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        file.write_all(&data)
    })
    .map_err(io_error)
}

/// Concatenates the values of all arrays, little-endian.
fn bytes_of(tensors: &[Tensor]) -> Vec<u8> {
    let values = tensors.iter().map(|tensor| tensor.values.len()).sum::<usize>();
    let mut bytes = vec![0; values * size_of::<f32>()];
    let mut remaining = bytes.as_chunks_mut().0;
    for tensor in tensors {
        let (to, rest) = remaining.split_at_mut(tensor.values.len());
        to.iter_mut().zip(&tensor.values).for_each(|(four, value)| *four = value.to_le_bytes());
        remaining = rest;
    }
    bytes
}

/// Returns the JSON header, padded with spaces to a multiple of 8 bytes.
fn header(metadata: &Metadata, tensors: &[Tensor]) -> serde_json::Result<String> {
    let mut entries = serde_json::Map::new();
    entries.insert("__metadata__".to_owned(), serde_json::to_value(metadata)?);
    let mut offset = 0;
    for tensor in tensors {
        let end = offset + tensor.values.len() * size_of::<f32>();
        let entry = TensorEntry { dtype: "F32", shape: &tensor.shape, data_offsets: [offset, end] };
        entries.insert(tensor.name.clone(), serde_json::to_value(entry)?);
        offset = end;
    }
    let mut header = serde_json::to_string(&entries)?;
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    Ok(header)
}

/// Computes the SHA-256 checksum of the metadata in the order of its keys, each key and each text followed by a zero
/// byte, and the arrays.
fn checksum(metadata: &Metadata, data: &[u8]) -> String {
    let mut hash = Sha256::new();
    for (key, text) in metadata.iter().filter(|(key, _)| *key != CHECKSUM) {
        for part in [key, text] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
    }
    hash.update(data);
    hexadecimal(&hash.finalize())
}

/// Reads a file, and allocates no more than its size.
///
/// # Errors
/// If the file cannot be read, or is larger than any model.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, ModelError> {
    Ok(input::read(path, MAX_FILE_BYTES)?)
}

/// Reads the metadata and arrays from the bytes of a file. `path` appears in errors only.
///
/// # Errors
/// If the bytes are not such a file, the checksum does not match, or a value is not a finite f32.
pub fn parse(bytes: &[u8], path: &Path) -> Result<(Metadata, Vec<Tensor>), ModelError> {
    let not_safetensors =
        |e: safetensors::SafeTensorError| ModelError::NotSafetensors { path: path.to_owned(), reason: e.to_string() };
    let (header_length, header) = SafeTensors::read_metadata(bytes).map_err(not_safetensors)?;
    let metadata: Metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
    let expected = text(&metadata, CHECKSUM, path)?;
    let found = checksum(&metadata, &bytes[size_of::<u64>() + header_length..]);
    if *expected != found {
        return Err(ModelError::ChecksumMismatch { path: path.to_owned(), expected: expected.to_owned(), found });
    }
    let file = SafeTensors::deserialize(bytes).map_err(not_safetensors)?;
    let tensors = header.offset_keys().into_iter().map(|name| {
        let view = file.tensor(&name).map_err(not_safetensors)?;
        tensor(name, &view, path)
    });
    Ok((metadata, tensors.collect::<Result<_, _>>()?))
}

/// Returns a text of the metadata.
///
/// # Errors
/// If the metadata lacks the key.
pub fn text<'a>(metadata: &'a Metadata, key: &'static str, path: &Path) -> Result<&'a str, ModelError> {
    metadata.get(key).map(String::as_str).ok_or_else(|| ModelError::MissingMetadata { path: path.to_owned(), key })
}

fn tensor(name: String, view: &TensorView<'_>, path: &Path) -> Result<Tensor, ModelError> {
    if view.dtype() != Dtype::F32 {
        let found = view.dtype().to_string();
        return Err(ModelError::WrongDataType { path: path.to_owned(), tensor: name, found });
    }
    let values: Vec<f32> = view.data().as_chunks::<4>().0.iter().map(|&four| f32::from_le_bytes(four)).collect();
    let tensor = Tensor { name, shape: view.shape().to_vec(), values };
    check_finite(&tensor, path)?;
    Ok(tensor)
}

/// Checks that an array contains finite numbers only.
///
/// # Errors
/// [`ModelError::NonFiniteWeight`] with the first value that is not finite.
pub fn check_finite(tensor: &Tensor, path: &Path) -> Result<(), ModelError> {
    match tensor.values.iter().find(|value| !value.is_finite()) {
        Some(&value) => Err(ModelError::NonFiniteWeight { path: path.to_owned(), tensor: tensor.name.clone(), value }),
        None => Ok(()),
    }
}
