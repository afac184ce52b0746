//! The progress of a run: a progress bar on a terminal, and one line per epoch.

use crate::print::print_line;
use crate::{Context, interrupted};
use giemsa::train::history::last_epoch_s;
use giemsa::train::{EpochRow, Observer, RunFolder, StepReport};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::time::Instant;

/// Shows the progress of a run, draws its curves after each epoch, and stops it on Ctrl-C.
pub struct Progress<'a> {
    folder: &'a RunFolder,
    epochs: u64,
    context: &'a Context,
    bar: ProgressBar,
    began: Instant,
    /// First step of the current epoch in this process, and its time.
    epoch_began: Option<(u64, Instant)>,
    /// The error that ended the run: the curves could not be drawn.
    pub failure: Option<anyhow::Error>,
}

impl<'a> Progress<'a> {
    /// Creates the observer. The bar is drawn only on a terminal.
    pub fn new(folder: &'a RunFolder, epochs: u64, context: &'a Context) -> anyhow::Result<Progress<'a>> {
        let shown = !context.quiet && std::io::stderr().is_terminal();
        let bar = if shown { ProgressBar::new(1) } else { ProgressBar::hidden() };
        bar.set_style(ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {msg}, {eta} left")?);
        Ok(Progress { folder, epochs, context, bar, began: Instant::now(), epoch_began: None, failure: None })
    }

    fn draw_curves(&mut self, history: &[EpochRow]) {
        if let Err(error) = giemsa::report::curves::write_png(history, &self.folder.curves()) {
            self.failure = Some(error.into());
        }
    }
}

impl Observer for Progress<'_> {
    fn step(&mut self, report: &StepReport) -> ControlFlow<()> {
        let (first, since) = *self.epoch_began.get_or_insert_with(|| {
            self.bar.reset();
            self.bar.set_length(report.steps);
            self.bar.set_prefix(format!("Epoch {}/{}", report.epoch, report.epochs));
            (report.step, Instant::now())
        });
        if report.step > first {
            let step_ms = since.elapsed().as_secs_f64() * 1000.0 / (report.step - first) as f64;
            self.bar.set_message(format!("loss {:.4}, acc {:.4}, {step_ms:.1} ms/step", report.loss, report.accuracy));
        }
        self.bar.set_position(report.step);
        if interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn epoch(&mut self, history: &[EpochRow]) -> ControlFlow<()> {
        self.epoch_began = None;
        if let (Some(row), Some(duration_s)) = (history.last(), last_epoch_s(history)) {
            self.bar.suspend(|| print_line(self.context, &epoch_line(row, duration_s, self.epochs)));
        }
        self.draw_curves(history);
        if self.failure.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn elapsed_s(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn epoch_line(row: &EpochRow, duration_s: f64, epochs: u64) -> String {
    format!(
        "Epoch {}/{epochs}  {duration_s:.1} s  loss: {:.4}  acc: {:.4}  val_loss: {:.4}  val_acc: {:.4}",
        row.epoch, row.loss, row.acc, row.val_loss, row.val_acc
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_an_epoch_contains_its_own_duration() {
        let row = EpochRow {
            epoch: 2,
            loss: 0.5,
            acc: 0.75,
            val_loss: 0.25,
            val_acc: 1.0,
            learning_rate: 0.1,
            elapsed_s: 9.0,
        };
        let line = epoch_line(&row, 4.0, 3);
        assert_eq!(line, "Epoch 2/3  4.0 s  loss: 0.5000  acc: 0.7500  val_loss: 0.2500  val_acc: 1.0000");
    }
}
