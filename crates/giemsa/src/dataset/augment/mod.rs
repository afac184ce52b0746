//! Augmentation: how a training image is varied each time it is seen.
//!
//! An image goes through three stages, each skipped where the recipe does not ask for it: its colours are changed by
//! one matrix, its black background is replaced, and it is sampled through one affine map. Only the last one is Keras';
//! the recipe `seed` uses nothing else.

mod background;
mod blur;
mod canvas;
mod colour;
mod geometry;

pub use geometry::{Affine, Geometry, affine_for, sample_affine};

use crate::model::recipe::Augmentation;
use crate::preprocess::to_input;
use crate::random::Random;
use background::{Background, Replacement};
use canvas::Canvas;
use colour::ColourMatrix;

/// Varies one image as the settings say.
///
/// The result follows from `random`'s state alone. With all settings off it is [`to_input`] exactly. Background, which
/// is what is exactly black and connected to the border, stays black under changes of colour and blur.
///
/// # Shapes
/// `bytes`: `[side, side, 3]`, RGB. `out`: `[side, side, 3]`, in 0..=1.
///
/// # Panics
/// When a length is another one.
///
/// ```
/// use giemsa::dataset::augment::augment;
/// use giemsa::model::recipe::Augmentation;
/// use giemsa::random::Random;
/// let settings = Augmentation { zoom: 0.2, horizontal_flip: true, ..Augmentation::default() };
/// let mut out = [0.0; 4 * 4 * 3];
/// augment(&[51; 4 * 4 * 3], 4, &settings, &mut Random::keyed(&[1]), &mut out);
/// assert!(out.iter().all(|value| (value - 0.2).abs() < 1e-6));
/// ```
pub fn augment(bytes: &[u8], side: usize, settings: &Augmentation, random: &mut Random, out: &mut [f32]) {
    let length = side * side * 3;
    assert!(bytes.len() == length && out.len() == length, "{side}x{side}x3 bytes in and numbers out");
    if *settings == Augmentation::default() {
        to_input(bytes, out);
        return;
    }
    let geometry = Geometry::draw(settings, side, random);
    let mut canvas = Canvas::from_bytes(bytes, side);
    if changes_more_than_geometry(settings) {
        change_content(&mut canvas, bytes, settings, random);
    }
    canvas.sample(&affine_for(&geometry, side), out);
}

fn changes_more_than_geometry(settings: &Augmentation) -> bool {
    colour::is_on(settings) || settings.blur_px > 0.0 || settings.mask > 0.0
}

/// Colours, background and blur, in the order in which stain, smear and optics bring them about.
fn change_content(canvas: &mut Canvas, bytes: &[u8], settings: &Augmentation, random: &mut Random) {
    let mut background = Background::find(bytes, canvas.side());
    let mean = background.mean_of_foreground(canvas);
    let matrix = ColourMatrix::draw(settings, mean, random);
    let replacement = Replacement::draw(settings.mask, random);
    let blur_px = blur::draw(settings.blur_px, random);

    if colour::is_on(settings) {
        canvas.for_each_pixel(|i, pixel| {
            if !background.covers(i) {
                matrix.apply(pixel);
            }
        });
    }
    if replacement != Replacement::None {
        background.grow();
        background::fill(canvas, &background, matrix.changed(mean), random);
        background = match replacement {
            Replacement::Ellipse => Background::outside_ellipse(canvas.side(), random),
            _ => Background::none(canvas.side()),
        };
        background.blacken(canvas);
    }
    if blur_px > 0.0 {
        blur::gaussian(canvas, &background, blur_px);
    }
}

#[cfg(test)]
mod tests;
