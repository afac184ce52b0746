//! Models of Keras 2 in HDF5 files: the configuration in an attribute, and one group per layer with named arrays.

use super::super::FormatError;
use super::super::source::Source;
use super::export::ExportedLayer;
use super::hdf5::Hdf5;
use super::import::{self, KerasModel};
use super::{archive, weights};
use crate::model::format::Format;
use crate::nn::Tensor;
use hdf5_pure::{AttrValue, FileBuilder, Group};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// The group of the layers.
const WEIGHTS: &str = "model_weights";

/// Returns whether an HDF5 file contains a model, or the weights of one, in the format of Keras 2.
pub(super) fn is_legacy(bytes: &[u8]) -> bool {
    let source = Source { path: Path::new(""), format: Format::LegacyH5 };
    let Ok(file) = Hdf5::open(bytes.to_vec(), source) else { return false };
    file.root()
        .attrs()
        .is_ok_and(|attributes| ["model_config", "layer_names"].iter().any(|key| attributes.contains_key(*key)))
}

/// Returns the content of an `.h5` file of Keras 2.
pub(super) fn write(layers: &[ExportedLayer], attributes: [(&str, String); 3]) -> io::Result<Vec<u8>> {
    let mut file = FileBuilder::new();
    for (name, text) in attributes {
        file.set_attr(name, AttrValue::VarLenString(text));
    }
    let mut all = file.create_group(WEIGHTS);
    for (name, text) in [("keras_version", "2.15.0"), ("backend", "tensorflow")] {
        file.set_attr(name, AttrValue::AsciiString(text.to_owned()));
        all.set_attr(name, AttrValue::AsciiString(text.to_owned()));
    }
    let names = layers.iter().map(|layer| layer.name.clone()).collect();
    all.set_attr("layer_names", AttrValue::AsciiStringArray(names));
    for layer in layers {
        let mut group = all.create_group(&layer.name);
        if !layer.weights.is_empty() {
            let names = layer.weights.iter().map(|(role, _)| format!("{}/{role}:0", layer.name)).collect();
            group.set_attr("weight_names", AttrValue::AsciiStringArray(names));
            let mut arrays = group.create_group(&layer.name);
            for (role, tensor) in &layer.weights {
                weights::add_array(&mut arrays, &format!("{role}:0"), tensor);
            }
            group.add_group(arrays.finish());
        }
        all.add_group(group.finish());
    }
    file.add_group(all.finish());
    file.finish().map_err(io::Error::other)
}

/// Reads the configuration of the model.
pub(super) fn model(file: &Hdf5) -> Result<KerasModel, FormatError> {
    let Some(config) = file.root_text("model_config")? else {
        return Err(file.source.malformed("no attribute `model_config`: a file of weights only contains no layers"));
    };
    if config.len() as u64 > archive::MAX_CONFIG_BYTES {
        return Err(file.source.malformed(archive::config_too_large()));
    }
    import::parse(&config, file.source)
}

/// Reads the weights of a model.
///
/// # Errors
/// If an array is missing or has another shape, or the layers do not fit each other.
pub(super) fn read(file: &Hdf5, model: &KerasModel) -> Result<Vec<Tensor>, FormatError> {
    let Some(all) = file.group(&file.root(), WEIGHTS)? else {
        return Err(file.source.malformed(format!("no group `{WEIGHTS}`")));
    };
    let groups = file.groups(&all)?;
    let mut names_by_layer: BTreeMap<String, Vec<String>> = BTreeMap::new();
    weights::collect(file, model, &mut |place, number, shape| {
        let missing = |found: &str| {
            let expected = format!("{} arrays or more in the group `{WEIGHTS}/{}`", number + 1, place.name);
            file.source.weight_mismatch(expected, found)
        };
        let group = groups.get(&place.name).ok_or_else(|| missing("no such group"))?;
        if !names_by_layer.contains_key(&place.name) {
            names_by_layer.insert(place.name.clone(), texts(file, group, "weight_names")?);
        }
        let names = names_by_layer.get(&place.name).map(Vec::as_slice).unwrap_or_default();
        let name = names.get(number).ok_or_else(|| missing(&names.len().to_string()))?;
        file.array(Some(group), name, &format!("{WEIGHTS}/{}/{name}", place.name), shape)
    })
}

/// Returns an attribute that is a list of texts, which may be divided into several attributes with numbers.
fn texts(file: &Hdf5, group: &Group, name: &str) -> Result<Vec<String>, FormatError> {
    let attributes = group.attrs().map_err(|e| file.source.malformed(e))?;
    if let Some(texts) = attributes.get(name).and_then(AttrValue::as_strings) {
        return Ok(texts.to_vec());
    }
    let parts = (0..).map_while(|part| attributes.get(&format!("{name}{part}"))?.as_strings());
    Ok(parts.flatten().cloned().collect())
}
