//! Model cards: a description of a model, its training, its evaluation and its limits.

use super::ReportError;
use crate::classes::Class;
use crate::evaluate::LabelledPrediction;
use crate::evaluate::bootstrap::Interval;
use crate::evaluate::limit_of_detection::variation_note;
use crate::evaluate::metric_values::MetricValues;
use crate::evaluate::metrics::Metrics;
use crate::evaluate::paired::Comparison;
use crate::evaluate::patients::Spread;
use crate::evaluate::sites::SiteRow;
use crate::model::Model;
use serde::Serialize;

/// The content of a card, in addition to the model.
#[derive(Clone, Copy, Debug)]
pub struct Card<'a> {
    /// The training data.
    pub data: &'a Data,
    /// The seed of training and folds.
    pub seed: u64,
    /// The networks whose mean output the model learned; `None` if it learned the labels.
    pub teachers: Option<Teachers>,
    /// The number of folds of patients.
    pub folds: usize,
    /// The vector instructions that the weights depend on.
    pub instruction_set: &'a str,
    /// The metrics of the out-of-fold predictions.
    pub metrics: &'a Metrics,
    /// Out-of-fold predictions that are wrong.
    pub mistakes: &'a [LabelledPrediction],
    /// Reasons not to rely on the model, one sentence each.
    pub warnings: &'a [String],
    /// Another recipe on the same folds: its name, and this one compared with it.
    pub baseline: Option<(&'a str, &'a Comparison)>,
    /// Images of other sites among the training data; `None` if there are none.
    pub other_sites: Option<&'a OtherData>,
    /// Figures of these sites, on held-out photographs.
    pub sites: &'a [SiteRow],
    /// Figures of sites that are not among the training data.
    pub test_sites: &'a [SiteRow],
    /// Fraction of the held-out labelled images that are refused as not a red cell.
    pub refused: Option<f64>,
    /// A description of the errors, as Markdown.
    pub failures: &'a str,
}

/// Networks whose mean output a model learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Teachers {
    /// Number of networks.
    pub number: u64,
    /// Number of epochs that they were trained for.
    pub epochs: u64,
}

/// The training data of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Data {
    /// Number of images.
    pub images: usize,
    /// Number of patients.
    pub patients: usize,
    /// Number of Parasitized images.
    pub parasitized: usize,
    /// Number of Uninfected images.
    pub uninfected: usize,
    /// SHA-256 of the data set, in hexadecimal digits; see [`crate::dataset::sha256_of_samples`].
    pub sha256: String,
}

/// Images of other sites among the training data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OtherData {
    /// Number of healthy cells.
    pub negatives: usize,
    /// SHA-256 of them, as that of [`Data`]; empty if there are none.
    pub negatives_sha256: String,
    /// Number of images that are not a single red cell.
    pub not_cells: usize,
    /// SHA-256 of them; empty if there are none.
    pub not_cells_sha256: String,
}

/// Maximum number of false negatives and of false positives that are listed.
const MAX_ERRORS: usize = 12;

/// The data of the template.
#[derive(Serialize)]
struct Filled<'a> {
    recipe: &'a crate::model::Recipe,
    recipe_toml: String,
    parameters: usize,
    temperature: f32,
    threshold: f32,
    aim: &'a str,
    data: &'a Data,
    seed: u64,
    teachers: Option<Teachers>,
    folds: usize,
    instruction_set: &'a str,
    metrics: &'a Metrics,
    variation_note: Option<&'static str>,
    baseline: Option<Baseline<'a>>,
    rows: Vec<Row>,
    spreads: Vec<SpreadRow<'a>>,
    other_sites: Option<&'a OtherData>,
    sites: Vec<SiteCells>,
    test_sites: Vec<SiteCells>,
    refused: Option<f64>,
    red_cell_threshold: Option<f32>,
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

/// The figures of a site as texts.
#[derive(Serialize)]
struct SiteCells {
    site: String,
    images: String,
    sensitivity: String,
    specificity: String,
    roc_auc: String,
    red_cells_refused: String,
    not_cells: String,
}

#[derive(Serialize)]
struct SpreadRow<'a> {
    name: &'static str,
    spread: &'a Spread,
}

