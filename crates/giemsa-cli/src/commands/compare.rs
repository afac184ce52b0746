//! `giemsa compare`: compares two models on the same images.

use super::evaluate::IntervalArgs;
use crate::data::LabelArgs;
use crate::model::load;
use crate::predictions::{Accept, predict_folder, warn_about_leaks};
use crate::print::print_results;
use crate::{Context, Outcome};
use giemsa::RESEARCH_ONLY;
use giemsa::classes::Class;
use giemsa::evaluate::LabelledPrediction;
use giemsa::evaluate::paired::{Comparison, Side, compare};
use giemsa::model::Model;
use giemsa::model::Tta;
use giemsa::output::{path_bytes, printable, serialize_path};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  giemsa compare runs/a/model.safetensors runs/b/model.safetensors data/test
  giemsa compare runs/a/model.safetensors builtin data/test --json

Differences are those of the first model minus the second.";

/// Arguments of `giemsa compare`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct CompareArgs {
    /// First model file, or `builtin` for the built-in model.
    #[arg(value_name = "A")]
    a: PathBuf,
    /// Second model file, or `builtin`.
    #[arg(value_name = "B")]
    b: PathBuf,
    /// Folder of class folders; of Train and Test, Test is used
    #[arg(value_name = "DIR")]
    data: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    patients: LabelArgs,
    #[command(flatten)]
    intervals: IntervalArgs,
}

/// The JSON output.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    comparison: &'a Comparison,
    unreadable: usize,
    differing: &'a [Differing<'a>],
    research_only: &'static str,
}

/// An image that the two models classify differently.
#[derive(Serialize)]
struct Differing<'a> {
    #[serde(flatten, serialize_with = "serialize_path")]
    path: &'a Path,
    patient: Option<String>,
    class: Class,
    probability_a: f64,
    probability_b: f64,
    right: &'static str,
}

/// Evaluates both models, and prints their metrics and differences.
pub fn run(args: CompareArgs, context: &Context) -> anyhow::Result<Outcome> {
    let models = [load(Some(&args.a))?, load(Some(&args.b))?];
    let quiet = Context { quiet: context.quiet || args.json, ..*context };
    let silent = Context { quiet: true, ..*context };
    let a = predict_folder(&models[0], Tta::None, &args.data, &args.patients, Accept::AnyImage, &quiet)?;
    let b = predict_folder(&models[1], Tta::None, &args.data, &args.patients, Accept::AnyImage, &silent)?;
    for (model, path) in models.iter().zip([&args.a, &args.b]) {
        warn_about_leaks(model, Some(path), &a.predictions, "its metrics will be too good");
    }
    let side = |predictions, model: &Model| Side { predictions, threshold: f64::from(model.threshold) };
    let (side_a, side_b) = (side(&a.predictions[..], &models[0]), side(&b.predictions[..], &models[1]));
    let comparison = compare(side_a, side_b, args.intervals.settings())?;
    let differing = differing(side_a, side_b);
    let printed = Printed {
        comparison: &comparison,
        unreadable: a.unreadable,
        differing: &differing,
        research_only: RESEARCH_ONLY,
    };
    print_results(|out| {
        if args.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&printed)?)
        } else {
            write_text(out, &comparison, &differing)
        }
    })?;
    Ok(if a.unreadable == 0 { Outcome::Done } else { Outcome::SomeSkipped })
}

/// Returns the images that are classified differently, in descending order of the difference in probability.
fn differing<'a>(a: Side<'a>, b: Side<'_>) -> Vec<Differing<'a>> {
    let differ = |(in_a, in_b): &(&'a LabelledPrediction, &LabelledPrediction)| {
        in_a.predicted_class(a.threshold) != in_b.predicted_class(b.threshold)
    };
    let mut differing: Vec<Differing<'a>> = a
        .predictions
        .iter()
        .zip(b.predictions)
        .filter(differ)
        .map(|(in_a, in_b)| Differing {
            path: &in_a.path,
            patient: in_a.patient.clone(),
            class: in_a.class,
            probability_a: in_a.probability_parasitized,
            probability_b: in_b.probability_parasitized,
            right: if in_a.is_correct(a.threshold) { "a" } else { "b" },
        })
        .collect();
    let difference = |image: &Differing<'_>| (image.probability_a - image.probability_b).abs();
    differing.sort_by(|x, y| difference(y).total_cmp(&difference(x)));
    differing
}

