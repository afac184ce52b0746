//! The network engine compared with Keras; `tests/reference/network_golden.py` computes the expected values in double
//! precision.

use giemsa::model::Recipe;
use giemsa::nn::{Activation, LayerSpec, Network, Shape, StepSettings, Tensor};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    name: String,
    input: [usize; 3],
    /// Name, class, output shape, and numbers of trainable and non-trainable parameters of each layer.
    summary: Vec<(String, String, Vec<usize>, usize, usize)>,
    weights: Vec<Rule>,
    logits: Vec<f32>,
    training: Training,
    gradients: Vec<Sampled>,
    moving: Vec<Sampled>,
    runs: Vec<Run>,
}

/// The distribution of a weight array: uniform within `width` of `centre`.
#[derive(Deserialize)]
struct Rule {
    name: String,
    shape: Vec<usize>,
    centre: f32,
    width: f32,
}

#[derive(Deserialize)]
struct Training {
    loss: f32,
    logits: Vec<f32>,
}

/// Every `stride`-th value of an array, and the sum and norm of all values.
#[derive(Deserialize)]
struct Sampled {
    name: String,
    sum: f64,
    norm: f64,
    stride: usize,
    values: Vec<f32>,
}

#[derive(Deserialize)]
struct Run {
    learning_rate: f32,
    weight_decay: f32,
    label_smoothing: f32,
    losses: Vec<f32>,
}

const PLAIN: StepSettings =
    StepSettings { learning_rate: 0.001, weight_decay: 0.0, label_smoothing: 0.0, seed: 0, epoch: 0 };
/// The stream of `uniform` for the images; streams from 0 are those of the weights, in order.
const IMAGES: u32 = 1000;

fn goldens() -> Vec<Golden> {
    let goldens: Vec<Golden> =
        serde_json::from_str(include_str!("../../../../tests/reference/network_golden.json")).unwrap();
    assert_eq!(goldens.len(), 2);
    goldens
}

/// Returns the number `index` of a stream, in 0..1 with 24 bits, like `uniform` in the script.
fn uniform(stream: u32, index: usize) -> f32 {
    let mut x = (index as u32).wrapping_add(stream.wrapping_mul(0x9E37_79B9));
    x = (x ^ x >> 16).wrapping_mul(0x85EB_CA6B);
    x = (x ^ x >> 13).wrapping_mul(0xC2B2_AE35);
    x ^= x >> 16;
    (x >> 8) as f32 / (1 << 24) as f32
}

/// Returns noise images and their classes, like `images` in the script. Images with odd indices are of class 1 and twice as
/// bright.
fn images(input: Shape, n: usize) -> (Vec<f32>, Vec<f32>) {
    let size = input.len();
    let pixel = |i: usize| uniform(IMAGES, i) * (0.5 + 0.5 * (i / size % 2) as f32);
    ((0..n * size).map(pixel).collect(), (0..n).map(|i| (i % 2) as f32).collect())
}

/// Returns the layers of a network of the script.
fn layers(name: &str) -> Vec<LayerSpec> {
    let conv = |filters| LayerSpec::Conv2d { filters, kernel: 3, batch_norm: true, activation: Activation::Relu };
    match name {
        "seed" => {
            let layers = Recipe::load("keras-tutorial").unwrap().layers;
            layers.into_iter().filter(|layer| !matches!(layer, LayerSpec::Dropout { .. })).collect()
        }
        _ => vec![
            conv(16),
            conv(6),
            LayerSpec::MaxPooling2d {},
            conv(20),
            LayerSpec::GlobalAveragePooling2d {},
            LayerSpec::Dense { units: 1, activation: Activation::Sigmoid },
        ],
    }
}

impl Golden {
    fn network(&self) -> Network {
        let [height, width, channels] = self.input;
        let mut network = Network::new(Shape { height, width, channels }, &layers(&self.name), 0).unwrap();
        let weights: Vec<Tensor> = self.weights.iter().enumerate().map(|(i, rule)| rule.tensor(i as u32)).collect();
        network.set_weights(&weights).unwrap();
        network
    }
}

impl Rule {
    fn tensor(&self, stream: u32) -> Tensor {
        let value = |i| self.centre + self.width * (2.0 * uniform(stream, i) - 1.0);
        let values = (0..self.shape.iter().product()).map(value).collect();
        Tensor { name: self.name.clone(), shape: self.shape.clone(), values }
    }
}

