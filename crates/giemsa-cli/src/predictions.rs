//! Predictions of a model for the labelled images of a folder.

use crate::Context;
use crate::data::{LabelArgs, load, load_cells, print_found};
use crate::model::{file_of, name};
use crate::print::{print_line, print_note};
use giemsa::dataset::scan::Layout;
use giemsa::dataset::{Cache, DatasetError, Sample};
use giemsa::evaluate::{LabelledPrediction, labelled_predictions};
use giemsa::model::{Logits, Model, Tta};
use giemsa::preprocess::{Images, Preprocessing};
use giemsa::train::leak::training_patients_among;
use std::collections::BTreeSet;
use std::path::Path;

/// Finds the labelled images of a folder of class folders; if it has the parts Train and Test, those of Test.
pub fn find(folder: &Path, labels: &LabelArgs) -> anyhow::Result<Vec<Sample>> {
    Ok(match labels.settings().scan_layout(folder)? {
        Layout::Classes(samples) => samples,
        Layout::Parts { test, .. } => test,
    })
}

/// Finds all labelled images of a folder; if it has the parts Train and Test, those of both.
pub fn find_all(folder: &Path, labels: &LabelArgs, context: &Context) -> anyhow::Result<Vec<Sample>> {
    let found = labels.settings().scan_all(folder)?;
    print_found(&found.samples, context);
    if found.from_parts {
        print_line(context, "The folder has a training part and a test part: the folds contain the images of both.");
    }
    Ok(found.samples)
}

/// Decodes images, and rejects a folder without readable images.
pub fn read(
    samples: Vec<Sample>,
    folder: &Path,
    preprocessing: &Preprocessing,
    context: &Context,
) -> anyhow::Result<Cache> {
    check_readable(load(samples, preprocessing, context)?, folder)
}

fn check_readable(set: Cache, folder: &Path) -> anyhow::Result<Cache> {
    if set.is_empty() {
        return Err(DatasetError::NoReadableImages { path: folder.to_owned() }.into());
    }
    Ok(set)
}

/// The predictions of a model for the images of a folder.
pub struct FolderPredictions {
    /// One prediction per readable image.
    pub predictions: Vec<LabelledPrediction>,
    /// Logits of the network, before calibration.
    pub logits: Vec<Logits>,
    /// Number of unreadable images; they have been listed.
    pub unreadable: usize,
}

/// The images of a folder that are predicted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    /// All that can be read.
    AnyImage,
    /// All but photographs of whole fields, which are listed.
    Cells,
}

/// Finds and decodes the images of a folder, and predicts their classes.
pub fn predict_folder(
    model: &Model,
    tta: Tta,
    folder: &Path,
    labels: &LabelArgs,
    accept: Accept,
    context: &Context,
) -> anyhow::Result<FolderPredictions> {
    let samples = find(folder, labels)?;
    print_found(&samples, context);
    let input = &model.recipe.input;
    let set = match accept {
        Accept::AnyImage => load(samples, input, context)?,
        Accept::Cells => load_cells(samples, input, context)?,
    };
    let set = check_readable(set, folder)?;
    let logits = model.predictor(tta).logits(&set)?;
    let predictions = labelled_predictions(set.samples(), &logits, model.temperature);
    Ok(FolderPredictions { predictions, logits, unreadable: set.unreadable().len() })
}

/// Warns if a model was trained on patients of these names, according to the model or its run folder. `effect` ends the
/// sentence.
pub fn warn_about_leaks(model: &Model, path: Option<&Path>, images: &[LabelledPrediction], effect: &str) {
    let patients: BTreeSet<&str> = images.iter().filter_map(|image| image.patient.as_deref()).collect();
    let common = training_patients_among(&patients, model, file_of(path)).len();
    if common > 0 {
        let (name, all) = (name(path), patients.len());
        print_note(format_args!(
            "warning: {name} was trained on {common} of these {all} patients, judging by their names, so {effect}"
        ));
    }
}
