//! Gaussian blur, as of a microscope out of focus, that does not mix the cell with its black background.

use super::background::Background;
use super::canvas::{Canvas, Pixel};
use crate::random::Random;

/// Draws the standard deviation in pixels: up to `max` for half of the images, 0 for the others.
pub(super) fn draw(max: f32, random: &mut Random) -> f32 {
    if max > 0.0 && random.chance(0.5) { random.range(0.0, max) } else { 0.0 }
}

/// Returns the weights at distances 0, 1, 2, … up to three standard deviations; both sides together sum to 1.
fn weights(deviation_px: f32) -> Vec<f32> {
    let reach = (3.0 * deviation_px).ceil() as i32;
    let bell = |distance: i32| (-0.5 * (distance as f32 / deviation_px).powi(2)).exp();
    let sum: f32 = (-reach..=reach).map(bell).sum();
    (0..=reach).map(|distance| bell(distance) / sum).collect()
}

/// Blurs the foreground with weights of foreground pixels only; the background becomes black.
pub(super) fn gaussian(canvas: &mut Canvas, background: &Background, deviation_px: f32) {
    let side = canvas.side();
    let weights = weights(deviation_px);
    // The fourth number is the foreground fraction of a pixel.
    canvas.for_each_pixel(|i, pixel| {
        *pixel = if background.covers(i) { [0.0; 4] } else { [pixel[0], pixel[1], pixel[2], 1.0] };
    });
    let mut line = vec![[0.0; 4]; side];
    for y in 0..side {
        blur_line(canvas.row(y), &weights, &mut line);
        canvas.row_mut(y).copy_from_slice(&line);
    }
    let mut column = vec![[0.0; 4]; side];
    for x in 0..side {
        (0..side).for_each(|y| column[y] = canvas.row(y)[x]);
        blur_line(&column, &weights, &mut line);
        (0..side).for_each(|y| canvas.row_mut(y)[x] = line[y]);
    }
    canvas.for_each_pixel(|i, pixel| {
        let [r, g, b, fraction] = *pixel;
        // The fraction of a foreground pixel is at least its own weight.
        *pixel = if background.covers(i) { [0.0; 4] } else { [r / fraction, g / fraction, b / fraction, 0.0] };
    });
}

/// Blurs a line; pixels beyond its ends have weight 0.
fn blur_line(from: &[Pixel], weights: &[f32], to: &mut [Pixel]) {
    for (i, to) in to.iter_mut().enumerate() {
        let first = (i + 1).saturating_sub(weights.len());
        let last = from.len().min(i + weights.len());
        *to = [0.0; 4];
        for (j, pixel) in from[first..last].iter().enumerate() {
            let weight = weights[(first + j).abs_diff(i)];
            (0..4).for_each(|c| to[c] += weight * pixel[c]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computes_the_weights_of_a_normal_distribution() {
        // scipy.ndimage.gaussian_filter1d([0, 0, 0, 1, 0, 0, 0], 1, truncate=3)[3:]
        let expected = [0.39905027, 0.24203622, 0.05400558, 0.00443305];
        for (found, expected) in weights(1.0).iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
        assert_eq!(weights(1.0).len(), 4);
    }

    #[test]
    fn keeps_a_uniform_cell_uniform_up_to_its_edge() {
        let bytes: Vec<u8> = (0..81)
            .flat_map(|i| if (2..7).contains(&(i % 9)) && (2..7).contains(&(i / 9)) { [200, 100, 50] } else { [0; 3] })
            .collect();
        let mut canvas = Canvas::from_bytes(&bytes, 9);
        let background = Background::find(&bytes, 9);
        gaussian(&mut canvas, &background, 1.5);
        for y in 0..9 {
            for (x, pixel) in canvas.row(y).iter().enumerate() {
                for c in 0..3 {
                    let expected = f32::from(bytes[(y * 9 + x) * 3 + c]) / 255.0;
                    assert!((pixel[c] - expected).abs() < 1e-5, "{x} {y}");
                }
            }
        }
    }

    #[test]
    fn spreads_a_point_by_the_product_of_the_weights() {
        let mut bytes = vec![0; 7 * 7 * 3];
        bytes[(3 * 7 + 3) * 3] = 255;
        let mut canvas = Canvas::from_bytes(&bytes, 7);
        gaussian(&mut canvas, &Background::none(7), 0.5);
        let w = weights(0.5);
        assert!((canvas.row(3)[4][0] - w[0] * w[1]).abs() < 1e-6);
        assert!((canvas.row(2)[2][0] - w[1] * w[1]).abs() < 1e-6);
        assert_eq!(canvas.row(3)[4][1], 0.0);
    }
}
