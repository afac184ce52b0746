//! The images of a run: which there are, which part they are in, and that the parts have nothing in common.

use super::{By, RunSettings};
use crate::Context;
use crate::data::{check_unreadable, load, patients, say, say_found};
use anyhow::{Context as _, bail};
use giemsa::dataset::Cache;
use giemsa::dataset::duplicates::find_duplicates;
use giemsa::dataset::scan::{ClassFolders, Layout, scan_classes, scan_layout};
use giemsa::dataset::split::split;
use giemsa::dataset::{DatasetError, Sample};
use giemsa::model::Recipe;
use giemsa::train::RunFolder;
use giemsa::train::folder::{Part, SplitRow, split_rows};
use std::path::PathBuf;

/// The two parts of a run, decoded.
pub struct Sets {
    pub training: Cache,
    pub validation: Cache,
}

/// The two parts of a run, as found.
struct Parts {
    training: Vec<Sample>,
    validation: Vec<Sample>,
    /// Where the images to validate on are, when somebody else has chosen them.
    given: Option<PathBuf>,
}

impl Sets {
    /// The rows of `split.csv`.
    pub fn split_rows(&self) -> Vec<SplitRow> {
        split_rows(self.training.samples(), Part::Training)
            .chain(split_rows(self.validation.samples(), Part::Validation))
            .collect()
    }

    /// Whether there were images that could not be read.
    pub fn skipped(&self) -> bool {
        !self.training.unreadable().is_empty() || !self.validation.unreadable().is_empty()
    }
}

/// Finds, divides and decodes the images of a run, and says what it found.
pub fn gather(run: &RunSettings, context: &Context) -> anyhow::Result<Sets> {
    let parts = divide(run)?;
    let validation_folder = parts.given.as_deref().unwrap_or(&run.data).to_owned();
    for (samples, part) in [(&parts.training, "Training"), (&parts.validation, "Validation")] {
        say_found(samples, context);
        let count = patients(samples).len();
        if count > 0 {
            say(context, &format!("{part}: {} images of {count} patients.", samples.len()));
        }
    }
    warn_of_leaks(&parts, run.images.split_by);
    let given = parts.given.is_some();
    let sets = Sets {
        training: load(parts.training, &run.recipe.input, context)?,
        validation: load(parts.validation, &run.recipe.input, context)?,
    };
    check_unreadable(&sets.training, run.images.max_unreadable, &run.data)?;
    check_unreadable(&sets.validation, run.images.max_unreadable, &validation_folder)?;
    check_shared(&sets, run, given)?;
    Ok(sets)
}

fn divide(run: &RunSettings) -> anyhow::Result<Parts> {
    let (classes, source) = (ClassFolders::default(), run.images.patients.source()?);
    if let Some(folder) = &run.images.validation {
        let (training, validation) =
            (scan_classes(&run.data, &classes, &source)?, scan_classes(folder, &classes, &source)?);
        return Ok(Parts { training, validation, given: Some(folder.clone()) });
    }
    match scan_layout(&run.data, &classes, &source)? {
        Layout::Parts { train, test } => Ok(Parts { training: train, validation: test, given: Some(run.data.clone()) }),
        Layout::Classes(samples) => hold_back(samples, run),
    }
}

fn hold_back(samples: Vec<Sample>, run: &RunSettings) -> anyhow::Result<Parts> {
    let by = run.images.split_by;
    let (training, validation) = split(samples, run.images.validation_split, by.into(), run.seed)
        .with_context(|| format!("{} cannot be split", run.data.display()))?;
    Ok(Parts { training, validation, given: None })
}

fn warn_of_leaks(parts: &Parts, by: By) {
    let (training, validation) = (patients(&parts.training), patients(&parts.validation));
    let common = training.intersection(&validation).count();
    if parts.given.is_none() && by == By::Image {
        eprintln!(
            "warning: split by image: {common} patients are in both parts, so the figures say little of new patients"
        );
    } else if common > 0 {
        eprintln!("warning: {common} patients are in both parts, so the figures say little of new patients");
    }
}

/// How many pairs of shared images are named.
const PAIRS_NAMED: usize = 20;

/// An image in both parts is a mistake where somebody has chosen the parts, and a remark where chance has.
fn check_shared(sets: &Sets, run: &RunSettings, given: bool) -> Result<(), DatasetError> {
    let pairs = find_duplicates(&sets.training, &sets.validation, run.recipe.input.side_px)?;
    if pairs.is_empty() {
        return Ok(());
    }
    for (training, validation) in pairs.iter().take(PAIRS_NAMED) {
        let path = |set: &Cache, index: usize| set.samples()[index].path.display().to_string();
        eprintln!("in both parts: {} = {}", path(&sets.training, *training), path(&sets.validation, *validation));
    }
    if pairs.len() > PAIRS_NAMED {
        eprintln!("in both parts: and {} more", pairs.len() - PAIRS_NAMED);
    }
    if !given || run.images.allow_shared {
        eprintln!("warning: {} images of the validation are trained on too", pairs.len());
        return Ok(());
    }
    Err(DatasetError::Content {
        path: run.images.validation.as_deref().unwrap_or(&run.data).display().to_string(),
        expected: "images to validate on that are not trained on (or --allow-shared)".to_owned(),
        found: format!("{} that are, listed above", pairs.len()),
    })
}

/// A run goes on only with the recipe it began with, but for the number of epochs where nothing depends on it.
pub fn check_same_recipe(began: &Recipe, now: &Recipe, folder: &RunFolder) -> anyhow::Result<()> {
    use giemsa::model::recipe::Schedule;
    let mut expected = began.clone();
    if began.training.schedule == Schedule::Constant {
        expected.training.epochs = now.training.epochs;
    }
    if expected != *now {
        bail!(
            "{}: expected the recipe that last.safetensors was trained by, found another one (a learning rate that \
             changes over the run does not allow another number of epochs)",
            folder.settings().display()
        );
    }
    Ok(())
}

/// A run goes on only with the images it began with.
pub fn check_same_split(sets: &Sets, folder: &RunFolder) -> anyhow::Result<()> {
    let (began, now) = (folder.read_split()?, sets.split_rows());
    let path = folder.split().display().to_string();
    let differs = began.iter().zip(&now).find(|(began, now)| began != now);
    let found = match differs {
        Some((began, now)) => format!("{} where {} was", now.path.display(), began.path.display()),
        None if began.len() != now.len() => format!("{} instead of {}", now.len(), began.len()),
        None => return Ok(()),
    };
    Err(DatasetError::Content { path, expected: "the images that the run began with".to_owned(), found }.into())
}
