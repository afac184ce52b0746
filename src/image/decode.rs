//! Decodes PNG, JPEG, TIFF and BMP, told apart by content, within limits.

use image::RgbImage;
use std::path::Path;

/// How a file stores its colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum ColourMode {
    Rgb,
    Rgba,
    Grey,
    GreyAlpha,
    Palette,
    Rgb16,
    Rgba16,
    Grey16,
    Other,
}

/// An image as it was in its file.
pub struct Decoded {
    /// 8 bits a channel; alpha is laid on black, 16 bits are scaled down, grey and palette are expanded.
    pub pixels: RgbImage,
    /// How the file stored it.
    pub colour_mode: ColourMode,
}

/// An image that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// It cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is none of the formats, or broken.
    #[error("{path}: expected {expected}, found {found}")]
    Content {
        /// The file.
        path: String,
        /// What an image has.
        expected: String,
        /// What this file has.
        found: String,
    },
}

/// The largest side that is decoded, in pixels; a larger image is refused from its header.
pub const MAX_SIDE_PX: u32 = 8192;

/// Decodes a file.
pub fn decode_file(path: &Path) -> Result<Decoded, ImageError> {
    let _ = path;
    todo!()
}

/// Decodes bytes; `path` is for the error alone.
pub fn decode_bytes(bytes: &[u8], path: &Path) -> Result<Decoded, ImageError> {
    let _ = (bytes, path);
    todo!()
}

/// Width, height and colour mode from the header alone.
pub fn read_size(path: &Path) -> Result<(u32, u32, ColourMode), ImageError> {
    let _ = path;
    todo!()
}
