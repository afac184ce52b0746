//! Decodes a BMP image. The signature is prepended, so that every input reaches its decoder.

#![no_main]

use giemsa::image::{ImageError, decode_bytes};
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|data: &[u8]| {
    let bytes = [&b"BM"[..], data].concat();
    let result = decode_bytes(&bytes, Path::new("cell"));
    assert!(!matches!(result, Err(ImageError::Panicked { .. })), "{result:?}");
});
