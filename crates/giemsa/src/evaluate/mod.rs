//! Evaluation of predictions: metrics with confidence intervals from the probabilities of labelled images.
//!
//! Every function takes a list of [`LabelledPrediction`]s and depends on nothing else; [`metrics::Metrics`] contains all
//! metrics. The positive class is Parasitized throughout.

pub mod bootstrap;
pub mod calibration;
pub mod clusters;
pub mod counts;
pub mod cross_fit;
pub mod curves;
pub mod healthy_cells;
pub mod limit_of_detection;
pub mod loss;
pub mod metric_values;
pub mod metrics;
pub mod operating_point;
pub mod paired;
pub mod patients;
pub mod predictions_csv;
pub mod provenance;
pub mod recalibration;
pub mod sites;
pub mod threshold;

use crate::classes::Class;
use crate::dataset::{Cache, Sample};
use crate::model::{Logits, PredictError, Predictor};
use serde::Serialize;
use std::path::PathBuf;

/// A labelled image with its predicted probability.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledPrediction {
    /// The image file.
    pub path: PathBuf,
    /// The true class.
    pub class: Class,
    /// The patient; `None` if unknown.
    pub patient: Option<String>,
    /// The predicted probability of Parasitized, in 0..=1.
    pub probability_parasitized: f64,
    /// The predicted probability that the image shows a single red cell, in 0..=1; `None` if the network has no output for
    /// it.
    pub probability_red_cell: Option<f64>,
}

impl LabelledPrediction {
    /// Returns the predicted class: Parasitized if the probability is at least the decision threshold.
    #[must_use]
    pub fn predicted_class(&self, threshold: f64) -> Class {
        if self.probability_parasitized >= threshold { Class::Parasitized } else { Class::Uninfected }
    }

    /// Returns whether the predicted class is the true class.
    #[must_use]
    pub fn is_correct(&self, threshold: f64) -> bool {
        self.predicted_class(threshold) == self.class
    }

    /// Returns the predicted probability of the true class.
    #[must_use]
    pub fn probability_of_true_class(&self) -> f64 {
        if self.class.is_positive() { self.probability_parasitized } else { 1.0 - self.probability_parasitized }
    }
}

/// Predicts the probabilities of all images of a cached data set.
///
/// # Errors
/// If an image cannot be read back, or an output of the network is not finite.
pub fn predict_labelled(predictor: Predictor<'_>, images: &Cache) -> Result<Vec<LabelledPrediction>, PredictError> {
    Ok(labelled_predictions(images.samples(), &predictor.logits(images)?, predictor.model().temperature))
}

/// Pairs samples with the calibrated probabilities of their logits.
#[must_use]
pub fn labelled_predictions<'a>(
    samples: impl IntoIterator<Item = &'a Sample>,
    logits: &[Logits],
    temperature: f32,
) -> Vec<LabelledPrediction> {
    let label = |(sample, logits): (&Sample, &Logits)| LabelledPrediction {
        path: sample.path.clone(),
        class: sample.class,
        patient: sample.patient.clone(),
        probability_parasitized: Class::probability_parasitized(logits.class / temperature).into(),
        probability_red_cell: logits.probability_red_cell().map(f64::from),
    };
    samples.into_iter().zip(logits).map(label).collect()
}

/// Labelled images that a model refuses because they are not a single red cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Refused {
    /// Refused images of class Parasitized.
    pub parasitized: usize,
    /// Refused images of class Uninfected.
    pub uninfected: usize,
}

impl Refused {
    /// Returns the number of refused images of both classes.
    #[must_use]
    pub fn total(self) -> usize {
        self.parasitized + self.uninfected
    }
}

/// Counts the images whose probability of a single red cell is below a threshold; `None` if the network has no output for
/// it. Metrics contain these images like all others, because their labels call them red cells.
#[must_use]
pub fn count_refused(predictions: &[LabelledPrediction], red_cell_threshold: f64) -> Option<Refused> {
    if predictions.iter().all(|image| image.probability_red_cell.is_none()) {
        return None;
    }
    let is_refused = |image: &&LabelledPrediction| image.probability_red_cell.is_some_and(|p| p < red_cell_threshold);
    let of = |class: Class| predictions.iter().filter(is_refused).filter(|image| image.class == class).count();
    Some(Refused { parasitized: of(Class::Parasitized), uninfected: of(Class::Uninfected) })
}

