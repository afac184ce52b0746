//! Transplants what a cell contains, such as a parasite, onto a healthy cell of another site.
//!
//! The median colour of a cell is that of its plain cytoplasm. What is darker in the donor is copied as a difference of
//! optical density, which is what a stain adds to light that passes through (Beer and Lambert): the host is multiplied by
//! donor / median of the donor. Parasites of one site then occur in cells of every site, so a foreign look does not always
//! mean a healthy cell.

use super::background::Background;
use super::canvas::Canvas;
use super::geometry::{Geometry, affine_for};
use crate::classes::Class;
use crate::preprocess::colour::find_cell;
use crate::random::Random;

/// Differences of optical density (natural logarithm) up to the first are noise; from the second on, content.
const NOISE_AND_CONTENT: [f32; 2] = [0.10, 0.25];
/// Pixels of the host within this optical density of its median are its cytoplasm.
const CYTOPLASM: f32 = 0.25;
/// The fraction of the content that must lie on the cytoplasm of the host.
const ON_CYTOPLASM: f32 = 0.8;
/// The least content of a parasitized donor, in pixels times optical density: with less, the parasite is cut away.
const LEAST_CONTENT: f32 = 4.0;
/// The width of a cell's edge, in pixels. There, resizing mixes the cell with the black outside: its darkness is no content.
const EDGE_PX: usize = 2;
/// The number of random places that are tried.
const TRIES: usize = 12;

/// Returns the host with the content of the donor; `None` if it does not fit, or if a parasitized donor has too little.
/// `key` selects the random numbers.
///
/// # Shapes
/// `donor`, `host`: `[side, side, 3]`, RGB. The donor is black outside the cell.
pub fn transplant(donor: &[u8], class: Class, host: &[u8], side: usize, key: &[u64]) -> Option<Vec<u8>> {
    let random = &mut Random::keyed(key);
    let content = content(donor, side);
    let cytoplasm = cytoplasm(host, side);
    let mut placed = vec![0.0; side * side * 3];
    for _ in 0..TRIES {
        content.sample(&affine_for(&draw_place(side, random), side), &mut placed);
        let (mut on, mut all) = (0.0, 0.0);
        for (density, &is_on) in placed.as_chunks::<3>().0.iter().zip(&cytoplasm) {
            let amount = density[1].max(0.0);
            all += amount;
            on += if is_on { amount } else { 0.0 };
        }
        let is_enough = all >= LEAST_CONTENT || class == Class::Uninfected;
        if is_enough && on >= ON_CYTOPLASM * all {
            let stained = host.iter().zip(&placed).map(|(&byte, density)| f32::from(byte) * (-density).exp());
            return Some(stained.map(|value| (value + 0.5) as u8).collect());
        }
    }
    None
}

/// Draws the size, orientation and place of the content.
fn draw_place(side: usize, random: &mut Random) -> Geometry {
    // Log-uniform, because late stages of the parasites are several times as large as rings.
    let zoom = random.range(0.5_f32.ln(), 1.8_f32.ln()).exp();
    Geometry {
        shift_px: [0; 2].map(|_| random.range(-0.15, 0.15) * side as f32),
        zoom: [zoom; 2],
        flip_horizontal: random.chance(0.5),
        quarter_turns: random.below(4),
        ..Geometry::default()
    }
}

/// Computes the optical density that a cell's content adds to its cytoplasm; 0 near its edge.
fn content(donor: &[u8], side: usize) -> Canvas {
    let mut edge = Background::find(donor, side);
    (0..EDGE_PX).for_each(|_| edge.grow());
    edge.cover_border();
    let (_, median) = find_cell(donor, side);
    let density = |i: usize| -> [f32; 3] { std::array::from_fn(|c| density(donor[3 * i + c], median[c])) };
    let [noise, full] = NOISE_AND_CONTENT;
    let weight = |i: usize| {
        let darkest = density(i).into_iter().fold(0.0, f32::max);
        let t = ((darkest - noise) / (full - noise)).clamp(0.0, 1.0);
        if edge.covers(i) { 0.0 } else { t * t * (3.0 - 2.0 * t) }
    };
    let weights: Vec<f32> = (0..side * side).map(weight).collect();
    Canvas::from_fn(side, |i| {
        if edge.covers(i) {
            return [0.0; 4];
        }
        // The mean of the neighbourhood adds the pale surroundings of a parasite.
        let around = mean_around(&weights, side, i).max(weights[i]);
        let [r, g, b] = density(i).map(|value| value * around);
        [r, g, b, 0.0]
    })
}

/// Computes the mean of the 3x3 values around a pixel that is not at the border.
fn mean_around(values: &[f32], side: usize, i: usize) -> f32 {
    let rows = [i - side, i, i + side];
    rows.iter().flat_map(|&row| &values[row - 1..=row + 1]).sum::<f32>() / 9.0
}

/// Computes by how much a channel is darker than the median of its cell, as a difference of optical density.
fn density(byte: u8, median: u8) -> f32 {
    (f32::from(median.max(1)) / f32::from(byte.max(1))).ln()
}

