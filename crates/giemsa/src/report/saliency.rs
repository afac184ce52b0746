//! Saliency maps drawn over the image.

use crate::model::{Model, SaliencyMap};
use crate::preprocess::Resize;
use image::{Rgb, RgbImage};

/// Colour of evidence for Parasitized: orange.
const FOR: [f32; 3] = [255.0, 120.0, 0.0];
/// Colour of evidence against Parasitized: blue.
const AGAINST: [f32; 3] = [0.0, 130.0, 255.0];
/// Opacity of the strongest evidence.
const MAX_OPACITY: f32 = 0.85;
/// Least length of the shorter side of the drawing, in pixels, so that a coarse map looks smooth.
const SIDE_PX: u32 = 192;

/// Largest difference of logits that is drawn faint: a map whose values are all smaller is not scaled up to full colour.
const FAINT_LOGIT: f32 = 2.0;

/// Draws an occlusion map over the image in grey: orange for evidence for Parasitized, blue against it.
///
/// # Panics
/// If the image has no pixels.
#[must_use]
pub fn overlay_of_occlusion(model: &Model, image: &RgbImage, map: &SaliencyMap) -> RgbImage {
    overlay(image, map, full_colour_at(map), model.recipe.input.resize)
}

/// Draws a map over the image; values of `full_colour_at` and more have the full colour. `resize` defines how the image
/// was mapped to the network's input.
fn overlay(image: &RgbImage, map: &SaliencyMap, full_colour_at: f32, resize: Resize) -> RgbImage {
    let size = image.dimensions();
    let factor = SIDE_PX.div_ceil(size.0.min(size.1)).max(1);
    RgbImage::from_fn(size.0 * factor, size.1 * factor, |x, y| {
        let [red, green, blue] = image.get_pixel(x / factor, y / factor).0.map(f32::from);
        let grey = 0.299 * red + 0.587 * green + 0.114 * blue;
        let place = [x, y].map(|at| (at as f32 + 0.5) / factor as f32);
        let [along, down] = resize.place(place, size);
        let strength = (interpolate(map, along, down) / full_colour_at).clamp(-1.0, 1.0);
        let (colour, opacity) = (if strength > 0.0 { FOR } else { AGAINST }, strength.abs() * MAX_OPACITY);
        Rgb(colour.map(|colour| (grey + opacity * (colour - grey)) as u8))
    })
}

/// Returns the largest absolute value of a map, but at least [`FAINT_LOGIT`]: an image without evidence stays grey.
fn full_colour_at(map: &SaliencyMap) -> f32 {
    map.values.iter().fold(FAINT_LOGIT, |largest, value| largest.max(value.abs()))
}

/// Returns the value at a place in 0..=1 along and down, bilinear between the centres of the map's cells.
fn interpolate(map: &SaliencyMap, along: f32, down: f32) -> f32 {
    let (x, left, right) = neighbours(along, map.width);
    let (y, upper, lower) = neighbours(down, map.height);
    let value = |row: usize, column: usize| map.values[row * map.width + column];
    let in_row = |row: usize| value(row, left) + x * (value(row, right) - value(row, left));
    in_row(upper) + y * (in_row(lower) - in_row(upper))
}

/// Returns the distance of a place in 0..=1 from the centre of the cell before it, in cells, and the indices of the
/// cells before and after it, of `count` cells.
fn neighbours(place: f32, count: usize) -> (f32, usize, usize) {
    let place = (place * count as f32 - 0.5).clamp(0.0, (count - 1) as f32);
    let first = place as usize;
    (place - first as f32, first, (first + 1).min(count - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> SaliencyMap {
        SaliencyMap { height: 2, width: 2, values: vec![1.0, 0.0, 0.0, -1.0] }
    }

    #[test]
    fn interpolates_bilinearly_between_the_centres_of_cells() {
        for (along, down, expected) in
            [(0.25, 0.25, 1.0), (0.0, 0.0, 1.0), (0.5, 0.25, 0.5), (0.5, 0.5, 0.0), (1.0, 1.0, -1.0)]
        {
            assert!((interpolate(&map(), along, down) - expected).abs() < 1e-6, "{along} {down}");
        }
    }

    #[test]
    fn evidence_for_is_orange_and_evidence_against_is_blue() {
        let image = RgbImage::from_pixel(4, 4, Rgb([128; 3]));
        let drawn = overlay(&image, &map(), 1.0, Resize::StretchNearest);
        let (width, height) = drawn.dimensions();
        assert!(width >= SIDE_PX && height >= SIDE_PX);
        let [first, last] = [drawn.get_pixel(0, 0).0, drawn.get_pixel(width - 1, height - 1).0];
        assert!(first[0] > 200 && first[2] < 60, "{first:?}");
        assert!(last[2] > 200 && last[0] < 60, "{last:?}");
        assert!(drawn.get_pixel(width - 1, 0).0.iter().all(|value| value.abs_diff(128) < 8));
    }

    #[test]
    fn weak_evidence_is_not_scaled_up_to_full_colour() {
        let weak = SaliencyMap { height: 1, width: 1, values: vec![0.01] };
        assert_eq!(full_colour_at(&weak), 2.0);
        let strong = SaliencyMap { values: vec![-5.0, 3.0], width: 2, ..weak };
        assert_eq!(full_colour_at(&strong), 5.0);
    }
}
