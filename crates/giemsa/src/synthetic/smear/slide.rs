//! What the photographs of one slide have in common: stain, light, and how often cells are pale, oval or crenated.

use crate::random::Random;
use crate::synthetic::canvas::Colour;
use crate::synthetic::microscope::Microscope;
use crate::synthetic::patient::{Patient, patient};

/// A slide under a microscope.
pub struct Slide {
    /// The stain.
    pub patient: Patient,
    /// The lamp and the camera.
    pub microscope: Microscope,
    /// Factors of the light that passes clear glass, in each channel.
    pub lamp: Colour,
    /// The fraction of cells with a distinct central pallor.
    pub pale: f32,
    /// The strength of that pallor; above 1 the centre is as light as the glass.
    pub pallor: f32,
    /// The size of the pale centre, in radii.
    pub hole: f32,
    /// The fraction of oval cells.
    pub oval: f32,
    /// The fraction of crenated cells.
    pub crenated: f32,
}

impl Slide {
    /// Draws the slide of a seed, with cells of this diameter.
    pub fn draw(seed: u64, diameter_px: f32) -> Slide {
        let mut random = Random::keyed(&[seed, u64::from_le_bytes(*b"slide\0\0\0")]);
        let exposure = random.range(0.75, 1.06);
        Slide {
            patient: patient(seed, 0).magnified(diameter_px),
            microscope: Microscope::draw(seed),
            lamp: [0; 3].map(|_| exposure * random.range(0.93, 1.04)),
            pale: random.range(0.3, 1.0),
            pallor: if random.chance(0.3) { random.range(1.5, 2.6) } else { random.range(0.15, 1.2) },
            hole: random.range(0.35, 0.8),
            oval: if random.chance(0.25) { random.range(0.1, 0.3) } else { 0.04 },
            crenated: if random.chance(0.2) { random.range(0.1, 0.4) } else { 0.02 },
        }
    }
}
