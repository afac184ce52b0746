//! The report of a cross-validation: the page of an evaluation, and the metrics of each fold.

use super::ReportError;
use super::evaluation::{self, Evaluation, FoldRow, json};
use super::folder::write_files;
use crate::evaluate::LabelledPrediction;
use crate::evaluate::clusters::Clusters;
use crate::evaluate::metric_values::MetricValues;
use crate::evaluate::metrics::Metrics;
use crate::evaluate::patients::Spread;
use crate::evaluate::provenance::Provenance;
use crate::train::Distillation;
use crate::train::cross_validation::{CrossValidationSettings, FoldsSummary, OutOfFold, THRESHOLD};
use std::path::Path;

const FOLDS: &str = "folds.json";

/// Writes the report of all folds together, and `folds.json` with the metrics of each fold, into the folder of the
/// cross-validation. The files appear together or not at all, and replace those of an earlier report.
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
    let CrossValidationSettings { recipe, folds, seed, data, distillation, .. } = settings;
    let mut about = vec![
        format!("Recipe {}, {} epochs, seed {seed}", recipe.name, recipe.training.epochs),
        format!(
            "Images: {}; {folds} folds by patient, each predicted by a network trained on the others",
            data.display()
        ),
    ];
    if let Some(Distillation { teachers, epochs }) = distillation {
        about.push(format!("Each network learned the mean output of {teachers} others, in {epochs} epochs"));
    }
    about.extend(
        spread_lines(&summary.spread).iter().map(|line| format!("Mean and standard deviation over folds: {line}")),
    );
    let title = format!("Cross-validation of {}", recipe.name);
    let provenance = Provenance::of_cross_validation(&recipe.name, THRESHOLD, data);
    let evaluation = Evaluation {
        title: &title,
        about: &about,
        metrics,
        predictions: &out_of_fold.predictions,
        folds: &fold_rows(out_of_fold, summary),
        provenance: Some(&provenance),
    };
    let mut files = vec![(FOLDS.to_owned(), json(summary, &out.join(FOLDS))?)];
    files.extend(evaluation::files(out, &evaluation)?);
    write_files(out, &files)
}

/// Returns one row per fold for the table of the page.
fn fold_rows(out_of_fold: &OutOfFold, summary: &FoldsSummary) -> Vec<FoldRow> {
    let OutOfFold { predictions, fold_of, .. } = out_of_fold;
    let row = |(fold, &values): (usize, &MetricValues<Option<f64>>)| {
        let held_out: Vec<LabelledPrediction> =
            predictions.iter().zip(fold_of).filter(|&(_, &of)| of == fold).map(|(image, _)| image.clone()).collect();
        FoldRow {
            name: (fold + 1).to_string(),
            images: held_out.len() as u64,
            patients: Clusters::by_patient(&held_out).patients(),
            values,
        }
    };
    summary.folds.iter().enumerate().map(row).collect()
}

/// Formats the mean and standard deviation over folds of the main metrics, one line each.
#[must_use]
pub fn spread_lines(spread: &MetricValues<Option<Spread>>) -> Vec<String> {
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
