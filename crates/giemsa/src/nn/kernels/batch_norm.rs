//! Batch normalisation of one image, fused with ReLU and 2x2 max pooling (Ioffe and Szegedy 2015, *Batch normalization:
//! accelerating deep network training by reducing internal covariate shift*, algorithm 1).
//!
//! Per channel, normalisation is the affine map `scale * value + shift`. The normalised values are never stored; the
//! backward pass recomputes them from the convolution's output. Each function processes a vector of channels over all
//! pixels.
//!
//! # Shapes
//! - pixels, the gradient at them, and the output without pooling: `[pixels][channels]`
//! - output with pooling: `[height / 2][width / 2][channels]`; argmax as in [`conv_pool`](super::conv_pool)
//! - scale, shift and all sums: `[channels]`

mod backward;

use super::conv_pool::ZEROED_BY_RELU;
use super::simd::{Kernel, Simd};
use super::{InstructionSet, run};
pub(crate) use backward::{add_gradient_sums, input_gradient, unpool};

/// An affine map per channel, optionally followed by ReLU.
#[derive(Clone, Copy)]
pub(crate) struct Affine<'a> {
    pub scale: &'a [f32],
    pub shift: &'a [f32],
    pub relu: bool,
}

/// An operation that treats each channel independently of the others.
trait ChannelWise: Sized {
    fn channels(&self) -> usize;
    /// Processes `LANES` channels from `channel`.
    unsafe fn vector<S: Simd>(&mut self, channel: usize);

    /// Processes all channels.
    #[inline(always)]
    unsafe fn all<S: Simd>(&mut self) {
        let mut channel = 0;
        // SAFETY: the vectors end at or before the last channel.
        unsafe {
            while channel + S::LANES <= self.channels() {
                self.vector::<S>(channel);
                channel += S::LANES;
            }
            while channel < self.channels() {
                self.vector::<f32>(channel);
                channel += 1;
            }
        }
    }
}

/// Runs a [`ChannelWise`] operation as a [`Kernel`].
struct AllChannels<'a, T>(&'a mut T);

impl<T: ChannelWise> Kernel for AllChannels<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller guarantees what `Kernel::run` requires.
        unsafe { self.0.all::<S>() }
    }
}

/// Adds the sums over all pixels of `value - pivot` and of its square to `sums` and `squares`. A pivot near the mean
/// avoids cancellation in the variance (Chan, Golub and LeVeque 1983, *Algorithms for computing the sample variance*).
pub(crate) fn add_statistics(
    set: InstructionSet,
    pixels: &[f32],
    pivot: &[f32],
    sums: &mut [f32],
    squares: &mut [f32],
) {
    assert!(sums.len() == pivot.len() && squares.len() == pivot.len() && pixels.len().is_multiple_of(pivot.len()));
    run(set, AllChannels(&mut Statistics { pixels, pivot, sums, squares }));
}

struct Statistics<'a> {
    pixels: &'a [f32],
    pivot: &'a [f32],
    sums: &'a mut [f32],
    squares: &'a mut [f32],
}

impl ChannelWise for Statistics<'_> {
    fn channels(&self) -> usize {
        self.pivot.len()
    }

    #[inline(always)]
    unsafe fn vector<S: Simd>(&mut self, channel: usize) {
        let (n, c) = (self.pixels.len() / self.pivot.len(), self.pivot.len());
        // SAFETY: channel + LANES <= channels, in each pixel and each array.
        unsafe {
            let pivot = S::load(self.pivot.as_ptr().add(channel));
            let (sum_to, square_to) = (self.sums.as_mut_ptr().add(channel), self.squares.as_mut_ptr().add(channel));
            // Two accumulators hide the latency of an addition.
            let (mut sum, mut square) = ([S::load(sum_to), S::splat(0.0)], [S::load(square_to), S::splat(0.0)]);
            for pixel in 0..n {
                let value = S::sub(S::load(self.pixels.as_ptr().add(pixel * c + channel)), pivot);
                sum[pixel % 2] = S::add(sum[pixel % 2], value);
                square[pixel % 2] = S::fma(value, value, square[pixel % 2]);
            }
            S::store(sum_to, S::add(sum[0], sum[1]));
            S::store(square_to, S::add(square[0], square[1]));
        }
    }
}

