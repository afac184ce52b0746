//! `giemsa evaluate`: how a model does on labelled images.

use super::data::{load, patients, say_found};
use super::{Context, Outcome};
use giemsa::RESEARCH_ONLY;
use giemsa::classes::Class;
use giemsa::dataset::DatasetError;
use giemsa::dataset::patients::PatientSource;
use giemsa::dataset::scan::{Layout, scan_layout};
use giemsa::evaluate::counts::Counts;
use giemsa::evaluate::loss::cross_entropy;
use giemsa::model::Model;
use giemsa::predict::{Images, logits};
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  giemsa evaluate --model runs/seed-1/model.safetensors data/test
  giemsa evaluate --model runs/seed-1/model.safetensors data/test --json

The positive class is Parasitized. For research use only, not for diagnosis.";

/// Arguments of `giemsa evaluate`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct EvaluateArgs {
    /// The model file.
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// A folder of class folders; of one with Train and Test in it, Test is taken.
    #[arg(value_name = "DIR")]
    data: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The figures, with the JSON's keys; null where a figure is undefined.
#[derive(Serialize)]
struct Figures {
    images: u64,
    unreadable: usize,
    loss: f64,
    accuracy: Option<f64>,
    sensitivity: Option<f64>,
    specificity: Option<f64>,
    precision: Option<f64>,
    f1: Option<f64>,
    #[serde(flatten)]
    counts: Counts,
    threshold: f32,
    research_only: &'static str,
}

/// Measures, and prints the figures.
pub fn run(args: EvaluateArgs, context: &Context) -> anyhow::Result<Outcome> {
    let model = Model::load(&args.model)?;
    let samples = match scan_layout(&args.data, &PatientSource::FileName)? {
        Layout::Classes(samples) => samples,
        Layout::Parts { test, .. } => test,
    };
    if !args.json {
        say_found(&samples, context);
    }
    let count = patients(&samples).len();
    let set = load(samples, &model.recipe.input, context)?;
    if set.is_empty() {
        let (path, expected) = (args.data.display().to_string(), "at least one readable image".to_owned());
        return Err(DatasetError::Content { path, expected, found: "none".to_owned() }.into());
    }
    let figures = figures(&model, &set, set.unreadable.len())?;
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&figures)?)?;
    } else {
        write!(out, "{}", text(&figures, count))?;
    }
    Ok(if set.unreadable.is_empty() { Outcome::Done } else { Outcome::SomeSkipped })
}

fn figures(model: &Model, images: &dyn Images, unreadable: usize) -> Result<Figures, DatasetError> {
    let calibrated: Vec<f32> = logits(&model.network, images)?.iter().map(|z| z / model.temperature).collect();
    let called = |logit: f32| Class::decide(Class::probability_parasitized(logit), model.threshold);
    let counts = Counts::of(calibrated.iter().enumerate().map(|(i, &logit)| (images.class(i), called(logit))));
    let loss: f64 = calibrated.iter().enumerate().map(|(i, &logit)| cross_entropy(logit, images.class(i))).sum();
    Ok(Figures {
        images: counts.images(),
        unreadable,
        loss: loss / calibrated.len() as f64,
        accuracy: counts.accuracy(),
        sensitivity: counts.sensitivity(),
        specificity: counts.specificity(),
        precision: counts.precision(),
        f1: counts.f1(),
        counts,
        threshold: model.threshold,
        research_only: RESEARCH_ONLY,
    })
}

fn text(figures: &Figures, patients: usize) -> String {
    let share = |figure: Option<f64>| figure.map_or("undefined".to_owned(), |figure| format!("{figure:.4}"));
    let counts = &figures.counts;
    let mut text = format!("{} images of {patients} patients\n\n", figures.images);
    let figure_rows = [
        ("loss", format!("{:.4}", figures.loss)),
        ("accuracy", share(figures.accuracy)),
        ("sensitivity", share(figures.sensitivity)),
        ("specificity", share(figures.specificity)),
        ("precision", share(figures.precision)),
        ("F1", share(figures.f1)),
    ];
    for (name, figure) in figure_rows {
        text += &format!("{name:<12} {figure:>9}\n");
    }
    let count_rows = [
        ("true positives", counts.true_positives, "Parasitized, called so"),
        ("false negatives", counts.false_negatives, "Parasitized, called Uninfected"),
        ("false positives", counts.false_positives, "Uninfected, called Parasitized"),
        ("true negatives", counts.true_negatives, "Uninfected, called so"),
    ];
    text += "\n";
    for (name, count, meaning) in count_rows {
        text += &format!("{name:<16} {count:>7}  ({meaning})\n");
    }
    text + "\n" + RESEARCH_ONLY + "\n"
}
