//! The reduced photograph on which cells are found.

use super::field_of_view::FieldOfView;
use super::foreground::{self, Foreground};
use super::grid::{Grid, reduce};
use super::measure::{self, Measurements};
use super::optical_density::{Densities, EmptySlide};
use super::separation::{self, Parts};
use super::{Condition, Segmentation, centres, edge_width, kinds, merging, pale_centres, territories};
use crate::smear::{Object, ObjectKind};
use image::RgbImage;
use std::f32::consts::FRAC_PI_4;

/// The largest hole that can be a pale centre, as a fraction of a cell's area.
const LARGEST_PALE_CENTRE: f32 = 0.6;
/// The range of the radius of a peak's disc, in cell diameters.
const PEAK_RADII: [f32; 2] = [0.25, 0.6];
/// Fewer cells that touch no other are not enough for an estimate.
const LEAST_CELLS: usize = 5;
/// The areas of cells in an estimate of the diameter, in typical red cells.
const PLAUSIBLE_AREAS: [f32; 2] = [0.25, 4.0];

/// A reduced photograph with its cells separated.
pub(super) struct View {
    factor: usize,
    field_of_view: FieldOfView,
    field: Grid<bool>,
    densities: Densities,
    found: Foreground,
    parts: Parts,
    typical_area: f32,
}

impl View {
    /// Reduces a photograph, finds its cells, and separates them. `diameter_px` is the diameter of a cell.
    pub fn of(
        photograph: &RgbImage,
        factor: usize,
        field_of_view: FieldOfView,
        slide: &EmptySlide,
        diameter_px: f32,
    ) -> View {
        let colours = reduce(photograph, factor);
        let field = field_of_view.scaled(1.0 / factor as f32).mask(&colours);
        let densities = slide.densities(&colours, &field);
        let diameter = diameter_px / factor as f32;
        let typical_area = FRAC_PI_4 * diameter * diameter;
        let mut found = foreground::find(&densities, &field);
        found.filled = pale_centres::fill(&mut found.mask, &field, (LARGEST_PALE_CENTRE * typical_area) as usize);
        let contrast = found.levels.cell - found.levels.slide;
        let votes = centres::votes(&found.density, contrast, diameter / 2.0);
        let mut parts = separation::separate_by(&found.mask, &votes, diameter / 2.0);
        for peak in &mut parts.peaks {
            peak.radius_px = peak.radius_px.clamp(PEAK_RADII[0] * diameter, PEAK_RADII[1] * diameter);
        }
        parts.labels = territories::divide(&found.mask, &parts.peaks, diameter / 2.0);
        let into = merging::merge(&parts, typical_area);
        parts.labels.values.iter_mut().for_each(|label| *label = into[*label as usize]);
        View { factor, field_of_view, field, densities, found, parts, typical_area }
    }

    /// Returns the median diameter, in pixels of the photograph, of the parts that touch neither another part nor the edge; `None`
    /// if there are too few.
    pub fn diameter_of_separate_cells_px(&self) -> Option<f32> {
        let labels = &self.parts.labels;
        let count = self.parts.peaks.len() + 1;
        let (mut areas, mut is_separate) = (vec![0.0_f32; count], vec![true; count]);
        for (pixel, &label) in labels.values.iter().enumerate().filter(|(_, label)| **label != 0) {
            areas[label as usize] += 1.0;
            let touches = |next: usize| labels.values[next] != 0 && labels.values[next] != label;
            if labels.is_on_edge(pixel) || labels.neighbours4(pixel).any(touches) {
                is_separate[label as usize] = false;
            }
        }
        let is_plausible =
            |area: f32| area > PLAUSIBLE_AREAS[0] * self.typical_area && area < PLAUSIBLE_AREAS[1] * self.typical_area;
        let mut kept: Vec<f32> = areas
            .iter()
            .zip(&is_separate)
            .filter(|(area, separate)| **separate && is_plausible(**area))
            .map(|(area, _)| *area)
            .collect();
        kept.sort_unstable_by(f32::total_cmp);
        (kept.len() >= LEAST_CELLS).then(|| (kept[kept.len() / 2] / FRAC_PI_4).sqrt() * self.factor as f32)
    }

