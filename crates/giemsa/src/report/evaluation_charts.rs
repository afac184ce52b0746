//! The charts of the evaluation page.

use super::axis::{Axis, Scale};
use super::chart::{Chart, Colour, Mark, Series};
use crate::classes::Class;
use crate::evaluate::LabelledPrediction;
use crate::evaluate::bootstrap::Settings;
use crate::evaluate::curves::{points, roc_band};
use crate::evaluate::metrics::Metrics;
use crate::evaluate::patients::PatientRow;

/// A chart with the name of its files and its description.
pub(super) struct NamedChart {
    /// File name without extension.
    pub name: &'static str,
    /// The caption on the page, and the alternative text.
    pub caption: &'static str,
    pub chart: Chart,
}

/// Creates all charts that the predictions allow.
pub(super) fn charts(predictions: &[LabelledPrediction], metrics: &Metrics) -> Vec<NamedChart> {
    let named = |name, caption, chart| NamedChart { name, caption, chart };
    let mut charts = Vec::new();
    if metrics.values.roc_auc.is_some() {
        let caption = "ROC curve. The dot marks the decision threshold; the band contains the curves of 95 % of the \
                       bootstrap resamples at each false positive rate.";
        charts.push(named("roc", caption, roc(predictions, metrics)));
        let caption = "Precision-recall curve. The dot marks the decision threshold.";
        charts.push(named("precision-recall", caption, precision_recall(predictions, metrics)));
    }
    let caption = "Reliability diagram. A calibrated model is on the diagonal; larger circles are bins \
                   with more images.";
    charts.push(named("calibration", caption, calibration(metrics)));
    let caption = "Predicted probabilities of Parasitized images (above the axis) and Uninfected images (below). The \
                   vertical line is the decision threshold.";
    charts.push(named("probabilities", caption, probabilities(predictions, metrics)));
    if let Some(by_patient) = &metrics.by_patient {
        let caption = "False negative rate of each patient, in ascending order. The line is the mean over patients.";
        let [misses, alarms] = patients(&by_patient.table);
        charts.push(named("patients-false-negative-rate", caption, misses));
        let caption = "False positive rate of each patient, in ascending order. The line is the mean over patients.";
        charts.push(named("patients-false-positive-rate", caption, alarms));
    }
    charts
}

const SIZE_PX: (u32, u32) = (460, 420);

fn unit_axis(label: &str) -> Axis {
    Axis::new(label, -0.01..1.01)
}

fn chart(title: &str, x: Axis, y: Axis, series: Vec<Series>) -> Chart {
    Chart { size_px: SIZE_PX, ..Chart::new(title, x, y, series) }
}

fn threshold_dot(point: Option<(f64, f64)>) -> Series {
    Series::new("decision threshold", point.into_iter().collect(), Mark::Dots).with_colour(Colour::Ink)
}

fn diagonal(name: &str) -> Series {
    Series::new(name, vec![(0.0, 0.0), (1.0, 1.0)], Mark::ThinLine).with_colour(Colour::Muted)
}

fn roc(predictions: &[LabelledPrediction], metrics: &Metrics) -> Chart {
    let (values, intervals) = (&metrics.values, &metrics.intervals);
    let auc = values.roc_auc.map(|auc| format!("AUC {auc:.4}")).unwrap_or_default();
    let ends = intervals.values.roc_auc.map(|ends| format!(" ({:.4} to {:.4})", ends.low, ends.high));
    let band = roc_band(predictions, Settings { draws: intervals.draws, seed: intervals.seed });
    let lower = band.iter().map(|(rate, interval)| (*rate, interval.low));
    let upper = band.iter().rev().map(|(rate, interval)| (*rate, interval.high));
    let curve = points(predictions).iter().map(|point| (point.false_positive_rate, point.sensitivity)).collect();
    let at_threshold = values.specificity.zip(values.sensitivity).map(|(specificity, y)| (1.0 - specificity, y));
    let mut series = vec![diagonal("chance")];
    if !band.is_empty() {
        let outline = lower.chain(upper).collect();
        series.push(Series::new("95 % confidence band", outline, Mark::Band).with_colour(Colour::Parasitized));
    }
    series.push(
        Series::new(auc + &ends.unwrap_or_default(), thinned(curve), Mark::Line).with_colour(Colour::Parasitized),
    );
    series.push(threshold_dot(at_threshold));
    chart("ROC curve", unit_axis("false positive rate (1 − specificity)"), unit_axis("sensitivity"), series)
}

