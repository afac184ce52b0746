//! Direct convolution of one image, stride 1, `same` padding, and the padding and weight packing that it needs.
//!
//! Output channels are vectorised, input values are broadcast. The `kernel * cin` input values under one kernel row are
//! contiguous in the padded image, and their weights are [`PANEL_WIDTH`] floats apart in a panel. Each sum is therefore
//! two nested loops that read the weights sequentially. All pixels of a tile share each loaded weight.
//!
//! # Shapes
//! - image: `[height][width][cin]`
//! - padded image: `[height + kernel - 1][width + kernel - 1][cin]`, surrounded by zeros
//! - weights: `[kernel][kernel][cin][cout]` (HWIO)
//! - packed weights: `[cout / 16][kernel][kernel][cin][16]`, panels of 16 output channels, the last zero-padded
//! - output: `[height][width][cout]`

use super::dense::PANEL_WIDTH;
use super::simd::{Kernel, Simd};
use super::{InstructionSet, run, tiles};
use crate::nn::aligned_vec::AlignedVec;

/// Dimensions of a convolution; spatial sizes in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConvShape {
    pub height: usize,
    pub width: usize,
    pub cin: usize,
    pub cout: usize,
    pub kernel: usize,
}

impl ConvShape {
    pub fn input_len(&self) -> usize {
        self.height * self.width * self.cin
    }
    pub fn output_len(&self) -> usize {
        self.height * self.width * self.cout
    }
    pub fn weights_len(&self) -> usize {
        self.kernel * self.kernel * self.cin * self.cout
    }
    /// Returns the number of floats per panel of packed weights.
    pub fn panel_len(&self) -> usize {
        self.kernel * self.kernel_row_len() * PANEL_WIDTH
    }
    /// Returns the number of floats of the packed weights.
    pub fn packed_len(&self) -> usize {
        self.cout.div_ceil(PANEL_WIDTH) * self.panel_len()
    }
    /// Returns the number of floats per row of the padded image.
    pub fn padded_row_len(&self) -> usize {
        (self.width + self.kernel - 1) * self.cin
    }
    pub fn padded_len(&self) -> usize {
        (self.height + self.kernel - 1) * self.padded_row_len()
    }
    /// Returns the number of input values under one row of the kernel.
    pub fn kernel_row_len(&self) -> usize {
        self.kernel * self.cin
    }
    /// Returns the rows of padding above, and the columns to the left. For an even kernel, `same` padding in Keras puts
    /// the extra row below and the extra column to the right.
    pub fn padding_before(&self) -> usize {
        (self.kernel - 1) / 2
    }
    /// Returns the shape of the transposed convolution, which maps the gradient at the output to the gradient at the
    /// input.
    pub fn transposed(&self) -> ConvShape {
        ConvShape { cin: self.cout, cout: self.cin, ..*self }
    }
}

/// Pads an image with zeros, `before` of them above and to the left; `write_row` writes each row of the image.
pub(crate) fn pad_with(
    shape: &ConvShape,
    before: usize,
    padded: &mut AlignedVec,
    mut write_row: impl FnMut(usize, &mut [f32]),
) {
    let row = shape.padded_row_len();
    padded.resize_for_overwrite(shape.padded_len());
    let (left, inner) = (before * shape.cin, shape.width * shape.cin);
    padded[..before * row].fill(0.0);
    padded[(before + shape.height) * row..].fill(0.0);
    for (y, line) in padded[before * row..].chunks_exact_mut(row).take(shape.height).enumerate() {
        line[..left].fill(0.0);
        write_row(y, &mut line[left..left + inner]);
        line[left + inner..].fill(0.0);
    }
}

/// Pads an image for [`forward`].
pub(crate) fn pad(shape: &ConvShape, image: &[f32], padded: &mut AlignedVec) {
    let inner = shape.width * shape.cin;
    pad_with(shape, shape.padding_before(), padded, |y, line| line.copy_from_slice(&image[y * inner..][..inner]));
}

