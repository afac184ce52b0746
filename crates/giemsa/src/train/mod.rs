//! Training: settings, the loop, its history, and checkpoints from which it goes on as if it had never stopped.
//!
//! Everything random is a function of (seed, pass over the data, sample), and the loop's whole state is in its
//! checkpoint, so the weights do not depend on the number of threads or on where a run was stopped and resumed.

mod batches;
pub mod checkpoint;
pub mod folder;
pub mod history;
mod schedule;

pub use checkpoint::State;
pub use folder::RunFolder;
pub use history::EpochRow;

use crate::classes::Class;
use crate::dataset::LabelledImages;
use crate::evaluate::loss::loss_and_accuracy;
use crate::image::ImageError;
use crate::model::{Model, ModelError, Recipe};
use crate::model::{Tta, predict_logits};
use crate::nn::ArchitectureError;
use crate::nn::StepSettings;
use crate::nn::network::StepResult;
use batches::{Batch, Batches};
use schedule::Plan;
use std::ops::ControlFlow;

/// What decides the weights, together with the images.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Preprocessing, layers, training settings and augmentation.
    pub recipe: Recipe,
    /// First weights, order, augmentation and dropout follow from it.
    pub seed: u64,
    /// Steps an epoch; none is one pass over the training images. As in Keras, an epoch with fewer or more steps goes
    /// on through the shuffled images where the one before stopped, and they are shuffled anew after each pass.
    pub steps_per_epoch: Option<u64>,
}

/// How far the current epoch is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// From 1.
    pub epoch: u64,
    /// Epochs in all.
    pub epochs: u64,
    /// Steps of this epoch that are done.
    pub step: u64,
    /// Steps of each epoch.
    pub steps: u64,
    /// Mean loss of this epoch's images so far.
    pub loss: f64,
    /// Share of this epoch's images so far that were named rightly, each before its step.
    pub accuracy: f64,
}

