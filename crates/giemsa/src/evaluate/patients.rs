//! Figures by patient: the next patient is what a laboratory wants to know about, not the next cell.

use super::LabelledPrediction;
use super::counts::Counts;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One patient's images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PatientRow {
    /// Who.
    pub patient: String,
    /// The four confusion counts by name.
    #[serde(flatten)]
    pub counts: Counts,
    /// Null without Parasitized images.
    pub sensitivity: Option<f64>,
    /// Null without Uninfected images.
    pub specificity: Option<f64>,
}

/// One row a patient, in the order of their names with numbers by value (C2 before C10).
///
/// Images without a patient are left out.
pub fn table(scored: &[LabelledPrediction], threshold: f64) -> Vec<PatientRow> {
    let mut pairs: BTreeMap<(String, u64, &str), Vec<_>> = BTreeMap::new();
    for image in scored {
        if let Some(patient) = &image.patient {
            pairs.entry(natural_order(patient)).or_default().push((image.class, image.called(threshold)));
        }
    }
    let row = |((_, _, patient), pairs): ((String, u64, &str), Vec<_>)| {
        let counts = Counts::of(pairs);
        let (sensitivity, specificity) = (counts.sensitivity(), counts.specificity());
        PatientRow { patient: patient.to_owned(), counts, sensitivity, specificity }
    };
    pairs.into_iter().map(row).collect()
}

/// Sorts `C2` before `C10`: the letters, then the number they end with.
fn natural_order(name: &str) -> (String, u64, &str) {
    let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
    (letters.to_owned(), name[letters.len()..].parse().unwrap_or(u64::MAX), name)
}

/// How a figure varies over patients.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Patients that have the figure.
    pub patients: usize,
    /// Every patient counts the same.
    pub mean: f64,
    /// Standard deviation over patients, with n - 1; 0 for one patient.
    pub standard_deviation: f64,
    /// Of the patients' figures.
    pub min: f64,
    /// A quarter of the patients are below it.
    pub lower_quartile: f64,
    /// Half of the patients are below it.
    pub median: f64,
    /// Three quarters of the patients are below it.
    pub upper_quartile: f64,
    /// Of the patients' figures.
    pub max: f64,
}

/// How figures vary; none without any.
pub fn spread(figures: impl IntoIterator<Item = f64>) -> Option<Spread> {
    let mut sorted: Vec<f64> = figures.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let (&min, &max) = (sorted.first()?, sorted.last()?);
    let n = sorted.len() as f64;
    let mean = sorted.iter().sum::<f64>() / n;
    let squares: f64 = sorted.iter().map(|figure| (figure - mean).powi(2)).sum();
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

/// A quantile of sorted figures, interpolated linearly as NumPy does by default (Hyndman and Fan 1996, type 7).
///
/// # Panics
/// Without figures.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[position.floor() as usize], sorted[position.ceil() as usize]);
    below + (above - below) * position.fract()
}

/// The figures of which every patient is a part alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ByPatient {
    /// Mean over the patients with Parasitized images of the sensitivity in each; null without such a patient.
    pub macro_sensitivity: Option<f64>,
    /// Mean over the patients with Uninfected images of the specificity in each; null without such a patient.
    pub macro_specificity: Option<f64>,
    /// Mean over the patients with Uninfected images of the false positive rate in each.
    pub macro_false_positive_rate: Option<f64>,
    /// How the sensitivity varies over patients.
    pub sensitivity: Option<Spread>,
    /// How the false positive rate varies over patients.
    pub false_positive_rate: Option<Spread>,
    /// The standard deviation of the false positive rate between patients, less what counting so few cells of each
    /// makes of it by chance; null with fewer than two patients of at least two Uninfected images.
    pub false_positive_rate_between_patients: Option<f64>,
    /// One row a patient.
    pub table: Vec<PatientRow>,
}

/// Gathers the figures by patient; none where an image's patient is not known.
pub fn by_patient(scored: &[LabelledPrediction], threshold: f64) -> Option<ByPatient> {
    if scored.iter().any(|image| image.patient.is_none()) {
        return None;
    }
    let table = table(scored, threshold);
    let sensitivity = spread(table.iter().filter_map(|row| row.sensitivity));
    let false_positive_rate = spread(table.iter().filter_map(|row| row.specificity).map(|figure| 1.0 - figure));
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

/// The standard deviation of the patients' true false positive rates, by moments: the variance of the rates seen, less
/// the mean of what sampling adds, of which p (1 - p) / (n - 1) is an unbiased estimate for a rate p seen on n cells.
fn between_patients(table: &[PatientRow]) -> Option<f64> {
    let rate = |row: &PatientRow| {
        let cells = (row.counts.false_positives + row.counts.true_negatives) as f64;
        (cells >= 2.0).then(|| (row.counts.false_positives as f64 / cells, cells))
    };
    let rates: Vec<(f64, f64)> = table.iter().filter_map(rate).collect();
    if rates.len() < 2 {
        return None;
    }
    let seen = spread(rates.iter().map(|&(p, _)| p))?.standard_deviation.powi(2);
    let sampling = rates.iter().map(|&(p, n)| p * (1.0 - p) / (n - 1.0)).sum::<f64>() / rates.len() as f64;
    Some((seen - sampling).max(0.0).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::Class::{self, Parasitized, Uninfected};

    fn image(patient: &str, class: Class, probability_parasitized: f64) -> LabelledPrediction {
        LabelledPrediction {
            path: "cell.png".into(),
            class,
            patient: Some(patient.to_owned()),
            probability_parasitized,
        }
    }

    #[test]
    fn every_patient_counts_the_same_in_macro_figures() {
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
        let figures = by_patient(&images, 0.5).unwrap();
        assert_eq!(figures.macro_sensitivity, Some(0.75));
        assert_eq!(figures.macro_specificity, Some(0.5));
        assert_eq!(figures.macro_false_positive_rate, Some(0.5));
        assert_eq!(figures.table.iter().map(|row| row.patient.as_str()).collect::<Vec<_>>(), ["C2", "C10"]);
        assert_eq!(figures.false_positive_rate_between_patients, None);
    }

    #[test]
    fn chance_is_taken_off_the_spread_between_patients() {
        // Two patients of 11 healthy cells, 0 and 11 false alarms: the variance seen, 1/2, is all theirs.
        let row = |patient: &str, false_positives, true_negatives| PatientRow {
            patient: patient.to_owned(),
            counts: Counts { false_positives, true_negatives, ..Counts::default() },
            sensitivity: None,
            specificity: None,
        };
        let deviation = between_patients(&[row("C1", 0, 11), row("C2", 11, 0)]).unwrap();
        assert!((deviation - 0.5f64.sqrt()).abs() < 1e-15, "{deviation}");
        // Rates 4/10 and 6/10: variance 0.02, less 0.24 / 9 of chance, leaves nothing.
        assert_eq!(between_patients(&[row("C1", 4, 6), row("C2", 6, 4)]), Some(0.0));
        // Rates 1/10 and 5/10: variance 0.08, less (0.09 + 0.25) / 9 / 2.
        let deviation = between_patients(&[row("C1", 1, 9), row("C2", 5, 5)]).unwrap();
        assert!((deviation.powi(2) - (0.08 - 0.34 / 18.0)).abs() < 1e-15, "{deviation}");
    }

    #[test]
    fn an_unknown_patient_makes_figures_by_patient_impossible() {
        let nobody = LabelledPrediction { patient: None, ..image("C1", Parasitized, 0.9) };
        assert_eq!(by_patient(&[image("C1", Uninfected, 0.1), nobody], 0.5), None);
    }
}
