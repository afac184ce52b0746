//! Trains a network on images in memory, for `GiemsaClassifier`.

use crate::errors::{image_error, model_error, train_error};
use crate::evaluation::class;
use crate::images::{Image, image_blocks};
use crate::json::to_python;
use crate::pool::{compute, number_of_threads};
use crate::training::RecipeArgs;
use crate::watch::{Watched, watch};
use giemsa::classes::Class;
use giemsa::dataset::LabelledImages;
use giemsa::image::ImageError;
use giemsa::preprocess::{Images, Preprocessing};
use giemsa::train::{Settings, State};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// Preprocessed images with their classes.
#[derive(Default)]
struct Set {
    images: Vec<Vec<u8>>,
    classes: Vec<Class>,
}

impl Images for Set {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn read(&self, index: usize, bytes: &mut [u8]) -> Result<(), ImageError> {
        bytes.copy_from_slice(&self.images[index]);
        Ok(())
    }
}

impl LabelledImages for Set {
    fn class(&self, index: usize) -> Class {
        self.classes[index]
    }
}

/// Trains on some of the images and validates on the others. Writes the best model to `out`, and returns the history.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "the options of a Python function")]
pub fn fit<'py>(
    py: Python<'py>,
    images: &Bound<'py, PyAny>,
    labels: Vec<String>,
    is_validation: Vec<bool>,
    recipe: RecipeArgs,
    seed: u64,
    out: PathBuf,
    callback: Option<Bound<'py, PyAny>>,
    threads: Option<i64>,
) -> PyResult<Bound<'py, PyAny>> {
    let origin = Path::new("training");
    let recipe = recipe.load().map_err(|error| train_error(&error, origin))?;
    let [training, validation] = sets(py, images, &labels, &is_validation, &recipe.input, threads)?;
    let settings = Settings { recipe, seed, steps_per_epoch: None };
    let mut state = State::new(&settings).map_err(|error| train_error(&error, origin))?;
    let Watched { result, interruption } = watch(py, number_of_threads(py, threads)?, callback, |observer| {
        giemsa::train::train(&mut state, &settings, &training, &validation, None, observer)
    })?;
    interruption.map_or(Ok(()), Err)?;
    result.map_err(|error| train_error(&error, origin))?;
    let best = state.best.as_ref().ok_or_else(|| PyRuntimeError::new_err("training ended before the first epoch"))?;
    best.save(&out).map_err(|error| model_error(&error, &out))?;
    to_python(py, &state.progress.history)
}

/// Decodes and preprocesses the images of the training set and the validation set.
fn sets(
    py: Python<'_>,
    images: &Bound<'_, PyAny>,
    labels: &[String],
    is_validation: &[bool],
    input: &Preprocessing,
    threads: Option<i64>,
) -> PyResult<[Set; 2]> {
    let mut sets = [Set::default(), Set::default()];
    let mut index = 0;
    image_blocks(images, |block: Vec<Image>| {
        let preprocess = |source: &Image| source.pixels().map(|pixels| input.to_bytes(&pixels));
        let decoded = compute(py, threads, || block.par_iter().map(preprocess).collect::<Vec<_>>())?;
        for bytes in decoded {
            let (Some(label), Some(&is_validation)) = (labels.get(index), is_validation.get(index)) else {
                return Err(PyValueError::new_err(format!("expected {} images, found more", labels.len())));
            };
            let set = &mut sets[usize::from(is_validation)];
            set.images.push(bytes.map_err(|error| image_error(&error))?);
            set.classes.push(class(label, &format!("y[{index}]"))?);
            index += 1;
        }
        py.check_signals()
    })?;
    Ok(sets)
}
