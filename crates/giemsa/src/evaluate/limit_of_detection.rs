//! The limit of detection of parasitaemia, given the error rates for single cells.
//!
//! The reading of a slide is the fraction of its `n` cells that are classified as Parasitized. With sensitivity t and
//! specificity s, the mean reading at a true parasitaemia p is `p t + (1 - p) (1 - s)` (Rogan and Gladen 1978, "Estimating
//! prevalence from the results of a screening test"), so the mean reading of a parasite-free slide is 1 - s. Following
//! Currie 1968, "Limits for qualitative detection and quantitative determination":
//!
//! - the *critical count* is the smallest count that at most 5 % of parasite-free slides exceed;
//! - the *limit of detection* is the smallest true parasitaemia at which 95 % of slides exceed the critical count.
//!
//! If all patients have the same error rates, counts follow a binomial distribution. If the false positive rate varies
//! between patients, counting more cells of one patient does not average this variation out: the rate then follows a beta
//! distribution with the given mean and standard deviation, and counts follow a beta-binomial distribution.

use crate::distribution::{beta_below, beta_quantile, ln_gamma};
use serde::{Deserialize, Serialize};

pub use crate::model::CellErrors;

/// The fraction of parasite-free slides that may exceed the critical count, and of slides at the limit of detection that
/// may not exceed it.
pub const ERROR_RATE: f64 = 0.05;

/// The limit of detection for one number of cells.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectionLimit {
    /// Cells counted per slide.
    pub cells: u64,
    /// `true` if the false positive rate varies between patients.
    pub patients_differ: bool,
    /// Standard deviation of the false positive rate between patients; `None` if all patients have the same rate.
    pub between_patients: Option<f64>,
    /// The mean reading of a parasite-free slide: the mean false positive rate.
    pub clean_reading: f64,
    /// The smallest count that at most 5 % of parasite-free slides exceed.
    pub critical_count: u64,
    /// The critical count as a fraction of the cells.
    pub critical_reading: f64,
    /// The smallest true parasitaemia at which 95 % of slides exceed the critical count; `None` (undefined) if not even a
    /// parasitaemia of 1 does.
    pub limit_of_detection: Option<f64>,
}

impl CellErrors {
    /// Computes the quantile over patients of the false positive rate: of a beta distribution, or the mean if all patients
    /// have the same rate.
    pub(crate) fn false_positive_rate_quantile(self, probability: f64) -> f64 {
        match Reading::of(self, 0.0).beta() {
            Some((a, b)) => beta_quantile(probability, a, b),
            None => self.false_positive_rate,
        }
    }
}

/// Returns whether at least 95 % of slides with a true parasitaemia and `cells` counted cells exceed the critical count.
pub(crate) fn is_detected(errors: CellErrors, cells: u64, parasitaemia: f64) -> bool {
    let critical_count = Reading::of(errors, 0.0).critical_count(cells);
    Reading::of(errors, parasitaemia).exceeds(cells, critical_count) >= 1.0 - ERROR_RATE
}

/// Computes the limit of detection that counting more cells approaches: 0 if all patients have the same error rates, and
/// otherwise the one of readings without sampling variation. `None` if not even a parasitaemia of 1 is detected.
#[must_use]
pub fn limit_of_unlimited_cells(errors: CellErrors) -> Option<f64> {
    let critical = errors.false_positive_rate_quantile(1.0 - ERROR_RATE);
    smallest(|parasitaemia| {
        let reading = Reading::of(errors, parasitaemia);
        let below = match reading.beta() {
            Some((a, b)) => beta_below(critical, a, b),
            None => f64::from(u8::from(reading.mean <= critical)),
        };
        below <= ERROR_RATE
    })
}

/// Computes the limit of detection for slides with `cells` counted cells.
///
/// Takes time in proportion to the number of cells below the critical count.
#[must_use]
pub fn detection_limit(errors: CellErrors, cells: u64) -> DetectionLimit {
    let parasite_free = Reading::of(errors, 0.0);
    let critical_count = parasite_free.critical_count(cells);
    let exceeding = |parasitaemia: f64| Reading::of(errors, parasitaemia).exceeds(cells, critical_count);
    DetectionLimit {
        cells,
        patients_differ: errors.between_patients.is_some(),
        between_patients: errors.between_patients,
        clean_reading: errors.false_positive_rate,
        critical_count,
        critical_reading: critical_count as f64 / cells as f64,
        limit_of_detection: smallest(|parasitaemia| exceeding(parasitaemia) >= 1.0 - ERROR_RATE),
    }
}

