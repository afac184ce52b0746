//! The folder of a run and its files.

use super::checkpoint::{State, write_error};
use super::error::TrainError;
use super::history::{self, EpochRow};
use super::lock::has_temporary_name;
use super::run::RunSettings;
use crate::classes::Class;
use crate::dataset::Sample;
use crate::input;
use crate::model::Model;
use crate::output::write_atomically;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// A folder with the files of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

/// The two sets of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The training set.
    Training,
    /// The validation set.
    Validation,
}

impl Part {
    /// Returns the use of the set, for messages: "train on" or "validate on".
    pub(super) fn verb(self) -> &'static str {
        match self {
            Part::Training => "train on",
            Part::Validation => "validate on",
        }
    }
}

/// One row of `split.csv`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitRow {
    /// Path of the image.
    #[serde(with = "crate::output::csv_path")]
    pub path: PathBuf,
    /// Patient of the image; empty if unknown.
    pub patient: Option<String>,
    /// Set that the image belongs to.
    pub part: Part,
    /// Class of the image.
    pub class: Class,
}

impl SplitRow {
    /// Returns one row per image of a set.
    pub fn of_samples(samples: &[Sample], part: Part) -> impl Iterator<Item = SplitRow> {
        samples.iter().map(move |sample| SplitRow {
            path: sample.path.clone(),
            patient: sample.patient.clone(),
            part,
            class: sample.class,
        })
    }
}

/// Returns the first of `PARENT/RECIPE-1`, `PARENT/RECIPE-2`, … that does not exist, for a new run; `None` if there are a
/// million. Other characters than letters, digits, `-` and `_` in the name of the recipe become `_`.
///
/// ```
/// let folder = giemsa::train::folder::next_run_folder("missing".as_ref(), "my recipe");
/// assert_eq!(folder, Some("missing/my_recipe-1".into()));
/// ```
#[must_use]
pub fn next_run_folder(parent: &Path, recipe: &str) -> Option<PathBuf> {
    let is_kept = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let name: String = recipe.chars().map(|c| if is_kept(c) { c } else { '_' }).collect();
    (1..1_000_000).map(|number| parent.join(format!("{name}-{number}"))).find(|path| !path.exists())
}

impl RunFolder {
    /// Creates a new folder for a run, and its parents if necessary.
    ///
    /// # Errors
    /// If the folder is not free (see [`RunFolder::check_free`]) or cannot be created.
    pub fn create(path: &Path) -> Result<RunFolder, TrainError> {
        RunFolder::check_free(path)?;
        with_path(path, |path| std::fs::create_dir_all(path))?;
        Ok(RunFolder { path: path.to_owned() })
    }

    /// Checks that a folder does not exist, is empty, or contains only files of a run that was killed before its first
    /// checkpoint was complete: `settings.toml`, `split.csv` and temporary files.
    ///
    /// # Errors
    /// [`TrainError::FolderInUse`] if the folder contains other files, [`TrainError::Io`] if it is not a folder or cannot
    /// be read.
    pub fn check_free(path: &Path) -> Result<(), TrainError> {
        let folder = RunFolder::existing(path);
        let entries = match std::fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(TrainError::Io { path: path.to_owned(), source }),
        };
        let is_settings = |path: &Path| path == folder.settings() && read_toml::<RunSettings>(path).is_ok();
        for entry in entries {
            let entry = with_path(path, |_| entry)?;
            let (file, settings) = (entry.path(), folder.settings());
            // The list of images is written after the settings.
            let is_split = file == folder.split() && is_settings(&settings);
            // The start of a run writes files only; a temporary folder belongs to something else.
            let is_leftover = has_temporary_name(&entry) && entry.file_type().is_ok_and(|kind| kind.is_file());
            if !is_split && !is_settings(&file) && !is_leftover {
                return Err(TrainError::FolderInUse { path: path.to_owned() });
            }
        }
        Ok(())
    }

    /// Returns the folder of an existing run, without checking that it exists.
    #[must_use]
    pub fn existing(path: &Path) -> RunFolder {
        RunFolder { path: path.to_owned() }
    }

    /// Returns the path of the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of `model.safetensors`: the best model by validation loss.
    #[must_use]
    pub fn model(&self) -> PathBuf {
        self.path.join("model.safetensors")
    }

    /// Returns the path of `last.safetensors`: the checkpoint.
    #[must_use]
    pub fn last(&self) -> PathBuf {
        self.path.join("last.safetensors")
    }

    /// Returns the path of `history.csv`: one row per epoch.
    #[must_use]
    pub fn history(&self) -> PathBuf {
        self.path.join("history.csv")
    }

    /// Returns the path of `curves.png`: loss and accuracy by epoch.
    #[must_use]
    pub fn curves(&self) -> PathBuf {
        self.path.join("curves.png")
    }

    /// Returns the path of `settings.toml`: the settings with which the run can be repeated.
    #[must_use]
    pub fn settings(&self) -> PathBuf {
        self.path.join("settings.toml")
    }

    /// Returns the path of `split.csv`: one row per image with its set.
    #[must_use]
    pub fn split(&self) -> PathBuf {
        self.path.join("split.csv")
    }

    /// Writes `model.safetensors`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save_best(&self, model: &Model) -> Result<(), TrainError> {
        model.save(&self.model()).map_err(write_error)
    }

    /// Writes `last.safetensors`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save_last(&self, state: &State) -> Result<(), TrainError> {
        state.save(&self.last())
    }

    /// Writes `history.csv`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save_history(&self, rows: &[EpochRow]) -> Result<(), TrainError> {
        with_path(&self.history(), |path| history::write(path, rows))
    }

    /// Writes `settings.toml`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save_settings(&self, settings: &impl Serialize) -> Result<(), TrainError> {
        write_toml(&self.settings(), settings)
    }

    /// Writes `split.csv`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save_split(&self, rows: &[SplitRow]) -> Result<(), TrainError> {
        with_path(&self.split(), |path| {
            write_atomically(path, |file| {
                let mut csv = csv::Writer::from_writer(file);
                rows.iter().try_for_each(|row| csv.serialize(row)).map_err(io::Error::other)?;
                csv.flush()
            })
        })
    }

    /// Reads `split.csv`.
    ///
    /// # Errors
    /// If the file cannot be read, or a column is missing.
    pub fn read_split(&self) -> Result<Vec<SplitRow>, TrainError> {
        Ok(crate::output::read_csv(&self.split())?)
    }
}

/// Adds the path to the error of an input or output operation.
pub(super) fn with_path<T>(path: &Path, run: impl FnOnce(&Path) -> io::Result<T>) -> Result<T, TrainError> {
    run(path).map_err(|source| TrainError::Io { path: path.to_owned(), source })
}

/// Writes a TOML file that appears complete or not at all.
pub(super) fn write_toml(path: &Path, content: &impl Serialize) -> Result<(), TrainError> {
    with_path(path, |path| {
        let text = toml::to_string_pretty(content).map_err(io::Error::other)?;
        write_atomically(path, |file| file.write_all(text.as_bytes()))
    })
}

/// The largest `settings.toml` that is read, in bytes.
const MAX_SETTINGS_BYTES: u64 = 4 << 20;

/// Reads a TOML file.
pub(super) fn read_toml<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T, TrainError> {
    let text = input::read_text(path, MAX_SETTINGS_BYTES)?;
    toml::from_str(&text)
        .map_err(|e| TrainError::InvalidSettings { path: path.to_owned(), message: e.message().to_owned() })
}
