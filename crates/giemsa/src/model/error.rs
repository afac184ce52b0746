//! Errors of model files and of predictions.

use super::RecipeError;
use crate::image::ImageError;
use crate::input::InputError;
use crate::nn::ArchitectureError;
use std::path::PathBuf;

/// A model that cannot be read, written or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The file cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The file cannot be written.
    #[error("{}: {source}", path.display())]
    Write {
        /// The model file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The content is not in the safetensors format, or is truncated.
    #[error("{}: not a safetensors file ({reason})", path.display())]
    NotSafetensors {
        /// The model file.
        path: PathBuf,
        /// The first violation of the format.
        reason: String,
    },
    /// The header, with the metadata and the list of arrays, is larger than that of any model.
    #[error("{}: expected metadata and a list of arrays of at most {limit_bytes} bytes, found more", path.display())]
    HeaderTooLarge {
        /// The model file.
        path: PathBuf,
        /// The largest size of a header.
        limit_bytes: usize,
    },
    /// There is not enough memory for the model.
    #[error("{}: not enough memory for the model, which needs {bytes} bytes", path.display())]
    OutOfMemory {
        /// The model file.
        path: PathBuf,
        /// The size that could not be allocated.
        bytes: u64,
    },
    /// The checksum in the metadata is not that of the content: the file is damaged.
    #[error(
        "{}: the file is damaged: its SHA-256 checksum is {found}, but its metadata contains {expected}",
        path.display()
    )]
    ChecksumMismatch {
        /// The model file.
        path: PathBuf,
        /// The checksum in the metadata, in hexadecimal digits.
        expected: String,
        /// The checksum of the content, in hexadecimal digits.
        found: String,
    },
    /// The metadata lacks a key.
    #[error("{}: not a giemsa model: its metadata has no `{key}`", path.display())]
    MissingMetadata {
        /// The model file.
        path: PathBuf,
        /// The missing key.
        key: &'static str,
    },
    /// A value in the metadata is out of its range, or not a number.
    #[error("{}: invalid metadata: expected `{key}` to be {expected}, found `{found}`", path.display())]
    InvalidMetadata {
        /// The model file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// The allowed values.
        expected: &'static str,
        /// The value in the file.
        found: String,
    },
    /// The file has another format, for example of a later version.
    #[error("{}: expected a model in the format `{expected}`, found `{found}`", path.display())]
    WrongFormat {
        /// The model file.
        path: PathBuf,
        /// The format that can be read.
        expected: &'static str,
        /// The format in the metadata.
        found: String,
    },
    /// The classes are others, or in another order.
    #[error("{}: expected a model of the classes {expected}, found {found}", path.display())]
    WrongClasses {
        /// The model file.
        path: PathBuf,
        /// The class names in the order of their indices, separated by commas.
        expected: String,
        /// The class names in the metadata.
        found: String,
    },
    /// The recipe in the metadata is invalid.
    #[error("{}: {source}", path.display())]
    InvalidRecipe {
        /// The model file.
        path: PathBuf,
        /// The error in the recipe.
        source: Box<RecipeError>,
    },
    /// The recipe cannot be written as TOML.
    #[error("{}: cannot write the recipe: {source}", path.display())]
    UnwritableRecipe {
        /// The model file.
        path: PathBuf,
        /// The error of the TOML writer.
        source: Box<toml::ser::Error>,
    },
    /// The file contains more or fewer weights than the layers of its recipe have.
    #[error("{}: expected {expected} weights for the layers of its recipe, found {found}", path.display())]
    WeightCount {
        /// The model file.
        path: PathBuf,
        /// The number of weights of the recipe's layers.
        expected: usize,
        /// The number of weights in the file.
        found: usize,
    },
    /// A weight array is missing, unknown, or has another shape than its layer.
    #[error("{}: the weights do not fit the layers: {source}", path.display())]
    InvalidWeights {
        /// The model file.
        path: PathBuf,
        /// The array, with the expected and the actual shape.
        source: Box<ArchitectureError>,
    },
    /// An array does not contain 32-bit floating-point numbers.
    #[error("{}: expected `{tensor}` to have the data type F32, found {found}", path.display())]
    WrongDataType {
        /// The model file.
        path: PathBuf,
        /// The array.
        tensor: String,
        /// Its data type, as safetensors calls it.
        found: String,
    },
    /// A weight is NaN or infinite.
    #[error("{}: expected finite numbers in `{tensor}`, found {value}", path.display())]
    NonFiniteWeight {
        /// The model file.
        path: PathBuf,
        /// The array.
        tensor: String,
        /// The first value that is not finite.
        value: f32,
    },
    /// A variance, or another quantity that is never below zero, is negative.
    #[error("{}: expected no negative numbers in `{tensor}`, found {value}", path.display())]
    NegativeValue {
        /// The model file.
        path: PathBuf,
        /// The array.
        tensor: String,
        /// The first negative value.
        value: f32,
    },
    /// The output of the network, or a value that it is computed from, is NaN or infinite: its weights are too large.
    #[error("the output of the model is not finite ({logit}): its weights are unusable")]
    NonFiniteOutput {
        /// The output.
        logit: f32,
    },
}

/// A set of images for which no predictions can be computed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PredictError {
    /// An image cannot be read.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The model is unusable.
    #[error(transparent)]
    Model(#[from] ModelError),
}
