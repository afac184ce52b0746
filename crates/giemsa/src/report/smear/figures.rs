//! The figures of a slide, as texts.

use crate::smear::{Decision, Density, Estimate, Parasitaemia, grouped, percentage};
use serde::Serialize;

/// The parasitaemia of a slide.
#[derive(Serialize)]
pub(super) struct Figures {
    /// Corrected, if the errors of the model are known; otherwise as measured.
    parasitaemia: Interval,
    is_corrected: bool,
    measured: Interval,
    per_microlitre: Interval,
    is_distinguishable: Option<bool>,
    /// The decision as a sentence.
    decision: Option<String>,
    limit_of_detection: Option<String>,
    is_sufficient: bool,
    /// Why the count suffices or does not, as a sentence.
    sufficiency: String,
}

/// A number with its interval.
#[derive(Debug, PartialEq, Serialize)]
struct Interval {
    value: String,
    ends: String,
}

impl Figures {
    pub(super) fn new(parasitaemia: &Parasitaemia) -> Figures {
        let &Parasitaemia { value, low, high, corrected, measured, .. } = parasitaemia;
        let detection = parasitaemia.detection.as_ref();
        Figures {
            parasitaemia: percent_interval(Estimate { value, low, high }),
            is_corrected: corrected,
            measured: percent_interval(measured),
            per_microlitre: density_interval(parasitaemia.parasites_per_microlitre),
            is_distinguishable: detection.map(|detection| detection.decision == Decision::Distinguishable),
            decision: detection.map(|detection| sentence(&detection.sentence)),
            limit_of_detection: detection
                .map(|detection| detection.limit.limit_of_detection.map_or("none".to_owned(), percentage)),
            is_sufficient: parasitaemia.sufficiency.sufficient,
            sufficiency: parasitaemia.sufficiency.reason.clone(),
        }
    }
}

fn percent_interval(Estimate { value, low, high }: Estimate) -> Interval {
    let [low, high] = [low, high].map(percentage);
    // One unit suffices if it is the same.
    Interval { value: percentage(value), ends: format!("{} to {high}", low.trim_end_matches(" %")) }
}

fn density_interval(Density { value, low, high }: Density) -> Interval {
    let [value, low, high] = [value, low, high].map(|density| grouped(two_digits(density)));
    Interval { value, ends: format!("{low} to {high}") }
}

/// Rounds to two significant digits: the count allows no more.
fn two_digits(value: f64) -> u64 {
    let unit = 10f64.powf((value.max(1.0).log10().floor() - 1.0).max(0.0));
    ((value / unit).round() * unit) as u64
}

/// Begins with a capital letter and ends with a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn densities_have_two_significant_digits() {
        let cases = [(0.0, 0), (0.4, 0), (7.3, 7), (99.6, 100), (61_234.0, 61_000), (254_999.0, 250_000)];
        assert!(cases.iter().all(|&(value, expected)| two_digits(value) == expected));
    }

    #[test]
    fn intervals_have_one_unit() {
        let found = percent_interval(Estimate { value: 0.052, low: 0.0391, high: 0.068 });
        assert_eq!(found, Interval { value: "5.2 %".to_owned(), ends: "3.9 to 6.8 %".to_owned() });
    }

    #[test]
    fn sentences_begin_with_a_capital_letter() {
        assert_eq!(sentence("not distinguishable (limit 1 %)"), "Not distinguishable (limit 1 %).");
        assert_eq!(sentence(""), ".");
    }
}
