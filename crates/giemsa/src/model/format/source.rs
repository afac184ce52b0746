//! The file that is imported: its path and its format, for errors.

use super::{Format, FormatError};
use crate::nn::ArchitectureError;
use std::path::Path;

/// The file that a reader reads. Its methods return errors with its path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) path: &'a Path,
    pub(super) format: Format,
}

impl Source<'_> {
    /// The content violates its format.
    pub(super) fn malformed(self, reason: impl ToString) -> FormatError {
        FormatError::Malformed { path: self.path.to_owned(), format: self.format, reason: reason.to_string() }
    }

    /// A layer or node has no equivalent here.
    pub(super) fn unsupported(self, part: impl ToString, reason: impl ToString) -> FormatError {
        FormatError::Unsupported { path: self.path.to_owned(), part: part.to_string(), reason: reason.to_string() }
    }

    /// A weight array is missing, or has another shape.
    pub(super) fn weight_mismatch(self, expected: impl ToString, found: impl ToString) -> FormatError {
        let path = self.path.to_owned();
        FormatError::WeightMismatch { path, expected: expected.to_string(), found: found.to_string() }
    }

    /// The layers do not fit each other, or the limits of networks.
    pub(super) fn architecture(self, source: ArchitectureError) -> FormatError {
        FormatError::Architecture { path: self.path.to_owned(), source: source.into() }
    }
}
