//! The history of a run: one row per epoch, as in `history.csv`.

use crate::input::InputError;
use crate::output::write_atomically;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// Metrics of one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRow {
    /// Epoch, counted from 1.
    pub epoch: u64,
    /// Mean loss of the training images, each before its step, with dropout and augmentation.
    pub loss: f64,
    /// Accuracy on the training images, measured in the same way.
    pub acc: f64,
    /// Mean loss of the validation images after the epoch.
    pub val_loss: f64,
    /// Accuracy on the validation images.
    pub val_acc: f64,
    /// Learning rate of the last step of the epoch.
    pub learning_rate: f32,
    /// Time since the beginning of the run, without interruptions.
    pub elapsed_s: f64,
}

/// Returns the duration of the last epoch, in seconds; `None` without epochs.
///
/// ```
/// use giemsa::train::history::{EpochRow, last_epoch_s};
/// let row = |epoch, elapsed_s| EpochRow {
///     epoch, elapsed_s, loss: 0.5, acc: 0.8, val_loss: 0.5, val_acc: 0.8, learning_rate: 0.001,
/// };
/// assert_eq!(last_epoch_s(&[row(1, 10.0), row(2, 14.5)]), Some(4.5));
/// assert_eq!(last_epoch_s(&[row(1, 10.0)]), Some(10.0));
/// assert_eq!(last_epoch_s(&[]), None);
/// ```
#[must_use]
pub fn last_epoch_s(history: &[EpochRow]) -> Option<f64> {
    let (last, before) = history.split_last()?;
    Some(last.elapsed_s - before.last().map_or(0.0, |row| row.elapsed_s))
}

/// Writes `history.csv`: a header, then one row per epoch.
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path, history: &[EpochRow]) -> io::Result<()> {
    write_atomically(path, |file| {
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
/// If the file cannot be read, or a column is missing.
pub fn read(path: &Path) -> Result<Vec<EpochRow>, InputError> {
    crate::output::read_csv(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let row = |epoch: u64| EpochRow {
            epoch,
            loss: 0.1 + 0.2 * epoch as f64,
            acc: 1.0 / 3.0,
            val_loss: 1e-17,
            val_acc: 1.0,
            learning_rate: 0.001,
            elapsed_s: 12.5,
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.csv");
        write(&path, &[row(1), row(2)]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().next(), Some("epoch,loss,acc,val_loss,val_acc,learning_rate,elapsed_s"));
        assert_eq!(read(&path).unwrap(), [row(1), row(2)]);
    }
}
