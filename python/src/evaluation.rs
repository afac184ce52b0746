//! Computes the metrics of probabilities.

use crate::json::to_python;
use crate::pool::compute;
use giemsa::classes::Class;
use giemsa::evaluate::LabelledPrediction;
use giemsa::evaluate::bootstrap::Settings;
use giemsa::evaluate::metrics::Metrics;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Returns the class of this name.
pub fn class(name: &str, place: &str) -> PyResult<Class> {
    let class = Class::ALL.into_iter().find(|class| class.name() == name);
    let [a, b] = Class::ALL.map(Class::name);
    class.ok_or_else(|| {
        PyValueError::new_err(format!("{place}: expected the name of a class, {a} or {b}, found {name}"))
    })
}

/// Computes the metrics of images with these classes, probabilities of *Parasitized*, and patients.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "the options of a Python function")]
pub fn evaluate<'py>(
    py: Python<'py>,
    classes: Vec<String>,
    probabilities: Vec<f64>,
    groups: Option<Vec<String>>,
    threshold: f64,
    draws: usize,
    seed: u64,
    threads: Option<i64>,
) -> PyResult<Bound<'py, PyAny>> {
    let mut patients = groups.into_iter().flatten();
    let predictions = classes
        .iter()
        .zip(probabilities)
        .enumerate()
        .map(|(index, (name, probability_parasitized))| {
            Ok(LabelledPrediction {
                path: format!("p[{index}]").into(),
                class: class(name, &format!("y_true[{index}]"))?,
                patient: patients.next(),
                probability_parasitized,
                probability_red_cell: None,
            })
        })
        .collect::<PyResult<Vec<_>>>()?;
    let metrics = compute(py, threads, || Metrics::compute(&predictions, threshold, Settings { draws, seed }))?;
    to_python(py, &metrics.map_err(|error| PyValueError::new_err(error.to_string()))?)
}
