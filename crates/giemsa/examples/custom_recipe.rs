//! Trains a custom network, described by a recipe.
//!
//! ```text
//! cargo run --release -p giemsa --features synthetic --example custom_recipe
//! ```
//!
//! A recipe is a TOML text: preprocessing, layers, training settings and augmentation. `Recipe::load("my.toml")` reads
//! one from a file; `giemsa summary --recipe my.toml` prints its layers.

use giemsa::dataset::Cache;
use giemsa::dataset::patients::PatientSource;
use giemsa::dataset::scan::{ClassFolders, scan_classes};
use giemsa::dataset::split::{SplitBy, split};
use giemsa::model::Recipe;
use giemsa::train::{EpochRow, Observer, Settings, State, StepReport, train};
use std::ops::ControlFlow;

/// Two convolutions and two dense layers on images of 32 x 32 pixels.
const RECIPE: &str = r#"
name = "tiny"
input = { side_px = 32, resize = "fit" }
layers = [
    { kind = "conv2d", filters = 16, kernel = 3, activation = "relu" },
    { kind = "max_pooling2d" },
    { kind = "conv2d", filters = 32, kernel = 3, activation = "relu" },
    { kind = "max_pooling2d" },
    { kind = "flatten" },
    { kind = "dense", units = 64, activation = "relu" },
    { kind = "dense", units = 1, activation = "sigmoid" },
]
training = { epochs = 15, batch_size = 10, learning_rate = 0.001, schedule = "warmup_cosine" }
augmentation = { horizontal_flip = true, vertical_flip = true, brightness = 0.1 }
"#;

struct PrintEpochs;

impl Observer for PrintEpochs {
    fn step(&mut self, _: &StepReport) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn epoch(&mut self, history: &[EpochRow]) -> ControlFlow<()> {
        if let Some(row) = history.last() {
            println!("epoch {}: loss {:.4}, validation accuracy {:.3}", row.epoch, row.loss, row.val_acc);
        }
        ControlFlow::Continue(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // An error contains this name, the line and the column.
    let recipe = Recipe::parse(RECIPE, "custom_recipe.rs")?;

    let temporary = tempfile::tempdir()?;
    let folder = temporary.path().join("cells");
    giemsa::synthetic::write_folder(&folder, 600, 12, 0, &|| ControlFlow::Continue(()))?;
    let samples = scan_classes(&folder, &ClassFolders::default(), &PatientSource::FileName)?;
    let (training, validation) = split(samples, 0.3, SplitBy::Patient, 0)?;
    let training = Cache::load(training, &recipe.input, None, &|| {})?;
    let validation = Cache::load(validation, &recipe.input, None, &|| {})?;

    let settings = Settings { recipe, seed: 0, steps_per_epoch: None };
    let mut state = State::new(&settings)?;
    train(&mut state, &settings, &training, &validation, None, &mut PrintEpochs)?;

    let model = state.best.ok_or("no epoch had a finite validation loss")?;
    let path = temporary.path().join("tiny.safetensors");
    model.save(&path)?;
    println!("saved the model, with its recipe inside: {} bytes", path.metadata()?.len());
    Ok(())
}
