//! `giemsa evaluate --sites`: figures of a model per site.

use crate::Context;
use crate::data::{LabelArgs, load};
use giemsa::classes::Class;
use giemsa::dataset::scan::images_in;
use giemsa::dataset::sites::{NOT_A_CELL, site_folders};
use giemsa::dataset::{DatasetError, Sample};
use giemsa::evaluate::sites::{SitePrediction, SiteRow, site_prediction, site_rows};
use giemsa::model::{Model, Tta};
use std::fmt::Write as _;
use std::path::Path;

/// Predicts the images of `DIR/SITE/{Parasitized,Uninfected,NotACell}` and computes the figures of each site. A site may
/// lack some of the folders.
pub fn evaluate_sites(
    model: &Model,
    tta: Tta,
    folder: &Path,
    labels: &LabelArgs,
    context: &Context,
) -> anyhow::Result<Vec<SiteRow>> {
    let classes = [
        (labels.positive.as_str(), Some(Class::Parasitized)),
        (labels.negative.as_str(), Some(Class::Uninfected)),
        (NOT_A_CELL, None),
    ];
    let mut predictions: Vec<SitePrediction> = Vec::new();
    for site in site_folders(folder)? {
        let name = site.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for (class_folder, class) in classes {
            let sample = |path| Sample { path, class: class.unwrap_or(Class::Uninfected), patient: Some(name.clone()) };
            let inside = site.join(class_folder);
            if !inside.exists() {
                continue;
            }
            let paths = images_in(&inside).into_iter().collect::<Result<Vec<_>, _>>()?;
            let set = load(paths.into_iter().map(sample).collect(), &model.recipe.input, context)?;
            let logits = model.predictor(tta).logits(&set)?;
            let of_image = |(sample, logits)| site_prediction(sample, class, logits, model.temperature);
            predictions.extend(set.samples().iter().zip(&logits).map(of_image));
        }
    }
    if predictions.is_empty() {
        return Err(DatasetError::NoImages { path: folder.to_owned() }.into());
    }
    Ok(site_rows(&predictions, model.threshold.into(), model.red_cell_threshold.into()))
}

/// Formats the figures as a table.
pub fn text(rows: &[SiteRow]) -> String {
    let width = rows.iter().map(|row| row.site.chars().count()).max().unwrap_or(0).max(4);
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
    let mut text = format!(
        "{:width$}  Parasitized  Uninfected  sensitivity  specificity  ROC AUC  red cells refused  not a cell  refused\n",
        "site"
    );
    for row in rows {
        let _ = writeln!(
            text,
            "{:width$}  {:>11}  {:>10}  {:>11}  {:>11}  {:>7}  {:>17}  {:>10}  {:>7}",
            row.site,
            row.parasitized,
            row.uninfected,
            number(row.sensitivity),
            number(row.specificity),
            number(row.roc_auc),
            number(row.red_cells_refused),
            row.not_cells,
            number(row.not_cells_refused)
        );
    }
    text
}
