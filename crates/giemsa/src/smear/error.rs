//! Errors of counting.

use crate::image::ImageError;
use crate::model::ModelError;
use std::path::PathBuf;

/// A photograph whose cells cannot be counted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CountError {
    /// The file cannot be read.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The image does not show a smear.
    #[error("{path}: not a photograph of a thin smear: {reason}")]
    NotASmear {
        /// The file.
        path: PathBuf,
        /// What is missing, with the numbers behind it.
        reason: String,
    },
    /// The model computed a number that is not finite.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl CountError {
    /// Returns the message without the path.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            CountError::Image(error) => error.reason(),
            CountError::NotASmear { reason, .. } => format!("not a photograph of a thin smear: {reason}"),
            CountError::Model(error) => error.to_string(),
        }
    }
}
