//! The report of an evaluation: an HTML page, the metrics, the predictions and the charts.

use super::evaluation_charts::{NamedChart, charts};
use super::folder::{METRICS, PAGE, PLOTS, PREDICTIONS, ReportFile, check_free, write_files};
use super::plot::{to_image, to_inline_svg, to_svg};
use super::template::{percent, render};
use super::{ReportError, png_bytes, write_error};
use crate::classes::Class;
use crate::evaluate::bootstrap::Interval;
use crate::evaluate::counts::Counts;
use crate::evaluate::limit_of_detection::variation_note;
use crate::evaluate::metric_values::MetricValues;
use crate::evaluate::metrics::Metrics;
use crate::evaluate::predictions_csv::predictions_csv;
use crate::evaluate::provenance::Provenance;
use crate::evaluate::{LabelledPrediction, errors_of_class};
use crate::image::decode_file;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::imageops::FilterType;
use serde::Serialize;
use std::path::Path;

/// The content of a report.
#[derive(Clone, Copy, Debug)]
pub struct Evaluation<'a> {
    /// The title of the page.
    pub title: &'a str,
    /// Lines that describe the model and the data.
    pub about: &'a [String],
    /// The metrics.
    pub metrics: &'a Metrics,
    /// The predictions that the metrics are computed from.
    pub predictions: &'a [LabelledPrediction],
    /// The folds of a cross-validation; empty for a plain evaluation.
    pub folds: &'a [FoldRow],
    /// The program, model and data, which are written to `metrics.json`.
    pub provenance: Option<&'a Provenance>,
}

/// The metrics of one fold of a cross-validation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FoldRow {
    /// The name of the fold.
    pub name: String,
    /// Number of images.
    pub images: u64,
    /// Number of patients; `None` if the patient of any image is unknown.
    pub patients: Option<usize>,
    /// The metrics.
    pub values: MetricValues<Option<f64>>,
}

/// The content of `metrics.json`.
#[derive(Serialize)]
struct MetricsFile<'a> {
    #[serde(flatten)]
    metrics: &'a Metrics,
    #[serde(skip_serializing_if = "Option::is_none")]
    provenance: Option<&'a Provenance>,
}

/// Maximum number of false negatives and of false positives on the page.
const MAX_ERRORS: usize = 18;
/// Longer side of a cell image on the page.
const CELL_PX: u32 = 120;
/// Pixels per SVG pixel of the PNG files: 300 dpi at a width of 12 cm.
const PRINT_SCALE: u32 = 3;

/// Writes `index.html`, `metrics.json`, `predictions.csv` and the charts as `plots/*.svg` and `plots/*.png` into a folder:
/// a new or empty one, or that of an earlier report. The files appear together or not at all.
///
/// # Errors
/// If the folder contains anything else, a chart cannot be drawn, or a file cannot be written.
pub fn write_report(out: &Path, evaluation: &Evaluation<'_>) -> Result<(), ReportError> {
    check_free(out)?;
    write_files(out, &files(out, evaluation)?)
}

/// Creates the files of a report. `out` appears in errors only.
pub(super) fn files(out: &Path, evaluation: &Evaluation<'_>) -> Result<Vec<ReportFile>, ReportError> {
    let Evaluation { metrics, predictions, provenance, .. } = *evaluation;
    let charts = charts(predictions, metrics);
    let mut files = Vec::new();
    for NamedChart { name, chart, .. } in &charts {
        let chart = std::slice::from_ref(chart);
        files.push((format!("{PLOTS}/{name}.svg"), to_svg(chart)?.into()));
        files.push((format!("{PLOTS}/{name}.png"), png_bytes(&to_image(chart, PRINT_SCALE)?)?));
    }
    let csv = predictions_csv(predictions, metrics.threshold).map_err(write_error(&out.join(PREDICTIONS)))?;
    files.push((PREDICTIONS.to_owned(), csv));
    files.push((METRICS.to_owned(), json(&MetricsFile { metrics, provenance }, &out.join(METRICS))?));
    files.push((PAGE.to_owned(), page_with(evaluation, &charts)?.into()));
    Ok(files)
}

/// Formats a JSON file. `path` appears in errors only.
pub(super) fn json(content: &impl Serialize, path: &Path) -> Result<Vec<u8>, ReportError> {
    let mut json = serde_json::to_vec_pretty(content).map_err(|error| write_error(path)(error.into()))?;
    json.push(b'\n');
    Ok(json)
}

