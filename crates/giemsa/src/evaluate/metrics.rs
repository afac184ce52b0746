//! All metrics of an evaluation in one structure; `docs/evaluation.md` documents its JSON keys, which are stable.

use super::bootstrap::{Interval, LEVEL, Settings, intervals};
use super::calibration::{Bin, log_loss, reliability};
use super::clusters::{Clusters, Resampled};
use super::counts::Counts;
use super::limit_of_detection::{CellErrors, DetectionLimit, detection_limit};
use super::metric_values::{MetricValues, Ranked};
use super::patients::{ByPatient, by_patient};
use super::{EvaluateError, LabelledPrediction, check, count};
use crate::RESEARCH_ONLY;
use serde::Serialize;

/// Cells per slide for which limits of detection are computed.
pub const SLIDE_CELLS: [u64; 2] = [1_000, 10_000];

/// The metrics of a model on labelled images.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Metrics {
    /// Number of images.
    pub images: u64,
    /// Number of patients; `None` if the patient of any image is unknown.
    pub patients: Option<usize>,
    /// Decision threshold: an image is classified as Parasitized if its probability is at least this.
    pub threshold: f64,
    /// Mean binary cross-entropy, in nats.
    pub loss: f64,
    /// The metrics by name.
    #[serde(flatten)]
    pub values: MetricValues<Option<f64>>,
    /// True and false positives and negatives.
    #[serde(flatten)]
    pub counts: Counts,
    /// 95 % confidence intervals of the metrics.
    pub intervals: Intervals,
    /// Metrics by patient; `None` if the patient of any image is unknown.
    pub by_patient: Option<ByPatient>,
    /// The reliability diagram.
    pub calibration_bins: Vec<Bin>,
    /// Limits of detection of parasitaemia; empty unless there are images of both classes.
    pub detection_limits: Vec<DetectionLimit>,
    /// [`RESEARCH_ONLY`].
    pub research_only: &'static str,
}

/// 95 % confidence intervals of the metrics, with the settings of the bootstrap.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Intervals {
    /// Confidence level: 0.95.
    pub level: f64,
    /// The unit that was resampled.
    pub resampled: Resampled,
    /// Number of bootstrap resamples.
    pub draws: usize,
    /// Seed of the bootstrap.
    pub seed: u64,
    /// The intervals by name; see [`super::bootstrap::intervals`] for when one is `None`.
    #[serde(flatten)]
    pub values: MetricValues<Option<Interval>>,
}

impl Metrics {
    /// Computes all metrics at a decision threshold, with bootstrap intervals.
    ///
    /// # Errors
    /// If there are no images, a probability is not a number in 0..=1, or there are too many resamples.
    pub fn compute(
        predictions: &[LabelledPrediction],
        threshold: f64,
        settings: Settings,
    ) -> Result<Metrics, EvaluateError> {
        check(predictions)?;
        settings.check()?;
        let clusters = Clusters::by_patient(predictions);
        let ranked = Ranked::new(predictions, threshold, &clusters);
        let values = ranked.metrics(&clusters.unit_weights());
        let by_patient = by_patient(predictions, threshold);
        Ok(Metrics {
            images: predictions.len() as u64,
            patients: clusters.patients(),
            threshold,
            loss: log_loss(predictions),
            values,
            counts: count(predictions, threshold),
            intervals: Intervals {
                level: LEVEL,
                resampled: clusters.resampled,
                draws: settings.draws,
                seed: settings.seed,
                values: intervals(&clusters, settings, |weights| ranked.metrics(weights)),
            },
            detection_limits: detection_limits(&values, by_patient.as_ref()),
            by_patient,
            calibration_bins: reliability(predictions),
            research_only: RESEARCH_ONLY,
        })
    }
}

impl Metrics {
    /// Returns the error rates for single cells: with a false positive rate that varies between patients if that variation
    /// can be estimated; `None` without images of both classes.
    #[must_use]
    pub fn cell_errors(&self) -> Option<CellErrors> {
        cell_errors(&self.values, self.by_patient.as_ref()).pop()
    }
}

