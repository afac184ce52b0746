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

    /// Returns the largest useful number of ticks.
    pub(super) fn max_ticks(&self) -> usize {
        match (self.scale, self.labels) {
            // Axes of whole numbers have no ticks between them.
            (Scale::Linear, Labels::Decimals(0)) => {
                ((self.range.end - self.range.start).floor() as usize + 1).clamp(2, 11)
            }
            _ => 8,
        }
    }

    fn format_tick(&self, value: f64) -> String {
        let value = if self.scale == Scale::SignedSqrt { value.abs() } else { value };
        match self.labels {
            // Small values on a logarithmic axis need the decimals that distinguish them.
            Labels::Decimals(_) if self.scale == Scale::Log10 => format!("{value}"),
            Labels::Decimals(decimals) => format!("{value:.decimals$}"),
            Labels::Percent => format!("{:.0} %", 100.0 * value),
        }
    }

    fn ticks(&self, maximum: usize) -> Vec<f64> {
        match self.scale {
            Scale::Linear => RangedCoordf64::from(self.range.clone()).key_points(maximum),
            Scale::Log10 => log_ticks(&self.range),
            Scale::SignedSqrt => sqrt_ticks(&self.range),
        }
    }
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

/// Powers of ten, and with fewer than three of them, also their multiples by 2 and 5.
fn log_ticks(range: &Range<f64>) -> Vec<f64> {
    let decades = range.start.log10().floor() as i32..=range.end.log10().ceil() as i32;
    let inside = |factors: &[f64]| -> Vec<f64> {
        let all = decades.clone().flat_map(|decade| factors.iter().map(move |factor| factor * 10f64.powi(decade)));
        all.filter(|tick| range.start <= *tick && *tick <= range.end).collect()
    };
    let powers = inside(&[1.0]);
    if powers.len() < 3 { inside(&[1.0, 2.0, 5.0]) } else { powers }
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
        self.0.ticks(hint.bold_points())
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
