//! The parasitaemia of a slide: the fraction of its red cells that are infected.

use super::correction::correct;
use super::detection::{Detection, detect};
use super::interval::{Estimate, FieldCount, IntervalMethod, infected_fraction};
use super::sufficiency::{Sufficiency, judge_count};
use crate::evaluate::limit_of_detection::CellErrors;
use serde::{Deserialize, Serialize};

/// The number of red cells per microlitre of blood that is assumed where it has not been measured. Patients with anaemia have
/// fewer.
pub const RED_CELLS_PER_MICROLITRE: f64 = 5_000_000.0;

/// The parasitaemia of a slide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Parasitaemia {
    /// Fraction of the red cells that are infected, in 0..=1: corrected for the errors of the model if they are known,
    /// otherwise as measured.
    pub value: f64,
    /// Lower end of its 95 % confidence interval.
    pub low: f64,
    /// Upper end of its 95 % confidence interval.
    pub high: f64,
    /// Whether `value`, `low` and `high` are corrected for the errors of the model.
    pub corrected: bool,
    /// Fraction of the red cells that are classified as Parasitized.
    pub measured: Estimate,
    /// Where the variation between photographs in the intervals comes from.
    pub interval_method: IntervalMethod,
    /// Photographs with red cells.
    pub fields: usize,
    /// Red cells, infected or not.
    pub red_cells: u64,
    /// Red cells that are classified as Parasitized.
    pub infected: u64,
    /// The error rates of the model; `None` if they are unknown.
    pub error_rates: Option<CellErrors>,
    /// Whether the slide can be distinguished from one without parasites; `None` if the error rates are unknown.
    pub detection: Option<Detection>,
    /// Whether enough cells are counted.
    pub sufficiency: Sufficiency,
    /// Infected red cells per microlitre of blood.
    pub parasites_per_microlitre: Density,
    /// Red cells per microlitre of blood, from which the former follow.
    pub red_cells_per_microlitre: f64,
}

/// A number per microlitre of blood, with its 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Density {
    /// The number.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// Computes the parasitaemia of a slide from the counts of its photographs; `None` without red cells.
///
/// A count of infected cells also contains healthy cells that the model takes for infected. With the error rates of the
/// model, the parasitaemia is corrected for them, as [`correct`](super::correct()) documents; without, it is as measured.
///
/// The number per microlitre takes an infected cell as one parasite, and the number of red cells as exact.
///
/// ```
/// use giemsa::evaluate::limit_of_detection::CellErrors;
/// use giemsa::smear::{Decision, FieldCount, RED_CELLS_PER_MICROLITRE, parasitaemia};
///
/// let fields = [26, 31, 20, 28, 35, 24].map(|infected| FieldCount { red_cells: 200, infected });
/// let errors = CellErrors { sensitivity: 0.94, false_positive_rate: 0.025, between_patients: Some(0.015) };
/// let slide = parasitaemia(&fields, Some(errors), RED_CELLS_PER_MICROLITRE).expect("red cells");
/// assert_eq!(slide.measured.value, 164.0 / 1200.0);
/// // (164 / 1200 - 0.025) / (0.94 - 0.025)
/// assert!((slide.value - 0.122).abs() < 0.001);
/// assert_eq!(slide.detection.expect("known errors").decision, Decision::Distinguishable);
/// assert!((slide.parasites_per_microlitre.value - slide.value * 5e6).abs() < 1e-6);
/// ```
///
/// # Panics
/// If a photograph has more infected than red cells, or the red cells per microlitre are not a positive number.
#[must_use]
pub fn parasitaemia(
    fields: &[FieldCount],
    error_rates: Option<CellErrors>,
    red_cells_per_microlitre: f64,
) -> Option<Parasitaemia> {
    let is_positive = red_cells_per_microlitre > 0.0 && red_cells_per_microlitre.is_finite();
    assert!(is_positive, "red cells per microlitre: {red_cells_per_microlitre}");
    let (measured, interval_method) = infected_fraction(fields)?;
    let correction = error_rates.and_then(|errors| correct(measured, errors));
    let Estimate { value, low, high } = correction.unwrap_or(measured);
    let red_cells = fields.iter().map(|field| field.red_cells).sum();
    let infected = fields.iter().map(|field| field.infected).sum();
    let with_cells = fields.iter().filter(|field| field.red_cells > 0).count();
    let per_microlitre = |fraction: f64| fraction * red_cells_per_microlitre;
    Some(Parasitaemia {
        value,
        low,
        high,
        corrected: correction.is_some(),
        measured,
        interval_method,
        fields: with_cells,
        red_cells,
        infected,
        error_rates,
        detection: error_rates.map(|errors| detect(errors, red_cells, infected)),
        sufficiency: judge_count(red_cells, with_cells, value),
        parasites_per_microlitre: Density {
            value: per_microlitre(value),
            low: per_microlitre(low),
            high: per_microlitre(high),
        },
        red_cells_per_microlitre,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ERRORS: CellErrors =
        CellErrors { sensitivity: 0.9449, false_positive_rate: 0.0247, between_patients: Some(0.01466) };

    fn slide(infected: u64, errors: Option<CellErrors>) -> Parasitaemia {
        let fields = [FieldCount { red_cells: 200, infected }; 10];
        parasitaemia(&fields, errors, RED_CELLS_PER_MICROLITRE).unwrap()
    }

    #[test]
    fn is_none_without_red_cells() {
        assert_eq!(parasitaemia(&[FieldCount::default()], Some(ERRORS), RED_CELLS_PER_MICROLITRE), None);
    }

    #[test]
    fn is_as_measured_if_the_errors_are_unknown_or_useless() {
        let unknown = slide(10, None);
        assert!(!unknown.corrected && unknown.value == 0.05 && unknown.detection.is_none());
        let useless = slide(10, Some(CellErrors { sensitivity: 0.02, ..ERRORS }));
        assert!(!useless.corrected && useless.value == 0.05 && useless.detection.is_some());
    }

    #[test]
    fn a_reading_of_false_positives_is_a_parasitaemia_of_zero() {
        let clean = slide(4, Some(ERRORS));
        assert!(clean.corrected && clean.value == 0.0 && clean.low == 0.0 && clean.high > 0.0, "{clean:?}");
        assert!(!clean.sufficiency.sufficient, "a corrected parasitaemia below 1 % requires more cells");
    }

    #[test]
    fn survives_a_round_trip_through_json() {
        let slide = slide(30, Some(ERRORS));
        let text = serde_json::to_string(&slide).unwrap();
        assert_eq!(serde_json::from_str::<Parasitaemia>(&text).unwrap(), slide);
        assert!(text.contains(r#""interval_method":"estimated_from_fields""#), "{text}");
        assert!(text.contains(r#""decision":"distinguishable""#), "{text}");
    }

    #[test]
    #[should_panic(expected = "red cells per microlitre: 0")]
    fn panics_without_red_cells_in_the_blood() {
        let _ = parasitaemia(&[], None, 0.0);
    }
}
