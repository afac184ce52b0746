//! `giemsa evaluate`: how a model does on labelled images.

use crate::data::{LabelArgs, say};
use crate::model::ModelArgs;
use crate::scores::judge;
use crate::{Context, Outcome};
use giemsa::RESEARCH_ONLY;
use giemsa::evaluate::bootstrap::{Interval, Resampled, Settings};
use giemsa::evaluate::metrics::Metrics;
use giemsa::report::evaluation::{Evaluation, write_report};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  giemsa evaluate data/test --report report/
  giemsa evaluate --model runs/compact-1/model.safetensors data/test
  giemsa evaluate --model runs/compact-1/model.safetensors data/test --json

The positive class is Parasitized.";

/// Arguments of `giemsa evaluate`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct EvaluateArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// A folder of class folders; of one with Train and Test in it, Test is taken.
    #[arg(value_name = "DIR")]
    data: PathBuf,
    /// Write predictions.csv, metrics.json and index.html into this folder.
    #[arg(long, value_name = "OUT")]
    report: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    patients: LabelArgs,
    #[command(flatten)]
    intervals: IntervalArgs,
}

/// How intervals are made.
#[derive(clap::Args)]
pub struct IntervalArgs {
    /// How often patients are drawn anew for the 95 % intervals.
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(100..))]
    draws: u32,
    /// The draws follow from this number.
    #[arg(long, value_name = "N", default_value_t = 0)]
    draw_seed: u64,
}

impl IntervalArgs {
    /// As the library takes them.
    pub fn settings(&self) -> Settings {
        Settings { draws: self.draws as usize, seed: self.draw_seed }
    }
}

/// The JSON: the figures, and how many images were left out.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    metrics: &'a Metrics,
    unreadable: usize,
}

/// Measures, prints the figures, and writes the report.
pub fn run(args: EvaluateArgs, context: &Context) -> anyhow::Result<Outcome> {
    let model = args.model.load()?;
    let quiet = Context { quiet: context.quiet || args.json, ..*context };
    let judged = judge(&model, args.model.tta(), &args.data, &args.patients, &quiet)?;
    let metrics = Metrics::of(&judged.scored, model.threshold.into(), args.intervals.settings())?;
    if let Some(out) = &args.report {
        let about = [
            format!("Model: {} (recipe {}), temperature {}", args.model.name(), model.recipe.name, model.temperature),
            format!("Images: {}, {} of them unreadable", args.data.display(), judged.unreadable),
        ];
        let title = format!("Evaluation of {}", model.recipe.name);
        write_report(out, &Evaluation { title: &title, about: &about, metrics: &metrics, scored: &judged.scored })?;
    }
    let mut out = std::io::stdout().lock();
    if args.json {
        let printed = Printed { metrics: &metrics, unreadable: judged.unreadable };
        writeln!(out, "{}", serde_json::to_string_pretty(&printed)?)?;
    } else {
        write!(out, "{}", text(&metrics))?;
    }
    drop(out);
    if let Some(folder) = &args.report {
        say(&quiet, &format!("The report is {}", folder.join("index.html").display()));
    }
    Ok(if judged.unreadable == 0 { Outcome::Done } else { Outcome::SomeSkipped })
}

/// The figures for people.
pub fn text(metrics: &Metrics) -> String {
    let counts = &metrics.counts;
    let patients = metrics.patients.map_or("unknown patients".to_owned(), |n| format!("{n} patients"));
    let mut text = format!("{} images of {patients}\n\n", metrics.images);
    text += &figure_lines(metrics);
    let count_rows = [
        ("true positives", counts.true_positives, "Parasitized, called so"),
        ("false negatives", counts.false_negatives, "Parasitized, called Uninfected"),
        ("false positives", counts.false_positives, "Uninfected, called Parasitized"),
        ("true negatives", counts.true_negatives, "Uninfected, called so"),
    ];
    text += "\n";
    for (name, count, meaning) in count_rows {
        let _ = writeln!(text, "{name:<16} {count:>7}  ({meaning})");
    }
    text += &detection_lines(metrics);
    text + "\n" + RESEARCH_ONLY + "\n"
}

fn figure_lines(metrics: &Metrics) -> String {
    let (f, i) = (&metrics.figures, &metrics.intervals.figures);
    let rows = [
        ("loss", Some(metrics.loss), None),
        ("accuracy", f.accuracy, i.accuracy),
        ("sensitivity", f.sensitivity, i.sensitivity),
        ("specificity", f.specificity, i.specificity),
        ("precision", f.precision, i.precision),
        ("F1", f.f1, i.f1),
        ("ROC AUC", f.roc_auc, i.roc_auc),
        ("avg. prec.", f.average_precision, i.average_precision),
        ("Brier", f.brier_score, i.brier_score),
        ("calib. error", f.expected_calibration_error, i.expected_calibration_error),
        ("macro sens.", f.macro_sensitivity, i.macro_sensitivity),
        ("macro spec.", f.macro_specificity, i.macro_specificity),
        ("macro FPR", f.macro_false_positive_rate, i.macro_false_positive_rate),
    ];
    let mut text = String::new();
    for (name, figure, interval) in rows {
        let figure = figure.map_or("undefined".to_owned(), |figure| format!("{figure:.4}"));
        let interval = interval.map(|Interval { low, high }| format!("  ({low:.4} to {high:.4})")).unwrap_or_default();
        let _ = writeln!(text, "{name:<12} {figure:>9}{interval}");
    }
    let drawn = match metrics.intervals.resampled {
        Resampled::Patients if metrics.patients == Some(1) => {
            "All images are of one patient, who says nothing of the next: no intervals.".to_owned()
        }
        Resampled::Patients => format!("In brackets: 95 % intervals, {} draws of patients.", metrics.intervals.draws),
        Resampled::Images => "In brackets: 95 % intervals by image, as the patient of some is not known; too narrow \
                              where cells share patients."
            .to_owned(),
    };
    text + &drawn + "\n"
}

fn detection_lines(metrics: &Metrics) -> String {
    let mut text = String::new();
    for row in &metrics.detection_limits {
        let alike = if row.patients_differ { "differing" } else { "alike" };
        let limit = row.limit_of_detection.map_or("none".to_owned(), |limit| format!("{:.2} %", 100.0 * limit));
        let _ = writeln!(
            text,
            "{:>6} cells, patients {alike:<9}: a clean slide reads {:.2} %, limit of detection {limit}",
            row.cells,
            100.0 * row.clean_reading
        );
    }
    if text.is_empty() { text } else { format!("\nParasitaemia readings:\n{text}") }
}
