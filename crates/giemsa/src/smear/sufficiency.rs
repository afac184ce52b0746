//! Whether enough red cells of a slide are counted.
//!
//! Recommendations for thin smears differ. Figure 3 of "Malaria diagnosis in a malaria non-endemic high-resource country: high
//! variation of diagnostic strategy in clinical laboratories in the Netherlands", Malaria Journal 2021
//! (doi:10.1186/s12936-021-03889-7) lists 5,000 red cells for the World Health Organization, 10,000 for the Netherlands
//! Society for Parasitology, 1,000 for the British Society for Haematology, and 500 for the Centers for Disease Control, or
//! 2,000 if the parasitaemia is below 1 %. Table 3 of Malaria Journal 2020 (doi:10.1186/s12936-020-03352-z) simulates counts
//! per 1,000 and 2,000 red cells, of which the latter are closer to the truth.
//!
//! Below a parasitaemia of 1 % the 5,000 of the World Health Organization are required here, and 2,000 above. These are
//! counts by people: they concern the sampling of cells, not the errors of a model, for which see
//! [`detect`](super::detect()).

use super::interval::FEWEST_FIELDS;
use super::text::grouped;
use serde::{Deserialize, Serialize};

/// Red cells to count on a slide with a low parasitaemia.
pub const RED_CELLS_IF_LOW: u64 = 5_000;
/// Red cells to count on other slides.
pub const RED_CELLS: u64 = 2_000;
/// A parasitaemia is low below this.
pub const LOW_PARASITAEMIA: f64 = 0.01;

/// Whether a count suffices, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Sufficiency {
    /// Whether enough cells in enough photographs are counted.
    pub sufficient: bool,
    /// The reason, in a sentence.
    pub reason: String,
}

/// Judges whether a count of red cells suffices for a parasitaemia.
///
/// At least [`FEWEST_FIELDS`] photographs are required in addition, because parasites are not spread evenly and the variation
/// between photographs is unknown otherwise.
///
/// ```
/// let few = giemsa::smear::judge_count(1_240, 6, 0.004);
/// assert!(!few.sufficient);
/// assert_eq!(few.reason, "1,240 red cells are too few: count at least 5,000 if the parasitaemia is below 1 %.");
/// assert!(giemsa::smear::judge_count(2_400, 12, 0.03).sufficient);
/// ```
#[must_use]
pub fn judge_count(red_cells: u64, fields: usize, parasitaemia: f64) -> Sufficiency {
    let (required, side) =
        if parasitaemia < LOW_PARASITAEMIA { (RED_CELLS_IF_LOW, "below") } else { (RED_CELLS, "at least") };
    let cells = grouped(red_cells);
    let condition = format!("{} if the parasitaemia is {side} {} %", grouped(required), 100.0 * LOW_PARASITAEMIA);
    if red_cells < required {
        let verb = if red_cells == 1 { "cell is" } else { "cells are" };
        let reason = format!("{cells} red {verb} too few: count at least {condition}.");
        return Sufficiency { sufficient: false, reason };
    }
    if fields < FEWEST_FIELDS {
        let photographs = if fields == 1 { "photograph is" } else { "photographs are" };
        let reason = format!("{fields} {photographs} too few: take at least {FEWEST_FIELDS} from different places.");
        return Sufficiency { sufficient: false, reason };
    }
    Sufficiency { sufficient: true, reason: format!("{cells} red cells are enough: at least {condition}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_parasitaemia_requires_more_cells() {
        assert!(!judge_count(2_000, 10, 0.0).sufficient && !judge_count(4_999, 10, 0.0099).sufficient);
        assert!(judge_count(5_000, 10, 0.0).sufficient && judge_count(2_000, 10, 0.01).sufficient);
        assert!(!judge_count(1_999, 10, 0.4).sufficient);
    }

    #[test]
    fn one_large_photograph_does_not_suffice() {
        let found = judge_count(9_000, 1, 0.1);
        let expected = "1 photograph is too few: take at least 5 from different places.";
        assert!(!found.sufficient && found.reason == expected, "{found:?}");
    }
}
