//! Files of other tools: export and import.

use crate::errors::{model_error, other_model_error};
use crate::model::NativeModel;
use crate::pool::compute;
use giemsa::classes::Class;
use giemsa::model::Recipe;
use giemsa::model::format::{self, Format, FormatError, ImportSettings};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::path::{Path, PathBuf};

/// Writes a model in the format of another tool.
#[pyfunction]
pub fn export_model(py: Python<'_>, model: &NativeModel, path: PathBuf, format: &str) -> PyResult<()> {
    let format = parse(format)?;
    compute(py, None, || model.model.export(format, &path))?.map_err(|error| format_error(&error, &path))
}

/// Reads a file of another tool, and writes a model file.
#[pyfunction]
pub fn import_model(
    py: Python<'_>,
    path: PathBuf,
    out: PathBuf,
    format: Option<&str>,
    recipe: Option<&str>,
    probability_of: &str,
) -> PyResult<()> {
    let format = format.map(parse).transpose()?;
    let mut settings = ImportSettings::default();
    let recipe = recipe.map(Recipe::load).transpose();
    settings.recipe = recipe.map_err(|error| PyValueError::new_err(error.to_string()))?;
    let class = Class::ALL.into_iter().find(|class| class.name() == probability_of);
    settings.probability_of = class.ok_or_else(|| {
        PyValueError::new_err(format!("probability_of: expected Parasitized or Uninfected, found {probability_of}"))
    })?;
    let imported = compute(py, None, || format::import(&path, format, &settings))?;
    let model = imported.map_err(|error| format_error(&error, &path))?;
    model.save(&out).map_err(|error| model_error(&error, &out))
}

fn parse(format: &str) -> PyResult<Format> {
    format.parse().map_err(|expected| PyValueError::new_err(format!("format: {expected}, found {format}")))
}

fn format_error(error: &FormatError, path: &Path) -> PyErr {
    match error {
        FormatError::Model(error) => model_error(error, path),
        _ => other_model_error(error.to_string(), path),
    }
}
