//! Training in a folder, from which the run can be resumed.
//!
//! ```no_run
//! use giemsa::model::Recipe;
//! use giemsa::train::{EpochRow, Observer, Run, RunSettings, StepReport, StoppedRun};
//! use std::ops::ControlFlow;
//! use std::path::Path;
//!
//! struct Progress;
//!
//! impl Observer for Progress {
//!     fn step(&mut self, _: &StepReport) -> ControlFlow<()> {
//!         ControlFlow::Continue(())
//!     }
//!     fn epoch(&mut self, history: &[EpochRow]) -> ControlFlow<()> {
//!         println!("{:?}", history.last());
//!         ControlFlow::Continue(())
//!     }
//! }
//!
//! # fn main() -> Result<(), giemsa::train::TrainError> {
//! let settings = RunSettings::new(Path::new("data/cell_images"), Recipe::load("compact")?);
//! let sets = settings.divide()?.load(&settings.recipe.input, &|| {})?;
//! let mut run = Run::start(Path::new("runs/mine"), settings, sets)?;
//! run.train(&mut Progress)?;
//!
//! // After an interruption:
//! let stopped = StoppedRun::open(Path::new("runs/mine"))?;
//! let sets = stopped.settings().divide()?.load(&stopped.settings().recipe.input, &|| {})?;
//! stopped.resume(sets)?.train(&mut Progress)?;
//! # Ok(())
//! # }
//! ```

use super::checkpoint::{ImageDigests, State};
use super::error::{Difference, TrainError};
use super::folder::{RunFolder, SplitRow, read_toml};
use super::lock::FolderLock;
use super::sets::{Parts, SetSettings, Sets, divide};
use super::settings::Settings;
use super::{Ending, Observer, train};
use crate::model::Recipe;
use crate::model::recipe::Schedule;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

/// The settings of a run, from which it can be repeated; the content of `settings.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RunSettings {
    /// Name and version of the software.
    pub program: String,
    /// The data folder.
    pub data: PathBuf,
    /// Seed of the split and of training; at most `i64::MAX`, the largest integer in TOML.
    pub seed: u64,
    /// See [`Settings::steps_per_epoch`].
    pub steps_per_epoch: Option<u64>,
    /// Division of the images into a training set and a validation set.
    pub images: SetSettings,
    /// The recipe.
    pub recipe: Recipe,
}

impl RunSettings {
    /// Returns the settings for a data folder and a recipe: seed 0, and 30 % of the patients for validation.
    #[must_use]
    pub fn new(data: &Path, recipe: Recipe) -> RunSettings {
        RunSettings {
            program: concat!("giemsa ", env!("CARGO_PKG_VERSION")).to_owned(),
            data: data.to_owned(),
            seed: 0,
            steps_per_epoch: None,
            images: SetSettings::default(),
            recipe,
        }
    }

    /// Returns the settings on which the weights depend.
    #[must_use]
    pub fn training(&self) -> Settings {
        Settings { recipe: self.recipe.clone(), seed: self.seed, steps_per_epoch: self.steps_per_epoch }
    }

    /// Finds the images and divides them into a training set and a validation set.
    ///
    /// # Errors
    /// See [`divide`].
    pub fn divide(&self) -> Result<Parts, TrainError> {
        divide(&self.data, &self.images, self.seed)
    }
}

/// A run with its folder, images and state.
pub struct Run {
    folder: RunFolder,
    settings: RunSettings,
    sets: Sets,
    state: State,
    _lock: FolderLock,
}

impl Run {
    /// Creates the folder of a run, with its settings, its split and a checkpoint before the first step.
    ///
    /// The checkpoint is written last: until then, the folder is free for another start.
    ///
    /// # Errors
    /// If the folder is not free (see [`RunFolder::check_free`]), cannot be written, or another process trains in it, or
    /// the recipe is invalid.
    pub fn start(folder: &Path, settings: RunSettings, sets: Sets) -> Result<Run, TrainError> {
        let mut state = State::new(&settings.training())?;
        let side_px = settings.recipe.input.side_px;
        state.images = Some(ImageDigests::of(&sets.training_set(), &sets.validation, side_px)?);
        let folder = RunFolder::create(folder)?;
        let lock = FolderLock::acquire(folder.path())?;
        // Another process may have started a run, and ended, since the first check.
        RunFolder::check_free(folder.path())?;
        folder.save_settings(&settings)?;
        folder.save_split(&sets.split_rows())?;
        folder.save_last(&state)?;
        Ok(Run { folder, settings, sets, state, _lock: lock })
    }

