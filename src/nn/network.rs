//! A sequential network.
use super::{LayerSpec, Shape};

/// A named weight array in the file's layout (HWIO kernels, input-major dense weights).
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// For example `conv2d_1.kernel`, `dense.bias`, `batch_normalization_2.moving_mean`.
    pub name: String,
    /// Dimensions.
    pub shape: Vec<usize>,
    /// Values, row-major.
    pub values: Vec<f32>,
}

/// What one optimizer step needs besides the batch.
#[derive(Clone, Copy, Debug)]
pub struct StepSettings {
    /// Step size of Adam.
    pub learning_rate: f32,
    /// Decoupled weight decay of AdamW, in 1/step before the learning rate; 0 for plain Adam.
    pub weight_decay: f32,
    /// Targets are moved by half of this towards 0.5; 0 for none.
    pub label_smoothing: f32,
    /// The training seed: dropout masks are a function of (seed, epoch, index of the sample in the data set).
    pub seed: u64,
    /// The epoch, from 0.
    pub epoch: u64,
}

/// A sequential network with its weights and its optimizer's state. Cloning copies everything.
#[derive(Clone)]
pub struct Network;

#[allow(missing_docs, unused_variables)]
impl Network {
    /// Glorot-uniform weights from `seed`.
    pub fn new(input: Shape, layers: &[LayerSpec], seed: u64) -> Result<Network, ArchitectureError> {
        todo!()
    }
    pub fn input(&self) -> Shape {
        todo!()
    }
    pub fn layers(&self) -> &[LayerSpec] {
        todo!()
    }
    /// One row a layer, as Keras' summary has them (flatten, dropout, pooling rows too).
    pub fn summary(&self) -> Vec<LayerSummary> {
        todo!()
    }
    /// Logits of `n = inputs.len() / input.len()` samples (NHWC, f32), without dropout.
    pub fn predict(&self, inputs: &[f32]) -> Vec<f32> {
        todo!()
    }
    /// One optimizer step. `samples[i]` is the index of sample i in the data set. Returns the logits
    /// (before the step, with dropout) and the mean loss; when the loss is not finite, weights are left as they were.
    pub fn train_step(
        &mut self,
        inputs: &[f32],
        targets: &[f32],
        samples: &[u64],
        settings: &StepSettings,
    ) -> StepResult {
        todo!()
    }
    /// The weights that a model file holds (no optimizer state).
    pub fn weights(&self) -> Vec<Tensor> {
        todo!()
    }
    /// Replaces all weights; names and shapes must be those of `weights()`.
    pub fn set_weights(&mut self, tensors: &[Tensor]) -> Result<(), ArchitectureError> {
        todo!()
    }
    /// Adam's moments and step count, named `adam.m.<weight>`, `adam.v.<weight>`, `adam.step` (two u24 halves as f32).
    pub fn optimizer_state(&self) -> Vec<Tensor> {
        todo!()
    }
    pub fn set_optimizer_state(&mut self, tensors: &[Tensor]) -> Result<(), ArchitectureError> {
        todo!()
    }
}

/// Gives the loss and the logits of a step.
#[derive(Clone, Debug)]
pub struct StepResult {
    /// Mean binary cross-entropy of the batch.
    pub loss: f32,
    /// One a sample.
    pub logits: Vec<f32>,
}

/// One row of the layer table.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct LayerSummary {
    /// Keras' name: `conv2d`, `conv2d_1`, `max_pooling2d`, …
    pub name: String,
    /// Keras' class: `Conv2D`, …
    pub kind: String,
    /// Output dimensions of one sample.
    pub output: Vec<usize>,
    /// Parameters that training changes.
    pub trainable: usize,
    /// Parameters that it does not (moving statistics).
    pub non_trainable: usize,
}

/// Layers that do not fit each other, their input, or given weights.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchitectureError {
    /// A layer cannot take what the one before it gives.
    #[error("layer {index} ({kind}): expected {expected}, found {found}")]
    Layer {
        /// From 1.
        index: usize,
        /// The layer's kind.
        kind: String,
        /// What it needs.
        expected: String,
        /// What it got.
        found: String,
    },
    /// A weight array is missing, or has another shape.
    #[error("weight `{name}`: expected {expected}, found {found}")]
    Weight {
        /// The array's name.
        name: String,
        /// Its shape by the architecture.
        expected: String,
        /// What was given.
        found: String,
    },
}
