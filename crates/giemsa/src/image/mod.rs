//! Decodes image files within limits, and resizes images.

mod decode;
mod decoded;
mod error;
mod limits;
mod other;
mod png;
pub mod resize;

pub(crate) use decode::starts_like_an_image;
pub use decode::{decode_bytes, decode_file, read_size};
pub use decoded::{ColourMode, Decoded};
pub use error::ImageError;
pub use limits::{MAX_FILE_BYTES, MAX_SIDE_PX};
