//! SaliencyMap drawn over the image that it comes from.

use crate::model::Model;
use crate::nn::SaliencyMap;
use crate::preprocess::Resize;
use image::{Rgb, RgbImage};

/// Of what speaks for Parasitized.
const FOR: [f32; 3] = [255.0, 120.0, 0.0];
/// Of what speaks against it.
const AGAINST: [f32; 3] = [0.0, 130.0, 255.0];
/// How much of the image the strongest evidence hides.
const STRONGEST: f32 = 0.85;
/// Shorter side of the drawing at least, in pixels, so that a coarse map is smooth.
const SIDE_PX: u32 = 192;

/// SaliencyMap that moves the logit by less than this, over all of the image, is drawn faint.
const FAINT_LOGIT: f32 = 2.0;

/// A Grad-CAM map of a model, whose values add up over the image, drawn over the image in grey: orange for Parasitized,
/// blue against it.
///
/// # Panics
/// When the image has no pixels; a decoded one has.
pub fn overlay_of_grad_cam(model: &Model, image: &RgbImage, map: &SaliencyMap) -> RgbImage {
    overlay(image, map, scale_of(map, FAINT_LOGIT / map.values.len() as f32), model.recipe.input.resize)
}

/// The same of an occlusion map, each of whose values is of the whole logit.
///
/// # Panics
/// As [`overlay_of_grad_cam`].
pub fn overlay_of_occlusion(model: &Model, image: &RgbImage, map: &SaliencyMap) -> RgbImage {
    overlay(image, map, scale_of(map, FAINT_LOGIT), model.recipe.input.resize)
}

/// The image in grey, with the evidence in colour: orange for Parasitized, blue against it, as strong as its share of
/// `scale`. `resize` says how the image became the network's input.
fn overlay(image: &RgbImage, evidence: &SaliencyMap, scale: f32, resize: Resize) -> RgbImage {
    let size = image.dimensions();
    let factor = SIDE_PX.div_ceil(size.0.min(size.1)).max(1);
    RgbImage::from_fn(size.0 * factor, size.1 * factor, |x, y| {
        let [red, green, blue] = image.get_pixel(x / factor, y / factor).0.map(f32::from);
        let grey = 0.299 * red + 0.587 * green + 0.114 * blue;
        let place = [x, y].map(|at| (at as f32 + 0.5) / factor as f32);
        let [along, down] = resize.place(place, size);
        let strength = (at(evidence, along, down) / scale).clamp(-1.0, 1.0);
        let (colour, share) = (if strength > 0.0 { FOR } else { AGAINST }, strength.abs() * STRONGEST);
        Rgb(colour.map(|colour| (grey + share * (colour - grey)) as u8))
    })
}

/// The largest value of a map, whichever way it speaks, or `least` where all are smaller: a scale on which an image
/// without evidence stays grey.
fn scale_of(evidence: &SaliencyMap, least: f32) -> f32 {
    evidence.values.iter().fold(least, |largest, value| largest.max(value.abs()))
}

/// The value at a place in 0..=1 along and down, bilinear between the middles of the map's cells.
fn at(evidence: &SaliencyMap, along: f32, down: f32) -> f32 {
    let (x, left, right) = between(along, evidence.width);
    let (y, upper, lower) = between(down, evidence.height);
    let value = |row: usize, column: usize| evidence.values[row * evidence.width + column];
    let of_row = |row: usize| value(row, left) + x * (value(row, right) - value(row, left));
    of_row(upper) + y * (of_row(lower) - of_row(upper))
}

/// The cells of `count` whose middles lie about a place in 0..=1, and how far from the first it is.
fn between(place: f32, count: usize) -> (f32, usize, usize) {
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
    fn values_are_bilinear_between_the_middles_of_cells() {
        for (along, down, expected) in
            [(0.25, 0.25, 1.0), (0.0, 0.0, 1.0), (0.5, 0.25, 0.5), (0.5, 0.5, 0.0), (1.0, 1.0, -1.0)]
        {
            assert!((at(&map(), along, down) - expected).abs() < 1e-6, "{along} {down}");
        }
    }

    #[test]
    fn what_speaks_for_is_orange_and_what_speaks_against_is_blue() {
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
    fn a_map_without_evidence_has_the_least_scale() {
        let none = SaliencyMap { height: 1, width: 1, values: vec![0.01] };
        assert_eq!(scale_of(&none, 0.5), 0.5);
        assert_eq!(scale_of(&map(), 0.5), 1.0);
    }
}
