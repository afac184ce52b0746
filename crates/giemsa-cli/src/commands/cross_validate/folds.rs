//! The folds of a cross-validation: trained one after the other, each judged by the network that has not seen it, and
//! kept, so that a run that was stopped goes on.

use crate::data::{patients, say};
use crate::{Context, number_of};
use anyhow::{Context as _, bail};
use giemsa::dataset::split::folds;
use giemsa::dataset::{Cache, DatasetError, Sample, Subset};
use giemsa::evaluate::predictions_csv::{read_predictions, write_predictions};
use giemsa::evaluate::{LabelledPrediction, labelled_predictions};
use giemsa::files::write_whole;
use giemsa::model::{Model, Recipe};
use giemsa::model::{Tta, predict_logits};
use giemsa::preprocess::Images;
use giemsa::train::{Ending, EpochRow, Observer, Settings, State, StepReport, train};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// What `settings.toml` holds: what must be the same for a run to go on.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct CrossSettings {
    pub data: PathBuf,
    pub folds: u16,
    pub seed: u64,
    pub recipe: Recipe,
}

/// What the networks say of the images that they have not seen.
pub struct OutOfFold {
    /// One an image.
    pub scored: Vec<LabelledPrediction>,
    /// The fold of each, from 0.
    pub fold_of: Vec<usize>,
}

/// Networks that nobody has calibrated decide at even odds.
pub const THRESHOLD: f64 = 0.5;

/// Trains and judges fold after fold; none when the user has stopped it.
pub fn out_of_fold(
    run: &CrossSettings,
    set: &Cache,
    out: &Path,
    context: &Context,
) -> anyhow::Result<Option<OutOfFold>> {
    let samples = set.samples();
    let fold_of = folds(samples, run.folds.into(), run.seed)
        .with_context(|| format!("{} cannot be divided into folds", run.data.display()))?;
    say(context, &format!("{} in {} folds.", number_of(patients(samples).len(), "patient"), run.folds));
    begin_or_go_on(out, run)?;
    let mut probabilities = vec![f64::NAN; samples.len()];
    for fold in 0..usize::from(run.folds) {
        let held_out = part(set, &fold_of, |of| of == fold);
        let predicted = match finished(out, fold, &held_out)? {
            Some(predicted) => predicted,
            None => match train_fold(out, fold, run, set, &fold_of, context)? {
                Some(predicted) => predicted,
                None => return Ok(None),
            },
        };
        for (&index, image) in held_out.indices().iter().zip(predicted) {
            probabilities[index] = image.probability_parasitized;
        }
    }
    let scored = samples.iter().zip(probabilities).map(|(sample, p)| scored_as(sample, p)).collect();
    Ok(Some(OutOfFold { scored, fold_of }))
}

/// Makes the folder, or checks that what is in it was begun with the same settings.
fn begin_or_go_on(out: &Path, run: &CrossSettings) -> anyhow::Result<()> {
    let path = out.join("settings.toml");
    if path.exists() {
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let began: CrossSettings = toml::from_str(&text).with_context(|| path.display().to_string())?;
        if began != *run {
            bail!("{}: expected the settings of this command, found others; give another --out", path.display());
        }
        return Ok(());
    }
    std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    if std::fs::read_dir(out)?.next().is_some() {
        bail!("{}: expected a new or empty folder, or one of this command, found other files in it", out.display());
    }
    let text = toml::to_string_pretty(run)?;
    write_whole(&path, |file| file.write_all(text.as_bytes())).with_context(|| path.display().to_string())
}

fn fold_folder(out: &Path, fold: usize) -> PathBuf {
    out.join(format!("fold-{}", fold + 1))
}

