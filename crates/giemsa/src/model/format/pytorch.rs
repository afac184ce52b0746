//! PyTorch.

use super::source::Source;
use super::{Contents, FormatError};
use crate::model::container::Metadata;
use crate::model::{Model, Recipe};
use std::io;

/// Returns whether the content looks like a safetensors file.
pub(super) fn is_safetensors(_bytes: &[u8]) -> bool {
    todo!()
}

/// Returns the state dict.
pub(super) fn write(_model: &Model, _metadata: &Metadata) -> io::Result<Vec<u8>> {
    todo!()
}

/// Reads a state dict.
pub(super) fn read(_bytes: &[u8], _source: Source, _recipe: Option<&Recipe>) -> Result<Contents, FormatError> {
    todo!()
}

/// Returns the Python text.
#[must_use]
pub fn python_module(_model: &Model) -> String {
    todo!()
}
