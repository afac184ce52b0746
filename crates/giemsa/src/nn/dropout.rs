//! Inverted dropout (Srivastava et al. 2014): in training a share of the values is set to zero and the others are scaled
//! up; in prediction nothing happens.

use super::Shape;
use super::layer::{Batch, Layer};
use super::parameter::Update;
use crate::random::Random;
use rayon::prelude::*;

/// Samples that one task of a parallel pass works on.
const SAMPLES_A_TASK: usize = 16;

/// The layer.
#[derive(Clone)]
pub(crate) struct Dropout {
    shape: Shape,
    rate: f32,
    /// Tells this layer's masks from another's.
    key: u64,
    kept: Vec<bool>,
}

impl Dropout {
    /// A layer that drops this share, in 0..1.
    pub fn new(shape: Shape, rate: f32, key: u64) -> Dropout {
        Dropout { shape, rate, key, kept: Vec::new() }
    }

    fn scale(&self) -> f32 {
        1.0 / (1.0 - self.rate)
    }
}

/// Which values of a sample are kept: one 16-bit draw each, so the rate is met to 1/65536.
fn draw(kept: &mut [bool], rate: f32, mut random: Random) {
    let dropped = (rate * 65536.0) as u64;
    let of_bits = |bits: u64| -> [bool; 4] { std::array::from_fn(|i| (bits >> (16 * i)) & 0xFFFF >= dropped) };
    let (fours, rest) = kept.as_chunks_mut::<4>();
    fours.iter_mut().for_each(|four| *four = of_bits(random.next_u64()));
    if !rest.is_empty() {
        rest.copy_from_slice(&of_bits(random.next_u64())[..rest.len()]);
    }
}

fn scale_kept(from: &[f32], kept: &[bool], scale: f32, to: &mut [f32]) {
    for ((to, &from), &kept) in to.iter_mut().zip(from).zip(kept) {
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
        self.kept.resize(input.len(), true);
        self.kept
            .par_chunks_mut(sample)
            .zip(input.par_chunks(sample))
            .zip(output.par_chunks_mut(sample))
            .zip(batch.samples)
            .with_min_len(SAMPLES_A_TASK)
            .for_each(|(((kept, input), output), &index)| {
                draw(kept, rate, Random::keyed(&[batch.seed, key, batch.epoch, index]));
                scale_kept(input, kept, scale, output);
            });
    }

    fn backward(&mut self, _: &[f32], _: &[f32], gradient: &mut [f32], input_gradient: Option<&mut [f32]>, _: Update) {
        let Some(input_gradient) = input_gradient else { return };
        let (at_once, scale) = (SAMPLES_A_TASK * self.shape.len(), self.scale());
        gradient
            .par_chunks(at_once)
            .zip(self.kept.par_chunks(at_once))
            .zip(input_gradient.par_chunks_mut(at_once))
            .for_each(|((gradient, kept), input_gradient)| scale_kept(gradient, kept, scale, input_gradient));
    }

    fn boxed_clone(&self) -> Box<dyn Layer> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_mean_and_drops_the_stated_share() {
        let shape = Shape { height: 1, width: 1, channels: 10_000 };
        let mut layer = Dropout::new(shape, 0.2, 7);
        let (input, mut output) = (vec![1.0; 20_000], vec![0.0; 20_000]);
        layer.forward(&input, &Batch { samples: &[4, 5], seed: 1, epoch: 0 }, &mut output);
        let dropped = output.iter().filter(|&&v| v == 0.0).count() as f32 / 20_000.0;
        assert!((dropped - 0.2).abs() < 0.01, "{dropped}");
        assert!(output.iter().all(|&v| v == 0.0 || v == 1.25));
        assert_ne!(output[..10_000], output[10_000..], "each sample has a mask of its own");
    }

    #[test]
    fn masks_depend_on_the_sample_and_not_on_its_place() {
        let shape = Shape { height: 2, width: 2, channels: 3 };
        let (mut layer, input) = (Dropout::new(shape, 0.5, 7), vec![1.0; 24]);
        let (mut one, mut other) = (vec![0.0; 24], vec![0.0; 24]);
        layer.forward(&input, &Batch { samples: &[4, 9], seed: 1, epoch: 0 }, &mut one);
        layer.forward(&input, &Batch { samples: &[9, 4], seed: 1, epoch: 0 }, &mut other);
        assert_eq!(one[..12], other[12..]);
    }

    #[test]
    fn prediction_changes_nothing() {
        let layer = Dropout::new(Shape { height: 1, width: 1, channels: 3 }, 0.5, 0);
        let mut output = [0.0; 3];
        layer.infer(&[1.0, 2.0, 3.0], &mut output);
        assert_eq!(output, [1.0, 2.0, 3.0]);
    }
}
