//! What a network is made of, as data: the layers that a recipe lists, and the shapes and parameter counts they imply.

use serde::{Deserialize, Serialize};

/// Height, width and channels of one sample at some point of a network, in NHWC order without the N.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows, in pixels.
    pub height: usize,
    /// Columns, in pixels.
    pub width: usize,
    /// Values a pixel.
    pub channels: usize,
}

impl Shape {
    /// Values in all.
    pub fn len(self) -> usize {
        self.height * self.width * self.channels
    }

    /// Whether there are no values.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// What follows a layer's sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// The sum itself.
    #[default]
    Linear,
    /// max(0, x).
    Relu,
    /// 1 / (1 + exp(-x)); for the last layer alone, where it is part of the loss and the network gives logits.
    Sigmoid,
}

/// One layer of a recipe, with Keras' meaning of its words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum LayerSpec {
    /// A convolution of stride 1 with `same` padding (an even kernel pads below and right).
    Conv2d {
        /// Output channels.
        filters: usize,
        /// Side of the square kernel, in pixels.
        kernel: usize,
        /// Normalise by batch statistics before the activation (the convolution then has no bias of its own).
        #[serde(default)]
        batch_norm: bool,
        /// What follows.
        #[serde(default)]
        activation: Activation,
    },
    /// The largest of each window of 2x2 pixels; a last odd row or column is dropped.
    MaxPooling2d {},
    /// The mean of each channel over all pixels.
    GlobalAveragePooling2d {},
    /// Sets a share of the values to zero while training, and scales the others up (inverted dropout).
    Dropout {
        /// The share, in 0..1.
        rate: f32,
    },
    /// All values in a row, height-major.
    Flatten {},
    /// A fully connected layer.
    Dense {
        /// Outputs.
        units: usize,
        /// What follows.
        #[serde(default)]
        activation: Activation,
    },
}

/// The shape that each layer gives.
pub fn shapes(input: Shape, layers: &[LayerSpec]) -> Result<Vec<Shape>, super::network::ArchitectureError> {
    let mut shape = input;
    let mut all = Vec::new();
    for (i, layer) in layers.iter().enumerate() {
        shape = match layer {
            LayerSpec::Conv2d { filters, .. } => Shape { channels: *filters, ..shape },
            LayerSpec::MaxPooling2d {} => {
                Shape { height: shape.height / 2, width: shape.width / 2, channels: shape.channels }
            }
            LayerSpec::GlobalAveragePooling2d {} => Shape { height: 1, width: 1, channels: shape.channels },
            LayerSpec::Dropout { .. } => shape,
            LayerSpec::Flatten {} => Shape { height: 1, width: 1, channels: shape.len() },
            LayerSpec::Dense { units, .. } => {
                if shape.height * shape.width != 1 {
                    return Err(super::network::ArchitectureError::Layer {
                        index: i + 1,
                        kind: "dense".into(),
                        expected: "a row of values".into(),
                        found: format!("{shape:?}"),
                    });
                }
                Shape { channels: *units, ..shape }
            }
        };
        all.push(shape);
    }
    Ok(all)
}

/// Parameters in all, trainable or not.
pub fn parameters(input: Shape, layers: &[LayerSpec]) -> Result<usize, super::network::ArchitectureError> {
    let shapes = shapes(input, layers)?;
    let mut before = input;
    let mut sum = 0usize;
    for (layer, &after) in layers.iter().zip(&shapes) {
        sum += match layer {
            LayerSpec::Conv2d { filters, kernel, batch_norm, .. } => {
                kernel * kernel * before.channels * filters + if *batch_norm { 4 * filters } else { *filters }
            }
            LayerSpec::Dense { units, .. } => before.len() * units + units,
            _ => 0,
        };
        before = after;
    }
    Ok(sum)
}
