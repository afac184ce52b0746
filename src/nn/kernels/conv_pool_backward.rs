//! The gradients of a convolution that is followed by 2x2 max pooling, from one image.
//!
//! Shapes as in `conv_pool`. The gradient at the pooled output must be zero where the index is `ZEROED_BY_RELU`, which
//! [`relu_backward`] sees to.
//!
//! Only the index of each window passes a gradient on: a quarter of the dense arithmetic is left.
//!
//! - Weights: in a vector of output channels each lane has its own index. The four values that a weight meets in a
//!   window are laid side by side, so that one in-register lookup by the argmax gives every lane its own.
//! - Input: for each window and position, the channels that mask there are bits of a mask; each adds its weights, times
//!   its gradient, to the values under the position, which stay in registers meanwhile.

use super::conv::ConvShape;
use super::conv_pool::ZEROED_BY_RELU;
use super::simd::{Kernel, Simd};
use super::{InstructionSet, run, tiles};
use crate::nn::aligned_vec::AlignedVec;

/// Windows that pass while a tile's sums are in registers.
const WINDOWS_A_BLOCK: usize = 20;

/// Sets the gradient to zero where the index is `ZEROED_BY_RELU`.
pub(crate) fn relu_backward(set: InstructionSet, gradient: &mut [f32], argmax: &[u8]) {
    assert_eq!(gradient.len(), argmax.len());
    run(set, ReluBackward { gradient, argmax });
}

struct ReluBackward<'a> {
    gradient: &'a mut [f32],
    argmax: &'a [u8],
}

impl Kernel for ReluBackward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        let whole = self.gradient.len() / S::LANES * S::LANES;
        // SAFETY: the last vector ends at or before `whole`, the last lane at the gradient's length.
        unsafe {
            (0..whole).step_by(S::LANES).for_each(|i| self.vector::<S>(i));
            (whole..self.gradient.len()).for_each(|i| self.vector::<f32>(i));
        }
    }
}

impl ReluBackward<'_> {
    #[inline(always)]
    unsafe fn vector<S: Simd>(&mut self, i: usize) {
        // SAFETY: LANES values from `i` lie in both, by the caller's word.
        unsafe {
            let at = self.gradient.as_mut_ptr().add(i);
            let (value, index) = (S::load(at), S::load_index(self.argmax.as_ptr().add(i)));
            S::store(at, S::sub(value, S::where_index(value, index, ZEROED_BY_RELU)));
        }
    }
}

/// Adds one image's share to the gradients of the weights; `tables` is scratch.
pub(crate) fn add_weight_gradient(
    set: InstructionSet,
    shape: &ConvShape,
    padded: &[f32],
    gradient: &[f32],
    argmax: &[u8],
    tables: &mut AlignedVec,
    weights: &mut [f32],
) {
    let (rows, columns) = (shape.height / 2, shape.width / 2);
    assert_eq!(padded.len(), shape.padded_len());
    assert_eq!(gradient.len(), rows * columns * shape.cout);
    assert_eq!(argmax.len(), gradient.len());
    assert_eq!(weights.len(), shape.weights_len());
    if columns == 0 {
        return;
    }
    let rows_a_block = WINDOWS_A_BLOCK.div_ceil(columns);
    let mut y = 0;
    while y < rows {
        let block = rows_a_block.min(rows - y);
        run(set, LayTables { shape, padded, y, rows: block, tables });
        let from = y * columns * shape.cout;
        let to = (y + block) * columns * shape.cout;
        let (gradient, argmax) = (&gradient[from..to], &argmax[from..to]);
        run(set, WeightGradient { shape, tables, gradient, argmax, weights });
        y += block;
    }
}

/// For each window of `rows` pooled rows from `y`, each row of the kernel and each value under it: the four values of
/// the window's positions, as `[window][kernel][kernel * cin][4]`.
struct LayTables<'a> {
    shape: &'a ConvShape,
    padded: &'a [f32],
    y: usize,
    rows: usize,
    tables: &'a mut AlignedVec,
}

impl Kernel for LayTables<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let LayTables { shape, padded, y, rows, tables } = self;
        let (row, run, columns) = (shape.padded_row_len(), shape.kernel_row_len(), shape.width / 2);
        let tables_len = rows * columns * shape.kernel * run * 4;
        tables.resize_for_overwrite(tables_len + 4 * S::LANES);
        let mut to = tables.as_mut_ptr();
        for (py, px) in (y..y + rows).flat_map(|py| (0..columns).map(move |px| (py, px))) {
            for ky in 0..shape.kernel {
                // SAFETY: there is a table for each row of the kernel under each window, and room for a vector behind.
                unsafe {
                    Self::lay::<S>(shape, padded, (2 * py + ky) * row + 2 * px * shape.cin, to);
                    to = to.add(run * 4);
                }
            }
        }
    }
}

