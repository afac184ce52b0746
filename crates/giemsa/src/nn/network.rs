//! A sequential network: inference, training steps and gradients.

mod state;
#[cfg(test)]
mod tests;

use super::aligned_vec::AlignedVec;
use super::architecture::{self, Activation, ArchitectureError, LayerSpec, LayerSummary, Needs, Shape};
use super::conv::{Conv, PostOps};
use super::dense::Dense;
use super::dropout::Dropout;
use super::kernels::adam::AdamStep;
use super::kernels::{finite, instruction_set};
use super::layer::{Batch, Layer};
use super::loss;
use super::parameter::Update;
use super::pooling::{GlobalAverage, MaxPool};
use crate::random::Random;
use rayon::prelude::*;
pub use state::Tensor;
use std::cell::Cell;
use std::fmt;

/// Hyperparameters of one training step.
#[derive(Clone, Copy, Debug)]
pub struct StepSettings {
    /// Learning rate of Adam.
    pub learning_rate: f32,
    /// Decoupled weight decay of AdamW, applied to kernels and multiplied by the learning rate; 0 for plain Adam.
    pub weight_decay: f32,
    /// Label smoothing, in 0..=1: replaces target t by t * (1 - smoothing) + smoothing / 2.
    pub label_smoothing: f32,
    /// Seed of the dropout masks, which are a function of (seed, epoch, index of the sample in the data set).
    pub seed: u64,
    /// Epoch, counted from 0.
    pub epoch: u64,
}

/// Loss and logits of one training step.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StepResult {
    /// Binary cross-entropy, summed over the outputs and averaged over the batch, with dropout, before the update.
    pub loss: f32,
    /// Binary cross-entropy of the first output, averaged over the samples with a target. Equals `loss` if there is one
    /// output and every sample has a target.
    pub class_loss: f32,
    /// Logits of shape `[samples][outputs]`, with dropout, before the update.
    pub logits: Vec<f32>,
}

/// Maximum number of samples per inference task: enough rows for the dense layers, few enough for the cache.
const MAX_TASK_SAMPLES: usize = 64;

/// A sequential network with its weights and optimizer state. Its output is one logit per sample, or two.
///
/// ```
/// use giemsa::nn::{Activation, LayerSpec, Network, Shape};
/// let input = Shape { height: 4, width: 4, channels: 3 };
/// let layers = [LayerSpec::Flatten {}, LayerSpec::Dense { units: 1, activation: Activation::Sigmoid }];
/// let network = Network::new(input, &layers, 0)?;
/// let logits = network.predict(&[0.5; 2 * 48]);
/// assert_eq!(logits.len(), 2);
/// # Ok::<(), giemsa::nn::ArchitectureError>(())
/// ```
pub struct Network {
    input: Shape,
    specs: Vec<LayerSpec>,
    pub(super) layers: Vec<Box<dyn Layer>>,
    /// Name of each parameter in model files, in the order of the layers.
    names: Vec<String>,
    /// Number of optimizer steps so far.
    step: u64,
    /// Output of each layer in training, and the gradient at it.
    activations: Vec<AlignedVec>,
    gradients: Vec<AlignedVec>,
}

impl Clone for Network {
    fn clone(&self) -> Network {
        Network {
            input: self.input,
            specs: self.specs.clone(),
            layers: self.layers.iter().map(|layer| layer.boxed_clone()).collect(),
            names: self.names.clone(),
            step: self.step,
            activations: vec![AlignedVec::new(); self.layers.len()],
            gradients: vec![AlignedVec::new(); self.layers.len()],
        }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Network { input, specs, step, .. } = self;
        f.debug_struct("Network")
            .field("input", input)
            .field("layers", specs)
            .field("step", step)
            .finish_non_exhaustive()
    }
}

impl Network {
    /// Creates a network with Glorot-uniform kernels from `seed` and zero biases.
    ///
    /// # Errors
    /// If [`architecture::shapes`] rejects the layers, or there is not enough memory for them.
    pub fn new(input: Shape, specs: &[LayerSpec], seed: u64) -> Result<Network, ArchitectureError> {
        Network::build(input, specs, Some(seed))
    }

