//! Gradients of a convolution at its weights and bias, from one image.
//!
//! The gradient at the input is itself a convolution: [`conv::forward`](super::conv::forward) with the transposed shape
//! (Dumoulin and Visin 2016, *A guide to convolution arithmetic for deep learning*, chapter 4).
//!
//! The kernel accumulates a tile of weight gradients in registers over all pixels of a block of image rows. A block is
//! small enough to stay in the L1 cache while all tiles are computed.
//!
//! # Shapes
//! - padded image and weights: as in [`conv`](super::conv)
//! - gradient at the output: `[height][width][cout]`

use super::conv::ConvShape;
use super::simd::{Kernel, Simd};
use super::{InstructionSet, run, tiles};

/// Minimum number of pixels per block: enough to amortise loading and storing a tile of sums.
const BLOCK_PIXELS: usize = 64;

/// Adds the gradients of one image at the weights and, if given, at the bias.
pub(crate) fn add_weight_gradient(
    set: InstructionSet,
    shape: &ConvShape,
    padded: &[f32],
    gradient: &[f32],
    weights: &mut [f32],
    bias: Option<&mut [f32]>,
) {
    assert_eq!(padded.len(), shape.padded_len());
    assert_eq!(gradient.len(), shape.output_len());
    assert_eq!(weights.len(), shape.weights_len());
    if let Some(bias) = bias {
        add_channel_sums(gradient, bias);
    }
    run(set, WeightGradient { shape, padded, gradient, weights });
}

/// Adds the sum over all pixels of `[pixels][channels]` to `sums`, one value per channel.
pub(crate) fn add_channel_sums(pixels: &[f32], sums: &mut [f32]) {
    for pixel in pixels.chunks_exact(sums.len()) {
        for (sum, value) in sums.iter_mut().zip(pixel) {
            *sum += value;
        }
    }
}

struct WeightGradient<'a> {
    shape: &'a ConvShape,
    padded: &'a [f32],
    gradient: &'a [f32],
    weights: &'a mut [f32],
}

impl Kernel for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        let cout = self.shape.cout;
        let block_rows = BLOCK_PIXELS.div_ceil(self.shape.width);
        let mut y = 0;
        while y < self.shape.height {
            let rows = block_rows.min(self.shape.height - y);
            let mut channel = 0;
            // SAFETY: the channels of each block end at or before `cout`, the rows at or before `height`.
            unsafe {
                while channel + 2 * S::LANES <= cout {
                    self.channels::<S, 2>(y, rows, channel);
                    channel += 2 * S::LANES;
                }
                while channel + S::LANES <= cout {
                    self.channels::<S, 1>(y, rows, channel);
                    channel += S::LANES;
                }
                while channel < cout {
                    self.channel(y, rows, channel);
                    channel += 1;
                }
            }
            y += rows;
        }
    }
}

