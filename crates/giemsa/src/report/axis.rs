//! Axes of charts: scales, ticks and their labels.

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use std::ops::Range;

/// The scale of an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scale {
    /// Linear.
    Linear,
    /// Logarithmic; the range must be positive.
    Log10,
    /// The square root of the absolute value, with the sign of the value. Labels are absolute values.
    SignedSqrt,
}

/// The format of the labels of ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Labels {
    /// A number with this many decimals.
    Decimals(usize),
    /// A fraction as a percentage without decimals.
    Percent,
}

/// One axis.
///
/// ```
/// use giemsa::report::axis::{Axis, Scale};
/// let axis = Axis::new("images", 1.0..1000.0).with_scale(Scale::Log10).with_decimals(0);
/// assert_eq!(axis.label, "images");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Axis {
    /// The title of the axis, with the unit if there is one.
    pub label: String,
    /// The range of values; see [`covering`].
    pub range: Range<f64>,
    /// The scale.
    pub scale: Scale,
    /// The format of the labels.
    pub labels: Labels,
}

impl Axis {
    /// Creates a linear axis whose labels have one decimal.
    #[must_use]
    pub fn new(label: impl Into<String>, range: Range<f64>) -> Axis {
        Axis { label: label.into(), range, scale: Scale::Linear, labels: Labels::Decimals(1) }
    }

    /// Sets the number of decimals of the labels.
    #[must_use]
    pub fn with_decimals(self, decimals: usize) -> Axis {
        Axis { labels: Labels::Decimals(decimals), ..self }
    }

    /// Labels the ticks as percentages.
    #[must_use]
    pub fn with_percent(self) -> Axis {
        Axis { labels: Labels::Percent, ..self }
    }

    /// Sets the scale.
    #[must_use]
    pub fn with_scale(self, scale: Scale) -> Axis {
        Axis { scale, ..self }
    }

    fn format_tick(&self, value: f64) -> String {
        let value = if self.scale == Scale::SignedSqrt { value.abs() } else { value };
        match self.labels {
            // Small values on a logarithmic axis need the decimals that distinguish them.
            Labels::Decimals(_) if self.scale == Scale::Log10 => format!("{value}"),
            Labels::Decimals(decimals) => format!("{value:.0$}", decimals.max(self.decimals_of_step())),
            Labels::Percent => format!("{:.1$} %", 100.0 * value, self.decimals_of_step().saturating_sub(2)),
        }
    }

    /// Returns the number of decimals that distinguish neighbouring ticks of a linear axis.
    fn decimals_of_step(&self) -> usize {
        match (self.scale, self.step()) {
            (Scale::Linear, Some(step)) => step.decimals(),
            _ => 0,
        }
    }

    /// Returns the distance of the ticks of a linear axis; `None` if the range has no finite width.
    fn step(&self) -> Option<Step> {
        match self.labels {
            // Axes of whole numbers, such as epochs, have no ticks between them.
            Labels::Decimals(0) => Step::new(&self.range, 11, 0),
            _ => Step::new(&self.range, 8, i32::MIN),
        }
    }

    fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => self.step().map_or(vec![self.range.start], |step| step.ticks(&self.range)),
            Scale::Log10 => log_ticks(&self.range),
            Scale::SignedSqrt => sqrt_ticks(&self.range),
        }
    }
}

/// A distance of ticks: `factor` times ten to the power of `exponent`.
#[derive(Clone, Copy)]
struct Step {
    factor: f64,
    exponent: i32,
}

impl Step {
    /// Finds the smallest step by 1, 2 or 5 with at most this number of ticks and at least this exponent; `None` if the range
    /// has no finite width.
    fn new(range: &Range<f64>, max_ticks: usize, min_exponent: i32) -> Option<Step> {
        let width = (range.end - range.start).abs();
        if !width.is_normal() {
            return None;
        }
        let smallest = ((width / max_ticks as f64).log10().floor() as i32).max(min_exponent);
        let steps =
            (smallest..=smallest + 2).flat_map(|exponent| [1.0, 2.0, 5.0].map(|factor| Step { factor, exponent }));
        steps.into_iter().find(|step| step.multiples(range).count() <= max_ticks)
    }

    /// Iterates over the multiples of this step in a range, as numbers of steps.
    fn multiples(self, range: &Range<f64>) -> impl Iterator<Item = i64> + use<> {
        let size = decimal(self.factor, self.exponent);
        let (low, high) = (range.start.min(range.end) / size, range.start.max(range.end) / size);
        // The ends of a range such as 0.0..0.3 are multiples of 0.1 up to rounding.
        (low - 1e-9).ceil() as i64..=(high + 1e-9).floor() as i64
    }

