//! Limits of networks, checked before anything is allocated, so that a small recipe or model file cannot cause a large
//! allocation or a computation without end.
//!
//! The largest network that is sensible for images of cells is about VGG-16 (Simonyan and Zisserman 2015, *Very deep
//! convolutional networks for large-scale image recognition*, configuration D) with one output and inputs of 224 pixels:
//! 134 million weights, 3.2 million values in the largest output, 15 million in all outputs, and 15.5 billion
//! multiply-adds per image. The limits leave room above it, and for `compact` with inputs of 1,024 pixels.

use super::{LayerError, LayerSpec, Shape};
use crate::nn::kernels::dense::PANEL_WIDTH;
use std::fmt;

/// Maximum number of filters or units of a layer.
pub(super) const MAX_WIDTH: usize = 16_384;
/// Maximum side of a kernel, in pixels.
pub(super) const MAX_KERNEL_PX: usize = 15;
/// Maximum side of an input, in pixels.
pub(crate) const MAX_SIDE_PX: usize = 1_024;
/// Maximum number of layers.
pub(crate) const MAX_LAYERS: usize = 1_000;
/// Maximum number of weights: 640 MiB. A checkpoint contains up to four arrays of this size.
pub(crate) const MAX_WEIGHTS: u64 = 160 << 20;

/// Something that a network needs, of which there is a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resource {
    /// Values in the output of one layer for one image.
    OutputValues,
    /// Values in the outputs of all layers for one image.
    AllOutputValues,
    /// Weights of all layers, with the moving averages of batch normalisation.
    Weights,
    /// Zeros that pad the filters and units of all layers to multiples of 16 in memory.
    PaddingZeros,
    /// Multiply-adds of all layers for one image, those with padding zeros included.
    MultiplyAdds,
}

impl Resource {
    /// Returns the maximum.
    #[must_use]
    pub fn limit(self) -> u64 {
        match self {
            // 64 MiB, several times per thread: a layer's input, output and padded input.
            Resource::OutputValues => 1 << 24,
            // 512 MiB; training keeps all of them for each image of a batch.
            Resource::AllOutputValues => 1 << 27,
            Resource::Weights => MAX_WEIGHTS,
            // 64 MiB. Padding multiplies the memory of a layer with one unit by 16; this limits by how much memory the
            // weights can exceed the file that they come from.
            Resource::PaddingZeros => 1 << 24,
            // 34 billion: about a second on two cores.
            Resource::MultiplyAdds => 1 << 35,
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Resource::OutputValues => "values in the output of a layer",
            Resource::AllOutputValues => "values in the outputs of all layers",
            Resource::Weights => "weights",
            Resource::PaddingZeros => "zeros that pad filters or units to multiples of 16",
            Resource::MultiplyAdds => "multiply-adds per image",
        })
    }
}

/// What the first layers of a network need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Values in the outputs for one image.
    pub output_values: u64,
    pub weights: u64,
    pub padding_zeros: u64,
    pub multiply_adds: u64,
}

