//! What commands that judge models share: labelled images, and what a model says of them.

use crate::Context;
use crate::data::{PatientArgs, load, say_found};
use giemsa::dataset::Cache;
use giemsa::dataset::scan::{Layout, scan_layout};
use giemsa::dataset::{DatasetError, Sample};
use giemsa::evaluate::{LabelledPrediction, labelled_predictions};
use giemsa::model::Model;
use giemsa::model::Tta;
use giemsa::preprocess::{Images, Preprocessing};
use std::path::Path;

/// The labelled images of a folder of class folders; of one with Train and Test in it, those of Test.
pub fn find(folder: &Path, patients: &PatientArgs) -> anyhow::Result<Vec<Sample>> {
    Ok(match scan_layout(folder, &patients.source()?)? {
        Layout::Classes(samples) => samples,
        Layout::Parts { test, .. } => test,
    })
}

/// Decodes images, and refuses a folder of which none can be read.
pub fn read(
    samples: Vec<Sample>,
    folder: &Path,
    preprocessing: &Preprocessing,
    context: &Context,
) -> anyhow::Result<Cache> {
    let set = load(samples, preprocessing, context)?;
    if set.is_empty() {
        let (path, expected) = (folder.display().to_string(), "at least one readable image".to_owned());
        return Err(DatasetError::Content { path, expected, found: "none".to_owned() }.into());
    }
    Ok(set)
}

/// What a model says of the images of a folder.
pub struct Judged {
    /// One an image that could be read.
    pub scored: Vec<LabelledPrediction>,
    /// The network's logits, before calibration.
    pub logits: Vec<f32>,
    /// How many images could not be read; they have been listed.
    pub unreadable: usize,
}

/// Finds, decodes and judges the images of a folder.
pub fn judge(
    model: &Model,
    views: Tta,
    folder: &Path,
    patients: &PatientArgs,
    context: &Context,
) -> anyhow::Result<Judged> {
    let samples = find(folder, patients)?;
    say_found(&samples, context);
    let set = read(samples, folder, &model.recipe.input, context)?;
    let logits = model.predictor(views).logits(&set)?;
    let scored = labelled_predictions(set.samples(), &logits, model.temperature);
    Ok(Judged { scored, logits, unreadable: set.unreadable().len() })
}
