//! Safetensors files with a checksum: named f32 arrays and metadata, validated before anything is returned.
//!
//! This module writes the header itself, in sorted order, so that the same content has the same bytes. The
//! `safetensors` crate reads it, and checks every offset against the size of the file.

mod header;

use super::ModelError;
use crate::checksum::hexadecimal;
use crate::input::{self, InputError};
use crate::nn::Tensor;
use crate::nn::architecture::MAX_WEIGHTS;
use crate::output::write_atomically;
use safetensors::tensor::{Dtype, SafeTensors, TensorInfo};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// The metadata of a file: texts by key.
pub type Metadata = BTreeMap<String, String>;

/// The key of the checksum over the other metadata and the arrays.
const CHECKSUM: &str = "sha256";

/// The largest header, with room for a checkpoint of the largest number of layers and ten thousand epochs. The JSON parser
/// needs about twenty times as much memory.
const MAX_HEADER_BYTES: usize = 4 << 20;
/// The largest file: a checkpoint of the largest network, which contains the weights, two moments and an average.
const MAX_FILE_BYTES: u64 = 4 * MAX_WEIGHTS * size_of::<f32>() as u64 + MAX_HEADER_BYTES as u64;

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
    let header = header(&metadata, &[], tensors).map_err(|e| io_error(e.into()))?;
    if header.len() > MAX_HEADER_BYTES {
        return Err(ModelError::HeaderTooLarge { path: path.to_owned(), limit_bytes: MAX_HEADER_BYTES });
    }
    write_atomically(path, |file| {
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        file.write_all(&data)
    })
    .map_err(io_error)
}

/// Returns the bytes of a file without a checksum: for each name in `counters` a 64-bit integer 0 without dimensions, and the
/// arrays.
///
/// # Errors
/// If the metadata cannot be written as JSON.
#[cfg(feature = "formats")]
pub fn to_bytes(metadata: &Metadata, counters: &[String], tensors: &[Tensor]) -> serde_json::Result<Vec<u8>> {
    let header = header(metadata, counters, tensors)?;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(vec![0; counters.len() * size_of::<u64>()]);
    bytes.extend(bytes_of(tensors));
    Ok(bytes)
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
fn header(metadata: &Metadata, counters: &[String], tensors: &[Tensor]) -> serde_json::Result<String> {
    let mut entries = serde_json::Map::new();
    entries.insert("__metadata__".to_owned(), serde_json::to_value(metadata)?);
    let mut offset = 0;
    let mut push = |name: &str, dtype: &'static str, shape: &[usize], bytes: usize| {
        let entry = TensorEntry { dtype, shape, data_offsets: [offset, offset + bytes] };
        entries.insert(name.to_owned(), serde_json::to_value(entry)?);
        offset += bytes;
        Ok::<(), serde_json::Error>(())
    };
    counters.iter().try_for_each(|name| push(name, "I64", &[], size_of::<u64>()))?;
    tensors
        .iter()
        .try_for_each(|tensor| push(&tensor.name, "F32", &tensor.shape, tensor.values.len() * size_of::<f32>()))?;
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

/// Reads the bytes of a file.
///
/// # Errors
/// If the file cannot be read or is larger than any model.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, InputError> {
    input::read(path, MAX_FILE_BYTES)
}

/// Reads the metadata and arrays of a file. Allocates two times its size, and keeps one.
///
/// # Errors
/// If the file cannot be read or is larger than any model, or as [`parse`].
pub fn read(path: &Path) -> Result<(Metadata, Vec<Tensor>), ModelError> {
    parse(&read_bytes(path)?, path)
}

