//! The outline of a cell, which maps it onto a disc of radius 1.

use std::f32::consts::{PI, TAU};

/// The number of directions in which the outline is measured.
const DIRECTIONS: usize = 48;
/// The least area of a cell, as a fraction of the image.
const LEAST_AREA: f32 = 0.08;

/// The distance of a cell's edge from its centre, by direction.
pub(super) struct Outline {
    centre: [f32; 2],
    radii_px: [f32; DIRECTIONS],
}

impl Outline {
    /// Measures the outline of the pixels inside a cell; `None` if they are few.
    ///
    /// # Shapes
    /// `inside`: `[side, side]`.
    pub fn of(inside: &[bool], side: usize) -> Option<Outline> {
        let places = || inside.iter().enumerate().filter(|(_, inside)| **inside).map(|(i, _)| position(i, side));
        let count = places().count() as f32;
        if count < LEAST_AREA * inside.len() as f32 {
            return None;
        }
        let centre = places().fold([0.0; 2], |sum, [x, y]| [sum[0] + x, sum[1] + y]).map(|sum| sum / count);
        let mut radii_px = [1.0_f32; DIRECTIONS];
        for [x, y] in places() {
            let (x, y) = (x - centre[0], y - centre[1]);
            let radius = &mut radii_px[direction(y.atan2(x)) as usize % DIRECTIONS];
            *radius = radius.max(x.hypot(y) + 0.5);
        }
        Some(Outline { centre, radii_px })
    }

    /// Returns the angle of a pixel, and its distance from the centre in units of the radius in that direction.
    pub fn polar(&self, i: usize, side: usize) -> (f32, f32) {
        let [x, y] = self.offset(i, side);
        let angle = y.atan2(x);
        (angle, x.hypot(y) / self.radius_px(angle))
    }

    /// Returns the place of a pixel on the disc of radius 1.
    pub fn place(&self, i: usize, side: usize) -> [f32; 2] {
        let (angle, radius) = self.polar(i, side);
        [radius * angle.cos(), radius * angle.sin()]
    }

    /// Returns the position that is `factor` times as far from the centre as a pixel, in pixels.
    pub fn stretched(&self, i: usize, side: usize, factor: f32) -> [f32; 2] {
        let offset = self.offset(i, side);
        [0, 1].map(|axis| self.centre[axis] + factor * offset[axis])
    }

    fn offset(&self, i: usize, side: usize) -> [f32; 2] {
        let [x, y] = position(i, side);
        [x - self.centre[0], y - self.centre[1]]
    }

    /// Interpolates between the measured directions.
    fn radius_px(&self, angle: f32) -> f32 {
        let at = direction(angle) - 0.5;
        let radius = |i: f32| self.radii_px[i.rem_euclid(DIRECTIONS as f32) as usize % DIRECTIONS];
        radius(at.floor()) + (radius(at.floor() + 1.0) - radius(at.floor())) * (at - at.floor())
    }
}

fn position(i: usize, side: usize) -> [f32; 2] {
    [(i % side) as f32, (i / side) as f32]
}

/// Returns the direction of an angle, in 0..=[`DIRECTIONS`].
fn direction(angle: f32) -> f32 {
    (angle + PI) / TAU * DIRECTIONS as f32
}

/// The cell of the tests.
#[cfg(test)]
pub(super) mod disc {
    pub const SIDE: usize = 48;
    pub const CELL: [u8; 3] = [200, 130, 150];

    /// Returns a disc of radius 20 on a colour, of shape `[SIDE, SIDE, 3]`.
    pub fn cell(outside: [u8; 3]) -> Vec<u8> {
        let pixel = |i: usize| {
            let (x, y) = ((i % SIDE) as f32 - 23.5, (i / SIDE) as f32 - 23.5);
            if x.hypot(y) < 20.0 { CELL } else { outside }
        };
        (0..SIDE * SIDE).flat_map(pixel).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_an_ellipse() {
        let side = 41;
        // Centre (22, 18), radii 15 and 10.
        let inside = |i: usize| {
            let [x, y] = position(i, side);
            ((x - 22.0) / 15.0).hypot((y - 18.0) / 10.0) <= 1.0
        };
        let inside: Vec<bool> = (0..side * side).map(inside).collect();
        let outline = Outline::of(&inside, side).unwrap();
        for (x, y, expected) in [(37, 18, 1.0), (22, 28, 1.0), (22, 13, 0.5), (7, 18, 1.0), (22, 38, 2.0)] {
            let (_, radius) = outline.polar(y * side + x, side);
            assert!((radius - expected).abs() < 0.1, "({x}, {y}): {radius}");
        }
        let [x, y] = outline.stretched(18 * side + 32, side, 1.5);
        assert!((x - 37.0).abs() < 0.01 && (y - 18.0).abs() < 0.01, "{x} {y}");
    }

    #[test]
    fn does_not_measure_a_speck() {
        assert!(Outline::of(&[vec![true; 10], vec![false; 390]].concat(), 20).is_none());
    }
}
