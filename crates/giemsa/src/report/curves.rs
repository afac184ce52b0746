//! Learning curves: loss and accuracy by epoch.

use super::axis::{Axis, covering};
use super::chart::{Chart, Mark, Series};
use super::plot::to_image;
use super::{ReportError, write_png as write_image};
use crate::train::EpochRow;
use std::path::Path;

/// Creates two charts: loss and accuracy of the training set and the validation set by epoch.
///
/// Render them with [`super::plot::to_image`] or [`super::plot::to_svg`].
#[must_use]
pub fn curves(history: &[EpochRow]) -> [Chart; 2] {
    let mut loss = chart(history, "Loss", "mean binary cross-entropy", |row| (row.loss, row.val_loss));
    let mut accuracy = chart(history, "Accuracy", "accuracy", |row| (row.acc, row.val_acc));
    // The margins of the axes must not suggest values that are impossible.
    loss.y.range.start = loss.y.range.start.max(0.0);
    accuracy.y.range.end = accuracy.y.range.end.min(1.0);
    [loss, accuracy]
}

fn chart(history: &[EpochRow], title: &str, label: &str, of: impl Fn(&EpochRow) -> (f64, f64)) -> Chart {
    let series = |name: &str, value: &dyn Fn(&EpochRow) -> f64, mark| {
        Series::new(name, history.iter().map(|row| (row.epoch as f64, value(row))).collect(), mark)
    };
    let both = history.iter().map(&of).flat_map(|(training, validation)| [training, validation]);
    let y = Axis::new(label, covering(both)).with_decimals(2);
    let last = history.iter().map(|row| row.epoch as f64).fold(1.0, f64::max);
    let x = Axis::new("epoch", 0.8..last + 0.2).with_decimals(0);
    let training = series("training", &|row| of(row).0, Mark::LineAndDots);
    let validation = series("validation", &|row| of(row).1, Mark::DashedAndDots);
    Chart::new(title, x, y, vec![training, validation])
}

/// Draws the learning curves of a run into a PNG file.
///
/// # Errors
/// If they cannot be drawn, or the file cannot be written.
pub fn write_png(history: &[EpochRow], path: &Path) -> Result<(), ReportError> {
    write_image(&to_image(&curves(history), 2)?, path)
}
