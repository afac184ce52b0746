//! Metrics by patient, and their variation between patients.

use super::LabelledPrediction;
use super::counts::Counts;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The metrics of one patient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PatientRow {
    /// Identifier of the patient.
    pub patient: String,
    /// True and false positives and negatives.
    #[serde(flatten)]
    pub counts: Counts,
    /// `None` without Parasitized images.
    pub sensitivity: Option<f64>,
    /// `None` without Uninfected images.
    pub specificity: Option<f64>,
}

/// Computes one row per patient, in natural order of their identifiers (C2 before C10).
///
/// Images of unknown patients are ignored.
#[must_use]
pub fn table(predictions: &[LabelledPrediction], threshold: f64) -> Vec<PatientRow> {
    let mut pairs: BTreeMap<(String, u64, &str), Vec<_>> = BTreeMap::new();
    for image in predictions {
        if let Some(patient) = &image.patient {
            pairs.entry(natural_order(patient)).or_default().push((image.class, image.predicted_class(threshold)));
        }
    }
    let row = |((_, _, patient), pairs): ((String, u64, &str), Vec<_>)| {
        let counts = Counts::from_pairs(pairs);
        let (sensitivity, specificity) = (counts.sensitivity(), counts.specificity());
        PatientRow { patient: patient.to_owned(), counts, sensitivity, specificity }
    };
    pairs.into_iter().map(row).collect()
}

/// Returns a sort key that orders `C2` before `C10`: the text before the final number, then the number.
fn natural_order(name: &str) -> (String, u64, &str) {
    let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
    (letters.to_owned(), name[letters.len()..].parse().unwrap_or(u64::MAX), name)
}

/// The distribution of a metric over patients (or folds).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Number of patients for whom the metric is defined.
    pub patients: usize,
    /// Mean; every patient has the same weight.
    pub mean: f64,
    /// Sample standard deviation, with n - 1 degrees of freedom; 0 for one patient.
    pub standard_deviation: f64,
    /// Minimum.
    pub min: f64,
    /// 25 % quantile.
    pub lower_quartile: f64,
    /// 50 % quantile.
    pub median: f64,
    /// 75 % quantile.
    pub upper_quartile: f64,
    /// Maximum.
    pub max: f64,
}

/// Computes the distribution of values; `None` without values.
#[must_use]
pub fn spread(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let (&min, &max) = (sorted.first()?, sorted.last()?);
    let n = sorted.len() as f64;
    let mean = sorted.iter().sum::<f64>() / n;
    let squares: f64 = sorted.iter().map(|value| (value - mean).powi(2)).sum();
    Some(Spread {
        patients: sorted.len(),
        mean,
        standard_deviation: (squares / (n - 1.0).max(1.0)).sqrt(),
        min,
        lower_quartile: quantile(&sorted, 0.25),
        median: quantile(&sorted, 0.5),
        upper_quartile: quantile(&sorted, 0.75),
        max,
    })
}

/// Computes a quantile of sorted values by linear interpolation, as NumPy does by default (Hyndman and Fan 1996, "Sample
/// quantiles in statistical packages", definition 7).
///
/// # Panics
/// Without values.
#[must_use]
pub fn quantile(sorted: &[f64], probability: f64) -> f64 {
    let position = probability * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[position.floor() as usize], sorted[position.ceil() as usize]);
    below + (above - below) * position.fract()
}

/// Metrics in which every patient has the same weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ByPatient {
    /// Mean sensitivity of the patients with Parasitized images; `None` without such a patient.
    pub macro_sensitivity: Option<f64>,
    /// Mean specificity of the patients with Uninfected images; `None` without such a patient.
    pub macro_specificity: Option<f64>,
    /// Mean false positive rate of the patients with Uninfected images; `None` without such a patient.
    pub macro_false_positive_rate: Option<f64>,
    /// Distribution of the sensitivity over patients.
    pub sensitivity: Option<Spread>,
    /// Distribution of the false positive rate over patients.
    pub false_positive_rate: Option<Spread>,
    /// Standard deviation of the patients' true false positive rates: that of the observed rates without the sampling
    /// variance; `None` with fewer than two patients with at least two Uninfected images.
    pub false_positive_rate_between_patients: Option<f64>,
    /// One row per patient.
    pub table: Vec<PatientRow>,
}

