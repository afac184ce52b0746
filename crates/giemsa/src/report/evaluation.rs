//! The page of an evaluation, and the folder with the files that it comes from.

use super::{ReportError, evaluation_plots as plots, png_bytes};
use crate::classes::Class;
use crate::evaluate::figures::Figures;
use crate::evaluate::metrics::Metrics;
use crate::evaluate::{LabelledPrediction, bootstrap::Interval};
use crate::files::write_whole;
use crate::image::decode_file;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::imageops::FilterType;
use minijinja::Environment;
use minijinja::value::Serde;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// What was evaluated.
#[derive(Clone, Copy, Debug)]
pub struct Evaluation<'a> {
    /// The page's title.
    pub title: &'a str,
    /// The model, the data, and the command, one a line.
    pub about: &'a [String],
    /// The figures.
    pub metrics: &'a Metrics,
    /// What they come from.
    pub scored: &'a [LabelledPrediction],
}

/// Cell images of each kind on the page.
const WORST: usize = 18;
/// Longer side of a cell image on the page.
const CELL_PX: u32 = 120;

/// Writes `predictions.csv`, `metrics.json` and `index.html` into a folder, which is made if need be.
///
/// # Errors
/// When one of them cannot be written.
pub fn write_report(out: &Path, evaluation: &Evaluation<'_>) -> Result<(), ReportError> {
    let fail = |path: &Path| {
        let path = path.display().to_string();
        move |source| ReportError::Write { path, source }
    };
    std::fs::create_dir_all(out).map_err(fail(out))?;
    let path = out.join("predictions.csv");
    write_predictions(&path, evaluation.scored, evaluation.metrics.threshold).map_err(fail(&path))?;
    let path = out.join("metrics.json");
    write_whole(&path, |file| {
        serde_json::to_writer_pretty(&mut *file, evaluation.metrics)?;
        file.write_all(b"\n")
    })
    .map_err(fail(&path))?;
    let (path, page) = (out.join("index.html"), page(evaluation)?);
    write_whole(&path, |file| file.write_all(page.as_bytes())).map_err(fail(&path))
}

/// One row of `predictions.csv`.
#[derive(Serialize, Deserialize)]
struct PredictionRow {
    #[serde(with = "crate::output::csv_path")]
    path: std::path::PathBuf,
    patient: Option<String>,
    class: Class,
    probability_parasitized: f64,
    called: Class,
}

/// Writes one row an image, in the order given.
///
/// # Errors
/// When the file cannot be written.
pub fn write_predictions(path: &Path, scored: &[LabelledPrediction], threshold: f64) -> io::Result<()> {
    write_whole(path, |file| {
        let mut csv = csv::Writer::from_writer(file);
        for image in scored {
            let row = PredictionRow {
                path: image.path.clone(),
                patient: image.patient.clone(),
                class: image.class,
                probability_parasitized: image.probability_parasitized,
                called: image.called(threshold),
            };
            csv.serialize(row).map_err(io::Error::other)?;
        }
        csv.flush()
    })
}

/// Reads what [`write_predictions`] wrote.
///
/// # Errors
/// When the file cannot be read, or has other columns.
pub fn read_predictions(path: &Path) -> io::Result<Vec<LabelledPrediction>> {
    let rows = crate::output::read_csv(path);
    let scored = |row: PredictionRow| LabelledPrediction {
        path: row.path,
        class: row.class,
        patient: row.patient,
        probability_parasitized: row.probability_parasitized,
    };
    Ok(rows.map_err(io::Error::other)?.into_iter().map(scored).collect())
}

/// The page: one file that needs no other and no network.
///
/// # Errors
/// When a plot cannot be drawn.
pub fn page(evaluation: &Evaluation<'_>) -> Result<String, ReportError> {
    let Evaluation { title, about, metrics, scored } = *evaluation;
    let drawn = |plot: Result<String, plots::PlotError>| {
        plot.map_err(|reason| ReportError::Draw { title: title.to_owned(), reason: reason.to_string() })
    };
    let patients = metrics.by_patient.as_ref().map(|figures| drawn(plots::patients(&figures.table))).transpose()?;
    let both_classes = metrics.figures.roc_auc.is_some();
    let data = PageData {
        title,
        about,
        metrics,
        rows: figure_rows(&metrics.figures, &metrics.intervals.figures),
        roc: if both_classes { Some(drawn(plots::roc(scored, metrics))?) } else { None },
        precision_recall: if both_classes { Some(drawn(plots::precision_recall(scored, metrics))?) } else { None },
        calibration: drawn(plots::calibration(metrics))?,
        probabilities: drawn(plots::probabilities(scored, metrics))?,
        patients,
        misses: worst(scored, metrics.threshold, Class::Parasitized),
        alarms: worst(scored, metrics.threshold, Class::Uninfected),
        version: env!("CARGO_PKG_VERSION"),
    };
    let mut environment = Environment::new();
    environment.add_filter("percent", percent);
    environment.add_template("evaluation.html", include_str!("evaluation.html"))?;
    let page = environment.get_template("evaluation.html")?.render(Serde(&data))?;
    Ok(page)
}