impl Sampled {
    /// Checks every value relative to the largest value of the array, and the sum and the norm relative to the norm.
    fn assert_near(&self, found: &[Tensor], tolerance: f64) {
        let tensor = found.iter().find(|tensor| tensor.name == self.name).unwrap();
        let sampled: Vec<f32> = tensor.values.iter().copied().step_by(self.stride).collect();
        let largest = self.values.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        assert_near(&self.name, &sampled, &self.values, tolerance * f64::from(largest));
        let all = || tensor.values.iter().map(|&value| f64::from(value));
        let (sum, norm) = (all().sum::<f64>(), all().map(|value| value * value).sum::<f64>().sqrt());
        let name = &self.name;
        assert!((norm - self.norm).abs() <= tolerance * self.norm, "norm of {name}: {norm}, expected {}", self.norm);
        let slack = tolerance * self.norm * (tensor.values.len() as f64).sqrt();
        assert!((sum - self.sum).abs() <= slack, "sum of {name}: {sum}, expected {}", self.sum);
    }
}

fn assert_near(what: &str, found: &[f32], expected: &[f32], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let off = f64::from((found - expected).abs());
        assert!(off <= tolerance, "{what}, value {i}: {found}, expected {expected}");
    }
}

#[test]
fn the_summary_matches_keras() {
    for golden in goldens() {
        let rows = golden.network().summary().into_iter();
        let rows: Vec<_> = rows.map(|row| (row.name, row.kind, row.output, row.trainable, row.non_trainable)).collect();
        assert_eq!(rows, golden.summary);
    }
    let trainable: usize = goldens()[0].summary.iter().map(|row| row.3).sum();
    assert_eq!(trainable, 1_163_545);
}

#[test]
fn predicted_logits_match_keras() {
    for golden in goldens() {
        let network = golden.network();
        let (inputs, _) = images(network.input(), golden.logits.len());
        assert_near(&golden.name, &network.predict(&inputs), &golden.logits, 1e-5);
    }
}

#[test]
fn loss_and_gradients_match_keras() {
    for golden in goldens() {
        let network = golden.network();
        let (inputs, targets) = images(network.input(), golden.training.logits.len());
        let samples: Vec<u64> = (0..targets.len() as u64).collect();
        let (result, gradients) = network.gradients(&inputs, &targets, &samples, &PLAIN);
        assert_near(&golden.name, &result.logits, &golden.training.logits, 1e-5);
        assert_near("loss", &[result.loss], &[golden.training.loss], 1e-5);
        assert_eq!(gradients.len(), golden.gradients.len());
        golden.gradients.iter().for_each(|expected| expected.assert_near(&gradients, 1e-5));
    }
}

#[test]
fn moving_statistics_after_a_step_match_keras() {
    let golden = goldens().remove(1);
    let mut network = golden.network();
    let (inputs, targets) = images(network.input(), golden.training.logits.len());
    let samples: Vec<u64> = (0..targets.len() as u64).collect();
    network.train_step(&inputs, &targets, &samples, &PLAIN);
    assert_eq!(golden.moving.len(), 6);
    golden.moving.iter().for_each(|expected| expected.assert_near(&network.weights(), 1e-6));
}

#[test]
fn losses_of_training_with_adam_match_keras() {
    const BATCH: usize = 10;
    for golden in goldens() {
        for run in &golden.runs {
            let mut network = golden.network();
            let size = network.input().len();
            let (inputs, targets) = images(network.input(), 3 * BATCH);
            let Run { learning_rate, weight_decay, label_smoothing, .. } = *run;
            let settings = StepSettings { learning_rate, weight_decay, label_smoothing, ..PLAIN };
            for (step, expected) in run.losses.iter().enumerate() {
                let part = step % 3 * BATCH..(step % 3 + 1) * BATCH;
                let samples: Vec<u64> = part.clone().map(|i| i as u64).collect();
                let inputs = &inputs[part.start * size..part.end * size];
                let found = network.train_step(inputs, &targets[part], &samples, &settings).loss;
                let off = (found / expected - 1.0).abs();
                assert!(off < 3e-5, "{}, step {step} of {settings:?}: {found}, expected {expected}", golden.name);
            }
        }
    }
}