/// Explains why limits for a false positive rate that varies between patients are missing, or do not include a variation;
/// `None` if they are as expected, or there are no limits at all.
#[must_use]
pub fn variation_note(limits: &[DetectionLimit]) -> Option<&'static str> {
    let between_patients = limits.last()?.between_patients;
    match between_patients {
        None => Some(
            "The variation of the false positive rate between patients cannot be estimated: this requires two patients \
             with at least two Uninfected images each.",
        ),
        Some(deviation) if deviation > 0.0 => None,
        Some(_) => Some(
            "The estimated variation of the false positive rate between patients is 0: the rates of the patients differ no \
             more than expected by chance. The limits for a rate that varies are those of its mean over patients.",
        ),
    }
}

/// Finds by bisection the smallest number in 0..=1 above which a monotonic condition holds.
fn smallest(holds: impl Fn(f64) -> bool) -> Option<f64> {
    let (mut low, mut high) = (0.0, 1.0);
    if !holds(high) {
        return None;
    }
    for _ in 0..50 {
        let middle = (low + high) / 2.0;
        if holds(middle) { high = middle } else { low = middle }
    }
    Some(high)
}

/// The distribution over slides of the probability that a cell is classified as Parasitized.
#[derive(Clone, Copy)]
struct Reading {
    mean: f64,
    /// Standard deviation between patients.
    between_patients: f64,
}

impl Reading {
    fn of(errors: CellErrors, parasitaemia: f64) -> Reading {
        let uninfected = 1.0 - parasitaemia;
        Reading {
            mean: parasitaemia * errors.sensitivity + uninfected * errors.false_positive_rate,
            between_patients: uninfected * errors.between_patients.unwrap_or(0.0),
        }
    }

    /// Computes the smallest count that at most 5 % of slides exceed.
    fn critical_count(self, cells: u64) -> u64 {
        if self.mean >= 1.0 {
            return cells;
        }
        let mut below = 0.0;
        for (count, probability) in self.probabilities(cells).enumerate() {
            below += probability;
            if below >= 1.0 - ERROR_RATE {
                return count as u64;
            }
        }
        cells
    }

    /// Computes the probability that more than `count` cells are classified as Parasitized.
    fn exceeds(self, cells: u64, count: u64) -> f64 {
        // The odds of a certain event are infinite.
        if self.mean >= 1.0 {
            return f64::from(u8::from(count < cells));
        }
        1.0 - self.probabilities(cells).take(count as usize + 1).sum::<f64>()
    }

    /// Iterates over the probabilities of 0, 1, … cells classified as Parasitized, computing each from the previous one.
    ///
    /// The probability of a small count may be less than the smallest number, so a common factor is kept apart.
    fn probabilities(self, cells: u64) -> impl Iterator<Item = f64> {
        let n = cells as f64;
        let (odds, beta) = (self.mean / (1.0 - self.mean), self.beta());
        let ratio = move |k: f64| match beta {
            None => (n - k) / (k + 1.0) * odds,
            Some((a, b)) => (n - k) / (k + 1.0) * (a + k) / (n - k - 1.0 + b),
        };
        let ln_first = self.ln_probability_of_none(cells);
        (0..=cells).scan((ln_first, ln_first.exp(), 1.0), move |(ln_factor, factor, value), k| {
            let probability = *factor * *value;
            *value *= ratio(k as f64);
            if *value > LARGE {
                *value /= LARGE;
                *ln_factor += LARGE.ln();
                *factor = ln_factor.exp();
            }
            Some(probability)
        })
    }

    /// Computes the parameters of the beta distribution with this mean and standard deviation; `None` if the standard
    /// deviation is 0.
    fn beta(self) -> Option<(f64, f64)> {
        let maximum = self.mean * (1.0 - self.mean);
        let variance = self.between_patients.powi(2).min(0.999 * maximum);
        let precision = maximum / variance - 1.0;
        // Above a precision of 1e9 the beta-binomial and the binomial distribution are indistinguishable.
        (variance > 0.0 && precision < 1e9).then_some((self.mean * precision, (1.0 - self.mean) * precision))
    }

    /// Computes the log probability that no cell is classified as Parasitized.
    fn ln_probability_of_none(self, cells: u64) -> f64 {
        match self.beta() {
            None => cells as f64 * (-self.mean).ln_1p(),
            Some((a, b)) if cells <= MOST_FACTORS => (0..cells).map(|i| (-a / (a + b + i as f64)).ln_1p()).sum(),
            // The same product as a ratio of gamma functions, with a rounding error of about 1e-9.
            Some((a, b)) => {
                let n = cells as f64;
                ln_gamma(b + n) - ln_gamma(b) + ln_gamma(a + b) - ln_gamma(a + b + n)
            }
        }
    }
}