/// Returns the error rates with the pooled false positive rate for all patients, and those with a rate that varies between
/// patients as in these predictions, if that variation can be estimated. There are none without images of both classes.
fn cell_errors(values: &MetricValues<Option<f64>>, by_patient: Option<&ByPatient>) -> Vec<CellErrors> {
    let (Some(sensitivity), Some(specificity)) = (values.sensitivity, values.specificity) else {
        return Vec::new();
    };
    let uniform = CellErrors { sensitivity, false_positive_rate: 1.0 - specificity, between_patients: None };
    let varying = by_patient.and_then(|by_patient| {
        let between_patients = Some(by_patient.false_positive_rate_between_patients?);
        let false_positive_rate = by_patient.macro_false_positive_rate?;
        Some(CellErrors { sensitivity, false_positive_rate, between_patients })
    });
    std::iter::once(uniform).chain(varying).collect()
}

/// Computes the limits of detection for each number of cells and each of the error rates.
fn detection_limits(values: &MetricValues<Option<f64>>, by_patient: Option<&ByPatient>) -> Vec<DetectionLimit> {
    let errors = cell_errors(values, by_patient);
    errors.into_iter().flat_map(|errors| SLIDE_CELLS.map(|cells| detection_limit(errors, cells))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::Class::{self, Parasitized, Uninfected};
    use crate::evaluate::limit_of_detection::variation_note;

    /// One patient per pair of counts: false positives and true negatives; each has a true positive.
    fn metrics(patients: &[(usize, usize)]) -> Metrics {
        let image = |patient: usize, class: Class, probability_parasitized| LabelledPrediction {
            probability_red_cell: None,
            path: "cell.png".into(),
            class,
            patient: Some(format!("C{patient}")),
            probability_parasitized,
        };
        let images = patients.iter().enumerate().flat_map(|(patient, &(positives, negatives))| {
            let alarms = std::iter::repeat_n(image(patient, Uninfected, 0.9), positives);
            let rest = std::iter::repeat_n(image(patient, Uninfected, 0.1), negatives);
            alarms.chain(rest).chain([image(patient, Parasitized, 0.9)])
        });
        let images: Vec<LabelledPrediction> = images.collect();
        Metrics::compute(&images, 0.5, Settings { draws: 2, seed: 0 }).unwrap()
    }

    #[test]
    fn limits_for_patients_who_differ_are_listed_if_their_estimated_variation_is_zero() {
        // Rates of 4/10 and 11/20: the variance 0.01125 is less than the sampling variance (0.24/9 + 0.2475/19) / 2 = 0.0198.
        let metrics = metrics(&[(4, 6), (11, 9)]);
        let between = metrics.by_patient.as_ref().unwrap().false_positive_rate_between_patients;
        assert_eq!(between, Some(0.0));
        let rows: Vec<(u64, bool, Option<f64>)> =
            metrics.detection_limits.iter().map(|row| (row.cells, row.patients_differ, row.between_patients)).collect();
        let expected =
            [(1_000, false, None), (10_000, false, None), (1_000, true, Some(0.0)), (10_000, true, Some(0.0))];
        assert_eq!(rows, expected);
        // The pooled rate is 15/30, the mean of the patients (4/10 + 11/20) / 2.
        for (row, expected) in metrics.detection_limits.iter().zip([0.5, 0.5, 0.475, 0.475]) {
            assert!((row.clean_reading - expected).abs() < 1e-15, "{row:?}");
        }
        let errors = metrics.cell_errors().unwrap();
        assert_eq!((errors.sensitivity, errors.between_patients), (1.0, Some(0.0)));
        assert!((errors.false_positive_rate - 0.475).abs() < 1e-15);
    }

    #[test]
    fn a_note_explains_limits_without_variation_between_patients() {
        let note = |patients: &[(usize, usize)]| variation_note(&metrics(patients).detection_limits);
        assert!(note(&[(4, 6), (11, 9)]).unwrap().contains("is 0"));
        assert!(note(&[(4, 6)]).unwrap().contains("cannot be estimated"));
        assert_eq!(note(&[(0, 11), (11, 0)]), None);
        assert_eq!(variation_note(&[]), None);
    }
}
