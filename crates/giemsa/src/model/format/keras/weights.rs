//! The weights of Keras 3: one group per layer, with numbered arrays.

use super::super::FormatError;
use super::super::arrays::{WeightArray, weight_arrays};
use super::super::batch_norm::BatchNorm;
use super::METADATA;
use super::export::ExportedLayer;
use super::hdf5::Hdf5;
use super::import::{KerasModel, Place, Stored};
use crate::nn::Tensor;
use hdf5_pure::{AttrValue, FileBuilder, Group};
use std::collections::BTreeMap;
use std::io;

/// The group of the layers.
const LAYERS: &str = "layers";

/// Reads an array of a layer: its place, its number in the layer, and the shape that it must have.
type ReadArray<'a> = dyn FnMut(&Place, usize, &[usize]) -> Result<Vec<f32>, FormatError> + 'a;

/// Returns the content of a `.weights.h5` file.
pub(super) fn write(layers: &[ExportedLayer], metadata: &str) -> io::Result<Vec<u8>> {
    let mut file = FileBuilder::new();
    file.set_attr(METADATA, AttrValue::VarLenString(metadata.to_owned()));
    let mut all = file.create_group(LAYERS);
    for layer in layers.iter().filter(|layer| !layer.weights.is_empty()) {
        let mut group = all.create_group(&layer.name);
        let mut arrays = group.create_group("vars");
        arrays.set_attr("name", AttrValue::String(layer.name.clone()));
        for (number, (_, tensor)) in layer.weights.iter().enumerate() {
            add_array(&mut arrays, &number.to_string(), tensor);
        }
        group.add_group(arrays.finish());
        all.add_group(group.finish());
    }
    file.add_group(all.finish());
    file.finish().map_err(io::Error::other)
}

/// Adds an array to a group.
pub(super) fn add_array(group: &mut hdf5_pure::GroupBuilder, name: &str, tensor: &Tensor) {
    let shape: Vec<u64> = tensor.shape.iter().map(|&length| length as u64).collect();
    group.create_dataset(name).with_f32_data(&tensor.values).with_shape(&shape);
}

/// Returns the groups of the layers, by name.
fn groups_of(file: &Hdf5) -> Result<BTreeMap<String, Group>, FormatError> {
    match file.group(&file.root(), LAYERS)? {
        Some(layers) => file.groups(&layers),
        None => Err(file.source.malformed(format!("no group `{LAYERS}`"))),
    }
}

/// Returns the model of a recipe with the biases that are in the file: convolutions before batch normalisation may have one.
pub(super) fn layers_of(file: &Hdf5, mut model: KerasModel) -> Result<KerasModel, FormatError> {
    let groups = groups_of(file)?;
    for stored in &mut model.stored {
        let arrays = groups.get(&stored.kernel.group).map(|group| file.group(group, "vars")).transpose()?.flatten();
        stored.has_bias |= arrays.is_some_and(|arrays| Hdf5::contains(&arrays, "1"));
    }
    Ok(model)
}

/// Reads the weights of a model.
///
/// # Errors
/// If an array is missing or has another shape, or the layers do not fit each other.
pub(super) fn read(file: &Hdf5, model: &KerasModel) -> Result<Vec<Tensor>, FormatError> {
    let groups = groups_of(file)?;
    collect(file, model, &mut |place, number, shape| {
        let label = format!("{LAYERS}/{}/vars/{number}", place.group);
        let arrays = groups.get(&place.group).map(|group| file.group(group, "vars")).transpose()?.flatten();
        file.array(arrays.as_ref(), &number.to_string(), &label, shape)
    })
}

/// Reads the weights of a model, and converts them to the arrays of a model file.
pub(super) fn collect(file: &Hdf5, model: &KerasModel, read: &mut ReadArray) -> Result<Vec<Tensor>, FormatError> {
    let arrays = weight_arrays(model.input, &model.layers).map_err(|error| file.source.architecture(error))?;
    let mut tensors = Vec::with_capacity(arrays.len());
    for (arrays, stored) in arrays.chunk_by(|a, b| a.layer == b.layer).zip(&model.stored) {
        let values = values_of(arrays, stored, read)?;
        tensors.extend(arrays.iter().zip(values).map(|(array, values)| Tensor {
            name: array.name.clone(),
            shape: array.shape.clone(),
            values,
        }));
    }
    Ok(tensors)
}

/// Reads the arrays of a convolution or a dense layer: kernel and bias, or kernel, gamma, beta, mean and variance.
fn values_of(arrays: &[WeightArray], stored: &Stored, read: &mut ReadArray) -> Result<Vec<Vec<f32>>, FormatError> {
    let kernel = read(&stored.kernel, 0, &arrays[0].shape)?;
    let shape = &arrays[1].shape;
    let bias = if stored.has_bias { Some(read(&stored.kernel, 1, shape)?) } else { None };
    let Some(batch_norm) = &stored.batch_norm else {
        return Ok(vec![kernel, bias.unwrap_or_else(|| vec![0.0; shape[0]])]);
    };
    let mut number = 0;
    let mut next = |is_stored: bool, otherwise: f32| {
        if !is_stored {
            return Ok(vec![otherwise; shape[0]]);
        }
        number += 1;
        read(&batch_norm.place, number - 1, shape)
    };
    let mut norm = BatchNorm {
        gamma: next(batch_norm.scale, 1.0)?,
        beta: next(batch_norm.center, 0.0)?,
        moving_mean: next(true, 0.0)?,
        moving_variance: next(true, 1.0)?,
    };
    norm.absorb_bias(&bias.unwrap_or_default());
    norm.convert_epsilon(batch_norm.epsilon);
    Ok(vec![kernel, norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance])
}
