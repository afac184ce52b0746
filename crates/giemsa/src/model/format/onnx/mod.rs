//! ONNX files.

use super::source::Source;
use super::{Contents, FormatError};
use crate::model::Model;
use crate::model::container::Metadata;
use std::io;

/// Returns whether the content looks like an ONNX file.
pub(super) fn is_onnx(_bytes: &[u8]) -> bool {
    todo!()
}

/// Returns the content of an ONNX file.
pub(super) fn write(_model: &Model, _metadata: &Metadata) -> io::Result<Vec<u8>> {
    todo!()
}

/// Reads an ONNX file.
pub(super) fn read(_bytes: &[u8], _source: Source) -> Result<Contents, FormatError> {
    todo!()
}
