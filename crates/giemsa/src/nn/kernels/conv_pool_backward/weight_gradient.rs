//! Gradient at the weights, from the gradient at the pooled output.

use crate::nn::aligned_vec::AlignedVec;
use crate::nn::kernels::conv::ConvShape;
use crate::nn::kernels::simd::{Kernel, Simd};
use crate::nn::kernels::{InstructionSet, run, tiles};

/// Minimum number of pooling windows per block: enough to amortise loading and storing a tile of sums.
const BLOCK_WINDOWS: usize = 20;

/// Adds the gradient of one image at the weights. `gradient` must have passed [`relu_backward`](super::relu_backward);
/// `tables` is scratch.
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
    let block_rows = BLOCK_WINDOWS.div_ceil(columns);
    let mut y = 0;
    while y < rows {
        let block = block_rows.min(rows - y);
        run(set, FillTables { shape, padded, y, rows: block, tables });
        let from = y * columns * shape.cout;
        let to = (y + block) * columns * shape.cout;
        let (gradient, argmax) = (&gradient[from..to], &argmax[from..to]);
        run(set, WeightGradient { shape, tables, gradient, argmax, weights });
        y += block;
    }
}

/// Fills the lookup tables of `rows` pooled rows from `y`: `[window][kernel][kernel * cin][4]`, for each weight the
/// four input values that it multiplies at the four positions of the window.
struct FillTables<'a> {
    shape: &'a ConvShape,
    padded: &'a [f32],
    y: usize,
    rows: usize,
    tables: &'a mut AlignedVec,
}

impl Kernel for FillTables<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let FillTables { shape, padded, y, rows, tables } = self;
        let (row, kernel_row, columns) = (shape.padded_row_len(), shape.kernel_row_len(), shape.width / 2);
        let tables_len = rows * columns * shape.kernel * kernel_row * 4;
        tables.resize_for_overwrite(tables_len + 4 * S::LANES);
        let mut to = tables.as_mut_ptr();
        for (py, px) in (y..y + rows).flat_map(|py| (0..columns).map(move |px| (py, px))) {
            for ky in 0..shape.kernel {
                // SAFETY: each kernel row of each window has a table, and a vector fits behind the last.
                unsafe {
                    Self::fill::<S>(shape, padded, (2 * py + ky) * row + 2 * px * shape.cin, to);
                    to = to.add(kernel_row * 4);
                }
            }
        }
    }
}

impl FillTables<'_> {
    /// Fills the table of the values from `first` in the padded image. The last vector may write past the table; the
    /// next table overwrites the excess.
    #[inline(always)]
    unsafe fn fill<S: Simd>(shape: &ConvShape, padded: &[f32], first: usize, to: *mut f32) {
        let (row, kernel_row, cin) = (shape.padded_row_len(), shape.kernel_row_len(), shape.cin);
        let mut t = 0;
        // SAFETY: for each t below `kernel_row`, the last of the four values is `row + cin` after the first and inside
        // the image; `to` has room for `kernel_row` times four values and four vectors.
        unsafe {
            let upper = padded.as_ptr().add(first);
            let lower = upper.add(row);
            while t < kernel_row && first + row + cin + t + S::LANES <= padded.len() {
                let left = [S::load(upper.add(t)), S::load(lower.add(t))];
                let right = [S::load(upper.add(t + cin)), S::load(lower.add(t + cin))];
                S::store_interleaved(to.add(4 * t), [left[0], right[0], left[1], right[1]]);
                t += S::LANES;
            }
            while t < kernel_row {
                let four = [*upper.add(t), *upper.add(t + cin), *lower.add(t), *lower.add(t + cin)];
                f32::store_interleaved(to.add(4 * t), four);
                t += 1;
            }
        }
    }
}

/// Each lane of a vector of output channels has its own argmax; one in-register lookup in the table selects the input
/// value of each lane.
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
    /// Computes all weights of `CV` vectors of output channels from `channel`.
    #[inline(always)]
    unsafe fn channels<S: Simd, const CV: usize>(&mut self, channel: usize) {
        // Gradients, argmax and looked-up values need registers besides the sums.
        let most = (S::ACCUMULATORS * 2 / 3 / CV).clamp(1, 6);
        for (t, values) in tiles(self.shape.kernel * self.shape.kernel_row_len(), most) {
            // SAFETY: the tile is inside the kernel; the caller guarantees the channels.
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

    /// Computes all weights of one output channel.
    #[inline(always)]
    unsafe fn channel(&mut self, channel: usize) {
        for t in 0..self.shape.kernel * self.shape.kernel_row_len() {
            // SAFETY: the value is inside the kernel; the caller guarantees the channel.
            unsafe { self.tile::<f32, 1, 1>(t, channel) }
        }
    }

    /// Computes `T` of the `kernel * kernel * cin` weights from `t`, over all windows of the block.
    #[inline(always)]
    unsafe fn tile<S: Simd, const CV: usize, const T: usize>(&mut self, t: usize, channel: usize) {
        if T * CV > S::ACCUMULATORS {
            return; // `tiles` never asks for it; the check keeps it from being compiled.
        }
        let cout = self.shape.cout;
        let values = self.shape.kernel * self.shape.kernel_row_len();
        let windows = self.gradient.len() / cout;
        // SAFETY: there are `windows` tables of 4 * values floats, and as many rows of `cout` gradients and argmax.
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
