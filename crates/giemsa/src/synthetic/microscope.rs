//! The slide and the camera of a laboratory.

use crate::random::Random;

/// The range of the diameter of a cell in pixels.
const DIAMETER_PX: std::ops::Range<u32> = 44..110;

/// The stain, the light and the camera of a laboratory.
pub struct Microscope {
    /// Factors of the light of each channel.
    light: [f32; 3],
    /// Factors of the optical density of each channel.
    density: [f32; 3],
    /// The usual diameter of a cell.
    pub diameter_px: u32,
    /// The standard deviation of the blur.
    pub blur_px: f32,
}

impl Microscope {
    /// Draws the microscope of a seed.
    pub fn draw(seed: u64) -> Microscope {
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
    pub fn photograph(&self, colour: [f32; 3]) -> [u8; 3] {
        self.expose(colour).map(|value| (value + 0.5) as u8)
    }

    /// Changes a colour as the stain and the lamp do, without rounding.
    pub fn expose(&self, colour: [f32; 3]) -> [f32; 3] {
        std::array::from_fn(|c| {
            let transmitted = (colour[c] / 255.0).max(1e-3).powf(self.density[c]);
            255.0 * self.light[c] * transmitted
        })
    }
}
