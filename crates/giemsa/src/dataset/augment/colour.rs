//! Combines all changes of colour into one matrix.

use super::canvas::Pixel;
use crate::model::recipe::Augmentation;
use crate::random::Random;

/// The weights of red, green and blue in luminance (ITU-R BT.601).
const LUMINANCE: [f32; 3] = [0.299, 0.587, 0.114];

/// An affine map of colours: three rows of factors for red, green and blue, and an offset common to all three.
pub(super) struct ColourMatrix {
    factors: [[f32; 3]; 3],
    offset: f32,
}

pub(super) fn is_on(settings: &Augmentation) -> bool {
    let limits = [settings.colour, settings.brightness, settings.contrast, settings.hue_degrees, settings.saturation];
    limits.iter().any(|&limit| limit > 0.0)
}

pub(super) fn luminance(colour: [f32; 3]) -> f32 {
    (0..3).map(|c| LUMINANCE[c] * colour[c]).sum()
}

impl ColourMatrix {
    /// Draws random changes within the settings: channel gains first, then hue, saturation and brightness, then contrast
    /// about `mean`, the mean colour of the image.
    pub fn draw(settings: &Augmentation, mean: [f32; 3], random: &mut Random) -> ColourMatrix {
        let mut within = |limit: f32| if limit > 0.0 { random.range(-limit, limit) } else { 0.0 };
        let gains = [0; 3].map(|_| 1.0 + within(settings.colour));
        let hue_degrees = within(settings.hue_degrees);
        let saturation = 1.0 + within(settings.saturation);
        let brightness = 1.0 + within(settings.brightness);
        let contrast = 1.0 + within(settings.contrast);

        let gain = std::array::from_fn(|i| std::array::from_fn(|j| if i == j { gains[i] } else { 0.0 }));
        let rotated = product(hue_rotation(hue_degrees), gain);
        let factors = product(saturate(saturation), rotated).map(|row| row.map(|factor| factor * brightness));
        let before_contrast = ColourMatrix { factors, offset: 0.0 };
        let pivot = before_contrast.luminance_after(mean);
        ColourMatrix {
            factors: factors.map(|row| row.map(|factor| factor * contrast)),
            offset: (1.0 - contrast) * pivot,
        }
    }

    /// Maps a colour.
    pub fn map(&self, [r, g, b]: [f32; 3]) -> [f32; 3] {
        self.factors.map(|row| row[0] * r + row[1] * g + row[2] * b + self.offset)
    }

    /// Changes a pixel, clamped to 0..=1.
    pub fn apply(&self, pixel: &mut Pixel) {
        let [r, g, b] = self.map([pixel[0], pixel[1], pixel[2]]).map(|value| value.clamp(0.0, 1.0));
        *pixel = [r, g, b, pixel[3]];
    }

    /// Computes the luminance of a mapped colour.
    fn luminance_after(&self, colour: [f32; 3]) -> f32 {
        luminance(self.map(colour))
    }
}

fn product(a: [[f32; 3]; 3], b: [[f32; 3]; 3]) -> [[f32; 3]; 3] {
    std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| a[i][k] * b[k][j]).sum()))
}

/// Returns the rotation about the grey axis (Rodrigues' formula for the axis (1, 1, 1)).
fn hue_rotation(degrees: f32) -> [[f32; 3]; 3] {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (third, root) = ((1.0 - cos) / 3.0, sin / 3.0_f32.sqrt());
    let (same, next, previous) = (cos + third, third - root, third + root);
    [[same, next, previous], [previous, same, next], [next, previous, same]]
}

/// Returns the map that moves colours away from the grey of the same luminance, or towards it for factors below 1.
fn saturate(factor: f32) -> [[f32; 3]; 3] {
    let same = |i, j| if i == j { factor } else { 0.0 };
    std::array::from_fn(|i| std::array::from_fn(|j| (1.0 - factor) * LUMINANCE[j] + same(i, j)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: [f32; 3], b: [f32; 3]) -> bool {
        a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5)
    }

    fn applied(factors: [[f32; 3]; 3], colour: [f32; 3]) -> [f32; 3] {
        ColourMatrix { factors, offset: 0.0 }.map(colour)
    }

    #[test]
    fn rotates_red_to_green_to_blue_by_120_degrees_and_keeps_grey() {
        let third = hue_rotation(120.0);
        assert!(close(applied(third, [1.0, 0.0, 0.0]), [0.0, 1.0, 0.0]));
        assert!(close(applied(third, [0.0, 1.0, 0.0]), [0.0, 0.0, 1.0]));
        assert!(close(applied(hue_rotation(33.0), [0.4; 3]), [0.4; 3]));
    }

    #[test]
    fn desaturates_to_the_grey_of_the_same_luminance() {
        assert!(close(applied(saturate(0.0), [1.0, 0.0, 0.0]), [0.299; 3]));
        assert!(close(applied(saturate(1.0), [0.7, 0.2, 0.5]), [0.7, 0.2, 0.5]));
        assert!((luminance(applied(saturate(1.7), [0.7, 0.2, 0.5])) - luminance([0.7, 0.2, 0.5])).abs() < 1e-6);
    }

    #[test]
    fn keeps_the_mean_luminance_under_contrast_and_scales_it_by_brightness() {
        let mean = [0.8, 0.5, 0.6];
        for seed in 0..20 {
            let contrast = Augmentation { contrast: 0.5, ..Augmentation::default() };
            let matrix = ColourMatrix::draw(&contrast, mean, &mut Random::keyed(&[seed]));
            assert!((matrix.luminance_after(mean) - luminance(mean)).abs() < 1e-6);
            let brightness = Augmentation { brightness: 0.5, ..Augmentation::default() };
            let matrix = ColourMatrix::draw(&brightness, mean, &mut Random::keyed(&[seed]));
            let factor = matrix.luminance_after(mean) / luminance(mean);
            assert!((0.5..=1.5).contains(&factor) && factor != 1.0, "{factor}");
            assert!(close(matrix.map(mean), mean.map(|value| value * factor)));
        }
    }
}