    /// Creates a network with the given weights, in any order.
    ///
    /// # Errors
    /// If [`architecture::shapes`] rejects the layers, [`Network::set_weights`] the weights, or there is not enough
    /// memory.
    pub fn with_weights(input: Shape, specs: &[LayerSpec], weights: &[Tensor]) -> Result<Network, ArchitectureError> {
        let mut network = Network::build(input, specs, None)?;
        network.set_weights(weights)?;
        Ok(network)
    }

    /// Creates a network with initial weights from a seed, or with zeros.
    fn build(input: Shape, specs: &[LayerSpec], seed: Option<u64>) -> Result<Network, ArchitectureError> {
        let shapes = architecture::shapes(input, specs)?;
        check_memory(&architecture::needs(input, specs)?)?;
        let summary = architecture::summary(input, specs)?;
        let mut layers: Vec<Box<dyn Layer>> = Vec::new();
        let mut i = 0;
        while i < specs.len() {
            let before = if i == 0 { input } else { shapes[i - 1] };
            let pool = matches!(specs.get(i + 1), Some(LayerSpec::MaxPooling2d {}));
            let layer = build_layer(&specs[i], before, pool, i as u64, seed);
            i += if pool && matches!(specs[i], LayerSpec::Conv2d { .. }) { 2 } else { 1 };
            layers.extend(layer);
        }
        let names = state::parameter_names(&summary, &layers);
        let (activations, gradients) = (vec![AlignedVec::new(); layers.len()], vec![AlignedVec::new(); layers.len()]);
        Ok(Network { input, specs: specs.to_vec(), layers, names, step: 0, activations, gradients })
    }

    /// Returns the shape of one input image.
    #[must_use]
    pub fn input(&self) -> Shape {
        self.input
    }