/// Maximum number of images in the text output.
const MAX_IMAGES: usize = 20;

fn write_text(out: &mut dyn Write, comparison: &Comparison, differing: &[Differing<'_>]) -> io::Result<()> {
    let patients = comparison.patients.map_or("unknown patients".to_owned(), |n| crate::number_of(n, "patient"));
    writeln!(out, "{} of {patients}\n", crate::number_of(comparison.images as usize, "image"))?;
    write!(out, "{}", metric_lines(comparison))?;
    let mcnemar = &comparison.mcnemar;
    writeln!(
        out,
        "\nOnly A is correct on {}, only B on {}.\nMcNemar's test, which assumes independent images: {} (mid-p: {}).",
        crate::number_of(mcnemar.only_a_right as usize, "image"),
        mcnemar.only_b_right,
        p_value(mcnemar.exact_p),
        p_value(mcnemar.mid_p)
    )?;
    if !differing.is_empty() {
        writeln!(out, "\ncorrect  label        p(A)  p(B)  image")?;
    }
    for image in differing.iter().take(MAX_IMAGES) {
        let correct = if image.right == "a" { 'A' } else { 'B' };
        let (class, a, b) = (image.class, image.probability_a, image.probability_b);
        write!(out, "{correct:<7}  {class:<11}  {a:.3} {b:.3}  ")?;
        out.write_all(&printable(&path_bytes(image.path)))?;
        out.write_all(b"\n")?;
    }
    if differing.len() > MAX_IMAGES {
        writeln!(out, "and {} more (--json lists all)", differing.len() - MAX_IMAGES)?;
    }
    writeln!(out, "\n{RESEARCH_ONLY}")
}

fn metric_lines(comparison: &Comparison) -> String {
    let (a, b, difference, i) = (&comparison.a, &comparison.b, &comparison.difference, &comparison.intervals);
    let rows = [
        ("accuracy", a.accuracy, b.accuracy, difference.accuracy, i.accuracy),
        ("sensitivity", a.sensitivity, b.sensitivity, difference.sensitivity, i.sensitivity),
        ("specificity", a.specificity, b.specificity, difference.specificity, i.specificity),
        ("ROC AUC", a.roc_auc, b.roc_auc, difference.roc_auc, i.roc_auc),
        ("macro sens.", a.macro_sensitivity, b.macro_sensitivity, difference.macro_sensitivity, i.macro_sensitivity),
        ("macro spec.", a.macro_specificity, b.macro_specificity, difference.macro_specificity, i.macro_specificity),
    ];
    let mut text = String::new();
    let _ = writeln!(text, "{:<12} {:>9} {:>9} {:>10}  95 % confidence interval", "", "A", "B", "A - B");
    for (name, a, b, difference, interval) in rows {
        let number = |value: Option<f64>| value.map_or("undefined".to_owned(), |value| format!("{value:.4}"));
        let signed = |value: Option<f64>| value.map_or("undefined".to_owned(), |value| format!("{value:+.4}"));
        let ends = interval.map(|ends| format!("{:+.4} to {:+.4}", ends.low, ends.high)).unwrap_or_default();
        let _ = writeln!(text, "{name:<12} {:>9} {:>9} {:>10}  {ends}", number(a), number(b), signed(difference));
    }
    text
}

/// Formats a p-value with four decimals; smaller ones as an upper limit.
fn p_value(p: f64) -> String {
    if p < 0.0001 { "p < 0.0001".to_owned() } else { format!("p = {p:.4}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_p_values_are_upper_limits() {
        assert_eq!([0.5, 0.0001, 0.00004, 0.0].map(p_value), ["p = 0.5000", "p = 0.0001", "p < 0.0001", "p < 0.0001"]);
    }
}
