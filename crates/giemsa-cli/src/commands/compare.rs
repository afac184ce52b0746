//! `giemsa compare`: two models on the same images.

use super::evaluate::IntervalArgs;
use crate::data::PatientArgs;
use crate::model::load;
use crate::scores::judge;
use crate::{Context, Outcome};
use giemsa::RESEARCH_ONLY;
use giemsa::classes::Class;
use giemsa::evaluate::LabelledPrediction;
use giemsa::evaluate::paired::{Comparison, Side, compare};
use giemsa::model::Model;
use giemsa::model::Tta;
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  giemsa compare runs/a/model.safetensors runs/b/model.safetensors data/test
  giemsa compare a.safetensors b.safetensors data/test --json

Differences are the first model less the second. For research use only, not for diagnosis.";

/// Arguments of `giemsa compare`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct CompareArgs {
    /// The first model: a file, or `builtin`.
    #[arg(value_name = "A")]
    a: PathBuf,
    /// The second model: a file, or `builtin`.
    #[arg(value_name = "B")]
    b: PathBuf,
    /// A folder of class folders; of one with Train and Test in it, Test is taken.
    #[arg(value_name = "DIR")]
    data: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    patients: PatientArgs,
    #[command(flatten)]
    intervals: IntervalArgs,
}

/// The JSON: the comparison, and the images on which the models differ.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    comparison: &'a Comparison,
    unreadable: usize,
    differing: &'a [Differing],
    research_only: &'static str,
}

/// An image that the two models call differently.
#[derive(Serialize)]
struct Differing {
    path: String,
    patient: Option<String>,
    class: Class,
    probability_a: f64,
    probability_b: f64,
    right: &'static str,
}

/// Judges both models, and prints how they differ.
pub fn run(args: CompareArgs, context: &Context) -> anyhow::Result<Outcome> {
    let models = [load(Some(&args.a))?, load(Some(&args.b))?];
    let quiet = Context { quiet: context.quiet || args.json, ..*context };
    let silent = Context { quiet: true, ..*context };
    let a = judge(&models[0], Tta::None, &args.data, &args.patients, &quiet)?;
    let b = judge(&models[1], Tta::None, &args.data, &args.patients, &silent)?;
    let side = |scored, model: &Model| Side { scored, threshold: f64::from(model.threshold) };
    let (in_a, in_b) = (side(&a.scored[..], &models[0]), side(&b.scored[..], &models[1]));
    let comparison = compare(in_a, in_b, args.intervals.settings())?;
    let differing = differing(in_a, in_b);
    let mut out = std::io::stdout().lock();
    if args.json {
        let printed = Printed {
            comparison: &comparison,
            unreadable: a.unreadable,
            differing: &differing,
            research_only: RESEARCH_ONLY,
        };
        writeln!(out, "{}", serde_json::to_string_pretty(&printed)?)?;
    } else {
        write!(out, "{}", text(&comparison, &differing))?;
    }
    Ok(if a.unreadable == 0 { Outcome::Done } else { Outcome::SomeSkipped })
}

/// The images that are called differently, the widest apart first.
fn differing(a: Side<'_>, b: Side<'_>) -> Vec<Differing> {
    let differ = |(in_a, in_b): &(&LabelledPrediction, &LabelledPrediction)| {
        in_a.called(a.threshold) != in_b.called(b.threshold)
    };
    let mut differing: Vec<Differing> = a
        .scored
        .iter()
        .zip(b.scored)
        .filter(differ)
        .map(|(in_a, in_b)| Differing {
            path: in_a.path.display().to_string(),
            patient: in_a.patient.clone(),
            class: in_a.class,
            probability_a: in_a.probability_parasitized,
            probability_b: in_b.probability_parasitized,
            right: if in_a.is_right(a.threshold) { "a" } else { "b" },
        })
        .collect();
    let apart = |image: &Differing| (image.probability_a - image.probability_b).abs();
    differing.sort_by(|x, y| apart(y).total_cmp(&apart(x)));
    differing
}

/// How many images are named in the text; the JSON names all.
const NAMED: usize = 20;

fn text(comparison: &Comparison, differing: &[Differing]) -> String {
    let (a, b, less) = (&comparison.a, &comparison.b, &comparison.difference);
    let i = &comparison.intervals;
    let rows = [
        ("accuracy", a.accuracy, b.accuracy, less.accuracy, i.accuracy),
        ("sensitivity", a.sensitivity, b.sensitivity, less.sensitivity, i.sensitivity),
        ("specificity", a.specificity, b.specificity, less.specificity, i.specificity),
        ("ROC AUC", a.roc_auc, b.roc_auc, less.roc_auc, i.roc_auc),
        ("macro sens.", a.macro_sensitivity, b.macro_sensitivity, less.macro_sensitivity, i.macro_sensitivity),
        ("macro spec.", a.macro_specificity, b.macro_specificity, less.macro_specificity, i.macro_specificity),
    ];
    let patients = comparison.patients.map_or("unknown patients".to_owned(), |n| format!("{n} patients"));
    let mut text = format!("{} images of {patients}\n\n", comparison.images);
    let _ = writeln!(text, "{:<12} {:>9} {:>9} {:>10}  95 % interval", "", "A", "B", "A - B");
    for (name, a, b, less, interval) in rows {
        let number = |figure: Option<f64>| figure.map_or("undefined".to_owned(), |figure| format!("{figure:.4}"));
        let signed = |figure: Option<f64>| figure.map_or("undefined".to_owned(), |figure| format!("{figure:+.4}"));
        let ends = interval.map(|ends| format!("{:+.4} to {:+.4}", ends.low, ends.high)).unwrap_or_default();
        let _ = writeln!(text, "{name:<12} {:>9} {:>9} {:>10}  {ends}", number(a), number(b), signed(less));
    }
    let mcnemar = &comparison.mcnemar;
    let _ = writeln!(
        text,
        "\nonly A is right on {} images, only B on {}: McNemar p = {:.4} (mid-p {:.4}), as if images were independent",
        mcnemar.only_a_right, mcnemar.only_b_right, mcnemar.exact_p, mcnemar.mid_p
    );
    for image in differing.iter().take(NAMED) {
        let right = if image.right == "a" { 'A' } else { 'B' };
        let (path, class) = (&image.path, image.class);
        let _ =
            writeln!(text, "{right} right  {class:<11}  {:.3} {:.3}  {path}", image.probability_a, image.probability_b);
    }
    if differing.len() > NAMED {
        let _ = writeln!(text, "and {} more (--json names all)", differing.len() - NAMED);
    }
    text + "\n" + RESEARCH_ONLY + "\n"
}
