//! Errors of architectures and weights that do not fit them.

use super::{MAX_KERNEL_PX, MAX_LAYERS, MAX_SIDE_PX, MAX_WIDTH, Resource, Shape};

/// The reason why layers, their input or weights do not fit together.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ArchitectureError {
    /// The input has no values, too many pixels or too many channels.
    #[error(
        "expected an input of 1 to {MAX_SIDE_PX} pixels per side and at most {} values, found {found}",
        Resource::OutputValues.limit()
    )]
    Input {
        /// The shape of the input.
        found: Shape,
    },
    /// The list of layers is empty or too long.
    #[error("expected 1 to {MAX_LAYERS} layers, found {found}")]
    LayerCount {
        /// The number of layers.
        found: usize,
    },
    /// There is not enough memory for the weights, or for the outputs of the layers for one image.
    #[error("not enough memory for the network, which needs {bytes} bytes")]
    OutOfMemory {
        /// The size of the weights and the outputs.
        bytes: u64,
    },
    /// A layer is invalid at its position.
    #[error("layer {index} ({kind}): {reason}")]
    Layer {
        /// Position of the layer, counted from 1.
        index: usize,
        /// Kind of the layer, such as `conv2d`.
        kind: &'static str,
        /// The reason.
        reason: LayerError,
    },
    /// The step count of an optimizer is not a whole number.
    #[error("`adam.step`: expected two whole numbers of 24 bits, found {found:?}")]
    StepCount {
        /// The low and the high bits of the count.
        found: [f32; 2],
    },
    /// A weight of the architecture is missing.
    #[error("weight `{name}`: expected shape {shape:?}, found none")]
    MissingWeight {
        /// Name of the weight.
        name: String,
        /// Shape that the architecture requires.
        shape: Vec<usize>,
    },
    /// A weight does not belong to the architecture.
    #[error("weight `{name}`: not part of these layers")]
    UnknownWeight {
        /// Name of the weight.
        name: String,
    },
    /// A weight has the wrong shape.
    #[error("weight `{name}`: expected shape {expected:?}, found shape {found:?} with {values} values")]
    WeightShape {
        /// Name of the weight.
        name: String,
        /// Shape that the architecture requires.
        expected: Vec<usize>,
        /// Shape of the weight.
        found: Vec<usize>,
        /// Number of values of the weight.
        values: usize,
    },
}

/// The reason why a layer is invalid.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// The number of filters of a convolution is out of range.
    #[error("expected 1 to {MAX_WIDTH} `filters`, found {found}")]
    Filters {
        /// The number of filters.
        found: usize,
    },
    /// The kernel size of a convolution is out of range.
    #[error("expected a `kernel` of 1 to {MAX_KERNEL_PX} pixels, found {found}")]
    Kernel {
        /// The kernel size.
        found: usize,
    },
    /// A convolution has the activation `sigmoid`.
    #[error("expected the activation `linear` or `relu`, found `sigmoid`, which only the last layer may have")]
    SigmoidConvolution,
    /// The number of units of a dense layer is out of range.
    #[error("expected 1 to {MAX_WIDTH} `units`, found {found}")]
    Units {
        /// The number of units.
        found: usize,
    },
    /// The rate of dropout is out of range.
    #[error("expected a `rate` of at least 0 and below 1, found {found}")]
    Rate {
        /// The rate.
        found: f32,
    },
    /// The layers up to this one need more of something than its limit, [`Resource::limit`].
    #[error("expected at most {} {resource}, found {found} up to this layer", resource.limit())]
    TooLarge {
        /// What exceeds its limit.
        resource: Resource,
        /// How much of it the layers need.
        found: u64,
    },
    /// The input of a pooling layer is smaller than its window.
    #[error("expected an input of at least 2x2 pixels, found {found}")]
    InputTooSmall {
        /// The shape of the input.
        found: Shape,
    },
    /// The input of a dense layer is an image.
    #[error("expected a flat input, found {found}; insert `flatten` or `global_average_pooling2d` before this layer")]
    InputNotFlat {
        /// The shape of the input.
        found: Shape,
    },
    /// A dense layer that is not the last has the activation `sigmoid`.
    #[error("expected `sigmoid` only as activation of the last layer")]
    SigmoidBeforeOutput,
    /// The last layer is not a dense layer with the activation `sigmoid`.
    #[error("expected a dense layer with the activation `sigmoid` as the last layer")]
    NotAnOutput,
    /// The last layer has more than two units.
    #[error("expected 1 or 2 units in the last layer, found {found}")]
    OutputUnits {
        /// The number of units.
        found: usize,
    },
}
