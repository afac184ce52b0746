//! A safetensors file with a checksum: named f32 arrays and named texts, validated before anything is exposed.
//!
//! The header is written here, in sorted order, so that the same content is the same file byte for byte; it is read by
//! the `safetensors` crate, which checks every offset against the file's size.

use super::ModelError;
use crate::checksum::hexadecimal;
use crate::files::write_whole;
use crate::nn::Tensor;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

/// The texts of a file, by name.
pub type Texts = BTreeMap<String, String>;

/// The text that holds the checksum of all the others and of the arrays.
const CHECKSUM: &str = "sha256";

/// The largest file that is read: far above any network that this program can train.
const MAX_FILE_BYTES: u64 = 1 << 31;

#[derive(Serialize)]
struct TensorEntry<'a> {
    dtype: &'static str,
    shape: &'a [usize],
    data_offsets: [usize; 2],
}

/// Writes texts and arrays so that the file appears whole or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, mut texts: Texts, tensors: &[Tensor]) -> Result<(), ModelError> {
    let data = bytes_of(tensors);
    texts.insert(CHECKSUM.to_owned(), checksum(&texts, &data));
    let io_error = |source: io::Error| ModelError::Io { path: path.display().to_string(), source };
    let header = header(&texts, tensors).map_err(|e| io_error(e.into()))?;
    write_whole(path, |file| {
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        file.write_all(&data)
    })
    .map_err(io_error)
}

/// The values of all arrays, one after the other.
fn bytes_of(tensors: &[Tensor]) -> Vec<u8> {
    let values = tensors.iter().map(|tensor| tensor.values.len()).sum::<usize>();
    let mut bytes = vec![0; values * size_of::<f32>()];
    let mut room = bytes.as_chunks_mut().0;
    for tensor in tensors {
        let (to, rest) = room.split_at_mut(tensor.values.len());
        to.iter_mut().zip(&tensor.values).for_each(|(four, value)| *four = value.to_le_bytes());
        room = rest;
    }
    bytes
}

/// The JSON header, padded with spaces to a multiple of 8 bytes.
fn header(texts: &Texts, tensors: &[Tensor]) -> serde_json::Result<String> {
    let mut entries = serde_json::Map::new();
    entries.insert("__metadata__".to_owned(), serde_json::to_value(texts)?);
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

/// SHA-256 over the texts in the order of their names, each name and text followed by a zero byte, and the arrays.
fn checksum(texts: &Texts, data: &[u8]) -> String {
    let mut hash = Sha256::new();
    for (name, text) in texts.iter().filter(|(name, _)| *name != CHECKSUM) {
        for part in [name, text] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
    }
    hash.update(data);
    hexadecimal(&hash.finalize())
}

/// The bytes of a file; no more is allocated than the file's size.
///
/// # Errors
/// When it cannot be read, or is larger than any model.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, ModelError> {
    let io_error = |source| ModelError::Io { path: path.display().to_string(), source };
    let file = std::fs::File::open(path).map_err(io_error)?;
    let metadata = file.metadata().map_err(io_error)?;
    if metadata.is_dir() {
        return Err(wrong(path, "a model file", "a folder"));
    }
    let mut bytes = Vec::with_capacity(metadata.len().min(MAX_FILE_BYTES) as usize);
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(io_error)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(wrong(path, &format!("at most {MAX_FILE_BYTES} bytes"), "more"));
    }
    Ok(bytes)
}

/// The texts and arrays in the bytes of a file; `path` is for the error alone.
///
/// # Errors
/// When the bytes are no such file, the checksum is another one, or a value is not a finite f32.
pub fn parse(bytes: &[u8], path: &Path) -> Result<(Texts, Vec<Tensor>), ModelError> {
    let (header_length, header) = SafeTensors::read_metadata(bytes)
        .map_err(|e| wrong(path, "a safetensors file", &format!("{} bytes that are none ({e})", bytes.len())))?;
    let texts: Texts = header.metadata().clone().unwrap_or_default().into_iter().collect();
    let found = texts.get(CHECKSUM).ok_or_else(|| wrong(path, "a checksum named `sha256`", "none"))?;
    let expected = checksum(&texts, &bytes[size_of::<u64>() + header_length..]);
    if *found != expected {
        return Err(wrong(path, &format!("content with the SHA-256 {found}"), &expected));
    }
    let file = SafeTensors::deserialize(bytes).map_err(|e| wrong(path, "a safetensors file", &e.to_string()))?;
    let tensors = header.offset_keys().into_iter().map(|name| {
        let view = file.tensor(&name).map_err(|e| wrong(path, "a safetensors file", &e.to_string()))?;
        tensor(name, &view, path)
    });
    Ok((texts, tensors.collect::<Result<_, _>>()?))
}

fn tensor(name: String, view: &TensorView<'_>, path: &Path) -> Result<Tensor, ModelError> {
    if view.dtype() != Dtype::F32 {
        return Err(wrong(path, &format!("`{name}` as F32"), &view.dtype().to_string()));
    }
    let values: Vec<f32> = view.data().as_chunks::<4>().0.iter().map(|&four| f32::from_le_bytes(four)).collect();
    if let Some(value) = values.iter().find(|value| !value.is_finite()) {
        return Err(wrong(path, &format!("finite numbers in `{name}`"), &value.to_string()));
    }
    Ok(Tensor { name, shape: view.shape().to_vec(), values })
}

/// The error for a content that is not what was expected.
pub fn wrong(path: &Path, expected: &str, found: &str) -> ModelError {
    ModelError::Content { path: path.display().to_string(), expected: expected.to_owned(), found: found.to_owned() }
}
