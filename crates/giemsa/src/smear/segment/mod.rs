//! Segmentation: finds the cells on a photograph of a thin smear.
//!
//! 1. The photograph is reduced, so that a cell has a diameter of about 30 pixels whatever the camera.
//! 2. The light of the empty slide is fitted, which makes optical densities of colours.
//! 3. A threshold on the density selects the pixels of cells; pale centres are filled.
//! 4. The distance to the outside, together with votes of the outlines for the centres of cells, separates cells that touch
//!    or overlap.
//! 5. Size, colour and shape decide what each part is.
//!
//! `docs/smear.md` describes what was measured and what was tried.

mod centres;
mod cut;
mod distance;
mod edge_width;
mod field_of_view;
mod foreground;
mod grid;
mod kinds;
mod measure;
mod merging;
mod optical_density;
mod pale_centres;
mod regions;
mod separation;
mod territories;

pub use field_of_view::FieldOfView;

use super::{Object, ObjectKind};
use foreground::Foreground;
use grid::{Grid, reduce};
use image::RgbImage;
use measure::Measurements;
use optical_density::{Densities, EmptySlide};
use separation::Parts;
use std::f32::consts::FRAC_PI_4;

/// The most pixels of the reduced photograph on which the size of a cell is estimated.
const COARSE_PIXELS: usize = 250_000;
/// The diameter of a cell on the reduced photograph on which cells are found, in pixels.
const WORKING_DIAMETER_PX: f32 = 30.0;
/// The largest hole that can be a pale centre, as a fraction of a cell's area.
const LARGEST_PALE_CENTRE: f32 = 0.6;
/// The range of the radius of a peak's disc, in cell diameters.
const PEAK_RADII: [f32; 2] = [0.25, 0.6];
/// The diameter is estimated again from the cells that were found, until it changes by less than this fraction,
const SAME_DIAMETER: f32 = 0.1;
/// and this many times at most.
const ESTIMATES: usize = 3;
/// Fewer cells that touch no other are not enough for an estimate.
const LEAST_CELLS: usize = 5;
/// The areas of cells in such an estimate, in typical red cells.
const PLAUSIBLE_AREAS: [f32; 2] = [0.25, 4.0];
/// Pixels of the empty slide are at most this multiple of its noise denser than it.
const EMPTY_NOISES: f32 = 2.0;

/// What was found on a photograph.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Segmentation {
    /// The part of the photograph that shows the smear.
    pub field_of_view: FieldOfView,
    /// The diameter of a red cell in pixels of the file; 0 if there are no cells.
    pub cell_diameter_px: f32,
    /// What was found, from top to bottom.
    pub objects: Vec<Object>,
    /// What the photograph is like.
    pub condition: Condition,
    /// The number of the part at each pixel of the reduced photograph.
    labels: Grid<u32>,
    /// The part of each object.
    parts: Vec<u32>,
    /// The factor by which the photograph was reduced.
    factor: usize,
}

/// Measurements of a photograph that determine whether its cells can be counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Condition {
    /// The typical optical density of cells, as a natural logarithm.
    pub contrast: f32,
    /// The noise of the empty slide, in the same unit.
    pub noise: f32,
    /// The fraction of the field that cells and other objects cover, in 0..=1.
    pub coverage: f32,
    /// The width of the edges of cells, in cell diameters.
    pub edge_width: f32,
    /// The fraction of the field that is overexposed, in 0..=1.
    pub overexposed: f32,
}

/// Finds the cells on a photograph. `cell_diameter_px` is the diameter of a red cell in pixels; `None` to estimate it.
///
/// ```
/// use giemsa::smear::segment::segment;
/// let empty = image::RgbImage::from_pixel(640, 480, image::Rgb([230, 225, 220]));
/// assert!(segment(&empty, None).objects.is_empty());
/// ```
///
/// # Panics
/// If the photograph has no pixels.
#[must_use]
pub fn segment(photograph: &RgbImage, cell_diameter_px: Option<f32>) -> Segmentation {
    let pixels = photograph.width() as usize * photograph.height() as usize;
    let coarse_factor = (pixels as f64 / COARSE_PIXELS as f64).sqrt().ceil() as usize;
    let coarse = reduce(photograph, coarse_factor);
    let coarse_field = field_of_view::find(&coarse);
    let (slide, found) = fit_slide(&coarse, &coarse_field.mask(&coarse));
    let estimate = separation::typical_diameter_px(&found.mask).map(|diameter| diameter * coarse_factor as f32);
    let field_of_view = coarse_field.scaled(coarse_factor as f32);
    let Some(mut diameter_px) = cell_diameter_px.or(estimate) else { return Segmentation::empty(field_of_view) };
    for estimates in 1.. {
        let factor = ((diameter_px / WORKING_DIAMETER_PX).round() as usize).max(1);
        let view = View::of(photograph, factor, field_of_view, &slide, diameter_px);
        let better_px = view.diameter_of_separate_cells().map(|diameter| diameter * factor as f32);
        match better_px {
            Some(better_px)
                if cell_diameter_px.is_none()
                    && estimates < ESTIMATES
                    && (better_px / diameter_px - 1.0).abs() > SAME_DIAMETER =>
            {
                diameter_px = better_px;
            }
            _ => return view.into_segmentation(photograph, diameter_px),
        }
    }
    unreachable!("the loop ends with the last estimate")
}

