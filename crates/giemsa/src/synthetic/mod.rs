//! Draws synthetic cells for demonstrations and tests.
//!
//! A drawn crop resembles one of a Giemsa-stained thin smear: a red blood cell in the hue of its patient's stain, possibly
//! with parasites or with objects that resemble them, segmented along a ragged border and exactly black outside. It
//! depends only on (seed, patient, cell, class). A drawn photograph shows a whole field of a smear, with the box and the
//! class of every object on it. Metrics on synthetic cells do not predict those on real cells.

mod body;
mod canvas;
mod folder;
mod lookalike;
mod microscope;
mod other_microscope;
mod outline;
mod parasite;
mod patient;
mod smear;
mod smear_folder;

pub use folder::{Cell, DRAWN, SyntheticError, cells, write_folder};
pub use other_microscope::{draw_other_crop, draw_other_field};
pub use smear::{DrawnObject, DrawnSmear, SmearSettings, draw_smear};
pub use smear_folder::write_smears;

use crate::classes::Class;
use crate::random::Random;
use canvas::Canvas;
use image::{Rgb, RgbImage};

/// The range of the sides of all crops, in pixels.
pub const SIDE_PX: std::ops::RangeInclusive<u32> = 46..=394;

/// Draws the crop of a cell.
///
/// ```
/// use giemsa::{classes::Class, synthetic::draw_cell};
/// let cell = draw_cell(1, 0, 7, Class::Parasitized);
/// assert_eq!(cell, draw_cell(1, 0, 7, Class::Parasitized));
/// assert_ne!(cell, draw_cell(1, 0, 8, Class::Parasitized));
/// ```
pub fn draw_cell(seed: u64, patient: usize, cell: usize, class: Class) -> RgbImage {
    let key = [seed, u64::from_le_bytes(*b"cell\0\0\0\0"), patient as u64, cell as u64, class.index() as u64];
    let mut random = Random::keyed(&key);
    let patient = patient::patient(seed, patient);
    let outline = outline::outline(&patient, &mut random);
    let mask = outline.mask(patient.step_px, &mut random);
    let mut canvas = body::Body::draw(&patient, outline.side_px(), &mut random).paint(&patient, &outline);
    lookalike::draw(&mut canvas, &patient, &outline, class, &mut random);
    // One parasitized crop in seventy shows no parasite, as if the segmentation had removed it.
    if class.is_positive() && !random.chance(1.0 / 70.0) {
        parasite::draw(&mut canvas, &patient, &outline, &mut random);
    }
    body::add_grain(&mut canvas, &mask, patient.grain, &mut random);
    crop(&canvas, &mask)
}

/// Returns whether a patient has malaria: the first three of every four patients.
pub fn is_infected(patient: usize) -> bool {
    patient % 4 != 3
}

/// Crops to the bounding box of the mask, and paints everything outside the mask black.
fn crop(canvas: &Canvas, mask: &[bool]) -> RgbImage {
    let width = canvas.width;
    let kept = || mask.iter().enumerate().filter(|&(_, &kept)| kept).map(|(i, _)| i);
    let (left, right) = bounds(kept().map(|i| i % width));
    let (top, bottom) = bounds(kept().map(|i| i / width));
    RgbImage::from_fn((right + 1 - left) as u32, (bottom + 1 - top) as u32, |x, y| {
        let i = (top + y as usize) * width + left + x as usize;
        // No pixel of a cell is black, so that black marks the background.
        Rgb(if mask[i] { canvas.pixels[i].map(|value| value.round().clamp(1.0, 255.0) as u8) } else { [0; 3] })
    })
}

fn bounds(places: impl Iterator<Item = usize>) -> (usize, usize) {
    let (low, high) = places.fold((usize::MAX, 0), |(low, high), place| (low.min(place), high.max(place)));
    (low.min(high), high)
}
