//! What a run has learned after each epoch: the rows of `history.csv`.

use crate::files::write_whole;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// One epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRow {
    /// From 1.
    pub epoch: u64,
    /// Mean loss of the training images, each before its step, with dropout and augmentation.
    pub loss: f64,
    /// Share of the training images that were named rightly, likewise.
    pub acc: f64,
    /// Mean loss of the validation images after the epoch.
    pub val_loss: f64,
    /// Share of the validation images that were named rightly.
    pub val_acc: f64,
    /// Step size of the epoch's last step.
    pub learning_rate: f32,
    /// Time since the run began, stops left out.
    pub elapsed_s: f64,
}

/// Writes `history.csv`: a line of names, then one an epoch.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, history: &[EpochRow]) -> io::Result<()> {
    write_whole(path, |file| {
        let mut csv = csv::Writer::from_writer(file);
        for row in history {
            csv.serialize(row).map_err(io::Error::other)?;
        }
        csv.flush()
    })
}

/// Reads `history.csv`.
///
/// # Errors
/// When the file cannot be read, or has other columns.
pub fn read(path: &Path) -> io::Result<Vec<EpochRow>> {
    csv::Reader::from_path(path)
        .and_then(|mut csv| csv.deserialize().collect::<csv::Result<Vec<EpochRow>>>())
        .map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_survives_being_written_and_read() {
        let row = |epoch: u64| EpochRow {
            epoch,
            loss: 0.1 + 0.2 * epoch as f64,
            acc: 1.0 / 3.0,
            val_loss: 1e-17,
            val_acc: 1.0,
            learning_rate: 0.001,
            elapsed_s: 12.5,
        };
        let path = tempfile::tempdir().unwrap().keep().join("history.csv");
        write(&path, &[row(1), row(2)]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().next(), Some("epoch,loss,acc,val_loss,val_acc,learning_rate,elapsed_s"));
        assert_eq!(read(&path).unwrap(), [row(1), row(2)]);
    }
}
