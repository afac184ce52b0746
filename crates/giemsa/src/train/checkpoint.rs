//! The state of a run, and the file that stores it: `last.safetensors`.
//!
//! A checkpoint is a model file with additional content: the state of the optimizer (`adam.…`), the averaged weights
//! (`ema.…`) if the recipe averages them, and in the metadata the progress as TOML, the seed, the steps per epoch, the
//! instruction set, and a digest of the training set and of the validation set.

use super::error::{Difference, TrainError};
use super::history::EpochRow;
use super::settings::Settings;
use super::training_set::TrainingSet;
use crate::dataset::{LabelledImages, image_digest};
use crate::image::ImageError;
use crate::model::container::{self, Metadata};
use crate::model::file::{AVERAGE_PREFIX, OPTIMIZER_PREFIX};
use crate::model::{Model, ModelError};
use crate::nn::kernels::{InstructionSet, instruction_set};
use crate::nn::{ArchitectureError, Network, Tensor};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

/// The state of a run: everything that its next step depends on, except the images.
#[non_exhaustive]
pub struct State {
    /// Weights and optimizer.
    pub network: Network,
    /// Moving average of the weights, if the recipe asks for one.
    pub average: Option<Vec<Tensor>>,
    /// Progress of the run.
    pub progress: Progress,
    /// The best model so far. `None` before the end of the first epoch and, after resuming, until a better one is found.
    pub best: Option<Model>,
    /// The settings of the run.
    pub settings: Settings,
    /// Digests of the images of the run. `None` in a new state, until [`train`](super::train()) or a run folder sets them.
    pub images: Option<ImageDigests>,
    /// Instruction set that the weights were trained with. `None` if an earlier version wrote the checkpoint.
    pub instruction_set: Option<InstructionSet>,
    /// The file that the state was read from.
    path: Option<PathBuf>,
}

/// Digests of the images of a run, as computed by [`image_digest`](crate::dataset::image_digest()).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageDigests {
    /// Digest of the training set.
    pub training: String,
    /// Digest of the validation set.
    pub validation: String,
}

impl ImageDigests {
    /// Computes the digests of both sets of a run.
    ///
    /// # Errors
    /// If an image cannot be read back.
    pub fn of(
        training: &TrainingSet<'_>,
        validation: &dyn LabelledImages,
        side_px: usize,
    ) -> Result<ImageDigests, ImageError> {
        Ok(ImageDigests { training: training.digest(side_px)?, validation: image_digest(validation, side_px)? })
    }
}

/// Progress of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Completed steps since the beginning of the run.
    pub steps_done: u64,
    /// Sum of the losses of the images of this epoch so far.
    pub loss_sum: f64,
    /// Correctly classified images of this epoch so far.
    pub correct: u64,
    /// Images of this epoch so far.
    pub images: u64,
    /// Time spent on the run, without interruptions.
    pub elapsed_s: f64,
    /// One row per completed epoch.
    #[serde(default)]
    pub history: Vec<EpochRow>,
}

impl Progress {
    /// Returns the number of epochs that have been begun.
    #[must_use]
    pub fn epochs_begun(&self) -> u64 {
        self.history.len() as u64 + u64::from(self.images > 0)
    }
}

// Names of the texts in the metadata.
const PROGRESS: &str = "progress";
const SEED: &str = "seed";
const STEPS_PER_EPOCH: &str = "steps_per_epoch";
const TRAINING_IMAGES: &str = "training_images";
const VALIDATION_IMAGES: &str = "validation_images";
const INSTRUCTION_SET: &str = "instruction_set";

