//! A sequential network: prediction, one training step, and its weights by name.

use super::aligned_vec::AlignedVec;
use super::architecture::{self, Activation, ArchitectureError, LayerSpec, LayerSummary, Shape};
use super::conv::{Conv, PostOps};
use super::dense::Dense;
use super::dropout::Dropout;
use super::kernels::adam::AdamStep;
use super::layer::{Batch, Layer};
use super::loss;
use super::parameter::{Parameter, Update};
use super::pooling::{GlobalAverage, MaxPool};
use crate::random::Random;
use rayon::prelude::*;
use std::cell::Cell;

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
    /// Decoupled weight decay of AdamW, on kernels, as a factor of the learning rate; 0 for plain Adam.
    pub weight_decay: f32,
    /// Targets are moved by half of this towards 0.5; 0 for none.
    pub label_smoothing: f32,
    /// The training seed: dropout masks are a function of (seed, epoch, index of the sample in the data set).
    pub seed: u64,
    /// The epoch, from 0.
    pub epoch: u64,
}

/// What a step found.
#[derive(Clone, Debug)]
pub struct StepResult {
    /// Mean binary cross-entropy of the batch, before the step, with dropout.
    pub loss: f32,
    /// One a sample.
    pub logits: Vec<f32>,
}

/// Samples that one thread predicts at a time: enough rows for the dense layers, few enough to stay in the cache.
const PREDICTED_AT_ONCE: usize = 64;

/// A sequential network with its weights and its optimizer's state. Cloning copies everything.
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
    /// The file's name of each parameter, in the layers' order.
    names: Vec<String>,
    step: u64,
    /// The output of each layer in training, and the gradient at it.
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

impl Network {
    /// A network with Glorot-uniform kernels from `seed` and zero biases.
    ///
    /// # Errors
    /// When the layers do not fit each other or the input.
    pub fn new(input: Shape, specs: &[LayerSpec], seed: u64) -> Result<Network, ArchitectureError> {
        Network::build(input, specs, Some(seed))
    }

    /// A network with these weights, as [`Network::weights`] gives them, in any order.
    ///
    /// # Errors
    /// When the layers do not fit each other or the input, or the weights do not fit the layers.
    pub fn with_weights(input: Shape, specs: &[LayerSpec], weights: &[Tensor]) -> Result<Network, ArchitectureError> {
        let mut network = Network::build(input, specs, None)?;
        network.set_weights(weights)?;
        Ok(network)
    }

    /// A network with first weights from a seed, or all zero.
    fn build(input: Shape, specs: &[LayerSpec], seed: Option<u64>) -> Result<Network, ArchitectureError> {
        let shapes = architecture::shapes(input, specs)?;
        let summary = architecture::summary(input, specs)?;
        let mut layers: Vec<Box<dyn Layer>> = Vec::new();
        let mut i = 0;
        while i < specs.len() {
            let before = if i == 0 { input } else { shapes[i - 1] };
            let pool = matches!(specs.get(i + 1), Some(LayerSpec::MaxPooling2d {}));
            let layer = build(&specs[i], before, pool, i as u64, seed);
            i += if pool && matches!(specs[i], LayerSpec::Conv2d { .. }) { 2 } else { 1 };
            layers.extend(layer);
        }
        let names = parameter_names(&summary, &layers);
        let (activations, gradients) = (vec![AlignedVec::new(); layers.len()], vec![AlignedVec::new(); layers.len()]);
        Ok(Network { input, specs: specs.to_vec(), layers, names, step: 0, activations, gradients })
    }

    /// The shape of one input: NHWC, values in 0..=1.
    pub fn input(&self) -> Shape {
        self.input
    }

    /// What it was built from.
    pub fn layers(&self) -> &[LayerSpec] {
        &self.specs
    }

    /// The layer table, as Keras' `summary` has it.
    pub fn summary(&self) -> Vec<LayerSummary> {
        architecture::summary(self.input, &self.specs).unwrap_or_default()
    }

