//! Keras files: `.keras` and `.weights.h5` of Keras 3, and `.h5` of Keras 2.

use super::source::Source;
use super::{Contents, FormatError};
use crate::model::container::Metadata;
use crate::model::{Model, Recipe};
use std::io;

/// Returns whether the content is an HDF5 file.
pub(super) fn is_hdf5(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x89HDF\r\n\x1a\n")
}

/// Returns whether an HDF5 file contains a model in the format of Keras 2.
pub(super) fn is_legacy(_bytes: &[u8]) -> bool {
    todo!()
}

/// Returns the content of a `.keras` file.
pub(super) fn write_archive(_model: &Model, _metadata: &Metadata) -> io::Result<Vec<u8>> {
    todo!()
}

/// Returns the content of a `.weights.h5` file.
pub(super) fn write_weights(_model: &Model, _metadata: &Metadata) -> io::Result<Vec<u8>> {
    todo!()
}

/// Returns the content of an `.h5` file of Keras 2.
pub(super) fn write_legacy(_model: &Model, _metadata: &Metadata) -> io::Result<Vec<u8>> {
    todo!()
}

/// Reads a `.keras` file.
pub(super) fn read_archive(_bytes: &[u8], _source: Source) -> Result<Contents, FormatError> {
    todo!()
}

/// Reads a `.weights.h5` file, with the layers of a recipe.
pub(super) fn read_weights(_bytes: &[u8], _source: Source, _recipe: Option<&Recipe>) -> Result<Contents, FormatError> {
    todo!()
}

/// Reads an `.h5` file of Keras 2.
pub(super) fn read_legacy(_bytes: &[u8], _source: Source) -> Result<Contents, FormatError> {
    todo!()
}