/// Writes the affine map of every pixel, and ReLU if requested, to `output`.
pub(crate) fn activate(set: InstructionSet, affine: Affine, pixels: &[f32], output: &mut [f32]) {
    assert_eq!(pixels.len(), output.len());
    assert!(affine.scale.len() == affine.shift.len() && pixels.len().is_multiple_of(affine.scale.len()));
    run(set, AllChannels(&mut Activate { affine, pixels, output }));
}

struct Activate<'a> {
    affine: Affine<'a>,
    pixels: &'a [f32],
    output: &'a mut [f32],
}

impl ChannelWise for Activate<'_> {
    fn channels(&self) -> usize {
        self.affine.scale.len()
    }

    #[inline(always)]
    unsafe fn vector<S: Simd>(&mut self, channel: usize) {
        let c = self.channels();
        // SAFETY: channel + LANES <= channels, in each pixel and each array.
        unsafe {
            let scale = S::load(self.affine.scale.as_ptr().add(channel));
            let shift = S::load(self.affine.shift.as_ptr().add(channel));
            for pixel in 0..self.pixels.len() / c {
                let at = pixel * c + channel;
                let mut value = S::fma(S::load(self.pixels.as_ptr().add(at)), scale, shift);
                if self.affine.relu {
                    value = S::relu(value);
                }
                S::store(self.output.as_mut_ptr().add(at), value);
            }
        }
    }
}

/// Like [`activate`], followed by 2x2 max pooling of an image of `width` columns.
pub(crate) fn activate_and_pool(
    set: InstructionSet,
    affine: Affine,
    width: usize,
    pixels: &[f32],
    output: &mut [f32],
    argmax: &mut [u8],
) {
    let channels = affine.scale.len();
    let height = pixels.len() / (width * channels);
    assert!(affine.shift.len() == channels && pixels.len() == height * width * channels);
    assert_eq!(output.len(), (height / 2) * (width / 2) * channels);
    assert_eq!(argmax.len(), output.len());
    run(set, AllChannels(&mut Pool { affine, height, width, pixels, output, argmax }));
}

struct Pool<'a> {
    affine: Affine<'a>,
    height: usize,
    width: usize,
    pixels: &'a [f32],
    output: &'a mut [f32],
    argmax: &'a mut [u8],
}

