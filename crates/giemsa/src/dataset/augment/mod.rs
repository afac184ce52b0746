//! Data augmentation: random variation of training images.
//!
//! An image passes through up to three stages, as the recipe requires: stain and colours change, its black
//! background is replaced, with blur and noise, and one affine map resamples it. Only the last stage exists in Keras; the recipe
//! `keras-tutorial` uses no other.

mod background;
mod blur;
mod canvas;
mod colour;
mod crenation;
mod density;
mod geometry;
mod late_stage;
mod noise;
mod not_a_cell;
mod outline;
mod smear;
mod transplant;

pub use canvas::sample_affine;
pub use crenation::crenate;
pub use geometry::{Affine, Geometry, affine_for};
pub use late_stage::draw_late_stage;
pub use not_a_cell::draw_not_a_cell;
pub use smear::on_smear_of;
pub use transplant::transplant;

use crate::model::recipe::Augmentation;
use crate::preprocess::to_input;
use crate::random::Random;
use background::{Background, Replacement};
use canvas::Canvas;
use colour::ColourMatrix;

/// Varies an image within the settings.
///
/// The result depends only on the arguments; `key` selects the random numbers, such as `[seed, epoch, image]`. With all
/// settings off it equals [`to_input`]. The background (exactly black pixels connected to the border) stays black
/// under changes of colour and blur.
///
/// # Shapes
/// `bytes`: `[side, side, 3]`, RGB. `out`: `[side, side, 3]`, in 0..=1.
///
/// # Panics
/// If a length differs from the shapes.
///
/// ```
/// use giemsa::dataset::augment::augment;
/// use giemsa::model::recipe::Augmentation;
/// let settings = Augmentation { zoom: 0.2, horizontal_flip: true, ..Augmentation::default() };
/// let mut out = [0.0; 4 * 4 * 3];
/// augment(&[51; 4 * 4 * 3], 4, &settings, &[7, 0, 1], &mut out);
/// assert!(out.iter().all(|value| (value - 0.2).abs() < 1e-6));
/// ```
pub fn augment(bytes: &[u8], side: usize, settings: &Augmentation, key: &[u64], out: &mut [f32]) {
    let length = side * side * 3;
    assert!(bytes.len() == length && out.len() == length, "expected {side}x{side}x3 bytes and values");
    if *settings == Augmentation::default() {
        to_input(bytes, out);
        return;
    }
    let mut random = Random::keyed(key);
    let geometry = Geometry::draw(settings, side, &mut random);
    let mut canvas = Canvas::from_bytes(bytes, side);
    if changes_more_than_geometry(settings) {
        change_content(&mut canvas, bytes, settings, &mut random);
    }
    canvas.sample(&affine_for(&geometry, side), out);
}

fn changes_more_than_geometry(settings: &Augmentation) -> bool {
    colour::is_on(settings)
        || [settings.density, settings.blur_px, settings.noise, settings.mask].iter().any(|&on| on > 0.0)
}

/// Changes colours, background and blur, in the physical order of stain, smear and optics.
fn change_content(canvas: &mut Canvas, bytes: &[u8], settings: &Augmentation, random: &mut Random) {
    let mut background = Background::find(bytes, canvas.side());
    let mean = background.mean_of_foreground(canvas);
    let matrix = ColourMatrix::draw(settings, mean, random);
    let replacement = Replacement::draw(settings.mask, settings.mask_ellipse, random);
    let blur_px = blur::draw(settings.blur_px, random);

    if settings.density > 0.0 {
        density::scale(canvas, &background, mean, density::draw(settings.density, random));
    }
    if colour::is_on(settings) {
        canvas.for_each_pixel(|i, pixel| {
            if !background.covers(i) {
                matrix.apply(pixel);
            }
        });
    }
    if replacement != Replacement::None {
        background.grow();
        background::fill(canvas, &background, matrix.map(mean), random);
        background = match replacement {
            Replacement::Ellipse => Background::outside_ellipse(canvas.side(), random),
            _ => Background::none(canvas.side()),
        };
        background.blacken(canvas);
    }
    if blur_px > 0.0 {
        blur::gaussian(canvas, &background, blur_px);
    }
    let noise = noise::draw(settings.noise, random);
    if noise > 0.0 {
        noise::add(canvas, &background, noise, random);
    }
}

#[cfg(test)]
mod tests;
