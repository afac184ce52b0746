//! Decodes PNG, JPEG, TIFF and BMP. The format is detected from the content, never from the file name.

use super::decoded::{ColourMode, Decoded};
use super::error::ImageError;
use super::limits::MAX_FILE_BYTES;
use super::{other, png};
use crate::input;
use image::ImageFormat;
use std::path::Path;

/// Reads and decodes an image file.
///
/// # Errors
/// If the file cannot be read, is not in a supported format, is damaged or truncated, or exceeds
/// [`MAX_SIDE_PX`](super::MAX_SIDE_PX) or [`MAX_FILE_BYTES`].
pub fn decode_file(path: &Path) -> Result<Decoded, ImageError> {
    decode_bytes(&input::read(path, MAX_FILE_BYTES)?, path)
}

/// Decodes an image in memory.
///
/// `path` appears in error messages only. An orientation stored in the metadata (EXIF) is ignored.
///
/// # Errors
/// See [`decode_file`].
///
/// ```
/// let error = giemsa::image::decode_bytes(b"hello", "notes.png".as_ref()).unwrap_err();
/// assert_eq!(error.to_string(), "notes.png: expected a PNG, JPEG, TIFF or BMP image, found text");
/// ```
pub fn decode_bytes(bytes: &[u8], path: &Path) -> Result<Decoded, ImageError> {
    let decoded = match detect_format(bytes, path)? {
        ImageFormat::Png => png::decode(bytes),
        format => other::decode(bytes, format),
    };
    decoded.map_err(|fault| fault.at(path))
}

/// Reads width, height and colour mode from the header of an image file.
///
/// # Errors
/// See [`decode_file`], except that damage after the header is not detected.
pub fn read_size(path: &Path) -> Result<(u32, u32, ColourMode), ImageError> {
    let bytes = input::read(path, MAX_FILE_BYTES)?;
    let size = match detect_format(&bytes, path)? {
        ImageFormat::Png => png::size(&bytes),
        format => other::size(&bytes, format),
    };
    size.map_err(|fault| fault.at(path))
}

/// Detects the format from the first bytes.
fn detect_format(bytes: &[u8], path: &Path) -> Result<ImageFormat, ImageError> {
    const SIGNATURES: [(&[u8], ImageFormat); 7] = [
        (b"\x89PNG\r\n\x1a\n", ImageFormat::Png),
        (b"\xff\xd8\xff", ImageFormat::Jpeg),
        (b"II*\0", ImageFormat::Tiff),
        (b"MM\0*", ImageFormat::Tiff),
        (b"II+\0", ImageFormat::Tiff),
        (b"MM\0+", ImageFormat::Tiff),
        (b"BM", ImageFormat::Bmp),
    ];
    match SIGNATURES.iter().find(|(start, _)| bytes.starts_with(start)) {
        Some(&(_, format)) => Ok(format),
        None if bytes.is_empty() => Err(ImageError::Empty { path: path.to_owned() }),
        None => Err(ImageError::UnknownFormat { path: path.to_owned(), found: describe(bytes) }),
    }
}

/// Returns whether the first 64 bytes of a file are those of an image rather than of text, which contains no byte 0.
pub(crate) fn starts_like_an_image(start: &[u8]) -> bool {
    detect_format(start, Path::new("")).is_ok() && start.contains(&0)
}

/// Describes content without a known signature, to help find the mistake.
fn describe(bytes: &[u8]) -> String {
    if bytes.starts_with(b"GIF8") {
        "a GIF image".to_owned()
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        "a WebP image".to_owned()
    } else if bytes.iter().take(64).all(|&byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
        "text".to_owned()
    } else {
        let start: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("bytes that start with {}", start.join(" "))
    }
}
