//! `giemsa cross-validate`: a recipe judged on every image, each by a network that has not seen its patient.

pub mod folds;

use super::evaluate::{IntervalArgs, text};
use crate::data::{PatientArgs, say, say_found};
use crate::scores::{find, read};
use crate::{Context, Outcome};
use anyhow::Context as _;
use folds::{CrossSettings, OutOfFold, THRESHOLD, out_of_fold};
use giemsa::evaluate::LabelledPrediction;
use giemsa::evaluate::bootstrap;
use giemsa::evaluate::clusters::Clusters;
use giemsa::evaluate::metric_values::{METRIC_COUNT, MetricValues};
use giemsa::evaluate::metrics::Metrics;
use giemsa::evaluate::patients::{Spread, spread};
use giemsa::evaluate::provenance::Provenance;
use giemsa::files::write_whole;
use giemsa::model::Recipe;
use giemsa::report::evaluation::{Evaluation, FoldRow, write_report};
use serde::Serialize;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  giemsa cross-validate data/cell_images
  giemsa cross-validate data/cell_images --folds 10 --recipe my.toml --out runs/mine

The same command again goes on where it was stopped. Nothing is chosen on the fold held out: each network is that of the
last epoch. For research use only, not for diagnosis.";

/// Arguments of `giemsa cross-validate`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct CrossValidateArgs {
    /// A folder of class folders.
    #[arg(value_name = "DIR")]
    data: PathBuf,
    /// Into how many parts the patients are divided.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(2..))]
    folds: u16,
    /// A recipe in the program, or a .toml file.
    #[arg(long, value_name = "NAME", default_value = "compact")]
    recipe: String,
    /// Epochs, instead of the recipe's.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    epochs: Option<u64>,
    /// Folds, first weights, order, variation and dropout follow from this number.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: u64,
    /// Where the folds and the report go. [default: runs/cross-validation-RECIPE]
    #[arg(long, value_name = "OUT")]
    out: Option<PathBuf>,
    #[command(flatten)]
    patients: PatientArgs,
    #[command(flatten)]
    intervals: IntervalArgs,
}

/// What `folds.json` holds.
#[derive(Serialize)]
struct FoldsSummary {
    /// The figures of each fold.
    folds: Vec<MetricValues<Option<f64>>>,
    /// How each varies over the folds.
    spread: MetricValues<Option<Spread>>,
    research_only: &'static str,
}

/// Trains and judges fold after fold, then all out-of-fold predictions together.
pub fn run(args: CrossValidateArgs, context: &Context) -> anyhow::Result<Outcome> {
    // From here on Ctrl-C is a wish.
    crate::interrupted();
    let mut recipe = Recipe::load(&args.recipe)?;
    recipe.training.epochs = args.epochs.unwrap_or(recipe.training.epochs);
    let name = recipe.name.clone();
    let out = args.out.clone().unwrap_or_else(|| Path::new("runs").join(format!("cross-validation-{name}")));
    let data = std::path::absolute(&args.data)?;
    let run = CrossSettings { data, folds: args.folds, seed: args.seed, recipe };
    let samples = find(&args.data, &args.patients)?;
    say_found(&samples, context);
    let set = read(samples, &args.data, &run.recipe.input, context)?;
    let Some(judged) = out_of_fold(&run, &set, &out, context)? else { return Ok(Outcome::Interrupted) };
    report(&run, &judged, &out, args.intervals.settings(), context)?;
    Ok(if set.unreadable().is_empty() { Outcome::Done } else { Outcome::SomeSkipped })
}

/// Writes the report of all folds together and the spread over them, and prints both.
pub fn report(
    run: &CrossSettings,
    judged: &OutOfFold,
    out: &Path,
    intervals: bootstrap::Settings,
    context: &Context,
) -> anyhow::Result<()> {
    let OutOfFold { scored: all, fold_of } = judged;
    let metrics = Metrics::compute(all, THRESHOLD, intervals)?;
    let folds: Vec<FoldRow> = (0..run.folds.into()).map(|fold| fold_row(all, fold_of, fold)).collect();
    let summary = summary(&folds);
    let json = serde_json::to_string_pretty(&summary)?;
    let path = out.join("folds.json");
    write_whole(&path, |file| file.write_all(json.as_bytes())).with_context(|| path.display().to_string())?;
    let lines = spread_lines(&summary.spread);
    let mut about = vec![
        format!("Recipe {}, {} epochs, seed {}", run.recipe.name, run.recipe.training.epochs, run.seed),
        format!(
            "Images: {}; {} folds by patient, each judged by a network that saw none of it",
            run.data.display(),
            run.folds
        ),
    ];
    about.extend(lines.iter().map(|line| format!("Mean and standard deviation over folds: {line}")));
    let title = format!("Cross-validation of {}", run.recipe.name);
    let provenance = Provenance::of_cross_validation(&run.recipe.name, THRESHOLD, &run.data);
    let evaluation = Evaluation {
        title: &title,
        about: &about,
        metrics: &metrics,
        scored: all,
        folds: &folds,
        provenance: Some(&provenance),
    };
    write_report(out, &evaluation)?;
    let result = Context { quiet: false, ..*context };
    say(&result, &format!("\n{}\nMean and standard deviation over {} folds:", text(&metrics), run.folds));
    lines.iter().for_each(|line| say(&result, line));
    say(context, &format!("The report is {}", out.join("index.html").display()));
    Ok(())
}

/// Computes the metrics of one fold.
fn fold_row(all: &[LabelledPrediction], fold_of: &[usize], fold: usize) -> FoldRow {
    let of_fold: Vec<LabelledPrediction> =
        all.iter().zip(fold_of).filter(|&(_, &of)| of == fold).map(|(image, _)| image.clone()).collect();
    FoldRow {
        name: (fold + 1).to_string(),
        images: of_fold.len() as u64,
        patients: Clusters::by_patient(&of_fold).patients(),
        values: MetricValues::compute(&of_fold, THRESHOLD),
    }
}

fn summary(folds: &[FoldRow]) -> FoldsSummary {
    let arrays: Vec<[Option<f64>; METRIC_COUNT]> = folds.iter().map(|fold| fold.values.to_array()).collect();
    let spread = MetricValues::from_array(std::array::from_fn(|i| spread(arrays.iter().filter_map(|array| array[i]))));
    let folds = folds.iter().map(|fold| fold.values).collect();
    FoldsSummary { folds, spread, research_only: giemsa::RESEARCH_ONLY }
}

fn spread_lines(spread: &MetricValues<Option<Spread>>) -> Vec<String> {
    let rows = [
        ("accuracy", spread.accuracy),
        ("sensitivity", spread.sensitivity),
        ("specificity", spread.specificity),
        ("ROC AUC", spread.roc_auc),
        ("macro FPR", spread.macro_false_positive_rate),
    ];
    let line = |(name, spread): (&str, Option<Spread>)| {
        spread.map(|spread| format!("{name:<12} {:>9.4} ± {:.4}", spread.mean, spread.standard_deviation))
    };
    rows.into_iter().filter_map(line).collect()
}
