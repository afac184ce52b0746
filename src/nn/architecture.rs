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
