//! The properties that the cells of one patient have in common: stain, light and microscope.

use super::canvas::{Colour, mix};
use crate::random::Random;

/// The slide of a patient.
#[derive(Clone, Debug)]
pub struct Patient {
    /// The colour of a cell halfway between its middle and its edge.
    pub body: Colour,
    /// The colour of the glass between cells.
    pub glass: Colour,
    /// The colour of parasite nuclei.
    pub chromatin: Colour,
    /// The colour of parasite bodies.
    pub cytoplasm: Colour,
    /// The width over which edges fade.
    pub softness_px: f32,
    /// The width of the light rim at the edge of a cell.
    pub rim_px: f32,
    /// The standard deviation of the camera noise, in grey levels.
    pub grain: f32,
    /// The maximum strength of the central pallor.
    pub pallor: f32,
    /// The usual diameter of a cell.
    pub diameter_px: f32,
    /// The size of the steps in the border of a crop.
    pub step_px: usize,
    /// The fraction of cells with fine dots all over.
    pub stippling: f32,
    /// The strength of the stain in parasites, up to 1.
    pub contrast: f32,
    /// The fraction of parasites past the ring stage.
    pub late_stages: f32,
}

impl Patient {
    /// Returns the slide at another magnification, with cells of this diameter.
    pub fn magnified(self, diameter_px: f32) -> Patient {
        let factor = diameter_px / self.diameter_px;
        Patient { diameter_px, softness_px: self.softness_px * factor, rim_px: self.rim_px * factor, ..self }
    }
}

/// The colours of stained cells and of the nuclei in them, and the fraction of slides with them.
const STAINS: [(Colour, Colour, f32); 6] = [
    // Salmon.
    ([212.0, 154.0, 149.0], [160.0, 22.0, 96.0], 0.34),
    // Buff.
    ([205.0, 166.0, 150.0], [158.0, 28.0, 100.0], 0.12),
    // Mauve.
    ([182.0, 118.0, 148.0], [140.0, 14.0, 96.0], 0.16),
    // Greyish lilac.
    ([176.0, 166.0, 188.0], [150.0, 34.0, 178.0], 0.18),
    // Greyish blue.
    ([150.0, 146.0, 182.0], [128.0, 30.0, 162.0], 0.15),
    // Violet.
    ([124.0, 102.0, 168.0], [104.0, 20.0, 128.0], 0.05),
];

/// Draws the properties of the slide of a patient.
pub fn patient(seed: u64, number: usize) -> Patient {
    let mut random = Random::keyed(&[seed, u64::from_le_bytes(*b"patient\0"), number as u64]);
    let (body, chromatin) = stain(&mut random);
    let brightness = random.range(0.95, 1.06);
    let white_balance: Colour = std::array::from_fn(|_| brightness * random.range(0.98, 1.02));
    let lit = |colour: Colour| std::array::from_fn(|i| (colour[i] * white_balance[i]).min(250.0));
    let glass = lit(mix(body, [238.0, 236.0, 222.0], random.range(0.45, 0.75)));
    let cytoplasm = lit(mix(chromatin, [110.0, 70.0, 170.0], random.range(0.1, 0.6)));
    Patient {
        body: lit(body),
        glass,
        chromatin: lit(chromatin),
        cytoplasm,
        softness_px: random.range(1.6, 5.0),
        rim_px: random.range(1.5, 6.0),
        grain: random.range(1.0, 3.2),
        pallor: random.range(0.05, 0.7),
        diameter_px: random.range(118.0, 142.0),
        step_px: 3 + random.below(2),
        stippling: if random.chance(0.2) { random.range(0.1, 0.5) } else { 0.02 },
        contrast: random.range(0.92, 1.0),
        late_stages: if random.chance(0.3) { random.range(0.2, 0.6) } else { 0.06 },
    }
}

fn stain(random: &mut Random) -> (Colour, Colour) {
    let mut position = random.uniform();
    let mut chosen = STAINS[0];
    for stain in STAINS {
        chosen = stain;
        position -= stain.2;
        if position < 0.0 {
            break;
        }
    }
    let (body, chromatin, _) = chosen;
    let depth = random.range(-6.0, 8.0);
    let vary = |random: &mut Random, colour: Colour, by: f32| colour.map(|value| value + depth + random.range(-by, by));
    (vary(random, body, 6.0), vary(random, chromatin, 10.0))
}
