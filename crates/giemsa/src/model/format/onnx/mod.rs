//! ONNX files.
//!
//! The graph that is written starts with the bytes of preprocessed images and ends with probabilities, so that other programs
//! need only resize images. Sequential graphs of the same operators are read, whichever program wrote them.

mod activations;
mod arrays;
mod dims;
mod elements;
mod layers;
mod messages;
mod network;
mod node;
mod operators;
mod outputs;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub(super) use read::read;
pub(super) use write::write;

/// The name of the input.
const INPUT: &str = "image";
/// The names of the outputs, in the order of the units of the last layer.
const OUTPUTS: [&str; 2] = ["probability_parasitized", "probability_red_cell"];

/// Returns whether the content looks like an ONNX file: it starts with the version of the format, field 1, and a field that can
/// follow it, such as the name of the program that wrote it, field 2.
pub(super) fn is_onnx(bytes: &[u8]) -> bool {
    matches!(bytes, [0x08, 1..=0x7f, 0x12 | 0x1a | 0x22 | 0x28 | 0x32 | 0x3a | 0x42, ..])
}