/// The predictions of a fold that was finished before.
fn finished(out: &Path, fold: usize, held_out: &Subset<'_>) -> anyhow::Result<Option<Vec<LabelledPrediction>>> {
    let path = fold_folder(out, fold).join("predictions.csv");
    if !path.exists() {
        return Ok(None);
    }
    let found = read_predictions(&path).with_context(|| path.display().to_string())?;
    let same = found.len() == held_out.len()
        && held_out.samples().zip(&found).all(|(sample, image)| {
            (&sample.path, sample.class, &sample.patient) == (&image.path, image.class, &image.patient)
        });
    if !same {
        let expected = "the images that the fold holds now".to_owned();
        let found = "others; the data has changed since, give another --out".to_owned();
        return Err(DatasetError::Content { path: path.display().to_string(), expected, found }.into());
    }
    Ok(Some(found))
}

/// Trains on all other folds and judges this one; none when the user has stopped it.
fn train_fold(
    out: &Path,
    fold: usize,
    run: &CrossSettings,
    set: &Cache,
    fold_of: &[usize],
    context: &Context,
) -> anyhow::Result<Option<Vec<LabelledPrediction>>> {
    let folder = fold_folder(out, fold);
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let checkpoint = folder.join("last.safetensors");
    let settings = Settings { recipe: run.recipe.clone(), seed: run.seed, steps_per_epoch: None };
    let mut state = if checkpoint.exists() { State::load(&checkpoint)?.0 } else { State::new(&settings)? };
    let (training, held_out) = (part(set, fold_of, |of| of != fold), part(set, fold_of, |of| of == fold));
    say(context, &format!("Fold {}: {} images to train on, {} held out.", fold + 1, training.len(), held_out.len()));
    let ending = train(&mut state, &settings, &training, &held_out, None, &mut Lines { context, judged: "held out" })?;
    if ending == Ending::Interrupted {
        state.save(&checkpoint, &run.recipe)?;
        eprintln!("stopped in fold {}; the same command goes on from there", fold + 1);
        return Ok(None);
    }
    let network = state.averaged_network()?;
    let samples: Vec<Sample> = held_out.samples().cloned().collect();
    let predicted = labelled_predictions(&samples, &predict_logits(&network, &held_out, Tta::None)?, 1.0);
    giemsa::evaluate::check(&predicted)?;
    Model::new(run.recipe.clone(), network).save(&folder.join("model.safetensors"))?;
    let path = folder.join("predictions.csv");
    // Last, as it marks the fold as finished.
    write_predictions(&path, &predicted, THRESHOLD).with_context(|| path.display().to_string())?;
    if checkpoint.exists() {
        std::fs::remove_file(&checkpoint).with_context(|| checkpoint.display().to_string())?;
    }
    Ok(Some(predicted))
}

fn scored_as(sample: &Sample, probability_parasitized: f64) -> LabelledPrediction {
    LabelledPrediction {
        path: sample.path.clone(),
        class: sample.class,
        patient: sample.patient.clone(),
        probability_parasitized,
    }
}

/// Selects the images of the folds that belong.
pub fn part<'a>(set: &'a Cache, fold_of: &[usize], belongs: impl Fn(usize) -> bool) -> Subset<'a> {
    let indices = fold_of.iter().enumerate().filter(|&(_, &fold)| belongs(fold)).map(|(index, _)| index);
    Subset::new(set, indices.collect())
}

/// One line an epoch.
pub struct Lines<'a> {
    pub context: &'a Context,
    /// What the images are to the network that the epochs are judged on.
    pub judged: &'static str,
}

impl Observer for Lines<'_> {
    fn step(&mut self, _: &StepReport) -> ControlFlow<()> {
        if crate::interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn epoch(&mut self, history: &[EpochRow]) -> ControlFlow<()> {
        if let Some(row) = history.last() {
            let EpochRow { epoch, loss, val_loss, val_acc, .. } = row;
            let judged = self.judged;
            let line = format!("  epoch {epoch}  loss {loss:.4}  {judged}: loss {val_loss:.4}, acc {val_acc:.4}");
            say(self.context, &line);
        }
        ControlFlow::Continue(())
    }
}
