//! What commands that read labelled images share: where patients come from, and loading with a bar and a limit.

use crate::Context;
use clap::ValueEnum;
use giemsa::classes::Class;
use giemsa::dataset::patients::PatientSource;
use giemsa::dataset::split::SplitBy;
use giemsa::dataset::{Cache, DatasetError, Sample};
use giemsa::preprocess::{Images, Preprocessing};
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Where it is written which image is of which patient.
#[derive(clap::Args, Clone, Debug, Default, Serialize, Deserialize)]
pub struct PatientArgs {
    /// A CSV file with an image's name or path and its patient in each row; else the patient is the C and number that an
    /// image's name begins with.
    #[arg(long, value_name = "FILE.csv", conflicts_with = "patient_pattern")]
    pub patients: Option<PathBuf>,
    /// A regular expression that finds the patient in an image's name: its first group, or all of it.
    #[arg(long, value_name = "REGEX")]
    pub patient_pattern: Option<String>,
}

impl PatientArgs {
    /// Reads the table or compiles the pattern.
    pub fn source(&self) -> anyhow::Result<PatientSource> {
        Ok(match (&self.patients, &self.patient_pattern) {
            (Some(table), _) => PatientSource::from_table(table)?,
            (None, Some(pattern)) => PatientSource::from_pattern(pattern)?,
            (None, None) => PatientSource::FileName,
        })
    }
}

/// A bar on a terminal for `len` steps of something; nothing elsewhere.
pub fn bar(context: &Context, len: usize, what: &'static str) -> ProgressBar {
    let shown = !context.quiet && std::io::stderr().is_terminal();
    let bar = if shown { ProgressBar::new(len as u64) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len}, {eta} left") {
        bar.set_style(style);
    }
    bar.with_message(what)
}

/// What is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Whole patients.
    Patient,
    /// Single images.
    Image,
}

impl From<By> for SplitBy {
    fn from(by: By) -> SplitBy {
        match by {
            By::Patient => SplitBy::Patient,
            By::Image => SplitBy::Image,
        }
    }
}

/// Parses a share between 0 and 1, neither included.
pub fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value < 1.0 => Ok(value),
        _ => Err("expected a number between 0 and 1".to_owned()),
    }
}

/// Decodes all images of a set, with a bar on a terminal, and lists those that cannot be read.
pub fn load(samples: Vec<Sample>, preprocessing: &Preprocessing, context: &Context) -> anyhow::Result<Cache> {
    let bar = bar(context, samples.len(), "Reading images");
    let cache = Cache::load(samples, preprocessing, None, &|| bar.inc(1))?;
    bar.finish_and_clear();
    for error in cache.unreadable() {
        eprintln!("unreadable: {error}");
    }
    Ok(cache)
}

/// Refuses a set of which more than a share could not be read.
pub fn check_unreadable(set: &Cache, max_percent: f64, folder: &Path) -> Result<(), DatasetError> {
    let all = set.len() + set.unreadable().len();
    let percent = 100.0 * set.unreadable().len() as f64 / all.max(1) as f64;
    if percent <= max_percent {
        return Ok(());
    }
    Err(DatasetError::Content {
        path: folder.display().to_string(),
        expected: format!("at most {max_percent} % of the images unreadable (--max-unreadable)"),
        found: format!("{} of {all}, listed above", set.unreadable().len()),
    })
}

/// Says how many images of how many classes were found, as Keras does.
pub fn say_found(samples: &[Sample], context: &Context) {
    let classes: BTreeSet<Class> = samples.iter().map(|sample| sample.class).collect();
    say(context, &format!("Found {} images belonging to {} classes.", samples.len(), classes.len()));
}

/// The patients in a set.
pub fn patients(samples: &[Sample]) -> BTreeSet<&str> {
    samples.iter().filter_map(|sample| sample.patient.as_deref()).collect()
}

/// A line on standard output, unless quiet; a reader that has gone away does not stop the work.
pub fn say(context: &Context, line: &str) {
    if !context.quiet {
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}