impl LayTables<'_> {
    /// One table, of the values that begin at `first` in the padded image. The last vector may hold more than the
    /// table, where it lies in the image: the next table is written over what is too much.
    #[inline(always)]
    unsafe fn lay<S: Simd>(shape: &ConvShape, padded: &[f32], first: usize, to: *mut f32) {
        let (row, run, cin) = (shape.padded_row_len(), shape.kernel_row_len(), shape.cin);
        let mut t = 0;
        // SAFETY: of the four values of each t below `run`, the last lies `row + cin` behind the first and in the image;
        // `to` has room for `run` times four values and a vector of fours.
        unsafe {
            let upper = padded.as_ptr().add(first);
            let lower = upper.add(row);
            while t < run && first + row + cin + t + S::LANES <= padded.len() {
                let left = [S::load(upper.add(t)), S::load(lower.add(t))];
                let right = [S::load(upper.add(t + cin)), S::load(lower.add(t + cin))];
                S::store_interleaved(to.add(4 * t), [left[0], right[0], left[1], right[1]]);
                t += S::LANES;
            }
            while t < run {
                let four = [*upper.add(t), *upper.add(t + cin), *lower.add(t), *lower.add(t + cin)];
                f32::store_interleaved(to.add(4 * t), four);
                t += 1;
            }
        }
    }
}

struct WeightGradient<'a> {
    shape: &'a ConvShape,
    tables: &'a [f32],
    gradient: &'a [f32],
    argmax: &'a [u8],
    weights: &'a mut [f32],
}

impl Kernel for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        let cout = self.shape.cout;
        let mut channel = 0;
        // SAFETY: the channels of each block end at or before `cout`.
        unsafe {
            while channel + 2 * S::LANES <= cout {
                self.channels::<S, 2>(channel);
                channel += 2 * S::LANES;
            }
            while channel + S::LANES <= cout {
                self.channels::<S, 1>(channel);
                channel += S::LANES;
            }
            while channel < cout {
                self.channel(channel);
                channel += 1;
            }
        }
    }
}

impl WeightGradient<'_> {
    #[inline(always)]
    unsafe fn channels<S: Simd, const CV: usize>(&mut self, channel: usize) {
        // Gradients, argmax and looked-up values need registers besides the sums.
        let most = (S::ACCUMULATORS * 2 / 3 / CV).clamp(1, 6);
        for (t, values) in tiles(self.shape.kernel * self.shape.kernel_row_len(), most) {
            // SAFETY: the tile lies in the kernel, and the channels do by the caller's word.
            unsafe {
                match values {
                    1 => self.tile::<S, CV, 1>(t, channel),
                    2 => self.tile::<S, CV, 2>(t, channel),
                    3 => self.tile::<S, CV, 3>(t, channel),
                    4 => self.tile::<S, CV, 4>(t, channel),
                    5 => self.tile::<S, CV, 5>(t, channel),
                    _ => self.tile::<S, CV, 6>(t, channel),
                }
            }
        }
    }

    /// All values of the kernel, for one output channel.
    #[inline(always)]
    unsafe fn channel(&mut self, channel: usize) {
        for t in 0..self.shape.kernel * self.shape.kernel_row_len() {
            // SAFETY: the value lies in the kernel, and the channel does by the caller's word.
            unsafe { self.tile::<f32, 1, 1>(t, channel) }
        }
    }

    /// `T` of the kernel's `kernel * kernel * cin` values from `t`, over all windows of the block.
    #[inline(always)]
    unsafe fn tile<S: Simd, const CV: usize, const T: usize>(&mut self, t: usize, channel: usize) {
        if T * CV > S::ACCUMULATORS {
            return; // Never asked for by `tiles`; saying so here keeps it from being compiled.
        }
        let cout = self.shape.cout;
        let values = self.shape.kernel * self.shape.kernel_row_len();
        let windows = self.gradient.len() / cout;
        // SAFETY: there are `windows` tables of 4 * values floats, and as many rows of cout gradients and argmax.
        unsafe {
            let mut sums = [[S::splat(0.0); CV]; T];
            for window in 0..windows {
                let table = self.tables.as_ptr().add((window * values + t) * 4);
                let at = window * cout + channel;
                let (mut g, mut index) = ([S::splat(0.0); CV], [S::splat_index(0); CV]);
                for v in 0..CV {
                    g[v] = S::load(self.gradient.as_ptr().add(at + v * S::LANES));
                    index[v] = S::load_index(self.argmax.as_ptr().add(at + v * S::LANES));
                }
                for (i, sums) in sums.iter_mut().enumerate() {
                    for (v, sum) in sums.iter_mut().enumerate() {
                        *sum = S::fma(S::lookup4(table.add(i * 4), index[v]), g[v], *sum);
                    }
                }
            }
            for (i, sums) in sums.into_iter().enumerate() {
                for (v, sum) in sums.into_iter().enumerate() {
                    let to = self.weights.as_mut_ptr().add((t + i) * cout + channel + v * S::LANES);
                    S::store(to, S::add(S::load(to), sum));
                }
            }
        }
    }
}

