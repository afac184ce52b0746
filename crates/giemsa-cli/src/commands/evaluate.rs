//! `giemsa evaluate`: evaluates a model on labelled images.

use super::evaluate_sites::{self, evaluate_sites};
use crate::data::LabelArgs;
use crate::model::{ModelArgs, file_of};
use crate::predictions::{Accept, predict_folder, warn_about_leaks};
use crate::print::{escaped, print_line, print_results};
use crate::{Context, Outcome};
use anyhow::Context as _;
use giemsa::RESEARCH_ONLY;
use giemsa::evaluate::bootstrap::{Interval, MAX_DRAWS, Settings};
use giemsa::evaluate::clusters::Resampled;
use giemsa::evaluate::limit_of_detection::variation_note;
use giemsa::evaluate::metrics::Metrics;
use giemsa::evaluate::provenance::Provenance;
use giemsa::evaluate::{Refused, count_refused};
use giemsa::model::Model;
use giemsa::report::evaluation::{Evaluation, write_report};
use giemsa::report::folder::check_free;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  giemsa evaluate data/test --report report/
  giemsa evaluate --model runs/compact-1/model.safetensors data/test
  giemsa evaluate --model runs/compact-1/model.safetensors data/test --json
  giemsa evaluate --sites sites            # sites/bangkok/Uninfected, sites/bccd/NotACell, ...

The positive class is Parasitized.";

/// Arguments of `giemsa evaluate`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct EvaluateArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Folder of class folders; of Train and Test, Test is used
    #[arg(value_name = "DIR")]
    data: PathBuf,
    /// Write index.html, metrics.json, predictions.csv and plots (SVG and PNG) to this folder: a new or empty one, or that of
    /// an earlier report, which is replaced.
    #[arg(long, value_name = "OUT")]
    report: Option<PathBuf>,
    /// Print the figures of each site: DIR has a folder per site, with some of the folders Parasitized, Uninfected and
    /// NotACell (images that are not a single red cell)
    #[arg(long, conflicts_with_all = ["report", "IntervalArgs"])]
    sites: bool,
    /// Evaluate photographs of whole fields, too, which are listed as unreadable otherwise; --sites always does
    #[arg(long)]
    any_image: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    patients: LabelArgs,
    #[command(flatten)]
    intervals: IntervalArgs,
}

/// Arguments of the confidence intervals.
#[derive(clap::Args)]
pub struct IntervalArgs {
    /// Bootstrap resamples (by patient) for the 95 % confidence intervals, 100 to 100,000.
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(100..=MAX_DRAWS as i64))]
    draws: u32,
    /// Seed of the bootstrap.
    #[arg(long, value_name = "N", default_value_t = 0)]
    draw_seed: u64,
}

impl IntervalArgs {
    /// Returns the settings of the bootstrap.
    pub fn settings(&self) -> Settings {
        Settings { draws: self.draws as usize, seed: self.draw_seed }
    }
}

/// The JSON output.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    metrics: &'a Metrics,
    /// Images that the model refuses; they are in the metrics, too.
    refused: Option<Refused>,
    unreadable: usize,
    provenance: &'a Provenance,
}

/// Evaluates the model, prints the metrics, and writes the report.
pub fn run(args: EvaluateArgs, context: &Context) -> anyhow::Result<Outcome> {
    let model = args.model.load()?;
    if args.sites {
        return run_sites(&args, &model, context);
    }
    args.report.as_deref().map_or(Ok(()), check_free)?;
    let quiet = Context { quiet: context.quiet || args.json, ..*context };
    let accept = if args.any_image { Accept::AnyImage } else { Accept::Cells };
    let predicted = predict_folder(&model, args.model.tta(), &args.data, &args.patients, accept, &quiet)?;
    warn_about_leaks(&model, args.model.model.as_deref(), &predicted.predictions, "the metrics will be too good");
    let metrics = Metrics::compute(&predicted.predictions, model.threshold.into(), args.intervals.settings())?;
    let refused = count_refused(&predicted.predictions, model.red_cell_threshold.into());
    let file = file_of(args.model.model.as_deref());
    let provenance = Provenance::of_model(&model, file, &args.data).with_context(|| args.model.name())?;
    if let Some(out) = &args.report {
        let mut about = vec![
            format!("Model: {} (recipe {}), temperature {}", args.model.name(), model.recipe.name, model.temperature),
            format!("Images: {} ({} unreadable)", args.data.display(), predicted.unreadable),
        ];
        about.extend(refused.as_ref().map(refused_line));
        let evaluation = Evaluation {
            title: &format!("Evaluation of {}", model.recipe.name),
            about: &about,
            metrics: &metrics,
            predictions: &predicted.predictions,
            folds: &[],
            provenance: Some(&provenance),
        };
        write_report(out, &evaluation)?;
    }
    let printed = Printed { metrics: &metrics, refused, unreadable: predicted.unreadable, provenance: &provenance };
    print_results(|out| {
        if args.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&printed)?)
        } else {
            refused.iter().try_for_each(|refused| writeln!(out, "{}\n", refused_line(refused)))?;
            write!(out, "{}", text(&metrics))
        }
    })?;
    if let Some(folder) = &args.report {
        print_line(&quiet, &format!("Report: {}", escaped(folder.join("index.html").display())));
    }
    Ok(if predicted.unreadable == 0 { Outcome::Done } else { Outcome::SomeSkipped })
}

