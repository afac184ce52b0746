//! Cross-validation as `giemsa cross-validate`, and single folds of it.

use crate::errors::{data_error, other_train_error, train_error};
use crate::pool::{compute, number_of_threads};
use crate::training::RecipeArgs;
use crate::watch::{Watched, watch};
use giemsa::dataset::labels::LabelSettings;
use giemsa::dataset::{Cache, DatasetError};
use giemsa::evaluate::bootstrap;
use giemsa::evaluate::metrics::Metrics;
use giemsa::report::cross_validation::write_report;
use giemsa::train::cross_validation::{
    CrossValidationSettings, FoldObserver, FoldReport, FoldsSummary, OutOfFold, THRESHOLD,
    begin_cross_validation as begin, cross_validate as run_folds, cross_validate_fold as run_fold,
};
use giemsa::train::{Ending, EpochRow, Observer, StepReport, TrainError};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// What is cross-validated.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct CrossValidationArgs {
    folder: PathBuf,
    recipe: RecipeArgs,
    folds: usize,
    seed: u64,
}

impl CrossValidationArgs {
    fn settings(&self) -> PyResult<CrossValidationSettings> {
        if self.folds < 2 {
            return Err(PyValueError::new_err(format!("folds: expected at least 2, found {}", self.folds)));
        }
        let recipe = self.recipe.load().map_err(|error| train_error(&error, &self.folder))?;
        let data = std::path::absolute(&self.folder).unwrap_or_else(|_| self.folder.clone());
        let mut settings = CrossValidationSettings::new(&data, recipe);
        (settings.folds, settings.seed) = (self.folds, self.seed);
        Ok(settings)
    }

    /// Finds and decodes all images.
    fn load(&self, py: Python<'_>, settings: &CrossValidationSettings, threads: Option<i64>) -> PyResult<Cache> {
        let images = compute(py, threads, || {
            let samples = LabelSettings::default().scan_all(&self.folder)?.samples;
            let images = Cache::load(samples, &settings.recipe.input, None, &|| {})?;
            let none = || DatasetError::NoReadableImages { path: self.folder.clone() }.into();
            if images.samples().is_empty() { Err(none()) } else { Ok(images) }
        })?;
        images.map_err(|error: TrainError| train_error(&error, &self.folder))
    }
}

/// Trains and evaluates all folds that are not finished, and writes the report.
#[pyfunction]
pub fn cross_validate(
    py: Python<'_>,
    arguments: CrossValidationArgs,
    out: PathBuf,
    threads: Option<i64>,
) -> PyResult<()> {
    let settings = arguments.settings()?;
    let images = arguments.load(py, &settings, threads)?;
    let mut out_of_fold = None;
    run(py, &out, threads, |observer| {
        out_of_fold = run_folds(&settings, &images, None, &out, observer)?;
        Ok(if out_of_fold.is_some() { Ending::Completed } else { Ending::Interrupted })
    })?;
    out_of_fold.map_or(Ok(()), |found| compute(py, threads, || report(&settings, &found, &out))?)
}

/// Creates the folder of a cross-validation, or checks that it can be continued.
#[pyfunction]
pub fn begin_cross_validation(
    py: Python<'_>,
    arguments: CrossValidationArgs,
    out: PathBuf,
    threads: Option<i64>,
) -> PyResult<()> {
    let settings = arguments.settings()?;
    let images = arguments.load(py, &settings, threads)?;
    let begun = compute(py, threads, || begin(&settings, &images, None, &out))?;
    begun.map_err(|error| train_error(&error, &out))
}

/// Trains and evaluates one fold, counted from 1.
#[pyfunction]
pub fn cross_validate_fold(
    py: Python<'_>,
    arguments: CrossValidationArgs,
    fold: usize,
    out: PathBuf,
    threads: Option<i64>,
) -> PyResult<()> {
    let settings = arguments.settings()?;
    if !(1..=settings.folds).contains(&fold) {
        return Err(PyValueError::new_err(format!("fold: expected one of 1..={}, found {fold}", settings.folds)));
    }
    let images = arguments.load(py, &settings, threads)?;
    run(py, &out, threads, |observer| run_fold(&settings, &images, None, fold, &out, observer))
}

/// Writes the report that the program writes.
fn report(settings: &CrossValidationSettings, found: &OutOfFold, out: &Path) -> PyResult<()> {
    let evaluated = Metrics::compute(&found.predictions, THRESHOLD, bootstrap::Settings::default())
        .and_then(|metrics| Ok((metrics, FoldsSummary::of(found)?)));
    let (metrics, summary) = evaluated.map_err(|error| data_error(error.to_string(), &settings.data))?;
    write_report(out, settings, found, &metrics, &summary).map_err(|error| other_train_error(error.to_string(), out))
}

/// Trains until the end or Ctrl-C.
fn run(
    py: Python<'_>,
    out: &Path,
    threads: Option<i64>,
    train: impl FnOnce(&mut dyn FoldObserver) -> Result<Ending, TrainError> + Send,
) -> PyResult<()> {
    let threads = number_of_threads(py, threads)?;
    let Watched { result, interruption } = watch(py, threads, None, |observer| train(&mut Folds(observer)))?;
    interruption.map_or(Ok(()), Err)?;
    result.map(drop).map_err(|error| train_error(&error, out))
}

/// Passes the progress of each fold to an observer of training.
struct Folds<'a>(&'a mut dyn Observer);

impl Observer for Folds<'_> {
    fn step(&mut self, report: &StepReport) -> ControlFlow<()> {
        self.0.step(report)
    }

    fn epoch(&mut self, history: &[EpochRow]) -> ControlFlow<()> {
        self.0.epoch(history)
    }

    fn elapsed_s(&self) -> f64 {
        self.0.elapsed_s()
    }
}

impl FoldObserver for Folds<'_> {
    fn fold(&mut self, _: &FoldReport) {}
}