/// Returns which pixels are the plain cytoplasm of a cell.
fn cytoplasm(host: &[u8], side: usize) -> Vec<bool> {
    let (inside, median) = find_cell(host, side);
    let is_plain = |pixel: &[u8; 3]| pixel.iter().zip(median).all(|(&byte, m)| density(byte, m).abs() < CYTOPLASM);
    host.as_chunks::<3>().0.iter().zip(inside).map(|(pixel, inside)| inside && is_plain(pixel)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preprocess::colour::REFERENCE;

    const SIDE: usize = 32;

    /// A disc of the reference colour on black; `inside` may change a pixel of it.
    fn cell(inside: impl Fn(f32, f32) -> Option<[u8; 3]>) -> Vec<u8> {
        let pixel = |i: usize| {
            let (x, y) = ((i % SIDE) as f32 - 15.5, (i / SIDE) as f32 - 15.5);
            if x.hypot(y) < 14.0 { inside(x, y).unwrap_or(REFERENCE) } else { [0; 3] }
        };
        (0..SIDE * SIDE).flat_map(pixel).collect()
    }

    fn parasite(x: f32, y: f32) -> Option<[u8; 3]> {
        ((x - 3.0).hypot(y + 2.0) < 3.0).then_some([90, 40, 95])
    }

    #[test]
    fn adds_the_parasite_to_the_cytoplasm_of_the_host_and_changes_nothing_outside() {
        let (donor, host) = (cell(parasite), cell(|_, _| None));
        for seed in 0..30 {
            let found = transplant(&donor, Class::Parasitized, &host, SIDE, &[seed]).unwrap();
            let darker = |channel: usize| {
                let pairs = found.chunks_exact(3).zip(host.chunks_exact(3));
                pairs.filter(|(found, host)| host[channel].saturating_sub(found[channel]) > 20).count()
            };
            // A disc of radius 3 has 28 pixels, at half to 1.8 times its size, and a soft edge.
            assert!((5..=150).contains(&darker(1)), "{seed}: {}", darker(1));
            let outside = host.iter().zip(&found).filter(|&(&host, _)| host == 0);
            assert!(outside.clone().count() > 0 && outside.into_iter().all(|(_, &found)| found == 0));
            assert_eq!(found, transplant(&donor, Class::Parasitized, &host, SIDE, &[seed]).unwrap());
        }
    }

    #[test]
    fn keeps_the_density_of_the_parasite_on_a_host_of_the_reference_colour() {
        let (donor, host) = (cell(parasite), cell(|_, _| None));
        let found = transplant(&donor, Class::Parasitized, &host, SIDE, &[1]).unwrap();
        let darkest: [u8; 3] =
            std::array::from_fn(|c| found.iter().skip(c).step_by(3).filter(|&&v| v > 0).min().copied().unwrap());
        assert!(
            darkest.iter().zip([90, 40, 95]).all(|(&found, expected)| found.abs_diff(expected) <= 12),
            "{darkest:?}"
        );
    }

    #[test]
    fn a_donor_without_a_visible_parasite_stays_where_it_is() {
        let (plain, host) = (cell(|_, _| None), cell(|_, _| None));
        assert_eq!(transplant(&plain, Class::Parasitized, &host, SIDE, &[1]), None);
        // A healthy donor may be empty.
        assert_eq!(transplant(&plain, Class::Uninfected, &host, SIDE, &[1]), Some(host));
    }

    #[test]
    fn the_dark_edge_of_a_resized_cell_is_no_content() {
        let dark_edge = cell(|x, y| (x.hypot(y) > 12.5).then_some([70, 50, 60]));
        let host = cell(|_, _| None);
        assert_eq!(transplant(&dark_edge, Class::Uninfected, &host, SIDE, &[1]).unwrap(), host);
    }

    #[test]
    fn does_not_place_a_parasite_on_what_is_not_cytoplasm() {
        // Stripes of one pixel: no parasite is so narrow that it lies on one of the two colours.
        let striped = cell(|x, _| Some(if x.floor().rem_euclid(2.0) == 0.0 { [250; 3] } else { [90; 3] }));
        assert!(transplant(&cell(parasite), Class::Parasitized, &striped, SIDE, &[1]).is_none());
    }

    #[test]
    fn multiplies_a_lighter_host_on_a_smear_and_keeps_the_smear() {
        let smear = [235, 230, 240];
        let mut host = cell(|_, _| Some([200, 170, 180]));
        host.as_chunks_mut::<3>().0.iter_mut().filter(|pixel| **pixel == [0; 3]).for_each(|pixel| *pixel = smear);
        let found = transplant(&cell(parasite), Class::Parasitized, &host, SIDE, &[1]).unwrap();
        let kept = found.as_chunks::<3>().0.iter().filter(|pixel| **pixel == smear).count();
        assert_eq!(kept, host.as_chunks::<3>().0.iter().filter(|pixel| **pixel == smear).count());
        let darkest = found.iter().skip(1).step_by(3).min().copied().unwrap();
        // The parasite is 40 / 128 as light as the cytoplasm of the donor, so 53 on the green 170 of this host.
        assert!(darkest.abs_diff(53) <= 14, "{darkest}");
    }
}
