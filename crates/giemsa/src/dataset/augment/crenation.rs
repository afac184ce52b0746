//! Crenation: spicules all over a red cell (an echinocyte), as slow drying, an old sample or a high pH causes in any laboratory.
//!
//! A spicule at the rim is a bump of the outline. One that points to the lens is a spot, darker than the cytoplasm but of its
//! hue, because light passes through more of the same haemoglobin. A parasite has the hue of the stain instead.

use super::outline::Outline;
use super::smear::smear_colour;
use crate::preprocess::colour::find_cell;
use crate::random::Random;
use std::f32::consts::{PI, TAU};

/// The colour of the light that passes no cell, if an image does not show it.
const LIGHT: f32 = 245.0;
/// Spicules whose component towards the lens is less than the first are at the rim; those with more than the second are spots.
const RIM_AND_SPOT: [f32; 2] = [0.4, 0.2];
/// Steps of this angle distribute points evenly over a sphere (Vogel 1979, *A better way to construct the sunflower head*).
const GOLDEN_ANGLE: f32 = 2.399_963;

/// The spicules of a cell that is a sphere of radius 1.
struct Spicules {
    spots: Vec<[f32; 2]>,
    spot_radius: f32,
    /// By how much a spot increases the optical density, as a fraction of it.
    strength: f32,
    bump_angles: Vec<f32>,
    bump_width: f32,
    /// How far the outline lies inside the tips of the bumps.
    depth: f32,
}

/// Returns a cell with spicules; `None` if no cell is found. `key` selects the random numbers.
///
/// # Shapes
/// `bytes`: `[side, side, 3]`, RGB. Returns the same shape.
pub fn crenate(bytes: &[u8], side: usize, key: &[u64]) -> Option<Vec<u8>> {
    let (inside, _) = find_cell(bytes, side);
    let outline = Outline::of(&inside, side)?;
    let spicules = Spicules::draw(&mut Random::keyed(key));
    let pixels = bytes.as_chunks::<3>().0;
    let smear = smear_colour(bytes, &inside);
    let (light, mean_spot) = (smear.unwrap_or([LIGHT; 3]), spicules.mean_spot());
    let pixel = |i: usize| {
        let (angle, radius) = outline.polar(i, side);
        let stretch = 1.0 + spicules.valley(angle) * near_rim(radius);
        let mut colour = sample(pixels, side, outline.stretched(i, side, stretch));
        // Black next to a smear is padding, which stays where it is.
        if smear.is_some() && (colour == [0.0; 3] || pixels[i] == [0; 3]) {
            colour = pixels[i].map(f32::from);
        }
        let spot = spicules.spot(outline.place(i, side)) - mean_spot;
        let factor = if radius < 1.0 { 1.0 + spicules.strength * spot } else { 1.0 };
        std::array::from_fn::<u8, 3, _>(|c| (light[c] * (colour[c] / light[c]).powf(factor) + 0.5) as u8)
    };
    Some((0..side * side).flat_map(pixel).collect())
}

/// Returns how much of the change of the outline applies at a distance from the centre: all of it at the rim, none of it in the
/// middle and far outside.
fn near_rim(radius: f32) -> f32 {
    if radius < 1.0 { ((radius - 0.5) / 0.5).max(0.0) } else { ((1.8 - radius) / 0.8).max(0.0) }
}

/// Interpolates linearly between pixels; next to black ones, it takes the nearest pixel, so that the outline stays sharp.
fn sample(pixels: &[[u8; 3]], side: usize, at: [f32; 2]) -> [f32; 3] {
    let [x, y] = at.map(|v| v.clamp(0.0, (side - 1) as f32));
    let (left, top) = ((x as usize).min(side - 2), (y as usize).min(side - 2));
    let around = [0, 1, side, side + 1].map(|step| pixels[top * side + left + step]);
    if around.contains(&[0; 3]) {
        return pixels[(y + 0.5) as usize * side + (x + 0.5) as usize].map(f32::from);
    }
    let (right, down) = (x - left as f32, y - top as f32);
    let weights = [(1.0 - right) * (1.0 - down), right * (1.0 - down), (1.0 - right) * down, right * down];
    std::array::from_fn(|c| around.iter().zip(weights).map(|(pixel, weight)| f32::from(pixel[c]) * weight).sum())
}

