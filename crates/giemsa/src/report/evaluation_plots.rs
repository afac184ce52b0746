//! The plots of the evaluation page, as SVG text.

use crate::evaluate::LabelledPrediction;
use crate::evaluate::curves::points;
use crate::evaluate::metrics::Metrics;
use crate::evaluate::patients::PatientRow;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};
use std::error::Error;

/// Why a plot cannot be drawn.
pub type PlotError = Box<dyn Error + Send + Sync>;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedF64, RangedF64>>;
type RangedF64 = plotters::coord::types::RangedCoordf64;

const WIDE_PX: u32 = 960;
const SIDE_PX: u32 = 470;
const HEIGHT_PX: u32 = 400;
const INK: RGBColor = RGBColor(40, 40, 48);
const GREY: RGBColor = RGBColor(150, 150, 158);
const FAINT: RGBColor = RGBColor(228, 228, 234);
/// Told apart by people who see no red or green, too (Okabe and Ito 2008).
const PARASITIZED: RGBColor = RGBColor(170, 51, 119);
const UNINFECTED: RGBColor = RGBColor(0, 114, 178);

/// The receiver operating characteristic, with the decision threshold's point.
pub fn roc(scored: &[LabelledPrediction], metrics: &Metrics) -> Result<String, PlotError> {
    let line = points(scored).iter().map(|point| (point.false_positive_rate, point.sensitivity)).collect();
    let figures = &metrics.figures;
    let chosen = figures.specificity.zip(figures.sensitivity).map(|(specificity, y)| (1.0 - specificity, y));
    svg(SIDE_PX, |area| {
        let mut chart = unit_chart(area, "false positive rate (1 − specificity)", "sensitivity")?;
        chart.draw_series(LineSeries::new([(0.0, 0.0), (1.0, 1.0)], FAINT.stroke_width(2)))?;
        chart.draw_series(LineSeries::new(thinned(line), PARASITIZED.stroke_width(2)))?;
        chart.draw_series(chosen.map(|point| Circle::new(point, 5, INK.filled())))?;
        Ok(())
    })
}

/// The precision-recall curve, with the decision threshold's point.
pub fn precision_recall(scored: &[LabelledPrediction], metrics: &Metrics) -> Result<String, PlotError> {
    let line = points(scored).iter().map(|point| (point.sensitivity, point.precision)).collect();
    let chosen = metrics.figures.sensitivity.zip(metrics.figures.precision);
    svg(SIDE_PX, |area| {
        let mut chart = unit_chart(area, "sensitivity (recall)", "precision")?;
        chart.draw_series(LineSeries::new(thinned(line), PARASITIZED.stroke_width(2)))?;
        chart.draw_series(chosen.map(|point| Circle::new(point, 5, INK.filled())))?;
        Ok(())
    })
}

/// The reliability diagram: a circle a bin, its area by the images in it.
pub fn calibration(metrics: &Metrics) -> Result<String, PlotError> {
    let most = metrics.calibration_bins.iter().map(|bin| bin.images).max().unwrap_or(1).max(1) as f64;
    let circles = metrics.calibration_bins.iter().filter_map(|bin| {
        let radius = 3.0 + 14.0 * (bin.images as f64 / most).sqrt();
        Some(Circle::new((bin.mean_probability?, bin.parasitized?), radius, PARASITIZED.mix(0.45).filled()))
    });
    let line = metrics.calibration_bins.iter().filter_map(|bin| bin.mean_probability.zip(bin.parasitized));
    svg(SIDE_PX, |area| {
        let mut chart = unit_chart(area, "mean probability of Parasitized", "share that is Parasitized")?;
        chart.draw_series(LineSeries::new([(0.0, 0.0), (1.0, 1.0)], GREY.stroke_width(1)))?;
        chart.draw_series(LineSeries::new(line, PARASITIZED.stroke_width(1)))?;
        chart.draw_series(circles)?;
        Ok(())
    })
}

