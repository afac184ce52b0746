//! Stain density: a thicker cell or a longer staining absorbs more light, so that contrasts are stronger.

use super::background::Background;
use super::canvas::Canvas;
use crate::random::Random;

/// Draws the factor of optical densities for half of the images: log-uniform in 1/(1 + limit)..(1 + limit); 1 for the others.
pub(super) fn draw(limit: f32, random: &mut Random) -> f32 {
    let most = (1.0 + limit).ln();
    if limit > 0.0 && random.chance(0.5) { random.range(-most, most).exp() } else { 1.0 }
}

/// Multiplies the optical density of each pixel, relative to the mean colour of the foreground, by a factor: the value v of
/// a channel with mean m becomes m (v / m)^factor. The background stays black.
pub(super) fn scale(canvas: &mut Canvas, background: &Background, mean: [f32; 3], factor: f32) {
    canvas.for_each_pixel(|i, pixel| {
        if !background.covers(i) {
            for c in 0..3 {
                let mean = mean[c].max(1e-3);
                pixel[c] = (mean * (pixel[c] / mean).powf(factor)).min(1.0);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiplies_the_density_relative_to_the_mean() {
        let bytes = [[0, 0, 0], [100, 100, 100], [50, 200, 100], [0, 0, 0]].concat();
        let mut canvas = Canvas::from_bytes(&bytes, 2);
        scale(&mut canvas, &Background::find(&bytes, 2), [100.0 / 255.0; 3], 2.0);
        // 100 (v / 100)^2, at most 255.
        assert_eq!(canvas.to_bytes(), [[0, 0, 0], [100, 100, 100], [25, 255, 100], [0, 0, 0]].concat());
    }

    #[test]
    fn draws_1_for_half_of_the_images() {
        let drawn: Vec<f32> = (0..1000).map(|seed| draw(1.0, &mut Random::keyed(&[seed]))).collect();
        assert!((400..600).contains(&drawn.iter().filter(|&&factor| factor == 1.0).count()));
        assert!(drawn.iter().all(|factor| (0.5..=2.0).contains(factor)));
    }
}
