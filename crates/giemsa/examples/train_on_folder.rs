//! Trains a network on a folder of images and reports progress through a callback.
//!
//! ```text
//! cargo run --release -p giemsa --features synthetic --example train_on_folder              # synthetic cells
//! cargo run --release -p giemsa --features synthetic --example train_on_folder cell_images  # your own images
//! ```
//!
//! The folder contains `Parasitized/` and `Uninfected/`. The patient of an image is read from its file name
//! (`C33P1thinF_….png` is of patient C33), so that no patient is in both the training set and the validation set.

use giemsa::dataset::Cache;
use giemsa::dataset::patients::PatientSource;
use giemsa::dataset::scan::{ClassFolders, scan_classes};
use giemsa::dataset::split::{SplitBy, patient_count, split};
use giemsa::model::Recipe;
use giemsa::train::{EpochRow, Observer, Settings, State, StepReport, train};
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Prints one line per epoch. To stop a run early, return `ControlFlow::Break(())`.
struct PrintEpochs;

impl Observer for PrintEpochs {
    fn step(&mut self, _: &StepReport) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn epoch(&mut self, history: &[EpochRow]) -> ControlFlow<()> {
        if let Some(row) = history.last() {
            println!(
                "epoch {}: loss {:.4}, accuracy {:.3}; validation loss {:.4}, accuracy {:.3}",
                row.epoch, row.loss, row.acc, row.val_loss, row.val_acc
            );
        }
        ControlFlow::Continue(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let temporary = tempfile::tempdir()?;
    let folder = match std::env::args_os().nth(1) {
        Some(folder) => PathBuf::from(folder),
        None => {
            let folder = temporary.path().join("cells");
            giemsa::synthetic::write_folder(&folder, 600, 12, 0, &|| ControlFlow::Continue(()))?;
            folder
        }
    };

    let samples = scan_classes(&folder, &ClassFolders::default(), &PatientSource::FileName)?;
    let (training, validation) = split(samples, 0.3, SplitBy::Patient, 0)?;
    println!("training:   {} images of {} patients", training.len(), patient_count(&training));
    println!("validation: {} images of {} patients", validation.len(), patient_count(&validation));

    let mut recipe = Recipe::load("keras-tutorial")?;
    recipe.training.epochs = 8;
    recipe.training.batch_size = 16;
    let training = Cache::load(training, &recipe.input, None, &|| {})?;
    let validation = Cache::load(validation, &recipe.input, None, &|| {})?;

    // `None` keeps everything in memory; a `RunFolder` also writes checkpoints, the history and the best model.
    let settings = Settings { recipe, seed: 0, steps_per_epoch: None };
    let mut state = State::new(&settings)?;
    train(&mut state, &settings, &training, &validation, None, &mut PrintEpochs)?;

    let model = state.best.ok_or("no epoch had a finite validation loss")?;
    let path = temporary.path().join("model.safetensors");
    model.save(&path)?;
    println!("saved the model with the lowest validation loss: {} bytes", path.metadata()?.len());
    Ok(())
}