/// The weights as [`add_input_gradient`] reads them: `[kernel][cout][kernel * cin]`.
pub(crate) fn weights_by_output(shape: &ConvShape, weights: &[f32], by_output: &mut AlignedVec) {
    let (run, cout) = (shape.kernel_row_len(), shape.cout);
    by_output.resize_for_overwrite(shape.weights_len());
    for (from, to) in weights.chunks_exact(run * cout).zip(by_output.chunks_exact_mut(run * cout)) {
        for (o, to) in to.chunks_exact_mut(run).enumerate() {
            for (t, to) in to.iter_mut().enumerate() {
                *to = from[t * cout + o];
            }
        }
    }
}

/// Adds one image's gradient at the input to `padded`, an image with border.
pub(crate) fn add_input_gradient(
    set: InstructionSet,
    shape: &ConvShape,
    by_output: &[f32],
    gradient: &[f32],
    argmax: &[u8],
    padded: &mut [f32],
) {
    assert_eq!(padded.len(), shape.padded_len());
    assert_eq!(gradient.len(), (shape.height / 2) * (shape.width / 2) * shape.cout);
    assert_eq!(argmax.len(), gradient.len());
    assert_eq!(by_output.len(), shape.weights_len());
    run(set, InputGradient { shape, by_output, gradient, argmax, padded });
}

/// The middle of a padded image, without its border.
pub(crate) fn crop_padding(shape: &ConvShape, padded: &[f32], image: &mut [f32]) {
    let before = (shape.kernel - 1) / 2;
    let inner = shape.width * shape.cin;
    for (y, line) in image.chunks_exact_mut(inner).enumerate() {
        line.copy_from_slice(&padded[(y + before) * shape.padded_row_len() + before * shape.cin..][..inner]);
    }
}

struct InputGradient<'a> {
    shape: &'a ConvShape,
    by_output: &'a [f32],
    gradient: &'a [f32],
    argmax: &'a [u8],
    padded: &'a mut [f32],
}

