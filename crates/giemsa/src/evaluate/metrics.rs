//! All figures of an evaluation in one structure, whose JSON keys stay as they are; `docs/evaluation.md` explains them.

use super::bootstrap::{Clusters, Interval, LEVEL, Resampled, Settings, intervals};
use super::calibration::{Bin, log_loss, reliability};
use super::counts::Counts;
use super::figures::{Figures, Ranked};
use super::limit_of_detection::{CellErrors, DetectionLimit, detection_limit};
use super::patients::{ByPatient, by_patient};
use super::{EvaluateError, LabelledPrediction, check, count};
use crate::RESEARCH_ONLY;
use serde::Serialize;

/// Cells on a slide for which detection limits are given.
pub const SLIDE_CELLS: [u64; 2] = [1_000, 10_000];

/// The figures of a model on labelled images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metrics {
    /// Images judged.
    pub images: u64,
    /// Patients they are of; null where an image's patient is not known.
    pub patients: Option<usize>,
    /// Images with at least this probability of Parasitized are called so.
    pub threshold: f64,
    /// Mean binary cross-entropy, in nats.
    pub loss: f64,
    /// The figures by name.
    #[serde(flatten)]
    pub figures: Figures<Option<f64>>,
    /// The four confusion counts by name.
    #[serde(flatten)]
    pub counts: Counts,
    /// 95 % intervals of the figures.
    pub intervals: Intervals,
    /// Null where an image's patient is not known.
    pub by_patient: Option<ByPatient>,
    /// The reliability diagram, from which the calibration error follows.
    pub calibration_bins: Vec<Bin>,
    /// What false positives do to a parasitaemia reading; empty unless there are images of both classes.
    pub detection_limits: Vec<DetectionLimit>,
    /// [`RESEARCH_ONLY`].
    pub research_only: &'static str,
}

/// 95 % intervals of the figures, and how they were made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Intervals {
    /// The share of draws that an interval holds: 0.95.
    pub level: f64,
    /// What was drawn with replacement.
    pub resampled: Resampled,
    /// How often.
    pub draws: usize,
    /// What the draws follow from.
    pub seed: u64,
    /// The intervals by name; null where there is none.
    #[serde(flatten)]
    pub figures: Figures<Option<Interval>>,
}

impl Metrics {
    /// Computes all figures.
    ///
    /// # Errors
    /// When there are no images, or a probability is not a number in 0..=1; names the image.
    pub fn of(scored: &[LabelledPrediction], threshold: f64, settings: Settings) -> Result<Metrics, EvaluateError> {
        check(scored)?;
        let clusters = Clusters::of(scored);
        let ranked = Ranked::new(scored, threshold, &clusters);
        let figures = ranked.figures(&clusters.once());
        let by_patient = by_patient(scored, threshold);
        Ok(Metrics {
            images: scored.len() as u64,
            patients: (clusters.resampled == Resampled::Patients).then_some(clusters.count),
            threshold,
            loss: log_loss(scored),
            figures,
            counts: count(scored, threshold),
            intervals: Intervals {
                level: LEVEL,
                resampled: clusters.resampled,
                draws: settings.draws,
                seed: settings.seed,
                figures: intervals(&clusters, settings, |weights| ranked.figures(weights)),
            },
            detection_limits: detection_limits(&figures, by_patient.as_ref()),
            by_patient,
            calibration_bins: reliability(scored),
            research_only: RESEARCH_ONLY,
        })
    }
}

/// For each number of cells, the limit with the pooled specificity for everybody, and the limit with the false positive
/// rates of patients as far apart as they are here.
fn detection_limits(figures: &Figures<Option<f64>>, by_patient: Option<&ByPatient>) -> Vec<DetectionLimit> {
    let (Some(sensitivity), Some(specificity)) = (figures.sensitivity, figures.specificity) else {
        return Vec::new();
    };
    let alike = CellErrors { sensitivity, false_positive_rate: 1.0 - specificity, between_patients: 0.0 };
    let differing = by_patient.and_then(|by_patient| {
        let between_patients = by_patient.false_positive_rate_between_patients.filter(|&spread| spread > 0.0)?;
        Some(CellErrors { sensitivity, false_positive_rate: by_patient.macro_false_positive_rate?, between_patients })
    });
    let errors = std::iter::once(alike).chain(differing);
    errors.flat_map(|errors| SLIDE_CELLS.map(|cells| detection_limit(errors, cells))).collect()
}