/// Values above this are divided by it.
const LARGE: f64 = 1e200;
/// The most cells for which the probability of no positive is computed as a product.
const MOST_FACTORS: u64 = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_number_of_cells_limits_a_perfect_classifier() {
        let perfect = CellErrors { sensitivity: 1.0, false_positive_rate: 0.0, between_patients: None };
        let row = detection_limit(perfect, 1000);
        assert_eq!(row.critical_count, 0);
        // At least one parasite among 1,000 cells in 95 % of slides: (1 - p)^1000 = 0.05.
        let expected = 1.0 - 0.05f64.powf(1.0 / 1000.0);
        assert!((row.limit_of_detection.unwrap() - expected).abs() < 1e-12, "{row:?}");
    }

    #[test]
    fn returns_none_for_a_classifier_that_guesses() {
        let guessing = CellErrors { sensitivity: 0.02, false_positive_rate: 0.02, between_patients: None };
        assert_eq!(detection_limit(guessing, 1000).limit_of_detection, None);
    }

    #[test]
    fn a_classifier_that_finds_every_parasite_has_a_limit() {
        let errors = CellErrors { sensitivity: 1.0, false_positive_rate: 0.02, between_patients: None };
        let limit = detection_limit(errors, 1000).limit_of_detection.unwrap();
        assert!((0.01..0.03).contains(&limit), "{limit}");
    }

    #[test]
    fn many_cells_approach_the_limit_of_unlimited_cells() {
        let errors = CellErrors { sensitivity: 0.95, false_positive_rate: 0.0247, between_patients: Some(0.0165) };
        let unlimited = limit_of_unlimited_cells(errors).unwrap();
        let limits =
            [1_000, 10_000, 100_000, 1_000_000].map(|cells| detection_limit(errors, cells).limit_of_detection.unwrap());
        assert!(limits.is_sorted_by(|a, b| a > b) && limits[3] > unlimited, "{limits:?} {unlimited}");
        assert!((limits[3] / unlimited - 1.0).abs() < 1e-3, "{limits:?} {unlimited}");
        assert!(is_detected(errors, 1_000, 1.001 * limits[0]) && !is_detected(errors, 1_000, 0.999 * limits[0]));
        let alike = CellErrors { between_patients: None, ..errors };
        assert!(limit_of_unlimited_cells(alike).unwrap() < 1e-12);
    }

    #[test]
    fn the_limit_of_unlimited_cells_matches_scipy() {
        // tests/reference/parasitaemia_golden.py computes these numbers.
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../../../tests/reference/parasitaemia_golden.json")).unwrap();
        let errors: Vec<CellErrors> = serde_json::from_value(golden["errors"].clone()).unwrap();
        for (errors, expected) in errors.into_iter().zip(golden["limits_of_unlimited_cells"].as_array().unwrap()) {
            let found = limit_of_unlimited_cells(errors).unwrap();
            assert!((found - expected.as_f64().unwrap()).abs() < 1e-9, "{errors:?} {found} {expected}");
        }
    }

    #[test]
    fn both_ways_to_the_probability_of_no_positive_agree() {
        let reading = Reading { mean: 0.0247, between_patients: 0.0165 };
        let (a, b) = reading.beta().unwrap();
        let product: f64 = (0..MOST_FACTORS + 1).map(|i| (-a / (a + b + i as f64)).ln_1p()).sum();
        assert!((reading.ln_probability_of_none(MOST_FACTORS + 1) - product).abs() < 1e-8);
    }

    #[test]
    fn more_cells_help_less_if_patients_differ() {
        let alike = CellErrors { sensitivity: 0.95, false_positive_rate: 0.02, between_patients: None };
        let differing = CellErrors { between_patients: Some(0.02), ..alike };
        let gain = |errors| {
            let limit = |cells| detection_limit(errors, cells).limit_of_detection.unwrap();
            limit(1000) / limit(10_000)
        };
        assert!(gain(alike) > 2.5 && gain(differing) < 1.3, "{} {}", gain(alike), gain(differing));
    }

    #[test]
    fn does_not_panic_at_extreme_rates() {
        for rate in [0.0, 1e-9, 0.5, 1.0] {
            for between_patients in [None, Some(0.0), Some(1e-12), Some(0.3), Some(1.0)] {
                for sensitivity in [0.0, 0.5, 1.0] {
                    let errors = CellErrors { sensitivity, false_positive_rate: rate, between_patients };
                    let row = detection_limit(errors, 1000);
                    assert!(row.critical_count <= 1000, "{errors:?} {row:?}");
                }
            }
        }
    }
}
