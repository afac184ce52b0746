//! SHA-256 of files and bytes.

use crate::input::{self, InputError};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

/// Computes the SHA-256 of bytes as hexadecimal digits.
///
/// ```
/// // The first example of FIPS 180-2.
/// let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
/// assert_eq!(giemsa::checksum::sha256_of_bytes(b"abc"), expected);
/// ```
#[must_use]
pub fn sha256_of_bytes(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// Computes the SHA-256 of a file as hexadecimal digits.
///
/// # Errors
/// If the file cannot be read.
pub fn sha256_of_file(path: &Path) -> Result<String, InputError> {
    let mut sha256 = Sha256::new();
    let (mut file, _) = input::open(path)?;
    hash_rest(&mut file, &mut sha256).map_err(|source| InputError::Io { path: path.to_owned(), source })?;
    Ok(hexadecimal(&sha256.finalize()))
}

/// Adds the rest of a file to a hash, and returns the position of its end in bytes.
///
/// # Errors
/// If the file cannot be read.
pub(crate) fn hash_rest(file: &mut File, sha256: &mut Sha256) -> io::Result<u64> {
    let mut buffer = vec![0; 64 << 10];
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(bytes),
            read => sha256.update(&buffer[..read]),
        }
        bytes = file.stream_position()?;
    }
}

/// Formats bytes as hexadecimal digits, two per byte.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
