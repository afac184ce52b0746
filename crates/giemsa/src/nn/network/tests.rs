use super::super::architecture::MAX_OUTPUTS;
use super::super::loss::NO_TARGET;
use super::*;
use crate::random::Random;

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

/// Networks that together contain every kind of layer and every code path of a convolution.
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
            "batch_norm",
            vec![conv(16, 3, true), conv(6, 3, true), pool.clone(), LayerSpec::GlobalAveragePooling2d {}, last.clone()],
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
        (
            "two_outputs",
            vec![conv(8, 3, true), LayerSpec::GlobalAveragePooling2d {}, dense(MAX_OUTPUTS, Activation::Sigmoid)],
        ),
    ]
}

fn batch(n: usize) -> (Vec<f32>, Vec<f32>, Vec<u64>) {
    let mut random = Random::keyed(&[11]);
    let inputs = (0..n * input().len()).map(|_| random.uniform()).collect();
    (inputs, (0..n).map(|i| (i % 2) as f32).collect(), (0..n as u64).collect())
}

/// Adds targets of the second output, if the network has one. Every third sample lacks the first target.
fn with_outputs(targets: Vec<f32>, outputs: usize) -> Vec<f32> {
    let both = |(i, target): (usize, f32)| match outputs {
        1 => vec![target],
        _ if i % 3 == 2 => vec![NO_TARGET, target],
        _ => vec![target, target],
    };
    targets.into_iter().enumerate().flat_map(both).collect()
}

#[test]
fn gradients_match_finite_differences() {
    for (name, layers) in networks() {
        let mut network = Network::new(input(), &layers, 3).unwrap();
        let (inputs, targets, samples) = batch(6);
        let targets = with_outputs(targets, network.outputs());
        let (_, gradients) = network.gradients(&inputs, &targets, &samples, &SETTINGS);
        let weights = network.weights();
        for (gradient, sign) in gradients.iter().flat_map(|gradient| [(gradient, false), (gradient, true)]) {
            let which = weights.iter().position(|tensor| tensor.name == gradient.name).unwrap();
            // Along the gradient, and with random signs: a single weight is too sensitive to the kinks of ReLU and
            // pooling.
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
fn training_is_bit_identical_for_any_number_of_threads() {
    for (name, layers) in networks() {
        let mut expected = None;
        for threads in [1, 2, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut network = Network::new(input(), &layers, 3).unwrap();
            let (inputs, targets, samples) = batch(13);
            let targets = with_outputs(targets, network.outputs());
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
fn training_lowers_the_loss() {
    for (name, layers) in networks() {
        let mut network = Network::new(input(), &layers, 3).unwrap();
        let (mut inputs, targets, samples) = batch(12);
        let targets = with_outputs(targets, network.outputs());
        // Class 1 is brighter.
        for (image, target) in inputs.chunks_exact_mut(input().len()).zip(batch(12).1) {
            image.iter_mut().for_each(|v| *v = *v * 0.5 + 0.5 * target);
        }
        let first = network.train_step(&inputs, &targets, &samples, &SETTINGS).loss;
        let last = (0..60).map(|_| network.train_step(&inputs, &targets, &samples, &SETTINGS).loss).last().unwrap();
        assert!(last < 0.5 * first, "{name}: {first} to {last}");
    }
}

#[test]
fn logit_of_a_sample_depends_neither_on_other_samples_nor_on_the_number_of_threads() {
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
            assert_eq!(together, nested, "{name} with {threads} threads, one image per call");
        }
    }
}

#[test]
fn weights_and_optimizer_state_restore_a_network() {
    for (name, layers) in networks() {
        let mut network = Network::new(input(), &layers, 3).unwrap();
        let (inputs, targets, samples) = batch(5);
        let targets = with_outputs(targets, network.outputs());
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
fn a_non_finite_loss_does_not_change_the_weights() {
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
fn set_weights_rejects_missing_unknown_and_misshapen_weights() {
    let (_, layers) = networks().swap_remove(0);
    let mut network = Network::new(input(), &layers, 3).unwrap();
    let weights = network.weights();

    let mut misshapen = weights.clone();
    misshapen[1].shape = vec![6];
    let error = network.set_weights(&misshapen).unwrap_err();
    assert_eq!(error.to_string(), "weight `conv2d.bias`: expected shape [5], found shape [6] with 5 values");

    let mut missing = weights.clone();
    missing.remove(1);
    let error = network.set_weights(&missing).unwrap_err();
    assert!(matches!(error, ArchitectureError::MissingWeight { name, .. } if name == "conv2d.bias"));

    let mut unknown = weights.clone();
    unknown.push(Tensor { name: "conv2d_9.bias".to_owned(), ..weights[1].clone() });
    let error = network.set_weights(&unknown).unwrap_err();
    assert!(matches!(error, ArchitectureError::UnknownWeight { name } if name == "conv2d_9.bias"));
    assert_eq!(network.weights(), weights);
}
