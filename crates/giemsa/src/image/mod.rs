//! Bytes to pixels: decoding with limits, and resizing.

pub mod decode;
mod other;
mod png;
pub mod resize;

pub use decode::{ColourMode, Decoded, ImageError, decode_bytes, decode_file, read_size};
