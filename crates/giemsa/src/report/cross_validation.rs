//! The report of a cross-validation: the page of an evaluation, and the metrics of each fold.

use super::ReportError;
use super::evaluation::{self, Evaluation};
use crate::evaluate::figures::Figures;
use crate::evaluate::metrics::Metrics;
use crate::evaluate::patients::Spread;
use crate::files::write_whole;
use crate::train::cross_validation::{CrossValidationSettings, FoldsSummary, OutOfFold};
use std::path::Path;

/// Writes `index.html`, `metrics.json` and `predictions.csv` of all folds together, and `folds.json` with the metrics of
/// each fold.
///
/// # Errors
/// If a file cannot be written.
pub fn write_report(
    out: &Path,
    settings: &CrossValidationSettings,
    out_of_fold: &OutOfFold,
    metrics: &Metrics,
    summary: &FoldsSummary,
) -> Result<(), ReportError> {
    let path = out.join("folds.json");
    write_whole(&path, |file| Ok(serde_json::to_writer_pretty(file, summary)?))
        .map_err(|source| ReportError::Write { path: path.display().to_string(), source })?;
    let CrossValidationSettings { recipe, folds, seed, data, .. } = settings;
    let mut about = vec![
        format!("Recipe {}, {} epochs, seed {seed}", recipe.name, recipe.training.epochs),
        format!(
            "Images: {}; {folds} folds by patient, each predicted by a network trained on the others",
            data.display()
        ),
    ];
    about.extend(
        spread_lines(&summary.spread).iter().map(|line| format!("Mean and standard deviation over folds: {line}")),
    );
    let title = format!("Cross-validation of {}", recipe.name);
    let scored = &out_of_fold.predictions;
    evaluation::write_report(out, &Evaluation { title: &title, about: &about, metrics, scored })
}

/// Formats the mean and standard deviation over folds of the main metrics, one line each.
#[must_use]
pub fn spread_lines(spread: &Figures<Option<Spread>>) -> Vec<String> {
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
