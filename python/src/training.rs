//! Trains networks, in a folder or from images in memory.

use crate::errors::train_error;
use crate::json::to_python;
use crate::pool::{compute, number_of_threads};
use crate::watch::{Watched, watch};
use giemsa::model::Recipe;
use giemsa::train::folder::next_run_folder;
use giemsa::train::sets::Sets;
use giemsa::train::{EpochRow, Run, RunFolder, RunSettings, StoppedRun, TrainError};
use pyo3::exceptions::{PyUserWarning, PyValueError};
use pyo3::prelude::*;
use std::ffi::CString;
use std::path::{Path, PathBuf};

/// A recipe and the changes to it.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct RecipeArgs {
    recipe: String,
    epochs: Option<u64>,
    batch_size: Option<usize>,
    learning_rate: Option<f32>,
}

impl RecipeArgs {
    /// Loads the recipe and applies the changes.
    pub fn load(&self) -> Result<Recipe, TrainError> {
        let mut recipe = Recipe::load(&self.recipe)?;
        let training = &mut recipe.training;
        training.epochs = self.epochs.unwrap_or(training.epochs);
        training.batch_size = self.batch_size.unwrap_or(training.batch_size);
        training.learning_rate = self.learning_rate.unwrap_or(training.learning_rate);
        recipe.check("", &format!("recipe `{}` with the given options", recipe.name))?;
        Ok(recipe)
    }
}

/// The images of a run.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct SetArgs {
    validation: Option<PathBuf>,
    validation_split: f64,
    split_by_image: bool,
    negatives: Option<PathBuf>,
    not_cells: Option<PathBuf>,
    seed: u64,
}

/// Trains in a new folder. Returns the folder, the history, and whether all epochs are completed.
#[pyfunction]
pub fn train<'py>(
    py: Python<'py>,
    folder: PathBuf,
    out: Option<PathBuf>,
    recipe: RecipeArgs,
    sets: SetArgs,
    callback: Option<Bound<'py, PyAny>>,
    threads: Option<i64>,
) -> PyResult<(PathBuf, Bound<'py, PyAny>, bool)> {
    let fail = |error| train_error(&error, &folder);
    let recipe = recipe.load().map_err(fail)?;
    let out = out.or_else(|| next_run_folder(Path::new("runs"), &recipe.name));
    let out = out.ok_or_else(|| PyValueError::new_err("runs contains a million folders of this recipe: give out"))?;
    RunFolder::check_free(&out).map_err(|error| train_error(&error, &out))?;
    // The run can be resumed from another working directory.
    let data = std::path::absolute(&folder).unwrap_or_else(|_| folder.clone());
    let settings = sets.settings(&data, recipe)?;
    let loaded = load(py, &settings, threads)?.map_err(fail)?;
    py.check_signals()?;
    let run = compute(py, threads, || Run::start(&out, settings, loaded))?;
    continue_run(py, run.map_err(|error| train_error(&error, &out))?, callback, threads)
}

/// Continues a run that was stopped.
#[pyfunction]
pub fn resume<'py>(
    py: Python<'py>,
    folder: PathBuf,
    epochs: Option<u64>,
    callback: Option<Bound<'py, PyAny>>,
    threads: Option<i64>,
) -> PyResult<(PathBuf, Bound<'py, PyAny>, bool)> {
    let fail = |error| train_error(&error, &folder);
    let mut stopped = StoppedRun::open(&folder).map_err(fail)?;
    epochs.map_or(Ok(()), |epochs| stopped.set_epochs(epochs)).map_err(fail)?;
    let sets = load(py, stopped.settings(), threads)?.map_err(fail)?;
    py.check_signals()?;
    let run = compute(py, threads, || stopped.resume(sets))?.map_err(fail)?;
    continue_run(py, run, callback, threads)
}

impl SetArgs {
    fn settings(&self, data: &Path, recipe: Recipe) -> PyResult<RunSettings> {
        let in_range = self.validation_split > 0.0 && self.validation_split < 1.0;
        if !in_range {
            let found = self.validation_split;
            let message = format!("validation_split: expected a fraction between 0 and 1, found {found}");
            return Err(PyValueError::new_err(message));
        }
        let absolute = |path: &Option<PathBuf>| path.as_ref().map(std::path::absolute).transpose();
        let mut settings = RunSettings::new(data, recipe);
        settings.seed = self.seed;
        settings.images.validation = absolute(&self.validation)?;
        settings.images.validation_split = self.validation_split;
        settings.images.negatives = absolute(&self.negatives)?;
        settings.images.not_cells = absolute(&self.not_cells)?;
        if self.split_by_image {
            settings.images.split_by = giemsa::dataset::split::SplitBy::Image;
        }
        Ok(settings)
    }
}

/// Reads the images of a run, and warns about unreadable ones and those in both sets.
fn load(py: Python<'_>, settings: &RunSettings, threads: Option<i64>) -> PyResult<Result<Sets, TrainError>> {
    let sets = compute(py, threads, || settings.divide()?.load(&settings.recipe.input, &|| {}))?;
    if let Ok(sets) = &sets {
        let unreadable = sets.unreadable().map(|error| format!("skipped {error}"));
        for message in unreadable.chain(sets.warnings.iter().map(ToString::to_string)) {
            let message = CString::new(message.replace('\0', "\u{fffd}"))?;
            PyErr::warn(py, &py.get_type::<PyUserWarning>(), &message, 3)?;
        }
    }
    Ok(sets)
}

fn continue_run<'py>(
    py: Python<'py>,
    mut run: Run,
    callback: Option<Bound<'py, PyAny>>,
    threads: Option<i64>,
) -> PyResult<(PathBuf, Bound<'py, PyAny>, bool)> {
    let folder = run.folder().path().to_owned();
    let threads = number_of_threads(py, threads)?;
    let Watched { result, interruption } = watch(py, threads, callback, |observer| run.train(observer))?;
    if let Some(interruption) = interruption {
        let note = format!("the run is saved in {0}; giemsa.resume({0:?}) continues it", folder.display());
        interruption.value(py).call_method1("add_note", (note,))?;
        return Err(interruption);
    }
    let ending = result.map_err(|error| train_error(&error, &folder))?;
    let history: &Vec<EpochRow> = &run.state().progress.history;
    Ok((folder, to_python(py, history)?, ending == giemsa::train::Ending::Completed))
}
