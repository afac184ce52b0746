//! The outline of a cell as cut out by a segmentation program: ragged, in steps, sometimes with a piece too much or too
//! little.

use super::canvas::{Blob, Point, at_polar};
use super::patient::Patient;
use crate::random::Random;
use std::f32::consts::TAU;

/// The outline of a crop: a cell, pieces of its neighbours, and missing pieces.
#[derive(Clone, Debug)]
pub struct Outline {
    /// The cell.
    pub cell: Blob,
    /// The mean radius of the cell, in pixels.
    pub radius_px: f32,
    /// Pieces of neighbouring cells.
    pub lobes: Vec<Blob>,
    /// Missing pieces.
    pub bites: Vec<Blob>,
}

/// The range of cell diameters.
const DIAMETER_PX: (f32, f32) = (64.0, 250.0);

/// Draws a random outline in the middle of a canvas of its size.
pub fn outline(patient: &Patient, random: &mut Random) -> Outline {
    let unusual = match random.uniform() {
        u if u < 0.008 => random.range(1.35, 1.7),
        u if u < 0.02 => random.range(0.5, 0.75),
        _ => 1.0,
    };
    let diameter = patient.diameter_px * (1.0 + 0.09 * random.normal()) * unusual;
    let radius_px = diameter.clamp(DIAMETER_PX.0, DIAMETER_PX.1) / 2.0;
    let cell = cell(radius_px, 0.11, random);
    let neighbours = |random: &mut Random, chance: f32, distance: (f32, f32), size: (f32, f32)| -> Vec<Blob> {
        let count = usize::from(random.chance(chance)) + usize::from(random.chance(chance / 4.0));
        let one = |_| {
            let centre = at_polar((0.0, 0.0), radius_px * random.range(distance.0, distance.1), random.range(0.0, TAU));
            Blob::disc(centre, radius_px * random.range(size.0, size.1))
        };
        (0..count).map(one).collect()
    };
    let lobes = neighbours(random, 0.06, (0.95, 1.15), (0.15, 0.4));
    let bites = neighbours(random, 0.09, (1.1, 1.5), (0.35, 0.8));
    Outline { cell, radius_px, lobes, bites }.moved_into_view()
}

/// Draws the edge of a whole cell around the origin. `stretch` is the usual excess of its length over its width.
pub fn cell(radius_px: f32, stretch: f32, random: &mut Random) -> Blob {
    let stretch = 1.0 + stretch * random.normal().abs();
    let crumpled = if random.chance(0.12) { 2.6 } else { 1.0 };
    let waves =
        [0.0, 0.024, 0.012, 0.009, 0.008].map(|size| (crumpled * size * random.normal(), random.range(0.0, TAU)));
    let radii = (radius_px * stretch.sqrt(), radius_px / stretch.sqrt());
    Blob::ellipse((0.0, 0.0), radii, random.range(0.0, TAU)).with_waves(&waves)
}

impl Outline {
    /// Returns the outline of a whole cell, in the middle of a canvas of its size.
    pub fn whole(cell: Blob, radius_px: f32) -> Outline {
        Outline { cell, radius_px, lobes: Vec::new(), bites: Vec::new() }.moved_into_view()
    }

    /// Moves the outline so that no coordinate is negative.
    fn moved_into_view(mut self) -> Outline {
        let max_radius_px = self.max_radius_px();
        for blob in [&mut self.cell].into_iter().chain(&mut self.lobes).chain(&mut self.bites) {
            *blob = blob.clone().moved((max_radius_px, max_radius_px));
        }
        self
    }

    /// Returns the maximum distance of the crop from the middle of the cell.
    fn max_radius_px(&self) -> f32 {
        let middle = self.cell.centre();
        let distance = |blob: &Blob| (blob.centre().0 - middle.0).hypot(blob.centre().1 - middle.1) + blob.max_radius();
        self.lobes.iter().map(distance).fold(self.cell.max_radius(), f32::max) + 8.0
    }

    /// Returns the side of the square canvas that contains the outline, in pixels.
    pub fn side_px(&self) -> usize {
        (2.0 * self.max_radius_px()).ceil() as usize
    }

    /// Returns the approximate distance from the edge of the crop in pixels; positive inside.
    pub fn depth(&self, at: Point) -> f32 {
        let whole = self.lobes.iter().map(|lobe| lobe.depth(at)).fold(self.cell.depth(at), f32::max);
        self.bites.iter().map(|bite| -bite.depth(at)).fold(whole, f32::min)
    }

    /// Returns whether each pixel of the square canvas belongs to the crop, row by row. The border has steps.
    pub fn mask(&self, step_px: usize, random: &mut Random) -> Vec<bool> {
        let side = self.side_px();
        let blocks = side.div_ceil(step_px);
        let raggedness = random.range(0.1, 0.5) * step_px as f32;
        let middle = |block: usize| (block as f32 + 0.5) * step_px as f32;
        let kept: Vec<bool> = (0..blocks * blocks)
            .map(|i| self.depth((middle(i % blocks), middle(i / blocks))) + raggedness * random.range(-1.0, 1.0) > 0.0)
            .collect();
        (0..side * side).map(|i| kept[i / side / step_px * blocks + i % side / step_px]).collect()
    }
}
