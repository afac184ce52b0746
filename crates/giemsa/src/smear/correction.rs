//! Correction of a measured parasitaemia for the errors of the model.
//!
//! A parasitaemia p is read as q = p t + (1 - p) f, with the sensitivity t and the false positive rate f, so that
//! p = (q - f) / (t - f) (Rogan and Gladen 1978, "Estimating prevalence from the results of a screening test").
//!
//! The false positive rate of a patient is not known, only its distribution over patients: a beta distribution, as for the
//! limit of detection. For a low parasitaemia its width is most of the uncertainty, and counting more cells does not reduce
//! it. The distances of the ends of both intervals from their centres are added as squares, as Zou and Donner 2008,
//! "Construction of confidence limits about effect measures: a general approach", do for a difference; the
//! weight of f is the derivative (1 - p) / (t - f) of the formula above.
//!
//! On simulated slides of patients with the false positive rates of the built-in model, the interval contains the true
//! parasitaemia of 94 to 99 % of slides (`tests/reference/parasitaemia_golden.py`). The sensitivity is taken as the same for
//! all patients; in truth it differs as well, so that intervals of high parasitaemias are too narrow.

use super::interval::{Estimate, LEVEL};
use crate::evaluate::limit_of_detection::CellErrors;

/// Corrects the fraction of cells that are classified as Parasitized for sensitivity and false positive rate; `None` if the
/// sensitivity does not exceed the false positive rate.
///
/// The value and its interval are truncated to 0..=1. If fewer cells are positive than expected of a parasite-free slide, the
/// false positive rate of this slide is below the mean: the upper end is then that of a rate equal to the reading. The
/// sensitivity is taken as the same for all patients.
///
/// ```
/// use giemsa::evaluate::limit_of_detection::CellErrors;
/// use giemsa::smear::{Estimate, correct};
/// let errors = CellErrors { sensitivity: 0.9, false_positive_rate: 0.1, between_patients: None };
/// let corrected = correct(Estimate { value: 0.3, low: 0.2, high: 0.42 }, errors).expect("a useful model");
/// // (0.3 - 0.1) / (0.9 - 0.1), and likewise for both ends.
/// for (found, expected) in [(corrected.value, 0.25), (corrected.low, 0.125), (corrected.high, 0.4)] {
///     assert!(f64::abs(found - expected) < 1e-12);
/// }
/// ```
#[must_use]
pub fn correct(reading: Estimate, errors: CellErrors) -> Option<Estimate> {
    let CellErrors { sensitivity, false_positive_rate, .. } = errors;
    let gain = sensitivity - false_positive_rate;
    if gain.is_nan() || gain <= 0.0 {
        return None;
    }
    let value = ((reading.value - false_positive_rate) / gain).clamp(0.0, 1.0);
    let tail = 0.5 * (1.0 - LEVEL);
    let [lowest_rate, highest_rate] = [tail, 1.0 - tail].map(|p| errors.false_positive_rate_quantile(p));
    let uninfected = 1.0 - value;

    let below = (reading.value - reading.low).hypot(uninfected * (highest_rate - false_positive_rate));
    let low = (reading.value - false_positive_rate - below) / gain;

    let rate = false_positive_rate.min(reading.value);
    let above = (reading.high - reading.value).hypot(uninfected * (rate - lowest_rate).max(0.0));
    let high = (reading.value - rate + above) / (sensitivity - rate);
    // Rounding, and an untruncated value above 1, may place an end on the wrong side of the value.
    Some(Estimate { value, low: low.clamp(0.0, value), high: high.clamp(value, 1.0) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const READING: Estimate = Estimate { value: 0.03, low: 0.022, high: 0.04 };
    const ERRORS: CellErrors =
        CellErrors { sensitivity: 0.9449, false_positive_rate: 0.0247, between_patients: Some(0.0147) };

    #[test]
    fn corrections_match_scipy() {
        // tests/reference/parasitaemia_golden.py computes these numbers.
        let golden: Value =
            serde_json::from_str(include_str!("../../../../tests/reference/parasitaemia_golden.json")).unwrap();
        let estimate = |value: &Value| {
            let [value, low, high]: [f64; 3] = serde_json::from_value(value.clone()).unwrap();
            Estimate { value, low, high }
        };
        let errors: Vec<CellErrors> = serde_json::from_value(golden["errors"].clone()).unwrap();
        for slide in golden["slides"].as_array().unwrap() {
            for (&errors, expected) in errors.iter().zip(slide["corrected"].as_array().unwrap()) {
                let found = correct(estimate(&slide["reading"]), errors).unwrap();
                let expected = estimate(expected);
                for (found, expected) in
                    [(found.value, expected.value), (found.low, expected.low), (found.high, expected.high)]
                {
                    assert!((found - expected).abs() < 1e-9, "{slide} {found} {expected}");
                }
            }
        }
    }

    #[test]
    fn a_perfect_model_needs_no_correction() {
        let perfect = CellErrors { sensitivity: 1.0, false_positive_rate: 0.0, between_patients: None };
        let found = correct(READING, perfect).unwrap();
        let pairs = [(found.value, READING.value), (found.low, READING.low), (found.high, READING.high)];
        assert!(pairs.iter().all(|(found, expected)| (found - expected).abs() < 1e-15), "{found:?}");
    }

    #[test]
    fn is_none_for_a_model_that_guesses_or_errs_in_an_unknown_way() {
        for sensitivity in [0.01, 0.0247, f64::NAN] {
            assert_eq!(correct(READING, CellErrors { sensitivity, ..ERRORS }), None);
        }
    }

    #[test]
    fn the_variation_between_patients_widens_the_interval() {
        let reading = Estimate { value: 0.12, low: 0.1, high: 0.14 };
        let varying = correct(reading, ERRORS).unwrap();
        let alike = correct(reading, CellErrors { between_patients: None, ..ERRORS }).unwrap();
        assert_eq!(varying.value, alike.value);
        assert!(varying.low < alike.low && varying.high > alike.high, "{varying:?} {alike:?}");
    }

    #[test]
    fn a_reading_below_the_false_positive_rate_has_an_upper_end_above_zero() {
        for between_patients in [None, Some(0.0147)] {
            let reading = Estimate { value: 0.0, low: 0.0, high: 0.001 };
            let found = correct(reading, CellErrors { between_patients, ..ERRORS }).unwrap();
            assert_eq!((found.value, found.low), (0.0, 0.0));
            // No false positives on this slide: 0.001 / 0.9449.
            assert!((found.high - 0.001 / 0.9449).abs() < 1e-12, "{found:?}");
        }
    }

    #[test]
    fn stays_in_range_for_every_reading_and_every_rate() {
        for step in 0..=20 {
            let value = f64::from(step) / 20.0;
            let reading = Estimate { value, low: 0.8 * value, high: 0.2 + 0.8 * value };
            for (sensitivity, false_positive_rate) in [(0.9, 0.0), (1.0, 0.02), (0.3, 0.29), (1.0, 0.99)] {
                for between_patients in [None, Some(0.0), Some(0.01), Some(1.0)] {
                    let errors = CellErrors { sensitivity, false_positive_rate, between_patients };
                    let found = correct(reading, errors).unwrap();
                    assert!(0.0 <= found.low && found.low <= found.value, "{errors:?} {found:?}");
                    assert!(found.value <= found.high && found.high <= 1.0, "{errors:?} {found:?}");
                }
            }
        }
    }
}
