//! Weights and optimizer state of a network as named arrays.

use super::{ArchitectureError, Network};
use crate::nn::architecture::LayerSummary;
use crate::nn::layer::Layer;
use crate::nn::parameter::Parameter;

/// A named array, such as the weights, moments or gradients of one parameter.
///
/// # Shapes
/// `kernel` of a convolution: `[height][width][in channels][out channels]` (HWIO); of a dense layer: `[inputs][units]`;
/// all others: `[channels]` or `[units]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// For example `conv2d_1.kernel`, `dense.bias` or `batch_normalization_2.moving_mean`.
    pub name: String,
    /// Dimensions, slowest-varying first.
    pub shape: Vec<usize>,
    /// Values in row-major order.
    pub values: Vec<f32>,
}

impl Network {
    /// Iterates over all parameters with their names.
    fn named_parameters(&self) -> impl Iterator<Item = (&String, &Parameter)> {
        self.names.iter().zip(self.layers.iter().flat_map(|layer| layer.parameters()))
    }

    /// Returns all weights, including the moving averages of batch normalisation.
    #[must_use]
    pub fn weights(&self) -> Vec<Tensor> {
        self.named_parameters().map(|(name, parameter)| tensor(name.clone(), parameter, &parameter.values)).collect()
    }

    /// Replaces all weights by `tensors`, which may be in any order.
    ///
    /// # Errors
    /// If a weight is missing, has another shape, or does not belong to this network. No weight changes in this case.
    pub fn set_weights(&mut self, tensors: &[Tensor]) -> Result<(), ArchitectureError> {
        let found = self.named_parameters().map(|(name, parameter)| find(tensors, name, &parameter.shape));
        let found: Vec<&Tensor> = found.collect::<Result<_, _>>()?;
        if let Some(unknown) = tensors.iter().find(|tensor| !self.names.contains(&tensor.name)) {
            return Err(ArchitectureError::UnknownWeight { name: unknown.name.clone() });
        }
        let parameters = self.layers.iter_mut().flat_map(|layer| layer.parameters_mut());
        parameters.zip(found).for_each(|(parameter, tensor)| parameter.set(&tensor.values));
        Ok(())
    }

    /// Returns the gradients that a backward pass with [`Update::Record`](crate::nn::parameter::Update::Record) stored.
    pub(super) fn recorded_gradients(&self) -> Vec<Tensor> {
        let trainable = self.named_parameters().filter(|(_, parameter)| parameter.is_trainable);
        trainable.map(|(name, parameter)| tensor(name.clone(), parameter, &parameter.first_moment)).collect()
    }

    /// Returns the state of Adam: the moments, `adam.m.<weight>` and `adam.v.<weight>`, and the step count,
    /// `adam.step`, as its low and high 24 bits, which a float represents exactly.
    #[must_use]
    pub fn optimizer_state(&self) -> Vec<Tensor> {
        let halves = [self.step & 0xFF_FFFF, self.step >> 24].map(|half| half as f32);
        let step = Tensor { name: "adam.step".to_owned(), shape: vec![2], values: halves.to_vec() };
        let trainable = self.named_parameters().filter(|(_, parameter)| parameter.is_trainable);
        let moments = trainable.flat_map(|(name, parameter)| {
            [("m", &parameter.first_moment), ("v", &parameter.second_moment)]
                .map(|(moment, values)| tensor(format!("adam.{moment}.{name}"), parameter, values))
        });
        std::iter::once(step).chain(moments).collect()
    }

    /// Replaces the state of Adam by one from [`Network::optimizer_state`].
    ///
    /// # Errors
    /// If an array is missing or has another shape, or the step count is not a whole number. The state does not change in
    /// this case.
    pub fn set_optimizer_state(&mut self, tensors: &[Tensor]) -> Result<(), ArchitectureError> {
        let halves = &find(tensors, "adam.step", &[2])?.values;
        if !halves.iter().all(|half| (0.0..16_777_216.0).contains(half) && half.fract() == 0.0) {
            return Err(ArchitectureError::StepCount { found: [halves[0], halves[1]] });
        }
        let step = halves[0] as u64 | (halves[1] as u64) << 24;
        let trainable = self.named_parameters().filter(|(_, parameter)| parameter.is_trainable);
        let moments = trainable.map(|(name, parameter)| {
            let moment = |kind| find(tensors, &format!("adam.{kind}.{name}"), &parameter.shape);
            Ok((moment("m")?, moment("v")?))
        });
        let moments: Vec<_> = moments.collect::<Result<_, ArchitectureError>>()?;
        let parameters = self.layers.iter_mut().flat_map(|layer| layer.parameters_mut());
        let trainable = parameters.filter(|parameter| parameter.is_trainable);
        trainable.zip(moments).for_each(|(parameter, (m, v))| parameter.set_moments(&m.values, &v.values));
        self.step = step;
        Ok(())
    }
}

/// Returns the names of all parameters: the name of the layer in `summary`, a dot, and the name of the parameter.
pub(super) fn parameter_names(summary: &[LayerSummary], layers: &[Box<dyn Layer>]) -> Vec<String> {
    let mut rows = summary.iter().filter(|row| row.trainable > 0);
    let mut layer = "";
    let parameters = layers.iter().flat_map(|layer| layer.parameters());
    let is_first_of_layer = |name: &str| name == "kernel" || name == "gamma";
    parameters
        .map(|parameter| {
            if is_first_of_layer(parameter.name) {
                layer = rows.next().map_or("", |row| &row.name);
            }
            format!("{layer}.{}", parameter.name)
        })
        .collect()
}

/// Creates a tensor from the values, moments or gradients of a parameter.
fn tensor(name: String, parameter: &Parameter, values: &[f32]) -> Tensor {
    Tensor { name, shape: parameter.shape.clone(), values: parameter.to_row_major(values) }
}

/// Returns the tensor of the given name, which must have the given shape.
fn find<'a>(tensors: &'a [Tensor], name: &str, shape: &[usize]) -> Result<&'a Tensor, ArchitectureError> {
    let Some(tensor) = tensors.iter().find(|tensor| tensor.name == name) else {
        return Err(ArchitectureError::MissingWeight { name: name.to_owned(), shape: shape.to_vec() });
    };
    if tensor.shape != shape || tensor.values.len() != shape.iter().product::<usize>() {
        return Err(ArchitectureError::WeightShape {
            name: name.to_owned(),
            expected: shape.to_vec(),
            found: tensor.shape.clone(),
            values: tensor.values.len(),
        });
    }
    Ok(tensor)
}
