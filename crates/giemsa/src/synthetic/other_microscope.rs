//! Crops as another laboratory cuts them out of a photograph: not segmented, smaller, of another stain and less sharp.

use super::{draw_cell, is_infected};
use crate::classes::Class;
use crate::random::Random;
use image::imageops::{FilterType, blur, overlay, resize};
use image::{Rgb, RgbImage, Rgba, RgbaImage};

/// The range of the diameter of a cell in pixels.
const DIAMETER_PX: std::ops::Range<u32> = 44..110;
/// The largest number of other cells in a crop.
const MOST_NEIGHBOURS: usize = 3;

/// The slide and the camera of another laboratory.
struct Microscope {
    /// Factors of the light of each channel.
    light: [f32; 3],
    /// Factors of the optical density of each channel.
    density: [f32; 3],
    diameter_px: u32,
    blur_px: f32,
}

impl Microscope {
    fn draw(seed: u64) -> Microscope {
        let mut random = Random::keyed(&[seed, u64::from_le_bytes(*b"optics\0\0")]);
        // The channels differ less among each other than microscopes do, or the cells would be green.
        let (light, density) = (random.range(0.8, 1.0), random.range(0.8, 1.8));
        Microscope {
            light: [0; 3].map(|_| light * random.range(0.94, 1.0)),
            density: [0; 3].map(|_| density * random.range(0.88, 1.12)),
            diameter_px: DIAMETER_PX.start + random.below(DIAMETER_PX.len()) as u32,
            blur_px: random.range(0.3, 0.9),
        }
    }

    /// Changes a colour as the stain and the lamp do.
    fn photograph(&self, colour: [f32; 3]) -> [u8; 3] {
        std::array::from_fn(|c| {
            let transmitted = (colour[c] / 255.0).max(1e-3).powf(self.density[c]);
            (255.0 * self.light[c] * transmitted + 0.5) as u8
        })
    }

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
    let mut random = key(seed, number, u64::MAX);
    let microscope = Microscope::draw(seed);
    let side = (microscope.diameter_px as f32 * random.range(3.0, 6.0)) as u32;
    let mut field = microscope.smear(side, side, &mut random);
    let cells = (side / microscope.diameter_px).pow(2) as usize * 2 / 3;
    for cell in 0..cells.max(3) {
        let image = microscope.cell(seed, number + 1000 * cell, Class::Uninfected);
        let corner = [0; 2].map(|_| (random.uniform() * side as f32) as i64 - i64::from(microscope.diameter_px / 2));
        paste(&mut field, &image, corner[0], corner[1]);
    }
    blur(&field, microscope.blur_px)
}

fn key(seed: u64, number: usize, kind: u64) -> Random {
    Random::keyed(&[seed, u64::from_le_bytes(*b"crop\0\0\0\0"), number as u64, kind])
}

/// Draws an image over another one.
fn paste(onto: &mut RgbImage, image: &RgbaImage, left: i64, top: i64) {
    let mut canvas = image::DynamicImage::ImageRgb8(std::mem::take(onto)).to_rgba8();
    overlay(&mut canvas, image, left, top);
    *onto = image::DynamicImage::ImageRgba8(canvas).to_rgb8();
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
