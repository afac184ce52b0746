//! `giemsa demo`: everything at work on drawn cells, and a page about it.

mod story;

use super::train::progress::Progress;
use crate::data::{load, patients, say};
use crate::{Context, Outcome, number_of};
use anyhow::Context as _;
use giemsa::RESEARCH_ONLY;
use giemsa::dataset::Cache;
use giemsa::dataset::Sample;
use giemsa::dataset::patients::PatientSource;
use giemsa::dataset::scan::scan_classes;
use giemsa::dataset::split::{SplitBy, split};
use giemsa::evaluate::counts::Counts;
use giemsa::evaluate::{LabelledPrediction, count, predict_labelled};
use giemsa::model::Tta;
use giemsa::model::{Model, Recipe};
use giemsa::random::Random;
use giemsa::synthetic::write_folder;
use giemsa::train::{Ending, RunFolder, Settings, State, train};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use story::{write_page, write_sheet};

const EXAMPLES: &str = "\
Examples:
  giemsa demo
  giemsa demo somewhere --seed 7

OUT gets index.html, the drawn cells, sheet.png, curves.png, history.csv and model.safetensors.
For research use only, not for diagnosis.";

/// Patients that the cells are dealt out to.
const PATIENTS: usize = 60;
/// Share of the images that are evaluated on, and of the rest, by which the best epoch is chosen.
const TEST_SHARE: f64 = 0.25;
const VALIDATION_SHARE: f64 = 0.2;
/// Arguments of `giemsa demo`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct DemoArgs {
    /// A new or empty folder.
    #[arg(default_value = "giemsa-demo")]
    out: PathBuf,
    /// Cells to draw.
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = clap::value_parser!(u32).range(400..=100_000))]
    images: u32,
    /// Epochs to train.
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..=1000))]
    epochs: u64,
    /// Cells, split, first weights and order follow from this number.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

/// Runs it; a folder that could not be finished is removed again.
pub fn run(args: DemoArgs, context: &Context) -> anyhow::Result<Outcome> {
    crate::interrupted();
    let folder = RunFolder::create(&args.out)?;
    let made = make(&args, &folder, context);
    if !matches!(made, Ok(Outcome::Done)) {
        std::fs::remove_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    }
    made
}

/// The images by their part in the demo.
struct Sets {
    training: Cache,
    validation: Cache,
    test: Cache,
}

fn make(args: &DemoArgs, folder: &RunFolder, context: &Context) -> anyhow::Result<Outcome> {
    let samples = draw(args, context)?;
    let mut recipe = Recipe::load("keras-tutorial")?;
    recipe.training.epochs = args.epochs;
    let sets = divide(samples.clone(), args.seed, &recipe, context)?;
    let settings = Settings { recipe, seed: args.seed, steps_per_epoch: None };
    let mut state = State::new(&settings)?;
    let Some(model) = learn(&mut state, &settings, &sets, folder, context)? else {
        return Ok(Outcome::Interrupted);
    };
    let history = &state.progress.history;
    folder.save_best(&model)?;
    folder.save_history(history)?;
    let result = judge(&model, &sets.test, args.seed)?;
    let boxed = judge_with_embedded(sets.test.samples().to_vec(), args.seed, context)?;
    write_sheet(&samples, args)?;
    write_page(args, &sets, &samples, history, &result, &boxed)?;
    say_result(args, &result, &boxed)?;
    Ok(Outcome::Done)
}

/// Draws the cells into `OUT/cells`.
fn draw(args: &DemoArgs, context: &Context) -> anyhow::Result<Vec<Sample>> {
    say(context, &format!("Drawing {} synthetic cells of {PATIENTS} patients.", args.images));
    let shown = !context.quiet && std::io::stderr().is_terminal();
    let bar = if shown { ProgressBar::new(args.images.into()) } else { ProgressBar::hidden() };
    bar.set_style(ProgressStyle::with_template("Drawing cells {bar:30} {pos}/{len}, {eta} left")?);
    let cells = args.out.join("cells");
    write_folder(&cells, args.images as usize, PATIENTS, args.seed, &|| bar.inc(1))?;
    bar.finish_and_clear();
    Ok(scan_classes(&cells, &PatientSource::FileName)?)
}

