//! Decodes PNG, JPEG, TIFF and BMP, told apart by content, within limits.

use super::{other, png};
use image::{ImageFormat, RgbImage};
use std::fs::File;
use std::io::Read;
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

impl ColourMode {
    /// Its name, as JSON has it.
    pub fn name(self) -> &'static str {
        match self {
            ColourMode::Rgb => "rgb",
            ColourMode::Rgba => "rgba",
            ColourMode::Grey => "grey",
            ColourMode::GreyAlpha => "grey_alpha",
            ColourMode::Palette => "palette",
            ColourMode::Rgb16 => "rgb16",
            ColourMode::Rgba16 => "rgba16",
            ColourMode::Grey16 => "grey16",
            ColourMode::Other => "other",
        }
    }
}

/// An image as it was in its file.
#[derive(Debug)]
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

/// The largest file that is read: the largest image at 16 bits in four channels, uncompressed, with room for metadata.
pub const MAX_FILE_BYTES: u64 = 8 * (MAX_SIDE_PX as u64).pow(2) + (16 << 20);

/// Decodes a file.
///
/// # Errors
/// When the file cannot be read, is none of the formats, is broken or cut short, or is larger than [`MAX_SIDE_PX`].
pub fn decode_file(path: &Path) -> Result<Decoded, ImageError> {
    decode_bytes(&read_file(path)?, path)
}

/// Decodes bytes; `path` is for the error alone.
///
/// The orientation that a camera noted beside the pixels is left alone.
///
/// # Errors
/// As for [`decode_file`].
///
/// ```
/// let error = giemsa::image::decode_bytes(b"hello", "notes.png".as_ref()).unwrap_err();
/// assert_eq!(error.to_string(), "notes.png: expected a PNG, JPEG, TIFF or BMP image, found text");
/// ```
pub fn decode_bytes(bytes: &[u8], path: &Path) -> Result<Decoded, ImageError> {
    let decoded = match format_of(bytes) {
        Some(ImageFormat::Png) => png::decode(bytes),
        Some(format) => other::decode(bytes, format),
        None => Err(no_image(bytes)),
    };
    decoded.map_err(|fault| fault.at(path))
}

/// Width, height and colour mode from the header alone.
///
/// # Errors
/// As for [`decode_file`], but damage behind the header goes unseen.
pub fn read_size(path: &Path) -> Result<(u32, u32, ColourMode), ImageError> {
    let bytes = read_file(path)?;
    let size = match format_of(&bytes) {
        Some(ImageFormat::Png) => png::size(&bytes),
        Some(format) => other::size(&bytes, format),
        None => Err(no_image(&bytes)),
    };
    size.map_err(|fault| fault.at(path))
}

/// What is wrong with bytes, before their file's name is known.
pub(super) struct Fault {
    pub expected: String,
    pub found: String,
}

impl Fault {
    /// The format's decoder met something that it cannot use.
    pub fn broken(format: &str, found: impl std::fmt::Display) -> Fault {
        Fault { expected: format!("a whole {format} image"), found: found.to_string() }
    }

    fn at(self, path: &Path) -> ImageError {
        ImageError::Content { path: path.display().to_string(), expected: self.expected, found: self.found }
    }
}

/// Pixels that a byte can stand for: 8 pixels of 1 bit times the 1032 of deflate or the 1365 of TIFF's LZW, rounded up.
const MAX_PIXELS_PER_BYTE: u64 = 16_384;

/// Refuses an image without pixels, with a side beyond [`MAX_SIDE_PX`], or with more pixels than its file can hold.
pub(super) fn check_size(width: u32, height: u32, file_bytes: usize) -> Result<(), Fault> {
    if !(1..=MAX_SIDE_PX).contains(&width) || !(1..=MAX_SIDE_PX).contains(&height) {
        let expected = format!("sides of 1 to {MAX_SIDE_PX} pixels");
        return Err(Fault { expected, found: format!("{width}x{height} pixels") });
    }
    if u64::from(width) * u64::from(height) > MAX_PIXELS_PER_BYTE * file_bytes as u64 {
        let found = format!("{file_bytes} bytes");
        return Err(Fault { expected: format!("a file that can hold {width}x{height} pixels"), found });
    }
    Ok(())
}

/// The file's bytes, in one read where its length is known.
fn read_file(path: &Path) -> Result<Vec<u8>, ImageError> {
    let read_error = |source| ImageError::Read { path: path.display().to_string(), source };
    let file = File::open(path).map_err(read_error)?;
    let length = file.metadata().map_err(read_error)?.len();
    let mut bytes = Vec::with_capacity(length.min(MAX_FILE_BYTES) as usize + 1);
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(read_error)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let expected = format!("an image file of up to {MAX_FILE_BYTES} bytes");
        return Err(Fault { expected, found: "a larger file".into() }.at(path));
    }
    Ok(bytes)
}

/// The format by its first bytes; the file's extension is never looked at.
fn format_of(bytes: &[u8]) -> Option<ImageFormat> {
    const SIGNATURES: [(&[u8], ImageFormat); 7] = [
        (b"\x89PNG\r\n\x1a\n", ImageFormat::Png),
        (b"\xff\xd8\xff", ImageFormat::Jpeg),
        (b"II*\0", ImageFormat::Tiff),
        (b"MM\0*", ImageFormat::Tiff),
        (b"II+\0", ImageFormat::Tiff),
        (b"MM\0+", ImageFormat::Tiff),
        (b"BM", ImageFormat::Bmp),
    ];
    SIGNATURES.iter().find(|(start, _)| bytes.starts_with(start)).map(|&(_, format)| format)
}

/// Says what bytes without a known signature look like, as far as that helps to find the mistake.
fn no_image(bytes: &[u8]) -> Fault {
    let found = if bytes.is_empty() {
        "an empty file".into()
    } else if bytes.starts_with(b"GIF8") {
        "a GIF image".into()
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        "a WebP image".into()
    } else if bytes.iter().take(64).all(|&byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
        "text".into()
    } else {
        let start: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("bytes that start {}", start.join(" "))
    };
    Fault { expected: "a PNG, JPEG, TIFF or BMP image".into(), found }
}
