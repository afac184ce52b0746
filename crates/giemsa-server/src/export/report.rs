//! The page of a case.

use crate::case::Case;
use crate::case::count::CountedCase;
use crate::models::ServedModel;
use crate::store::Store;
use giemsa::evaluate::provenance::Provenance;
use giemsa::image::decode_bytes;
use giemsa::report::ReportError;
use giemsa::report::smear::{Count, count_page};
use giemsa::smear::CountSettings;
use giemsa::smear::count_report::SettingsRow;
use image::RgbImage;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Returns a self-contained page: the count of the photographs with verdicts applied, infected and doubtful cells, and the
/// photographs with boxes. The photographs are read one at a time.
///
/// # Errors
/// If a picture cannot be drawn.
pub fn report(store: &Store, case: &Case, counted: &CountedCase, model: &ServedModel) -> Result<String, ReportError> {
    let red_cells_per_microlitre = case.row.red_cells_per_microlitre;
    let settings = CountSettings { red_cells_per_microlitre, ..CountSettings::default() };
    let photographs = &case.images.photographs;
    let count = Count {
        title: &case.row.name,
        about: &about(case, counted, model),
        slides: std::slice::from_ref(&counted.slide),
        settings: &SettingsRow::new(settings, "none", Default::default()),
        agreement: None,
        error_rates: model.model.error_rates,
        provenance: &provenance(case, counted, model),
    };
    count_page(&count, |_, photograph| pixels(store, photographs[photograph].image))
}

fn pixels(store: &Store, image: i64) -> Result<RgbImage, String> {
    let (_, file) = store.run_here(|database| database.file(image)).map_err(|error| error.to_string())?;
    let decoded = decode_bytes(&file.bytes, Path::new("image")).map_err(|error| error.reason())?;
    Ok(decoded.pixels)
}

/// Returns lines about the review.
fn about(case: &Case, counted: &CountedCase, model: &ServedModel) -> Vec<String> {
    let count = counted.count();
    let mut lines = vec![format!("Created {} · model {}", case.row.created_at, model.name)];
    let reviewers: BTreeSet<&str> = case.verdicts.reviewers().collect();
    lines.push(match count.reviewed {
        0 => "No object has the verdict of a reviewer.".to_owned(),
        reviewed => {
            let reviewers = Vec::from_iter(reviewers).join(", ");
            format!("Objects with the verdict of a reviewer: {reviewed}, by {reviewers}. Their classes are those of the verdicts.")
        }
    });
    let cells = count.cells;
    if !counted.cells.is_empty() {
        let [parasitized, uninfected, not_a_cell] = [cells.parasitized, cells.uninfected, cells.not_a_cell];
        lines.push(format!(
            "Single cells, which are not on this page: {parasitized} parasitized, {uninfected} uninfected, {not_a_cell} not a cell."
        ));
    }
    if counted.threshold != model.model.threshold {
        let (own, shipped) = (counted.threshold, model.model.threshold);
        lines.push(format!("The threshold of this case is {own}; that of the model is {shipped}."));
    }
    lines
}

fn provenance(case: &Case, counted: &CountedCase, served: &ServedModel) -> Provenance {
    let model = &served.model;
    // The model is not read from a file again, which may have changed.
    let mut provenance =
        Provenance::of_cross_validation(&model.recipe.name, counted.threshold.into(), Path::new(&case.row.name));
    let path: Option<&PathBuf> = served.source.path.as_ref();
    provenance.model = Some(path.map_or("builtin".to_owned(), |path| path.display().to_string()));
    provenance.model_sha256 = Some(served.sha256.clone());
    provenance.temperature = Some(model.temperature);
    provenance
}