impl Needs {
    /// Adds the needs of a layer. No sum overflows: the layers before it were within the limits, and its own settings are.
    ///
    /// # Errors
    /// [`LayerError::TooLarge`] if a limit is exceeded.
    pub(super) fn add(&mut self, layer: &LayerSpec, input: Shape, output: Shape) -> Result<(), LayerError> {
        let [values, pixels] = [output.len(), output.height * output.width].map(|count| count as u64);
        let kernel = layer.kernel_matrix(input);
        let [rows, columns] = [kernel.rows, kernel.columns].map(|count| count as u64);
        let padded = columns.next_multiple_of(PANEL_WIDTH as u64);
        self.output_values += values;
        self.weights += (layer.trainable(input) + layer.non_trainable()) as u64;
        self.padding_zeros += rows * (padded - columns);
        self.multiply_adds += pixels * rows * padded;
        let found = [
            (Resource::OutputValues, values),
            (Resource::AllOutputValues, self.output_values),
            (Resource::Weights, self.weights),
            (Resource::PaddingZeros, self.padding_zeros),
            (Resource::MultiplyAdds, self.multiply_adds),
        ];
        let exceeded = found.into_iter().find(|&(resource, found)| found > resource.limit());
        exceeded.map_or(Ok(()), |(resource, found)| Err(LayerError::TooLarge { resource, found }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Activation, ArchitectureError, needs};
    use super::*;

    fn conv(filters: usize, kernel: usize) -> LayerSpec {
        LayerSpec::Conv2d { filters, kernel, batch_norm: false, activation: Activation::Relu }
    }

    fn dense(units: usize) -> LayerSpec {
        LayerSpec::Dense { units, activation: Activation::Relu }
    }

    /// The needs of layers that end in global average pooling, flattening or a dense layer.
    fn needs_of(side: usize, mut layers: Vec<LayerSpec>) -> Result<Needs, ArchitectureError> {
        layers.push(LayerSpec::Dense { units: 1, activation: Activation::Sigmoid });
        needs(Shape { height: side, width: side, channels: 3 }, &layers)
    }

    #[test]
    fn vgg_16_is_within_the_limits() {
        let blocks = [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)];
        let mut layers = Vec::new();
        for (depth, filters) in blocks {
            layers.extend(std::iter::repeat_n(conv(filters, 3), depth));
            layers.push(LayerSpec::MaxPooling2d {});
        }
        layers.extend([LayerSpec::Flatten {}, dense(4096), dense(4096)]);
        let needs = needs_of(224, layers).unwrap();
        // 138,357,544 parameters of torchvision's vgg16 minus 4,097,000 of its last layer, plus 4,097 of this one.
        assert_eq!(needs.weights, 138_357_544 - 4_097_000 + 4_097);
        // 15.47 billion with an output of 1,000 units; here 16 units instead, one of them used.
        assert!((15.4e9..15.5e9).contains(&(needs.multiply_adds as f64)), "{needs:?}");
        assert_eq!(needs.padding_zeros, 15 * 4096);
    }

    #[test]
    fn the_error_contains_the_layer_and_what_exceeds_which_limit() {
        let average = LayerSpec::GlobalAveragePooling2d {};
        let pool = LayerSpec::MaxPooling2d {};
        let cases = [
            (1024, vec![conv(16_384, 1), average.clone()], 1, Resource::OutputValues, 1 << 34),
            (1024, [vec![conv(16, 1); 9], vec![average.clone()]].concat(), 9, Resource::AllOutputValues, 9 << 24),
            (1024, vec![LayerSpec::Flatten {}, dense(16_384)], 2, Resource::Weights, (3 << 34) + 16_384),
            (1024, vec![LayerSpec::Flatten {}], 2, Resource::PaddingZeros, 15 * (3 << 20)),
            (512, vec![conv(64, 3), pool, conv(256, 15), average], 3, Resource::MultiplyAdds, 242_044_895_232),
        ];
        for (side, layers, index, resource, found) in cases {
            let error = needs_of(side, layers).unwrap_err();
            let ArchitectureError::Layer { index: at, reason, .. } = &error else { panic!("{error}") };
            assert_eq!((*at, reason), (index, &LayerError::TooLarge { resource, found }), "{error}");
            let numbers = format!("expected at most {} {resource}, found {found} up to this layer", resource.limit());
            assert!(error.to_string().ends_with(&numbers), "{error}");
        }
    }

    #[test]
    fn the_largest_settings_do_not_overflow() {
        let largest = usize::MAX;
        let layers = [conv(16_384, 15)];
        for input in [[largest; 3], [1, 1, largest], [largest, 1, 1], [1024, 1024, largest], [1024, 1024, 16_384]] {
            let [height, width, channels] = input;
            let error = needs(Shape { height, width, channels }, &layers).unwrap_err();
            assert!(matches!(error, ArchitectureError::Input { .. }), "{error}");
        }
        assert!(needs_of(1024, vec![conv(largest, largest)]).is_err());
        assert!(needs_of(1, vec![dense(largest)]).is_err());
    }
}