/// What the template fills in.
#[derive(Serialize)]
struct PageData<'a> {
    title: &'a str,
    about: &'a [String],
    metrics: &'a Metrics,
    rows: Vec<FigureRow>,
    roc: Option<String>,
    precision_recall: Option<String>,
    calibration: String,
    probabilities: String,
    patients: Option<String>,
    misses: Vec<Cell>,
    alarms: Vec<Cell>,
    version: &'static str,
}

/// A share in percent; a dash where it is undefined.
pub(super) fn percent(share: Option<f64>) -> String {
    share.map_or("–".to_owned(), |share| format!("{:.2} %", 100.0 * share))
}

#[derive(Serialize)]
struct FigureRow {
    name: &'static str,
    value: String,
    low: String,
    high: String,
}

/// The figures that the page's first table shows.
fn figure_rows(figures: &Figures<Option<f64>>, intervals: &Figures<Option<Interval>>) -> Vec<FigureRow> {
    let number = |figure: Option<f64>| figure.map_or("–".to_owned(), |figure| format!("{figure:.4}"));
    let row = |name, write: &dyn Fn(Option<f64>) -> String, value, interval: Option<Interval>| FigureRow {
        name,
        value: write(value),
        low: write(interval.map(|ends| ends.low)),
        high: write(interval.map(|ends| ends.high)),
    };
    let (f, i) = (figures, intervals);
    vec![
        row("Accuracy", &percent, f.accuracy, i.accuracy),
        row("Sensitivity", &percent, f.sensitivity, i.sensitivity),
        row("Specificity", &percent, f.specificity, i.specificity),
        row("Precision", &percent, f.precision, i.precision),
        row("Sensitivity, mean of patients", &percent, f.macro_sensitivity, i.macro_sensitivity),
        row("Specificity, mean of patients", &percent, f.macro_specificity, i.macro_specificity),
        row(
            "False positive rate, mean of patients",
            &percent,
            f.macro_false_positive_rate,
            i.macro_false_positive_rate,
        ),
        row("Area under the ROC curve", &number, f.roc_auc, i.roc_auc),
        row("Average precision", &number, f.average_precision, i.average_precision),
        row("Brier score", &number, f.brier_score, i.brier_score),
        row("Expected calibration error", &percent, f.expected_calibration_error, i.expected_calibration_error),
    ]
}

/// A cell image on the page.
#[derive(Serialize)]
struct Cell {
    name: String,
    patient: Option<String>,
    probability: String,
    /// A PNG in base64; none where the file cannot be read any more.
    png: Option<String>,
}

/// The images of a class that are called the other one, the surest mistakes first.
fn worst(scored: &[LabelledPrediction], threshold: f64, class: Class) -> Vec<Cell> {
    let mut mistakes: Vec<&LabelledPrediction> =
        scored.iter().filter(|image| image.class == class && !image.is_right(threshold)).collect();
    mistakes.sort_by(|a, b| a.probability_of_truth().total_cmp(&b.probability_of_truth()));
    let cell = |image: &LabelledPrediction| Cell {
        name: image.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        patient: image.patient.clone(),
        probability: format!("{:.3}", image.probability_parasitized),
        png: thumbnail(&image.path),
    };
    mistakes.into_iter().take(WORST).map(cell).collect()
}

fn thumbnail(path: &Path) -> Option<String> {
    let pixels = decode_file(path).ok()?.pixels;
    let longer = pixels.width().max(pixels.height()).max(1);
    let side = |px: u32| (px * CELL_PX / longer).max(1);
    let small = image::imageops::resize(&pixels, side(pixels.width()), side(pixels.height()), FilterType::Triangle);
    Some(STANDARD.encode(png_bytes(&small).ok()?))
}
