//! Counts the cells on photographs of smears.

use crate::errors::{count_error, model_error};
use crate::images::{Image, image, is_one_image, next_block};
use crate::json::to_python;
use crate::model::{NativeModel, tta_of};
use crate::pool::{compute, number_of_threads};
use giemsa::RESEARCH_ONLY;
use giemsa::model::Predictor;
use giemsa::smear::rows::{PhotographRow, SlideRow};
use giemsa::smear::{CountError, Photograph, Slide, count_slide, find_cells};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rayon::prelude::*;
use serde::Serialize;
use std::path::PathBuf;

/// A slide as the program's JSON, with the boxes of the cells.
#[derive(Serialize)]
struct CountedSlide {
    #[serde(flatten)]
    slide: SlideRow,
    photographs: Vec<PhotographRow>,
    research_only: &'static str,
}

/// Counts the photographs of one slide.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "the options of a Python function")]
pub fn count<'py>(
    py: Python<'py>,
    model: &NativeModel,
    photographs: &Bound<'py, PyAny>,
    name: &str,
    cell_diameter_px: Option<f32>,
    red_cells_per_microlitre: f64,
    tta: bool,
    threads: Option<i64>,
) -> PyResult<Bound<'py, PyAny>> {
    check_positive("red_cells_per_microlitre", Some(red_cells_per_microlitre))?;
    check_positive("cell_diameter_px", cell_diameter_px.map(f64::from))?;
    let predictor = model.model.predictor(tta_of(tta));
    let (mut found, mut skipped) = (Vec::new(), Vec::new());
    for (path, result) in find_in_all(py, &predictor, photographs, cell_diameter_px, threads)? {
        match result {
            Ok(photograph) => found.push(photograph),
            Err(CountError::Model(error)) => return Err(model_error(&error, model.path())),
            Err(error) => skipped.push((path, error)),
        }
    }
    if let (true, Some((path, error))) = (found.is_empty(), skipped.first()) {
        return Err(count_error(error, path));
    }
    let counted = compute(py, threads, || count_slide(&model.model, name, found, red_cells_per_microlitre))?;
    let mut slide = counted.map_err(|error| model_error(&error, model.path()))?;
    slide.skipped = skipped;
    to_python(py, &rows(&slide, model))
}

/// A photograph with its path or name, or the reason why it cannot be counted.
type Found = (PathBuf, Result<Photograph, CountError>);

/// Finds the cells of a photograph or of a list of them, a few photographs at a time.
fn find_in_all(
    py: Python<'_>,
    predictor: &Predictor<'_>,
    photographs: &Bound<'_, PyAny>,
    cell_diameter_px: Option<f32>,
    threads: Option<i64>,
) -> PyResult<Vec<Found>> {
    let block = number_of_threads(py, threads)?;
    let find = |source: &Image| {
        let found = source.pixels().map_err(CountError::from);
        let found = found.and_then(|pixels| find_cells(predictor, source.path(), &pixels, cell_diameter_px));
        (source.path().to_owned(), found)
    };
    if is_one_image(photographs)? {
        let source = image(photographs, "photograph")?;
        return Ok(vec![compute(py, threads, || find(&source))?]);
    }
    let mut objects = photographs.try_iter()?;
    let mut found: Vec<Found> = Vec::new();
    loop {
        let images = next_block(&mut objects, block, found.len(), "photographs")?;
        if images.is_empty() {
            return Ok(found);
        }
        found.extend(compute(py, threads, || images.par_iter().map(find).collect::<Vec<_>>())?);
        py.check_signals()?;
    }
}

fn rows(slide: &Slide, model: &NativeModel) -> CountedSlide {
    let error_rates = model.model.error_rates;
    let mut row = SlideRow::new(slide, error_rates);
    // The photographs with their cells take the place of those without.
    row.photographs.clear();
    let photographs =
        slide.photographs.iter().map(|photo| PhotographRow::new(photo, &slide.name, error_rates)).collect();
    CountedSlide { slide: row, photographs, research_only: RESEARCH_ONLY }
}

fn check_positive(name: &str, value: Option<f64>) -> PyResult<()> {
    match value.filter(|value| !(value.is_finite() && *value > 0.0)) {
        Some(value) => Err(PyValueError::new_err(format!("{name}: expected a positive number, found {value}"))),
        None => Ok(()),
    }
}
