//! Fused convolution, bias, ReLU and 2x2 max pooling of one image.
//!
//! The four sums of a pooling window stay in registers, so the convolution's full-size output is never written to
//! memory. An odd last row or column, which pooling drops, is never computed.
//!
//! # Shapes
//! - padded image and packed weights: as in [`conv`](super::conv)
//! - output: `[height / 2][width / 2][cout]`
//! - argmax: as the output, one byte per value: the row-major position (0 to 3) of the maximum in its window, or
//!   [`ZEROED_BY_RELU`]

use super::conv::{ConvShape, Epilogue, packed_channels};
use super::dense::PANEL_WIDTH;
use super::simd::{Kernel, Simd};
use super::{InstructionSet, run};

/// The argmax of a window whose maximum is not positive: ReLU outputs zero, and no position receives a gradient.
pub(crate) const ZEROED_BY_RELU: u8 = 4;

/// Convolves and pools one padded image, and writes `argmax` if given.
pub(crate) fn forward(
    set: InstructionSet,
    shape: &ConvShape,
    padded: &[f32],
    packed: &[f32],
    epilogue: Epilogue,
    output: &mut [f32],
    argmax: Option<&mut [u8]>,
) {
    let pooled = (shape.height / 2) * (shape.width / 2) * shape.cout;
    assert_eq!(padded.len(), shape.padded_len());
    assert_eq!(packed.len(), shape.packed_len());
    assert_eq!(output.len(), pooled);
    assert!(epilogue.bias.is_none_or(|bias| bias.len() == shape.cout));
    assert!(argmax.as_ref().is_none_or(|argmax| argmax.len() == pooled));
    run(set, Forward { shape, padded, packed, epilogue, output, argmax });
}

struct Forward<'a> {
    shape: &'a ConvShape,
    padded: &'a [f32],
    packed: &'a [f32],
    epilogue: Epilogue<'a>,
    output: &'a mut [f32],
    argmax: Option<&'a mut [u8]>,
}

/// Returns whether sixteen accumulators and their operands fit the registers.
const fn is_wide<S: Simd>() -> bool {
    S::ACCUMULATORS >= 16
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        // With the input channels known at compile time, the address of each pixel of a tile is a constant offset.
        // SAFETY: CIN equals the shape's `cin`, or is 0, which reads it from the shape.
        unsafe {
            match self.shape.cin {
                3 => self.all_channels::<S, 3>(),
                16 if is_wide::<S>() => self.all_channels::<S, 16>(),
                32 if is_wide::<S>() => self.all_channels::<S, 32>(),
                _ => self.all_channels::<S, 0>(),
            }
        }
    }
}

