//! Evaluation: from the probabilities of labelled images to figures with intervals.
//!
//! Everything starts from a list of [`LabelledPrediction`] images and is a pure function of it; [`metrics::Metrics`] gathers all
//! figures. The positive class is Parasitized throughout.

pub mod bootstrap;
pub mod calibration;
pub mod counts;
pub mod curves;
pub mod figures;
pub mod limit_of_detection;
pub mod loss;
pub mod metrics;
pub mod operating_point;
pub mod paired;
pub mod patients;
pub mod threshold;

use crate::classes::Class;
use crate::dataset::{Cache, Sample};
use crate::model::{PredictError, Predictor};
use std::path::PathBuf;

/// A labelled image and what a model says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledPrediction {
    /// The image file.
    pub path: PathBuf,
    /// What it is.
    pub class: Class,
    /// Whose it is; none where that is not known.
    pub patient: Option<String>,
    /// What the model says, in 0..=1.
    pub probability_parasitized: f64,
}

impl LabelledPrediction {
    /// The class that the image is called at a decision threshold: Parasitized from the threshold up.
    pub fn called(&self, threshold: f64) -> Class {
        if self.probability_parasitized >= threshold { Class::Parasitized } else { Class::Uninfected }
    }

    /// Whether the image is called what it is.
    pub fn is_right(&self, threshold: f64) -> bool {
        self.called(threshold) == self.class
    }

    /// The probability that the model gives to what the image is.
    pub fn probability_of_truth(&self) -> f64 {
        if self.class.is_positive() { self.probability_parasitized } else { 1.0 - self.probability_parasitized }
    }
}

/// Predicts the classes of all images of a cached data set.
///
/// # Errors
/// If an image cannot be read back, or an output of the network is not finite.
pub fn predict_labelled(predictor: Predictor<'_>, images: &Cache) -> Result<Vec<LabelledPrediction>, PredictError> {
    Ok(labelled_predictions(images.samples(), &predictor.logits(images)?, predictor.model().temperature))
}

/// Pairs samples with the calibrated probabilities of their logits.
pub fn labelled_predictions<'a>(
    samples: impl IntoIterator<Item = &'a Sample>,
    logits: &[f32],
    temperature: f32,
) -> Vec<LabelledPrediction> {
    let label = |(sample, &logit): (&Sample, &f32)| LabelledPrediction {
        path: sample.path.clone(),
        class: sample.class,
        patient: sample.patient.clone(),
        probability_parasitized: Class::probability_parasitized(logit / temperature).into(),
    };
    samples.into_iter().zip(logits).map(label).collect()
}

/// Scores that cannot be judged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// There are no images.
    #[error("expected at least one image to evaluate, found none")]
    NoImages,
    /// A probability is not one.
    #[error("{path}: expected a probability in 0..=1 from the model, found {found}")]
    Probability {
        /// The image.
        path: String,
        /// What the model gave.
        found: f64,
    },
    /// Something needs images of both classes.
    #[error("expected images of both classes to {purpose}, found none of class {missing}")]
    OneClass {
        /// What for, such as "choose a threshold".
        purpose: &'static str,
        /// The class without images.
        missing: Class,
    },
    /// Two lists that should be of the same images are not.
    #[error("expected scores of the same images from both models, found {found}")]
    Unpaired {
        /// Where they differ.
        found: String,
    },
    /// An aim that cannot be read.
    #[error("expected an aim such as `balanced`, `sensitivity>=0.95` or `specificity>=0.98`, found `{found}`")]
    Aim {
        /// What was given.
        found: String,
    },
}

/// Makes sure that there are images, and that every probability is one.
///
/// # Errors
/// Names the first image whose probability is not a finite number in 0..=1.
pub fn check(scored: &[LabelledPrediction]) -> Result<(), EvaluateError> {
    if scored.is_empty() {
        return Err(EvaluateError::NoImages);
    }
    match scored.iter().find(|image| !(0.0..=1.0).contains(&image.probability_parasitized)) {
        Some(image) => Err(EvaluateError::Probability {
            path: image.path.display().to_string(),
            found: image.probability_parasitized,
        }),
        None => Ok(()),
    }
}

/// Makes sure that there are images of both classes.
///
/// # Errors
/// Names the class that has none, and what it is needed for.
pub fn check_both_classes(scored: &[LabelledPrediction], purpose: &'static str) -> Result<(), EvaluateError> {
    match Class::ALL.into_iter().find(|&class| scored.iter().all(|image| image.class != class)) {
        Some(missing) => Err(EvaluateError::OneClass { purpose, missing }),
        None => Ok(()),
    }
}

/// The confusion counts at a decision threshold.
pub fn count(scored: &[LabelledPrediction], threshold: f64) -> counts::Counts {
    counts::Counts::of(scored.iter().map(|image| (image.class, image.called(threshold))))
}
