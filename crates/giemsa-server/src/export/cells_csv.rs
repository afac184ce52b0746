//! A table of all objects of a case.

use crate::case::count::CountedCase;
use crate::case::objects::{Object, of_cells};
use crate::case::{Case, Given, frame_px};
use giemsa::smear::rows::{CELL_COLUMNS, CellRow};
use std::io;
use std::path::Path;

/// The columns after those of the library.
const REVIEW_COLUMNS: [&str; 3] = ["verdict", "reviewer", "given_at"];

/// Returns a table in CSV: one row per object, the photographs first. Single cells have no number of a photograph.
///
/// # Errors
/// Never: it is written to memory.
pub fn cells_csv(case: &Case, counted: &CountedCase) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(CELL_COLUMNS.iter().chain(&REVIEW_COLUMNS))?;
    let stored = case.images.photographs.iter().zip(&counted.slide.photographs);
    for (photo_number, (stored, photograph)) in (1..).zip(stored) {
        for (cell_number, found) in (1..).zip(&photograph.cells) {
            let numbers = [photo_number, cell_number];
            let row = CellRow::new(found).record(&case.row.name, Path::new(&stored.name), numbers);
            let given = case.verdicts.given(stored.image, frame_px(&found.object));
            writer.write_record(row.into_iter().chain(review_fields(given)))?;
        }
    }
    for (cell, object) in case.images.cells.iter().zip(of_cells(&case.images, counted)) {
        let given = case.verdicts.given(cell.image, cell.frame_px());
        let row = cell_fields(&case.row.name, &cell.name, &object);
        writer.write_record(row.into_iter().map(String::into_bytes).chain(review_fields(given)))?;
    }
    writer.into_inner().map_err(csv::IntoInnerError::into_error)
}

fn review_fields(given: Option<&Given>) -> [Vec<u8>; 3] {
    given.map_or_else(Default::default, |given| {
        [given.verdict.name(), &given.reviewer, &given.given_at].map(|text| text.as_bytes().to_vec())
    })
}

/// Returns the fields of a single cell, in the order of the library's columns.
fn cell_fields(case: &str, name: &str, object: &Object) -> [String; CELL_COLUMNS.len()] {
    let text = |number: u32| number.to_string();
    [
        case.to_owned(),
        name.to_owned(),
        String::new(),
        text(object.number),
        text(object.x),
        text(object.y),
        text(object.width),
        text(object.height),
        object.kind.name().to_owned(),
        object.counted.to_string(),
        object.class.map_or(String::new(), |class| class.name().to_owned()),
        object.probability_parasitized.map_or(String::new(), |probability| probability.to_string()),
    ]
}
