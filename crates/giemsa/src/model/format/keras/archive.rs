//! The zip archive of Keras 3: the configuration and the weights.

use super::super::FormatError;
use super::super::source::Source;
use std::io::{self, Cursor, Read, Write};
use zip::result::ZipError;
use zip::write::{SimpleFileOptions, ZipWriter};
use zip::{CompressionMethod, DateTime, ZipArchive};

const METADATA: &str = "metadata.json";
const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.weights.h5";

/// The largest configuration: Keras writes about 1 KiB per layer. Parsed, it takes at most a hundred times as much memory.
pub(super) const MAX_CONFIG_BYTES: u64 = 1 << 20;
/// How many times the size of the archive the weights may have. Keras does not compress them; if another tool does, the zeros of
/// a new optimizer vanish, which are two thirds of a file.
const MAX_WEIGHTS_RATIO: u64 = 4;

/// Returns the content of a `.keras` file, with a fixed date.
pub(super) fn write(config: &str, weights: &[u8]) -> io::Result<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default());
    let metadata = r#"{"keras_version": "3.15.1", "date_saved": "1980-01-01@00:00:00"}"#;
    for (name, content) in [(METADATA, metadata.as_bytes()), (CONFIG, config.as_bytes()), (WEIGHTS, weights)] {
        archive.start_file(name, options)?;
        archive.write_all(content)?;
    }
    Ok(archive.finish()?.into_inner())
}

/// Reads the configuration and the weights.
///
/// # Errors
/// If it is not a zip archive, lacks one of them, or is compressed so much that it could exhaust the memory.
pub(super) fn read(bytes: &[u8], source: Source) -> Result<(String, Vec<u8>), FormatError> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|e| source.malformed(e))?;
    check_names(archive.file_names(), source)?;
    let config = entry(&mut archive, CONFIG, MAX_CONFIG_BYTES, config_too_large, source)?;
    let config = String::from_utf8(config).map_err(|e| source.malformed(format!("{CONFIG}: {e}")))?;
    let limit = bytes.len() as u64 * MAX_WEIGHTS_RATIO;
    let too_large = || format!("{WEIGHTS}: expected at most {limit} bytes, {MAX_WEIGHTS_RATIO} times the archive");
    let weights = entry(&mut archive, WEIGHTS, limit, too_large, source)?;
    Ok((config, weights))
}

pub(super) fn config_too_large() -> String {
    format!("configuration: expected at most {MAX_CONFIG_BYTES} bytes")
}

/// Refuses other archives, and weights in other files than the one of HDF5.
fn check_names<'a>(mut names: impl Iterator<Item = &'a str>, source: Source) -> Result<(), FormatError> {
    let part = |name: &str| format!("entry `{}`", name.chars().take(64).collect::<String>());
    let refused = names.find_map(|name| match name {
        "model.weights.npz" => Some((name, "expected weights in an HDF5 file, found a NumPy archive")),
        "model.weights.json" => Some((name, "expected weights in one file, found several shards")),
        _ if name.ends_with(".npy") => Some((name, "expected a Keras file, found a NumPy archive")),
        _ => None,
    });
    refused.map_or(Ok(()), |(name, reason)| Err(source.unsupported(part(name), reason)))
}

/// Reads an entry of at most `limit` bytes.
fn entry(
    archive: &mut ZipArchive<Cursor<&[u8]>>,
    name: &str,
    limit: u64,
    too_large: impl FnOnce() -> String,
    source: Source,
) -> Result<Vec<u8>, FormatError> {
    let file = archive.by_name(name).map_err(|error| match error {
        ZipError::FileNotFound => source.malformed(format!("expected an entry `{name}`, found none")),
        error => source.malformed(format!("{name}: {error}")),
    })?;
    let mut content = Vec::new();
    file.take(limit + 1).read_to_end(&mut content).map_err(|e| source.malformed(format!("{name}: {e}")))?;
    if content.len() as u64 > limit {
        return Err(source.malformed(too_large()));
    }
    Ok(content)
}