impl State {
    /// Returns the state before the first step.
    ///
    /// # Errors
    /// If the recipe is invalid.
    pub fn new(settings: &Settings) -> Result<State, TrainError> {
        settings.check()?;
        let recipe = &settings.recipe;
        let network = Network::new(recipe.input_shape(), &recipe.layers, settings.seed)?;
        let average = (recipe.training.ema_decay > 0.0).then(|| network.weights());
        let (progress, settings, instruction_set) = (Progress::default(), settings.clone(), Some(instruction_set()));
        Ok(State { network, average, progress, best: None, settings, images: None, instruction_set, path: None })
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// If the file cannot be read or is not a checkpoint.
    pub fn load(path: &Path) -> Result<State, TrainError> {
        let (texts, tensors) = container::read(path)?;
        let Some(progress) = texts.get(PROGRESS) else {
            return Err(TrainError::NotACheckpoint { path: path.to_owned() });
        };
        let damaged = |message: String| TrainError::InvalidCheckpoint { path: path.to_owned(), message };
        let progress: Progress =
            toml::from_str(progress).map_err(|e| damaged(format!("the progress is invalid ({})", e.message())))?;
        let number = |name: &str| -> Result<Option<u64>, TrainError> {
            let parse = |text: &String| text.parse().map_err(|_| damaged(format!("`{name}` is not a number")));
            texts.get(name).map(parse).transpose()
        };
        let seed = number(SEED)?
            .ok_or_else(|| damaged(format!("`{SEED}` is missing, so an earlier version may have written it")))?;
        let steps_per_epoch = number(STEPS_PER_EPOCH)?;
        let [training, validation] = [TRAINING_IMAGES, VALIDATION_IMAGES].map(|name| texts.get(name).cloned());
        let images = training.zip(validation).map(|(training, validation)| ImageDigests { training, validation });
        let (optimizer, average) = checkpoint_tensors(&tensors);
        let mut model = Model::from_parts(&texts, tensors, path)?;
        let misfit = |e: ArchitectureError| damaged(format!("the arrays do not fit the recipe ({e})"));
        model.network.set_optimizer_state(&optimizer).map_err(misfit)?;
        let averages = model.recipe.training.ema_decay > 0.0;
        if averages {
            model.network.clone().set_weights(&average).map_err(misfit)?;
        }
        Ok(State {
            network: model.network,
            average: averages.then_some(average),
            progress,
            best: None,
            settings: Settings { recipe: model.recipe, seed, steps_per_epoch },
            images,
            instruction_set: texts.get(INSTRUCTION_SET).and_then(|name| InstructionSet::from_name(name)),
            path: Some(path.to_owned()),
        })
    }

    /// Reads a checkpoint if the file exists; otherwise returns the state before the first step.
    ///
    /// # Errors
    /// See [`State::load`] and [`State::new`].
    pub fn load_or_new(path: &Path, settings: &Settings) -> Result<State, TrainError> {
        if path.exists() { State::load(path) } else { State::new(settings) }
    }

    /// Writes the checkpoint. The file appears complete or not at all.
    ///
    /// # Errors
    /// If the file cannot be written, or a weight is not finite.
    pub fn save(&self, path: &Path) -> Result<(), TrainError> {
        let progress = toml::to_string(&self.progress)
            .map_err(|e| TrainError::InvalidCheckpoint { path: path.to_owned(), message: e.to_string() })?;
        let Settings { recipe, seed, steps_per_epoch } = &self.settings;
        let mut texts = Metadata::from([(PROGRESS.to_owned(), progress), (SEED.to_owned(), seed.to_string())]);
        if let Some(steps) = steps_per_epoch {
            texts.insert(STEPS_PER_EPOCH.to_owned(), steps.to_string());
        }
        if let Some(set) = self.instruction_set {
            texts.insert(INSTRUCTION_SET.to_owned(), set.name().to_owned());
        }
        if let Some(images) = &self.images {
            texts.insert(TRAINING_IMAGES.to_owned(), images.training.clone());
            texts.insert(VALIDATION_IMAGES.to_owned(), images.validation.clone());
        }
        let mut extra = self.network.optimizer_state();
        extra.extend(
            self.average
                .iter()
                .flatten()
                .map(|tensor| Tensor { name: format!("{AVERAGE_PREFIX}{}", tensor.name), ..tensor.clone() }),
        );
        Model::new(recipe.clone(), self.network.clone()).save_with(path, texts, extra).map_err(write_error)
    }

    /// Checks that training may continue with these settings and images on the instruction set in use, and stores all of
    /// them in the state. Before the first step, any instruction set will do.
    ///
    /// # Errors
    /// [`TrainError::Mismatch`] if the state was trained with other settings, other images or another instruction set;
    /// [`TrainError::Recipe`] if the recipe is invalid.
    pub(super) fn continue_with(&mut self, settings: &Settings, images: ImageDigests) -> Result<(), TrainError> {
        settings.check()?;
        let image_difference = |began: &ImageDigests| {
            if began.training != images.training {
                Some(Difference::TrainingImages)
            } else {
                (began.validation != images.validation).then_some(Difference::ValidationImages)
            }
        };
        if let Some(difference) = self.difference(settings).or_else(|| self.images.as_ref().and_then(image_difference))
        {
            return Err(TrainError::Mismatch { path: self.path.clone(), difference });
        }
        self.settings = settings.clone();
        self.images = Some(images);
        self.instruction_set = Some(instruction_set());
        Ok(())
    }

    /// Returns what differs between the run so far and these settings, on the instruction set in use. Before the first
    /// step, any instruction set is right.
    pub(super) fn difference(&self, settings: &Settings) -> Option<Difference> {
        let of_sets = || Difference::of_instruction_sets(self.instruction_set);
        Difference::of_settings(&self.settings, settings)
            .or_else(|| (self.progress.steps_done > 0).then(of_sets).flatten())
    }

    /// Returns the network that is validated and kept: with the averaged weights, if there are any.
    ///
    /// # Errors
    /// None in practice: the averaged weights have the shapes of those of the network.
    pub fn averaged_network(&self) -> Result<Network, ArchitectureError> {
        let mut network = self.network.clone();
        if let Some(average) = &self.average {
            network.set_weights(average)?;
        }
        Ok(network)
    }

    /// Moves the averaged weights towards the current ones. After n steps the decay is at most (1 + n) / (10 + n), so that
    /// the first weights are soon forgotten (as in `tf.train.ExponentialMovingAverage`).
    pub(super) fn add_to_average(&mut self, decay: f32) {
        let Some(average) = &mut self.average else { return };
        let steps = self.progress.steps_done as f32;
        let decay = decay.min((1.0 + steps) / (10.0 + steps));
        for (mean, current) in average.iter_mut().zip(self.network.weights()) {
            for (mean, current) in mean.values.iter_mut().zip(current.values) {
                *mean += (1.0 - decay) * (current - *mean);
            }
        }
    }

    /// Returns whether the last completed epoch is the best so far.
    pub(super) fn last_epoch_was_best(&self) -> bool {
        let Some((last, before)) = self.progress.history.split_last() else { return false };
        before.iter().all(|row| last.val_loss < row.val_loss)
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("recipe", &self.settings.recipe.name)
            .field("seed", &self.settings.seed)
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}

/// Returns the state of the optimizer and the averaged weights, the latter under the names of the weights.
fn checkpoint_tensors(tensors: &[Tensor]) -> (Vec<Tensor>, Vec<Tensor>) {
    let optimizer = tensors.iter().filter(|tensor| tensor.name.starts_with(OPTIMIZER_PREFIX)).cloned().collect();
    let average = tensors
        .iter()
        .filter_map(|tensor| Some((tensor.name.strip_prefix(AVERAGE_PREFIX)?, tensor)))
        .map(|(name, tensor)| Tensor { name: name.to_owned(), ..tensor.clone() })
        .collect();
    (optimizer, average)
}

/// Converts the error of a model file that cannot be written: the disk is at fault, not the model.
pub(super) fn write_error(error: ModelError) -> TrainError {
    match error {
        ModelError::Write { path, source } => TrainError::Io { path, source },
        other => other.into(),
    }
}
