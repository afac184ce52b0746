//! Inverted dropout (Srivastava et al. 2014, *Dropout: a simple way to prevent neural networks from overfitting*,
//! section 10): training sets a random fraction of the values to zero and scales the others up; inference copies its
//! input.

use super::Shape;
use super::layer::{Batch, Layer};
use super::parameter::Update;
use crate::random::Random;
use rayon::prelude::*;

/// Samples per task of a parallel pass.
const TASK_SAMPLES: usize = 16;

/// A dropout layer.
///
/// # Shapes
/// Input and output: `[samples]` followed by any shape.
#[derive(Clone)]
pub(crate) struct Dropout {
    shape: Shape,
    rate: f32,
    /// Distinguishes the random masks of this layer from those of others.
    key: u64,
    /// Which values of the last batch are kept.
    mask: Vec<bool>,
}

impl Dropout {
    /// Creates a layer that drops the fraction `rate`, at least 0 and below 1.
    pub fn new(shape: Shape, rate: f32, key: u64) -> Dropout {
        Dropout { shape, rate, key, mask: Vec::new() }
    }

    fn scale(&self) -> f32 {
        1.0 / (1.0 - self.rate)
    }
}

/// Draws which values of a sample are kept, with 16 random bits each: the rate is exact to 1/65,536.
fn draw_mask(mask: &mut [bool], rate: f32, mut random: Random) {
    let dropped = (rate * 65536.0) as u64;
    let keep_four = |bits: u64| -> [bool; 4] { std::array::from_fn(|i| (bits >> (16 * i)) & 0xFFFF >= dropped) };
    let (fours, rest) = mask.as_chunks_mut::<4>();
    fours.iter_mut().for_each(|four| *four = keep_four(random.next_u64()));
    if !rest.is_empty() {
        rest.copy_from_slice(&keep_four(random.next_u64())[..rest.len()]);
    }
}

/// Scales the values that `mask` keeps, and sets the others to zero.
fn apply_mask(from: &[f32], mask: &[bool], scale: f32, to: &mut [f32]) {
    for ((to, &from), &kept) in to.iter_mut().zip(from).zip(mask) {
        *to = if kept { from * scale } else { 0.0 };
    }
}

impl Layer for Dropout {
    fn output_shape(&self) -> Shape {
        self.shape
    }

    fn infer(&self, input: &[f32], output: &mut [f32]) {
        output.copy_from_slice(input);
    }

    fn forward(&mut self, input: &[f32], batch: &Batch, output: &mut [f32]) {
        let (sample, rate, scale, key) = (self.shape.len(), self.rate, self.scale(), self.key);
        self.mask.resize(input.len(), true);
        self.mask
            .par_chunks_mut(sample)
            .zip(input.par_chunks(sample))
            .zip(output.par_chunks_mut(sample))
            .zip(batch.samples)
            .with_min_len(TASK_SAMPLES)
            .for_each(|(((mask, input), output), &index)| {
                draw_mask(mask, rate, Random::keyed(&[batch.seed, key, batch.epoch, index]));
                apply_mask(input, mask, scale, output);
            });
    }

    fn backward(&mut self, _: &[f32], _: &[f32], gradient: &mut [f32], input_gradient: Option<&mut [f32]>, _: Update) {
        let Some(input_gradient) = input_gradient else { return };
        let (task_len, scale) = (TASK_SAMPLES * self.shape.len(), self.scale());
        gradient
            .par_chunks(task_len)
            .zip(self.mask.par_chunks(task_len))
            .zip(input_gradient.par_chunks_mut(task_len))
            .for_each(|((gradient, mask), input_gradient)| apply_mask(gradient, mask, scale, input_gradient));
    }

    fn boxed_clone(&self) -> Box<dyn Layer> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_mean_and_drops_the_given_fraction() {
        let shape = Shape { height: 1, width: 1, channels: 10_000 };
        let mut layer = Dropout::new(shape, 0.2, 7);
        let (input, mut output) = (vec![1.0; 20_000], vec![0.0; 20_000]);
        layer.forward(&input, &Batch { samples: &[4, 5], seed: 1, epoch: 0 }, &mut output);
        let dropped = output.iter().filter(|&&v| v == 0.0).count() as f32 / 20_000.0;
        assert!((dropped - 0.2).abs() < 0.01, "{dropped}");
        assert!(output.iter().all(|&v| v == 0.0 || v == 1.25));
        assert_ne!(output[..10_000], output[10_000..], "each sample has its own mask");
    }

    #[test]
    fn masks_depend_on_the_sample_and_not_on_its_position() {
        let shape = Shape { height: 2, width: 2, channels: 3 };
        let (mut layer, input) = (Dropout::new(shape, 0.5, 7), vec![1.0; 24]);
        let (mut one, mut other) = (vec![0.0; 24], vec![0.0; 24]);
        layer.forward(&input, &Batch { samples: &[4, 9], seed: 1, epoch: 0 }, &mut one);
        layer.forward(&input, &Batch { samples: &[9, 4], seed: 1, epoch: 0 }, &mut other);
        assert_eq!(one[..12], other[12..]);
    }

    #[test]
    fn inference_copies_the_input() {
        let layer = Dropout::new(Shape { height: 1, width: 1, channels: 3 }, 0.5, 0);
        let mut output = [0.0; 3];
        layer.infer(&[1.0, 2.0, 3.0], &mut output);
        assert_eq!(output, [1.0, 2.0, 3.0]);
    }
}
