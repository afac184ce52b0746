//! The whole state of a run, and the file from which it goes on: `last.safetensors`.
//!
//! A checkpoint is a model file with more in it: the optimizer's arrays (`adam.…`), the averaged weights (`ema.…`) where
//! the recipe averages, and the progress as TOML in the metadata.

use super::history::EpochRow;
use super::{Settings, TrainError};
use crate::model::container::{self, Metadata};
use crate::model::file::{AVERAGE_PREFIX, OPTIMIZER_PREFIX, invalid_weights};
use crate::model::{Model, ModelError, Recipe};
use crate::nn::ArchitectureError;
use crate::nn::{Network, Tensor};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Everything that a run's next step depends on.
pub struct State {
    /// Weights and optimizer.
    pub network: Network,
    /// The moving average of the weights, where the recipe asks for one.
    pub average: Option<Vec<Tensor>>,
    /// Where the run is.
    pub progress: Progress,
    /// The best model so far; none before the first epoch's end, and after resuming until there is a better one.
    pub best: Option<Model>,
}

/// Where a run is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Steps done since the beginning of the run.
    pub steps_done: u64,
    /// Sum of the losses of this epoch's images so far.
    pub loss_sum: f64,
    /// This epoch's images so far that were named rightly.
    pub correct: u64,
    /// This epoch's images so far.
    pub images: u64,
    /// Time spent, stops left out.
    pub elapsed_s: f64,
    /// The epochs that are done.
    #[serde(default)]
    pub history: Vec<EpochRow>,
}

const PROGRESS: &str = "progress";

impl State {
    /// The state before the first step.
    ///
    /// # Errors
    /// When the recipe's layers do not fit.
    pub fn new(settings: &Settings) -> Result<State, TrainError> {
        let recipe = &settings.recipe;
        let network = Network::new(recipe.input_shape(), &recipe.layers, settings.seed)?;
        let average = (recipe.training.ema_decay > 0.0).then(|| network.weights());
        Ok(State { network, average, progress: Progress::default(), best: None })
    }

    /// Reads a checkpoint, and the recipe it was trained by.
    ///
    /// # Errors
    /// When the file is none.
    pub fn load(path: &Path) -> Result<(State, Recipe), ModelError> {
        let (texts, tensors) = container::parse(&container::read_bytes(path)?, path)?;
        let invalid = |reason: String| ModelError::InvalidCheckpoint { path: path.to_owned(), reason };
        let progress = texts.get(PROGRESS).ok_or_else(|| invalid(format!("its metadata has no `{PROGRESS}`")))?;
        let progress: Progress =
            toml::from_str(progress).map_err(|e| invalid(format!("invalid `{PROGRESS}`: {}", e.message())))?;
        let optimizer: Vec<Tensor> = tensors.iter().filter(|t| t.name.starts_with(OPTIMIZER_PREFIX)).cloned().collect();
        let average: Vec<Tensor> = tensors
            .iter()
            .filter_map(|tensor| Some((tensor.name.strip_prefix(AVERAGE_PREFIX)?, tensor)))
            .map(|(name, tensor)| Tensor { name: name.to_owned(), ..tensor.clone() })
            .collect();
        let mut model = Model::from_parts(&texts, tensors, path)?;
        let misfit = |e: ArchitectureError| invalid_weights(path, e);
        model.network.set_optimizer_state(&optimizer).map_err(misfit)?;
        if model.recipe.training.ema_decay > 0.0 {
            model.network.clone().set_weights(&average).map_err(misfit)?;
        }
        let average = (model.recipe.training.ema_decay > 0.0).then_some(average);
        Ok((State { network: model.network, average, progress, best: None }, model.recipe))
    }

    /// Writes the checkpoint so that the file appears whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written, or a weight is not finite.
    pub fn save(&self, path: &Path, recipe: &Recipe) -> Result<(), ModelError> {
        let progress = toml::to_string(&self.progress)
            .map_err(|e| ModelError::InvalidCheckpoint { path: path.to_owned(), reason: e.to_string() })?;
        let texts = Metadata::from([(PROGRESS.to_owned(), progress)]);
        let mut extra = self.network.optimizer_state();
        extra.extend(
            self.average
                .iter()
                .flatten()
                .map(|tensor| Tensor { name: format!("{AVERAGE_PREFIX}{}", tensor.name), ..tensor.clone() }),
        );
        Model::new(recipe.clone(), self.network.clone()).save_with(path, texts, extra)
    }

    /// The network that is validated and kept: with the averaged weights, where there are any.
    ///
    /// # Errors
    /// Never, as the averaged weights are copies of the network's.
    pub fn averaged_network(&self) -> Result<Network, ArchitectureError> {
        let mut network = self.network.clone();
        if let Some(average) = &self.average {
            network.set_weights(average)?;
        }
        Ok(network)
    }

    /// Moves the averaged weights towards the current ones. Early on the decay is smaller, (1 + n) / (10 + n) after n
    /// steps, so that the first weights are soon forgotten (as `tf.train.ExponentialMovingAverage` does).
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

    /// Whether the epoch that was validated last is the best so far.
    pub(super) fn last_epoch_was_best(&self) -> bool {
        let Some((last, before)) = self.progress.history.split_last() else { return false };
        before.iter().all(|row| last.val_loss < row.val_loss)
    }
}