impl ChannelWise for Pool<'_> {
    fn channels(&self) -> usize {
        self.affine.scale.len()
    }

    #[inline(always)]
    unsafe fn vector<S: Simd>(&mut self, channel: usize) {
        let (c, columns) = (self.channels(), self.width / 2);
        // SAFETY: channel + LANES <= channels; all four pixels of each window are inside the image.
        unsafe {
            let scale = S::load(self.affine.scale.as_ptr().add(channel));
            let shift = S::load(self.affine.shift.as_ptr().add(channel));
            for window in 0..(self.height / 2) * columns {
                let (y, x) = (window / columns, window % columns);
                let upper = self.pixels.as_ptr().add((2 * y * self.width + 2 * x) * c + channel);
                let lower = upper.add(self.width * c);
                let mut index = S::splat_index(0);
                let mut best = S::fma(S::load(upper), scale, shift);
                S::argmax(&mut best, &mut index, S::fma(S::load(upper.add(c)), scale, shift), 1);
                S::argmax(&mut best, &mut index, S::fma(S::load(lower), scale, shift), 2);
                S::argmax(&mut best, &mut index, S::fma(S::load(lower.add(c)), scale, shift), 3);
                if self.affine.relu {
                    index = S::index_unless_positive(index, best, ZEROED_BY_RELU);
                    best = S::relu(best);
                }
                S::store(self.output.as_mut_ptr().add(window * c + channel), best);
                S::store_index(self.argmax.as_mut_ptr().add(window * c + channel), index);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::conv::ConvShape;
    use super::super::conv_pool::tests::pool_reference;
    use super::super::tests::{assert_close, available_sets, numbers};
    use super::*;

    /// Height, width and channels.
    const SHAPES: [(usize, usize, usize); 4] = [(5, 7, 16), (4, 6, 20), (3, 2, 1), (6, 5, 96)];

    #[test]
    fn statistics_are_sums_of_deviations_from_the_pivot() {
        for (set, (h, w, c)) in available_sets().flat_map(|set| SHAPES.map(|shape| (set, shape))) {
            let (pixels, pivot) = (numbers(1, h * w * c), numbers(2, c));
            let (mut sums, mut squares) = (vec![0.0; c], vec![0.0; c]);
            add_statistics(set, &pixels, &pivot, &mut sums, &mut squares);
            for o in 0..c {
                let values = || pixels.iter().skip(o).step_by(c).map(|v| v - pivot[o]);
                assert_close(&[sums[o]], &[values().sum()], 1e-4, "sum");
                assert_close(&[squares[o]], &[values().map(|v| v * v).sum()], 1e-4, "square");
            }
        }
    }

    #[test]
    fn activation_and_pooling_match_their_definitions() {
        for (set, (h, w, c)) in available_sets().flat_map(|set| SHAPES.map(|shape| (set, shape))) {
            let (pixels, scale, shift) = (numbers(1, h * w * c), numbers(2, c), numbers(3, c));
            let affine = Affine { scale: &scale, shift: &shift, relu: true };
            let linear: Vec<f32> = pixels.iter().enumerate().map(|(i, v)| v * scale[i % c] + shift[i % c]).collect();
            let mut output = vec![f32::NAN; pixels.len()];
            activate(set, affine, &pixels, &mut output);
            let expected: Vec<f32> = linear.iter().map(|v| v.max(0.0)).collect();
            assert_close(&output, &expected, 1e-5, "activate");

            let s = ConvShape { height: h, width: w, cin: 1, cout: c, kernel: 1 };
            let (pooled, expected_argmax) = pool_reference(&s, &linear, true);
            let (mut output, mut argmax) = (vec![f32::NAN; pooled.len()], vec![9; pooled.len()]);
            activate_and_pool(set, affine, w, &pixels, &mut output, &mut argmax);
            assert_close(&output, &pooled, 1e-5, "pool");
            assert_eq!(argmax, expected_argmax);

            let mut full = vec![f32::NAN; pixels.len()];
            unpool(set, (h, w, c), &pooled, &argmax, &mut full);
            let (again, _) = pool_reference(&s, &full, true);
            assert_eq!(again, pooled);
        }
    }

    #[test]
    fn gradients_match_their_definitions() {
        for (set, (h, w, c)) in available_sets().flat_map(|set| SHAPES.map(|shape| (set, shape))) {
            let (pixels, mut gradient) = (numbers(1, h * w * c), numbers(2, h * w * c));
            let [scale, shift, mean, slope, offset] = [3, 4, 5, 6, 7].map(|key| numbers(key, c));
            let affine = Affine { scale: &scale, shift: &shift, relu: true };
            let (mut sums, mut products) = (vec![0.0; c], vec![0.0; c]);
            add_gradient_sums(set, affine, &mean, &pixels, &gradient, &mut sums, &mut products);
            let (mut expected_sums, mut expected_products) = (vec![0.0; c], vec![0.0; c]);
            let mut expected = Vec::new();
            for (i, (&value, &g)) in pixels.iter().zip(&gradient).enumerate() {
                let o = i % c;
                let g = if value * scale[o] + shift[o] > 0.0 { g } else { 0.0 };
                expected_sums[o] += g;
                expected_products[o] += g * (value - mean[o]);
                expected.push(scale[o] * g + slope[o] * value + offset[o]);
            }
            assert_close(&sums, &expected_sums, 1e-4, "sums");
            assert_close(&products, &expected_products, 1e-4, "products");
            input_gradient(set, affine, &slope, &offset, &pixels, &mut gradient);
            assert_close(&gradient, &expected, 1e-5, "gradient");
        }
    }
}
