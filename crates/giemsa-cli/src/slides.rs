//! Arguments of commands that group photographs by slide.

use crate::exit::Fault;
use clap::ValueEnum;
use giemsa::dataset::patients::PatientSource;
use giemsa::smear::SlideBy;
use std::path::PathBuf;

/// What makes photographs one slide.
#[derive(clap::Args)]
pub struct SlideArgs {
    /// What makes photographs one slide
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = By::Folder)]
    slide_by: By,
    /// CSV file with the columns file and patient, for --slide-by patient [default: the patient is the C and the digits at
    /// the start of a file name]
    #[arg(long, value_name = "FILE.csv", conflicts_with = "patient_pattern")]
    patients: Option<PathBuf>,
    /// Regular expression whose first group is the patient in a file name, for --slide-by patient
    #[arg(long, value_name = "REGEX")]
    patient_pattern: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    /// The folder that contains them
    Folder,
    /// The patient in their names; a photograph without one is a slide by itself
    Patient,
    /// Every photograph is a slide by itself
    None,
}

impl SlideArgs {
    /// Returns what makes photographs one slide.
    ///
    /// # Errors
    /// [`Fault::Usage`] if patients are given but not used, and if they cannot be read.
    pub fn slide_by(&self) -> anyhow::Result<SlideBy> {
        if self.slide_by != By::Patient && (self.patients.is_some() || self.patient_pattern.is_some()) {
            let message = "--patients and --patient-pattern are for --slide-by patient";
            return Err(Fault::Usage(message.to_owned()).into());
        }
        Ok(match (self.slide_by, &self.patients, &self.patient_pattern) {
            (By::Folder, ..) => SlideBy::Folder,
            (By::None, ..) => SlideBy::Photograph,
            (By::Patient, Some(table), _) => SlideBy::Patient(PatientSource::from_table(table)?),
            (By::Patient, None, Some(pattern)) => SlideBy::Patient(PatientSource::from_pattern(pattern)?),
            (By::Patient, None, None) => SlideBy::Patient(PatientSource::FileName),
        })
    }

    /// Returns the name of the choice, as on the command line.
    pub fn name(&self) -> &'static str {
        match self.slide_by {
            By::Folder => "folder",
            By::Patient => "patient",
            By::None => "none",
        }
    }
}

/// Parses the diameter of a red cell.
pub fn diameter_px(text: &str) -> Result<f32, String> {
    let diameter = text.parse().ok().filter(|diameter| (8.0..=10_000.0).contains(diameter));
    diameter.ok_or_else(|| "expected a number of pixels in 8..=10000".to_owned())
}
