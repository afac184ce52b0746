//! The chart of Bland and Altman 1986, "Statistical methods for assessing agreement between two methods of clinical
//! measurement".

use super::axis::{Axis, covering};
use super::chart::{Chart, Colour, Mark, Series};

/// The limits of agreement are this many standard deviations from the mean difference.
const DEVIATIONS: f64 = 1.96;

/// Creates a chart of the agreement between counts by two methods: for each pair of (found, there), the difference found − there
/// by the mean of both, with lines at the mean difference and at the limits of agreement.
///
/// `counted` is what is counted, such as "infected cells per photograph". With fewer than two pairs there are no limits.
///
/// ```
/// use giemsa::report::bland_altman::bland_altman;
/// let chart = bland_altman("red cells per photograph", &[(10.0, 12.0), (20.0, 18.0), (33.0, 30.0)]);
/// assert_eq!(chart.series[0].points[0], (11.0, -2.0));
/// ```
#[must_use]
pub fn bland_altman(counted: &str, pairs: &[(f64, f64)]) -> Chart {
    let points: Vec<(f64, f64)> = pairs.iter().map(|&(found, there)| (0.5 * (found + there), found - there)).collect();
    let differences = || points.iter().map(|point| point.1);
    let lines = agreement(&differences().collect::<Vec<_>>());
    let heights = lines.iter().flat_map(|line| line.heights.clone());
    let y = Axis::new("found − there", covering(differences().chain(heights).chain([0.0]))).with_decimals(0);
    let x = Axis::new(format!("mean of found and there: {counted}"), covering(points.iter().map(|point| point.0)));
    let x = x.with_decimals(0);
    let width = [x.range.start, x.range.end];
    let mut series = vec![Series::new("photograph", points, Mark::Dots).with_colour(Colour::Palette(0))];
    for line in lines {
        for (index, height) in line.heights.iter().enumerate() {
            // Both limits are one entry of the legend.
            let name = if index == 0 { line.name.clone() } else { String::new() };
            let points = width.map(|at| (at, *height)).to_vec();
            series.push(Series::new(name, points, line.mark).with_colour(Colour::Ink));
        }
    }
    Chart::new("Agreement", x, y, series)
}

/// Horizontal lines with a common name.
struct Line {
    name: String,
    heights: Vec<f64>,
    mark: Mark,
}

/// Computes the mean difference and the limits of agreement.
fn agreement(differences: &[f64]) -> Vec<Line> {
    let number = differences.len() as f64;
    if differences.is_empty() {
        return Vec::new();
    }
    let mean = differences.iter().sum::<f64>() / number;
    let mut lines = vec![Line { name: format!("mean {mean:+.1}"), heights: vec![mean], mark: Mark::ThinLine }];
    if differences.len() > 1 {
        let squares: f64 = differences.iter().map(|difference| (difference - mean).powi(2)).sum();
        let distance = DEVIATIONS * (squares / (number - 1.0)).sqrt();
        let ends = [mean - distance, mean + distance];
        let name = format!("limits of agreement {:+.1} to {:+.1}", ends[0], ends[1]);
        lines.push(Line { name, heights: ends.to_vec(), mark: Mark::Dashed });
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::to_svg;

    #[test]
    fn lines_are_at_the_mean_and_the_limits() {
        // Differences of -2, 2 and 3: mean 1, standard deviation sqrt(14 / 2) = 2.645751.
        let chart = bland_altman("cells", &[(10.0, 12.0), (20.0, 18.0), (33.0, 30.0)]);
        let heights: Vec<f64> = chart.series[1..].iter().map(|series| series.points[0].1).collect();
        for (found, expected) in heights.iter().zip([1.0, 1.0 - 5.185_672, 1.0 + 5.185_672]) {
            assert!((found - expected).abs() < 1e-5, "{heights:?}");
        }
        let svg = to_svg(&[chart]).unwrap();
        assert!(svg.contains("mean +1.0") && svg.contains("limits of agreement -4.2 to +6.2"));
    }

    #[test]
    fn few_pairs_are_drawn_without_limits() {
        for pairs in [&[][..], &[(3.0, 3.0)]] {
            let chart = bland_altman("cells", pairs);
            assert_eq!(chart.series.len(), 1 + pairs.len());
            assert!(to_svg(&[chart]).is_ok());
        }
    }
}
