//! The model card: what a model is, how it was made, how well its recipe does, and what it must not be used for.

use super::ReportError;
use crate::classes::Class;
use crate::evaluate::LabelledPrediction;
use crate::evaluate::bootstrap::Interval;
use crate::evaluate::figures::Figures;
use crate::evaluate::metrics::Metrics;
use crate::evaluate::paired::Comparison;
use crate::evaluate::patients::Spread;
use crate::model::Model;
use minijinja::Environment;
use minijinja::value::Serde;
use serde::Serialize;

/// What the card is about.
#[derive(Clone, Copy, Debug)]
pub struct Card<'a> {
    /// What it was trained on.
    pub data: &'a Data,
    /// Of training and folds.
    pub seed: u64,
    /// The number of folds of patients.
    pub folds: usize,
    /// The vector instructions that the weights depend on.
    pub instruction_set: &'a str,
    /// Out-of-fold figures.
    pub metrics: &'a Metrics,
    /// Out-of-fold predictions that are wrong.
    pub mistakes: &'a [LabelledPrediction],
    /// Reasons not to rely on the model, one sentence each.
    pub warnings: &'a [String],
    /// Another recipe on the same folds: its name, and this one compared with it.
    pub baseline: Option<(&'a str, &'a Comparison)>,
    /// What somebody who has looked at the mistakes says of them, as Markdown.
    pub failures: &'a str,
}

/// What a model was trained on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Data {
    /// All.
    pub images: usize,
    /// Of how many patients.
    pub patients: usize,
    /// Of the class Parasitized.
    pub parasitized: usize,
    /// Of the class Uninfected.
    pub uninfected: usize,
    /// Over all files, in hexadecimal digits.
    pub sha256: String,
}

/// Mistakes that are named.
const NAMED: usize = 12;

/// What the template fills in.
#[derive(Serialize)]
struct Filled<'a> {
    research_only: &'static str,
    recipe: &'a crate::model::Recipe,
    recipe_toml: String,
    parameters: usize,
    temperature: f32,
    threshold: f32,
    aim: &'a str,
    data: &'a Data,
    seed: u64,
    folds: usize,
    instruction_set: &'a str,
    metrics: &'a Metrics,
    baseline: Option<Baseline<'a>>,
    rows: Vec<Row>,
    spreads: Vec<SpreadRow<'a>>,
    failures: &'a str,
    warnings: &'a [String],
    misses: Vec<String>,
    alarms: Vec<String>,
}

#[derive(Serialize)]
struct Baseline<'a> {
    name: &'a str,
    only_this_right: u64,
    only_other_right: u64,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    value: String,
    baseline: String,
    difference: String,
}

#[derive(Serialize)]
struct SpreadRow<'a> {
    name: &'static str,
    spread: &'a Spread,
}

/// The card of a model, as Markdown.
///
/// # Errors
/// When the recipe cannot be written.
pub fn model_card(model: &Model, card: &Card<'_>) -> Result<String, ReportError> {
    let by_patient = card.metrics.by_patient.as_ref();
    let spreads = [
        ("sensitivity", by_patient.and_then(|figures| figures.sensitivity.as_ref())),
        ("false positive rate", by_patient.and_then(|figures| figures.false_positive_rate.as_ref())),
    ];
    let filled = Filled {
        research_only: crate::RESEARCH_ONLY,
        recipe: &model.recipe,
        recipe_toml: model.recipe.to_toml().map_err(minijinja_error)?.trim_end().to_owned(),
        parameters: model.network.summary().iter().map(|row| row.trainable + row.non_trainable).sum(),
        temperature: model.temperature,
        threshold: model.threshold,
        aim: model.threshold_aim.as_deref().unwrap_or("nothing in particular"),
        data: card.data,
        seed: card.seed,
        folds: card.folds,
        instruction_set: card.instruction_set,
        metrics: card.metrics,
        baseline: card.baseline.map(|(name, comparison)| Baseline {
            name,
            only_this_right: comparison.mcnemar.only_a_right,
            only_other_right: comparison.mcnemar.only_b_right,
        }),
        rows: rows(card),
        spreads: spreads.into_iter().filter_map(|(name, spread)| Some(SpreadRow { name, spread: spread? })).collect(),
        failures: card.failures.trim(),
        warnings: card.warnings,
        misses: surest_mistakes(card, Class::Parasitized),
        alarms: surest_mistakes(card, Class::Uninfected),
    };
    let mut environment = Environment::new();
    environment.add_filter("percent", super::evaluation::percent);
    environment.add_template("model_card.md", include_str!("model_card.md"))?;
    Ok(environment.get_template("model_card.md")?.render(Serde(&filled))?)
}

fn minijinja_error(error: toml::ser::Error) -> minijinja::Error {
    minijinja::Error::new(minijinja::ErrorKind::BadSerialization, error.to_string())
}

/// Each figure with its interval, that of the baseline, and the paired difference with its interval.
fn rows(card: &Card<'_>) -> Vec<Row> {
    let of = |figures: &Figures<Option<f64>>| named(figures).map(|(_, figure)| figure);
    let intervals = |intervals: &Figures<Option<Interval>>| named(intervals).map(|(_, interval)| interval);
    let ours = named(&card.metrics.figures);
    let our_intervals = intervals(&card.metrics.intervals.figures);
    let other = card
        .baseline
        .map(|(_, comparison)| (of(&comparison.b), of(&comparison.difference), intervals(&comparison.intervals)));
    let row = |i: usize| Row {
        name: ours[i].0,
        value: with_interval(ours[i].1, our_intervals[i], false),
        baseline: other.map_or(String::new(), |(baseline, _, _)| with_interval(baseline[i], None, false)),
        difference: other.map_or(String::new(), |(_, less, ends)| with_interval(less[i], ends[i], true)),
    };
    (0..ours.len()).map(row).collect()
}

/// The figures of the card, with their names.
fn named<T: Copy>(figures: &Figures<T>) -> [(&'static str, T); 9] {
    [
        ("accuracy", figures.accuracy),
        ("sensitivity", figures.sensitivity),
        ("specificity", figures.specificity),
        ("area under the ROC curve", figures.roc_auc),
        ("average precision", figures.average_precision),
        ("Brier score", figures.brier_score),
        ("expected calibration error", figures.expected_calibration_error),
        ("macro sensitivity", figures.macro_sensitivity),
        ("macro false positive rate", figures.macro_false_positive_rate),
    ]
}

fn with_interval(figure: Option<f64>, interval: Option<Interval>, signed: bool) -> String {
    let number = |value: f64| if signed { format!("{value:+.4}") } else { format!("{value:.4}") };
    let ends = interval.map(|Interval { low, high }| format!(" ({} to {})", number(low), number(high)));
    figure.map_or("undefined".to_owned(), number) + &ends.unwrap_or_default()
}

/// The names of the images of a class that were surest to be of the other one.
fn surest_mistakes(card: &Card<'_>, class: Class) -> Vec<String> {
    let mut mistakes: Vec<&LabelledPrediction> = card.mistakes.iter().filter(|image| image.class == class).collect();
    mistakes.sort_by(|a, b| a.probability_of_truth().total_cmp(&b.probability_of_truth()));
    let name = |image: &LabelledPrediction| image.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    mistakes.into_iter().take(NAMED).map(name).collect()
}