/// Pads the gradient at the output for [`forward`] with a [transposed](ConvShape::transposed) shape.
pub(crate) fn pad_transposed(transposed: &ConvShape, gradient: &[f32], padded: &mut AlignedVec) {
    let inner = transposed.width * transposed.cin;
    let before = transposed.kernel - 1 - transposed.padding_before();
    pad_with(transposed, before, padded, |y, line| line.copy_from_slice(&gradient[y * inner..][..inner]));
}

/// Computes the weights of the transposed convolution: rotated by 180 degrees, input and output channels swapped.
pub(crate) fn transpose_weights(shape: &ConvShape, weights: &[f32], transposed: &mut Vec<f32>) {
    let (taps, cin, cout) = (shape.kernel * shape.kernel, shape.cin, shape.cout);
    transposed.resize(shape.weights_len(), 0.0);
    for tap in 0..taps {
        let from = &weights[(taps - 1 - tap) * cin * cout..][..cin * cout];
        let to = &mut transposed[tap * cin * cout..][..cin * cout];
        for i in 0..cin {
            for o in 0..cout {
                to[o * cin + i] = from[i * cout + o];
            }
        }
    }
}

/// Packs weights in panels for [`forward`] and [`conv_pool::forward`](super::conv_pool::forward).
pub(crate) fn pack(shape: &ConvShape, weights: &[f32], packed: &mut AlignedVec) {
    packed.resize_zeroed(shape.packed_len());
    for (t, row) in weights.chunks_exact(shape.cout).enumerate() {
        for (panel, channels) in row.chunks(PANEL_WIDTH).enumerate() {
            packed[panel * shape.panel_len() + t * PANEL_WIDTH..][..channels.len()].copy_from_slice(channels);
        }
    }
}

/// Returns pointers to the first packed weights of `CV` vectors of output channels from `channel`; the weights of
/// consecutive input values are `PANEL_WIDTH` floats apart.
///
/// # Safety
/// The channels are in `0..cout`, and `channel` is a multiple of `PANEL_WIDTH` if the vectors span several panels.
#[inline(always)]
pub(super) unsafe fn packed_channels<S: Simd, const CV: usize>(
    shape: &ConvShape,
    packed: &[f32],
    channel: usize,
) -> [*const f32; CV] {
    // SAFETY: panel channel / PANEL_WIDTH exists; the caller guarantees the vectors that follow.
    unsafe {
        let first = packed.as_ptr().add(channel / PANEL_WIDTH * shape.panel_len() + channel % PANEL_WIDTH);
        std::array::from_fn(|v| {
            let (panel, lane) = (v * S::LANES / PANEL_WIDTH, v * S::LANES % PANEL_WIDTH);
            first.add(panel * shape.panel_len() + lane)
        })
    }
}

/// The operations fused into the end of a convolution: bias, then ReLU.
#[derive(Clone, Copy)]
pub(crate) struct Epilogue<'a> {
    pub bias: Option<&'a [f32]>,
    pub relu: bool,
}

impl Epilogue<'_> {
    pub const NONE: Epilogue<'static> = Epilogue { bias: None, relu: false };
}

/// Convolves one padded image with packed weights.
///
/// # Panics
/// If a length does not match the shape.
pub(crate) fn forward(
    set: InstructionSet,
    shape: &ConvShape,
    padded: &[f32],
    packed: &[f32],
    epilogue: Epilogue,
    output: &mut [f32],
) {
    assert_eq!(padded.len(), shape.padded_len());
    assert_eq!(packed.len(), shape.packed_len());
    assert_eq!(output.len(), shape.output_len());
    assert!(epilogue.bias.is_none_or(|bias| bias.len() == shape.cout));
    run(set, Forward { shape, padded, packed, epilogue, output });
}

struct Forward<'a> {
    shape: &'a ConvShape,
    padded: &'a [f32],
    packed: &'a [f32],
    epilogue: Epilogue<'a>,
    output: &'a mut [f32],
}

impl Kernel for Forward<'_> {
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