/// Creates the card of a model, as Markdown.
///
/// # Errors
/// If the recipe cannot be serialized.
pub fn model_card(model: &Model, card: &Card<'_>) -> Result<String, ReportError> {
    let by_patient = card.metrics.by_patient.as_ref();
    let spreads = [
        ("sensitivity", by_patient.and_then(|metrics| metrics.sensitivity.as_ref())),
        ("false positive rate", by_patient.and_then(|metrics| metrics.false_positive_rate.as_ref())),
    ];
    let filled = Filled {
        recipe: &model.recipe,
        recipe_toml: model.recipe.to_toml().map_err(minijinja_error)?.trim_end().to_owned(),
        parameters: model.network.summary().iter().map(|row| row.trainable + row.non_trainable).sum(),
        temperature: model.temperature,
        threshold: model.threshold,
        aim: model.threshold_aim.as_deref().unwrap_or("no stated aim"),
        data: card.data,
        seed: card.seed,
        teachers: card.teachers,
        folds: card.folds,
        instruction_set: card.instruction_set,
        metrics: card.metrics,
        variation_note: variation_note(&card.metrics.detection_limits),
        baseline: card.baseline.map(|(name, comparison)| Baseline {
            name,
            only_this_right: comparison.mcnemar.only_a_right,
            only_other_right: comparison.mcnemar.only_b_right,
        }),
        rows: rows(card),
        spreads: spreads.into_iter().filter_map(|(name, spread)| Some(SpreadRow { name, spread: spread? })).collect(),
        other_sites: card.other_sites,
        sites: card.sites.iter().map(site_cells).collect(),
        test_sites: card.test_sites.iter().map(site_cells).collect(),
        refused: card.refused,
        red_cell_threshold: (model.network.outputs() > 1).then_some(model.red_cell_threshold),
        failures: card.failures.trim(),
        warnings: card.warnings,
        misses: most_confident_errors(card, Class::Parasitized),
        alarms: most_confident_errors(card, Class::Uninfected),
    };
    super::template::render("model_card.md", include_str!("model_card.md"), &filled)
}

fn site_cells(row: &SiteRow) -> SiteCells {
    let number = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.4}"));
    let percent = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{:.1} %", 100.0 * value));
    SiteCells {
        site: row.site.clone(),
        images: format!("{} / {}", row.parasitized, row.uninfected),
        sensitivity: number(row.sensitivity),
        specificity: number(row.specificity),
        roc_auc: number(row.roc_auc),
        red_cells_refused: percent(row.red_cells_refused),
        not_cells: row
            .not_cells_refused
            .map_or("–".to_owned(), |_| format!("{} of {}", percent(row.not_cells_refused), row.not_cells)),
    }
}

fn minijinja_error(error: toml::ser::Error) -> minijinja::Error {
    minijinja::Error::new(minijinja::ErrorKind::BadSerialization, error.to_string())
}

/// Returns each metric with its interval, the metric of the baseline, and the paired difference with its interval.
fn rows(card: &Card<'_>) -> Vec<Row> {
    let of = |values: &MetricValues<Option<f64>>| named(values).map(|(_, value)| value);
    let intervals = |intervals: &MetricValues<Option<Interval>>| named(intervals).map(|(_, interval)| interval);
    let ours = named(&card.metrics.values);
    let our_intervals = intervals(&card.metrics.intervals.values);
    let other = card
        .baseline
        .map(|(_, comparison)| (of(&comparison.b), of(&comparison.difference), intervals(&comparison.intervals)));
    let row = |i: usize| Row {
        name: ours[i].0,
        value: with_interval(ours[i].1, our_intervals[i], false),
        baseline: other.map_or(String::new(), |(baseline, _, _)| with_interval(baseline[i], None, false)),
        difference: other.map_or(String::new(), |(_, difference, ends)| with_interval(difference[i], ends[i], true)),
    };
    (0..ours.len()).map(row).collect()
}

/// Returns the metrics of the card with their names.
fn named<T: Copy>(values: &MetricValues<T>) -> [(&'static str, T); 9] {
    [
        ("accuracy", values.accuracy),
        ("sensitivity", values.sensitivity),
        ("specificity", values.specificity),
        ("area under the ROC curve", values.roc_auc),
        ("average precision", values.average_precision),
        ("Brier score", values.brier_score),
        ("expected calibration error", values.expected_calibration_error),
        ("macro sensitivity", values.macro_sensitivity),
        ("macro false positive rate", values.macro_false_positive_rate),
    ]
}

fn with_interval(value: Option<f64>, interval: Option<Interval>, signed: bool) -> String {
    let number = |value: f64| if signed { format!("{value:+.4}") } else { format!("{value:.4}") };
    let ends = interval.map(|Interval { low, high }| format!(" ({} to {})", number(low), number(high)));
    value.map_or("undefined".to_owned(), number) + &ends.unwrap_or_default()
}

/// Returns the names of the images of a class with the most confident errors.
fn most_confident_errors(card: &Card<'_>, class: Class) -> Vec<String> {
    let mut errors: Vec<&LabelledPrediction> = card.mistakes.iter().filter(|image| image.class == class).collect();
    errors.sort_by(|a, b| a.probability_of_true_class().total_cmp(&b.probability_of_true_class()));
    let name = |image: &LabelledPrediction| image.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    errors.into_iter().take(MAX_ERRORS).map(name).collect()
}