impl Forward<'_> {
    /// Computes all channels, as blocks of `CV` vectors of channels by `WINDOWS` neighbouring windows: sixteen
    /// accumulators on processors with 32 vector registers, eight on those with 16.
    #[inline(always)]
    unsafe fn all_channels<S: Simd, const CIN: usize>(&mut self) {
        let cout = self.shape.cout;
        let wide = is_wide::<S>();
        let mut channel = 0;
        // SAFETY: the channels of each block end at or before `cout`.
        unsafe {
            while wide && channel + 4 * S::LANES <= cout {
                self.channels::<S, CIN, 4, 1>(channel);
                channel += 4 * S::LANES;
            }
            while channel + 2 * S::LANES <= cout {
                if wide {
                    self.channels::<S, CIN, 2, 2>(channel)
                } else {
                    self.channels::<S, CIN, 2, 1>(channel)
                }
                channel += 2 * S::LANES;
            }
            while channel + S::LANES <= cout {
                if wide {
                    self.channels::<S, CIN, 1, 4>(channel)
                } else {
                    self.channels::<S, CIN, 1, 1>(channel)
                }
                channel += S::LANES;
            }
            while channel < cout {
                self.channels::<f32, CIN, 1, 1>(channel);
                channel += 1;
            }
        }
    }

    /// Computes all windows, for `CV` vectors of output channels from `channel`.
    #[inline(always)]
    unsafe fn channels<S: Simd, const CIN: usize, const CV: usize, const WINDOWS: usize>(&mut self, channel: usize) {
        let (rows, columns) = (self.shape.height / 2, self.shape.width / 2);
        for y in 0..rows {
            let mut x = 0;
            // SAFETY: the windows are inside the image; the caller guarantees the channels.
            unsafe {
                while x + WINDOWS <= columns {
                    self.tile::<S, CIN, CV, WINDOWS>(y, x, channel);
                    x += WINDOWS;
                }
                while x < columns {
                    self.tile::<S, CIN, CV, 1>(y, x, channel);
                    x += 1;
                }
            }
        }
    }

    /// Computes `WINDOWS` pooling windows of pooled row `y` from pooled column `x`.
    #[inline(always)]
    unsafe fn tile<S: Simd, const CIN: usize, const CV: usize, const WINDOWS: usize>(
        &mut self,
        y: usize,
        x: usize,
        channel: usize,
    ) {
        let s = self.shape;
        let cin = if CIN == 0 { s.cin } else { CIN };
        let (row, kernel_row, cout) = ((s.width + s.kernel - 1) * cin, s.kernel * cin, s.cout);
        // SAFETY: the caller guarantees that the channels end at or before `cout`.
        let weights = unsafe { packed_channels::<S, CV>(s, self.packed, channel) };
        // SAFETY: as in `conv`; the last pixel read is at row 2y + 1 + kernel - 1 and column
        // 2(x + WINDOWS) - 1 + kernel - 1, inside the padded image.
        unsafe {
            let mut sums = [[[S::splat(0.0); CV]; WINDOWS]; 4];
            for ky in 0..s.kernel {
                let upper = self.padded.as_ptr().add((2 * y + ky) * row + 2 * x * cin);
                let lower = upper.add(row);
                let weights = weights.map(|first| first.add(ky * kernel_row * PANEL_WIDTH));
                for t in 0..kernel_row {
                    let w = weights.map(|row| S::load(row.add(t * PANEL_WIDTH)));
                    for (position, sums) in sums.iter_mut().enumerate() {
                        let line = if position < 2 { upper } else { lower };
                        for (window, sums) in sums.iter_mut().enumerate() {
                            let value = S::splat(*line.add((2 * window + position % 2) * cin + t));
                            for (sum, w) in sums.iter_mut().zip(w) {
                                *sum = S::fma(value, w, *sum);
                            }
                        }
                    }
                }
            }
            for window in 0..WINDOWS {
                for v in 0..CV {
                    let four = sums.map(|position| position[window][v]);
                    let at = channel + v * S::LANES;
                    self.finish::<S>(four, at, (y * (s.width / 2) + x + window) * cout + at);
                }
            }
        }
    }

    /// Writes the maximum of four sums after bias and activation, neither of which changes the argmax.
    #[inline(always)]
    unsafe fn finish<S: Simd>(&mut self, four: [S::V; 4], channel: usize, to: usize) {
        // SAFETY: the caller guarantees that `to` is the output index of `channel` and that LANES channels follow.
        unsafe {
            let (mut best, mut index) = (four[0], S::splat_index(0));
            for position in 1..4u8 {
                S::argmax(&mut best, &mut index, four[usize::from(position)], position);
            }
            if let Some(bias) = self.epilogue.bias {
                best = S::add(best, S::load(bias.as_ptr().add(channel)));
            }
            if self.epilogue.relu {
                index = S::index_unless_positive(index, best, ZEROED_BY_RELU);
                best = S::relu(best);
            }
            S::store(self.output.as_mut_ptr().add(to), best);
            if let Some(argmax) = &mut self.argmax {
                S::store_index(argmax.as_mut_ptr().add(to), index);
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::conv::{pack, pad, reference, test_shapes};
    use super::super::tests::{assert_close, available_sets, numbers};
    use super::*;
    use crate::nn::aligned_vec::AlignedVec;

    /// Returns the maximum and the argmax of each window of `full`, `[height][width][cout]`.
    pub(crate) fn pool_reference(s: &ConvShape, full: &[f32], relu: bool) -> (Vec<f32>, Vec<u8>) {
        let (mut output, mut argmax) = (Vec::new(), Vec::new());
        for (y, x) in (0..s.height / 2).flat_map(|y| (0..s.width / 2).map(move |x| (y, x))) {
            for o in 0..s.cout {
                let at = |p: usize| full[((2 * y + p / 2) * s.width + 2 * x + p % 2) * s.cout + o];
                let index = (1..4).fold(0, |best, p| if at(p) > at(best) { p } else { best });
                let zeroed = relu && at(index) <= 0.0;
                output.push(if zeroed { 0.0 } else { at(index) });
                argmax.push(if zeroed { ZEROED_BY_RELU } else { index as u8 });
            }
        }
        (output, argmax)
    }

    #[test]
    fn matches_convolution_then_relu_then_pooling_on_every_instruction_set() {
        for s in test_shapes() {
            let (image, weights) = (numbers(4, s.input_len()), numbers(5, s.weights_len()));
            let bias = numbers(6, s.cout);
            let full = reference(&s, &image, &weights, &bias);
            for (set, relu) in available_sets().flat_map(|set| [(set, true), (set, false)]) {
                let (expected, expected_argmax) = pool_reference(&s, &full, relu);
                let (mut padded, mut output) = (AlignedVec::new(), vec![f32::NAN; expected.len()]);
                let mut argmax = vec![9; expected.len()];
                pad(&s, &image, &mut padded);
                let mut packed = AlignedVec::new();
                pack(&s, &weights, &mut packed);
                let epilogue = Epilogue { bias: Some(&bias), relu };
                forward(set, &s, &padded, &packed, epilogue, &mut output, Some(&mut argmax));
                assert_close(&output, &expected, 1e-5, &format!("{s:?} {set:?}"));
                assert_eq!(argmax, expected_argmax, "{s:?} {set:?}");
            }
        }
    }
}
