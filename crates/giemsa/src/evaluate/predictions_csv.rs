//! CSV files of labelled predictions, one row per image.

use super::LabelledPrediction;
use crate::classes::Class;
use crate::input::InputError;
use crate::output::write_atomically;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// One row of the file.
#[derive(Serialize, Deserialize)]
struct Row {
    #[serde(with = "crate::output::csv_path")]
    path: PathBuf,
    label: Class,
    patient: Option<String>,
    probability_parasitized: f64,
    predicted: Class,
    #[serde(default)]
    cell: Option<f64>,
}

/// Formats one row per image, in the given order, with the columns `path`, `label` (the true class), `patient` (empty if
/// unknown), `probability_parasitized` `predicted` (the class at the decision threshold) and `cell` (the
/// probability of a single red cell, empty if the network has no output for it).
///
/// # Errors
/// None in practice: every row can be formatted.
pub fn predictions_csv(predictions: &[LabelledPrediction], threshold: f64) -> io::Result<Vec<u8>> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    for image in predictions {
        let row = Row {
            path: image.path.clone(),
            label: image.class,
            patient: image.patient.clone(),
            probability_parasitized: image.probability_parasitized,
            predicted: image.predicted_class(threshold),
            cell: image.probability_red_cell,
        };
        csv.serialize(row).map_err(io::Error::other)?;
    }
    csv.into_inner().map_err(csv::IntoInnerError::into_error)
}

/// Writes the file of [`predictions_csv`].
///
/// # Errors
/// If the file cannot be written. The error message does not contain the path.
pub fn write_predictions(path: &Path, predictions: &[LabelledPrediction], threshold: f64) -> io::Result<()> {
    let bytes = predictions_csv(predictions, threshold)?;
    write_atomically(path, |file| file.write_all(&bytes))
}

/// Reads a file written by [`write_predictions`]. The column `predicted` is ignored.
///
/// # Errors
/// If the file cannot be read, or a column is missing.
pub fn read_predictions(path: &Path) -> Result<Vec<LabelledPrediction>, InputError> {
    let rows: Vec<Row> = crate::output::read_csv(path)?;
    let prediction = |row: Row| LabelledPrediction {
        path: row.path,
        class: row.label,
        patient: row.patient,
        probability_parasitized: row.probability_parasitized,
        probability_red_cell: row.cell,
    };
    Ok(rows.into_iter().map(prediction).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_true_class_as_label_and_reads_the_rows_back() {
        let image = |path: &str, class, patient: Option<&str>, probability_parasitized| LabelledPrediction {
            probability_red_cell: None,
            path: path.into(),
            class,
            patient: patient.map(str::to_owned),
            probability_parasitized,
        };
        let mut predictions =
            [image("a,b.png", Class::Uninfected, Some("C1"), 0.75), image("c.png", Class::Parasitized, None, 0.1)];
        predictions[1].probability_red_cell = Some(0.25);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.csv");
        write_predictions(&path, &predictions, 0.75).unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "path,label,patient,probability_parasitized,predicted,cell\n\
             \"a,b.png\",Uninfected,C1,0.75,Parasitized,\n\
             c.png,Parasitized,,0.1,Uninfected,0.25\n"
        );
        assert_eq!(read_predictions(&path).unwrap(), predictions);
    }
}