    fn ticks(self, range: &Range<f64>) -> Vec<f64> {
        self.multiples(range).map(|i| decimal(i as f64 * self.factor, self.exponent)).collect()
    }

    fn decimals(self) -> usize {
        self.exponent.min(0).unsigned_abs() as usize
    }
}

/// Computes `digits` times ten to the power of `exponent`, rounded once.
fn decimal(digits: f64, exponent: i32) -> f64 {
    if exponent < 0 { digits / 10f64.powi(-exponent) } else { digits * 10f64.powi(exponent) }
}

/// Returns a range that contains all finite values with a margin of 5 % on both sides, and is never empty.
///
/// ```
/// use giemsa::report::axis::covering;
/// assert_eq!(covering([0.0, 10.0, f64::NAN]), -0.5..10.5);
/// assert_eq!(covering([3.0]), 2.5..3.5);
/// ```
#[must_use]
pub fn covering(values: impl IntoIterator<Item = f64>) -> Range<f64> {
    let finite = values.into_iter().filter(|value| value.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    match high - low {
        width if width > 0.0 => low - 0.05 * width..high + 0.05 * width,
        _ if low.is_finite() => low - 0.5..low + 0.5,
        _ => 0.0..1.0,
    }
}

/// Returns a positive range that contains all positive finite values with a margin on both sides of a logarithmic axis.
///
/// ```
/// let range = giemsa::report::axis::covering_log([1.0, 100.0, 0.0, f64::NAN]);
/// assert!(range.start < 1.0 && range.end > 100.0 && range.start > 0.0);
/// ```
#[must_use]
pub fn covering_log(values: impl IntoIterator<Item = f64>) -> Range<f64> {
    let range = covering(values.into_iter().map(f64::log10));
    10f64.powf(range.start)..10f64.powf(range.end)
}

/// Powers of ten; with fewer than three of them, also their multiples by 2 and 5; with fewer than two of these, the ticks of a
/// linear axis.
fn log_ticks(range: &Range<f64>) -> Vec<f64> {
    let decades = range.start.log10().floor() as i32..=range.end.log10().ceil() as i32;
    let inside = |factors: &[f64]| -> Vec<f64> {
        let all = decades.clone().flat_map(|decade| factors.iter().map(move |&factor| decimal(factor, decade)));
        all.filter(|tick| range.start <= *tick && *tick <= range.end).collect()
    };
    match inside(&[1.0]) {
        powers if powers.len() >= 3 => powers,
        _ => match inside(&[1.0, 2.0, 5.0]) {
            multiples if multiples.len() >= 2 => multiples,
            few => Step::new(range, 8, i32::MIN).map_or(few, |step| step.ticks(range)),
        },
    }
}

/// Zero, and the multiples by 1, 2 and 5 of powers of ten that are far enough apart on a square root scale.
fn sqrt_ticks(range: &Range<f64>) -> Vec<f64> {
    let largest = range.start.abs().max(range.end.abs());
    let gap = largest.sqrt() / 5.0;
    let mut kept = vec![];
    let mut above = f64::INFINITY;
    for decade in (0..=largest.log10().max(0.0).ceil() as i32).rev() {
        for factor in [5.0, 2.0, 1.0] {
            let tick = factor * 10f64.powi(decade);
            if tick <= largest && above - tick.sqrt() >= gap && tick.sqrt() >= gap {
                kept.push(tick);
                above = tick.sqrt();
            }
        }
    }
    let both = kept.iter().flat_map(|&tick| [-tick, tick]).chain([0.0]);
    let mut ticks: Vec<f64> = both.filter(|tick| range.start <= *tick && *tick <= range.end).collect();
    ticks.sort_by(f64::total_cmp);
    ticks
}

/// An axis as the drawing library expects it.
pub(super) struct Coordinate(pub Axis);

impl Coordinate {
    fn transform(&self, value: f64) -> f64 {
        match self.0.scale {
            Scale::Linear => value,
            Scale::Log10 => value.log10(),
            Scale::SignedSqrt => value.signum() * value.abs().sqrt(),
        }
    }
}

impl Ranged for Coordinate {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, &value: &f64, limit: (i32, i32)) -> i32 {
        let ends = self.transform(self.0.range.start)..self.transform(self.0.range.end);
        RangedCoordf64::from(ends).map(&self.transform(value), limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // The hint for the lines between ticks, which charts do not have, is 0.
        if hint.max_num_points() == 0 { vec![] } else { self.0.ticks() }
    }

    fn range(&self) -> Range<f64> {
        self.0.range.clone()
    }
}

impl ValueFormatter<f64> for Coordinate {
    fn format_ext(&self, &value: &f64) -> String {
        self.0.format_tick(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithmic_axes_have_powers_of_ten() {
        assert_eq!(log_ticks(&(0.9..1100.0)), [1.0, 10.0, 100.0, 1000.0]);
        assert_eq!(log_ticks(&(3.0..30.0)), [5.0, 10.0, 20.0]);
    }

    #[test]
    fn square_root_axes_have_distant_ticks_on_both_sides_of_zero() {
        assert_eq!(sqrt_ticks(&(-110.0..110.0)), [-100.0, -50.0, -20.0, -5.0, 0.0, 5.0, 20.0, 50.0, 100.0]);
    }

    #[test]
    fn labels_of_ticks_are_distinct() {
        let whole = |range| Axis::new("", range).with_decimals(0);
        let two_decimals = |range| Axis::new("", range).with_decimals(2);
        let percent = |range| Axis::new("", range).with_percent();
        let log = |range| Axis::new("", range).with_scale(Scale::Log10);
        let cases: [(Axis, &[&str]); 16] = [
            (whole(0.8..1.2), &["1"]),
            (whole(0.8..2.2), &["1", "2"]),
            (whole(0.8..3.2), &["1", "2", "3"]),
            (whole(0.8..12.2), &["2", "4", "6", "8", "10", "12"]),
            (whole(0.0..1.0), &["0", "1"]),
            (whole(2.0..0.0), &["0", "1", "2"]),
            (two_decimals(0.6..0.8), &["0.60", "0.65", "0.70", "0.75", "0.80"]),
            (two_decimals(0.697..0.734), &["0.700", "0.705", "0.710", "0.715", "0.720", "0.725", "0.730"]),
            (
                two_decimals(0.4511..0.4514),
                &["0.45110", "0.45115", "0.45120", "0.45125", "0.45130", "0.45135", "0.45140"],
            ),
            (Axis::new("", -0.01..1.01), &["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
            (Axis::new("", -0.3..0.3), &["-0.3", "-0.2", "-0.1", "0.0", "0.1", "0.2", "0.3"]),
            (percent(0.0..0.53), &["0 %", "10 %", "20 %", "30 %", "40 %", "50 %"]),
            (percent(0.0..0.0212), &["0.0 %", "0.5 %", "1.0 %", "1.5 %", "2.0 %"]),
            (log(0.0005..0.3), &["0.001", "0.01", "0.1"]),
            (log(60.0..90.0), &["60", "65", "70", "75", "80", "85", "90"]),
            (log(0.003..0.02), &["0.005", "0.01", "0.02"]),
        ];
        for (axis, expected) in cases {
            let found: Vec<String> = axis.ticks().into_iter().map(|tick| axis.format_tick(tick)).collect();
            assert_eq!(found, expected, "{axis:?}");
        }
    }

    #[test]
    fn a_range_without_width_has_at_most_one_tick() {
        for range in [1.0..1.0, f64::NAN..1.0, f64::NEG_INFINITY..f64::INFINITY, -f64::MAX..f64::MAX] {
            for decimals in [0, 2] {
                let axis = Axis::new("", range.clone()).with_decimals(decimals);
                assert!(axis.ticks().len() <= 1, "{range:?}");
            }
        }
    }

    #[test]
    fn scales_map_values_to_pixels() {
        let at =
            |scale, range: Range<f64>, value| Coordinate(Axis::new("", range).with_scale(scale)).map(&value, (0, 100));
        assert_eq!(at(Scale::Linear, 0.0..10.0, 5.0), 50);
        assert_eq!(at(Scale::Log10, 1.0..100.0, 10.0), 50);
        assert_eq!(at(Scale::SignedSqrt, -16.0..16.0, 4.0), 75);
        assert_eq!(at(Scale::SignedSqrt, -16.0..16.0, -4.0), 25);
    }

    #[test]
    fn labels_have_the_chosen_format() {
        assert_eq!(Axis::new("", 0.0..1.0).format_tick(0.5), "0.5");
        assert_eq!(Axis::new("", 0.0..1.0).with_percent().format_tick(0.5), "50 %");
        assert_eq!(Axis::new("", 0.01..1.0).with_scale(Scale::Log10).format_tick(0.01), "0.01");
        assert_eq!(Axis::new("", -9.0..9.0).with_scale(Scale::SignedSqrt).with_decimals(0).format_tick(-4.0), "4");
    }
}
