//! Loss and accuracy over the epochs of a run.

use super::chart::{Axis, Chart, Mark, Series, covering};
use super::plot::{Beside, to_image};
use super::{ReportError, write_png as write_image};
use crate::train::EpochRow;
use plotters::prelude::SeriesLabelPosition;
use std::path::Path;

/// Two charts side by side: loss, and accuracy, of training and validation.
///
/// Have it drawn by [`super::plot::to_image`] or [`super::plot::to_svg`].
pub fn curves(history: &[EpochRow]) -> Beside<Chart> {
    let loss = chart(history, "Loss", "mean binary cross-entropy", |row| (row.loss, row.val_loss));
    let mut accuracy = chart(history, "Accuracy", "share named rightly", |row| (row.acc, row.val_acc));
    // Loss is bounded below and accuracy above; no axis promises more.
    let mut loss = loss;
    loss.y.range.start = loss.y.range.start.max(0.0);
    accuracy.y.range.end = accuracy.y.range.end.min(1.0);
    accuracy.legend = SeriesLabelPosition::LowerRight;
    Beside(vec![loss, accuracy])
}

fn chart(history: &[EpochRow], title: &str, label: &str, of: impl Fn(&EpochRow) -> (f64, f64)) -> Chart {
    let values: Vec<(f64, (f64, f64))> = history.iter().map(|row| (row.epoch as f64, of(row))).collect();
    let series = |name: &str, points: Vec<(f64, f64)>, mark| Series { name: name.to_owned(), points, mark };
    let training = values.iter().map(|&(epoch, (training, _))| (epoch, training)).collect();
    let validation = values.iter().map(|&(epoch, (_, validation))| (epoch, validation)).collect();
    let both = values.iter().flat_map(|&(_, (training, validation))| [training, validation]);
    let y = Axis { label: label.to_owned(), range: covering(both), decimals: 2 };
    let last = values.iter().map(|&(epoch, _)| epoch).fold(2.0, f64::max);
    let x = Axis { label: "epoch".to_owned(), range: 0.8..last + 0.2, decimals: 0 };
    let series =
        vec![series("training", training, Mark::LineAndDots), series("validation", validation, Mark::DashedAndDots)];
    Chart::new(title, x, y, series)
}

/// Draws the curves of a run into a PNG file.
///
/// # Errors
/// When they cannot be drawn, or the file cannot be written.
pub fn write_png(history: &[EpochRow], path: &Path) -> Result<(), ReportError> {
    write_image(&to_image(&curves(history))?, path)
}
