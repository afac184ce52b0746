//! `giemsa split`: makes Train and Test folders.

use crate::data::{By, LabelArgs, fraction};
use crate::{Context, Outcome, number_of};
use anyhow::Context as _;
use giemsa::dataset::split::{patient_count, split};
use giemsa::dataset::{DatasetError, Sample};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  giemsa split cell_images cells-split --test 0.3
  giemsa split cell_images cells-split --test 0.3 --split-by image --seed 7";

/// What to split.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct SplitArgs {
    /// A folder with Parasitized/ and Uninfected/.
    dir: PathBuf,
    /// The folder to make; it must not exist, or be empty.
    out: PathBuf,
    /// The share of the images that goes to Test, between 0 and 1.
    #[arg(long, value_name = "F", value_parser = fraction)]
    test: f64,
    /// What stays together.
    #[arg(long, value_enum, default_value = "patient")]
    split_by: By,
    /// Makes another split for another number.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    labels: LabelArgs,
}

/// Runs it.
pub fn run(args: SplitArgs, context: &Context) -> anyhow::Result<Outcome> {
    let samples = args.labels.settings().scan_classes(&args.dir)?;
    let (train, test) = split(samples, args.test, args.split_by.into(), args.seed)
        .with_context(|| format!("{} cannot be split", args.dir.display()))?;
    refuse_full(&args.out)?;
    let parent = args.out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
    // All of it is made in a temporary folder beside the place it goes to, so that it appears whole or not at all.
    let temporary = tempfile::Builder::new()
        .prefix(".giemsa-split-")
        .tempdir_in(parent)
        .with_context(|| parent.display().to_string())?;
    // The temporary folder is private; the one inside has the permissions that any new folder gets.
    let whole = temporary.path().join("whole");
    for (name, part) in [("Train", &train), ("Test", &test)] {
        place(part, &whole.join(name))?;
    }
    if args.out.exists() {
        fs::remove_dir(&args.out).with_context(|| args.out.display().to_string())?;
    }
    fs::rename(&whole, &args.out).with_context(|| args.out.display().to_string())?;
    let mut out = io::stdout().lock();
    for (name, part) in [("Train", &train), ("Test", &test)] {
        writeln!(out, "{name}: {} of {}", number_of(part.len(), "image"), number_of(patient_count(part), "patient"))?;
    }
    if args.split_by == By::Image && !context.quiet {
        eprintln!("warning: cells of one patient are in both parts: figures measured on Test will be too good");
    }
    Ok(Outcome::Done)
}

fn refuse_full(out: &Path) -> anyhow::Result<()> {
    let full = match fs::read_dir(out) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => out.exists(),
    };
    anyhow::ensure!(
        !full,
        "{}: expected a folder that does not exist or is empty, found something in it",
        out.display()
    );
    Ok(())
}

/// Puts each image under its class, as a hard link where the file system can, else as a copy.
fn place(samples: &[Sample], part: &Path) -> Result<(), DatasetError> {
    for sample in samples {
        let folder = part.join(sample.class.name());
        let error = |source| DatasetError::Io { path: sample.path.display().to_string(), source };
        fs::create_dir_all(&folder).map_err(error)?;
        let to = free_name(&folder, &sample.path);
        // A link to a symbolic link would lead nowhere from its new place, so it is made to what that stands for.
        let from = sample.path.canonicalize().map_err(error)?;
        if fs::hard_link(&from, &to).is_err() {
            fs::copy(&from, &to).map_err(error)?;
        }
    }
    Ok(())
}

/// The file's name in the folder; with a number where another file of that name, from another folder, lies there.
fn free_name(folder: &Path, path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    let (stem, extension) = (path.file_stem().unwrap_or_default(), path.extension());
    let numbered = (2..).map(|n| {
        let mut name = stem.to_owned();
        name.push(format!("-{n}"));
        extension.iter().for_each(|extension| {
            name.push(".");
            name.push(extension);
        });
        folder.join(name)
    });
    std::iter::once(folder.join(name)).chain(numbered).find(|path| !path.exists()).unwrap_or_else(|| folder.join(name))
}