/// Creates the page, which is self-contained.
///
/// # Errors
/// If a chart cannot be drawn.
pub fn page(evaluation: &Evaluation<'_>) -> Result<String, ReportError> {
    page_with(evaluation, &charts(evaluation.predictions, evaluation.metrics))
}

fn page_with(evaluation: &Evaluation<'_>, charts: &[NamedChart]) -> Result<String, ReportError> {
    let Evaluation { title, about, metrics, predictions, folds, .. } = *evaluation;
    let drawn = |named: &NamedChart| -> Result<DrawnChart, ReportError> {
        Ok(DrawnChart { svg: to_inline_svg(&named.chart, named.caption)?, caption: named.caption })
    };
    let data = PageData {
        title,
        about,
        metrics,
        counts: metrics.counts,
        rows: metric_rows(&metrics.values, &metrics.intervals.values),
        folds,
        charts: charts.iter().map(drawn).collect::<Result<_, _>>()?,
        variation_note: variation_note(&metrics.detection_limits),
        misses: error_cells(predictions, metrics.threshold, Class::Parasitized),
        alarms: error_cells(predictions, metrics.threshold, Class::Uninfected),
    };
    render("evaluation.html", include_str!("evaluation.html"), &data)
}

/// The data of the template.
#[derive(Serialize)]
struct PageData<'a> {
    title: &'a str,
    about: &'a [String],
    metrics: &'a Metrics,
    counts: Counts,
    rows: Vec<MetricRow>,
    folds: &'a [FoldRow],
    charts: Vec<DrawnChart>,
    variation_note: Option<&'static str>,
    misses: Vec<Cell>,
    alarms: Vec<Cell>,
}

#[derive(Serialize)]
struct DrawnChart {
    svg: String,
    caption: &'static str,
}

#[derive(Serialize)]
struct MetricRow {
    name: &'static str,
    value: String,
    low: String,
    high: String,
}

/// Returns the rows of the table of metrics.
fn metric_rows(values: &MetricValues<Option<f64>>, intervals: &MetricValues<Option<Interval>>) -> Vec<MetricRow> {
    let number = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.4}"));
    let row = |name, format: &dyn Fn(Option<f64>) -> String, value, interval: Option<Interval>| MetricRow {
        name,
        value: format(value),
        low: format(interval.map(|ends| ends.low)),
        high: format(interval.map(|ends| ends.high)),
    };
    let (v, i) = (values, intervals);
    let macro_fpr = (v.macro_false_positive_rate, i.macro_false_positive_rate);
    vec![
        row("Accuracy", &percent, v.accuracy, i.accuracy),
        row("Sensitivity", &percent, v.sensitivity, i.sensitivity),
        row("Specificity", &percent, v.specificity, i.specificity),
        row("Precision", &percent, v.precision, i.precision),
        row("F1", &percent, v.f1, i.f1),
        row("Sensitivity, mean over patients", &percent, v.macro_sensitivity, i.macro_sensitivity),
        row("Specificity, mean over patients", &percent, v.macro_specificity, i.macro_specificity),
        row("False positive rate, mean over patients", &percent, macro_fpr.0, macro_fpr.1),
        row("ROC AUC", &number, v.roc_auc, i.roc_auc),
        row("Average precision", &number, v.average_precision, i.average_precision),
        row("Brier score", &number, v.brier_score, i.brier_score),
        row("Expected calibration error", &percent, v.expected_calibration_error, i.expected_calibration_error),
    ]
}

/// A misclassified image on the page.
#[derive(Serialize)]
struct Cell {
    name: String,
    patient: Option<String>,
    probability: String,
    /// A PNG in base64; `None` if the file cannot be read any more.
    png: Option<String>,
}

/// Returns the most confident errors among the images of a class.
fn error_cells(predictions: &[LabelledPrediction], threshold: f64, class: Class) -> Vec<Cell> {
    let cell = |image: &LabelledPrediction| Cell {
        name: image.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        patient: image.patient.clone(),
        probability: format!("{:.3}", image.probability_parasitized),
        png: thumbnail(&image.path),
    };
    errors_of_class(predictions, threshold, class).into_iter().take(MAX_ERRORS).map(cell).collect()
}

fn thumbnail(path: &Path) -> Option<String> {
    let pixels = decode_file(path).ok()?.pixels;
    let longer = pixels.width().max(pixels.height()).max(1);
    let side = |px: u32| (px * CELL_PX / longer).max(1);
    let small = image::imageops::resize(&pixels, side(pixels.width()), side(pixels.height()), FilterType::Triangle);
    Some(STANDARD.encode(png_bytes(&small).ok()?))
}
