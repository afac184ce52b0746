//! Errors of reading an image.

use super::limits::{MAX_MEMORY_BYTES, MAX_PIXELS, MAX_SIDE_PX};
use crate::input::InputError;
use image::ImageFormat;
use std::path::{Path, PathBuf};

/// An image that cannot be read or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The file cannot be opened or read, or is not a file.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The file contains no bytes.
    #[error("{path}: the file is empty")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The content is not in a supported format.
    #[error("{path}: expected a PNG, JPEG, TIFF or BMP image, found {found}")]
    UnknownFormat {
        /// The file.
        path: PathBuf,
        /// A description of the content, such as `text` or `a GIF image`.
        found: String,
    },
    /// The image is damaged or truncated.
    #[error("{path}: damaged {} image: {reason}", format_name(*.format))]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The format that the first bytes announce.
        format: ImageFormat,
        /// The error of the decoder.
        reason: String,
    },
    /// A side is 0 pixels or longer than [`MAX_SIDE_PX`], or the image has more than [`MAX_PIXELS`].
    #[error(
        "{path}: the image is {width}x{height} pixels; \
         sides of 1 to {MAX_SIDE_PX} pixels and at most {} megapixels are supported",
        MAX_PIXELS / MEGA
    )]
    UnsupportedSize {
        /// The file.
        path: PathBuf,
        /// Width in the header, in pixels.
        width: u32,
        /// Height in the header, in pixels.
        height: u32,
    },
    /// The header announces more pixels than the file can contain.
    #[error("{path}: the header announces {width}x{height} pixels, more than {file_bytes} bytes can contain")]
    ImplausibleSize {
        /// The file.
        path: PathBuf,
        /// Width in the header, in pixels.
        width: u32,
        /// Height in the header, in pixels.
        height: u32,
        /// Size of the file.
        file_bytes: u64,
    },
    /// Decoding the image needs more than [`MAX_MEMORY_BYTES`].
    #[error(
        "{path}: the image is {width}x{height} pixels; decoding its format needs {} MB of memory, \
         and at most {} MB are supported",
        memory_bytes.div_ceil(MEGA),
        MAX_MEMORY_BYTES / MEGA
    )]
    TooMuchMemory {
        /// The file.
        path: PathBuf,
        /// Width in the header, in pixels.
        width: u32,
        /// Height in the header, in pixels.
        height: u32,
        /// The memory that decoding needs.
        memory_bytes: u64,
    },
    /// The image shows a field of a smear, where an image of one cell is required.
    #[error("{path}: a smear photograph with about {cells} cells, not one cell")]
    SeveralCells {
        /// The file.
        path: PathBuf,
        /// The number of cells.
        cells: usize,
    },
    /// The decoder panicked: it has a bug, and the image is probably damaged.
    #[error("{path}: the decoder failed: {message}")]
    Panicked {
        /// The file.
        path: PathBuf,
        /// The message of the panic.
        message: String,
    },
}

const MEGA: u64 = 1_000_000;

impl ImageError {
    /// Returns the file.
    pub fn path(&self) -> &Path {
        match self {
            ImageError::Input(error) => error.path(),
            ImageError::Empty { path }
            | ImageError::UnknownFormat { path, .. }
            | ImageError::Corrupt { path, .. }
            | ImageError::UnsupportedSize { path, .. }
            | ImageError::ImplausibleSize { path, .. }
            | ImageError::TooMuchMemory { path, .. }
            | ImageError::SeveralCells { path, .. }
            | ImageError::Panicked { path, .. } => path,
        }
    }

    /// Returns the message without the path, for output that has the path in a separate column.
    ///
    /// ```
    /// let error = giemsa::image::decode_bytes(b"", "cell.png".as_ref()).unwrap_err();
    /// assert_eq!(error.reason(), "the file is empty");
    /// ```
    pub fn reason(&self) -> String {
        let (message, path) = (self.to_string(), format!("{}: ", self.path().display()));
        message.strip_prefix(&path).unwrap_or(&message).to_owned()
    }
}

fn format_name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Png => "PNG",
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::Tiff => "TIFF",
        _ => "BMP",
    }
}

/// An error of a decoder, which works on bytes and has no path.
#[derive(Debug)]
pub(super) enum Fault {
    Corrupt { format: ImageFormat, reason: String },
    UnsupportedSize { width: u32, height: u32 },
    ImplausibleSize { width: u32, height: u32, file_bytes: u64 },
    TooMuchMemory { width: u32, height: u32, memory_bytes: u64 },
    Panicked { message: String },
}

impl Fault {
    pub fn corrupt(format: ImageFormat, reason: impl std::fmt::Display) -> Fault {
        Fault::Corrupt { format, reason: reason.to_string() }
    }

    /// Adds the path of the file.
    pub fn at(self, path: &Path) -> ImageError {
        let path = path.to_owned();
        match self {
            Fault::Corrupt { format, reason } => ImageError::Corrupt { path, format, reason },
            Fault::UnsupportedSize { width, height } => ImageError::UnsupportedSize { path, width, height },
            Fault::ImplausibleSize { width, height, file_bytes } => {
                ImageError::ImplausibleSize { path, width, height, file_bytes }
            }
            Fault::TooMuchMemory { width, height, memory_bytes } => {
                ImageError::TooMuchMemory { path, width, height, memory_bytes }
            }
            Fault::Panicked { message } => ImageError::Panicked { path, message },
        }
    }
}
