//! `giemsa train`: trains a network on folders of images.

pub mod progress;

use crate::data::{
    By, LabelArgs, SiteArgs, absolute, bar, fraction, list_images, list_pairs, patients, print_found, print_other_sites,
};
use crate::exit::Fault;
use crate::print::{escaped, print_line, print_note, print_unreadable};
use crate::{Context, Outcome, number_of};
use anyhow::Context as _;
use giemsa::RESEARCH_ONLY;
use giemsa::model::{Recipe, RecipeError};
use giemsa::train::folder::next_run_folder;
use giemsa::train::sets::{SetSettings, Sets, Warning};
use giemsa::train::{Ending, Run, RunFolder, RunSettings, State, StoppedRun, TrainError};
use progress::Progress;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  giemsa train data/cell_images
  giemsa train data/cell_images --recipe keras-tutorial --split-by image --out runs/tutorial
  giemsa train mine --recipe my.toml       # mine/Train/{class}, mine/Test/{class}
  giemsa train mine --positive infected --negative healthy
  giemsa train data/cell_images --negatives sites --not-cells sites    # cut by giemsa cut
  giemsa train --resume runs/compact-1     # after Ctrl-C

The run folder contains model.safetensors (the best model by validation loss), last.safetensors (the checkpoint for \
--resume), history.csv, curves.png, settings.toml and split.csv.";

/// Arguments of `giemsa train`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct TrainArgs {
    /// Folder of class folders, or of Train and Test with class folders in them
    #[arg(value_name = "DIR", required_unless_present = "resume", conflicts_with = "resume")]
    data: Option<PathBuf>,
    /// Resume an interrupted run in this folder; the weights are the same as without the interruption
    #[arg(long, value_name = "RUN", conflicts_with_all = ["DataArgs", "SiteArgs", "LabelArgs", "RecipeArgs"])]
    resume: Option<PathBuf>,
    /// Run folder; must be new or empty [default: runs/RECIPE-N]
    #[arg(long, value_name = "RUN", conflicts_with = "resume")]
    out: Option<PathBuf>,
    /// Number of epochs [default: as in the recipe]. With --resume, extends the run if its learning rate is constant; a
    /// schedule such as warmup_cosine spans all epochs, so such a run cannot be extended
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    epochs: Option<u64>,
    #[command(flatten)]
    data_args: DataArgs,
    #[command(flatten)]
    sites: SiteArgs,
    #[command(flatten)]
    labels: LabelArgs,
    #[command(flatten)]
    recipe_args: RecipeArgs,
}

/// The images and their division into a training set and a validation set.
#[derive(clap::Args)]
pub struct DataArgs {
    /// Folder of class folders with the validation set
    #[arg(long, value_name = "DIR", conflicts_with = "validation_split")]
    validation: Option<PathBuf>,
    /// Fraction of the images to split off as the validation set, if there is no other
    #[arg(long, value_name = "FRACTION", default_value_t = 0.3, value_parser = fraction)]
    validation_split: f64,
    /// Unit of the split; with image, patients are in both sets and the metrics are too good
    #[arg(long, value_enum, default_value_t = By::Patient)]
    split_by: By,
    /// Skip unreadable images up to this percentage
    #[arg(long, value_name = "PERCENT", default_value_t = 1.0, value_parser = percent)]
    max_unreadable: f64,
    /// Warn, instead of failing, if images of a given validation set are also training images
    #[arg(long)]
    allow_shared: bool,
}

/// The recipe and changes to it.
#[derive(clap::Args)]
pub struct RecipeArgs {
    /// Built-in recipe, or the path of a .toml file
    #[arg(long, value_name = "NAME", default_value = "compact")]
    recipe: String,
    /// Images per step [default: as in the recipe]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: Option<u32>,
    /// Side of the network's input, in pixels [default: as in the recipe]
    #[arg(long, value_name = "PX", value_parser = clap::value_parser!(u32).range(1..))]
    image_size: Option<u32>,
    /// Learning rate of Adam [default: as in the recipe]
    #[arg(long, value_name = "X", value_parser = learning_rate)]
    learning_rate: Option<f32>,
    /// Steps per epoch [default: one pass over the images]; as in Keras, the next epoch continues with the following
    /// images
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=i64::MAX as u64))]
    steps_per_epoch: Option<u64>,
    /// Seed of the split, the initial weights, the order of the images, augmentation and dropout
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: u64,
}

/// Trains, or resumes training.
pub fn run(args: TrainArgs, context: &Context) -> anyhow::Result<Outcome> {
    // From now on, Ctrl-C is a request to stop after the current step.
    crate::interrupted();
    match &args.resume {
        Some(folder) => resume(folder, args.epochs, context),
        None => start(args, context),
    }
}

fn start(args: TrainArgs, context: &Context) -> anyhow::Result<Outcome> {
    let recipe = changed_recipe(&args.recipe_args, args.epochs)?;
    let out = args.out.clone().map_or_else(|| free_run_folder(&recipe.name), Ok)?;
    let data = args.data.clone().unwrap_or_default();
    RunFolder::check_free(&out)?;
    let mut settings = RunSettings::new(&absolute(&data), recipe);
    settings.seed = args.recipe_args.seed;
    settings.steps_per_epoch = args.recipe_args.steps_per_epoch;
    settings.images = set_settings(&args.data_args, &args.labels);
    args.sites.store(&mut settings.images);
    let sets = load_sets(&settings, context).inspect_err(list_images)?;
    if crate::interrupted() {
        return Ok(Outcome::Interrupted);
    }
    train(Run::start(&out, settings, sets)?, context)
}

