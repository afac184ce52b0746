//! Segmentation: finds the cells on a photograph of a thin smear.
//!
//! 1. The photograph is reduced, so that a cell has a diameter of about 20 pixels whatever the camera.
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
mod view;

pub use field_of_view::FieldOfView;

use super::Object;
use foreground::Foreground;
use grid::{Grid, possible_factor, reduce};
use image::RgbImage;
use optical_density::EmptySlide;
use serde::{Deserialize, Serialize};
use view::View;

/// The most pixels of the reduced photograph on which the size of a cell is estimated.
const COARSE_PIXELS: usize = 120_000;
/// The diameter of a cell on the reduced photograph on which cells are found, in pixels.
const WORKING_DIAMETER_PX: f32 = 20.0;
/// The most pixels of that reduced photograph; they bound time and memory where cells are small.
const MOST_WORKING_PIXELS: usize = 4_000_000;
/// The diameter is estimated again from the cells that were found, until it changes by less than this fraction,
const SAME_DIAMETER: f32 = 0.1;
/// and this many times at most.
const CORRECTIONS: usize = 2;
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// The fraction of the photograph that is overexposed, in 0..=1.
    pub overexposed: f32,
    /// The mean difference between the densities of the strongest and the weakest channel of cells, as a fraction of their
    /// density; 0 for a grey photograph.
    pub colourfulness: f32,
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
    let coarse_factor = factor_for(photograph, COARSE_PIXELS);
    let coarse = reduce(photograph, coarse_factor);
    let coarse_field = field_of_view::find(&coarse);
    let (slide, found) = fit_slide(&coarse, &coarse_field.mask(&coarse));
    let estimate = separation::typical_diameter_px(&found.mask).map(|diameter| diameter * coarse_factor as f32);
    let field_of_view = coarse_field.scaled(coarse_factor as f32);
    let Some(mut diameter_px) = cell_diameter_px.or(estimate) else { return Segmentation::empty(field_of_view) };
    let view_for = |diameter_px: f32| {
        let wanted = (diameter_px / WORKING_DIAMETER_PX).round() as usize;
        let factor = possible_factor(photograph, wanted.max(factor_for(photograph, MOST_WORKING_PIXELS)));
        View::of(photograph, factor, field_of_view, &slide, diameter_px)
    };
    let mut view = view_for(diameter_px);
    for _ in 0..if cell_diameter_px.is_none() { CORRECTIONS } else { 0 } {
        let better_px = view.diameter_of_separate_cells_px();
        let Some(better_px) = better_px.filter(|px| (px / diameter_px - 1.0).abs() > SAME_DIAMETER) else { break };
        diameter_px = better_px;
        view = view_for(diameter_px);
    }
    view.into_segmentation(photograph, diameter_px)
}

/// Returns the factor by which a photograph is reduced to at most about this number of pixels.
fn factor_for(photograph: &RgbImage, most_pixels: usize) -> usize {
    let pixels = photograph.width() as usize * photograph.height() as usize;
    possible_factor(photograph, (pixels as f64 / most_pixels as f64).sqrt().ceil() as usize)
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