/// A histogram of the probabilities, Parasitized above the line and Uninfected below, heights as square roots so that
/// the few in the middle can be seen.
pub fn probabilities(scored: &[LabelledPrediction], metrics: &Metrics) -> Result<String, PlotError> {
    const BARS: usize = 40;
    let mut counts = [[0u32; BARS]; 2];
    for image in scored {
        let bar = ((image.probability_parasitized * BARS as f64) as usize).min(BARS - 1);
        counts[image.class.index()][bar] += 1;
    }
    let height = |count: u32| f64::from(count).sqrt();
    let highest = counts.as_flattened().iter().copied().max().map_or(1.0, height).max(1.0) * 1.08;
    let bars = |class: usize, sign: f64, colour: RGBColor| {
        counts[class].into_iter().enumerate().filter(|&(_, count)| count > 0).map(move |(bar, count)| {
            let x = |i: usize| i as f64 / BARS as f64;
            Rectangle::new([(x(bar), 0.0), (x(bar + 1), sign * height(count))], colour.mix(0.75).filled())
        })
    };
    svg(SIDE_PX, |area| {
        let mut chart = chart(area, (0.0, 1.0), (-highest, highest))?;
        let count_of = |y: &f64| format!("{:.0}", y * y);
        mesh(&mut chart, "probability of Parasitized", "images, by class (square root scale)", &count_of)?;
        chart.draw_series(bars(0, 1.0, PARASITIZED))?;
        chart.draw_series(bars(1, -1.0, UNINFECTED))?;
        let threshold = [(metrics.threshold, -highest), (metrics.threshold, highest)];
        chart.draw_series(LineSeries::new(threshold, INK.stroke_width(1)))?;
        Ok(())
    })
}

/// A dot a patient, by rising error rate: misses among Parasitized, and false alarms among Uninfected.
pub fn patients(table: &[PatientRow]) -> Result<String, PlotError> {
    let sorted = |rates: fn(&PatientRow) -> Option<f64>| {
        let mut rates: Vec<f64> = table.iter().filter_map(rates).map(|rate| 1.0 - rate).collect();
        rates.sort_by(f64::total_cmp);
        rates
    };
    let (missed, alarms) = (sorted(|row| row.sensitivity), sorted(|row| row.specificity));
    let highest = missed.iter().chain(&alarms).copied().fold(0.02, f64::max) * 1.06;
    svg(WIDE_PX, |area| {
        let halves = area.split_evenly((1, 2));
        dots(&halves[0], &missed, highest, "patients, by share of Parasitized missed", PARASITIZED)?;
        dots(&halves[1], &alarms, highest, "patients, by false positive rate", UNINFECTED)
    })
}

fn dots(area: &Area<'_>, rates: &[f64], highest: f64, label: &str, colour: RGBColor) -> Result<(), PlotError> {
    let last = rates.len().max(1) as f64;
    let mut chart = chart(area, (0.0, last + 1.0), (0.0, highest))?;
    mesh(&mut chart, label, "", &percent)?;
    let mean = rates.iter().sum::<f64>() / last;
    chart.draw_series(LineSeries::new([(0.0, mean), (last + 1.0, mean)], GREY.stroke_width(1)))?;
    let dot = |(i, &rate): (usize, &f64)| Circle::new((i as f64 + 1.0, rate), 3, colour.mix(0.8).filled());
    chart.draw_series(rates.iter().enumerate().map(dot))?;
    Ok(())
}

fn percent(share: &f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// Draws on a white area of a width, and gives the SVG text.
fn svg(width_px: u32, draw: impl FnOnce(&Area<'_>) -> Result<(), PlotError>) -> Result<String, PlotError> {
    // The drawing library measures labels with it; a browser draws them with the page's own font.
    register_font("sans-serif", FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT)
        .map_err(|_| "the embedded font cannot be read")?;
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (width_px, HEIGHT_PX)).into_drawing_area();
        draw(&area)?;
        area.present()?;
    }
    Ok(text)
}

fn chart<'a, 'b>(area: &'a Area<'b>, x: (f64, f64), y: (f64, f64)) -> Result<Chart<'a, 'b>, PlotError> {
    Ok(ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(58)
        .build_cartesian_2d(x.0..x.1, y.0..y.1)?)
}

fn unit_chart<'a, 'b>(area: &'a Area<'b>, x: &str, y: &str) -> Result<Chart<'a, 'b>, PlotError> {
    let mut chart = chart(area, (-0.01, 1.01), (-0.01, 1.01))?;
    mesh(&mut chart, x, y, &|value| format!("{value:.1}"))?;
    Ok(chart)
}

fn mesh(chart: &mut Chart<'_, '_>, x: &str, y: &str, y_label: &dyn Fn(&f64) -> String) -> Result<(), PlotError> {
    let one_decimal = |value: &f64| if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.1}") };
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .axis_style(GREY)
        .label_style(("sans-serif", 13).into_font().color(&INK))
        .axis_desc_style(("sans-serif", 14).into_font().color(&INK))
        .x_labels(6)
        .y_labels(6)
        .x_label_formatter(&one_decimal)
        .y_label_formatter(&y_label)
        .x_desc(x)
        .y_desc(y)
        .draw()?;
    Ok(())
}

/// Leaves out points that lie on the same pixel as the one before.
fn thinned(mut line: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let pixel = |share: f64| (share * f64::from(HEIGHT_PX)).round() as i64;
    line.dedup_by_key(|&mut (x, y)| (pixel(x), pixel(y)));
    line
}