/// Formats the number of refused images.
fn refused_line(refused: &Refused) -> String {
    format!(
        "Refused as not a red cell: {} Parasitized, {} Uninfected; the metrics contain them.",
        refused.parasitized, refused.uninfected
    )
}

/// Prints the figures of each site.
fn run_sites(args: &EvaluateArgs, model: &Model, context: &Context) -> anyhow::Result<Outcome> {
    let quiet = Context { quiet: context.quiet || args.json, ..*context };
    let rows = evaluate_sites(model, args.model.tta(), &args.data, &args.patients, &quiet)?;
    print_results(|out| match args.json {
        true => {
            let printed = serde_json::json!({ "sites": rows, "research_only": RESEARCH_ONLY });
            writeln!(out, "{}", serde_json::to_string_pretty(&printed)?)
        }
        false => writeln!(out, "{}{RESEARCH_ONLY}", evaluate_sites::text(&rows)),
    })?;
    Ok(Outcome::Done)
}

/// Formats the metrics as text.
pub fn text(metrics: &Metrics) -> String {
    let counts = &metrics.counts;
    let patients = metrics.patients.map_or("unknown patients".to_owned(), |n| crate::number_of(n, "patient"));
    let mut text = format!("{} of {patients}\n\n", crate::number_of(metrics.images as usize, "image"));
    text += &metric_lines(metrics);
    let count_rows = [
        ("true positives", counts.true_positives, "Parasitized, classified as Parasitized"),
        ("false negatives", counts.false_negatives, "Parasitized, classified as Uninfected"),
        ("false positives", counts.false_positives, "Uninfected, classified as Parasitized"),
        ("true negatives", counts.true_negatives, "Uninfected, classified as Uninfected"),
    ];
    text += "\n";
    for (name, count, meaning) in count_rows {
        let _ = writeln!(text, "{name:<16} {count:>7}  ({meaning})");
    }
    text += &detection_lines(metrics);
    text + "\n" + RESEARCH_ONLY + "\n"
}

fn metric_lines(metrics: &Metrics) -> String {
    let (v, i) = (&metrics.values, &metrics.intervals.values);
    let rows = [
        ("loss", Some(metrics.loss), None),
        ("accuracy", v.accuracy, i.accuracy),
        ("sensitivity", v.sensitivity, i.sensitivity),
        ("specificity", v.specificity, i.specificity),
        ("precision", v.precision, i.precision),
        ("F1", v.f1, i.f1),
        ("ROC AUC", v.roc_auc, i.roc_auc),
        ("avg. prec.", v.average_precision, i.average_precision),
        ("Brier", v.brier_score, i.brier_score),
        ("calib. error", v.expected_calibration_error, i.expected_calibration_error),
        ("macro sens.", v.macro_sensitivity, i.macro_sensitivity),
        ("macro spec.", v.macro_specificity, i.macro_specificity),
        ("macro FPR", v.macro_false_positive_rate, i.macro_false_positive_rate),
    ];
    let mut text = String::new();
    for (name, value, interval) in rows {
        let value = value.map_or("undefined".to_owned(), |value| format!("{value:.4}"));
        let interval = interval.map(|Interval { low, high }| format!("  ({low:.4} to {high:.4})")).unwrap_or_default();
        let _ = writeln!(text, "{name:<12} {value:>9}{interval}");
    }
    let draws = metrics.intervals.draws;
    text + &match metrics.intervals.resampled {
        Resampled::Patients if metrics.patients == Some(1) => {
            "No confidence intervals, because all images are of one patient.\n".to_owned()
        }
        Resampled::Patients => {
            format!("In parentheses: 95 % confidence intervals, {draws} bootstrap resamples (by patient).\n")
        }
        Resampled::Images => format!(
            "In parentheses: 95 % confidence intervals, {draws} bootstrap resamples by image, because the patient of \
             some images is unknown; too narrow if patients have several images.\n"
        ),
    }
}

fn detection_lines(metrics: &Metrics) -> String {
    if metrics.detection_limits.is_empty() {
        return String::new();
    }
    let mut text = "\nLimit of detection of parasitaemia:\n".to_owned();
    for row in &metrics.detection_limits {
        let rate = if row.patients_differ { "FPR varies between patients" } else { "same FPR for all patients" };
        let limit = row.limit_of_detection.map_or("undefined".to_owned(), |limit| format!("{:.2} %", 100.0 * limit));
        let _ = writeln!(
            text,
            "{:>6} cells, {rate:<27}: {limit} (mean reading of a parasite-free slide {:.2} %)",
            row.cells,
            100.0 * row.clean_reading
        );
    }
    if let Some(note) = variation_note(&metrics.detection_limits) {
        let _ = writeln!(text, "{note}");
    }
    text
}
