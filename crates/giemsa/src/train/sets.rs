//! The training set and the validation set of a run, checked for images and patients that are in both.

use super::error::TrainError;
use super::folder::{Part, SplitRow};
use super::training_set::TrainingSet;
use crate::dataset::duplicates::find_duplicates;
use crate::dataset::labels::LabelSettings;
use crate::dataset::scan::Layout;
use crate::dataset::sites::{OtherSites, scan_other_sites};
use crate::dataset::split::{SplitBy, split};
use crate::dataset::{Cache, Sample};
use crate::image::ImageError;
use crate::preprocess::Preprocessing;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// Settings of the division into a training set and a validation set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SetSettings {
    /// Folder of class folders with the validation set. `None` to use the part `Test` of the data folder or, if it has no
    /// parts, to split a validation set off.
    pub validation: Option<PathBuf>,
    /// Fraction of the images that are split off, between 0 and 1.
    pub validation_split: f64,
    /// Folder of healthy cells of other sites, which are added to the training set; see
    /// [`scan_other_sites`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub negatives: Option<PathBuf>,
    /// Folder of images that are not a single red cell, which are added to the training set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_cells: Option<PathBuf>,
    /// Unit of the split: whole patients, or single images.
    pub split_by: SplitBy,
    /// Source of the class and the patient of each image.
    #[serde(flatten)]
    pub labels: LabelSettings,
    /// Highest accepted percentage of unreadable images in each folder.
    #[serde(rename = "max_unreadable")]
    pub max_unreadable_percent: f64,
    /// If `true`, images in both sets are always a warning; if `false`, they are an error in sets that were given, not split.
    pub allow_shared: bool,
}

impl Default for SetSettings {
    fn default() -> SetSettings {
        SetSettings {
            validation: None,
            validation_split: 0.3,
            negatives: None,
            not_cells: None,
            split_by: SplitBy::Patient,
            labels: LabelSettings::default(),
            max_unreadable_percent: 1.0,
            allow_shared: false,
        }
    }
}

/// The files of the two sets, before they are decoded.
#[derive(Debug)]
#[non_exhaustive]
pub struct Parts {
    /// The training set.
    pub training: Vec<Sample>,
    /// The validation set.
    pub validation: Vec<Sample>,
    /// Healthy cells of other sites.
    pub negatives: Vec<Sample>,
    /// Images that are not a single red cell.
    pub not_cells: Vec<Sample>,
    /// Errors of the files without a patient that are left out of a split by patient because they are unreadable.
    pub unreadable: Vec<ImageError>,
    data: PathBuf,
    /// The folder of the validation set if it was given, not split off.
    given: Option<PathBuf>,
    settings: SetSettings,
}

/// The two sets, decoded and checked.
#[derive(Debug)]
#[non_exhaustive]
pub struct Sets {
    /// The training set.
    pub training: Cache,
    /// The validation set.
    pub validation: Cache,
    /// Images of other sites, for the training set.
    pub sites: OtherSites,
    /// Reasons why metrics of the validation set may be too good.
    pub warnings: Vec<Warning>,
    set_aside: Vec<ImageError>,
}

/// A reason why metrics of the validation set may be too good.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// Patients have images in both sets.
    SharedPatients {
        /// Number of these patients.
        patients: usize,
        /// `true` if the images were split without regard to patients.
        split_by_image: bool,
    },
    /// Images are in both sets.
    SharedImages {
        /// Pairs of a training image and the validation image with the same pixels.
        pairs: Vec<(PathBuf, PathBuf)>,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::SharedPatients { patients, split_by_image } => {
                let cause = if *split_by_image { "split by image: " } else { "" };
                write!(
                    f,
                    "{cause}{patients} patients have images in both sets, so the validation metrics overestimate the \
                     performance on new patients"
                )
            }
            Warning::SharedImages { pairs } => write!(f, "{} validation images are also training images", pairs.len()),
        }
    }
}

/// Finds the images of a data folder and divides them into a training set and a validation set.
///
/// # Errors
/// If a folder cannot be used, the images cannot be divided, or a split by patient lacks the patient of a readable image
/// ([`TrainError::MissingPatient`]).
pub fn divide(data: &Path, settings: &SetSettings, seed: u64) -> Result<Parts, TrainError> {
    let [negatives, not_cells] =
        scan_other_sites(settings.negatives.as_deref(), settings.not_cells.as_deref(), &settings.labels.negative)?;
    let parts = |training, validation, unreadable, given| Parts {
        negatives,
        not_cells,
        training,
        validation,
        unreadable,
        data: data.to_owned(),
        given,
        settings: settings.clone(),
    };
    if let Some(folder) = &settings.validation {
        let (training, validation) = (settings.labels.scan_classes(data)?, settings.labels.scan_classes(folder)?);
        return Ok(parts(training, validation, Vec::new(), Some(folder.clone())));
    }
    let samples = match settings.labels.scan_layout(data)? {
        Layout::Parts { train, test } => return Ok(parts(train, test, Vec::new(), Some(data.to_owned()))),
        Layout::Classes(samples) => samples,
    };
    let (samples, unreadable) = match settings.split_by {
        SplitBy::Patient => set_aside_unreadable_without_patient(samples)?,
        SplitBy::Image => (samples, Vec::new()),
    };
    let (training, validation) = split(samples, settings.validation_split, settings.split_by, seed)
        .map_err(|source| TrainError::Divide { folder: data.to_owned(), source: Box::new(source) })?;
    Ok(parts(training, validation, unreadable, None))
}

