//! Gradients of batch normalisation, ReLU and 2x2 max pooling, from one image (Ioffe and Szegedy 2015, section 3).

use super::{Affine, AllChannels, ChannelWise};
use crate::nn::kernels::simd::Simd;
use crate::nn::kernels::{InstructionSet, run};

/// Writes the pooled gradient of each window to its argmax in an image of `height` x `width`, and zeros elsewhere.
pub(crate) fn unpool(
    set: InstructionSet,
    (height, width, channels): (usize, usize, usize),
    gradient: &[f32],
    argmax: &[u8],
    image: &mut [f32],
) {
    assert_eq!(image.len(), height * width * channels);
    assert_eq!(gradient.len(), (height / 2) * (width / 2) * channels);
    assert_eq!(argmax.len(), gradient.len());
    // The windows cover all pixels except an odd last row or column.
    if !height.is_multiple_of(2) || !width.is_multiple_of(2) {
        image.fill(0.0);
    }
    run(set, AllChannels(&mut Unpool { height, width, channels, gradient, argmax, image }));
}

struct Unpool<'a> {
    height: usize,
    width: usize,
    channels: usize,
    gradient: &'a [f32],
    argmax: &'a [u8],
    image: &'a mut [f32],
}

impl ChannelWise for Unpool<'_> {
    fn channels(&self) -> usize {
        self.channels
    }

    #[inline(always)]
    unsafe fn vector<S: Simd>(&mut self, channel: usize) {
        let (c, columns) = (self.channels, self.width / 2);
        // SAFETY: channel + LANES <= channels; all four pixels of each window are inside the image.
        unsafe {
            for window in 0..(self.height / 2) * columns {
                let (y, x) = (window / columns, window % columns);
                let upper = self.image.as_mut_ptr().add((2 * y * self.width + 2 * x) * c + channel);
                let places = [upper, upper.add(c), upper.add(self.width * c), upper.add((self.width + 1) * c)];
                let gradient = S::load(self.gradient.as_ptr().add(window * c + channel));
                let index = S::load_index(self.argmax.as_ptr().add(window * c + channel));
                for (position, place) in places.into_iter().enumerate() {
                    S::store(place, S::where_index(gradient, index, position as u8));
                }
            }
        }
    }
}

/// Adds the sums over all pixels of the gradient at the affine map's output, and of its product with `value - mean`, to
/// `sums` and `products`.
pub(crate) fn add_gradient_sums(
    set: InstructionSet,
    affine: Affine,
    mean: &[f32],
    pixels: &[f32],
    gradient: &[f32],
    sums: &mut [f32],
    products: &mut [f32],
) {
    let c = mean.len();
    assert!(affine.scale.len() == c && affine.shift.len() == c && sums.len() == c && products.len() == c);
    assert!(pixels.len() == gradient.len() && pixels.len().is_multiple_of(c));
    run(set, AllChannels(&mut GradientSums { affine, mean, pixels, gradient, sums, products }));
}

struct GradientSums<'a> {
    affine: Affine<'a>,
    mean: &'a [f32],
    pixels: &'a [f32],
    gradient: &'a [f32],
    sums: &'a mut [f32],
    products: &'a mut [f32],
}

impl ChannelWise for GradientSums<'_> {
    fn channels(&self) -> usize {
        self.mean.len()
    }

    #[inline(always)]
    unsafe fn vector<S: Simd>(&mut self, channel: usize) {
        let c = self.channels();
        // SAFETY: channel + LANES <= channels, in each pixel and each array.
        unsafe {
            let scale = S::load(self.affine.scale.as_ptr().add(channel));
            let shift = S::load(self.affine.shift.as_ptr().add(channel));
            let mean = S::load(self.mean.as_ptr().add(channel));
            let (sum_to, product_to) = (self.sums.as_mut_ptr().add(channel), self.products.as_mut_ptr().add(channel));
            let (mut sum, mut product) = ([S::load(sum_to), S::splat(0.0)], [S::load(product_to), S::splat(0.0)]);
            for pixel in 0..self.pixels.len() / c {
                let at = pixel * c + channel;
                let value = S::load(self.pixels.as_ptr().add(at));
                let mut g = S::load(self.gradient.as_ptr().add(at));
                if self.affine.relu {
                    g = S::where_positive(g, S::fma(value, scale, shift));
                }
                sum[pixel % 2] = S::add(sum[pixel % 2], g);
                product[pixel % 2] = S::fma(g, S::sub(value, mean), product[pixel % 2]);
            }
            S::store(sum_to, S::add(sum[0], sum[1]));
            S::store(product_to, S::add(product[0], product[1]));
        }
    }
}

/// Replaces the gradient at the output by the gradient at the convolution's output,
/// `scale * gradient + slope * value + offset`, where `gradient` counts as zero if ReLU outputs zero.
pub(crate) fn input_gradient(
    set: InstructionSet,
    affine: Affine,
    slope: &[f32],
    offset: &[f32],
    pixels: &[f32],
    gradient: &mut [f32],
) {
    let c = slope.len();
    assert!(affine.scale.len() == c && affine.shift.len() == c && offset.len() == c);
    assert!(pixels.len() == gradient.len() && pixels.len().is_multiple_of(c));
    run(set, AllChannels(&mut InputGradient { affine, slope, offset, pixels, gradient }));
}

struct InputGradient<'a> {
    affine: Affine<'a>,
    slope: &'a [f32],
    offset: &'a [f32],
    pixels: &'a [f32],
    gradient: &'a mut [f32],
}

impl ChannelWise for InputGradient<'_> {
    fn channels(&self) -> usize {
        self.slope.len()
    }

    #[inline(always)]
    unsafe fn vector<S: Simd>(&mut self, channel: usize) {
        let c = self.channels();
        // SAFETY: channel + LANES <= channels, in each pixel and each array.
        unsafe {
            let scale = S::load(self.affine.scale.as_ptr().add(channel));
            let shift = S::load(self.affine.shift.as_ptr().add(channel));
            let slope = S::load(self.slope.as_ptr().add(channel));
            let offset = S::load(self.offset.as_ptr().add(channel));
            for pixel in 0..self.pixels.len() / c {
                let at = pixel * c + channel;
                let value = S::load(self.pixels.as_ptr().add(at));
                let to = self.gradient.as_mut_ptr().add(at);
                let mut g = S::load(to);
                if self.affine.relu {
                    g = S::where_positive(g, S::fma(value, scale, shift));
                }
                S::store(to, S::fma(g, scale, S::fma(value, slope, offset)));
            }
        }
    }
}
