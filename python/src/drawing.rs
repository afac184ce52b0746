//! Draws cells and photographs of smears, for examples and tests.

use crate::errors::data_error;
use crate::pool::compute;
use giemsa::synthetic::{SmearSettings, SyntheticError, write_folder, write_smears};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Draws cells into `folder/{Parasitized,Uninfected}`. There must be patients, one of whom is infected.
#[pyfunction]
pub fn draw_cells(
    py: Python<'_>,
    folder: PathBuf,
    images: usize,
    patients: usize,
    seed: u64,
    threads: Option<i64>,
) -> PyResult<Vec<PathBuf>> {
    let drawn = compute(py, threads, || write_folder(&folder, images, patients, seed, &|| ControlFlow::Continue(())))?;
    drawn.map_err(|error| synthetic_error(&error, &folder))
}

/// Draws photographs of smears into `folder/slide_…`.
#[pyfunction]
pub fn draw_smears(
    py: Python<'_>,
    folder: PathBuf,
    slides: usize,
    photographs_per_slide: usize,
    parasitaemia: f32,
    seed: u64,
    threads: Option<i64>,
) -> PyResult<Vec<PathBuf>> {
    if !(0.0..=1.0).contains(&parasitaemia) {
        return Err(PyValueError::new_err(format!("parasitaemia: expected a fraction in 0..=1, found {parasitaemia}")));
    }
    let settings = SmearSettings { parasitaemia, ..SmearSettings::default() };
    let progress = || ControlFlow::Continue(());
    let draw = || write_smears(&folder, seed, slides, photographs_per_slide, &settings, &progress);
    compute(py, threads, draw)?.map_err(|error| synthetic_error(&error, &folder))
}

fn synthetic_error(error: &SyntheticError, folder: &Path) -> PyErr {
    data_error(error.to_string(), folder)
}