fn precision_recall(predictions: &[LabelledPrediction], metrics: &Metrics) -> Chart {
    let curve = points(predictions).iter().map(|point| (point.sensitivity, point.precision)).collect();
    let name = metrics.values.average_precision.map(|value| format!("average precision {value:.4}"));
    let series = vec![
        Series::new(name.unwrap_or_default(), thinned(curve), Mark::Line).with_colour(Colour::Parasitized),
        threshold_dot(metrics.values.sensitivity.zip(metrics.values.precision)),
    ];
    chart("Precision-recall curve", unit_axis("sensitivity (recall)"), unit_axis("precision"), series)
}

fn calibration(metrics: &Metrics) -> Chart {
    let bins = &metrics.calibration_bins;
    let largest = bins.iter().map(|bin| bin.images).max().unwrap_or(1).max(1) as f64;
    let line = bins.iter().filter_map(|bin| bin.mean_probability.zip(bin.parasitized)).collect();
    let name = metrics.values.expected_calibration_error;
    let name = name.map(|error| format!("calibration error {:.2} %", 100.0 * error)).unwrap_or_default();
    let mut series =
        vec![diagonal("calibrated"), Series::new(name, line, Mark::ThinLine).with_colour(Colour::Parasitized)];
    series.extend(bins.iter().filter_map(|bin| {
        let radius = 3.0 + 14.0 * (bin.images as f64 / largest).sqrt();
        let point = (bin.mean_probability?, bin.parasitized?);
        Some(Series::new("", vec![point], Mark::Circles(radius)).with_colour(Colour::Parasitized))
    }));
    chart("Calibration", unit_axis("mean probability of Parasitized"), unit_axis("fraction Parasitized"), series)
}

/// Creates a histogram of the probabilities of both classes. Its scale is a square root, so that bars with few images are
/// visible next to those with many.
fn probabilities(predictions: &[LabelledPrediction], metrics: &Metrics) -> Chart {
    const BARS: usize = 40;
    let mut counts = [[0u32; BARS]; 2];
    for image in predictions {
        let bar = ((image.probability_parasitized * BARS as f64) as usize).min(BARS - 1);
        counts[image.class.index()][bar] += 1;
    }
    let highest = f64::from(counts.as_flattened().iter().copied().max().unwrap_or(1).max(1)) * 1.17;
    let bars = |class: Class, sign: f64, colour| {
        let bars = counts[class.index()].iter().enumerate().filter(|&(_, &count)| count > 0);
        let points = bars.map(|(bar, &count)| (bar as f64 / BARS as f64, sign * f64::from(count))).collect();
        Series::new(class.name(), points, Mark::Bars(1.0 / BARS as f64)).with_colour(colour)
    };
    let threshold = vec![(metrics.threshold, -highest), (metrics.threshold, highest)];
    let series = vec![
        bars(Class::Parasitized, 1.0, Colour::Parasitized),
        bars(Class::Uninfected, -1.0, Colour::Uninfected),
        Series::new("decision threshold", threshold, Mark::ThinLine).with_colour(Colour::Ink),
    ];
    let y = Axis::new("images (square root scale)", -highest..highest).with_scale(Scale::SignedSqrt).with_decimals(0);
    chart("Predicted probabilities", Axis::new("probability of Parasitized", 0.0..1.0), y, series)
}

/// Creates a chart of the false negative rates and one of the false positive rates of patients, in ascending order.
fn patients(table: &[PatientRow]) -> [Chart; 2] {
    let sorted = |rate: fn(&PatientRow) -> Option<f64>| {
        let mut rates: Vec<f64> = table.iter().filter_map(rate).map(|rate| 1.0 - rate).collect();
        rates.sort_by(f64::total_cmp);
        rates
    };
    let (misses, alarms) = (sorted(|row| row.sensitivity), sorted(|row| row.specificity));
    let highest = misses.iter().chain(&alarms).copied().fold(0.02, f64::max) * 1.06;
    let chart = |title, rates: &[f64], colour| {
        let end = rates.len().max(1) as f64 + 1.0;
        let mean = rates.iter().sum::<f64>() / (end - 1.0);
        let dots = rates.iter().enumerate().map(|(i, &rate)| (i as f64 + 1.0, rate)).collect();
        let series = vec![
            Series::new("mean", vec![(0.0, mean), (end, mean)], Mark::ThinLine).with_colour(Colour::Muted),
            Series::new("patient", dots, Mark::Dots).with_colour(colour),
        ];
        let x = Axis::new("patients, by rate", 0.0..end).with_decimals(0);
        chart(title, x, Axis::new("", 0.0..highest).with_percent(), series)
    };
    [
        chart("False negative rate by patient", &misses, Colour::Parasitized),
        chart("False positive rate by patient", &alarms, Colour::Uninfected),
    ]
}

/// Removes points on the same pixel as the previous point.
fn thinned(mut line: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let pixel = |fraction: f64| (fraction * 3.0 * f64::from(SIZE_PX.1)).round() as i64;
    line.dedup_by_key(|&mut (x, y)| (pixel(x), pixel(y)));
    line
}
