//! Gradient at the input, from the gradient at the pooled output.

use crate::nn::aligned_vec::AlignedVec;
use crate::nn::kernels::conv::ConvShape;
use crate::nn::kernels::simd::{Kernel, Simd};
use crate::nn::kernels::{InstructionSet, run};

/// Reorders weights for [`add_input_gradient`]: `[kernel][cout][kernel * cin]`.
pub(crate) fn reorder_weights(shape: &ConvShape, weights: &[f32], reordered: &mut AlignedVec) {
    let (kernel_row, cout) = (shape.kernel_row_len(), shape.cout);
    reordered.resize_for_overwrite(shape.weights_len());
    for (from, to) in weights.chunks_exact(kernel_row * cout).zip(reordered.chunks_exact_mut(kernel_row * cout)) {
        for (o, to) in to.chunks_exact_mut(kernel_row).enumerate() {
            for (t, to) in to.iter_mut().enumerate() {
                *to = from[t * cout + o];
            }
        }
    }
}

/// Adds the gradient of one image at the input to `padded`, a padded image. `gradient` must have passed
/// [`relu_backward`](super::relu_backward); `weights` come from [`reorder_weights`].
pub(crate) fn add_input_gradient(
    set: InstructionSet,
    shape: &ConvShape,
    weights: &[f32],
    gradient: &[f32],
    argmax: &[u8],
    padded: &mut [f32],
) {
    assert_eq!(padded.len(), shape.padded_len());
    assert_eq!(gradient.len(), (shape.height / 2) * (shape.width / 2) * shape.cout);
    assert_eq!(argmax.len(), gradient.len());
    assert_eq!(weights.len(), shape.weights_len());
    run(set, InputGradient { shape, weights, gradient, argmax, padded });
}

/// Copies a padded image without its padding.
pub(crate) fn crop_padding(shape: &ConvShape, padded: &[f32], image: &mut [f32]) {
    let before = shape.padding_before();
    let inner = shape.width * shape.cin;
    for (y, line) in image.chunks_exact_mut(inner).enumerate() {
        line.copy_from_slice(&padded[(y + before) * shape.padded_row_len() + before * shape.cin..][..inner]);
    }
}

/// For each window and position, a bit mask contains the channels whose argmax is that position. Each of them adds its
/// weights times its gradient to the input values under the position, which stay in registers.
struct InputGradient<'a> {
    shape: &'a ConvShape,
    weights: &'a [f32],
    gradient: &'a [f32],
    argmax: &'a [u8],
    padded: &'a mut [f32],
}

impl Kernel for InputGradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        let kernel_row = self.shape.kernel_row_len();
        // Both rows of a 2x2 kernel at once if their sums fit the registers: more independent work per bit of the mask.
        let both = self.shape.kernel == 2 && 2 * kernel_row <= 8 * S::LANES;
        for y in 0..self.shape.height / 2 {
            let mut ky = 0;
            while ky < self.shape.kernel {
                let mut t = 0;
                // SAFETY: the values of each block end at or before `kernel_row`.
                unsafe {
                    while t + 4 * S::LANES <= kernel_row {
                        match (both, t + 8 * S::LANES <= kernel_row) {
                            (true, _) => self.windows::<S, 2, 4>(y, ky, t),
                            (false, true) => self.windows::<S, 1, 8>(y, ky, t),
                            (false, false) => self.windows::<S, 1, 4>(y, ky, t),
                        }
                        t += if !both && t + 8 * S::LANES <= kernel_row { 8 * S::LANES } else { 4 * S::LANES };
                    }
                    while t + S::LANES <= kernel_row {
                        if both {
                            self.windows::<S, 2, 1>(y, ky, t)
                        } else {
                            self.windows::<S, 1, 1>(y, ky, t)
                        }
                        t += S::LANES;
                    }
                    while t < kernel_row {
                        if both {
                            self.windows::<f32, 2, 1>(y, ky, t)
                        } else {
                            self.windows::<f32, 1, 1>(y, ky, t)
                        }
                        t += 1;
                    }
                }
                ky += if both { 2 } else { 1 };
            }
        }
    }
}

impl InputGradient<'_> {
    /// Adds the gradients of all windows of pooled row `y` to `NV` vectors of the values from `t` under `KY` kernel
    /// rows from `ky`.
    #[inline(always)]
    unsafe fn windows<S: Simd, const KY: usize, const NV: usize>(&mut self, y: usize, ky: usize, t: usize) {
        let s = self.shape;
        let columns = s.width / 2;
        for x in 0..columns {
            let from = (y * columns + x) * s.cout;
            for position in 0..4 {
                // SAFETY: the window is inside the image; the caller guarantees the values.
                unsafe {
                    let under = (2 * y + position / 2 + ky) * s.padded_row_len() + (2 * x + position % 2) * s.cin + t;
                    self.window::<S, KY, NV>(from, position as u8, ky, t, under);
                }
            }
        }
    }

    /// Adds the gradients of one position of one window: `from` is the index of its first gradient, `under` of its
    /// first value in the padded image.
    #[inline(always)]
    unsafe fn window<S: Simd, const KY: usize, const NV: usize>(
        &mut self,
        from: usize,
        position: u8,
        ky: usize,
        t: usize,
        under: usize,
    ) {
        let s = self.shape;
        let (kernel_row, row) = (s.kernel_row_len(), s.padded_row_len());
        // SAFETY: t + NV * LANES <= kernel_row and ky + KY <= kernel bound the weights and the values under the
        // position in the padded image; `argmax_mask` only contains channels below cout.
        unsafe {
            let weights = self.weights.as_ptr().add(ky * s.cout * kernel_row + t);
            let mut sums = [[S::splat(0.0); NV]; KY];
            let mut channel = 0;
            while channel < s.cout {
                let mut mask = self.argmax_mask::<S>(from, channel, position);
                while mask != 0 {
                    let o = channel + mask.trailing_zeros() as usize;
                    mask &= mask - 1;
                    let g = S::splat(*self.gradient.as_ptr().add(from + o));
                    for (k, sums) in sums.iter_mut().enumerate() {
                        let weights = weights.add((k * s.cout + o) * kernel_row);
                        for (v, sum) in sums.iter_mut().enumerate() {
                            *sum = S::fma(g, S::load(weights.add(v * S::LANES)), *sum);
                        }
                    }
                }
                channel += 32;
            }
            for (k, sums) in sums.into_iter().enumerate() {
                let to = self.padded.as_mut_ptr().add(under + k * row);
                for (v, sum) in sums.into_iter().enumerate() {
                    S::store(to.add(v * S::LANES), S::add(S::load(to.add(v * S::LANES)), sum));
                }
            }
        }
    }

    /// Returns a bit mask of those of up to 32 channels from `channel` whose argmax is `position`.
    #[inline(always)]
    unsafe fn argmax_mask<S: Simd>(&self, from: usize, channel: usize, position: u8) -> u32 {
        let left = self.shape.cout - channel;
        if left >= 32 {
            // SAFETY: at least 32 bytes follow.
            return unsafe { S::equal_mask32(self.argmax.as_ptr().add(from + channel), position) };
        }
        let argmax = &self.argmax[from + channel..][..left];
        argmax.iter().enumerate().fold(0, |mask, (i, &index)| mask | (u32::from(index == position) << i))
    }
}
