//! Arguments and progress bars that several commands share.

use crate::hints::with_advice;
use crate::print::{escaped, print_line, print_note, print_unreadable};
use crate::{Context, number_of};
use clap::ValueEnum;
use giemsa::classes::Class;
use giemsa::dataset::labels::LabelSettings;
use giemsa::dataset::sites::{OtherSites, scan_other_sites};
use giemsa::dataset::split::SplitBy;
use giemsa::dataset::{Cache, Sample};
use giemsa::output::destination::{DestinationError, Replace, check_destinations};
use giemsa::preprocess::Preprocessing;
use giemsa::smear::count_if_field;
use giemsa::train::TrainError;
use giemsa::train::sets::SetSettings;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// Arguments from which the class and the patient of each image follow.
#[derive(clap::Args, Clone, Debug)]
pub struct LabelArgs {
    /// Name of the folder with the images of the class Parasitized
    #[arg(long, value_name = "NAME", default_value = "Parasitized")]
    pub positive: String,
    /// Name of the folder with the images of the class Uninfected
    #[arg(long, value_name = "NAME", default_value = "Uninfected")]
    pub negative: String,
    /// CSV file with the columns file and patient [default: the patient is the C and the digits at the start of a file
    /// name]
    #[arg(long, value_name = "FILE.csv", conflicts_with = "patient_pattern")]
    pub patients: Option<PathBuf>,
    /// Regular expression whose first group is the patient in a file name
    #[arg(long, value_name = "REGEX")]
    pub patient_pattern: Option<String>,
}

impl LabelArgs {
    /// Returns the settings of the library, with absolute paths.
    pub fn settings(&self) -> LabelSettings {
        let mut settings = LabelSettings::default();
        settings.positive.clone_from(&self.positive);
        settings.negative.clone_from(&self.negative);
        settings.patients = self.patients.as_deref().map(absolute);
        settings.patient_pattern.clone_from(&self.patient_pattern);
        settings
    }
}

/// Images of other sites that are added to the training set.
#[derive(clap::Args, Clone, Debug)]
pub struct SiteArgs {
    /// Folder of healthy cells of other sites, DIR/SITE/..., to add to the training set; if there are folders with the
    /// name of the negative class, only the images in those
    #[arg(long, value_name = "DIR")]
    negatives: Option<PathBuf>,
    /// Folder of images that are not a single red cell, to add to the training set; if there are folders NotACell, only
    /// the images in those. Only recipes whose last layer has 2 units learn from them
    #[arg(long, value_name = "DIR")]
    not_cells: Option<PathBuf>,
}

impl SiteArgs {
    /// Stores the absolute paths in the settings of a run.
    pub fn store(&self, settings: &mut SetSettings) {
        settings.negatives = self.negatives.as_deref().map(absolute);
        settings.not_cells = self.not_cells.as_deref().map(absolute);
    }

    /// Finds the images: healthy cells, and images that are not a single red cell.
    pub fn find(&self, negative: &str) -> anyhow::Result<[Vec<Sample>; 2]> {
        Ok(scan_other_sites(self.negatives.as_deref(), self.not_cells.as_deref(), negative)?)
    }

    /// Finds and decodes the images; `None` if no folder is given.
    pub fn load(&self, negative: &str, input: &Preprocessing, context: &Context) -> anyhow::Result<Option<OtherSites>> {
        let [negatives, not_cells] = self.find(negative)?;
        if negatives.is_empty() && not_cells.is_empty() {
            return Ok(None);
        }
        print_other_sites(&negatives, &not_cells, context);
        let bar = bar(context, negatives.len() + not_cells.len(), "Reading images of other sites");
        let sites = OtherSites::load(negatives, not_cells, input, &|| bar.inc(1))?;
        bar.finish_and_clear();
        sites.unreadable().for_each(print_unreadable);
        Ok(Some(sites))
    }
}

