//! Whether a slide can be distinguished from a slide without parasites, and whether counting more cells would help.

use super::text::{grouped, percentage, round_up};
use crate::evaluate::limit_of_detection::{
    CellErrors, DetectionLimit, detection_limit, is_detected, limit_of_unlimited_cells,
};
use serde::{Deserialize, Serialize};

/// More cells of one slide are not considered.
pub const MOST_CELLS: u64 = 1_000_000;
/// Counting more is worth a mention if it lowers the limit of detection to this fraction or less.
const WORTHWHILE: f64 = 0.9;
/// The limit aimed at is at least this multiple of the limit of unlimited cells, which more and more cells approach slowly.
const ABOVE_UNLIMITED: f64 = 1.1;

/// Whether the number of positive cells exceeds the critical count of slides without parasites.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// At most 5 % of slides without parasites have as many positive cells.
    Distinguishable,
    /// The positive cells may all be false.
    NotDistinguishable,
}

/// A further count, and the parasitaemia that it would detect.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FurtherCount {
    /// The limit of detection with the further cells.
    pub limit_of_detection: f64,
    /// Red cells to count in addition, rounded up to two digits.
    pub cells: u64,
}

/// What a count says about the presence of parasites.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Detection {
    /// The decision.
    pub decision: Decision,
    /// Critical count and limit of detection for these cells.
    pub limit: DetectionLimit,
    /// The limit of detection that counting more cells approaches; `None` (undefined) if no parasitaemia can be detected.
    pub limit_of_unlimited_cells: Option<f64>,
    /// A further count that lowers the limit of detection, to half of it if that is possible; `None` if counting more does
    /// not help.
    pub further_count: Option<FurtherCount>,
    /// The above in a sentence, without a full stop.
    pub sentence: String,
}

/// Decides whether a count can be distinguished from that of a slide without parasites.
///
/// The critical count is one-sided at 5 % and takes all cells of a slide as one sample, so near the limit the decision may
/// differ from whether the two-sided interval of the corrected parasitaemia contains 0.
///
/// ```
/// use giemsa::evaluate::limit_of_detection::CellErrors;
/// use giemsa::smear::{Decision, detect};
/// let errors = CellErrors { sensitivity: 0.95, false_positive_rate: 0.002, between_patients: None };
/// let detection = detect(errors, 1_240, 4);
/// assert_eq!(detection.decision, Decision::NotDistinguishable);
/// assert_eq!(
///     detection.sentence,
///     "not distinguishable from a clean slide (limit 0.68 % with these 1,240 cells; count 2,800 more to see 0.34 %)"
/// );
/// ```
#[must_use]
pub fn detect(errors: CellErrors, red_cells: u64, infected: u64) -> Detection {
    let limit = detection_limit(errors, red_cells);
    let is_distinguishable = infected > limit.critical_count && limit.limit_of_detection.is_some();
    let decision = if is_distinguishable { Decision::Distinguishable } else { Decision::NotDistinguishable };
    let unlimited = limit_of_unlimited_cells(errors);
    let further_count = unlimited.and_then(|unlimited| further_count(errors, &limit, unlimited));
    let sentence = match decision {
        Decision::Distinguishable => format!(
            "distinguishable from a clean slide: {} of {} cells are positive, and 95 % of clean slides have at most {}",
            grouped(infected),
            grouped(red_cells),
            grouped(limit.critical_count)
        ),
        Decision::NotDistinguishable => {
            let with_these = match limit.limit_of_detection {
                Some(parasitaemia) => {
                    format!("limit {} with these {} cells", percentage(parasitaemia), grouped(red_cells))
                }
                None => format!("no parasitaemia is with these {} cells", grouped(red_cells)),
            };
            let more = effect_of_more(errors, further_count, unlimited);
            format!("not distinguishable from a clean slide ({with_these}; {more})")
        }
    };
    Detection { decision, limit, limit_of_unlimited_cells: unlimited, further_count, sentence }
}