/// Watches a run, and may stop it: after `Break` the loop saves and returns.
pub trait Observer {
    /// After each step.
    fn step(&mut self, report: &StepReport) -> ControlFlow<()>;
    /// After each epoch, when its files are written.
    fn epoch(&mut self, history: &[EpochRow]) -> ControlFlow<()>;
    /// Seconds since the observer began, for the history; the library reads no clock.
    fn elapsed_s(&self) -> f64 {
        0.0
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All epochs are done.
    Completed,
    /// The observer stopped it; everything is in the state, and in the folder if there is one.
    Interrupted,
}

/// A run that cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// There is nothing to train or validate on.
    #[error("expected at least one image to {purpose}, found none")]
    NoImages {
        /// "train on", "validate on".
        purpose: &'static str,
    },
    /// The loss is no longer a number; the files of the last good epoch are kept.
    #[error(
        "epoch {epoch}, {place}: expected a finite loss, found {loss}; the files of the run are as they were before \
         (a smaller learning rate may help)"
    )]
    NotFinite {
        /// From 1.
        epoch: u64,
        /// "step 7", or "validation".
        place: String,
        /// What it was.
        loss: f64,
    },
    /// A file of the run cannot be written.
    #[error("{path}: {source}")]
    Write {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// An image cannot be read back.
    #[error(transparent)]
    Data(#[from] ImageError),
    /// A file of the run cannot be read, or does not hold what it should.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The layers do not fit.
    #[error(transparent)]
    Architecture(#[from] ArchitectureError),
}

/// Trains from a state to the end of its settings' epochs, or until the observer stops it.
///
/// After each epoch the state is validated, and `folder`, where given, gets `model.safetensors` (the best by validation
/// loss so far), `history.csv` and `last.safetensors`; on a stop `last.safetensors` alone.
///
/// # Errors
/// When there are no images, the loss is not finite, or a file cannot be written.
pub fn train(
    state: &mut State,
    settings: &Settings,
    training: &dyn LabelledImages,
    validation: &dyn LabelledImages,
    folder: Option<&RunFolder>,
    observer: &mut dyn Observer,
) -> Result<Ending, TrainError> {
    for (images, purpose) in [(training, "train on"), (validation, "validate on")] {
        if images.is_empty() {
            return Err(TrainError::NoImages { purpose });
        }
    }
    let plan = Plan::new(settings, training.len());
    let mut batches = Batches::new(settings, training, &plan);
    let elapsed_before_s = state.progress.elapsed_s;
    while state.progress.steps_done < plan.total_steps() {
        let report = step(state, settings, &plan, &mut batches)?;
        state.progress.elapsed_s = elapsed_before_s + observer.elapsed_s();
        let mut flow = observer.step(&report);
        if report.step == report.steps {
            finish_epoch(state, settings, &plan, validation, elapsed_before_s, observer)?;
            save_epoch(state, settings, folder)?;
            if observer.epoch(&state.progress.history).is_break() {
                flow = ControlFlow::Break(());
            }
        } else if let (ControlFlow::Break(()), Some(folder)) = (flow, folder) {
            folder.save_last(state, &settings.recipe)?;
        }
        if flow.is_break() && state.progress.steps_done < plan.total_steps() {
            return Ok(Ending::Interrupted);
        }
    }
    Ok(Ending::Completed)
}

/// One optimizer step and its bookkeeping.
fn step(
    state: &mut State,
    settings: &Settings,
    plan: &Plan,
    batches: &mut Batches<'_>,
) -> Result<StepReport, TrainError> {
    let done = state.progress.steps_done;
    let training = &settings.recipe.training;
    let batch = batches.prepare(done)?;
    let step_settings = StepSettings {
        learning_rate: plan.learning_rate(done),
        weight_decay: training.weight_decay,
        label_smoothing: training.label_smoothing,
        seed: settings.seed,
        epoch: batch.pass,
    };
    let result = state.network.train_step(&batch.inputs, &batch.targets, &batch.samples, &step_settings);
    if !result.loss.is_finite() {
        let (epoch, step) = (done / plan.steps_per_epoch + 1, done % plan.steps_per_epoch + 1);
        return Err(TrainError::NotFinite { epoch, place: format!("step {step}"), loss: result.loss.into() });
    }
    state.add_to_average(training.ema_decay);
    record(state, &batch, &result);
    Ok(report(state, plan))
}

fn record(state: &mut State, batch: &Batch, result: &StepResult) {
    let progress = &mut state.progress;
    progress.steps_done += 1;
    progress.loss_sum += f64::from(result.loss) * batch.samples.len() as f64;
    progress.images += batch.samples.len() as u64;
    progress.correct += result
        .logits
        .iter()
        .zip(&batch.targets)
        .filter(|&(&logit, &target)| Class::from_logit(logit).target() == target)
        .count() as u64;
}

fn report(state: &State, plan: &Plan) -> StepReport {
    let progress = &state.progress;
    let last = progress.steps_done - 1;
    StepReport {
        epoch: last / plan.steps_per_epoch + 1,
        epochs: plan.epochs,
        step: last % plan.steps_per_epoch + 1,
        steps: plan.steps_per_epoch,
        loss: progress.loss_sum / progress.images as f64,
        accuracy: progress.correct as f64 / progress.images as f64,
    }
}

/// Validates, adds the epoch's row to the history, and remembers the weights if they are the best so far.
fn finish_epoch(
    state: &mut State,
    settings: &Settings,
    plan: &Plan,
    validation: &dyn LabelledImages,
    elapsed_before_s: f64,
    observer: &dyn Observer,
) -> Result<(), TrainError> {
    let report = report(state, plan);
    let model = Model::new(settings.recipe.clone(), state.averaged_network()?);
    let judged = loss_and_accuracy(&predict_logits(&model.network, validation, Tta::None)?, validation);
    if !judged.loss.is_finite() {
        let place = "validation".to_owned();
        return Err(TrainError::NotFinite { epoch: report.epoch, place, loss: judged.loss });
    }
    let progress = &mut state.progress;
    progress.elapsed_s = elapsed_before_s + observer.elapsed_s();
    let best_before = progress.history.iter().map(|row| row.val_loss).fold(f64::INFINITY, f64::min);
    progress.history.push(EpochRow {
        epoch: report.epoch,
        loss: report.loss,
        acc: report.accuracy,
        val_loss: judged.loss,
        val_acc: judged.accuracy,
        learning_rate: plan.learning_rate(progress.steps_done - 1),
        elapsed_s: progress.elapsed_s,
    });
    (progress.loss_sum, progress.correct, progress.images) = (0.0, 0, 0);
    if judged.loss < best_before {
        state.best = Some(model);
    }
    Ok(())
}

/// Writes the files of an epoch; the checkpoint comes last, so that a run killed in between does the epoch again.
fn save_epoch(state: &State, settings: &Settings, folder: Option<&RunFolder>) -> Result<(), TrainError> {
    let Some(folder) = folder else { return Ok(()) };
    if let (Some(best), true) = (&state.best, state.last_epoch_was_best()) {
        folder.save_best(best)?;
    }
    folder.save_history(&state.progress.history)?;
    folder.save_last(state, &settings.recipe)
}
