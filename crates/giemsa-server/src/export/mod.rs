//! Cases as files for other programs.

mod cells_csv;
mod report;
mod training;

pub use cells_csv::cells_csv;
pub use report::report;
pub use training::{NothingReviewed, training_zip};

use crate::case::Case;
use crate::case::count::CountedCase;
use giemsa::smear::coco::Dataset;
use giemsa::smear::rows::PhotographRow;

/// Returns the objects on the photographs of a case in the COCO format, with verdicts applied.
#[must_use]
pub fn coco(case: &Case, counted: &CountedCase) -> Dataset {
    let row = |photograph| PhotographRow::new(photograph, &case.row.name, None);
    Dataset::of(&counted.slide.photographs.iter().map(row).collect::<Vec<_>>())
}