/// Reads the metadata and arrays from the bytes of a file. `path` appears in errors only.
///
/// # Errors
/// If the bytes are not such a file, the header is too large, the checksum does not match, or a value is not a finite f32.
pub fn parse(bytes: &[u8], path: &Path) -> Result<(Metadata, Vec<Tensor>), ModelError> {
    let (metadata, header, data) = split(bytes, path)?;
    let expected = text(&metadata, CHECKSUM, path)?;
    let found = checksum(&metadata, data);
    if *expected != found {
        return Err(ModelError::ChecksumMismatch { path: path.to_owned(), expected: expected.to_owned(), found });
    }
    Ok((metadata, tensors(&header, data, path, |_| true)?))
}

/// Reads the metadata and the arrays of the given names from the bytes of a safetensors file, which needs no checksum.
///
/// # Errors
/// If the bytes are not such a file, the header is too large, or a value is not a finite f32.
#[cfg(feature = "formats")]
pub fn parse_any(
    bytes: &[u8],
    path: &Path,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<(Metadata, Vec<Tensor>), ModelError> {
    let (metadata, header, data) = split(bytes, path)?;
    let tensors = tensors(&header, data, path, is_wanted)?;
    Ok((metadata, tensors))
}

/// Splits the bytes of a file into the metadata, the list of arrays, and their data.
fn split<'a>(bytes: &'a [u8], path: &Path) -> Result<(Metadata, safetensors::tensor::Metadata, &'a [u8]), ModelError> {
    check_header(bytes, path)?;
    let (header_length, header) = SafeTensors::read_metadata(bytes)
        .map_err(|e| ModelError::NotSafetensors { path: path.to_owned(), reason: e.to_string() })?;
    let metadata: Metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
    Ok((metadata, header, &bytes[size_of::<u64>() + header_length..]))
}

/// Copies the arrays of the given names.
fn tensors(
    header: &safetensors::tensor::Metadata,
    data: &[u8],
    path: &Path,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Tensor>, ModelError> {
    let names = header.offset_keys().into_iter().filter(|name| is_wanted(name));
    let named = names.filter_map(|name| header.info(&name).map(|info| (name, info)));
    named.map(|(name, info)| tensor(name, info, data, path)).collect()
}

/// Checks the header before it is parsed.
fn check_header(bytes: &[u8], path: &Path) -> Result<(), ModelError> {
    let Some((length, rest)) = bytes.split_first_chunk() else { return Ok(()) };
    // A header that ends after the file is an error of the format, which `SafeTensors` reports.
    let Some(header) = rest.get(..usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX)) else {
        return Ok(());
    };
    if header.len() > MAX_HEADER_BYTES {
        return Err(ModelError::HeaderTooLarge { path: path.to_owned(), limit_bytes: MAX_HEADER_BYTES });
    }
    header::check(header)
        .map_err(|e| ModelError::NotSafetensors { path: path.to_owned(), reason: format!("invalid header: {e}") })
}

/// Returns a text of the metadata.
///
/// # Errors
/// If the metadata lacks the key.
pub fn text<'a>(metadata: &'a Metadata, key: &'static str, path: &Path) -> Result<&'a str, ModelError> {
    metadata.get(key).map(String::as_str).ok_or_else(|| ModelError::MissingMetadata { path: path.to_owned(), key })
}

/// Copies an array from the data of a file, which contains it according to the header.
fn tensor(name: String, info: &TensorInfo, data: &[u8], path: &Path) -> Result<Tensor, ModelError> {
    if info.dtype != Dtype::F32 {
        let found = info.dtype.to_string();
        return Err(ModelError::WrongDataType { path: path.to_owned(), tensor: name, found });
    }
    let bytes = &data[info.data_offsets.0..info.data_offsets.1];
    let mut values: Vec<f32> = Vec::new();
    values
        .try_reserve_exact(bytes.len() / size_of::<f32>())
        .map_err(|_| ModelError::OutOfMemory { path: path.to_owned(), bytes: bytes.len() as u64 })?;
    values.extend(bytes.as_chunks::<4>().0.iter().map(|&four| f32::from_le_bytes(four)));
    let tensor = Tensor { name, shape: info.shape.clone(), values };
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
