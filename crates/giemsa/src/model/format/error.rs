//! Errors of the formats of other tools.

use super::Format;
use crate::input::InputError;
use crate::model::{ModelError, RecipeError};
use crate::nn::ArchitectureError;
use std::path::PathBuf;

/// A model that cannot be exported to, or imported from, the format of another tool.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The file cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The file cannot be written.
    #[error("{}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The content is in no format that can be imported.
    #[error("{}: expected a model file in one of the formats {}, found {found}", path.display(), Format::names())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
        /// What the content looks like.
        found: String,
    },
    /// The content violates its format.
    #[error("{}: not a valid {format} file: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The format.
        format: Format,
        /// The first violation.
        reason: String,
    },
    /// A layer or an operator, or one of its settings, has no equivalent here.
    #[error("{}: unsupported {part}: {reason}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The layer or node with its name and its class, such as "layer `lstm` (LSTM)".
        part: String,
        /// What was expected and found.
        reason: String,
    },
    /// The format contains weights only, so the layers must come from a recipe.
    #[error("{}: a {format} file contains no layers: a recipe is needed", path.display())]
    RecipeNeeded {
        /// The file.
        path: PathBuf,
        /// The format.
        format: Format,
    },
    /// The layers in the file are not those of the recipe.
    #[error("{}: the layers are not those of the recipe `{recipe}`: {difference}", path.display())]
    LayersDiffer {
        /// The file.
        path: PathBuf,
        /// The name of the recipe.
        recipe: String,
        /// The first difference.
        difference: String,
    },
    /// A weight array is missing, or has another shape than its layer.
    #[error("{}: expected {expected}, found {found}", path.display())]
    WeightMismatch {
        /// The file.
        path: PathBuf,
        /// The array and its shape.
        expected: String,
        /// What is in the file.
        found: String,
    },
    /// The layers do not fit each other, or the limits of networks.
    #[error("{}: {source}", path.display())]
    Architecture {
        /// The file.
        path: PathBuf,
        /// The layer and its error.
        source: Box<ArchitectureError>,
    },
    /// The recipe of the imported model is invalid.
    #[error("{}: {source}", path.display())]
    Recipe {
        /// The file.
        path: PathBuf,
        /// The error in the recipe.
        source: Box<RecipeError>,
    },
    /// The model is invalid.
    #[error(transparent)]
    Model(#[from] ModelError),
}
