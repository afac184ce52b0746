//! Finds and classifies the cells of a photograph.

use super::error::CountError;
use super::frame::is_counted;
use super::segment::{Condition, FieldOfView, Segmentation, segment};
use super::warning::{Warning, warnings};
use super::{Object, ObjectKind, Verdict};
use crate::image::decode_file;
use crate::input::InputError;
use crate::model::{Logits, ModelError, Prediction, Predictor};
use image::RgbImage;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Photographs that are in memory at once, per thread.
const PHOTOGRAPHS_PER_THREAD: usize = 2;

/// The cells of a photograph.
///
/// It survives a round trip through JSON, so that a slide can be counted again without its pixels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Photograph {
    /// The file.
    pub path: PathBuf,
    /// Width of the file's image in pixels.
    pub width_px: u32,
    /// Height of the file's image in pixels.
    pub height_px: u32,
    /// The part that shows the smear.
    pub field_of_view: FieldOfView,
    /// The diameter of a red cell in pixels; 0 if there are no cells.
    pub cell_diameter_px: f32,
    /// What the photograph is like.
    pub condition: Condition,
    /// Doubts about it.
    pub warnings: Vec<Warning>,
    /// What was found, from top to bottom.
    pub cells: Vec<FoundObject>,
}

/// An object on a photograph, with its classification.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FoundObject {
    /// Where and what it is.
    pub object: Object,
    /// Whether it is in the counting frame, see [`is_counted`].
    pub is_counted: bool,
    /// The outputs of the network for a red cell, before they are centred.
    pub logits: Option<Logits>,
    /// The prediction for a red cell; `None` until [`count_slide`](super::count_slide) has centred the logits of the slide.
    #[serde(skip)]
    pub prediction: Option<Prediction>,
    /// What a reviewer calls it; `None` until [`review_slide`](super::review_slide).
    #[serde(skip)]
    pub verdict: Option<Verdict>,
}

/// Finds the cells of a photograph in memory and computes their logits. `path` is the name of the photograph.
///
/// What the network does not take for a single red cell becomes an artefact. `cell_diameter_px` is the diameter of a red cell
/// in pixels; `None` to estimate it.
///
/// # Errors
/// [`CountError::NotASmear`] if the photograph does not show a smear, [`CountError::Model`] if an output of the network is
/// not finite.
///
/// # Panics
/// If the photograph has no pixels.
pub fn find_cells(
    predictor: &Predictor<'_>,
    path: &Path,
    photograph: &RgbImage,
    cell_diameter_px: Option<f32>,
) -> Result<Photograph, CountError> {
    let segmentation = segment(photograph, cell_diameter_px);
    super::plausibility::check(&segmentation, photograph)
        .map_err(|reason| CountError::NotASmear { path: path.to_owned(), reason })?;
    let mut cells: Vec<FoundObject> = segmentation.objects.iter().map(|object| found(object, &segmentation)).collect();
    classify(predictor, photograph, &segmentation, &mut cells)?;
    let number =
        |kind| cells.iter().filter(|cell| cell.object.kind == kind).map(|cell| cell.object.cells as usize).sum();
    let warnings = warnings(&segmentation.condition, number(ObjectKind::RedCell), number(ObjectKind::Cluster));
    Ok(Photograph {
        path: path.to_owned(),
        width_px: photograph.width(),
        height_px: photograph.height(),
        field_of_view: segmentation.field_of_view,
        cell_diameter_px: segmentation.cell_diameter_px,
        condition: segmentation.condition,
        warnings,
        cells,
    })
}

fn found(object: &Object, segmentation: &Segmentation) -> FoundObject {
    FoundObject {
        object: *object,
        is_counted: is_counted(object, segmentation.field_of_view, segmentation.cell_diameter_px),
        logits: None,
        prediction: None,
        verdict: None,
    }
}

/// Computes the logits of the red cells, from images of them on black as in the NIH data set.
fn classify(
    predictor: &Predictor<'_>,
    photograph: &RgbImage,
    segmentation: &Segmentation,
    cells: &mut [FoundObject],
) -> Result<(), CountError> {
    let red: Vec<usize> = (0..cells.len()).filter(|&i| cells[i].object.kind == ObjectKind::RedCell).collect();
    let cut = |&index: &usize| segmentation.cut(photograph, index, true);
    let images: Vec<RgbImage> = red.par_iter().map(cut).collect();
    for (index, logits) in red.into_iter().zip(predictor.logits_of_images(&images)?) {
        let cell = &mut cells[index];
        if predictor.model().refuses(logits) {
            cell.object = Object { kind: ObjectKind::Artefact, cells: 0, ..cell.object };
        } else {
            cell.logits = Some(logits);
        }
    }
    Ok(())
}

/// Finds the cells of photographs in files, and passes the results to `each` in the order of the paths. Stops early if `each`
/// breaks. A file that cannot be read or is no smear does not stop the stream, nor does an error among the paths.
///
/// A few photographs per thread are in memory at once.
///
/// # Errors
/// [`ModelError::NonFiniteOutput`] if an output of the network is not finite.
pub(super) fn find_cells_in_files(
    predictor: &Predictor<'_>,
    mut paths: impl Iterator<Item = Result<PathBuf, InputError>>,
    cell_diameter_px: Option<f32>,
    mut each: impl FnMut(PathBuf, Result<Photograph, CountError>) -> Result<ControlFlow<()>, ModelError>,
) -> Result<(), ModelError> {
    let one = |path: Result<PathBuf, InputError>| match path {
        Ok(path) => {
            let photograph = decode_file(&path).map_err(CountError::from);
            let cells = photograph.and_then(|decoded| find_cells(predictor, &path, &decoded.pixels, cell_diameter_px));
            (path, cells)
        }
        Err(error) => (error.path().to_owned(), Err(CountError::Image(error.into()))),
    };
    loop {
        let block: Vec<_> = paths.by_ref().take(PHOTOGRAPHS_PER_THREAD * rayon::current_num_threads()).collect();
        if block.is_empty() {
            return Ok(());
        }
        let results: Vec<_> = block.into_par_iter().map(one).collect();
        for (path, result) in results {
            let broken = match result {
                Err(CountError::Model(error)) => return Err(error),
                result => each(path, result)?,
            };
            if broken.is_break() {
                return Ok(());
            }
        }
    }
}