    /// Logits of the samples in `inputs`, without dropout; a sample's logit does not depend on the others.
    ///
    /// # Shapes
    /// `inputs`: `[n][height][width][channels]`, in 0..=1; gives n logits.
    ///
    /// # Panics
    /// When `inputs` does not hold whole samples.
    pub fn predict(&self, inputs: &[f32]) -> Vec<f32> {
        let sample = self.input.len();
        assert!(inputs.len().is_multiple_of(sample), "expected whole samples of {sample} values");
        let n = inputs.len() / sample;
        let threads = rayon::current_num_threads();
        let at_once = n.div_ceil(threads).clamp(1, PREDICTED_AT_ONCE);
        let mut logits = vec![0.0; n];
        if n == 1 && threads > 1 {
            rayon::scope(|_| self.infer(inputs, &mut logits, <dyn Layer>::infer_one));
        } else if n <= at_once {
            self.infer(inputs, &mut logits, <dyn Layer>::infer);
        } else {
            let parts = inputs.par_chunks(at_once * sample).zip(logits.par_chunks_mut(at_once));
            parts.for_each(|(inputs, logits)| self.infer(inputs, logits, <dyn Layer>::infer));
        }
        logits
    }

    /// The logits of a few samples: image by image up to the first fully connected layer, so that what passes between the
    /// layers stays in the cache; from there all together, so that they share each weight that is loaded.
    fn infer(&self, inputs: &[f32], logits: &mut [f32], infer: Infer) {
        thread_local! {
            // Taken out while in use: a thread that waits for others may be given another prediction meanwhile.
            static BUFFERS: Cell<Buffers> = Cell::default();
        }
        let mut buffers = BUFFERS.take();
        let Buffers { features, passing } = &mut buffers;
        let first_shared = self.layers.iter().position(|layer| layer.prefers_batches()).unwrap_or(self.layers.len());
        let (alone, together) = self.layers.split_at(first_shared);
        if let Some(last) = alone.last() {
            features.resize_for_overwrite(logits.len() * last.output_shape().len());
            let each = inputs.chunks_exact(self.input.len()).zip(features.chunks_exact_mut(last.output_shape().len()));
            each.for_each(|(image, features)| infer_layers(alone, image, passing, features, infer));
            infer_layers(together, features, passing, logits, infer);
        } else {
            infer_layers(together, inputs, passing, logits, infer);
        }
        BUFFERS.set(buffers);
    }

    /// One step of Adam on a batch. Where the loss is not finite, the weights are left as they were.
    ///
    /// # Shapes
    /// `inputs`: `[n][height][width][channels]`, in 0..=1; `targets`: n, each 0 or 1; `samples`: n indices in the data
    /// set, which dropout masks are made from.
    ///
    /// # Panics
    /// When there is no sample, or the lengths differ.
    pub fn train_step(
        &mut self,
        inputs: &[f32],
        targets: &[f32],
        samples: &[u64],
        settings: &StepSettings,
    ) -> StepResult {
        let step = AdamStep::new(self.step + 1, settings.learning_rate, settings.weight_decay);
        // The whole step runs on a thread of the pool: its many short parallel passes then start without waking one.
        let result = rayon::scope(|_| self.run_step(inputs, targets, samples, settings, Update::Adam(step)));
        self.step += u64::from(result.loss.is_finite());
        result
    }

    /// The gradients of the mean loss of a batch at all trained weights, in the order of [`Network::weights`]; the
    /// network stays as it is.
    ///
    /// # Panics
    /// As [`Network::train_step`].
    pub fn gradients(
        &self,
        inputs: &[f32],
        targets: &[f32],
        samples: &[u64],
        settings: &StepSettings,
    ) -> (StepResult, Vec<Tensor>) {
        let mut copy = self.clone();
        let result = copy.run_step(inputs, targets, samples, settings, Update::Record);
        let trained = copy.named_parameters().filter(|(_, parameter)| parameter.is_trainable);
        let gradients =
            trained.map(|(name, parameter)| tensor(name.clone(), parameter, &parameter.first_moment)).collect();
        (result, gradients)
    }

