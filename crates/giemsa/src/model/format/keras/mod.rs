//! Keras files: `.keras` and `.weights.h5` of Keras 3, and `.h5` of Keras 2.

mod archive;
mod config;
mod export;
mod hdf5;
mod import;
mod legacy;
mod settings;
#[cfg(test)]
mod tests;
mod weights;

use super::assemble;
use super::source::Source;
use super::{Contents, FormatError};
use crate::model::container::Metadata;
use crate::model::{Model, Recipe};
use hdf5::Hdf5;
use import::KerasModel;
use std::io;

/// The attribute of the root group with the metadata of the model file, as JSON.
const METADATA: &str = "giemsa";

/// Returns whether the content is an HDF5 file.
pub(super) fn is_hdf5(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x89HDF\r\n\x1a\n")
}

/// Returns whether an HDF5 file contains a model, or the weights of one, in the format of Keras 2.
pub(super) fn is_legacy(bytes: &[u8]) -> bool {
    legacy::is_legacy(bytes)
}

/// Returns the content of a `.keras` file.
pub(super) fn write_archive(model: &Model, metadata: &Metadata) -> io::Result<Vec<u8>> {
    let config = config::archive(model)?;
    archive::write(&config, &write_weights(model, metadata)?)
}

/// Returns the content of a `.weights.h5` file.
pub(super) fn write_weights(model: &Model, metadata: &Metadata) -> io::Result<Vec<u8>> {
    weights::write(&export::layers(model)?, &serde_json::to_string(metadata)?)
}

/// Returns the content of an `.h5` file of Keras 2.
pub(super) fn write_legacy(model: &Model, metadata: &Metadata) -> io::Result<Vec<u8>> {
    let (model_config, training_config) = config::legacy(model)?;
    let attributes = [
        ("model_config", model_config),
        ("training_config", training_config),
        (METADATA, serde_json::to_string(metadata)?),
    ];
    legacy::write(&export::layers(model)?, attributes)
}

/// Reads a `.keras` file.
pub(super) fn read_archive(bytes: &[u8], source: Source) -> Result<Contents, FormatError> {
    let (config, weights) = archive::read(bytes, source)?;
    let model = import::parse(&config, source)?;
    contents(&Hdf5::open(weights, source)?, model)
}

/// Reads a `.weights.h5` file, with the layers of a recipe.
pub(super) fn read_weights(bytes: &[u8], source: Source, recipe: Option<&Recipe>) -> Result<Contents, FormatError> {
    let file = Hdf5::open(bytes.to_vec(), source)?;
    let recipe = assemble::needed_recipe(recipe, own_metadata(&file)?.as_ref(), source)?;
    let model = weights::layers_of(&file, KerasModel::of_recipe(&recipe))?;
    Ok(Contents { layers: None, ..contents(&file, model)? })
}

/// Reads an `.h5` file of Keras 2.
pub(super) fn read_legacy(bytes: &[u8], source: Source) -> Result<Contents, FormatError> {
    let file = Hdf5::open(bytes.to_vec(), source)?;
    let model = legacy::model(&file)?;
    let weights = legacy::read(&file, &model)?;
    Ok(Contents {
        layers: Some((model.input, model.layers)),
        weights,
        metadata: own_metadata(&file)?,
        logit_scale: 1.0,
    })
}

/// Returns the layers of a model with their weights in a file of Keras 3.
fn contents(file: &Hdf5, model: KerasModel) -> Result<Contents, FormatError> {
    let weights = weights::read(file, &model)?;
    Ok(Contents { layers: Some((model.input, model.layers)), weights, metadata: own_metadata(file)?, logit_scale: 1.0 })
}

/// Returns the metadata of the model file if this program wrote the file.
fn own_metadata(file: &Hdf5) -> Result<Option<Metadata>, FormatError> {
    let Some(text) = file.root_text(METADATA)? else { return Ok(None) };
    let metadata: Metadata = serde_json::from_str(&text).map_err(|e| file.source.malformed(e))?;
    Ok(assemble::own_metadata(metadata))
}
