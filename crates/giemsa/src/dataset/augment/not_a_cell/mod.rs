//! Draws images that are not a single red cell, so that a network learns to refuse them (outlier exposure: Hendrycks et al.
//! 2019, *Deep anomaly detection with outlier exposure*): several cells at once, empty smears, textures and patterns. White cells and
//! platelets are not among them: drawn ones resemble cells full of parasites too much.

mod mosaic;
mod texture;

use crate::preprocess::Colour;
use crate::preprocess::colour::{self, Frame};
use crate::random::Random;

/// Draws an image that is not a single red cell, with its colours preprocessed as those of an image that is not segmented. `key` selects the random
/// numbers.
///
/// # Shapes
/// `cells`: images of shape `[side, side, 3]`, RGB, at least one. Returns the same shape.
pub fn draw_not_a_cell(cells: &[&[u8]], side: usize, colour: Colour, key: &[u64]) -> Vec<u8> {
    let random = &mut Random::keyed(key);
    let canvas = match random.below(8) {
        0..=3 => mosaic::draw(cells, side, random),
        4 | 5 => texture::dead_leaves(side, random),
        6 => texture::noise(side, random),
        _ => texture::pattern(side, random),
    };
    let mut bytes = canvas.to_bytes();
    let shape =
        |random: &mut Random| if random.chance(0.5) { side } else { (side as f32 * random.range(0.6, 1.0)) as usize };
    let (width, height) = if random.chance(0.5) { (side, shape(random)) } else { (shape(random), side) };
    let frame = Frame { left: (side - width) / 2, top: (side - height) / 2, width, height };
    if colour == Colour::Median {
        colour::normalize(&mut bytes, side, frame, false);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preprocess::colour::REFERENCE;

    #[test]
    fn draws_varied_images_on_black_that_depend_on_the_key_only() {
        let side = 24;
        let cell: Vec<u8> = REFERENCE.repeat(side * side);
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..60 {
            let found = draw_not_a_cell(&[&cell], side, Colour::Median, &[seed]);
            assert_eq!(found.len(), side * side * 3);
            assert_eq!(found, draw_not_a_cell(&[&cell], side, Colour::Median, &[seed]));
            assert!(found[..3] == [0; 3], "the corner is outside");
            assert!(found.iter().any(|&value| value > 0), "{seed}");
            seen.insert(found);
        }
        assert_eq!(seen.len(), 60);
    }
}
