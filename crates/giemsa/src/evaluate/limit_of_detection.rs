//! What false positives of single cells do to a parasitaemia reading: the limit of detection.
//!
//! A slide is read by counting the cells called Parasitized among `n`. With sensitivity t and specificity s, a true
//! parasitaemia p reads on average `p t + (1 - p) (1 - s)` (Rogan and Gladen 1978), so a clean slide reads 1 - s. As in
//! Currie 1968, "Limits for qualitative detection and quantitative determination":
//!
//! - the *critical count* is what at most one clean slide in twenty exceeds;
//! - the *limit of detection* is the smallest true parasitaemia of which nineteen slides in twenty exceed it.
//!
//! With one error rate for all patients, counts are binomial. The rate differs between patients, though, and counting
//! more cells of a patient does not help against that: then the rate of clean slides is drawn from a beta distribution
//! of the given mean and standard deviation, and counts are beta-binomial.

use serde::{Deserialize, Serialize};

/// The share of clean slides that may exceed the critical count, and of infected ones that may fail to.
pub const ERROR_RATE: f64 = 0.05;

/// What is known of single cells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CellErrors {
    /// Share of parasitized cells called so.
    pub sensitivity: f64,
    /// Mean over patients of the share of healthy cells called parasitized.
    pub false_positive_rate: f64,
    /// Standard deviation between patients of that share; 0 where all are alike.
    pub between_patients: f64,
}

/// One row of the table of detection limits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectionLimit {
    /// Cells counted on a slide.
    pub cells: u64,
    /// Whether the false positive rate is taken to differ between patients as it did here.
    pub patients_differ: bool,
    /// The share of cells called Parasitized on a clean slide, on average.
    pub clean_reading: f64,
    /// At most one clean slide in twenty has more cells called Parasitized.
    pub critical_count: u64,
    /// The critical count as a share of the cells.
    pub critical_reading: f64,
    /// The smallest true parasitaemia found on nineteen slides in twenty; null where there is none up to 1.
    pub limit_of_detection: Option<f64>,
}

/// The limit for slides of so many cells.
pub fn detection_limit(errors: CellErrors, cells: u64) -> DetectionLimit {
    let clean = Reading::of(errors, 0.0);
    let critical_count = clean.critical_count(cells);
    let found = |parasitaemia: f64| Reading::of(errors, parasitaemia).exceeds(cells, critical_count);
    DetectionLimit {
        cells,
        patients_differ: errors.between_patients > 0.0,
        clean_reading: errors.false_positive_rate,
        critical_count,
        critical_reading: critical_count as f64 / cells as f64,
        limit_of_detection: smallest(|parasitaemia| found(parasitaemia) >= 1.0 - ERROR_RATE),
    }
}

/// The smallest number in 0..=1 from which on something holds, by bisection.
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

/// How the share of cells called Parasitized is distributed over slides, before counting.
#[derive(Clone, Copy)]
struct Reading {
    mean: f64,
    /// Standard deviation between patients.
    between_patients: f64,
}

impl Reading {
    fn of(errors: CellErrors, parasitaemia: f64) -> Reading {
        let healthy = 1.0 - parasitaemia;
        Reading {
            mean: parasitaemia * errors.sensitivity + healthy * errors.false_positive_rate,
            between_patients: healthy * errors.between_patients,
        }
    }

    /// The smallest count that at most one slide in twenty exceeds.
    fn critical_count(self, cells: u64) -> u64 {
        let mut below = 0.0;
        for (count, ln_probability) in self.ln_probabilities(cells).enumerate() {
            below += ln_probability.exp();
            if below >= 1.0 - ERROR_RATE {
                return count as u64;
            }
        }
        cells
    }

    /// The probability of more than `count` cells called Parasitized.
    fn exceeds(self, cells: u64, count: u64) -> f64 {
        1.0 - self.ln_probabilities(cells).take(count as usize + 1).map(f64::exp).sum::<f64>()
    }

    /// The logarithms of the probabilities of 0, 1, … cells called Parasitized, each from the one before.
    fn ln_probabilities(self, cells: u64) -> impl Iterator<Item = f64> {
        let n = cells as f64;
        let step = move |k: f64| ((n - k) / (k + 1.0)).ln() + self.ln_ratio(n, k);
        let first = self.ln_probability_of_none(cells);
        (0..=cells).scan(first, move |ln_probability, k| {
            let this = *ln_probability;
            *ln_probability += step(k as f64);
            Some(this)
        })
    }

    /// The two parameters of the beta distribution with this mean and spread; none without spread.
    fn beta(self) -> Option<(f64, f64)> {
        let most = self.mean * (1.0 - self.mean);
        let variance = self.between_patients.powi(2).min(0.999 * most);
        let precision = most / variance - 1.0;
        // With a thousand million cells' worth of agreement between patients, the two distributions are one.
        (variance > 0.0 && precision < 1e9).then_some((self.mean * precision, (1.0 - self.mean) * precision))
    }

    fn ln_probability_of_none(self, cells: u64) -> f64 {
        match self.beta() {
            None => cells as f64 * (-self.mean).ln_1p(),
            Some((a, b)) => (0..cells).map(|i| (-a / (a + b + i as f64)).ln_1p()).sum(),
        }
    }

    /// P(k + 1) / P(k), without the binomial coefficients' part.
    fn ln_ratio(self, n: f64, k: f64) -> f64 {
        match self.beta() {
            None => (self.mean / (1.0 - self.mean)).ln(),
            Some((a, b)) => ((a + k) / (n - k - 1.0 + b)).ln(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perfect_network_is_limited_by_the_number_of_cells_alone() {
        let perfect = CellErrors { sensitivity: 1.0, false_positive_rate: 0.0, between_patients: 0.0 };
        let row = detection_limit(perfect, 1000);
        assert_eq!(row.critical_count, 0);
        // One parasite at least among 1,000 cells in 95 % of slides: (1 - p)^1000 = 0.05.
        let expected = 1.0 - 0.05f64.powf(1.0 / 1000.0);
        assert!((row.limit_of_detection.unwrap() - expected).abs() < 1e-12, "{row:?}");
    }

    #[test]
    fn a_network_that_sees_nothing_detects_nothing() {
        let blind = CellErrors { sensitivity: 0.02, false_positive_rate: 0.02, between_patients: 0.0 };
        assert_eq!(detection_limit(blind, 1000).limit_of_detection, None);
    }

    #[test]
    fn more_cells_help_less_where_patients_differ() {
        let alike = CellErrors { sensitivity: 0.95, false_positive_rate: 0.02, between_patients: 0.0 };
        let differing = CellErrors { between_patients: 0.02, ..alike };
        let gain = |errors| {
            let limit = |cells| detection_limit(errors, cells).limit_of_detection.unwrap();
            limit(1000) / limit(10_000)
        };
        assert!(gain(alike) > 2.5 && gain(differing) < 1.3, "{} {}", gain(alike), gain(differing));
    }

    #[test]
    fn no_figures_make_it_panic() {
        for rate in [0.0, 1e-9, 0.5, 1.0] {
            for between_patients in [0.0, 1e-12, 0.3, 1.0] {
                for sensitivity in [0.0, 0.5, 1.0] {
                    let errors = CellErrors { sensitivity, false_positive_rate: rate, between_patients };
                    let row = detection_limit(errors, 1000);
                    assert!(row.critical_count <= 1000, "{errors:?} {row:?}");
                }
            }
        }
    }
}
