//! Late stages of parasites: trophozoites and schizonts that fill much of a red cell. They are rare in the blood of
//! patients with Plasmodium falciparum, and common with the other species.
//!
//! With Giemsa's stain they show (Centers for Disease Control and Prevention, *DPDx: Malaria*, laboratory diagnosis): a
//! bluish cytoplasm, often amoeboid, with vacuoles; a red to purple nucleus, or up to 24 of them in a schizont; granules of
//! brown pigment; and with P. vivax and P. ovale fine pink dots all over the red cell.

use super::outline::Outline;
use crate::preprocess::colour::find_cell;
use crate::random::Random;
use std::f32::consts::TAU;

// Differences of optical density (natural logarithm, RGB) at unit strength.
const CYTOPLASM: [f32; 3] = [0.55, 0.45, 0.10];
const CHROMATIN: [f32; 3] = [0.45, 0.85, 0.30];
const PIGMENT: [f32; 3] = [0.85, 0.95, 1.00];
const STIPPLING: [f32; 3] = [0.15, 0.45, 0.20];

/// The fraction of the late stages that are schizonts.
const SCHIZONTS: f32 = 0.3;
/// The fraction of the cells with fine dots.
const STIPPLED: f32 = 0.3;

/// A disc with a soft edge, in a cell that is a disc of radius 1 around (0, 0).
struct Disc {
    centre: [f32; 2],
    radius: f32,
}

/// A parasite, and the dots that it causes.
struct Parasite {
    lobes: Vec<Disc>,
    vacuoles: Vec<Disc>,
    cytoplasm: [f32; 3],
    /// Nuclei, pigment and dots, with their optical density.
    granules: Vec<(Disc, [f32; 3])>,
}

/// Draws a late stage into a cell; `None` if no cell is found. `key` selects the random numbers.
///
/// # Shapes
/// `bytes`: `[side, side, 3]`, RGB. Returns the same shape.
pub fn draw_late_stage(bytes: &[u8], side: usize, key: &[u64]) -> Option<Vec<u8>> {
    let (inside, _) = find_cell(bytes, side);
    let outline = Outline::of(&inside, side)?;
    let parasite = Parasite::draw(&mut Random::keyed(key));
    let mut stained = bytes.to_vec();
    for (i, pixel) in stained.as_chunks_mut::<3>().0.iter_mut().enumerate().filter(|(i, _)| inside[*i]) {
        let density = parasite.density(outline.place(i, side));
        *pixel = std::array::from_fn(|c| (f32::from(pixel[c]) * (-density[c]).exp() + 0.5) as u8);
    }
    Some(stained)
}

impl Parasite {
    fn draw(random: &mut Random) -> Parasite {
        let (middle, extent) = (place([0.0; 2], 0.35, random), random.range(0.35, 0.95));
        let discs = |count: usize, spread: f32, radii: [f32; 2], random: &mut Random| -> Vec<Disc> {
            let disc = |random: &mut Random| Disc {
                centre: place(middle, spread * extent, random),
                radius: random.range(radii[0], radii[1]),
            };
            (0..count).map(|_| disc(random)).collect()
        };
        let lobes = discs(2 + random.below(6), 0.6, [0.3 * extent, 0.7 * extent], random);
        let vacuoles = discs(random.below(4), 0.6, [0.08, 0.25], random);
        let redness = random.uniform();
        let hue = std::array::from_fn(|c| CYTOPLASM[c] + redness * (CHROMATIN[c] - CYTOPLASM[c]));
        let cytoplasm = stain(hue, [0.2, 0.9], random);

        let mut granules = Vec::new();
        let mut add = |discs: Vec<Disc>, density| granules.extend(discs.into_iter().map(|disc| (disc, density)));
        let (nuclei, radii) = match random.chance(SCHIZONTS) {
            true => (6 + random.below(19), [0.06, 0.14]),
            false => (1 + random.below(2), [0.1, 0.3]),
        };
        add(discs(nuclei, 0.7, radii, random), stain(CHROMATIN, [0.5, 1.3], random));
        add(discs(random.below(26), 0.9, [0.03, 0.09], random), stain(PIGMENT, [0.3, 1.3], random));
        if random.chance(STIPPLED) {
            let dot = |_| Disc { centre: place([0.0; 2], 0.95, random), radius: random.range(0.02, 0.05) };
            let dots = (0..40).map(dot).collect();
            add(dots, stain(STIPPLING, [0.2, 0.8], random));
        }
        Parasite { lobes, vacuoles, cytoplasm, granules }
    }