impl WeightGradient<'_> {
    /// Computes all weights of `CV` vectors of output channels from `channel`, over `rows` image rows from `y`.
    #[inline(always)]
    unsafe fn channels<S: Simd, const CV: usize>(&mut self, y: usize, rows: usize, channel: usize) {
        for ky in 0..self.shape.kernel {
            for (t, values) in tiles(self.shape.kernel_row_len(), S::ACCUMULATORS / CV) {
                // SAFETY: the tile is inside the kernel row; the caller guarantees the rest.
                unsafe {
                    match values {
                        1 => self.tile::<S, CV, 1>(y, rows, ky, t, channel),
                        2 => self.tile::<S, CV, 2>(y, rows, ky, t, channel),
                        3 => self.tile::<S, CV, 3>(y, rows, ky, t, channel),
                        4 => self.tile::<S, CV, 4>(y, rows, ky, t, channel),
                        5 => self.tile::<S, CV, 5>(y, rows, ky, t, channel),
                        6 => self.tile::<S, CV, 6>(y, rows, ky, t, channel),
                        _ => self.tile::<S, CV, 12>(y, rows, ky, t, channel),
                    }
                }
            }
        }
    }

    /// Computes all weights of one output channel, over `rows` image rows from `y`.
    #[inline(always)]
    unsafe fn channel(&mut self, y: usize, rows: usize, channel: usize) {
        for (ky, t) in (0..self.shape.kernel).flat_map(|ky| (0..self.shape.kernel_row_len()).map(move |t| (ky, t))) {
            // SAFETY: the value is inside the kernel row; the caller guarantees the rest.
            unsafe { self.tile::<f32, 1, 1>(y, rows, ky, t, channel) }
        }
    }

    /// Computes `T` weights from `t` in kernel row `ky`, over all pixels of `rows` image rows from `y`.
    #[inline(always)]
    unsafe fn tile<S: Simd, const CV: usize, const T: usize>(
        &mut self,
        y: usize,
        rows: usize,
        ky: usize,
        t: usize,
        channel: usize,
    ) {
        if T * CV > S::ACCUMULATORS {
            return; // `tiles` never asks for it; the check keeps it from being compiled.
        }
        let s = self.shape;
        let (row, cout) = (s.padded_row_len(), s.cout);
        // SAFETY: value t + T - 1 of pixel (y, x) is at column x + kernel - 1 at most, inside the padded row;
        // channel + CV * LANES <= cout bounds gradient and weights.
        unsafe {
            let mut sums = [[S::splat(0.0); CV]; T];
            for line in y..y + rows {
                let input = self.padded.as_ptr().add((line + ky) * row + t);
                let gradient = self.gradient.as_ptr().add(line * s.width * cout + channel);
                for x in 0..s.width {
                    let mut g = [S::splat(0.0); CV];
                    for (v, g) in g.iter_mut().enumerate() {
                        *g = S::load(gradient.add(x * cout + v * S::LANES));
                    }
                    for (i, sums) in sums.iter_mut().enumerate() {
                        let value = S::splat(*input.add(x * s.cin + i));
                        for (sum, g) in sums.iter_mut().zip(g) {
                            *sum = S::fma(value, g, *sum);
                        }
                    }
                }
            }
            let weights = self.weights.as_mut_ptr().add((ky * s.kernel_row_len() + t) * cout + channel);
            for (i, sums) in sums.into_iter().enumerate() {
                for (v, sum) in sums.into_iter().enumerate() {
                    let to = weights.add(i * cout + v * S::LANES);
                    S::store(to, S::add(S::load(to), sum));
                }
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::conv::{
        Epilogue, for_each_tap, forward, pack, pad, pad_transposed, test_shapes, transpose_weights,
    };
    use super::super::tests::{assert_close, available_sets, numbers};
    use super::*;
    use crate::nn::aligned_vec::AlignedVec;

    /// Computes the gradients at weights, bias and input directly from the chain rule.
    pub(crate) fn reference(s: &ConvShape, image: &[f32], weights: &[f32], gradient: &[f32]) -> [Vec<f32>; 3] {
        let mut dw = vec![0.0; s.weights_len()];
        let (mut db, mut dx) = (vec![0.0; s.cout], vec![0.0; s.input_len()]);
        for (y, x) in (0..s.height).flat_map(|y| (0..s.width).map(move |x| (y, x))) {
            for o in 0..s.cout {
                let g = gradient[(y * s.width + x) * s.cout + o];
                db[o] += g;
                for_each_tap(s, y, x, |tap, pixel| {
                    for i in 0..s.cin {
                        dw[(tap * s.cin + i) * s.cout + o] += g * image[pixel * s.cin + i];
                        dx[pixel * s.cin + i] += g * weights[(tap * s.cin + i) * s.cout + o];
                    }
                });
            }
        }
        [dw, db, dx]
    }

    #[test]
    fn gradients_match_the_chain_rule_on_every_instruction_set() {
        for s in test_shapes() {
            let (image, weights) = (numbers(1, s.input_len()), numbers(2, s.weights_len()));
            let gradient = numbers(3, s.output_len());
            let [dw, db, dx] = reference(&s, &image, &weights, &gradient);
            for set in available_sets() {
                let what = format!("{s:?} {set:?}");
                let (mut padded, mut found_db) = (AlignedVec::new(), vec![0.0; s.cout]);
                let mut found_dw = vec![0.0; s.weights_len()];
                pad(&s, &image, &mut padded);
                add_weight_gradient(set, &s, &padded, &gradient, &mut found_dw, Some(&mut found_db));
                assert_close(&found_dw, &dw, 1e-4, &what);
                assert_close(&found_db, &db, 1e-4, &what);

                let (transposed, mut transposed_kernel) = (s.transposed(), Vec::new());
                transpose_weights(&s, &weights, &mut transposed_kernel);
                let mut packed = AlignedVec::new();
                pack(&transposed, &transposed_kernel, &mut packed);
                pad_transposed(&transposed, &gradient, &mut padded);
                let mut found_dx = vec![f32::NAN; s.input_len()];
                forward(set, &transposed, &padded, &packed, Epilogue::NONE, &mut found_dx);
                assert_close(&found_dx, &dx, 1e-4, &what);
            }
        }
    }
}
