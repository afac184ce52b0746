//! Training: the loop, run folders, checkpoints, cross-validation and pretraining.
//!
//! [`train()`] is the loop; [`run`] trains in a folder from which the run can be resumed; [`cross_validation`] and
//! [`pretraining`] train several networks, with [`Distillation`] also the teachers of each.
//!
//! Every random number is a function of (seed, pass over the images, image), and a checkpoint contains the whole state of
//! the loop, so the weights do not depend on the number of threads or on where a run was stopped and resumed.

mod batches;
pub mod checkpoint;
mod composition;
pub mod cross_validation;
mod distillation;
mod error;
pub mod folder;
pub mod history;
pub mod leak;
mod lock;
pub mod pretraining;
pub mod run;
mod schedule;
pub mod sets;
mod settings;
mod training_set;

pub use checkpoint::State;
pub use distillation::{Distillation, Stage};
pub use error::{Difference, Place, TrainError};
pub use folder::{Part, RunFolder};
pub use history::EpochRow;
pub use run::{Run, RunSettings, StoppedRun};
pub use settings::Settings;
pub use training_set::{Content, TrainingSet};

use crate::classes::Class;
use crate::dataset::LabelledImages;
use crate::evaluate::loss::loss_and_accuracy;
use crate::model::{Model, ModelError, PredictError, Tta, predict_logits};
use crate::nn::StepSettings;
use crate::nn::network::StepResult;
use crate::preprocess::Images;
use batches::{Batch, Batches};
use checkpoint::ImageDigests;
use schedule::Plan;
use std::ops::ControlFlow;

/// Progress within the current epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// Current epoch, counted from 1.
    pub epoch: u64,
    /// Epochs of the run.
    pub epochs: u64,
    /// Completed steps of this epoch.
    pub step: u64,
    /// Steps per epoch.
    pub steps: u64,
    /// Mean loss of the images of this epoch so far.
    pub loss: f64,
    /// Accuracy on the images of this epoch so far, each before its step.
    pub accuracy: f64,
}

/// Receives the progress of a run, and may stop it: after `Break` the loop saves the state and returns.
pub trait Observer {
    /// Called before a teacher, and before the network that learns from the teachers; not if there are none.
    fn stage(&mut self, _: Stage) {}
    /// Called after each step.
    fn step(&mut self, report: &StepReport) -> ControlFlow<()>;
    /// Called after each epoch, once its files are written.
    fn epoch(&mut self, history: &[EpochRow]) -> ControlFlow<()>;
    /// Returns the seconds since the observer was created, for the history. The library does not read the clock.
    fn elapsed_s(&self) -> f64 {
        0.0
    }
}

/// The way in which a call of [`train()`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All epochs are completed.
    Completed,
    /// The observer stopped the run. The state is saved if there is a folder.
    Interrupted,
}

/// Trains from a state to the last epoch of the settings, or until the observer stops it. `training` is a reference to
/// labelled images, or a [`TrainingSet`] with images of other sites.
///
/// After each epoch the network is validated, and `folder`, if given, receives `model.safetensors` (the best model by
/// validation loss so far), `history.csv` and `last.safetensors`. If the observer stops the run within an epoch, only
/// `last.safetensors` is written.
///
/// # Errors
/// If a set is empty, the recipe is invalid, the state was trained with other settings, other images or another
/// instruction set ([`TrainError::Mismatch`]), the loss is not finite, or a file cannot be written.
pub fn train<'a>(
    state: &mut State,
    settings: &Settings,
    training: impl Into<TrainingSet<'a>>,
    validation: &dyn LabelledImages,
    folder: Option<&RunFolder>,
    observer: &mut dyn Observer,
) -> Result<Ending, TrainError> {
    let training = &training.into();
    if training.is_empty() || validation.is_empty() {
        let part = if training.is_empty() { Part::Training } else { Part::Validation };
        return Err(TrainError::NoImages { part });
    }
    state.continue_with(settings, ImageDigests::of(training, validation, settings.recipe.input.side_px)?)?;
    let plan = Plan::new(settings, training.len());
    let mut batches = Batches::new(settings, training, &plan);
    let elapsed_before_s = state.progress.elapsed_s;
    while state.progress.steps_done < plan.total_steps() {
        let report = step(state, settings, &plan, &mut batches)?;
        state.progress.elapsed_s = elapsed_before_s + observer.elapsed_s();
        let mut flow = observer.step(&report);
        if report.step == report.steps {
            finish_epoch(state, settings, &plan, validation, elapsed_before_s, observer)?;
            save_epoch(state, folder)?;
            if observer.epoch(&state.progress.history).is_break() {
                flow = ControlFlow::Break(());
            }
        } else if let (ControlFlow::Break(()), Some(folder)) = (flow, folder) {
            folder.save_last(state)?;
        }
        if flow.is_break() && state.progress.steps_done < plan.total_steps() {
            return Ok(Ending::Interrupted);
        }
    }
    Ok(Ending::Completed)
}