    /// Returns the number of logits per sample: the units of the last layer, 1 or 2.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(1, |last| last.output_shape().len())
    }

    /// Returns the layers that the network was created from.
    #[must_use]
    pub fn layers(&self) -> &[LayerSpec] {
        &self.specs
    }

    /// Returns one row per layer, like `Model.summary` in Keras.
    #[must_use]
    pub fn summary(&self) -> Vec<LayerSummary> {
        architecture::summary(self.input, &self.specs).unwrap_or_default()
    }

    /// Computes the logits of each sample, in inference mode: without dropout, with the moving averages of batch
    /// normalisation. The logits of a sample do not depend on the other samples. They are not finite if an output of a
    /// layer before it is not.
    ///
    /// # Shapes
    /// - `inputs`: `[samples][height][width][channels]` (NHWC), values in 0..=1
    /// - returns `[samples][outputs]`
    ///
    /// # Panics
    /// If the length of `inputs` is not a multiple of the length of one sample.
    #[must_use]
    pub fn predict(&self, inputs: &[f32]) -> Vec<f32> {
        let sample = self.input.len();
        assert!(inputs.len().is_multiple_of(sample), "expected whole samples of {sample} values");
        let n = inputs.len() / sample;
        let threads = rayon::current_num_threads();
        let task_samples = n.div_ceil(threads).clamp(1, MAX_TASK_SAMPLES);
        let outputs = self.outputs();
        let mut logits = vec![0.0; n * outputs];
        if n == 1 && threads > 1 {
            rayon::scope(|_| self.infer(inputs, &mut logits, <dyn Layer>::infer_one));
        } else if n <= task_samples {
            self.infer(inputs, &mut logits, <dyn Layer>::infer);
        } else {
            let tasks = inputs.par_chunks(task_samples * sample).zip(logits.par_chunks_mut(task_samples * outputs));
            tasks.for_each(|(inputs, logits)| self.infer(inputs, logits, <dyn Layer>::infer));
        }
        logits
    }

    /// Computes the logits of a few samples: one by one up to the first layer that prefers batches, so that activations
    /// stay in the cache; from there all at once, so that the samples share each loaded weight.
    fn infer(&self, inputs: &[f32], logits: &mut [f32], infer: Infer) {
        thread_local! {
            // Taken out of the cell while in use: a thread that waits for others may start another inference meanwhile.
            static BUFFERS: Cell<Buffers> = Cell::default();
        }
        let mut buffers = BUFFERS.take();
        let Buffers { features, activations } = &mut buffers;
        let first_batched = self.layers.iter().position(|layer| layer.prefers_batches()).unwrap_or(self.layers.len());
        let (one_by_one, batched) = self.layers.split_at(first_batched);
        if let Some(last) = one_by_one.last() {
            features.resize_for_overwrite(logits.len() / self.outputs() * last.output_shape().len());
            let images =
                inputs.chunks_exact(self.input.len()).zip(features.chunks_exact_mut(last.output_shape().len()));
            images.for_each(|(image, features)| {
                infer_layers(one_by_one, image, activations, features, infer);
                spread_non_finite(features, last.output_shape().len());
            });
            infer_layers(batched, features, activations, logits, infer);
        } else {
            infer_layers(batched, inputs, activations, logits, infer);
        }
        BUFFERS.set(buffers);
    }

    /// Updates the weights by one step of AdamW on a batch. If the loss is not finite, the weights do not change.
    ///
    /// # Shapes
    /// - `inputs`: `[samples][height][width][channels]` (NHWC), values in 0..=1
    /// - `targets`: `[samples][outputs]`, each in 0..=1, or [`NO_TARGET`](super::NO_TARGET); the first is the class index or the
    ///   probability of class 1
    /// - `samples`: `[samples]`, indices in the data set, which determine the dropout masks
    ///
    /// # Panics
    /// If there are no samples, or the lengths differ.
    pub fn train_step(
        &mut self,
        inputs: &[f32],
        targets: &[f32],
        samples: &[u64],
        settings: &StepSettings,
    ) -> StepResult {
        let step = AdamStep::new(self.step + 1, settings.learning_rate, settings.weight_decay);
        // The whole step runs on a thread of the pool, so that its short parallel passes start without waking a thread.
        let result = rayon::scope(|_| self.run_step(inputs, targets, samples, settings, Update::Adam(step)));
        self.step += u64::from(result.loss.is_finite());
        result
    }

    /// Computes the gradients of the mean loss of a batch at all trainable weights, in the order of
    /// [`Network::weights`], without changing the network.
    ///
    /// # Shapes
    /// As for [`Network::train_step`].
    ///
    /// # Panics
    /// As [`Network::train_step`].
    #[must_use]
    pub fn gradients(
        &self,
        inputs: &[f32],
        targets: &[f32],
        samples: &[u64],
        settings: &StepSettings,
    ) -> (StepResult, Vec<Tensor>) {
        let mut copy = self.clone();
        let result = copy.run_step(inputs, targets, samples, settings, Update::Record);
        (result, copy.recorded_gradients())
    }

    /// Runs a forward and a backward pass, and applies `update`.
    fn run_step(
        &mut self,
        inputs: &[f32],
        targets: &[f32],
        samples: &[u64],
        settings: &StepSettings,
        update: Update,
    ) -> StepResult {
        let n = samples.len();
        let outputs = self.outputs();
        assert!(n > 0 && targets.len() == n * outputs, "expected {outputs} targets for each of {n} samples");
        assert_eq!(inputs.len(), n * self.input.len(), "expected {n} inputs");
        let batch = Batch { samples, seed: settings.seed, epoch: settings.epoch };
        for (i, layer) in self.layers.iter_mut().enumerate() {
            let (before, after) = self.activations.split_at_mut(i);
            let input = before.last().map_or(inputs, |input| input);
            after[0].resize_for_overwrite(n * layer.output_shape().len());
            layer.forward(input, &batch, &mut after[0]);
        }
        let logits = self.activations.last().map(|last| last.to_vec()).unwrap_or_default();
        let mut gradient = vec![0.0; n * outputs];
        let loss = loss::binary_cross_entropy(&logits, targets, outputs, settings.label_smoothing, &mut gradient);
        let result = StepResult { loss: loss.total, class_loss: loss.class, logits };
        if !result.loss.is_finite() {
            return result;
        }
        for i in (0..self.layers.len()).rev() {
            let (before, after) = self.gradients.split_at_mut(i);
            let gradient = if i + 1 == self.layers.len() { &mut gradient[..] } else { &mut after[0] };
            let input = if i == 0 { inputs } else { &self.activations[i - 1] };
            let input_gradient = before.last_mut().map(|input_gradient| {
                input_gradient.resize_for_overwrite(input.len());
                &mut input_gradient[..]
            });
            self.layers[i].backward(input, &self.activations[i], gradient, input_gradient, update);
        }
        result
    }
}

