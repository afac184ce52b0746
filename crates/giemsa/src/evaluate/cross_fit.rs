//! Metrics of out-of-fold predictions whose temperature and decision threshold are fitted on the other folds.

use super::bootstrap::{Interval, Settings};
use super::metric_values::MetricValues;
use super::metrics::{Intervals, Metrics};
use super::operating_point::{OperatingPoint, fit, with_temperature};
use super::paired::{Comparison, Side, compare};
use super::threshold::Aim;
use super::{EvaluateError, LabelledPrediction};

/// Out-of-fold predictions, each with the temperature and decision threshold that were [`fit`] on all other folds, so that
/// the fit does not bias the metrics.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CrossFitted {
    /// The predictions, with calibrated probabilities.
    pub predictions: Vec<LabelledPrediction>,
    /// The decision threshold of each prediction, which is that of its fold.
    pub thresholds: Vec<f64>,
}

/// Fits a temperature and a decision threshold for each fold on the other folds, and applies them.
///
/// # Errors
/// See [`fit`], which is called on the images outside each fold.
///
/// # Panics
/// If `fold_of` does not have one element per prediction.
pub fn cross_fit(
    predictions: &[LabelledPrediction],
    fold_of: &[usize],
    aim: Aim,
) -> Result<CrossFitted, EvaluateError> {
    assert_eq!(predictions.len(), fold_of.len(), "one fold per prediction");
    let folds = fold_of.iter().max().map_or(0, |last| last + 1);
    let points: Vec<OperatingPoint> = (0..folds)
        .map(|fold| {
            let others = predictions.iter().zip(fold_of).filter(|&(_, &of)| of != fold).map(|(image, _)| image.clone());
            fit(&others.collect::<Vec<_>>(), aim)
        })
        .collect::<Result<_, _>>()?;
    let calibrated = predictions.iter().zip(fold_of);
    Ok(CrossFitted {
        predictions: calibrated.map(|(image, &fold)| with_temperature(image, points[fold].temperature)).collect(),
        thresholds: fold_of.iter().map(|&fold| points[fold].threshold).collect(),
    })
}

/// The decision threshold of [`CrossFitted::decisions`].
const EVEN: f64 = 0.5;

impl CrossFitted {
    /// Computes all metrics: those of decisions with the threshold of each fold, those of probabilities (area under the ROC
    /// curve, average precision, Brier score, calibration error, loss) with the calibrated probabilities.
    ///
    /// `threshold` is only reported in the metrics; no image is classified with it.
    ///
    /// # Errors
    /// See [`Metrics::compute`].
    pub fn metrics(&self, threshold: f64, settings: Settings) -> Result<Metrics, EvaluateError> {
        let decided = Metrics::compute(&self.decisions(), EVEN, settings)?;
        let calibrated = Metrics::compute(&self.predictions, threshold, settings)?;
        Ok(Metrics {
            threshold,
            loss: calibrated.loss,
            values: combine(decided.values, calibrated.values),
            intervals: Intervals {
                values: combine::<Option<Interval>>(decided.intervals.values, calibrated.intervals.values),
                ..decided.intervals
            },
            calibration_bins: calibrated.calibration_bins,
            ..decided
        })
    }

    /// Compares these predictions with those of another recipe for the same images.
    ///
    /// # Errors
    /// See [`compare`].
    pub fn compare(&self, other: &CrossFitted, settings: Settings) -> Result<Comparison, EvaluateError> {
        let (ours, theirs) = (self.decisions(), other.decisions());
        let side = |predictions| Side { predictions, threshold: EVEN };
        let decided = compare(side(&ours), side(&theirs), settings)?;
        let calibrated = compare(side(&self.predictions), side(&other.predictions), settings)?;
        Ok(Comparison {
            a: combine(decided.a, calibrated.a),
            b: combine(decided.b, calibrated.b),
            difference: combine(decided.difference, calibrated.difference),
            intervals: combine(decided.intervals, calibrated.intervals),
            ..decided
        })
    }

    /// Returns the predictions that are wrong at the threshold of their fold.
    #[must_use]
    pub fn mistakes(&self) -> Vec<LabelledPrediction> {
        let decided = self.predictions.iter().zip(&self.thresholds);
        decided.filter(|&(image, &threshold)| !image.is_correct(threshold)).map(|(image, _)| image.clone()).collect()
    }

    /// Returns the predicted classes as predictions with the probabilities 0 and 1.
    fn decisions(&self) -> Vec<LabelledPrediction> {
        let decide = |(image, &threshold): (&LabelledPrediction, &f64)| LabelledPrediction {
            probability_parasitized: f64::from(u8::from(image.predicted_class(threshold).is_positive())),
            ..image.clone()
        };
        self.predictions.iter().zip(&self.thresholds).map(decide).collect()
    }
}