    /// Trains to the last epoch, or until the observer stops the run.
    ///
    /// # Errors
    /// See [`train`](super::train()).
    pub fn train(&mut self, observer: &mut dyn Observer) -> Result<Ending, TrainError> {
        let (settings, sets) = (self.settings.training(), &self.sets);
        train(&mut self.state, &settings, sets.training_set(), &sets.validation, Some(&self.folder), observer)
    }

    /// Returns the folder.
    #[must_use]
    pub fn folder(&self) -> &RunFolder {
        &self.folder
    }

    /// Returns the settings.
    #[must_use]
    pub fn settings(&self) -> &RunSettings {
        &self.settings
    }

    /// Returns the images.
    #[must_use]
    pub fn sets(&self) -> &Sets {
        &self.sets
    }

    /// Returns the state.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("folder", &self.folder).field("state", &self.state).finish_non_exhaustive()
    }
}

/// A run that was begun, as read from its folder.
#[derive(Debug)]
pub struct StoppedRun {
    folder: RunFolder,
    settings: RunSettings,
    state: State,
}

impl StoppedRun {
    /// Reads the settings and the checkpoint of a run. A run that was killed before its first checkpoint was complete
    /// starts from the beginning.
    ///
    /// # Errors
    /// If the folder is not that of a run, its settings do not belong to its checkpoint, or the checkpoint was trained
    /// with another instruction set ([`TrainError::Mismatch`]).
    pub fn open(path: &Path) -> Result<StoppedRun, TrainError> {
        let folder = RunFolder::existing(path);
        if !folder.settings().exists() {
            return Err(TrainError::NotARun { path: path.to_owned() });
        }
        let settings: RunSettings = read_toml(&folder.settings())?;
        if RunFolder::check_free(path).is_ok() {
            let state = State::new(&settings.training())?;
            return Ok(StoppedRun { folder, settings, state });
        }
        let state = State::load(&folder.last())?;
        if let Some(difference) = state.difference(&settings.training()) {
            return Err(TrainError::Mismatch { path: Some(folder.last()), difference });
        }
        Ok(StoppedRun { folder, settings, state })
    }

    /// Returns the settings.
    #[must_use]
    pub fn settings(&self) -> &RunSettings {
        &self.settings
    }

    /// Returns the state at which the run stopped.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Changes the number of epochs, which is possible if the learning rate is constant: the steps already done are then
    /// the same for any number of epochs.
    ///
    /// # Errors
    /// [`TrainError::EpochsFixed`] if the learning rate depends on the number of epochs, [`TrainError::EpochsPassed`] if
    /// more epochs were begun, [`TrainError::Recipe`] if the number is too large.
    pub fn set_epochs(&mut self, epochs: u64) -> Result<(), TrainError> {
        let training = &self.settings.recipe.training;
        if epochs == training.epochs {
            return Ok(());
        }
        if training.schedule != Schedule::Constant {
            let (schedule, requested) = (training.schedule, epochs);
            return Err(TrainError::EpochsFixed { schedule, epochs: training.epochs, requested });
        }
        let begun = self.state.progress.epochs_begun();
        if epochs < begun {
            return Err(TrainError::EpochsPassed { begun, requested: epochs });
        }
        let mut changed = self.settings.training();
        changed.recipe.training.epochs = epochs;
        changed.check()?;
        self.settings.recipe = changed.recipe;
        Ok(())
    }

    /// Continues the run with its images, which must be those that it was begun with.
    ///
    /// # Errors
    /// [`TrainError::Mismatch`] if the images differ from `split.csv`; [`TrainError::Busy`] if another process trains in
    /// the folder; [`TrainError::Io`] if a file of the run cannot be read or written.
    pub fn resume(self, sets: Sets) -> Result<Run, TrainError> {
        let StoppedRun { folder, settings, state } = self;
        if RunFolder::check_free(folder.path()).is_ok() {
            return Run::start(folder.path(), settings, sets);
        }
        let lock = FolderLock::acquire(folder.path())?;
        if let Some(difference) = split_difference(&folder.read_split()?, &sets.split_rows()) {
            return Err(TrainError::Mismatch { path: Some(folder.split()), difference });
        }
        folder.save_settings(&settings)?;
        Ok(Run { folder, settings, sets, state, _lock: lock })
    }
}

/// Returns the first difference between two lists of images.
fn split_difference(began: &[SplitRow], now: &[SplitRow]) -> Option<Difference> {
    let same = began.iter().zip(now).take_while(|(began, now)| began == now).count();
    let path = |rows: &[SplitRow]| rows.get(same).map(|row| PathBuf::from(&row.path));
    let (began, now) = (path(began), path(now));
    (began.is_some() || now.is_some()).then_some(Difference::ImageList { began, now })
}