    fn run_step(
        &mut self,
        inputs: &[f32],
        targets: &[f32],
        samples: &[u64],
        settings: &StepSettings,
        update: Update,
    ) -> StepResult {
        let n = samples.len();
        assert!(n > 0 && targets.len() == n && inputs.len() == n * self.input.len(), "a batch of {n} samples");
        let batch = Batch { samples, seed: settings.seed, epoch: settings.epoch };
        for (i, layer) in self.layers.iter_mut().enumerate() {
            let (before, after) = self.activations.split_at_mut(i);
            let input = before.last().map_or(inputs, |input| input);
            after[0].resize_for_overwrite(n * layer.output_shape().len());
            layer.forward(input, &batch, &mut after[0]);
        }
        let logits = self.activations.last().map(|last| last.to_vec()).unwrap_or_default();
        let mut gradient = vec![0.0; n];
        let loss = loss::binary_cross_entropy(&logits, targets, settings.label_smoothing, &mut gradient);
        if !loss.is_finite() {
            return StepResult { loss, logits };
        }
        for i in (0..self.layers.len()).rev() {
            let (before, after) = self.gradients.split_at_mut(i);
            let gradient = if i + 1 == self.layers.len() { &mut gradient[..] } else { &mut after[0] };
            let input = if i == 0 { inputs } else { &self.activations[i - 1] };
            if let Some(wanted) = before.last_mut() {
                wanted.resize_for_overwrite(input.len());
            }
            let input_gradient = before.last_mut().map(|wanted| &mut wanted[..]);
            self.layers[i].backward(input, &self.activations[i], gradient, input_gradient, update);
        }
        StepResult { loss, logits }
    }

    fn named_parameters(&self) -> impl Iterator<Item = (&String, &Parameter)> {
        self.names.iter().zip(self.layers.iter().flat_map(|layer| layer.parameters()))
    }

    /// The weights that a model file holds (no optimizer state).
    pub fn weights(&self) -> Vec<Tensor> {
        self.named_parameters().map(|(name, parameter)| tensor(name.clone(), parameter, &parameter.values)).collect()
    }

    /// Replaces all weights; names and shapes must be those of [`Network::weights`], in any order.
    ///
    /// # Errors
    /// When an array is missing, has another shape, or is none of this network's; nothing is changed then.
    pub fn set_weights(&mut self, tensors: &[Tensor]) -> Result<(), ArchitectureError> {
        let found = self.named_parameters().map(|(name, parameter)| find(tensors, name, &parameter.shape));
        let found: Vec<&Tensor> = found.collect::<Result<_, _>>()?;
        if let Some(stranger) = tensors.iter().find(|tensor| !self.names.contains(&tensor.name)) {
            let (expected, found) = ("only weights of these layers".to_owned(), "one more".to_owned());
            return Err(ArchitectureError::Weight { name: stranger.name.clone(), expected, found });
        }
        let parameters = self.layers.iter_mut().flat_map(|layer| layer.parameters_mut());
        parameters.zip(found).for_each(|(parameter, tensor)| parameter.set(&tensor.values));
        Ok(())
    }

    /// Adam's moments, `adam.m.<weight>` and `adam.v.<weight>`, and its step count, `adam.step`, in two halves of 24 bits
    /// (low, high), which a float holds exactly.
    pub fn optimizer_state(&self) -> Vec<Tensor> {
        let halves = [self.step & 0xFF_FFFF, self.step >> 24].map(|half| half as f32);
        let step = Tensor { name: "adam.step".to_owned(), shape: vec![2], values: halves.to_vec() };
        let trained = self.named_parameters().filter(|(_, parameter)| parameter.is_trainable);
        let moments = trained.flat_map(|(name, parameter)| {
            [("m", &parameter.first_moment), ("v", &parameter.second_moment)]
                .map(|(moment, values)| tensor(format!("adam.{moment}.{name}"), parameter, values))
        });
        std::iter::once(step).chain(moments).collect()
    }

