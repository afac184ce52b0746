//! `giemsa demo`: draws cells, trains and evaluates a model on them, and writes a report.

mod folder;
mod other_microscope;
mod report;
mod smears;

use super::train::progress::Progress;
use crate::data::{bar, load, patients};
use crate::print::{escaped, print_line, print_note, print_results};
use crate::{Context, Outcome, interrupted, number_of};
use folder::DemoFolder;
use giemsa::RESEARCH_ONLY;
use giemsa::dataset::patients::PatientSource;
use giemsa::dataset::scan::{ClassFolders, scan_classes};
use giemsa::dataset::selection::shuffled;
use giemsa::dataset::split::{SplitBy, split};
use giemsa::dataset::{Cache, Sample};
use giemsa::evaluate::counts::Counts;
use giemsa::evaluate::{LabelledPrediction, count, predict_labelled};
use giemsa::model::{Model, Recipe, Tta};
use giemsa::synthetic::{SyntheticError, write_folder};
use giemsa::train::{Ending, EpochRow, RunFolder, Settings, State, train};
use other_microscope::OtherMicroscope;
use smears::Smears;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  giemsa demo
  giemsa demo my-demo --images 1000 --epochs 5 --seed 7

OUT receives index.html (the report), cells/, sheet.png, curves.png, history.csv, model.safetensors, and two photographs of a \
smear, smear-1.png and smear-2.png.
The next demo with the same OUT replaces it.";

/// Number of synthetic patients.
const PATIENTS: usize = 60;
/// Fraction of the images in the test set.
const TEST_FRACTION: f64 = 0.25;
/// Fraction of the other images in the validation set.
const VALIDATION_FRACTION: f64 = 0.2;
/// Stream of the random numbers that select the example; the two classes have the streams 0 and 1.
const EXAMPLE_STREAM: u64 = 2;

/// Arguments of `giemsa demo`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct DemoArgs {
    /// Output folder: new, empty, or made by an earlier demo
    #[arg(default_value = "giemsa-demo")]
    out: PathBuf,
    /// Number of cells to draw.
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = clap::value_parser!(u32).range(400..=100_000))]
    images: u32,
    /// Number of training epochs.
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..=1000))]
    epochs: u64,
    /// Seed of the cells, the split, the initial weights and the training order.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

/// The images by their use.
struct Sets {
    training: Cache,
    validation: Cache,
    test: Cache,
}

/// The predictions of one model for the test set.
struct Evaluation {
    predictions: Vec<LabelledPrediction>,
    counts: Counts,
    threshold: f64,
}

/// The results of a finished demo.
struct Demo {
    samples: Vec<Sample>,
    sets: Sets,
    history: Vec<EpochRow>,
    /// The model trained by the demo.
    trained: Evaluation,
    /// The built-in model, which was trained on photographs.
    builtin: Evaluation,
    /// The built-in model on crops of another microscope.
    other_microscope: OtherMicroscope,
    /// The built-in model on drawn photographs of a smear.
    smears: Smears,
    /// Index of the test cell that serves as an example.
    example: usize,
}

impl Demo {
    fn example(&self) -> &LabelledPrediction {
        &self.trained.predictions[self.example]
    }
}

/// The user has pressed Ctrl-C.
#[derive(Debug)]
struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Runs the demo. The results are complete before they are printed, so a closed standard output does not affect them.
pub fn run(args: DemoArgs, context: &Context) -> anyhow::Result<Outcome> {
    // The first call installs the handler: from here on Ctrl-C removes what the demo has written.
    interrupted();
    let folder = DemoFolder::create(&args.out)?;
    match make(&args, folder.path(), context) {
        Ok(demo) => {
            print_results(|out| write_results(out, &args, &demo))?;
            Ok(Outcome::Done)
        }
        Err(error) => {
            folder.remove()?;
            if !error.is::<Interrupted>() {
                return Err(error);
            }
            if !context.quiet {
                let out = escaped(args.out.display());
                print_note(format_args!("interrupted; removed the unfinished output from {out}"));
            }
            Ok(Outcome::Interrupted)
        }
    }
}

fn make(args: &DemoArgs, out: &Path, context: &Context) -> anyhow::Result<Demo> {
    let samples = draw(args, context)?;
    let mut recipe = Recipe::load("keras-tutorial")?;
    recipe.training.epochs = args.epochs;
    let sets = split_and_load(samples.clone(), args.seed, &recipe, context)?;
    let settings = Settings { recipe, seed: args.seed, steps_per_epoch: None };
    let (model, history) = train_model(&settings, &sets, &RunFolder::existing(out), context)?;
    let trained = evaluate(&model, &sets.test)?;
    stop_if_interrupted()?;
    let builtin = evaluate_builtin(sets.test.samples().to_vec(), context)?;
    stop_if_interrupted()?;
    let model = Model::embedded()?;
    let other_microscope = OtherMicroscope::predict(&model, args.seed)?;
    let smears = Smears::count(&model, args.seed, out)?;
    let example = shuffled(0..trained.predictions.len(), args.seed, EXAMPLE_STREAM)[0];
    let demo = Demo { samples, sets, history, trained, builtin, other_microscope, smears, example };
    report::write_sheet(&demo.samples, args)?;
    report::write_page(args, &demo)?;
    Ok(demo)
}

