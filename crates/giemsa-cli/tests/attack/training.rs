//! A short training run of the program, whose weights can be compared.

use crate::cells::{QUICK_RECIPE, draw_cells};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A folder with cells and a recipe, and the weights of a run that nothing disturbed.
pub struct Training {
    folder: tempfile::TempDir,
    /// The duration of the undisturbed run.
    pub duration: Duration,
    /// The bytes of its model.
    pub model: Vec<u8>,
}

/// Epochs of a run: enough to be disturbed while it trains.
const EPOCHS: &str = "40";

impl Training {
    /// Draws the cells, and trains once.
    pub fn new() -> Training {
        let folder = tempfile::tempdir().unwrap();
        draw_cells(&folder.path().join("data"), 1, 6, 3);
        std::fs::write(folder.path().join("quick.toml"), QUICK_RECIPE).unwrap();
        let mut training = Training { folder, duration: Duration::ZERO, model: Vec::new() };
        let start = Instant::now();
        let output = training.start("undisturbed").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        training.duration = start.elapsed();
        training.model = std::fs::read(training.path("undisturbed").join("model.safetensors")).unwrap();
        training
    }

    /// Returns a path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the command of a new run.
    pub fn start(&self, run: &str) -> Command {
        self.command(&["train", "data", "--recipe", "quick.toml", "--epochs", EPOCHS, "--out", run])
    }

    /// Returns the command that resumes a run.
    pub fn resume(&self, run: &str) -> Command {
        self.command(&["train", "--resume", run])
    }

    /// Returns the command of a cross-validation, which also resumes it.
    pub fn cross_validate(&self, out: &str) -> Command {
        self.command(&[
            "cross-validate",
            "data",
            "--folds",
            "3",
            "--recipe",
            "quick.toml",
            "--epochs",
            EPOCHS,
            "--out",
            out,
        ])
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_giemsa"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }
}

/// Returns the last line of an error message.
pub fn message_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().lines().last().unwrap_or_default().to_owned()
}

/// Reads the model of a run; empty if there is none.
pub fn model_in(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("model.safetensors")).unwrap_or_default()
}
