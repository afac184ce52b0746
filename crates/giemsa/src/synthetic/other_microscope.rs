//! Crops as another laboratory cuts them out of a photograph: not segmented, smaller, of another stain and less sharp.

use super::microscope::Microscope;
use super::smear::{SmearSettings, draw_smear};
use super::{draw_cell, is_infected};
use crate::classes::Class;
use crate::random::Random;
use image::imageops::{FilterType, blur, resize};
use image::{Pixel, Rgb, RgbImage, Rgba, RgbaImage};

/// The largest number of other cells in a crop.
const MOST_NEIGHBOURS: usize = 3;

impl Microscope {
    /// Draws a cell at the size of this camera, transparent outside.
    fn cell(&self, seed: u64, number: usize, class: Class) -> RgbaImage {
        // The patients whose number leaves the remainder 3 are healthy.
        let patient = if class.is_positive() { 4 * (number % 50) } else { 4 * (number % 50) + 3 };
        debug_assert_eq!(is_infected(patient), class.is_positive());
        let drawn = draw_cell(seed, patient, number, class);
        let opaque = RgbaImage::from_fn(drawn.width(), drawn.height(), |x, y| {
            let Rgb(colour) = *drawn.get_pixel(x, y);
            let [r, g, b] = self.photograph(colour.map(f32::from));
            Rgba([r, g, b, if colour == [0; 3] { 0 } else { 255 }])
        });
        let longest = opaque.width().max(opaque.height());
        let side = |length: u32| (length * self.diameter_px / longest).max(1);
        resize(&opaque, side(opaque.width()), side(opaque.height()), FilterType::Triangle)
    }

    fn smear(&self, width: u32, height: u32, random: &mut Random) -> RgbImage {
        let tone = [238.0, 232.0, 228.0].map(|value| value + random.range(-8.0, 8.0));
        let mut grain = || random.range(-2.0, 2.0);
        RgbImage::from_fn(width, height, |_, _| {
            let shade = grain();
            Rgb(self.photograph(tone.map(|value| value + shade)))
        })
    }
}

/// Draws the crop of a cell from a photograph of another microscope. `seed` determines the microscope.
///
/// ```
/// use giemsa::{classes::Class, synthetic::draw_other_crop};
/// let crop = draw_other_crop(1, 7, Class::Parasitized);
/// assert_eq!(crop, draw_other_crop(1, 7, Class::Parasitized));
/// assert!(crop.get_pixel(0, 0).0 != [0; 3], "the smear is in the corners");
/// ```
#[must_use]
pub fn draw_other_crop(seed: u64, number: usize, class: Class) -> RgbImage {
    let mut random = key(seed, number, class.index() as u64);
    let microscope = Microscope::draw(seed);
    let cell = microscope.cell(seed, number, class);
    let margin = random.below(1 + cell.width() as usize / 6) as u32;
    let (width, height) = (cell.width() + 2 * margin, cell.height() + 2 * margin);
    let mut crop = microscope.smear(width, height, &mut random);
    for neighbour in 0..random.below(MOST_NEIGHBOURS + 1) {
        let (sin, cos) = random.range(0.0, std::f32::consts::TAU).sin_cos();
        let other = microscope.cell(seed, number + 1000 * (neighbour + 1), Class::Uninfected);
        let distance = microscope.diameter_px as f32 * random.range(0.98, 1.15);
        let corner = |length: u32, direction: f32, own: u32| {
            (length as f32 / 2.0 + direction * distance) as i64 - i64::from(own / 2)
        };
        paste(&mut crop, &other, corner(width, cos, other.width()), corner(height, sin, other.height()));
    }
    paste(&mut crop, &cell, margin.into(), margin.into());
    blur(&crop, microscope.blur_px)
}

/// Draws a part of a photograph of another microscope that shows several cells. `seed` determines the microscope.
#[must_use]
pub fn draw_other_field(seed: u64, number: usize) -> RgbImage {
    let diameter = Microscope::draw(seed).diameter_px;
    let side = (diameter as f32 * key(seed, number, u64::MAX).range(3.0, 6.0)) as u32;
    let red_cells = (side / diameter).pow(2) as usize * 2 / 3;
    let settings = SmearSettings {
        width_px: side,
        height_px: side,
        diameter_px: diameter as f32,
        red_cells,
        parasitaemia: 0.0,
        white_cells: 0,
        platelets: 0,
        debris: 0,
        crowding: 0.5,
        ..SmearSettings::default()
    };
    draw_smear(seed, number, &settings).image
}

fn key(seed: u64, number: usize, kind: u64) -> Random {
    Random::keyed(&[seed, u64::from_le_bytes(*b"crop\0\0\0\0"), number as u64, kind])
}

/// Draws an image over another one.
fn paste(onto: &mut RgbImage, image: &RgbaImage, left: i64, top: i64) {
    for (x, y, above) in image.enumerate_pixels() {
        let place = (u32::try_from(left + i64::from(x)), u32::try_from(top + i64::from(y)));
        let (Ok(x), Ok(y)) = place else { continue };
        if let Some(below) = onto.get_pixel_mut_checked(x, y) {
            let mut blended = below.to_rgba();
            blended.blend(above);
            *below = blended.to_rgb();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn microscopes_differ_in_size_and_colour_and_have_no_black_outside() {
        let mut sides = std::collections::BTreeSet::new();
        for seed in 0..8 {
            let crop = draw_other_crop(seed, 3, Class::Uninfected);
            assert!(crop.pixels().all(|pixel| pixel.0.iter().any(|&channel| channel > 15)), "{seed}");
            sides.insert(crop.width().max(crop.height()) / 8);
        }
        assert!(sides.len() > 3, "{sides:?}");
    }

    #[test]
    fn a_field_is_larger_than_three_cells() {
        for seed in 0..4 {
            let diameter = Microscope::draw(seed).diameter_px;
            assert!(draw_other_field(seed, 1).width() >= 3 * diameter);
        }
    }
}
