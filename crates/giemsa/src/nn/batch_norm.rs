//! Parameters and statistics of batch normalisation (Ioffe and Szegedy 2015, *Batch normalization: accelerating deep
//! network training by reducing internal covariate shift*, algorithms 1 and 2). It is fused with a convolution; the
//! passes over pixels are in [`kernels::batch_norm`](super::kernels::batch_norm).

use super::kernels::batch_norm::Affine;
use super::parameter::{Parameter, Update};

/// Added to the variance; the default of Keras.
pub(crate) const EPSILON: f32 = 1e-3;
/// Weight of the old value in an update of a moving average; the default of Keras (PyTorch's `momentum` is 1 minus
/// this).
const MOMENTUM: f32 = 0.99;

/// Batch normalisation over the channels of a convolution's output.
#[derive(Clone)]
pub(crate) struct BatchNorm {
    gamma: Parameter,
    beta: Parameter,
    moving_mean: Parameter,
    moving_variance: Parameter,
    batch: BatchStatistics,
    gradients: Gradients,
}

/// Statistics of the current training batch, one value per channel.
#[derive(Clone, Default)]
struct BatchStatistics {
    mean: Vec<f32>,
    /// 1 / sqrt(variance + epsilon).
    inverse_std: Vec<f32>,
    /// The affine map from the convolution's output to the normalised, scaled and shifted value.
    scale: Vec<f32>,
    shift: Vec<f32>,
}

/// Gradients at gamma and beta, and the factors of the gradient at the convolution's output, one value per channel.
#[derive(Clone, Default)]
struct Gradients {
    gamma: Vec<f32>,
    beta: Vec<f32>,
    slope: Vec<f32>,
    offset: Vec<f32>,
}

impl BatchNorm {
    /// Creates a layer with gamma 1, beta 0, moving mean 0 and moving variance 1.
    pub fn new(channels: usize) -> BatchNorm {
        BatchNorm {
            gamma: Parameter::filled("gamma", &[channels], 1.0),
            beta: Parameter::filled("beta", &[channels], 0.0),
            moving_mean: Parameter::non_trainable("moving_mean", &[channels], 0.0),
            moving_variance: Parameter::non_trainable("moving_variance", &[channels], 1.0),
            batch: BatchStatistics::default(),
            gradients: Gradients::default(),
        }
    }

    /// Returns a value near the mean of each channel, for a numerically stable variance.
    pub fn pivot(&self) -> &[f32] {
        &self.moving_mean.values
    }

    /// Returns the mean of each channel over the current batch.
    pub fn mean(&self) -> &[f32] {
        &self.batch.mean
    }

    /// Returns the affine map that normalises with the statistics of the current batch.
    pub fn affine(&self, relu: bool) -> Affine<'_> {
        Affine { scale: &self.batch.scale, shift: &self.batch.shift, relu }
    }

    /// Computes the statistics of a batch and updates the moving averages.
    ///
    /// `parts` are partial sums, per channel, of `value - pivot` and of its square; `count` is the number of values per
    /// channel.
    pub fn set_statistics<'a>(&mut self, parts: impl Iterator<Item = (&'a [f32], &'a [f32])>, count: usize) {
        let channels = self.gamma.len();
        let (mut sums, mut squares) = (vec![0.0_f64; channels], vec![0.0_f64; channels]);
        for (part_sums, part_squares) in parts {
            sums.iter_mut().zip(part_sums).for_each(|(sum, &part)| *sum += f64::from(part));
            squares.iter_mut().zip(part_squares).for_each(|(sum, &part)| *sum += f64::from(part));
        }
        self.batch = BatchStatistics::default();
        for c in 0..channels {
            let mean_offset = sums[c] / count as f64;
            let mean = (mean_offset + f64::from(self.moving_mean.values[c])) as f32;
            let variance = (squares[c] / count as f64 - mean_offset * mean_offset).max(0.0) as f32;
            let inverse_std = 1.0 / (variance + EPSILON).sqrt();
            let scale = self.gamma.values[c] * inverse_std;
            self.batch.mean.push(mean);
            self.batch.inverse_std.push(inverse_std);
            self.batch.scale.push(scale);
            self.batch.shift.push(self.beta.values[c] - mean * scale);
            let (moving_mean, moving_variance) = (&mut self.moving_mean.values[c], &mut self.moving_variance.values[c]);
            *moving_mean = MOMENTUM * *moving_mean + (1.0 - MOMENTUM) * mean;
            *moving_variance = MOMENTUM * *moving_variance + (1.0 - MOMENTUM) * variance;
        }
    }

    /// Computes the gradients at gamma and beta, and the factors of the gradient at the convolution's output.
    ///
    /// With g the gradient at the output and x the normalised value, the gradient at the convolution's output is
    /// gamma / std * (g - mean(g) - x * mean(g x)) (Ioffe and Szegedy 2015, section 3).
    ///
    /// `parts` are partial sums, per channel, of g and of g * (value - mean); `count` is the number of values per
    /// channel.
    pub fn set_gradients<'a>(&mut self, parts: impl Iterator<Item = (&'a [f32], &'a [f32])>, count: usize) {
        let channels = self.gamma.len();
        let (mut beta, mut products) = (vec![0.0_f64; channels], vec![0.0_f64; channels]);
        for (part_sums, part_products) in parts {
            beta.iter_mut().zip(part_sums).for_each(|(sum, &part)| *sum += f64::from(part));
            products.iter_mut().zip(part_products).for_each(|(sum, &part)| *sum += f64::from(part));
        }
        self.gradients = Gradients::default();
        for c in 0..channels {
            let (scale, inverse_std) = (f64::from(self.batch.scale[c]), f64::from(self.batch.inverse_std[c]));
            let gamma = products[c] * inverse_std;
            let slope = -scale * inverse_std * gamma / count as f64;
            self.gradients.gamma.push(gamma as f32);
            self.gradients.beta.push(beta[c] as f32);
            self.gradients.slope.push(slope as f32);
            let offset = -scale * beta[c] / count as f64 - slope * f64::from(self.batch.mean[c]);
            self.gradients.offset.push(offset as f32);
        }
    }

    /// Returns the slope and offset that
    /// [`kernels::batch_norm::input_gradient`](super::kernels::batch_norm::input_gradient) takes.
    pub fn gradient_factors(&self) -> (&[f32], &[f32]) {
        (&self.gradients.slope, &self.gradients.offset)
    }

    /// Applies `update` to gamma and beta.
    pub fn apply(&mut self, update: Update) {
        self.gamma.apply(update, &self.gradients.gamma);
        self.beta.apply(update, &self.gradients.beta);
    }

    /// Folds the layer, with its moving averages, into the kernel of the convolution before it; returns kernel and
    /// bias.
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
