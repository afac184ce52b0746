//! Convolution, bias, activation and 2x2 max pooling of one image in one pass.
//!
//! Padded image and packed weights as in `conv`; output: `[height / 2][width / 2][cout]`; winners: a byte for each output,
//! 0 to 3 for the position of the largest (row-major in the window), 4 where ReLU let nothing through.
//!
//! The four sums of a window stay in registers, so the convolution's full-size output is never written. A last odd row
//! or column, which pooling drops, is never computed.

use super::conv::{ConvShape, Epilogue, packed_channels};
use super::dense::PANEL;
use super::simd::{Kernel, Simd};
use super::{InstructionSet, run};

/// The winner of a window that ReLU closed.
pub(crate) const NO_WINNER: u8 = 4;

/// Convolves and pools one padded image; `winners` is filled when given.
pub(crate) fn forward(
    set: InstructionSet,
    shape: &ConvShape,
    padded: &[f32],
    packed: &[f32],
    epilogue: Epilogue,
    output: &mut [f32],
    winners: Option<&mut [u8]>,
) {
    let pooled = (shape.height / 2) * (shape.width / 2) * shape.cout;
    assert_eq!(padded.len(), shape.padded_len());
    assert_eq!(packed.len(), shape.packed_len());
    assert_eq!(output.len(), pooled);
    assert!(epilogue.bias.is_none_or(|bias| bias.len() == shape.cout));
    assert!(winners.as_ref().is_none_or(|winners| winners.len() == pooled));
    run(set, Forward { shape, padded, packed, epilogue, output, winners });
}

struct Forward<'a> {
    shape: &'a ConvShape,
    padded: &'a [f32],
    packed: &'a [f32],
    epilogue: Epilogue<'a>,
    output: &'a mut [f32],
    winners: Option<&'a mut [u8]>,
}

/// Whether sixteen sums and their operands fit the registers.
const fn is_wide<S: Simd>() -> bool {
    S::ACCUMULATORS >= 16
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        // Knowing the input channels at compile time lets the address of every pixel of a tile be a constant offset.
        // SAFETY: CIN is the shape's, or 0 for "read it from the shape".
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
    /// `CV` vectors of channels and `WINDOWS` neighbouring windows at a time: sixteen sums where there are 32 registers,
    /// eight where there are 16.
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

    #[inline(always)]
    unsafe fn channels<S: Simd, const CIN: usize, const CV: usize, const WINDOWS: usize>(&mut self, channel: usize) {
        let (rows, columns) = (self.shape.height / 2, self.shape.width / 2);
        for y in 0..rows {
            let mut x = 0;
            // SAFETY: the windows lie in the image, and the channels do by the caller's word.
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

    /// `WINDOWS` pooling windows of pooled row `y` from pooled column `x`.
    #[inline(always)]
    unsafe fn tile<S: Simd, const CIN: usize, const CV: usize, const WINDOWS: usize>(
        &mut self,
        y: usize,
        x: usize,
        channel: usize,
    ) {
        let s = self.shape;
        let cin = if CIN == 0 { s.cin } else { CIN };
        let (row, run, cout) = ((s.width + s.kernel - 1) * cin, s.kernel * cin, s.cout);
        // SAFETY: the channels end at or before `cout`, by the caller's word.
        let weights = unsafe { packed_channels::<S, CV>(s, self.packed, channel) };
        // SAFETY: as in `conv`: the last pixel read is at row 2y + 1 + kernel - 1 and column
        // 2(x + WINDOWS) - 1 + kernel - 1, inside the padded image.
        unsafe {
            let mut sums = [[[S::splat(0.0); CV]; WINDOWS]; 4];
            for ky in 0..s.kernel {
                let upper = self.padded.as_ptr().add((2 * y + ky) * row + 2 * x * cin);
                let lower = upper.add(row);
                let weights = weights.map(|of_vector| of_vector.add(ky * run * PANEL));
                for t in 0..run {
                    let w = weights.map(|of_vector| S::load(of_vector.add(t * PANEL)));
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
                    let four = sums.map(|of_position| of_position[window][v]);
                    let at = channel + v * S::LANES;
                    self.finish::<S>(four, at, (y * (s.width / 2) + x + window) * cout + at);
                }
            }
        }
    }

    /// The largest of four sums, with bias and activation (which do not change which one is the largest).
    #[inline(always)]
    unsafe fn finish<S: Simd>(&mut self, four: [S::V; 4], channel: usize, to: usize) {
        // SAFETY: `to` is the output's place of `channel`, and LANES channels follow, by the caller's word.
        unsafe {
            let (mut best, mut winner) = (four[0], S::splat_index(0));
            for position in 1..4u8 {
                S::argmax(&mut best, &mut winner, four[usize::from(position)], position);
            }
            if let Some(bias) = self.epilogue.bias {
                best = S::add(best, S::load(bias.as_ptr().add(channel)));
            }
            if self.epilogue.relu {
                winner = S::index_unless_positive(winner, best, NO_WINNER);
                best = S::relu(best);
            }
            S::store(self.output.as_mut_ptr().add(to), best);
            if let Some(winners) = &mut self.winners {
                S::store_index(winners.as_mut_ptr().add(to), winner);
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

    /// Pools `[height][width][cout]`; gives the largest and its position.
    pub(crate) fn pool_reference(s: &ConvShape, full: &[f32], relu: bool) -> (Vec<f32>, Vec<u8>) {
        let (mut output, mut winners) = (Vec::new(), Vec::new());
        for (y, x) in (0..s.height / 2).flat_map(|y| (0..s.width / 2).map(move |x| (y, x))) {
            for o in 0..s.cout {
                let at = |p: usize| full[((2 * y + p / 2) * s.width + 2 * x + p % 2) * s.cout + o];
                let winner = (1..4).fold(0, |best, p| if at(p) > at(best) { p } else { best });
                let closed = relu && at(winner) <= 0.0;
                output.push(if closed { 0.0 } else { at(winner) });
                winners.push(if closed { NO_WINNER } else { winner as u8 });
            }
        }
        (output, winners)
    }

    #[test]
    fn forward_is_convolution_then_relu_then_pooling_on_every_instruction_set() {
        for s in test_shapes() {
            let (image, weights) = (numbers(4, s.input_len()), numbers(5, s.weights_len()));
            let bias = numbers(6, s.cout);
            let full = reference(&s, &image, &weights, &bias);
            for (set, relu) in available_sets().flat_map(|set| [(set, true), (set, false)]) {
                let (expected, expected_winners) = pool_reference(&s, &full, relu);
                let (mut padded, mut output) = (AlignedVec::new(), vec![f32::NAN; expected.len()]);
                let mut winners = vec![9; expected.len()];
                pad(&s, &image, &mut padded);
                let mut packed = AlignedVec::new();
                pack(&s, &weights, &mut packed);
                let epilogue = Epilogue { bias: Some(&bias), relu };
                forward(set, &s, &padded, &packed, epilogue, &mut output, Some(&mut winners));
                assert_close(&output, &expected, 1e-5, &format!("{s:?} {set:?}"));
                assert_eq!(winners, expected_winners, "{s:?} {set:?}");
            }
        }
    }
}