    /// Replaces the optimizer's state by one that [`Network::optimizer_state`] gave.
    ///
    /// # Errors
    /// When an array is missing or has another shape; nothing is changed then.
    pub fn set_optimizer_state(&mut self, tensors: &[Tensor]) -> Result<(), ArchitectureError> {
        let halves = &find(tensors, "adam.step", &[2])?.values;
        let step = halves[0] as u64 | (halves[1] as u64) << 24;
        let trained = self.named_parameters().filter(|(_, parameter)| parameter.is_trainable);
        let moments = trained.map(|(name, parameter)| {
            let moment = |kind| find(tensors, &format!("adam.{kind}.{name}"), &parameter.shape);
            Ok((moment("m")?, moment("v")?))
        });
        let moments: Vec<_> = moments.collect::<Result<_, ArchitectureError>>()?;
        let parameters = self.layers.iter_mut().flat_map(|layer| layer.parameters_mut());
        let trained = parameters.filter(|parameter| parameter.is_trainable);
        trained.zip(moments).for_each(|(parameter, (m, v))| parameter.set_moments(&m.values, &v.values));
        self.step = step;
        Ok(())
    }
}

/// What passes through the layers in prediction, kept between calls.
#[derive(Default)]
struct Buffers {
    /// The input of the first layer that takes many samples together.
    features: AlignedVec,
    /// The input and the output of a layer, changing places.
    passing: [AlignedVec; 2],
}

