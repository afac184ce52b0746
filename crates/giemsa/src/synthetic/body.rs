//! Draws a red blood cell without inclusions.

use super::canvas::{Canvas, Colour, mix, smooth_step};
use super::outline::Outline;
use super::patient::Patient;
use crate::random::Random;
use std::f32::consts::TAU;

/// The central pallor: its position, size and strength.
struct Pallor {
    shift: (f32, f32),
    size: f32,
    strength: f32,
}

/// Low-contrast unevenness in grey levels: the product of waves along the rows and along the columns.
struct Texture {
    rows: Vec<[f32; WAVES]>,
    columns: Vec<[f32; WAVES]>,
}

const WAVES: usize = 3;

impl Texture {
    fn new(side: usize, random: &mut Random) -> Texture {
        let mut along = |strongest: f32| {
            let waves: [[f32; 3]; WAVES] = std::array::from_fn(|_| {
                [random.range(0.02, 0.09), random.range(0.0, TAU), strongest * random.range(0.3, 1.0)]
            });
            let at = |i| waves.map(|[frequency, phase, size]| size * (frequency * i as f32 + phase).sin());
            (0..side).map(at).collect()
        };
        Texture { rows: along(1.0), columns: along(3.0) }
    }

    fn at(&self, x: usize, y: usize) -> f32 {
        self.columns[x].iter().zip(&self.rows[y]).map(|(column, row)| column * row).sum()
    }
}

/// A cell without inclusions, apart from its outline.
pub struct Body {
    colour: Colour,
    pallor: Pallor,
    texture: Texture,
    dark_edge: f32,
}

impl Body {
    /// Draws the properties of a cell on a canvas of this side.
    pub fn draw(patient: &Patient, side_px: usize, random: &mut Random) -> Body {
        let tint = random.range(-7.0, 7.0);
        let colour = patient.body.map(|value| value + tint + random.range(-3.0, 3.0));
        let pallor = Pallor {
            shift: (0.12 * random.normal(), 0.12 * random.normal()),
            size: random.range(0.25, 0.75),
            strength: patient.pallor * random.uniform() * if random.chance(0.7) { 1.0 } else { 0.15 },
        };
        let texture = Texture::new(side_px, random);
        Body { colour, pallor, texture, dark_edge: random.range(0.0, 0.12) }
    }

    /// Halves the difference from the usual colour of the stain: the cells of one photograph differ less than those of
    /// many.
    pub fn evened(self, patient: &Patient) -> Body {
        Body { colour: mix(self.colour, patient.body, 0.5), ..self }
    }

    /// Replaces the central pallor. A strength above 1 makes a ring: its hole is as light as the glass.
    pub fn with_pallor(mut self, size: f32, strength: f32) -> Body {
        let shift = (0.4 * self.pallor.shift.0, 0.4 * self.pallor.shift.1);
        self.pallor = Pallor { shift, size, strength };
        self
    }

    /// Paints the cell on glass.
    pub fn paint(&self, patient: &Patient, outline: &Outline) -> Canvas {
        let side = outline.side_px();
        let mut canvas = Canvas::new(side, side, patient.glass);
        let centre = outline.cell.centre();
        for (i, pixel) in canvas.pixels.iter_mut().enumerate() {
            let (x, y) = (i % side, i / side);
            let depth = outline.depth((x as f32, y as f32));
            let cover = smooth_step((depth + 0.4 * patient.rim_px) / patient.rim_px);
            if cover > 0.0 {
                let place = ((x as f32 - centre.0) / outline.radius_px, (y as f32 - centre.1) / outline.radius_px);
                let inside = self.colour_at(place, self.texture.at(x, y), patient.glass);
                *pixel = mix(patient.glass, inside, cover);
            }
        }
        canvas
    }

    /// Returns the colour at a place, in radii from the middle.
    fn colour_at(&self, (u, v): (f32, f32), uneven: f32, glass: Colour) -> Colour {
        let Pallor { shift, size, strength } = self.pallor;
        let from_middle = ((u - shift.0).powi(2) + (v - shift.1).powi(2)).sqrt() / size;
        let light = (strength * (1.0 - smooth_step(from_middle * 0.8))).min(1.0);
        let shade = 1.0 - self.dark_edge * (u * u + v * v).min(1.2);
        mix(self.colour.map(|value| value * shade + uneven), glass, light)
    }
}

/// Adds camera noise inside the mask.
pub fn add_grain(canvas: &mut Canvas, mask: &[bool], grain: f32, random: &mut Random) {
    for (pixel, _) in canvas.pixels.iter_mut().zip(mask).filter(|&(_, &kept)| kept) {
        // A sum of uniform numbers is close enough to normal here, and one draw has enough bits for all of them.
        let bits = random.next_u64();
        let part = |shift: u32| ((bits >> shift) & 0xFFF) as f32 / 4096.0;
        let common = part(0) + part(12) - 1.0;
        *pixel = std::array::from_fn(|i| pixel[i] + grain * (1.6 * common + 1.2 * (part(24 + 12 * i as u32) - 0.5)));
    }
}
