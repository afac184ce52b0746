//! `giemsa cross-validate`: a recipe judged on every image, each by a network that has not seen its patient.

use super::data::{LoadedSet, PatientArgs, patients, say, say_found};
use super::evaluate::{IntervalArgs, text};
use super::scores::{find, read, scored};
use super::{Context, Outcome};
use anyhow::{Context as _, bail};
use giemsa::classes::Class;
use giemsa::dataset::split::folds;
use giemsa::dataset::{DatasetError, Sample};
use giemsa::evaluate::Scored;
use giemsa::evaluate::figures::{FIGURES, Figures};
use giemsa::evaluate::metrics::Metrics;
use giemsa::evaluate::patients::{Spread, spread};
use giemsa::files::write_whole;
use giemsa::model::{Model, Recipe};
use giemsa::predict::{Images, Views, logits};
use giemsa::report::evaluation::{Evaluation, read_predictions, write_predictions, write_report};
use giemsa::train::{Ending, EpochRow, Observer, Settings, State, StepReport, train};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  giemsa cross-validate data/cell_images
  giemsa cross-validate data/cell_images --folds 10 --recipe my.toml --out runs/mine

The same command again goes on where it was stopped. Nothing is chosen on the fold held out: each network is that of the
last epoch. For research use only, not for diagnosis.";

/// Arguments of `giemsa cross-validate`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct CrossValidateArgs {
    /// A folder of class folders.
    #[arg(value_name = "DIR")]
    data: PathBuf,
    /// Into how many parts the patients are divided.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(2..))]
    folds: u16,
    /// A recipe in the program, or a .toml file.
    #[arg(long, value_name = "NAME", default_value = "seed")]
    recipe: String,
    /// Epochs, instead of the recipe's.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    epochs: Option<u64>,
    /// Folds, first weights, order, variation and dropout follow from this number.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: u64,
    /// Where the folds and the report go. [default: runs/cross-validation-RECIPE]
    #[arg(long, value_name = "OUT")]
    out: Option<PathBuf>,
    #[command(flatten)]
    patients: PatientArgs,
    #[command(flatten)]
    intervals: IntervalArgs,
}

/// What `settings.toml` holds: what must be the same for a run to go on.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct CrossSettings {
    data: PathBuf,
    folds: u16,
    seed: u64,
    recipe: Recipe,
}

/// What `folds.json` holds.
#[derive(Serialize)]
struct FoldsSummary {
    /// The figures of each fold.
    folds: Vec<Figures<Option<f64>>>,
    /// How each varies over the folds.
    spread: Figures<Option<Spread>>,
    research_only: &'static str,
}

/// Trains and judges fold after fold, then all out-of-fold predictions together.
pub fn run(args: CrossValidateArgs, context: &Context) -> anyhow::Result<Outcome> {
    // From here on Ctrl-C is a wish.
    super::interrupted();
    let mut recipe = Recipe::load(&args.recipe)?;
    recipe.training.epochs = args.epochs.unwrap_or(recipe.training.epochs);
    let name = recipe.name.clone();
    let out = args.out.clone().unwrap_or_else(|| Path::new("runs").join(format!("cross-validation-{name}")));
    let data = std::path::absolute(&args.data)?;
    let run = CrossSettings { data, folds: args.folds, seed: args.seed, recipe };
    let samples = find(&args.data, &args.patients)?;
    say_found(&samples, context);
    let set = read(samples, &args.data, &run.recipe.input, context)?;
    let samples = set.cache.samples();
    let fold_of = folds(samples, run.folds.into(), run.seed)?;
    say(context, &format!("{} patients in {} folds.", patients(samples).len(), run.folds));
    begin_or_go_on(&out, &run)?;
    let mut probabilities = vec![f64::NAN; samples.len()];
    for fold in 0..usize::from(run.folds) {
        let held_out = Part::of(&set, &fold_of, |of| of == fold);
        let predicted = match finished(&out, fold, &held_out)? {
            Some(predicted) => predicted,
            None => match train_fold(&out, fold, &run, &set, &fold_of, context)? {
                Some(predicted) => predicted,
                None => return Ok(Outcome::Interrupted),
            },
        };
        for (&index, image) in held_out.indices.iter().zip(predicted) {
            probabilities[index] = image.probability_parasitized;
        }
    }
    let all: Vec<Scored> = samples.iter().zip(probabilities).map(|(sample, p)| scored_as(sample, p)).collect();
    report(&args, &run, &out, &all, &fold_of, context)?;
    Ok(if set.unreadable.is_empty() { Outcome::Done } else { Outcome::SomeSkipped })
}

