//! Patients on whose images a model was trained: metrics on other images of them are too good.

use super::folder::{Part, RunFolder};
use crate::model::Model;
use std::collections::BTreeSet;
use std::path::Path;

/// Returns those patients that are training patients of a model, according to the model itself and to the list of images in
/// its run folder; none if there is neither. `file` is the model file, if there is one.
///
/// ```
/// use giemsa::{model::Model, train::leak::training_patients_among};
/// let mut model = Model::embedded()?;
/// model.training_patients = vec!["C33".to_owned()];
/// assert_eq!(training_patients_among(&["C33", "C34"].into(), &model, None), ["C33"].into());
/// # Ok::<(), giemsa::model::ModelError>(())
/// ```
#[must_use]
pub fn training_patients_among<'a>(
    patients: &BTreeSet<&'a str>,
    model: &Model,
    file: Option<&Path>,
) -> BTreeSet<&'a str> {
    let run = file.and_then(Path::parent).map(RunFolder::existing);
    let rows = run.and_then(|run| run.read_split().ok()).unwrap_or_default();
    let of_run = rows.iter().filter(|row| row.part == Part::Training).filter_map(|row| row.patient.as_deref());
    let training = of_run.chain(model.training_patients.iter().map(String::as_str));
    training.filter_map(|patient| patients.get(patient)).copied().collect()
}
