//! The weight arrays of a network, in the order of its model file, without allocating them.

use crate::nn::architecture::{self, ArchitectureError, LayerSpec, Shape};

/// The role of an array in its layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Kernel,
    Bias,
    Gamma,
    Beta,
    MovingMean,
    MovingVariance,
}

impl Role {
    /// Returns the name in Keras and in model files.
    pub(super) fn name(self) -> &'static str {
        match self {
            Role::Kernel => "kernel",
            Role::Bias => "bias",
            Role::Gamma => "gamma",
            Role::Beta => "beta",
            Role::MovingMean => "moving_mean",
            Role::MovingVariance => "moving_variance",
        }
    }
}

/// One weight array of a network.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct WeightArray {
    /// The name in a model file, such as `conv2d_1.kernel` or `batch_normalization.gamma`.
    pub(super) name: String,
    /// The index of the layer in the recipe.
    pub(super) layer: usize,
    /// The role in the layer.
    pub(super) role: Role,
    /// The dimensions in a model file, as [`Tensor`](crate::nn::Tensor) defines them.
    pub(super) shape: Vec<usize>,
    /// For the kernel of a dense layer whose inputs are a flattened image: the shape of that image.
    pub(super) flattened: Option<Shape>,
}

/// Lists the weight arrays of a network in the order of [`Network::weights`](crate::nn::Network::weights).
///
/// # Errors
/// As [`architecture::shapes`].
pub(super) fn weight_arrays(input: Shape, layers: &[LayerSpec]) -> Result<Vec<WeightArray>, ArchitectureError> {
    let shapes = architecture::shapes(input, layers)?;
    let summary = architecture::summary(input, layers)?;
    let mut rows = summary.iter();
    let (mut arrays, mut before, mut flattened) = (Vec::new(), input, None);
    for (index, (layer, &after)) in layers.iter().zip(&shapes).enumerate() {
        let mut push = |row: &str, role: Role, shape: Vec<usize>, flattened| {
            arrays.push(WeightArray { name: format!("{row}.{}", role.name()), layer: index, role, shape, flattened });
        };
        let row = rows.next().map_or("", |row| &row.name);
        match *layer {
            LayerSpec::Conv2d { filters, kernel, batch_norm, .. } => {
                flattened = None;
                push(row, Role::Kernel, vec![kernel, kernel, before.channels, filters], None);
                if batch_norm {
                    let row = rows.next().map_or("", |row| &row.name);
                    for role in [Role::Gamma, Role::Beta, Role::MovingMean, Role::MovingVariance] {
                        push(row, role, vec![filters], None);
                    }
                } else {
                    push(row, Role::Bias, vec![filters], None);
                }
            }
            LayerSpec::Dense { units, .. } => {
                push(row, Role::Kernel, vec![before.channels, units], flattened.take());
                push(row, Role::Bias, vec![units], None);
            }
            LayerSpec::Flatten {} if before.height * before.width > 1 => flattened = Some(before),
            LayerSpec::Flatten {} | LayerSpec::Dropout { .. } => {}
            LayerSpec::MaxPooling2d {} | LayerSpec::GlobalAveragePooling2d {} => flattened = None,
        }
        before = after;
    }
    Ok(arrays)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Recipe;
    use crate::nn::{Activation, Network};

    #[test]
    fn lists_the_arrays_of_a_network_in_the_order_of_its_weights() {
        for name in Recipe::built_in_names() {
            let recipe = Recipe::load(name).unwrap();
            let network = Network::new(recipe.input_shape(), &recipe.layers, 0).unwrap();
            let expected: Vec<_> = network.weights().into_iter().map(|tensor| (tensor.name, tensor.shape)).collect();
            let arrays = weight_arrays(recipe.input_shape(), &recipe.layers).unwrap();
            let found: Vec<_> = arrays.into_iter().map(|array| (array.name, array.shape)).collect();
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn the_dense_layer_after_a_flattened_image_has_the_shape_of_that_image() {
        let recipe = Recipe::load("keras-tutorial").unwrap();
        let arrays = weight_arrays(recipe.input_shape(), &recipe.layers).unwrap();
        let flattened: Vec<_> = arrays.iter().filter_map(|a| a.flattened.map(|shape| (&a.name[..], shape))).collect();
        assert_eq!(flattened, [("dense.kernel", Shape { height: 6, width: 6, channels: 64 })]);
    }

    #[test]
    fn only_a_convolution_or_a_dense_layer_takes_values_out_of_the_order_of_the_image() {
        let image = Shape { height: 2, width: 3, channels: 1 };
        let conv = LayerSpec::Conv2d { filters: 4, kernel: 1, batch_norm: false, activation: Activation::Linear };
        let last = LayerSpec::Dense { units: 1, activation: Activation::Sigmoid };
        let flatten = LayerSpec::Flatten {};
        let flattened = |layers: &[LayerSpec]| {
            weight_arrays(image, layers)
                .unwrap()
                .into_iter()
                .find(|array| array.name == "dense.kernel")
                .unwrap()
                .flattened
        };
        let dropout = LayerSpec::Dropout { rate: 0.5 };
        assert_eq!(flattened(&[flatten.clone(), dropout, flatten.clone(), last.clone()]), Some(image));
        assert_eq!(flattened(&[flatten, conv, last]), None);
    }
}