    /// Decides what each part is.
    pub fn into_segmentation(mut self, photograph: &RgbImage, diameter_px: f32) -> Segmentation {
        let Parts { labels, peaks, distance, .. } = &mut self.parts;
        let mut measured = measure::measure(labels, peaks, distance, &self.densities, &self.found);
        kinds::unite_white_cells(labels, &mut measured, self.typical_area);
        let condition = self.condition(photograph, diameter_px);
        let mut found: Vec<(Object, u32)> = Vec::new();
        for (number, part) in (0..).zip(&measured).skip(1) {
            if let Some((kind, cells)) = kinds::kind(part, self.typical_area) {
                found.push((object(part, kind, cells, self.factor, photograph), number));
            }
        }
        found.sort_by_key(|(object, _)| (object.y, object.x));
        let (objects, parts) = found.into_iter().unzip();
        Segmentation {
            field_of_view: self.field_of_view,
            cell_diameter_px: diameter_px,
            objects,
            condition,
            labels: self.parts.labels,
            parts,
            factor: self.factor,
        }
    }

    fn condition(&self, photograph: &RgbImage, diameter_px: f32) -> Condition {
        let contrast = self.found.levels.cell - self.found.levels.slide;
        let inside = self.field.values.iter().filter(|&&inside| inside).count().max(1) as f32;
        let covered = self.found.mask.values.iter().filter(|&&inside| inside).count() as f32;
        let edge_px = edge_width::width_px(photograph, &self.found.density, &self.found.mask, self.factor, diameter_px);
        Condition {
            contrast,
            noise: self.found.levels.noise,
            coverage: covered / inside,
            edge_width: edge_px / diameter_px,
            overexposed: overexposed(photograph),
            colourfulness: self.colourfulness() / contrast.max(f32::MIN_POSITIVE),
        }
    }
}

impl View {
    /// Returns the mean difference between the densities of the strongest and the weakest channel over the pixels of cells.
    fn colourfulness(&self) -> f32 {
        let difference = |[red, green, blue]: [f32; 3]| red.max(green).max(blue) - red.min(green).min(blue);
        let of_cells = || self.densities.values.iter().zip(&self.found.mask.values).filter(|(_, cell)| **cell);
        let sum: f32 = of_cells().map(|(density, _)| difference(*density)).sum();
        sum / of_cells().count().max(1) as f32
    }
}

/// The brightest byte: brighter light is not recorded.
const WHITE: u8 = 255;
/// Every so many pixels of a photograph are a sample of its exposure.
const EXPOSURE_STEP: usize = 17;

/// Returns the fraction of pixels that are white in every channel.
fn overexposed(photograph: &RgbImage) -> f32 {
    let pixels = photograph.as_raw().as_chunks::<3>().0;
    let white = pixels.iter().step_by(EXPOSURE_STEP).filter(|pixel| **pixel == [WHITE; 3]).count();
    white as f32 / pixels.len().div_ceil(EXPOSURE_STEP) as f32
}

/// Converts a part to an object in pixels of the photograph.
fn object(part: &Measurements, kind: ObjectKind, cells: u32, factor: usize, photograph: &RgbImage) -> Object {
    let [left, top, right, bottom] = part.bounds.map(|edge| (edge * factor) as u32);
    // The reduced photograph may lack a rest at the right and lower edges.
    let reach = |edge: u32, length: u32| if edge + factor as u32 > length { length } else { edge };
    let (right, bottom) = (reach(right, photograph.width()), reach(bottom, photograph.height()));
    Object { x: left, y: top, width: right - left, height: bottom - top, kind, cells }
}