/// Makes the folder, or checks that what is in it was begun with the same settings.
fn begin_or_go_on(out: &Path, run: &CrossSettings) -> anyhow::Result<()> {
    let path = out.join("settings.toml");
    if path.exists() {
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let began: CrossSettings = toml::from_str(&text).with_context(|| path.display().to_string())?;
        if began != *run {
            bail!("{}: expected the settings of this command, found others; give another --out", path.display());
        }
        return Ok(());
    }
    std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    if std::fs::read_dir(out)?.next().is_some() {
        bail!("{}: expected a new or empty folder, or one of this command, found other files in it", out.display());
    }
    let text = toml::to_string_pretty(run)?;
    write_whole(&path, |file| file.write_all(text.as_bytes())).with_context(|| path.display().to_string())
}

fn fold_folder(out: &Path, fold: usize) -> PathBuf {
    out.join(format!("fold-{}", fold + 1))
}

/// The predictions of a fold that was finished before.
fn finished(out: &Path, fold: usize, held_out: &Part<'_>) -> anyhow::Result<Option<Vec<Scored>>> {
    let path = fold_folder(out, fold).join("predictions.csv");
    if !path.exists() {
        return Ok(None);
    }
    let found = read_predictions(&path).with_context(|| path.display().to_string())?;
    let same = found.len() == held_out.len()
        && held_out.samples().zip(&found).all(|(sample, image)| {
            (&sample.path, sample.class, &sample.patient) == (&image.path, image.class, &image.patient)
        });
    if !same {
        let expected = "the images that the fold holds now".to_owned();
        let found = "others; the data has changed since, give another --out".to_owned();
        return Err(DatasetError::Content { path: path.display().to_string(), expected, found }.into());
    }
    Ok(Some(found))
}

/// Trains on all other folds and judges this one; none when the user has stopped it.
fn train_fold(
    out: &Path,
    fold: usize,
    run: &CrossSettings,
    set: &LoadedSet,
    fold_of: &[usize],
    context: &Context,
) -> anyhow::Result<Option<Vec<Scored>>> {
    let folder = fold_folder(out, fold);
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let checkpoint = folder.join("last.safetensors");
    let settings = Settings { recipe: run.recipe.clone(), seed: run.seed, steps_per_epoch: None };
    let mut state = if checkpoint.exists() { State::load(&checkpoint)?.0 } else { State::new(&settings)? };
    let (training, held_out) = (Part::of(set, fold_of, |of| of != fold), Part::of(set, fold_of, |of| of == fold));
    say(context, &format!("Fold {}: {} images to train on, {} held out.", fold + 1, training.len(), held_out.len()));
    let ending = train(&mut state, &settings, &training, &held_out, None, &mut Lines(context))?;
    if ending == Ending::Interrupted {
        state.save(&checkpoint, &run.recipe)?;
        eprintln!("stopped in fold {}; the same command goes on from there", fold + 1);
        return Ok(None);
    }
    let network = state.averaged_network()?;
    let samples: Vec<Sample> = held_out.samples().cloned().collect();
    let predicted = scored(&samples, &logits(&network, &held_out, Views::One)?, 1.0);
    giemsa::evaluate::check(&predicted)?;
    Model::new(run.recipe.clone(), network).save(&folder.join("model.safetensors"))?;
    let path = folder.join("predictions.csv");
    // Last, as it marks the fold as finished.
    write_predictions(&path, &predicted, THRESHOLD).with_context(|| path.display().to_string())?;
    if checkpoint.exists() {
        std::fs::remove_file(&checkpoint).with_context(|| checkpoint.display().to_string())?;
    }
    Ok(Some(predicted))
}

/// Networks that nobody has calibrated decide at even odds.
const THRESHOLD: f64 = 0.5;

