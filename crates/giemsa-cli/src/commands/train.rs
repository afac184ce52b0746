//! `giemsa train`: from folders of images to a model file.

pub mod progress;
mod sets;

use crate::data::{By, PatientArgs, say, share};
use crate::{Context, Outcome};
use anyhow::{Context as _, bail};
use giemsa::RESEARCH_ONLY;
use giemsa::model::Recipe;
use giemsa::train::{Ending, RunFolder, Settings, State, TrainError, train};
use progress::Progress;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  giemsa train data/cell_images
  giemsa train data/cell_images --recipe keras-tutorial --split-by image --out runs/tutorial
  giemsa train mine --recipe my.toml       # mine/Train/{class}, mine/Test/{class}
  giemsa train --resume runs/compact-1     # after Ctrl-C

The run's folder gets model.safetensors (the best by validation loss), last.safetensors (from which --resume goes on),
history.csv, curves.png, settings.toml and split.csv.";

/// Arguments of `giemsa train`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct TrainArgs {
    /// A folder of class folders, or of Train and Test with class folders in them.
    #[arg(value_name = "DIR", required_unless_present = "resume", conflicts_with = "resume")]
    data: Option<PathBuf>,
    /// Go on with the run in this folder, exactly as if it had not stopped; of the other options only --epochs is
    /// heeded.
    #[arg(long, value_name = "RUN")]
    resume: Option<PathBuf>,
    /// The run's folder; it must be new or empty. [default: runs/RECIPE-N]
    #[arg(long, value_name = "RUN", conflicts_with = "resume")]
    out: Option<PathBuf>,
    #[command(flatten)]
    data_args: DataArgs,
    #[command(flatten)]
    recipe_args: RecipeArgs,
}

/// Which images, and which part they are in.
#[derive(clap::Args, Clone, Debug, Serialize, Deserialize)]
pub struct DataArgs {
    /// Validate on this folder of class folders.
    #[arg(long, value_name = "DIR", conflicts_with = "validation_split")]
    validation: Option<PathBuf>,
    /// Where nothing else says what to validate on: hold this share back.
    #[arg(long, value_name = "SHARE", default_value_t = 0.3, value_parser = share)]
    validation_split: f64,
    /// Hold back whole patients, or single images (then patients leak, and the figures are too good).
    #[arg(long, value_enum, default_value_t = By::Patient)]
    split_by: By,
    #[command(flatten)]
    #[serde(flatten)]
    patients: PatientArgs,
    /// Skip up to this share of images that cannot be read, in percent.
    #[arg(long, value_name = "PERCENT", default_value_t = 1.0, value_parser = percent)]
    max_unreadable: f64,
    /// Only warn when given parts have images in common.
    #[arg(long)]
    allow_shared: bool,
}

/// The recipe, and what is changed of it.
#[derive(clap::Args)]
pub struct RecipeArgs {
    /// A recipe in the program, or a .toml file.
    #[arg(long, value_name = "NAME", default_value = "compact")]
    recipe: String,
    /// Epochs, instead of the recipe's.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    epochs: Option<u64>,
    /// Images a step, instead of the recipe's.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: Option<u32>,
    /// Side of the network's input in pixels, instead of the recipe's.
    #[arg(long, value_name = "PX", value_parser = clap::value_parser!(u32).range(1..))]
    image_size: Option<u32>,
    /// Step size of Adam, instead of the recipe's.
    #[arg(long, value_name = "X", value_parser = step_size)]
    learning_rate: Option<f32>,
    /// Steps an epoch, instead of one pass over the images; as in Keras, the next epoch goes on with the images that
    /// come then.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    steps_per_epoch: Option<u64>,
    /// First weights, split, order, variation and dropout follow from this number.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: u64,
}

/// What `settings.toml` holds: enough to run it again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RunSettings {
    /// What made it.
    program: String,
    data: PathBuf,
    seed: u64,
    steps_per_epoch: Option<u64>,
    images: DataArgs,
    recipe: Recipe,
}

impl RunSettings {
    fn of_training(&self) -> Settings {
        Settings { recipe: self.recipe.clone(), seed: self.seed, steps_per_epoch: self.steps_per_epoch }
    }
}

/// Trains, or goes on training.
pub fn run(args: TrainArgs, context: &Context) -> anyhow::Result<Outcome> {
    // From here on Ctrl-C is a wish.
    crate::interrupted();
    match &args.resume {
        Some(folder) => resume(folder, &args.recipe_args, context),
        None => begin(args, context),
    }
}

fn begin(args: TrainArgs, context: &Context) -> anyhow::Result<Outcome> {
    let recipe = recipe(&args.recipe_args)?;
    let out = args.out.map_or_else(|| free_run_folder(&recipe.name), Ok)?;
    RunFolder::check_free(&out)?;
    let data = args.data.unwrap_or_default();
    let run = RunSettings {
        program: concat!("giemsa ", env!("CARGO_PKG_VERSION")).to_owned(),
        data: std::path::absolute(&data).unwrap_or(data),
        seed: args.recipe_args.seed,
        steps_per_epoch: args.recipe_args.steps_per_epoch,
        images: with_absolute_paths(args.data_args),
        recipe,
    };
    let sets = sets::gather(&run, context)?;
    if crate::interrupted() {
        return Ok(Outcome::Interrupted);
    }
    let state = State::new(&run.of_training())?;
    let folder = RunFolder::create(&out)?;
    folder.save_settings(&run)?;
    folder.save_split(&sets.split_rows())?;
    folder.save_last(&state, &run.recipe)?;
    go_on(state, &run, &sets, &folder, context)
}

