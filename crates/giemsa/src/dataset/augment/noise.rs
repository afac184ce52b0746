//! Noise of a camera sensor: the same in all three channels for most of its strength, and uniform in its range.

use super::background::Background;
use super::canvas::Canvas;
use crate::random::Random;

/// Draws the strength: uniform in 0..limit for half of the images, 0 for the others.
pub(super) fn draw(limit: f32, random: &mut Random) -> f32 {
    if limit > 0.0 && random.chance(0.5) { random.range(0.0, limit) } else { 0.0 }
}

/// Adds noise to each pixel of the foreground: ± this strength to its luminance, and half of it to each channel.
pub(super) fn add(canvas: &mut Canvas, background: &Background, strength: f32, random: &mut Random) {
    canvas.for_each_pixel(|i, pixel| {
        if !background.covers(i) {
            let shade = random.range(-strength, strength);
            for channel in &mut pixel[..3] {
                let grain = 0.5 * random.range(-strength, strength);
                *channel = (*channel + shade + grain).clamp(0.0, 1.0);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_the_foreground_within_the_strength_and_keeps_its_mean() {
        let side = 40;
        let bytes: Vec<u8> = (0..side * side).flat_map(|i| if i % side < 3 { [0; 3] } else { [128; 3] }).collect();
        let mut canvas = Canvas::from_bytes(&bytes, side);
        add(&mut canvas, &Background::find(&bytes, side), 0.1, &mut Random::keyed(&[1]));
        let (found, n) = (canvas.to_bytes(), side * side);
        let changed: Vec<f32> = (0..n).filter(|i| i % side >= 3).map(|i| f32::from(found[3 * i]) - 128.0).collect();
        let mean = changed.iter().sum::<f32>() / changed.len() as f32;
        // ± (0.1 + 0.05) of 255.
        assert!(mean.abs() < 1.5 && changed.iter().all(|change| change.abs() <= 39.0), "{mean}");
        assert!(changed.iter().any(|change| change.abs() > 20.0));
        assert!((0..n).filter(|i| i % side < 3).all(|i| found[3 * i..][..3] == [0; 3]));
    }
}