/// Prints the number of images of other sites.
pub fn print_other_sites(negatives: &[Sample], not_cells: &[Sample], context: &Context) {
    for (samples, what) in [(negatives, "healthy cells of other sites"), (not_cells, "images that are not a red cell")]
    {
        if !samples.is_empty() {
            print_line(context, &format!("Training: {} {what}.", samples.len()));
        }
    }
}

/// Returns the absolute path, or the path itself if there is none.
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Creates a progress bar with `len` steps, hidden unless standard error is a terminal.
pub fn bar(context: &Context, len: usize, message: &'static str) -> ProgressBar {
    let shown = !context.quiet && std::io::stderr().is_terminal();
    let bar = if shown { ProgressBar::new(len as u64) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len}, {eta} left") {
        bar.set_style(style);
    }
    bar.with_message(message)
}

/// The unit of a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// Keep all images of a patient in one part
    Patient,
    /// Split single images
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

/// Parses a fraction between 0 and 1, exclusive.
pub fn fraction(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value < 1.0 => Ok(value),
        _ => Err("expected a number between 0 and 1".to_owned()),
    }
}

/// Decodes the images of a set with a progress bar, and lists the unreadable ones.
pub fn load(samples: Vec<Sample>, preprocessing: &Preprocessing, context: &Context) -> anyhow::Result<Cache> {
    let bar = bar(context, samples.len(), "Reading images");
    let cache = Cache::load(samples, preprocessing, None, &|| bar.inc(1))?;
    bar.finish_and_clear();
    cache.unreadable().iter().for_each(print_unreadable);
    Ok(cache)
}

/// Decodes images of single cells as [`load`]; photographs of whole fields are among the unreadable ones.
pub fn load_cells(samples: Vec<Sample>, preprocessing: &Preprocessing, context: &Context) -> anyhow::Result<Cache> {
    let bar = bar(context, samples.len(), "Reading images");
    let cache = Cache::load_cells(samples, preprocessing, count_if_field, &|| bar.inc(1))?;
    bar.finish_and_clear();
    cache.unreadable().iter().for_each(|error| print_unreadable(with_advice(error.to_string(), error)));
    Ok(cache)
}

/// Prints the number of images and classes, as Keras does.
pub fn print_found(samples: &[Sample], context: &Context) {
    let classes: BTreeSet<Class> = samples.iter().map(|sample| sample.class).collect();
    print_line(context, &format!("Found {} images belonging to {} classes.", samples.len(), classes.len()));
}

/// Returns the patients of a set.
pub fn patients(samples: &[Sample]) -> BTreeSet<&str> {
    samples.iter().filter_map(|sample| sample.patient.as_deref()).collect()
}

/// The argument `--force` of the commands that write single files.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct ForceArgs {
    /// Replace existing files also if giemsa did not make them; inputs are never replaced
    #[arg(long)]
    force: bool,
}

impl ForceArgs {
    /// Checks that the outputs may be written, before any work is done.
    pub fn check(self, outputs: &[PathBuf], inputs: &[PathBuf]) -> Result<(), DestinationError> {
        check_destinations(outputs, inputs, if self.force { Replace::Any } else { Replace::Own })
    }
}

/// Lists the images that a training error is about.
pub fn list_images(error: &TrainError) {
    match error {
        TrainError::TooManyUnreadable { unreadable, .. } => {
            unreadable.iter().for_each(print_unreadable);
        }
        TrainError::SharedImages { pairs, .. } => list_pairs(pairs),
        _ => {}
    }
}

/// The highest number of pairs that are listed.
const PAIRS_LISTED: usize = 20;

/// Lists images that are in both sets.
pub fn list_pairs(pairs: &[(PathBuf, PathBuf)]) {
    for (training, validation) in pairs.iter().take(PAIRS_LISTED) {
        print_note(format_args!("in both sets: {} = {}", escaped(training.display()), escaped(validation.display())));
    }
    if pairs.len() > PAIRS_LISTED {
        print_note(format_args!("in both sets: and {} more", number_of(pairs.len() - PAIRS_LISTED, "image")));
    }
}
