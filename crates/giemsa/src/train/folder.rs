//! The folder of a run and its files.

use super::TrainError;
use super::checkpoint::State;
use super::history::{self, EpochRow};
use crate::classes::Class;
use crate::dataset::Sample;
use crate::files::write_whole;
use crate::model::{Model, ModelError, Recipe};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// A folder that holds the files of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

/// Which part of a run an image is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Trained on.
    Training,
    /// Validated on.
    Validation,
}

/// One row of `split.csv`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitRow {
    /// The image.
    #[serde(with = "crate::output::csv_path")]
    pub path: PathBuf,
    /// Empty where it is not known.
    pub patient: Option<String>,
    /// Which part of the run it is in.
    pub part: Part,
    /// The class it is taught as.
    pub class: Class,
}

impl RunFolder {
    /// Makes a new folder for a run; its parents too.
    ///
    /// # Errors
    /// When there is something in it already, or it cannot be made.
    pub fn create(path: &Path) -> Result<RunFolder, TrainError> {
        RunFolder::check_free(path)?;
        named(path, |path| std::fs::create_dir_all(path))?;
        Ok(RunFolder { path: path.to_owned() })
    }

    /// Whether a run could have its folder here.
    ///
    /// # Errors
    /// When there is something there that is no empty folder.
    pub fn check_free(path: &Path) -> Result<(), TrainError> {
        named(path, |path| match std::fs::read_dir(path).map(Iterator::count) {
            Ok(0) => Ok(()),
            Ok(_) => Err(io::Error::other("expected a new or empty folder, found files in it")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        })
    }

    /// The folder of a run that was begun.
    pub fn existing(path: &Path) -> RunFolder {
        RunFolder { path: path.to_owned() }
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `model.safetensors`: the best weights by validation loss.
    pub fn model(&self) -> PathBuf {
        self.path.join("model.safetensors")
    }

    /// `last.safetensors`: the checkpoint.
    pub fn last(&self) -> PathBuf {
        self.path.join("last.safetensors")
    }

    /// `history.csv`: one row an epoch.
    pub fn history(&self) -> PathBuf {
        self.path.join("history.csv")
    }

    /// `curves.png`: loss and accuracy over the epochs.
    pub fn curves(&self) -> PathBuf {
        self.path.join("curves.png")
    }

    /// `settings.toml`: enough to run it again.
    pub fn settings(&self) -> PathBuf {
        self.path.join("settings.toml")
    }

    /// `split.csv`: which image of which patient is in which part.
    pub fn split(&self) -> PathBuf {
        self.path.join("split.csv")
    }

    /// Writes `model.safetensors`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save_best(&self, model: &Model) -> Result<(), TrainError> {
        model.save(&self.model()).map_err(write_error)
    }

    /// Writes `last.safetensors`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save_last(&self, state: &State, recipe: &Recipe) -> Result<(), TrainError> {
        state.save(&self.last(), recipe).map_err(write_error)
    }

    /// Writes `history.csv`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save_history(&self, rows: &[EpochRow]) -> Result<(), TrainError> {
        named(&self.history(), |path| history::write(path, rows))
    }

    /// Writes `settings.toml`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save_settings(&self, settings: &impl Serialize) -> Result<(), TrainError> {
        named(&self.settings(), |path| {
            let text = toml::to_string_pretty(settings).map_err(io::Error::other)?;
            write_whole(path, |file| file.write_all(text.as_bytes()))
        })
    }

    /// Writes `split.csv`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save_split(&self, rows: &[SplitRow]) -> Result<(), TrainError> {
        named(&self.split(), |path| {
            write_whole(path, |file| {
                let mut csv = csv::Writer::from_writer(file);
                rows.iter().try_for_each(|row| csv.serialize(row)).map_err(io::Error::other)?;
                csv.flush()
            })
        })
    }

    /// Reads `split.csv`.
    ///
    /// # Errors
    /// When it cannot be read, or has other columns.
    pub fn read_split(&self) -> io::Result<Vec<SplitRow>> {
        crate::output::read_csv(&self.split()).map_err(|e| io::Error::other(format!("{}: {e}", self.split().display())))
    }
}

/// The rows of `split.csv` for the images of one part.
pub fn split_rows(samples: &[Sample], part: Part) -> impl Iterator<Item = SplitRow> {
    samples.iter().map(move |sample| SplitRow {
        path: sample.path.clone(),
        patient: sample.patient.clone(),
        part,
        class: sample.class,
    })
}

fn named(path: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), TrainError> {
    write(path).map_err(|source| TrainError::Write { path: path.display().to_string(), source })
}

/// A model file that cannot be written is a failure of the run, not of the file's content.
fn write_error(error: ModelError) -> TrainError {
    match error {
        ModelError::Io { path, source } => TrainError::Write { path, source },
        other => other.into(),
    }
}
