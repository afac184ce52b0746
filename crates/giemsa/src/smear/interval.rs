//! The fraction of infected red cells in the photographs of a slide, with a confidence interval.
//!
//! The photographs (fields) are clusters: parasites are not spread evenly over a smear. The variance of the fraction is
//! therefore that of a ratio of two totals over fields (Cochran 1977, "Sampling techniques", chapter 6); divided by the
//! binomial variance, it is the design effect. The cells divided by the design effect are the effective number of cells, for
//! which the exact binomial interval (Clopper and Pearson 1934) is computed, as Korn and Graubard 1998, "Confidence
//! intervals for proportions with small expected number of positive counts estimated from survey data", propose: this
//! interval is within 0..=1, and is defined without a single infected cell.

use crate::distribution::{beta_quantile, t_quantile};
use serde::{Deserialize, Serialize};

/// The confidence level of every interval.
pub const LEVEL: f64 = 0.95;

/// With fewer photographs, the variation between them is not estimated: the t quantile of three degrees of freedom is
/// already 1.6 times that of many.
pub const FEWEST_FIELDS: usize = 5;

/// The assumed correlation between cells of one photograph where it cannot be estimated.
///
/// The 28 annotated photographs of BBBC041 (74 of 2,068 cells infected, design effect 1.16) have a correlation of 0.002. This
/// is a single, uncertain estimate, so the assumption is 2.5 times as large: it doubles the variance with 200 cells per
/// photograph.
pub const ASSUMED_CORRELATION: f64 = 0.005;

/// The counts of one photograph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldCount {
    /// Red cells, infected or not.
    pub red_cells: u64,
    /// Red cells that are classified as Parasitized.
    pub infected: u64,
}

/// A fraction, in 0..=1, with its 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The fraction.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// Where the variation between photographs in an interval comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IntervalMethod {
    /// It is estimated from the photographs.
    EstimatedFromFields,
    /// It is assumed to be [`ASSUMED_CORRELATION`], because there are fewer than [`FEWEST_FIELDS`] photographs with red
    /// cells, or because no cell or every cell is infected.
    AssumedCorrelation,
}

/// Computes the fraction of infected cells in all photographs, with its interval; `None` without red cells.
///
/// ```
/// use giemsa::smear::{FieldCount, IntervalMethod, infected_fraction};
/// let fields = [12, 9, 15, 8, 11, 5].map(|infected| FieldCount { red_cells: 200, infected });
/// let (fraction, method) = infected_fraction(&fields).expect("red cells");
/// assert_eq!(fraction.value, 0.05);
/// assert!(fraction.low > 0.03 && fraction.high < 0.08);
/// assert_eq!(method, IntervalMethod::EstimatedFromFields);
/// assert_eq!(infected_fraction(&[]), None);
/// ```
///
/// # Panics
/// If a photograph has more infected than red cells.
#[must_use]
pub fn infected_fraction(fields: &[FieldCount]) -> Option<(Estimate, IntervalMethod)> {
    assert!(fields.iter().all(|field| field.infected <= field.red_cells), "more infected than red cells");
    let fields: Vec<FieldCount> = fields.iter().copied().filter(|field| field.red_cells > 0).collect();
    let cells: f64 = fields.iter().map(|field| field.red_cells as f64).sum();
    let infected: f64 = fields.iter().map(|field| field.infected as f64).sum();
    if fields.is_empty() {
        return None;
    }
    let value = infected / cells;
    let (effective_cells, method) = if fields.len() >= FEWEST_FIELDS && 0.0 < value && value < 1.0 {
        (estimated_cells(&fields, cells, value), IntervalMethod::EstimatedFromFields)
    } else {
        (assumed_cells(&fields, cells), IntervalMethod::AssumedCorrelation)
    };
    let (low, high) = exact_interval(value, effective_cells.clamp(1.0, cells));
    Some((Estimate { value, low, high }, method))
}

/// Divides the cells by their estimated design effect, with Korn and Graubard's adjustment for the degrees of freedom.
fn estimated_cells(fields: &[FieldCount], cells: f64, value: f64) -> f64 {
    let count = fields.len() as f64;
    let residual = |field: &FieldCount| (field.infected as f64 - value * field.red_cells as f64).powi(2);
    let variance = count / (count - 1.0) * fields.iter().map(residual).sum::<f64>() / cells.powi(2);
    let probability = 0.5 * (1.0 + LEVEL);
    let adjustment = t_quantile(probability, cells - 1.0) / t_quantile(probability, count - 1.0);
    value * (1.0 - value) / variance * adjustment.powi(2)
}