/// Separates files whose patient is unknown because they are not images, such as a text file among the images.
fn set_aside_unreadable_without_patient(samples: Vec<Sample>) -> Result<(Vec<Sample>, Vec<ImageError>), TrainError> {
    let (with_patient, without): (Vec<_>, Vec<_>) = samples.into_iter().partition(|sample| sample.patient.is_some());
    let mut unreadable = Vec::new();
    for sample in without {
        match crate::image::decode_file(&sample.path) {
            Ok(_) => return Err(TrainError::MissingPatient { path: sample.path }),
            Err(error) => unreadable.push(error),
        }
    }
    Ok((with_patient, unreadable))
}

impl Parts {
    /// Returns the number of patients with images in both sets.
    #[must_use]
    pub fn shared_patients(&self) -> usize {
        let of = |samples: &'_ [Sample]| -> BTreeSet<String> {
            samples.iter().filter_map(|sample| sample.patient.clone()).collect()
        };
        of(&self.training).intersection(&of(&self.validation)).count()
    }

    /// Decodes the images and checks the sets. `progress` is called once per image, from any thread.
    ///
    /// # Errors
    /// [`TrainError::TooManyUnreadable`], or [`TrainError::SharedImages`] if the validation set was given and images that
    /// are in both sets are not allowed.
    pub fn load(self, preprocessing: &Preprocessing, progress: &(dyn Fn() + Sync)) -> Result<Sets, TrainError> {
        let mut warnings = Vec::new();
        let split_by_image = self.given.is_none() && self.settings.split_by == SplitBy::Image;
        let patients = self.shared_patients();
        if patients > 0 || split_by_image {
            warnings.push(Warning::SharedPatients { patients, split_by_image });
        }
        let load = |samples| Cache::load(samples, preprocessing, None, progress);
        let mut sets = Sets {
            training: load(self.training)?,
            validation: load(self.validation)?,
            sites: OtherSites::load(self.negatives, self.not_cells, preprocessing, progress)?,
            warnings,
            set_aside: self.unreadable,
        };
        sets = sets.check_unreadable(self.settings.max_unreadable_percent, &self.data, self.given.as_deref())?;
        let pairs = sets.shared_images(preprocessing.side_px)?;
        match self.given {
            _ if pairs.is_empty() => {}
            Some(folder) if !self.settings.allow_shared => return Err(TrainError::SharedImages { folder, pairs }),
            _ => sets.warnings.push(Warning::SharedImages { pairs }),
        }
        Ok(sets)
    }
}

impl Sets {
    /// Returns the training set with the images of other sites.
    #[must_use]
    pub fn training_set(&self) -> TrainingSet<'_> {
        TrainingSet::new(&self.training).with_sites(&self.sites)
    }

    /// Returns the rows of `split.csv`.
    #[must_use]
    pub fn split_rows(&self) -> Vec<SplitRow> {
        SplitRow::of_samples(self.training.samples(), Part::Training)
            .chain(SplitRow::of_samples(self.validation.samples(), Part::Validation))
            .collect()
    }

    /// Returns one error per unreadable image, which is not in the sets.
    pub fn unreadable(&self) -> impl Iterator<Item = &ImageError> {
        let sets = [&self.training, &self.validation];
        self.set_aside.iter().chain(sets.into_iter().flat_map(Cache::unreadable)).chain(self.sites.unreadable())
    }

    /// Checks the percentage of unreadable images: in each set if the validation set was given, otherwise in the folder
    /// that both come from.
    fn check_unreadable(self, max_percent: f64, data: &Path, given: Option<&Path>) -> Result<Sets, TrainError> {
        let counts = |set: &Cache| (set.unreadable().len(), set.samples().len() + set.unreadable().len());
        let (training, validation) = (counts(&self.training), counts(&self.validation));
        let aside = self.set_aside.len();
        let both = (training.0 + validation.0 + aside, training.1 + validation.1 + aside);
        let too_many = |(unreadable, images): (usize, usize)| 100.0 * unreadable as f64 > max_percent * images as f64;
        let (folder, images) = match given {
            None if too_many(both) => (data, both.1),
            Some(_) if too_many(training) => (data, training.1),
            Some(folder) if too_many(validation) => (folder, validation.1),
            _ => return Ok(self),
        };
        let mut unreadable = self.set_aside;
        if given.is_none() || too_many(training) {
            unreadable.extend(self.training.into_unreadable());
        }
        if given.is_none() || !too_many(training) {
            unreadable.extend(self.validation.into_unreadable());
        }
        Err(TrainError::TooManyUnreadable { folder: folder.to_owned(), unreadable, images, max_percent })
    }

    /// Finds the images that are in both sets.
    fn shared_images(&self, side_px: usize) -> Result<Vec<(PathBuf, PathBuf)>, TrainError> {
        let path = |set: &Cache, index: usize| set.samples()[index].path.clone();
        let pairs = find_duplicates(&self.training, &self.validation, side_px)?;
        Ok(pairs.into_iter().map(|(a, b)| (path(&self.training, a), path(&self.validation, b))).collect())
    }
}