fn resume(path: &Path, epochs: Option<u64>, context: &Context) -> anyhow::Result<Outcome> {
    let mut stopped = StoppedRun::open(path)?;
    if let Some(epochs) = epochs {
        stopped.set_epochs(epochs).map_err(|error| match error {
            TrainError::Recipe(error) => usage(*error),
            other => other.into(),
        })?;
    }
    let sets = load_sets(stopped.settings(), context).inspect_err(list_images)?;
    let run = stopped.resume(sets)?;
    print_line(context, &format!("Resuming after step {}.", run.state().progress.steps_done));
    train(run, context)
}

fn set_settings(args: &DataArgs, labels: &LabelArgs) -> SetSettings {
    let mut settings = SetSettings::default();
    settings.validation = args.validation.as_deref().map(absolute);
    settings.validation_split = args.validation_split;
    settings.split_by = args.split_by.into();
    settings.labels = labels.settings();
    settings.max_unreadable_percent = args.max_unreadable;
    settings.allow_shared = args.allow_shared;
    settings
}

/// Finds, divides and decodes the images of a run, and prints their numbers and warnings.
fn load_sets(settings: &RunSettings, context: &Context) -> Result<Sets, TrainError> {
    let parts = settings.divide()?;
    for (samples, part) in [(&parts.training, "Training"), (&parts.validation, "Validation")] {
        print_found(samples, context);
        let count = patients(samples).len();
        if count > 0 {
            let images = number_of(samples.len(), "image");
            print_line(context, &format!("{part}: {images} of {}.", number_of(count, "patient")));
        }
    }
    print_other_sites(&parts.negatives, &parts.not_cells, context);
    let count = [&parts.training, &parts.validation, &parts.negatives, &parts.not_cells].map(Vec::len).iter().sum();
    let bar = bar(context, count, "Reading images");
    let sets = parts.load(&settings.recipe.input, &|| bar.inc(1));
    bar.finish_and_clear();
    let sets = sets?;
    sets.unreadable().for_each(print_unreadable);
    for warning in &sets.warnings {
        if let Warning::SharedImages { pairs } = warning {
            list_pairs(pairs);
        }
        print_note(format_args!("warning: {warning}"));
    }
    Ok(sets)
}

fn train(mut run: Run, context: &Context) -> anyhow::Result<Outcome> {
    let folder = run.folder().clone();
    let mut progress = Progress::new(&folder, run.settings().recipe.training.epochs, context)?;
    let ending = run.train(&mut progress);
    let failure = progress.failure.take();
    drop(progress);
    if let Some(error) = failure {
        return Err(error);
    }
    let place = || format!("training stopped; the run is in {}", folder.path().display());
    match ending.map_err(|error| anyhow::Error::new(error).context(place()))? {
        Ending::Completed => {
            say_result(run.state(), &folder);
            let skipped = run.sets().unreadable().next().is_some();
            Ok(if skipped { Outcome::SomeSkipped } else { Outcome::Done })
        }
        Ending::Interrupted => {
            let done = run.state().progress.steps_done;
            let run = escaped(folder.path().display());
            print_note(format_args!("stopped after step {done}; to resume: giemsa train --resume {run}"));
            Ok(Outcome::Interrupted)
        }
    }
}

fn say_result(state: &State, folder: &RunFolder) {
    let best = state.progress.history.iter().min_by(|a, b| a.val_loss.total_cmp(&b.val_loss));
    let Some(best) = best else { return };
    let context = Context { quiet: false, colour: false };
    let (epoch, loss, accuracy) = (best.epoch, best.val_loss, best.val_acc);
    let model = folder.model();
    print_line(
        &context,
        &format!("Best: epoch {epoch}, val_loss {loss:.4}, val_acc {accuracy:.4}: {}", escaped(model.display())),
    );
    print_line(&context, RESEARCH_ONLY);
}

/// Loads the recipe and applies the changes of the options.
fn changed_recipe(args: &RecipeArgs, epochs: Option<u64>) -> anyhow::Result<Recipe> {
    load_recipe(&args.recipe, |recipe| {
        let training = &mut recipe.training;
        training.epochs = epochs.unwrap_or(training.epochs);
        training.batch_size = args.batch_size.map_or(training.batch_size, |size| size as usize);
        training.learning_rate = args.learning_rate.unwrap_or(training.learning_rate);
        recipe.input.side_px = args.image_size.map_or(recipe.input.side_px, |side| side as usize);
    })
}

/// Loads a recipe, changes it, and checks the result. A recipe that cannot be used is a usage error.
pub fn load_recipe(name: &str, change: impl FnOnce(&mut Recipe)) -> anyhow::Result<Recipe> {
    let mut recipe = Recipe::load(name).map_err(usage)?;
    change(&mut recipe);
    recipe.check("", &format!("recipe `{}` with the given options", recipe.name)).map_err(usage)?;
    Ok(recipe)
}

fn usage(error: RecipeError) -> anyhow::Error {
    Fault::Usage(error.to_string()).into()
}

fn free_run_folder(recipe: &str) -> anyhow::Result<PathBuf> {
    next_run_folder(Path::new("runs"), recipe).context("runs contains a million folders of this recipe; give --out")
}

fn learning_rate(text: &str) -> Result<f32, String> {
    let rate = text.parse().ok().filter(|rate: &f32| rate.is_finite() && *rate > 0.0);
    rate.ok_or_else(|| "expected a finite number above 0".to_owned())
}

fn percent(text: &str) -> Result<f64, String> {
    let percent: f64 = text.trim_end_matches('%').trim().parse().map_err(|_| "expected a percentage".to_owned())?;
    if (0.0..=100.0).contains(&percent) { Ok(percent) } else { Err("expected a percentage in 0..=100".to_owned()) }
}