/// Returns an error if the user has pressed Ctrl-C.
fn stop_if_interrupted() -> Result<(), Interrupted> {
    if interrupted() { Err(Interrupted) } else { Ok(()) }
}

/// Draws the cells into `OUT/cells`.
fn draw(args: &DemoArgs, context: &Context) -> anyhow::Result<Vec<Sample>> {
    print_line(context, &format!("Drawing {} synthetic cells of {PATIENTS} patients.", args.images));
    let cells = args.out.join("cells");
    let bar = bar(context, args.images as usize, "Drawing cells");
    let drawn = write_folder(&cells, args.images as usize, PATIENTS, args.seed, &|| {
        bar.inc(1);
        if interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    bar.finish_and_clear();
    match drawn {
        Err(SyntheticError::Stopped) => Err(Interrupted.into()),
        Err(error) => Err(error.into()),
        Ok(_) => Ok(scan_classes(&cells, &ClassFolders::default(), &PatientSource::FileName)?),
    }
}

/// Formats the number of cells and of patients of a set.
fn cells_and_patients(samples: &[Sample]) -> String {
    format!("{} of {}", number_of(samples.len(), "cell"), number_of(patients(samples).len(), "patient"))
}

/// Splits the cells by patient into training, validation and test set, and decodes them.
fn split_and_load(samples: Vec<Sample>, seed: u64, recipe: &Recipe, context: &Context) -> anyhow::Result<Sets> {
    let (rest, test) = split(samples, TEST_FRACTION, SplitBy::Patient, seed)?;
    let (training, validation) = split(rest, VALIDATION_FRACTION, SplitBy::Patient, seed)?;
    for (name, samples) in [("Training", &training), ("Validation", &validation), ("Test", &test)] {
        print_line(context, &format!("{name}: {}.", cells_and_patients(samples)));
    }
    let load = |samples| -> anyhow::Result<Cache> {
        let set = load(samples, &recipe.input, context)?;
        stop_if_interrupted()?;
        Ok(set)
    };
    Ok(Sets { training: load(training)?, validation: load(validation)?, test: load(test)? })
}

/// Trains a model, and saves the epoch with the lowest validation loss.
fn train_model(
    settings: &Settings,
    sets: &Sets,
    folder: &RunFolder,
    context: &Context,
) -> anyhow::Result<(Model, Vec<EpochRow>)> {
    let mut state = State::new(settings)?;
    let mut progress = Progress::new(folder, settings.recipe.training.epochs, context)?;
    let ending = train(&mut state, settings, &sets.training, &sets.validation, None, &mut progress);
    if let Some(error) = progress.failure.take() {
        return Err(error);
    }
    let best = if ending? == Ending::Completed { state.best } else { None };
    let model = best.ok_or(Interrupted)?;
    folder.save_best(&model)?;
    folder.save_history(&state.progress.history)?;
    Ok((model, state.progress.history))
}

/// Evaluates a model on the test set, at the model's decision threshold.
fn evaluate(model: &Model, test: &Cache) -> anyhow::Result<Evaluation> {
    let predictions = predict_labelled(model.predictor(Tta::None), test)?;
    let threshold = model.threshold.into();
    Ok(Evaluation { counts: count(&predictions, threshold), predictions, threshold })
}

/// Evaluates the built-in model, which has preprocessing of its own.
fn evaluate_builtin(test: Vec<Sample>, context: &Context) -> anyhow::Result<Evaluation> {
    let model = Model::embedded()?;
    evaluate(&model, &load(test, &model.recipe.input, context)?)
}

fn percent(fraction: Option<f64>) -> String {
    fraction.map_or("undefined".to_owned(), |fraction| format!("{:.1} %", 100.0 * fraction))
}

fn write_results(out: &mut dyn Write, args: &DemoArgs, demo: &Demo) -> io::Result<()> {
    let (counts, example) = (&demo.trained.counts, demo.example());
    writeln!(
        out,
        "Accuracy {}, sensitivity {}, specificity {} on {} that the model was not trained on.",
        percent(counts.accuracy()),
        percent(counts.sensitivity()),
        percent(counts.specificity()),
        cells_and_patients(demo.sets.test.samples())
    )?;
    writeln!(
        out,
        "True positives {}, false negatives {}, false positives {}, true negatives {}.",
        counts.true_positives, counts.false_negatives, counts.false_positives, counts.true_negatives
    )?;
    let accuracy = percent(demo.builtin.counts.accuracy());
    writeln!(out, "Built-in model, trained on photographs: accuracy {accuracy} on the same cells.")?;
    writeln!(out, "{}", demo.other_microscope.summary())?;
    writeln!(out, "{}", demo.smears.summary())?;
    writeln!(
        out,
        "Example: {}: classified as {}, P(Parasitized) = {:.3}, drawn as {}.",
        escaped(example.path.display()),
        example.predicted_class(demo.trained.threshold),
        example.probability_parasitized,
        example.class
    )?;
    writeln!(out, "Report: {}", escaped(args.out.join("index.html").display()))?;
    writeln!(out, "{RESEARCH_ONLY} The cells are drawn, not photographed.")
}