/// Computes the metrics by patient; `None` if the patient of any image is unknown.
#[must_use]
pub fn by_patient(predictions: &[LabelledPrediction], threshold: f64) -> Option<ByPatient> {
    if predictions.iter().any(|image| image.patient.is_none()) {
        return None;
    }
    let table = table(predictions, threshold);
    let sensitivity = spread(table.iter().filter_map(|row| row.sensitivity));
    let false_positive_rate =
        spread(table.iter().filter_map(|row| row.specificity).map(|specificity| 1.0 - specificity));
    let macro_false_positive_rate = false_positive_rate.map(|spread| spread.mean);
    Some(ByPatient {
        macro_sensitivity: sensitivity.map(|spread| spread.mean),
        macro_specificity: macro_false_positive_rate.map(|mean| 1.0 - mean),
        macro_false_positive_rate,
        sensitivity,
        false_positive_rate,
        false_positive_rate_between_patients: between_patients(&table),
        table,
    })
}

/// Estimates the standard deviation of the patients' true false positive rates by the method of moments: the variance of
/// the observed rates minus the mean sampling variance, of which p (1 - p) / (n - 1) is an unbiased estimate for a rate p
/// observed on n cells.
fn between_patients(table: &[PatientRow]) -> Option<f64> {
    let rate = |row: &PatientRow| {
        let cells = (row.counts.false_positives + row.counts.true_negatives) as f64;
        (cells >= 2.0).then(|| (row.counts.false_positives as f64 / cells, cells))
    };
    let rates: Vec<(f64, f64)> = table.iter().filter_map(rate).collect();
    if rates.len() < 2 {
        return None;
    }
    let observed = spread(rates.iter().map(|&(p, _)| p))?.standard_deviation.powi(2);
    let sampling = rates.iter().map(|&(p, n)| p * (1.0 - p) / (n - 1.0)).sum::<f64>() / rates.len() as f64;
    Some((observed - sampling).max(0.0).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::Class::{self, Parasitized, Uninfected};

    fn image(patient: &str, class: Class, probability_parasitized: f64) -> LabelledPrediction {
        LabelledPrediction {
            probability_red_cell: None,
            path: "cell.png".into(),
            class,
            patient: Some(patient.to_owned()),
            probability_parasitized,
        }
    }

    #[test]
    fn macro_metrics_give_every_patient_the_same_weight() {
        // C2: sensitivity 1/1, specificity 0/1. C10: sensitivity 2/4, specificity 1/1.
        let images = [
            image("C10", Parasitized, 0.9),
            image("C10", Parasitized, 0.9),
            image("C10", Parasitized, 0.1),
            image("C10", Parasitized, 0.1),
            image("C10", Uninfected, 0.1),
            image("C2", Parasitized, 0.5),
            image("C2", Uninfected, 0.5),
        ];
        let metrics = by_patient(&images, 0.5).unwrap();
        assert_eq!(metrics.macro_sensitivity, Some(0.75));
        assert_eq!(metrics.macro_specificity, Some(0.5));
        assert_eq!(metrics.macro_false_positive_rate, Some(0.5));
        assert_eq!(metrics.table.iter().map(|row| row.patient.as_str()).collect::<Vec<_>>(), ["C2", "C10"]);
        assert_eq!(metrics.false_positive_rate_between_patients, None);
    }

    #[test]
    fn subtracts_the_sampling_variance() {
        // Two patients with 11 uninfected cells, 0 and 11 false positives: the observed variance is 1/2, and the sampling
        // variance 0.
        let row = |patient: &str, false_positives, true_negatives| PatientRow {
            patient: patient.to_owned(),
            counts: Counts { false_positives, true_negatives, ..Counts::default() },
            sensitivity: None,
            specificity: None,
        };
        let deviation = between_patients(&[row("C1", 0, 11), row("C2", 11, 0)]).unwrap();
        assert!((deviation - 0.5f64.sqrt()).abs() < 1e-15, "{deviation}");
        // Rates 4/10 and 6/10: the variance 0.02 is less than the sampling variance 0.24 / 9.
        assert_eq!(between_patients(&[row("C1", 4, 6), row("C2", 6, 4)]), Some(0.0));
        // Rates 1/10 and 5/10: variance 0.08 minus (0.09 + 0.25) / 9 / 2.
        let deviation = between_patients(&[row("C1", 1, 9), row("C2", 5, 5)]).unwrap();
        assert!((deviation.powi(2) - (0.08 - 0.34 / 18.0)).abs() < 1e-15, "{deviation}");
    }

    #[test]
    fn returns_none_if_a_patient_is_unknown() {
        let unknown = LabelledPrediction { patient: None, ..image("C1", Parasitized, 0.9) };
        assert_eq!(by_patient(&[image("C1", Uninfected, 0.1), unknown], 0.5), None);
    }
}