/// Activations in inference, reused between calls.
#[derive(Default)]
struct Buffers {
    /// Input of the first layer that prefers batches.
    features: AlignedVec,
    /// Input and output of a layer, swapped after each layer.
    activations: [AlignedVec; 2],
}

/// [`Layer::infer`], or [`Layer::infer_one`] for one sample.
type Infer = fn(&(dyn Layer + 'static), &[f32], &mut [f32]);

/// Computes the output of the last of `layers` in inference mode; does nothing without layers.
pub(super) fn infer_layers(
    layers: &[Box<dyn Layer>],
    input: &[f32],
    activations: &mut [AlignedVec; 2],
    output: &mut [f32],
    infer: Infer,
) {
    let Some((last, others)) = layers.split_last() else { return };
    let samples = output.len() / last.output_shape().len();
    let [from, to] = activations;
    let mut input = input;
    let (mut from, mut to) = (from, to);
    for layer in others {
        to.resize_for_overwrite(samples * layer.output_shape().len());
        infer(&**layer, input, to);
        spread_non_finite(to, layer.output_shape().len());
        std::mem::swap(&mut from, &mut to);
        input = from;
    }
    infer(&**last, input, output);
}

/// Replaces all values of a sample by NaN if one of them is not finite. Unlike an infinity, which ReLU can turn into zero,
/// these reach the logit.
fn spread_non_finite(samples: &mut [f32], sample_len: usize) {
    for sample in samples.chunks_exact_mut(sample_len) {
        if !finite::all_finite(instruction_set(), sample) {
            sample.fill(f32::NAN);
        }
    }
}

/// Checks that there is memory for the weights, twice because convolutions pack a copy, and for the outputs of one image.
/// Without this check, the first allocation that fails ends the process.
fn check_memory(needs: &Needs) -> Result<(), ArchitectureError> {
    let values = 2 * (needs.weights + needs.padding_zeros) + needs.output_values;
    let mut all: Vec<f32> = Vec::new();
    let reserved = usize::try_from(values).is_ok_and(|values| all.try_reserve_exact(values).is_ok());
    // The compiler may not remove an allocation that is used.
    std::hint::black_box(&mut all);
    let bytes = values * size_of::<f32>() as u64;
    if reserved { Ok(()) } else { Err(ArchitectureError::OutOfMemory { bytes }) }
}

/// Creates the layer of a specification; `None` for `Flatten`, which only changes the shape. A convolution includes the
/// pooling that follows it if `pool`.
fn build_layer(spec: &LayerSpec, before: Shape, pool: bool, index: u64, seed: Option<u64>) -> Option<Box<dyn Layer>> {
    let mut random = seed.map(|seed| Random::keyed(&[seed, u64::from_le_bytes(*b"weights\0"), index]));
    let random = random.as_mut();
    Some(match *spec {
        LayerSpec::Conv2d { filters, kernel, batch_norm, activation } => {
            let post_ops = PostOps { batch_norm, relu: activation == Activation::Relu, pool };
            Box::new(Conv::new(before, filters, kernel, post_ops, random))
        }
        LayerSpec::MaxPooling2d {} => Box::new(MaxPool::new(before)),
        LayerSpec::GlobalAveragePooling2d {} => Box::new(GlobalAverage { input: before }),
        LayerSpec::Dropout { rate } => Box::new(Dropout::new(before, rate, index)),
        LayerSpec::Flatten {} => return None,
        LayerSpec::Dense { units, activation } => {
            Box::new(Dense::new(before.len(), units, activation == Activation::Relu, random))
        }
    })
}