/// [`Layer::infer`], or for one sample [`Layer::infer_one`].
type Infer = fn(&(dyn Layer + 'static), &[f32], &mut [f32]);

/// The output of the last of these layers, as in prediction; at least one layer.
pub(super) fn infer_layers(
    layers: &[Box<dyn Layer>],
    input: &[f32],
    passing: &mut [AlignedVec; 2],
    output: &mut [f32],
    infer: Infer,
) {
    let Some((last, first)) = layers.split_last() else { return };
    let samples = output.len() / last.output_shape().len();
    let [from, to] = passing;
    let mut input = input;
    let (mut from, mut to) = (from, to);
    for layer in first {
        to.resize_for_overwrite(samples * layer.output_shape().len());
        infer(&**layer, input, to);
        std::mem::swap(&mut from, &mut to);
        input = from;
    }
    infer(&**last, input, output);
}

/// The engine's layer for a recipe's; none for what does nothing to values that lie in a row anyway. A convolution takes
/// in the pooling that follows it.
fn build(spec: &LayerSpec, before: Shape, pool: bool, index: u64, seed: Option<u64>) -> Option<Box<dyn Layer>> {
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

/// `conv2d.kernel`, `conv2d.bias`, `batch_normalization.gamma`, …: the names of the layers that have parameters, in the
/// summary's order, with those of their parameters.
fn parameter_names(summary: &[LayerSummary], layers: &[Box<dyn Layer>]) -> Vec<String> {
    let mut rows = summary.iter().filter(|row| row.trainable > 0);
    let mut layer = "";
    let parameters = layers.iter().flat_map(|layer| layer.parameters());
    let starts_a_row = |name: &str| name == "kernel" || name == "gamma";
    parameters
        .map(|parameter| {
            if starts_a_row(parameter.name) {
                layer = rows.next().map_or("", |row| &row.name);
            }
            format!("{layer}.{}", parameter.name)
        })
        .collect()
}

fn tensor(name: String, parameter: &Parameter, values: &[f32]) -> Tensor {
    Tensor { name, shape: parameter.shape.clone(), values: parameter.to_row_major(values) }
}

fn find<'a>(tensors: &'a [Tensor], name: &str, shape: &[usize]) -> Result<&'a Tensor, ArchitectureError> {
    let wrong = |found: String| {
        let expected = format!("an array of shape {shape:?}");
        Err(ArchitectureError::Weight { name: name.to_owned(), expected, found })
    };
    match tensors.iter().find(|tensor| tensor.name == name) {
        None => wrong("none".to_owned()),
        Some(tensor) if tensor.shape != shape || tensor.values.len() != shape.iter().product::<usize>() => {
            wrong(format!("one of shape {:?} with {} values", tensor.shape, tensor.values.len()))
        }
        Some(tensor) => Ok(tensor),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: StepSettings =
        StepSettings { learning_rate: 0.01, weight_decay: 0.0, label_smoothing: 0.0, seed: 5, epoch: 0 };

    fn conv(filters: usize, kernel: usize, batch_norm: bool) -> LayerSpec {
        LayerSpec::Conv2d { filters, kernel, batch_norm, activation: Activation::Relu }
    }

    fn dense(units: usize, activation: Activation) -> LayerSpec {
        LayerSpec::Dense { units, activation }
    }

    fn input() -> Shape {
        Shape { height: 9, width: 10, channels: 3 }
    }

    /// Networks that between them have every layer, and every way a convolution can go.
    fn networks() -> Vec<(&'static str, Vec<LayerSpec>)> {
        let last = dense(1, Activation::Sigmoid);
        let pool = LayerSpec::MaxPooling2d {};
        vec![
            (
                "pooled",
                vec![
                    conv(5, 2, false),
                    pool.clone(),
                    conv(18, 3, false),
                    pool.clone(),
                    LayerSpec::Flatten {},
                    last.clone(),
                ],
            ),
            ("plain", vec![conv(16, 3, false), conv(4, 2, false), LayerSpec::GlobalAveragePooling2d {}, last.clone()]),
            (
                "normalised",
                vec![
                    conv(16, 3, true),
                    conv(6, 3, true),
                    pool.clone(),
                    LayerSpec::GlobalAveragePooling2d {},
                    last.clone(),
                ],
            ),
            (
                "dense",
                vec![
                    conv(4, 3, false),
                    LayerSpec::Dropout { rate: 0.3 },
                    LayerSpec::MaxPooling2d {},
                    pool,
                    LayerSpec::Flatten {},
                    dense(20, Activation::Relu),
                    LayerSpec::Dropout { rate: 0.2 },
                    last,
                ],
            ),
        ]
    }

    fn batch(n: usize) -> (Vec<f32>, Vec<f32>, Vec<u64>) {
        let mut random = Random::keyed(&[11]);
        let inputs = (0..n * input().len()).map(|_| random.uniform()).collect();
        (inputs, (0..n).map(|i| (i % 2) as f32).collect(), (0..n as u64).collect())
    }

    #[test]
    fn gradients_of_every_layer_are_finite_differences() {
        for (name, layers) in networks() {
            let mut network = Network::new(input(), &layers, 3).unwrap();
            let (inputs, targets, samples) = batch(6);
            let (_, gradients) = network.gradients(&inputs, &targets, &samples, &SETTINGS);
            let weights = network.weights();
            for (gradient, sign) in gradients.iter().flat_map(|gradient| [(gradient, false), (gradient, true)]) {
                let which = weights.iter().position(|tensor| tensor.name == gradient.name).unwrap();
                // Along the gradient, and along a random corner: one weight alone meets the kinks of ReLU and pooling.
                let mut random = Random::keyed(&[which as u64]);
                let along = |&g: &f32| if sign && random.chance(0.5) { -g.abs() } else { g };
                let mut direction: Vec<f32> = gradient.values.iter().map(along).collect();
                let length = direction.iter().map(|d| d * d).sum::<f32>().sqrt();
                direction.iter_mut().for_each(|d| *d /= length);
                let mut loss_at = |step: f32| {
                    let mut moved = weights.clone();
                    moved[which].values.iter_mut().zip(&direction).for_each(|(w, d)| *w += step * d);
                    network.set_weights(&moved).unwrap();
                    f64::from(network.gradients(&inputs, &targets, &samples, &SETTINGS).0.loss)
                };
                let expected = (loss_at(2e-3) - loss_at(-2e-3)) / 4e-3;
                let found: f64 = gradient.values.iter().zip(&direction).map(|(g, d)| f64::from(g * d)).sum();
                let near = (found - expected).abs() < 1e-3 + 0.03 * expected.abs();
                assert!(near, "{name} {}: {found}, expected {expected}", gradient.name);
            }
        }
    }

    #[test]
    fn training_gives_the_same_bytes_for_any_number_of_threads() {
        for (name, layers) in networks() {
            let mut expected = None;
            for threads in [1, 2, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let mut network = Network::new(input(), &layers, 3).unwrap();
                let (inputs, targets, samples) = batch(13);
                pool.install(|| {
                    (0..3).for_each(|_| {
                        network.train_step(&inputs, &targets, &samples, &SETTINGS);
                    })
                });
                let found = (network.weights(), network.predict(&inputs));
                assert_eq!(*expected.get_or_insert(found.clone()), found, "{name} with {threads} threads");
            }
        }
    }

    #[test]
    fn training_lowers_the_loss_and_prediction_follows() {
        for (name, layers) in networks() {
            let mut network = Network::new(input(), &layers, 3).unwrap();
            let (mut inputs, targets, samples) = batch(12);
            // Class 1 is brighter.
            for (image, target) in inputs.chunks_exact_mut(input().len()).zip(&targets) {
                image.iter_mut().for_each(|v| *v = *v * 0.5 + 0.5 * target);
            }
            let first = network.train_step(&inputs, &targets, &samples, &SETTINGS).loss;
            let last = (0..60).map(|_| network.train_step(&inputs, &targets, &samples, &SETTINGS).loss).last().unwrap();
            assert!(last < 0.5 * first, "{name}: {first} to {last}");
        }
    }

    #[test]
    fn a_samples_logit_depends_neither_on_the_others_nor_on_the_number_of_threads() {
        for (name, layers) in networks() {
            let network = Network::new(input(), &layers, 3).unwrap();
            let (inputs, ..) = batch(9);
            let together = network.predict(&inputs);
            for threads in [1, 2, 3, 8] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let images = inputs.chunks_exact(input().len());
                let one_by_one: Vec<f32> = pool.install(|| images.flat_map(|image| network.predict(image)).collect());
                assert_eq!(together, one_by_one, "{name} with {threads} threads");
                let nested: Vec<f32> = pool.install(|| {
                    inputs.par_chunks_exact(input().len()).flat_map_iter(|image| network.predict(image)).collect()
                });
                assert_eq!(together, nested, "{name} with {threads} threads, each with an image of its own");
            }
        }
    }

    #[test]
    fn weights_and_optimizer_state_carry_a_network_over() {
        for (name, layers) in networks() {
            let mut network = Network::new(input(), &layers, 3).unwrap();
            let (inputs, targets, samples) = batch(5);
            network.train_step(&inputs, &targets, &samples, &SETTINGS);
            let mut other = Network::new(input(), &layers, 4).unwrap();
            other.set_weights(&network.weights()).unwrap();
            other.set_optimizer_state(&network.optimizer_state()).unwrap();
            network.train_step(&inputs, &targets, &samples, &SETTINGS);
            other.train_step(&inputs, &targets, &samples, &SETTINGS);
            assert_eq!(network.weights(), other.weights(), "{name}");
            assert_eq!(network.optimizer_state(), other.optimizer_state(), "{name}");
        }
    }

    #[test]
    fn a_loss_that_is_not_finite_leaves_the_weights() {
        let (_, layers) = networks().swap_remove(0);
        let mut network = Network::new(input(), &layers, 3).unwrap();
        let (mut inputs, targets, samples) = batch(5);
        inputs.fill(f32::NAN);
        let before = network.weights();
        assert!(network.train_step(&inputs, &targets, &samples, &SETTINGS).loss.is_nan());
        assert_eq!(network.weights(), before);
        assert_eq!(network.optimizer_state()[0].values, [0.0, 0.0]);
    }

    #[test]
    fn weights_that_do_not_fit_are_named() {
        let (_, layers) = networks().swap_remove(0);
        let mut network = Network::new(input(), &layers, 3).unwrap();
        let mut weights = network.weights();
        weights[1].shape = vec![6];
        let message = network.set_weights(&weights).unwrap_err().to_string();
        assert!(message.contains("conv2d.bias") && message.contains("[5]"), "{message}");
        weights.remove(1);
        let message = network.set_weights(&weights).unwrap_err().to_string();
        assert!(message.contains("found none"), "{message}");
    }
}