/// Selects the incorrectly classified images of a true class, the most confident errors first.
#[must_use]
pub fn errors_of_class(predictions: &[LabelledPrediction], threshold: f64, class: Class) -> Vec<&LabelledPrediction> {
    let mut errors: Vec<&LabelledPrediction> =
        predictions.iter().filter(|image| image.class == class && !image.is_correct(threshold)).collect();
    errors.sort_by(|a, b| a.probability_of_true_class().total_cmp(&b.probability_of_true_class()));
    errors
}

/// An error of an evaluation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// There are no images.
    #[error("no images to evaluate")]
    NoImages,
    /// The model returned a probability outside 0..=1 or NaN.
    #[error("{}: expected a probability in 0..=1 from the model, found {found}", path.display())]
    Probability {
        /// The image.
        path: PathBuf,
        /// The value that the model returned.
        found: f64,
    },
    /// Images of both classes are required, and one class has none.
    #[error("images of both classes are required to {purpose}, but there are none of class {missing}")]
    MissingClass {
        /// The purpose, such as "choose a threshold".
        purpose: &'static str,
        /// The class without images.
        missing: Class,
    },
    /// The two lists of a paired comparison differ in length.
    #[error("a paired comparison needs predictions of the same images, found {a} and {b} images")]
    DifferentCounts {
        /// Images of the first model.
        a: usize,
        /// Images of the second model.
        b: usize,
    },
    /// The two lists of a paired comparison contain different images at the same position, or the same image with
    /// different classes or patients.
    #[error(
        "a paired comparison needs predictions of the same images, found {} ({class_a}) and {} ({class_b})",
        path_a.display(), path_b.display()
    )]
    DifferentImages {
        /// The image of the first model.
        path_a: PathBuf,
        /// Its class.
        class_a: Class,
        /// The image of the second model.
        path_b: PathBuf,
        /// Its class.
        class_b: Class,
    },
    /// The bootstrap would need too much memory.
    #[error("expected at most {} bootstrap resamples, found {draws}", bootstrap::MAX_DRAWS)]
    TooManyDraws {
        /// The number of resamples.
        draws: usize,
    },
    /// A text is not an [`threshold::Aim`].
    #[error("expected an aim such as `balanced`, `sensitivity>=0.95` or `specificity>=0.98`, found `{text}`")]
    InvalidAim {
        /// The text.
        text: String,
    },
    /// Only a threshold above 1 achieves the aim, so no image would be classified as Parasitized.
    #[error("no threshold up to 1 achieves {aim}: no image would be classified as Parasitized")]
    NoThreshold {
        /// The aim.
        aim: threshold::Aim,
    },
}

/// Checks that there are images, and that every probability is in 0..=1.
///
/// # Errors
/// If there are no images, or a probability is not a number in 0..=1.
pub fn check(predictions: &[LabelledPrediction]) -> Result<(), EvaluateError> {
    if predictions.is_empty() {
        return Err(EvaluateError::NoImages);
    }
    match predictions.iter().find(|image| !(0.0..=1.0).contains(&image.probability_parasitized)) {
        Some(image) => {
            Err(EvaluateError::Probability { path: image.path.clone(), found: image.probability_parasitized })
        }
        None => Ok(()),
    }
}

/// Checks that there are images of both classes.
///
/// # Errors
/// If a class has no images; `purpose` is part of the message.
pub fn check_both_classes(predictions: &[LabelledPrediction], purpose: &'static str) -> Result<(), EvaluateError> {
    match Class::ALL.into_iter().find(|&class| predictions.iter().all(|image| image.class != class)) {
        Some(missing) => Err(EvaluateError::MissingClass { purpose, missing }),
        None => Ok(()),
    }
}

/// Counts true and false positives and negatives at a decision threshold.
#[must_use]
pub fn count(predictions: &[LabelledPrediction], threshold: f64) -> counts::Counts {
    counts::Counts::from_pairs(predictions.iter().map(|image| (image.class, image.predicted_class(threshold))))
}