    /// Computes the optical density at a place.
    fn density(&self, at: [f32; 2]) -> [f32; 3] {
        let most = |discs: &[Disc]| discs.iter().map(|disc| disc.weight(at)).fold(0.0, f32::max);
        let body = most(&self.lobes) * (1.0 - most(&self.vacuoles));
        let cytoplasm = self.cytoplasm.map(|density| density * body);
        self.granules.iter().fold(cytoplasm, |density, (granule, full)| {
            let weight = granule.weight(at);
            // Half of the cytoplasm lies above or below a granule.
            std::array::from_fn(|c| density[c].max(weight * (full[c] + 0.5 * cytoplasm[c])))
        })
    }
}

/// Draws a place, uniform in a disc.
fn place(centre: [f32; 2], radius: f32, random: &mut Random) -> [f32; 2] {
    let (sin, cos) = random.range(0.0, TAU).sin_cos();
    let distance = radius * random.uniform().sqrt();
    [centre[0] + distance * cos, centre[1] + distance * sin]
}

/// Draws the optical density of a stained part: its strength in a range, and its hue near a typical one.
fn stain(hue: [f32; 3], strength: [f32; 2], random: &mut Random) -> [f32; 3] {
    let strength = random.range(strength[0], strength[1]);
    hue.map(|density| density * strength * random.range(0.7, 1.3))
}

impl Disc {
    /// Returns 1 inside and 0 outside.
    fn weight(&self, [x, y]: [f32; 2]) -> f32 {
        let distance = (x - self.centre[0]).hypot(y - self.centre[1]) / self.radius;
        ((1.3 - distance) / 0.5).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::outline::disc::{CELL, SIDE, cell};
    use super::*;

    #[test]
    fn darkens_part_of_the_cell_and_nothing_else() {
        for outside in [[0; 3], [220, 225, 230]] {
            let before = cell(outside);
            for seed in 0..60 {
                let found = draw_late_stage(&before, SIDE, &[seed]).unwrap();
                let [found, before] = [&found, &before].map(|bytes| bytes.as_chunks::<3>().0);
                let pairs = || found.iter().zip(before);
                assert!(pairs().filter(|(_, before)| **before == outside).all(|(found, _)| *found == outside));
                assert!(pairs().all(|(found, before)| found.iter().zip(before).all(|(found, before)| found <= before)));
                let inside = pairs().filter(|(_, before)| **before == CELL).count();
                let stained = pairs().filter(|(found, _)| **found != outside && found[1] < 125).count();
                let fraction = stained as f32 / inside as f32;
                assert!((0.05..0.98).contains(&fraction), "{seed}: {fraction}");
            }
        }
    }

    #[test]
    fn the_key_selects_the_parasite() {
        let cell = cell([0; 3]);
        let drawn: Vec<Vec<u8>> = (0..5).map(|seed| draw_late_stage(&cell, SIDE, &[seed]).unwrap()).collect();
        assert!(drawn.windows(2).all(|pair| pair[0] != pair[1]));
        assert_eq!(drawn[3], draw_late_stage(&cell, SIDE, &[3]).unwrap());
    }

    #[test]
    fn a_granule_absorbs_light_in_addition_to_half_of_the_cytoplasm() {
        let disc = |radius| Disc { centre: [0.0; 2], radius };
        let parasite = Parasite {
            lobes: vec![disc(0.5)],
            vacuoles: vec![Disc { centre: [0.3, 0.0], radius: 0.05 }],
            cytoplasm: [0.4, 0.2, 0.0],
            granules: vec![(disc(0.1), [0.3, 0.6, 0.1])],
        };
        for (at, expected) in [
            ([0.0, 0.0], [0.5, 0.7, 0.1]),
            ([0.0, 0.3], [0.4, 0.2, 0.0]),
            ([0.3, 0.0], [0.0; 3]),
            ([0.0, 0.9], [0.0; 3]),
        ] {
            let found = parasite.density(at);
            assert!(found.iter().zip(expected).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-6), "{at:?}: {found:?}");
        }
    }

    #[test]
    fn an_image_without_a_cell_has_no_parasite() {
        assert!(draw_late_stage(&vec![0; SIDE * SIDE * 3], SIDE, &[1]).is_none());
    }
}
