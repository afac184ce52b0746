//! Decodes image files within limits, and resizes images.

mod bmp;
mod boundary;
mod decode;
mod decoded;
mod error;
mod jpeg;
mod limits;
mod memory;
mod png;
pub mod resize;
mod tiff;

pub use boundary::is_decoding;
pub use decode::{decode_bytes, decode_file, read_size, read_size_of_bytes};
pub(crate) use decode::{decode_file_and, starts_like_an_image};
pub use decoded::{ColourMode, Decoded};
pub use error::ImageError;
pub use limits::{MAX_FILE_BYTES, MAX_MEMORY_BYTES, MAX_PIXELS, MAX_SIDE_PX};
