//! Batch normalisation's parameters and statistics (Ioffe and Szegedy 2015, algorithms 1 and 2), as part of a
//! convolution: the passes over pixels are `kernels::batch_norm`'s.

use super::kernels::batch_norm::Affine;
use super::parameter::{Parameter, Update};

/// Added to the variance; Keras' default.
const EPSILON: f32 = 1e-3;
/// What a step leaves of the moving statistics; Keras' default.
const MOMENTUM: f32 = 0.99;

/// Normalisation of some channels.
#[derive(Clone)]
pub(crate) struct Normalisation {
    gamma: Parameter,
    beta: Parameter,
    moving_mean: Parameter,
    moving_variance: Parameter,
    batch: BatchStatistics,
    gradients: Gradients,
}

/// Of the batch in training.
#[derive(Clone, Default)]
struct BatchStatistics {
    mean: Vec<f32>,
    /// One over the standard deviation.
    inverse: Vec<f32>,
    /// What a value is multiplied with, then what is added to it.
    scale: Vec<f32>,
    shift: Vec<f32>,
}

/// At gamma and beta; and what the gradient at the sums takes from them.
#[derive(Clone, Default)]
struct Gradients {
    gamma: Vec<f32>,
    beta: Vec<f32>,
    slope: Vec<f32>,
    offset: Vec<f32>,
}

impl Normalisation {
    /// Gamma one, beta zero, moving statistics of a standard normal.
    pub fn new(channels: usize) -> Normalisation {
        Normalisation {
            gamma: Parameter::filled("gamma", &[channels], 1.0),
            beta: Parameter::filled("beta", &[channels], 0.0),
            moving_mean: Parameter::non_trainable("moving_mean", &[channels], 0.0),
            moving_variance: Parameter::non_trainable("moving_variance", &[channels], 1.0),
            batch: BatchStatistics::default(),
            gradients: Gradients::default(),
        }
    }

    /// A value for each channel that is near its mean.
    pub fn pivot(&self) -> &[f32] {
        &self.moving_mean.values
    }

    /// The batch's means.
    pub fn mean(&self) -> &[f32] {
        &self.batch.mean
    }

    /// What the batch's statistics make of a value.
    pub fn affine(&self, relu: bool) -> Affine<'_> {
        Affine { scale: &self.batch.scale, shift: &self.batch.shift, relu }
    }

    /// Takes the sums and squares about the pivot, in parts, of `count` values a channel; moves the moving statistics.
    pub fn take_statistics<'a>(&mut self, parts: impl Iterator<Item = (&'a [f32], &'a [f32])>, count: usize) {
        let channels = self.gamma.len();
        let (mut sums, mut squares) = (vec![0.0_f64; channels], vec![0.0_f64; channels]);
        for (part_sums, part_squares) in parts {
            sums.iter_mut().zip(part_sums).for_each(|(sum, &part)| *sum += f64::from(part));
            squares.iter_mut().zip(part_squares).for_each(|(sum, &part)| *sum += f64::from(part));
        }
        self.batch = BatchStatistics::default();
        for c in 0..channels {
            let about_pivot = sums[c] / count as f64;
            let mean = (about_pivot + f64::from(self.moving_mean.values[c])) as f32;
            let variance = (squares[c] / count as f64 - about_pivot * about_pivot).max(0.0) as f32;
            let inverse = 1.0 / (variance + EPSILON).sqrt();
            let scale = self.gamma.values[c] * inverse;
            self.batch.mean.push(mean);
            self.batch.inverse.push(inverse);
            self.batch.scale.push(scale);
            self.batch.shift.push(self.beta.values[c] - mean * scale);
            let (moving_mean, moving_variance) = (&mut self.moving_mean.values[c], &mut self.moving_variance.values[c]);
            *moving_mean = MOMENTUM * *moving_mean + (1.0 - MOMENTUM) * mean;
            *moving_variance = MOMENTUM * *moving_variance + (1.0 - MOMENTUM) * variance;
        }
    }

    /// Takes the sums of the gradient and of its product with `value - mean`, in parts, of `count` values a channel.
    ///
    /// With x the normalised value, the gradient at the sum is gamma / sd * (g - mean(g) - x * mean(g x)).
    pub fn take_gradients<'a>(&mut self, parts: impl Iterator<Item = (&'a [f32], &'a [f32])>, count: usize) {
        let channels = self.gamma.len();
        let (mut beta, mut products) = (vec![0.0_f64; channels], vec![0.0_f64; channels]);
        for (part_sums, part_products) in parts {
            beta.iter_mut().zip(part_sums).for_each(|(sum, &part)| *sum += f64::from(part));
            products.iter_mut().zip(part_products).for_each(|(sum, &part)| *sum += f64::from(part));
        }
        self.gradients = Gradients::default();
        for c in 0..channels {
            let (scale, inverse) = (f64::from(self.batch.scale[c]), f64::from(self.batch.inverse[c]));
            let gamma = products[c] * inverse;
            let slope = -scale * inverse * gamma / count as f64;
            self.gradients.gamma.push(gamma as f32);
            self.gradients.beta.push(beta[c] as f32);
            self.gradients.slope.push(slope as f32);
            let offset = -scale * beta[c] / count as f64 - slope * f64::from(self.batch.mean[c]);
            self.gradients.offset.push(offset as f32);
        }
    }

    /// Factor and summand of the value in the gradient at the sum.
    pub fn gradient_factors(&self) -> (&[f32], &[f32]) {
        (&self.gradients.slope, &self.gradients.offset)
    }

    /// Does to gamma and beta what the step says.
    pub fn apply(&mut self, update: Update) {
        self.gamma.apply(update, &self.gradients.gamma);
        self.beta.apply(update, &self.gradients.beta);
    }

    /// The kernel and bias of a convolution that gives what `kernel` and then the moving statistics give.
    pub fn fold(&self, kernel: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let channels = self.gamma.len();
        let scale: Vec<f32> =
            (0..channels).map(|c| self.gamma.values[c] / (self.moving_variance.values[c] + EPSILON).sqrt()).collect();
        let bias = (0..channels).map(|c| self.beta.values[c] - self.moving_mean.values[c] * scale[c]).collect();
        let scaled = kernel.iter().zip(scale.iter().cycle()).map(|(weight, scale)| weight * scale).collect();
        (scaled, bias)
    }

    pub fn parameters(&self) -> [&Parameter; 4] {
        [&self.gamma, &self.beta, &self.moving_mean, &self.moving_variance]
    }

    pub fn parameters_mut(&mut self) -> [&mut Parameter; 4] {
        [&mut self.gamma, &mut self.beta, &mut self.moving_mean, &mut self.moving_variance]
    }
}