/// Finds a further count that lowers the limit of detection to half, or near the limit of unlimited cells if that is
/// higher.
fn further_count(errors: CellErrors, limit: &DetectionLimit, unlimited: f64) -> Option<FurtherCount> {
    let present = limit.limit_of_detection.unwrap_or(1.0);
    let aim = (0.5 * present).max(ABOVE_UNLIMITED * unlimited);
    if aim > WORTHWHILE * present || limit.cells >= MOST_CELLS || !is_detected(errors, MOST_CELLS, aim) {
        return None;
    }
    // The limit falls in small waves as the cells increase, so this is one of the counts between which it passes the aim.
    let (mut too_few, mut enough) = (limit.cells, MOST_CELLS);
    while enough - too_few > 1 + too_few / 1000 {
        // Near the geometric mean, because the cells may be few or very many.
        let middle = ((too_few as f64 * enough as f64).sqrt() as u64).clamp(too_few + 1, enough - 1);
        if is_detected(errors, middle, aim) { enough = middle } else { too_few = middle }
    }
    Some(FurtherCount { limit_of_detection: aim, cells: round_up(enough - limit.cells) })
}

/// Describes what counting more cells would achieve.
fn effect_of_more(errors: CellErrors, further_count: Option<FurtherCount>, unlimited: Option<f64>) -> String {
    match (further_count, unlimited) {
        (Some(further), _) => {
            format!("count {} more to see {}", grouped(further.cells), percentage(further.limit_of_detection))
        }
        (None, None) => "counting more does not help, because the model does not find enough parasites".to_owned(),
        (None, Some(unlimited)) if errors.between_patients.is_some_and(|deviation| deviation > 0.0) => format!(
            "counting more hardly helps: the false positive rate differs between patients, which keeps the limit above {}",
            percentage(unlimited)
        ),
        (None, Some(_)) => format!("not even {} cells in all would halve it", grouped(MOST_CELLS)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILTIN: CellErrors =
        CellErrors { sensitivity: 0.9449, false_positive_rate: 0.0247, between_patients: Some(0.01466) };
    const ALIKE: CellErrors = CellErrors { between_patients: None, ..BUILTIN };

    #[test]
    fn a_count_is_distinguishable_from_one_above_the_critical_count() {
        let critical_count = detection_limit(BUILTIN, 2_000).critical_count;
        assert_eq!(detect(BUILTIN, 2_000, critical_count).decision, Decision::NotDistinguishable);
        let found = detect(BUILTIN, 2_000, critical_count + 1);
        assert_eq!(found.decision, Decision::Distinguishable);
        let expected = format!("95 % of clean slides have at most {critical_count}");
        assert!(found.sentence.ends_with(&expected), "{}", found.sentence);
    }

    #[test]
    fn the_further_count_halves_the_limit() {
        for cells in [50, 1_240, 20_000] {
            let found = detect(ALIKE, cells, 0);
            let further = found.further_count.unwrap();
            let limit = |cells| detection_limit(ALIKE, cells).limit_of_detection.unwrap();
            assert!((further.limit_of_detection - 0.5 * limit(cells)).abs() < 1e-12);
            let after = limit(cells + further.cells) / limit(cells);
            assert!((0.45..=0.51).contains(&after), "{cells} {further:?} {after}");
        }
    }

    #[test]
    fn says_that_more_cells_do_not_help_if_patients_differ() {
        let found = detect(BUILTIN, 5_000, 30);
        assert_eq!(found.further_count, None);
        let expected = "counting more hardly helps: the false positive rate differs between patients, which keeps the limit \
                        above 5.4 %)";
        assert!(found.sentence.ends_with(expected), "{}", found.sentence);
    }

    #[test]
    fn few_cells_of_patients_who_differ_are_worth_a_further_count() {
        let found = detect(BUILTIN, 100, 1);
        let further = found.further_count.unwrap();
        let after = detection_limit(BUILTIN, 100 + further.cells).limit_of_detection.unwrap();
        assert!((after / further.limit_of_detection - 1.0).abs() < 0.02, "{further:?} {after}");
    }

    #[test]
    fn a_model_that_guesses_distinguishes_nothing() {
        let guessing = CellErrors { sensitivity: 0.02, false_positive_rate: 0.02, between_patients: None };
        let found = detect(guessing, 1_000, 900);
        assert_eq!(found.decision, Decision::NotDistinguishable);
        assert!(found.sentence.contains("the model does not find enough parasites"), "{}", found.sentence);
    }

    #[test]
    fn works_for_every_number_of_cells() {
        for errors in
            [BUILTIN, ALIKE, CellErrors { sensitivity: 1.0, false_positive_rate: 0.0, between_patients: None }]
        {
            for cells in [1, 2, 3, 10, 999_999, MOST_CELLS, 2 * MOST_CELLS] {
                let found = detect(errors, cells, 0);
                assert_eq!(found.decision, Decision::NotDistinguishable, "{errors:?} {found:?}");
            }
        }
    }
}