impl Forward<'_> {
    /// Computes all pixels, for `CV` vectors of output channels from `channel`.
    #[inline(always)]
    unsafe fn channels<S: Simd, const CV: usize>(&mut self, channel: usize) {
        for (pixel, pixels) in tiles(self.shape.height * self.shape.width, S::ACCUMULATORS / CV) {
            // SAFETY: the tile is inside the image; the caller guarantees the channels.
            unsafe {
                match pixels {
                    1 => self.tile::<S, CV, 1>(pixel, channel),
                    2 => self.tile::<S, CV, 2>(pixel, channel),
                    3 => self.tile::<S, CV, 3>(pixel, channel),
                    4 => self.tile::<S, CV, 4>(pixel, channel),
                    5 => self.tile::<S, CV, 5>(pixel, channel),
                    6 => self.tile::<S, CV, 6>(pixel, channel),
                    _ => self.tile::<S, CV, 12>(pixel, channel),
                }
            }
        }
    }

    /// Computes all pixels, for one output channel.
    #[inline(always)]
    unsafe fn channel(&mut self, channel: usize) {
        for pixel in 0..self.shape.height * self.shape.width {
            // SAFETY: the pixel is inside the image; the caller guarantees the channel.
            unsafe { self.tile::<f32, 1, 1>(pixel, channel) }
        }
    }

    /// Computes `PX` pixels from `pixel`, in row-major order; a tile may continue in the next row.
    #[inline(always)]
    unsafe fn tile<S: Simd, const CV: usize, const PX: usize>(&mut self, pixel: usize, channel: usize) {
        if PX * CV > S::ACCUMULATORS {
            return; // `tiles` never asks for it; the check keeps it from being compiled.
        }
        let s = self.shape;
        let (row, kernel_row) = (s.padded_row_len(), s.kernel_row_len());
        // SAFETY: row y + ky of the padded image has kernel - 1 columns more than the output, so it contains column
        // x + kernel - 1; channel + CV * LANES <= cout bounds weights, bias and output.
        unsafe {
            let weights = packed_channels::<S, CV>(s, self.packed, channel);
            let mut inputs = self.pixels::<PX>(pixel);
            let mut sums = [[S::splat(0.0); CV]; PX];
            for ky in 0..s.kernel {
                let weights = weights.map(|first| first.add(ky * kernel_row * PANEL_WIDTH));
                for t in 0..kernel_row {
                    let w = weights.map(|row| S::load(row.add(t * PANEL_WIDTH)));
                    for (sums, input) in sums.iter_mut().zip(inputs) {
                        let value = S::splat(*input.add(t));
                        for (sum, w) in sums.iter_mut().zip(w) {
                            *sum = S::fma(value, w, *sum);
                        }
                    }
                }
                inputs = inputs.map(|input| input.wrapping_add(row));
            }
            for (p, sums) in sums.into_iter().enumerate() {
                for (v, mut sum) in sums.into_iter().enumerate() {
                    let at = channel + v * S::LANES;
                    if let Some(bias) = self.epilogue.bias {
                        sum = S::add(sum, S::load(bias.as_ptr().add(at)));
                    }
                    if self.epilogue.relu {
                        sum = S::relu(sum);
                    }
                    S::store(self.output.as_mut_ptr().add((pixel + p) * s.cout + at), sum);
                }
            }
        }
    }

    /// Returns pointers to the first input value under each of `PX` pixels from `pixel`.
    #[inline(always)]
    unsafe fn pixels<const PX: usize>(&self, pixel: usize) -> [*const f32; PX] {
        let s = self.shape;
        let (mut y, mut x) = (pixel / s.width, pixel % s.width);
        std::array::from_fn(|_| {
            // SAFETY: (y, x) is a pixel of the image, and the padded image is larger.
            let first = unsafe { self.padded.as_ptr().add(y * s.padded_row_len() + x * s.cin) };
            x += 1;
            if x == s.width {
                (y, x) = (y + 1, 0);
            }
            first
        })
    }
}

/// Computes a convolution by its definition, for tests.
#[cfg(test)]
pub(crate) fn reference(shape: &ConvShape, image: &[f32], weights: &[f32], bias: &[f32]) -> Vec<f32> {
    let s = shape;
    let mut output = Vec::new();
    for y in 0..s.height {
        for x in 0..s.width {
            for o in 0..s.cout {
                let mut sum = f64::from(bias[o]);
                for_each_tap(s, y, x, |tap, pixel| {
                    for i in 0..s.cin {
                        sum += f64::from(image[pixel * s.cin + i]) * f64::from(weights[(tap * s.cin + i) * s.cout + o]);
                    }
                });
                output.push(sum as f32);
            }
        }
    }
    output
}