/// Takes the metrics of decisions from the first argument, those of probabilities from the second.
fn combine<T: Copy>(decided: MetricValues<T>, calibrated: MetricValues<T>) -> MetricValues<T> {
    MetricValues {
        roc_auc: calibrated.roc_auc,
        average_precision: calibrated.average_precision,
        brier_score: calibrated.brier_score,
        expected_calibration_error: calibrated.expected_calibration_error,
        ..decided
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::Class::{self, Parasitized, Uninfected};

    fn image(class: Class, probability_parasitized: f64) -> LabelledPrediction {
        LabelledPrediction {
            probability_red_cell: None,
            path: "x.png".into(),
            class,
            patient: None,
            probability_parasitized,
        }
    }

    const NO_INTERVALS: Settings = Settings { draws: 0, seed: 0 };

    #[test]
    fn classifies_each_fold_with_the_threshold_of_the_others() {
        // The classes are separated at 0.5 in fold 0 and at 0.8 in fold 1.
        let images = [image(Parasitized, 0.6), image(Uninfected, 0.4), image(Parasitized, 0.9), image(Uninfected, 0.7)];
        let fitted = cross_fit(&images, &[0, 0, 1, 1], Aim::Balanced).unwrap();
        let metrics = fitted.metrics(0.5, NO_INTERVALS).unwrap();
        let counts = metrics.counts;
        assert_eq!((counts.true_positives, counts.false_negatives), (1, 1));
        assert_eq!((counts.false_positives, counts.true_negatives), (1, 1));
        let mistakes: Vec<Class> = fitted.mistakes().iter().map(|image| image.class).collect();
        assert_eq!(mistakes, [Parasitized, Uninfected]);
    }

    /// Ten images of each class, of which one has the probability of the other class: 0.9 for Parasitized, 0.1 for
    /// Uninfected. The best temperature is therefore 1, and calibration changes nothing.
    fn calibrated() -> Vec<LabelledPrediction> {
        let both = |i: usize| {
            let (p, q) = if i == 0 { (0.1, 0.9) } else { (0.9, 0.1) };
            [image(Parasitized, p), image(Uninfected, q)]
        };
        (0..10).flat_map(both).collect()
    }

    #[test]
    fn computes_probability_metrics_on_the_probabilities_of_the_folds() {
        let images: Vec<LabelledPrediction> = [calibrated(), calibrated()].concat();
        let fold_of: Vec<usize> = (0..images.len()).map(|i| i / 20).collect();
        // This aim puts the threshold at 0: all images are classified as Parasitized.
        let fitted = cross_fit(&images, &fold_of, Aim::SensitivityAtLeast(1.0)).unwrap();
        for threshold in [0.5, 0.01] {
            let metrics = fitted.metrics(threshold, NO_INTERVALS).unwrap();
            let values = metrics.values;
            assert_eq!((values.sensitivity, values.specificity), (Some(1.0), Some(0.0)));
            // By hand: one image in ten has the squared error 0.81, the others 0.01.
            assert!((values.brier_score.unwrap() - 0.09).abs() < 1e-5, "{values:?}");
            // By hand: the two bins contain probabilities of 0.9 and 0.1, and 90 % and 10 % parasitized images.
            assert!(values.expected_calibration_error.unwrap() < 1e-5, "{values:?}");
            // By hand: of 100 pairs per fold, 81 are in order, 1 is not, and 18 are ties.
            assert!((values.roc_auc.unwrap() - 0.9).abs() < 1e-12, "{values:?}");
        }
    }

    #[test]
    fn compares_decisions_and_probabilities() {
        let images: Vec<LabelledPrediction> = [calibrated(), calibrated()].concat();
        let fold_of: Vec<usize> = (0..images.len()).map(|i| i / 20).collect();
        let fitted = |aim| cross_fit(&images, &fold_of, aim).unwrap();
        let (sensitive, balanced) = (fitted(Aim::SensitivityAtLeast(1.0)), fitted(Aim::Balanced));
        let comparison = sensitive.compare(&balanced, NO_INTERVALS).unwrap();
        assert!((comparison.difference.specificity.unwrap() - -0.9).abs() < 1e-12);
        assert_eq!((comparison.difference.roc_auc, comparison.difference.brier_score), (Some(0.0), Some(0.0)));
        assert_eq!((comparison.mcnemar.only_a_right, comparison.mcnemar.only_b_right), (2, 18));
    }
}