/// Writes the report of all folds together and the spread over them, and prints both.
fn report(
    args: &CrossValidateArgs,
    run: &CrossSettings,
    out: &Path,
    all: &[Scored],
    fold_of: &[usize],
    context: &Context,
) -> anyhow::Result<()> {
    let metrics = Metrics::of(all, THRESHOLD, args.intervals.settings())?;
    let summary = summary(all, fold_of, run.folds.into())?;
    let json = serde_json::to_string_pretty(&summary)?;
    let path = out.join("folds.json");
    write_whole(&path, |file| file.write_all(json.as_bytes())).with_context(|| path.display().to_string())?;
    let lines = spread_lines(&summary.spread);
    let mut about = vec![
        format!("Recipe {}, {} epochs, seed {}", run.recipe.name, run.recipe.training.epochs, run.seed),
        format!(
            "Images: {}; {} folds by patient, each judged by a network that saw none of it",
            args.data.display(),
            run.folds
        ),
    ];
    about.extend(lines.iter().map(|line| format!("Mean and standard deviation over folds: {line}")));
    let title = format!("Cross-validation of {}", run.recipe.name);
    write_report(out, &Evaluation { title: &title, about: &about, metrics: &metrics, scored: all })?;
    let result = Context { quiet: false, ..*context };
    say(&result, &format!("\n{}\nMean and standard deviation over {} folds:", text(&metrics), run.folds));
    lines.iter().for_each(|line| say(&result, line));
    say(context, &format!("The report is {}", out.join("index.html").display()));
    Ok(())
}

fn summary(all: &[Scored], fold_of: &[usize], count: usize) -> anyhow::Result<FoldsSummary> {
    let figures = |fold: usize| -> anyhow::Result<Figures<Option<f64>>> {
        let mine = all.iter().zip(fold_of).filter(|&(_, &of)| of == fold).map(|(image, _)| image.clone());
        let no_draws = giemsa::evaluate::bootstrap::Settings { draws: 0, seed: 0 };
        Ok(Metrics::of(&mine.collect::<Vec<_>>(), THRESHOLD, no_draws)?.figures)
    };
    let folds = (0..count).map(figures).collect::<anyhow::Result<Vec<_>>>()?;
    let arrays: Vec<[Option<f64>; FIGURES]> = folds.iter().map(|figures| figures.to_array()).collect();
    let spread = Figures::from_array(std::array::from_fn(|i| spread(arrays.iter().filter_map(|array| array[i]))));
    Ok(FoldsSummary { folds, spread, research_only: giemsa::RESEARCH_ONLY })
}

fn spread_lines(spread: &Figures<Option<Spread>>) -> Vec<String> {
    let rows = [
        ("accuracy", spread.accuracy),
        ("sensitivity", spread.sensitivity),
        ("specificity", spread.specificity),
        ("ROC AUC", spread.roc_auc),
        ("macro FPR", spread.macro_false_positive_rate),
    ];
    let line = |(name, spread): (&str, Option<Spread>)| {
        spread.map(|spread| format!("{name:<12} {:>9.4} ± {:.4}", spread.mean, spread.standard_deviation))
    };
    rows.into_iter().filter_map(line).collect()
}

fn scored_as(sample: &Sample, probability_parasitized: f64) -> Scored {
    Scored { path: sample.path.clone(), class: sample.class, patient: sample.patient.clone(), probability_parasitized }
}

/// Some of the images of a set.
struct Part<'a> {
    set: &'a LoadedSet,
    indices: Vec<usize>,
}

impl<'a> Part<'a> {
    fn of(set: &'a LoadedSet, fold_of: &[usize], belongs: impl Fn(usize) -> bool) -> Part<'a> {
        let indices = fold_of.iter().enumerate().filter(|&(_, &fold)| belongs(fold)).map(|(index, _)| index);
        Part { set, indices: indices.collect() }
    }

    fn samples(&self) -> impl Iterator<Item = &'a Sample> {
        self.indices.iter().map(|&index| &self.set.cache.samples()[index])
    }
}

impl Images for Part<'_> {
    fn len(&self) -> usize {
        self.indices.len()
    }
    fn class(&self, index: usize) -> Class {
        self.set.class(self.indices[index])
    }
    fn read(&self, index: usize, bytes: &mut [u8]) -> Result<(), DatasetError> {
        self.set.read(self.indices[index], bytes)
    }
}

/// One line an epoch.
struct Lines<'a>(&'a Context);

impl Observer for Lines<'_> {
    fn step(&mut self, _: &StepReport) -> ControlFlow<()> {
        if super::interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn epoch(&mut self, history: &[EpochRow]) -> ControlFlow<()> {
        if let Some(row) = history.last() {
            let (loss, accuracy) = (row.val_loss, row.val_acc);
            say(
                self.0,
                &format!("  epoch {}  loss {:.4}  held out: loss {loss:.4}, acc {accuracy:.4}", row.epoch, row.loss),
            );
        }
        ControlFlow::Continue(())
    }
}