impl Kernel for InputGradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        let run = self.shape.kernel_row_len();
        // All rows of a 2x2 kernel at once where their sums fit the registers: longer independent work for each bit.
        let both = self.shape.kernel == 2 && 2 * run <= 8 * S::LANES;
        for y in 0..self.shape.height / 2 {
            let mut ky = 0;
            while ky < self.shape.kernel {
                let mut t = 0;
                // SAFETY: the values of each block end at or before `run`.
                unsafe {
                    while t + 4 * S::LANES <= run {
                        match (both, t + 8 * S::LANES <= run) {
                            (true, _) => self.windows::<S, 2, 4>(y, ky, t),
                            (false, true) => self.windows::<S, 1, 8>(y, ky, t),
                            (false, false) => self.windows::<S, 1, 4>(y, ky, t),
                        }
                        t += if !both && t + 8 * S::LANES <= run { 8 * S::LANES } else { 4 * S::LANES };
                    }
                    while t + S::LANES <= run {
                        if both {
                            self.windows::<S, 2, 1>(y, ky, t)
                        } else {
                            self.windows::<S, 1, 1>(y, ky, t)
                        }
                        t += S::LANES;
                    }
                    while t < run {
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
    /// All windows of pooled row `y`: `NV` vectors of the values from `t` under `KY` rows of the kernel from `ky`.
    #[inline(always)]
    unsafe fn windows<S: Simd, const KY: usize, const NV: usize>(&mut self, y: usize, ky: usize, t: usize) {
        let s = self.shape;
        let columns = s.width / 2;
        for x in 0..columns {
            let from = (y * columns + x) * s.cout;
            for position in 0..4 {
                // SAFETY: the window lies in the image, and the values do by the caller's word.
                unsafe {
                    let under = (2 * y + position / 2 + ky) * s.padded_row_len() + (2 * x + position % 2) * s.cin + t;
                    self.window::<S, KY, NV>(from, position as u8, ky, t, under);
                }
            }
        }
    }

    /// One window and position: `from` is its first gradient, `under` its first value in the padded image.
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
        let (run, row) = (s.kernel_row_len(), s.padded_row_len());
        // SAFETY: t + NV * LANES <= run and ky + KY <= kernel bound the weights; the same values lie in the padded
        // image under the position; `argmax_mask` only gives channels below cout.
        unsafe {
            let weights = self.by_output.as_ptr().add(ky * s.cout * run + t);
            let mut sums = [[S::splat(0.0); NV]; KY];
            let mut channel = 0;
            while channel < s.cout {
                let mut mask = self.argmax_mask::<S>(from, channel, position);
                while mask != 0 {
                    let o = channel + mask.trailing_zeros() as usize;
                    mask &= mask - 1;
                    let g = S::splat(*self.gradient.as_ptr().add(from + o));
                    for (k, sums) in sums.iter_mut().enumerate() {
                        let weights = weights.add((k * s.cout + o) * run);
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

    /// A bit for each of up to 32 channels from `channel` whose index is `position`.
    #[inline(always)]
    unsafe fn argmax_mask<S: Simd>(&self, from: usize, channel: usize, position: u8) -> u32 {
        let left = self.shape.cout - channel;
        if left >= 32 {
            // SAFETY: 32 argmax follow.
            return unsafe { S::equal_mask32(self.argmax.as_ptr().add(from + channel), position) };
        }
        let argmax = &self.argmax[from + channel..][..left];
        argmax.iter().enumerate().fold(0, |mask, (i, &index)| mask | (u32::from(index == position) << i))
    }
}

#[cfg(test)]
mod tests {
    use super::super::conv::{self, pad, test_shapes};
    use super::super::conv_backward::tests::reference;
    use super::super::conv_pool::tests::pool_reference;
    use super::super::tests::{assert_close, available_sets, numbers};
    use super::*;

    /// The pooled gradient at each index's place in the full output.
    fn unpool(s: &ConvShape, gradient: &[f32], argmax: &[u8]) -> Vec<f32> {
        let mut full = vec![0.0; s.output_len()];
        for (i, (&g, &index)) in gradient.iter().zip(argmax).enumerate() {
            let (window, o) = (i / s.cout, i % s.cout);
            let (y, x) = (window / (s.width / 2), window % (s.width / 2));
            if index < 4 {
                let (dy, dx) = (usize::from(index) / 2, usize::from(index) % 2);
                full[((2 * y + dy) * s.width + 2 * x + dx) * s.cout + o] = g;
            }
        }
        full
    }

    #[test]
    fn gradients_are_those_of_the_dense_convolution_on_every_instruction_set() {
        for s in test_shapes() {
            let (image, weights) = (numbers(1, s.input_len()), numbers(2, s.weights_len()));
            let full = conv::reference(&s, &image, &weights, &numbers(3, s.cout));
            let (output, argmax) = pool_reference(&s, &full, true);
            let mut gradient = numbers(4, output.len());
            gradient.iter_mut().zip(&output).for_each(|(g, &o)| *g = if o > 0.0 { *g } else { 0.0 });
            let [dw, _, dx] = reference(&s, &image, &weights, &unpool(&s, &gradient, &argmax));
            for set in available_sets() {
                let what = format!("{s:?} {set:?}");
                let (mut padded, mut tables) = (AlignedVec::new(), AlignedVec::new());
                let mut found_dw = vec![0.0; s.weights_len()];
                pad(&s, &image, &mut padded);
                add_weight_gradient(set, &s, &padded, &gradient, &argmax, &mut tables, &mut found_dw);
                assert_close(&found_dw, &dw, 1e-4, &what);

                let mut by_output = AlignedVec::new();
                weights_by_output(&s, &weights, &mut by_output);
                padded.fill(0.0);
                add_input_gradient(set, &s, &by_output, &gradient, &argmax, &mut padded);
                let mut found_dx = vec![f32::NAN; s.input_len()];
                crop_padding(&s, &padded, &mut found_dx);
                assert_close(&found_dx, &dx, 1e-4, &what);
            }
        }
    }
}
