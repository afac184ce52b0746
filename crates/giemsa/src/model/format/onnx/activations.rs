//! The values of a graph, without the numbers that it computes.

use super::messages::TensorProto;
/// A value of the graph.
#[derive(Clone)]
pub(super) enum Value<'a> {
    /// A constant array.
    Constant(&'a TensorProto),
    /// A constant number.
    Number(f32),
    /// Dimensions that the graph computes; `None` is the number of images.
    Dims(Vec<Option<i64>>),
    /// The images, or the outputs of a layer.
    Activations(Activations),
    /// Logits or probabilities.
    Output(Output),
}

impl Value<'_> {
    /// Describes what it is, for errors.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Constant(_) | Value::Number(_) => "a constant",
            Value::Dims(_) => "dimensions",
            Value::Activations(_) => "the output of a layer",
            Value::Output(_) => "the output of the network",
        }
    }
}

/// The images, or the outputs of a layer. Their shape is that of the [`Network`](super::network::Network).
#[derive(Clone, Copy)]
pub(super) struct Activations {
    /// The version of the network. A layer needs the last one: otherwise the graph has branches.
    pub(super) version: usize,
    pub(super) order: Order,
}

/// The order of the dimensions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Nchw,
    Nhwc,
    /// Images and values.
    Flat,
}

/// Logits of the last layer, or probabilities.
#[derive(Clone, Copy)]
pub(super) struct Output {
    /// The version of the network.
    pub(super) version: usize,
    /// The index of the unit of the last layer; `None` for all of them.
    pub(super) unit: Option<i64>,
    /// The factor of the logits.
    pub(super) scale: f32,
    /// Whether the sigmoid has been applied.
    pub(super) is_probability: bool,
}
