//! `giemsa split`: divides a data folder into Train and Test folders.

use crate::data::{By, LabelArgs, fraction};
use crate::print::{print_note, print_results};
use crate::{Context, Outcome, number_of};
use anyhow::{Context as _, bail};
use giemsa::dataset::DatasetError;
use giemsa::dataset::split::{patient_count, split};
use giemsa::dataset::split_folders::write_split_folders;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  giemsa split data/cell_images cells-split --test 0.3
  giemsa split data/cell_images cells-split --test 0.3 --split-by image --seed 7";

/// Arguments of `giemsa split`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct SplitArgs {
    /// Folder with the class folders Parasitized and Uninfected
    dir: PathBuf,
    /// Output folder, new or empty
    out: PathBuf,
    /// Fraction of the images in Test, between 0 and 1
    #[arg(long, value_name = "F", value_parser = fraction)]
    test: f64,
    /// Unit that stays in one part
    #[arg(long, value_enum, default_value = "patient")]
    split_by: By,
    /// Seed of the random split
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    labels: LabelArgs,
}

/// Runs the command.
pub fn run(args: SplitArgs, context: &Context) -> anyhow::Result<Outcome> {
    let labels = args.labels.settings();
    let samples = labels.scan_classes(&args.dir)?;
    let (train, test) = split(samples, args.test, args.split_by.into(), args.seed)
        .with_context(|| format!("cannot split {}", args.dir.display()))?;
    let parts = [("Train", &train[..]), ("Test", &test[..])];
    match write_split_folders(&args.out, &parts, &labels.class_folders()) {
        // The output folder is not the data, whose errors have an exit code of their own.
        Err(error @ DatasetError::OutputNotEmpty { .. }) => bail!("{error}; choose another one"),
        written => written?,
    }
    print_results(|out| {
        parts.iter().try_for_each(|(name, part)| {
            let (images, patients) = (number_of(part.len(), "image"), number_of(patient_count(part), "patient"));
            writeln!(out, "{name}: {images} of {patients}")
        })
    })?;
    if args.split_by == By::Image && !context.quiet {
        print_note("warning: both parts contain cells of the same patients; metrics on Test will be too high");
    }
    Ok(Outcome::Done)
}