/// Performs one optimizer step and records its loss.
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
        label_smoothing: if batches.has_teachers() { 0.0 } else { training.label_smoothing },
        seed: settings.seed,
        epoch: batch.pass,
    };
    let result = state.network.train_step(&batch.inputs, &batch.targets, &batch.samples, &step_settings);
    if !result.loss.is_finite() {
        let (epoch, step) = (done / plan.steps_per_epoch + 1, done % plan.steps_per_epoch + 1);
        return Err(TrainError::NotFinite { epoch, place: Place::Step(step), loss: result.loss.into() });
    }
    state.add_to_average(training.ema_decay);
    record(state, &batch, &result);
    Ok(report(state, plan))
}

fn record(state: &mut State, batch: &Batch, result: &StepResult) {
    let progress = &mut state.progress;
    progress.steps_done += 1;
    let outputs = result.logits.len() / batch.samples.len();
    let of_class = result.logits.iter().zip(&batch.targets).step_by(outputs).filter(|(_, target)| !target.is_nan());
    let correct = of_class.clone().filter(|&(&logit, &target)| is_correct(logit, target)).count();
    let images = of_class.count();
    progress.loss_sum += f64::from(result.class_loss) * images as f64;
    progress.images += images as u64;
    progress.correct += correct as u64;
}

/// Returns whether the class of a logit is the more probable one of a target.
fn is_correct(logit: f32, target: f32) -> bool {
    (Class::from_logit(logit).target() - target).abs() < 0.5
}

fn report(state: &State, plan: &Plan) -> StepReport {
    let progress = &state.progress;
    let last = progress.steps_done - 1;
    StepReport {
        epoch: last / plan.steps_per_epoch + 1,
        epochs: plan.epochs,
        step: last % plan.steps_per_epoch + 1,
        steps: plan.steps_per_epoch,
        loss: progress.loss_sum / progress.images.max(1) as f64,
        accuracy: progress.correct as f64 / progress.images.max(1) as f64,
    }
}

/// Validates the network, adds a row to the history, and keeps the model if it is the best so far.
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
    let logits = predict_logits(&model.network, validation, Tta::None).map_err(|error| match error {
        PredictError::Model(ModelError::NonFiniteOutput { logit }) => {
            TrainError::NotFinite { epoch: report.epoch, place: Place::Validation, loss: logit.into() }
        }
        other => other.into(),
    })?;
    let validated = loss_and_accuracy(&logits, validation);
    let progress = &mut state.progress;
    progress.elapsed_s = elapsed_before_s + observer.elapsed_s();
    let best_before = progress.history.iter().map(|row| row.val_loss).fold(f64::INFINITY, f64::min);
    progress.history.push(EpochRow {
        epoch: report.epoch,
        loss: report.loss,
        acc: report.accuracy,
        val_loss: validated.loss,
        val_acc: validated.accuracy,
        learning_rate: plan.learning_rate(progress.steps_done - 1),
        elapsed_s: progress.elapsed_s,
    });
    (progress.loss_sum, progress.correct, progress.images) = (0.0, 0, 0);
    if validated.loss < best_before {
        state.best = Some(model);
    }
    Ok(())
}

/// Writes the files of an epoch. The checkpoint is the last one, so a run that is killed in between repeats the epoch.
fn save_epoch(state: &State, folder: Option<&RunFolder>) -> Result<(), TrainError> {
    let Some(folder) = folder else { return Ok(()) };
    if let (Some(best), true) = (&state.best, state.last_epoch_was_best()) {
        folder.save_best(best)?;
    }
    folder.save_history(&state.progress.history)?;
    folder.save_last(state)
}