/// Divides the cells by the design effect of [`ASSUMED_CORRELATION`]: 1 + (m - 1) times the correlation, where m is the mean
/// number of cells of a photograph, weighted by its cells (Kish 1965, "Survey sampling", chapter 5).
fn assumed_cells(fields: &[FieldCount], cells: f64) -> f64 {
    let squares: f64 = fields.iter().map(|field| (field.red_cells as f64).powi(2)).sum();
    cells / (1.0 + (squares / cells - 1.0) * ASSUMED_CORRELATION)
}

/// Computes the interval of Clopper and Pearson for a number of cells that need not be whole.
fn exact_interval(value: f64, cells: f64) -> (f64, f64) {
    let (infected, tail) = (value * cells, 0.5 * (1.0 - LEVEL));
    let uninfected = cells - infected;
    let low = if infected > 0.0 { beta_quantile(tail, infected, uninfected + 1.0) } else { 0.0 };
    let high = if uninfected > 0.0 { beta_quantile(1.0 - tail, infected + 1.0, uninfected) } else { 1.0 };
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Numbers of SciPy, which `tests/reference/parasitaemia_golden.py` computes.
    fn golden() -> Value {
        serde_json::from_str(include_str!("../../../../tests/reference/parasitaemia_golden.json")).unwrap()
    }

    fn fields(slide: &Value) -> Vec<FieldCount> {
        let numbers = |key: &str| slide[key].as_array().unwrap().iter().map(|number| number.as_u64().unwrap());
        let field = |(red_cells, infected)| FieldCount { red_cells, infected };
        numbers("red_cells").zip(numbers("infected")).map(field).collect()
    }

    #[test]
    fn intervals_match_scipy() {
        for slide in golden()["slides"].as_array().unwrap() {
            let (found, method) = infected_fraction(&fields(slide)).unwrap();
            let expected: [f64; 3] = serde_json::from_value(slide["reading"].clone()).unwrap();
            for (found, expected) in [found.value, found.low, found.high].into_iter().zip(expected) {
                assert!((found - expected).abs() < 1e-9, "{slide} {found}");
            }
            assert_eq!(method == IntervalMethod::EstimatedFromFields, slide["estimated"].as_bool().unwrap(), "{slide}");
        }
    }

    #[test]
    fn is_none_without_red_cells() {
        assert_eq!(infected_fraction(&[]), None);
        assert_eq!(infected_fraction(&[FieldCount::default(); 9]), None);
    }

    #[test]
    fn the_interval_without_parasites_begins_at_zero_and_has_a_width() {
        for count in [1, 4, 5, 30] {
            let (found, _) = infected_fraction(&vec![FieldCount { red_cells: 100, infected: 0 }; count]).unwrap();
            assert!(found.value == 0.0 && found.low == 0.0 && found.high > 0.0, "{found:?}");
        }
    }

    #[test]
    fn parasites_in_few_photographs_widen_the_interval() {
        let even = [FieldCount { red_cells: 100, infected: 5 }; 10];
        let mut uneven = [FieldCount { red_cells: 100, infected: 0 }; 10];
        (uneven[0].infected, uneven[1].infected) = (25, 25);
        let width = |fields: &[FieldCount]| infected_fraction(fields).map(|(found, _)| found.high - found.low).unwrap();
        assert!(width(&uneven) > 3.0 * width(&even), "{} {}", width(&uneven), width(&even));
    }

    #[test]
    fn a_single_red_cell_has_an_interval() {
        for infected in [0, 1] {
            let (found, _) = infected_fraction(&[FieldCount { red_cells: 1, infected }]).unwrap();
            assert!(0.0 <= found.low && found.low <= found.value && found.value <= found.high && found.high <= 1.0);
            assert!(found.high - found.low > 0.9, "{found:?}");
        }
    }

    #[test]
    #[should_panic(expected = "more infected than red cells")]
    fn panics_if_more_cells_are_infected_than_counted() {
        let _ = infected_fraction(&[FieldCount { red_cells: 1, infected: 2 }]);
    }
}