/// How many cells of how many patients, as people write it.
fn cells_and_patients(samples: &[Sample]) -> String {
    format!("{} of {}", number_of(samples.len(), "cell"), number_of(patients(samples).len(), "patient"))
}

/// Divides by patient: to learn from, to choose the best epoch by, and to judge the choice.
fn divide(samples: Vec<Sample>, seed: u64, recipe: &Recipe, context: &Context) -> anyhow::Result<Sets> {
    let (rest, test) = split(samples, TEST_SHARE, SplitBy::Patient, seed)?;
    let (training, validation) = split(rest, VALIDATION_SHARE, SplitBy::Patient, seed)?;
    for (name, samples) in [("Training", &training), ("Validation", &validation), ("Test", &test)] {
        say(context, &format!("{name}: {}.", cells_and_patients(samples)));
    }
    let load = |samples| load(samples, &recipe.input, context);
    Ok(Sets { training: load(training)?, validation: load(validation)?, test: load(test)? })
}

/// Trains; the best model by validation loss, or none when the user stopped it.
fn learn(
    state: &mut State,
    settings: &Settings,
    sets: &Sets,
    folder: &RunFolder,
    context: &Context,
) -> anyhow::Result<Option<Model>> {
    let mut progress = Progress::new(folder, settings.recipe.training.epochs, context)?;
    let ended = train(state, settings, &sets.training, &sets.validation, None, &mut progress);
    if let Some(error) = progress.failure.take() {
        return Err(error);
    }
    Ok(if ended? == Ending::Completed { state.best.take() } else { None })
}

/// How the model does on patients it has not seen.
struct Judgement {
    scored: Vec<LabelledPrediction>,
    counts: Counts,
    threshold: f64,
    /// The image that is named, by its place in `scored`.
    named: usize,
}

fn judge(model: &Model, test: &Cache, seed: u64) -> anyhow::Result<Judgement> {
    let scored = predict_labelled(model.predictor(Tta::None), test)?;
    let threshold = model.threshold.into();
    let named = Random::keyed(&[seed, u64::from_le_bytes(*b"naming\0\0")]).below(scored.len());
    Ok(Judgement { counts: count(&scored, threshold), scored, threshold, named })
}

/// The same images, judged by the model in the program, which has learned from photographs.
fn judge_with_embedded(test: Vec<Sample>, seed: u64, context: &Context) -> anyhow::Result<Judgement> {
    let model = Model::embedded()?;
    let test = load(test, &model.recipe.input, context)?;
    judge(&model, &test, seed)
}

fn percent(share: Option<f64>) -> String {
    share.map_or("undefined".to_owned(), |share| format!("{:.1} %", 100.0 * share))
}

fn say_result(args: &DemoArgs, result: &Judgement, boxed: &Judgement) -> anyhow::Result<()> {
    let counts = &result.counts;
    let named = &result.scored[result.named];
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "On {} cells of patients not seen in training: accuracy {}, sensitivity {}, specificity {}.",
        counts.images(),
        percent(counts.accuracy()),
        percent(counts.sensitivity()),
        percent(counts.specificity())
    )?;
    writeln!(
        out,
        "True positives {}, false negatives {}, false positives {}, true negatives {}.",
        counts.true_positives, counts.false_negatives, counts.false_positives, counts.true_negatives
    )?;
    writeln!(
        out,
        "On the same cells the model in the program, trained on photographs: accuracy {}.",
        percent(boxed.counts.accuracy())
    )?;
    writeln!(
        out,
        "{}: {} (probability of Parasitized {:.3}), drawn as {}.",
        named.path.display(),
        named.predicted_class(result.threshold),
        named.probability_parasitized,
        named.class
    )?;
    writeln!(out, "The page: {}", args.out.join("index.html").display())?;
    writeln!(out, "{RESEARCH_ONLY} The cells are drawn, not photographed.")?;
    Ok(())
}
