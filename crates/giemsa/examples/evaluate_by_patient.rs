//! Evaluates the built-in model on labelled images, with confidence intervals by patient.
//!
//! ```text
//! cargo run --release -p giemsa --features synthetic --example evaluate_by_patient              # synthetic cells
//! cargo run --release -p giemsa --features synthetic --example evaluate_by_patient cell_images  # your own images
//! ```
//!
//! Cells of one patient are alike, so the bootstrap resamples patients, not images.

use giemsa::dataset::Cache;
use giemsa::dataset::patients::PatientSource;
use giemsa::dataset::scan::{ClassFolders, scan_classes};
use giemsa::evaluate::bootstrap::{Interval, Settings};
use giemsa::evaluate::metrics::Metrics;
use giemsa::evaluate::predict_labelled;
use giemsa::model::{Model, Tta};
use std::ops::ControlFlow;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let temporary = tempfile::tempdir()?;
    let folder = match std::env::args_os().nth(1) {
        Some(folder) => PathBuf::from(folder),
        None => {
            let folder = temporary.path().join("cells");
            giemsa::synthetic::write_folder(&folder, 200, 12, 0, &|| ControlFlow::Continue(()))?;
            folder
        }
    };

    let model = Model::embedded()?;
    let samples = scan_classes(&folder, &ClassFolders::default(), &PatientSource::FileName)?;
    let images = Cache::load(samples, &model.recipe.input, None, &|| {})?;
    for error in images.unreadable() {
        eprintln!("unreadable: {error}");
    }

    // `Tta::Dihedral8` averages over the eight symmetries of each image and takes eight times as long.
    let predictions = predict_labelled(model.predictor(Tta::None), &images)?;
    let settings = Settings { draws: 1000, seed: 0 };
    let metrics = Metrics::compute(&predictions, f64::from(model.threshold), settings)?;

    println!("{} images, classified as Parasitized at p >= {:.3}", metrics.images, metrics.threshold);
    let (values, intervals) = (metrics.values, metrics.intervals.values);
    print_row("accuracy", values.accuracy, intervals.accuracy);
    print_row("sensitivity", values.sensitivity, intervals.sensitivity);
    print_row("specificity", values.specificity, intervals.specificity);
    print_row("ROC AUC", values.roc_auc, intervals.roc_auc);
    let counts = metrics.counts;
    println!("false negatives: {}, false positives: {}", counts.false_negatives, counts.false_positives);
    Ok(())
}

/// Prints a metric with its 95 % interval. Both are `None` if undefined, such as the sensitivity without positives.
fn print_row(name: &str, value: Option<f64>, interval: Option<Interval>) {
    match (value, interval) {
        (Some(value), Some(interval)) => println!("{name}: {value:.3} ({:.3} to {:.3})", interval.low, interval.high),
        (Some(value), None) => println!("{name}: {value:.3}"),
        (None, _) => println!("{name}: undefined"),
    }
}