/// Calls `call` with each (kernel tap, input pixel) under output pixel (y, x) that is inside the image.
#[cfg(test)]
pub(crate) fn for_each_tap(s: &ConvShape, y: usize, x: usize, mut call: impl FnMut(usize, usize)) {
    for tap in 0..s.kernel * s.kernel {
        let (iy, ix) = (y + tap / s.kernel, x + tap % s.kernel);
        let before = s.padding_before();
        if (before..before + s.height).contains(&iy) && (before..before + s.width).contains(&ix) {
            call(tap, (iy - before) * s.width + ix - before);
        }
    }
}

/// Odd, even, square and oblong shapes, with channels that fill whole vectors and that do not.
#[cfg(test)]
pub(crate) fn test_shapes() -> Vec<ConvShape> {
    let shape = |height, width, cin, cout, kernel| ConvShape { height, width, cin, cout, kernel };
    vec![
        shape(5, 7, 3, 16, 2),
        shape(6, 4, 16, 32, 2),
        shape(7, 13, 3, 20, 3),
        shape(4, 25, 5, 64, 3),
        shape(9, 2, 16, 7, 3),
        shape(3, 3, 1, 1, 1),
        shape(8, 8, 33, 48, 2),
        shape(2, 2, 2, 96, 5),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_close, available_sets, numbers};
    use super::*;

    #[test]
    fn forward_matches_the_definition_on_every_instruction_set() {
        for s in test_shapes() {
            let (image, weights) = (numbers(1, s.input_len()), numbers(2, s.weights_len()));
            let bias = numbers(3, s.cout);
            let expected: Vec<f32> = reference(&s, &image, &weights, &bias).iter().map(|v| v.max(0.0)).collect();
            for set in available_sets() {
                let (mut padded, mut output) = (AlignedVec::filled(3, f32::NAN), vec![f32::NAN; s.output_len()]);
                pad(&s, &image, &mut padded);
                let mut packed = AlignedVec::filled(5, f32::NAN);
                pack(&s, &weights, &mut packed);
                let epilogue = Epilogue { bias: Some(&bias), relu: true };
                forward(set, &s, &padded, &packed, epilogue, &mut output);
                assert_close(&output, &expected, 1e-5, &format!("{s:?} {set:?}"));
            }
        }
    }

    #[test]
    fn forward_accepts_unaligned_slices() {
        let s = ConvShape { height: 4, width: 9, cin: 3, cout: 32, kernel: 3 };
        let (image, weights) = (numbers(1, s.input_len()), numbers(2, s.weights_len()));
        let (mut padded, mut packed) = (AlignedVec::new(), AlignedVec::new());
        pad(&s, &image, &mut padded);
        pack(&s, &weights, &mut packed);
        let [padded, packed] = [&padded[..], &packed[..]].map(|values| [&[0.0], values].concat());
        let [padded, packed] = [&padded, &packed].map(|values| AlignedVec::from(&values[..]));
        for set in available_sets() {
            let mut output = vec![0.0; s.output_len() + 1];
            forward(set, &s, &padded[1..], &packed[1..], Epilogue::NONE, &mut output[1..]);
            let expected = reference(&s, &image, &weights, &vec![0.0; s.cout]);
            assert_close(&output[1..], &expected, 1e-5, &format!("{set:?}"));
        }
    }

    #[test]
    fn padding_overwrites_a_reused_buffer_with_zeros() {
        let s = ConvShape { height: 2, width: 3, cin: 1, cout: 1, kernel: 2 };
        let mut padded = AlignedVec::filled(s.padded_len(), 9.0);
        pad(&s, &[1., 2., 3., 4., 5., 6.], &mut padded);
        assert_eq!(padded[..], [1., 2., 3., 0., 4., 5., 6., 0., 0., 0., 0., 0.]);
    }
}