fn resume(path: &Path, changes: &RecipeArgs, context: &Context) -> anyhow::Result<Outcome> {
    let folder = RunFolder::existing(path);
    let settings_path = folder.settings();
    let text = std::fs::read_to_string(&settings_path)
        .with_context(|| format!("{}: expected the folder of a run", settings_path.display()))?;
    let mut run: RunSettings = toml::from_str(&text)
        .with_context(|| format!("{}: expected the settings of a run", settings_path.display()))?;
    let (state, recipe) = State::load(&folder.last())?;
    if let Some(epochs) = changes.epochs {
        run.recipe.training.epochs = epochs;
        run.recipe.check("", "--epochs")?;
    }
    sets::check_same_recipe(&recipe, &run.recipe, &folder)?;
    let sets = sets::gather(&run, context)?;
    sets::check_same_split(&sets, &folder)?;
    folder.save_settings(&run)?;
    say(context, &format!("Going on after step {} of the run.", state.progress.steps_done));
    go_on(state, &run, &sets, &folder, context)
}

fn go_on(
    mut state: State,
    run: &RunSettings,
    sets: &sets::Sets,
    folder: &RunFolder,
    context: &Context,
) -> anyhow::Result<Outcome> {
    let mut progress = Progress::new(folder, run.recipe.training.epochs, context)?;
    let settings = run.of_training();
    let ended = train(&mut state, &settings, &sets.training, &sets.validation, Some(folder), &mut progress);
    let failure = progress.failure.take();
    drop(progress);
    if let Some(error) = failure {
        return Err(error);
    }
    match ended.map_err(|error| name_run(error, folder))? {
        Ending::Completed => {
            say_result(&state, folder);
            Ok(if sets.skipped() { Outcome::SomeSkipped } else { Outcome::Done })
        }
        Ending::Interrupted => {
            let done = state.progress.steps_done;
            eprintln!("stopped after step {done}; to go on: giemsa train --resume {}", folder.path().display());
            Ok(Outcome::Interrupted)
        }
    }
}

/// An error in the middle of a run says where its last good files are.
fn name_run(error: TrainError, folder: &RunFolder) -> anyhow::Error {
    let text = format!("training stopped; the run is in {}", folder.path().display());
    anyhow::Error::new(error).context(text)
}

fn say_result(state: &State, folder: &RunFolder) {
    let best = state.progress.history.iter().min_by(|a, b| a.val_loss.total_cmp(&b.val_loss));
    let Some(best) = best else { return };
    let context = Context { quiet: false, colour: false };
    let model = folder.model();
    say(
        &context,
        &format!(
            "Best: epoch {}, val_loss {:.4}, val_acc {:.4}: {}",
            best.epoch,
            best.val_loss,
            best.val_acc,
            model.display()
        ),
    );
    say(&context, RESEARCH_ONLY);
}

/// The recipe with the changes that were asked for.
fn recipe(args: &RecipeArgs) -> anyhow::Result<Recipe> {
    let mut recipe = Recipe::load(&args.recipe)?;
    let training = &mut recipe.training;
    training.epochs = args.epochs.unwrap_or(training.epochs);
    training.batch_size = args.batch_size.map_or(training.batch_size, |size| size as usize);
    training.learning_rate = args.learning_rate.unwrap_or(training.learning_rate);
    recipe.input.side_px = args.image_size.map_or(recipe.input.side_px, |side| side as usize);
    recipe.check("", &format!("recipe `{}` with the options given", recipe.name))?;
    Ok(recipe)
}

/// The first of `runs/compact-1`, `runs/seed-2`, … that is not there.
fn free_run_folder(recipe: &str) -> anyhow::Result<PathBuf> {
    let name: String =
        recipe.chars().map(|c| if c.is_alphanumeric() || c == '-' || c == '_' { c } else { '_' }).collect();
    for number in 1..1_000_000 {
        let path = Path::new("runs").join(format!("{name}-{number}"));
        if !path.exists() {
            return Ok(path);
        }
    }
    bail!("runs: expected a free name like {name}-1, found a million taken")
}

fn with_absolute_paths(mut args: DataArgs) -> DataArgs {
    for path in [&mut args.validation, &mut args.patients.patients].into_iter().flatten() {
        if let Ok(absolute) = std::path::absolute(&*path) {
            *path = absolute;
        }
    }
    args
}

fn step_size(text: &str) -> Result<f32, String> {
    let size = text.parse().ok().filter(|size: &f32| size.is_finite() && *size > 0.0);
    size.ok_or_else(|| "expected a finite number above 0".to_owned())
}

fn percent(text: &str) -> Result<f64, String> {
    let percent: f64 = text.trim_end_matches('%').trim().parse().map_err(|_| "expected a percentage".to_owned())?;
    if (0.0..=100.0).contains(&percent) { Ok(percent) } else { Err("expected a percentage in 0..=100".to_owned()) }
}