impl Spicules {
    fn draw(random: &mut Random) -> Spicules {
        let count = 16 + random.below(50);
        let spacing = (2.0 * TAU / count as f32).sqrt();
        let turn = random.range(0.0, TAU);
        let (mut spots, mut bump_angles) = (Vec::new(), Vec::new());
        for i in 0..count {
            let towards_lens = 1.0 - 2.0 * (i as f32 + random.uniform()) / count as f32;
            let angle = turn + GOLDEN_ANGLE * i as f32 + random.range(-0.3, 0.3) * spacing;
            let [rim, spot] = RIM_AND_SPOT;
            if towards_lens.abs() < rim {
                bump_angles.push(angle);
            }
            if towards_lens > spot {
                let radius = (1.0 - towards_lens * towards_lens).sqrt();
                spots.push([radius * angle.cos(), radius * angle.sin()]);
            }
        }
        Spicules {
            spots,
            spot_radius: spacing * random.range(0.12, 0.28),
            strength: random.range(0.1, 0.9),
            bump_angles,
            bump_width: spacing * random.range(0.12, 0.3),
            depth: random.range(0.0, 0.2),
        }
    }

    /// Returns how far the outline lies inside the tips of the bumps at an angle.
    fn valley(&self, angle: f32) -> f32 {
        let bump = |&at: &f32| {
            let distance = (angle - at + PI).rem_euclid(TAU) - PI;
            (-0.5 * (distance / self.bump_width).powi(2)).exp()
        };
        self.depth * (1.0 - self.bump_angles.iter().map(bump).fold(0.0, f32::max))
    }

    /// Returns how much of a spot is at a place, in 0..=1.
    fn spot(&self, [x, y]: [f32; 2]) -> f32 {
        let square_distance = |&[u, v]: &[f32; 2]| (x - u).powi(2) + (y - v).powi(2);
        let nearest = self.spots.iter().map(square_distance).fold(f32::MAX, f32::min);
        (-0.5 * nearest / self.spot_radius.powi(2)).exp()
    }

    /// Returns about the mean of [`Self::spot`] over the cell: the area of a spot is 2 pi r^2. Less it, spots darken the
    /// cell as much as the places between them lighten it.
    fn mean_spot(&self) -> f32 {
        (self.spots.len() as f32 * 2.0 * self.spot_radius.powi(2)).min(0.8)
    }
}

#[cfg(test)]
mod tests {
    use super::super::outline::disc::{SIDE, cell};
    use super::*;

    #[test]
    fn bumps_lie_inside_the_outline_of_a_cell_on_black() {
        let before = cell([0; 3]);
        let area = |bytes: &[u8]| bytes.as_chunks::<3>().0.iter().filter(|pixel| **pixel != [0; 3]).count();
        let mut smallest = area(&before);
        for seed in 0..40 {
            let found = crenate(&before, SIDE, &[seed]).unwrap();
            assert!(found.iter().zip(&before).all(|(&found, &before)| before > 0 || found == 0), "{seed}");
            smallest = smallest.min(area(&found));
            assert_eq!(found, crenate(&before, SIDE, &[seed]).unwrap());
        }
        let fraction = smallest as f32 / area(&before) as f32;
        assert!((0.6..0.9).contains(&fraction), "{fraction}");
    }

    #[test]
    fn spots_have_the_hue_of_the_cytoplasm() {
        // The ratios of optical densities: ln(245 / 200) : ln(245 / 130) : ln(245 / 150) = 0.203 : 0.634 : 0.491.
        let mut darkest = 255;
        for seed in 0..40 {
            for pixel in crenate(&cell([0; 3]), SIDE, &[seed]).unwrap().as_chunks::<3>().0 {
                if *pixel != [0; 3] {
                    let [r, g, b] = pixel.map(|byte| (LIGHT / f32::from(byte)).ln());
                    assert!((r / g - 0.320).abs() < 0.03 && (b / g - 0.774).abs() < 0.03, "{pixel:?}");
                    darkest = darkest.min(pixel[1]);
                }
            }
        }
        // 245 exp(-0.634 * 1.9) = 73 if a spot has all of its strength.
        assert!((73..110).contains(&darkest), "{darkest}");
    }

    #[test]
    fn the_smear_and_the_padding_of_a_crop_stay_as_they_are() {
        let (smear, rows) = ([220, 225, 230], SIDE / 12);
        let mut crop = cell(smear);
        crop[..rows * SIDE * 3].fill(0);
        for seed in 0..20 {
            let found = crenate(&crop, SIDE, &[seed]).unwrap();
            assert!(found[..rows * SIDE * 3].iter().all(|&byte| byte == 0));
            let [found, before] = [&found, &crop].map(|bytes| bytes.as_chunks::<3>().0);
            let mut outside = found.iter().zip(before).filter(|(_, before)| **before == smear);
            assert!(outside.all(|(found, _)| *found == smear), "{seed}");
        }
    }

    #[test]
    fn an_image_without_a_cell_has_no_spicules() {
        assert!(crenate(&vec![0; SIDE * SIDE * 3], SIDE, &[1]).is_none());
    }
}