/// Fits the light of the empty slide, and once more with the pixels that the first fit shows to be empty.
fn fit_slide(coarse: &Grid<[u8; 3]>, field: &Grid<bool>) -> (EmptySlide, Foreground) {
    let slide = EmptySlide::fit(coarse, field, None);
    let found = foreground::find(&slide.densities(coarse, field), field);
    let limit = found.levels.slide + EMPTY_NOISES * found.levels.noise;
    let is_empty = |(&density, &inside): (&f32, &bool)| inside && density < limit;
    let values = found.density.values.iter().zip(&field.values).map(is_empty).collect();
    let empty = Grid { width: coarse.width, height: coarse.height, values };
    let slide = EmptySlide::fit(coarse, field, Some(&empty));
    let mut found = foreground::find(&slide.densities(coarse, field), field);
    found.filled = pale_centres::fill(&mut found.mask, field, usize::MAX);
    (slide, found)
}

/// A reduced photograph with its cells separated.
struct View {
    factor: usize,
    field_of_view: FieldOfView,
    field: Grid<bool>,
    densities: Densities,
    found: Foreground,
    parts: Parts,
    typical_area: f32,
}

impl View {
    fn of(
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
        let votes = centres::votes(&found.density, &found.mask, contrast, diameter / 2.0);
        let mut parts = separation::separate_by(&found.mask, &votes, diameter / 2.0);
        for peak in &mut parts.peaks {
            peak.radius_px = peak.radius_px.clamp(PEAK_RADII[0] * diameter, PEAK_RADII[1] * diameter);
        }
        parts.labels = territories::divide(&found.mask, &parts.peaks, diameter / 2.0);
        let into = merging::merge(&parts, typical_area);
        parts.labels.values.iter_mut().for_each(|label| *label = into[*label as usize]);
        View { factor, field_of_view, field, densities, found, parts, typical_area }
    }

    /// Returns the median diameter of the parts that touch neither another part nor the edge of the photograph; `None` if
    /// there are too few.
    fn diameter_of_separate_cells(&self) -> Option<f32> {
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
        (kept.len() >= LEAST_CELLS).then(|| (kept[kept.len() / 2] / FRAC_PI_4).sqrt())
    }

    fn into_segmentation(mut self, photograph: &RgbImage, diameter_px: f32) -> Segmentation {
        let Parts { labels, peaks, distance, .. } = &mut self.parts;
        let mut measured = measure::measure(labels, peaks, distance, &self.densities, &self.found);
        kinds::unite_white_cells(labels, &mut measured, self.typical_area);
        let condition = self.condition(photograph, diameter_px);
        let (mut objects, mut parts) = (Vec::new(), Vec::new());
        for (number, part) in measured.iter().enumerate().skip(1) {
            if let Some((kind, cells)) = kinds::kind(part, self.typical_area) {
                objects.push(object(part, kind, cells, self.factor, photograph));
                parts.push(number as u32);
            }
        }
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
        let edge_px = edge_width::width_px(&self.found.density, &self.found.mask, contrast) * self.factor as f32;
        Condition {
            contrast,
            noise: self.found.levels.noise,
            coverage: covered / inside,
            edge_width: edge_px / diameter_px,
            overexposed: overexposed(photograph),
        }
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

impl Segmentation {
    fn empty(field_of_view: FieldOfView) -> Segmentation {
        Segmentation {
            field_of_view,
            cell_diameter_px: 0.0,
            objects: Vec::new(),
            condition: Condition::default(),
            labels: Grid { width: 0, height: 0, values: Vec::new() },
            parts: Vec::new(),
            factor: 1,
        }
    }
}
