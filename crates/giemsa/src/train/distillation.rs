//! Distillation: a network learns the mean output of several networks, its teachers, instead of the labels (Hinton, Vinyals
//! and Dean 2015, *Distilling the knowledge in a neural network*, with a temperature of 1).
//!
//! Networks of one recipe with different seeds agree on images like those of the training data, and disagree on images of
//! other sites, where their mean is better than most of them (`docs/compact.md`). A network that learns their mean, in more
//! epochs than they had, is as good and as fast as one. Teachers and network see the same augmented images (Beyer et al.
//! 2022, *Knowledge distillation: a good teacher is patient and consistent*).

use super::error::TrainError;
use super::folder::with_path;
use super::settings::Settings;
use super::{Ending, Observer, State, TrainingSet, train};
use crate::dataset::LabelledImages;
use crate::model::Model;
use crate::nn::Network;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// How a network learns from teachers. The targets are their outputs, so [label
/// smoothing](crate::model::recipe::Training::label_smoothing) does not apply, and the accuracy during training is the agreement
/// with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distillation {
    /// Number of teachers. They are trained with the same recipe and the next seeds.
    pub teachers: u64,
    /// Number of epochs of the network that learns from them; that of the teachers is in the recipe.
    pub epochs: u64,
}

/// The network that is about to be trained or resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// A teacher, counted from 1.
    Teacher {
        /// Number of the teacher.
        number: u64,
        /// Number of teachers.
        teachers: u64,
    },
    /// The network that learns from the teachers.
    Student,
}

/// Trains a network with a checkpoint, and its teachers before it, if there are any, each with a checkpoint beside that.
/// Returns the model of the last epoch, not calibrated; `None` if the observer stopped it. Another call continues from the
/// checkpoints.
pub(super) fn train_model(
    checkpoint: &Path,
    settings: &Settings,
    distillation: Option<Distillation>,
    training: TrainingSet<'_>,
    validation: &dyn LabelledImages,
    observer: &mut dyn Observer,
) -> Result<Option<Model>, TrainError> {
    let Some(Distillation { teachers, epochs }) = distillation else {
        return train_one(checkpoint, settings, training, validation, observer);
    };
    let mut networks = Vec::new();
    for number in 1..=teachers {
        observer.stage(Stage::Teacher { number, teachers });
        let settings = Settings { seed: settings.seed.wrapping_add(number), ..settings.clone() };
        let path = teacher_path(checkpoint, number);
        let Some(teacher) = train_one(&path, &settings, training, validation, observer)? else { return Ok(None) };
        networks.push(teacher.network);
    }
    observer.stage(Stage::Student);
    let mut settings = settings.clone();
    settings.recipe.training.epochs = epochs;
    train_one(checkpoint, &settings, training.with_teachers(&networks), validation, observer)
}

fn train_one(
    checkpoint: &Path,
    settings: &Settings,
    training: TrainingSet<'_>,
    validation: &dyn LabelledImages,
    observer: &mut dyn Observer,
) -> Result<Option<Model>, TrainError> {
    let mut state = State::load_or_new(checkpoint, settings)?;
    let ending = train(&mut state, settings, training, validation, None, observer)?;
    state.save(checkpoint)?;
    if ending == Ending::Interrupted {
        return Ok(None);
    }
    Ok(Some(Model::new(settings.recipe.clone(), state.averaged_network()?)))
}

/// Removes the checkpoints of a network and its teachers.
pub(super) fn remove_checkpoints(checkpoint: &Path, distillation: Option<Distillation>) -> Result<(), TrainError> {
    let teachers = distillation.map_or(0, |distillation| distillation.teachers);
    let of_teachers = (1..=teachers).map(|number| teacher_path(checkpoint, number));
    for path in of_teachers.chain([checkpoint.to_owned()]).filter(|path| path.exists()) {
        with_path(&path, |path| std::fs::remove_file(path))?;
    }
    Ok(())
}

fn teacher_path(checkpoint: &Path, number: u64) -> PathBuf {
    checkpoint.with_file_name(format!("teacher-{number}.safetensors"))
}

/// Replaces targets by the sigmoid of the mean logit of the teachers. An output without a target still has none.
///
/// # Shapes
/// - `inputs`: as in [`Network::predict`]
/// - `targets`: `[samples][outputs]`
pub(super) fn learn_from(teachers: &[Network], inputs: &[f32], targets: &mut [f32]) {
    let mut sums = vec![0.0; targets.len()];
    for teacher in teachers {
        sums.iter_mut().zip(teacher.predict(inputs)).for_each(|(sum, logit)| *sum += logit);
    }
    for (target, sum) in targets.iter_mut().zip(sums).filter(|(target, _)| !target.is_nan()) {
        let mean = sum / teachers.len() as f32;
        *target = 1.0 / (1.0 + (-mean).exp());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::NO_TARGET;
    use crate::nn::architecture::{Activation, LayerSpec, Shape};
    use crate::nn::network::Tensor;

    /// A network whose logits are these multiples of a pixel.
    fn network(weights: [f32; 2]) -> Network {
        let input = Shape { height: 1, width: 1, channels: 1 };
        let layers = [LayerSpec::Flatten {}, LayerSpec::Dense { units: 2, activation: Activation::Sigmoid }];
        let tensor = |name: &str, shape: &[usize], values: &[f32]| Tensor {
            name: name.into(),
            shape: shape.into(),
            values: values.into(),
        };
        let weights = [tensor("dense.kernel", &[1, 2], &weights), tensor("dense.bias", &[2], &[0.0; 2])];
        Network::with_weights(input, &layers, &weights).unwrap()
    }

    #[test]
    fn targets_are_the_sigmoid_of_the_mean_logit() {
        let teachers = [network([1.0, -4.0]), network([3.0, 0.0])];
        let mut targets = [1.0, 0.0, NO_TARGET, 0.0];
        learn_from(&teachers, &[1.0, 0.5], &mut targets);
        // Mean logits 2 and -2 for the first image, 1 and -1 for the second.
        let expected = [0.880_797, 0.119_203, f32::NAN, 0.268_941];
        for (target, expected) in targets.into_iter().zip(expected) {
            assert!(target.is_nan() && expected.is_nan() || (target - expected).abs() < 1e-6, "{target} {expected}");
        }
    }
}
