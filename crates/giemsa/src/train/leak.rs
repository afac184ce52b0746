//! Patients on whose images a model was trained: metrics on other images of them are too good.

use super::folder::{Part, RunFolder};
use std::collections::BTreeSet;
use std::path::Path;

/// Returns those patients that are training patients of a model, according to the list of images in its run folder; none if
/// there is no such list beside the model.
///
/// ```
/// use giemsa::train::leak::training_patients_among;
/// let run = std::path::Path::new("examples/no-run/model.safetensors");
/// assert!(training_patients_among(&["C33"].into(), run).is_empty());
/// ```
#[must_use]
pub fn training_patients_among<'a>(patients: &BTreeSet<&'a str>, model: &Path) -> BTreeSet<&'a str> {
    let run = model.parent().map(RunFolder::existing);
    let rows = run.and_then(|run| run.read_split().ok()).unwrap_or_default();
    let training = rows.iter().filter(|row| row.part == Part::Training);
    training.filter_map(|row| patients.get(row.patient.as_deref()?)).copied().collect()
}
