//! `giemsa pretrain`: a model for use, made from all images at hand, with an honest account of how well it does.

use super::cross_validate::folds::{CrossSettings, Lines, OutOfFold, out_of_fold, part};
use super::cross_validate::report;
use super::evaluate::{IntervalArgs, text};
use crate::data::{PatientArgs, patients, say, say_found};
use crate::scores::{find, read};
use crate::{Context, Outcome};
use anyhow::Context as _;
use giemsa::checksum::sha256_of_samples;
use giemsa::classes::Class;
use giemsa::dataset::Cache;
use giemsa::dataset::Sample;
use giemsa::evaluate::metrics::Metrics;
use giemsa::evaluate::operating_point::{OperatingPoint, cross_fit, fit};
use giemsa::evaluate::paired::{Side, compare};
use giemsa::evaluate::threshold::Aim;
use giemsa::files::write_whole;
use giemsa::model::{Model, Recipe};
use giemsa::nn::kernels::instruction_set;
use giemsa::report::model_card::{Card, Data, model_card};
use giemsa::train::{Ending, Settings, State, train};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  giemsa pretrain data/cell_images --out runs/pretrained
  giemsa pretrain mine --recipe my.toml --aim balanced

It cross-validates the recipe and the one it is compared with, trains on all patients, fits temperature and threshold on
the out-of-fold predictions, and writes RECIPE.safetensors and MODEL_CARD.md. The same command again goes on where it was
stopped. For research use only, not for diagnosis.";

/// Arguments of `giemsa pretrain`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct PretrainArgs {
    /// A folder of class folders.
    #[arg(value_name = "DIR")]
    data: PathBuf,
    /// A recipe in the program, or a .toml file.
    #[arg(long, value_name = "NAME", default_value = "compact")]
    recipe: String,
    /// The recipe that it is compared with on the same folds.
    #[arg(long, value_name = "NAME", default_value = "keras-tutorial")]
    baseline: String,
    /// Into how many parts the patients are divided.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(3..))]
    folds: u16,
    /// Folds, first weights, order, variation and dropout follow from this number.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: u64,
    /// What the threshold is for: balanced, sensitivity>=X or specificity>=X.
    #[arg(long, value_name = "AIM", default_value = "specificity>=0.975", value_parser = super::calibrate::parse_aim)]
    aim: Aim,
    /// A Markdown text for the card: what the mistakes look like.
    #[arg(long, value_name = "FILE.md")]
    failures: Option<PathBuf>,
    /// Where everything goes.
    #[arg(long, value_name = "OUT", default_value = "runs/pretrained")]
    out: PathBuf,
    #[command(flatten)]
    patients: PatientArgs,
    #[command(flatten)]
    intervals: IntervalArgs,
}

/// Makes the model and its card.
pub fn run(args: PretrainArgs, context: &Context) -> anyhow::Result<Outcome> {
    // From here on Ctrl-C is a wish.
    crate::interrupted();
    let failures = match &args.failures {
        Some(path) => std::fs::read_to_string(path).with_context(|| path.display().to_string())?,
        None => "Nobody has described them.".to_owned(),
    };
    let [recipe, baseline] = [&args.recipe, &args.baseline].map(|name| Recipe::load(name));
    let (recipe, baseline) = (recipe?, baseline?);
    let samples = find(&args.data, &args.patients)?;
    say_found(&samples, context);
    let Some((_, of_baseline)) = judge(&args, &baseline, samples.clone(), context)? else {
        return Ok(Outcome::Interrupted);
    };
    let Some((set, judged)) = judge(&args, &recipe, samples, context)? else { return Ok(Outcome::Interrupted) };
    let point = fit(&judged.scored, args.aim)?;
    let Some(mut model) = train_on_all(&args, recipe, &set, point, context)? else { return Ok(Outcome::Interrupted) };

    let decided = |judged: &OutOfFold| cross_fit(&judged.scored, &judged.fold_of, args.aim, point.threshold);
    let (ours, theirs) = (decided(&judged)?, decided(&of_baseline)?);
    let metrics = Metrics::compute(&ours, point.threshold, args.intervals.settings())?;
    let [in_ours, in_theirs] = [&ours, &theirs].map(|scored| Side { predictions: scored, threshold: point.threshold });
    let comparison = compare(in_ours, in_theirs, args.intervals.settings())?;
    let card = model_card(
        &model,
        &Card {
            data: &describe(set.samples())?,
            seed: args.seed,
            folds: args.folds.into(),
            instruction_set: instruction_set().name(),
            metrics: &metrics,
            scored: &ours,
            baseline: Some((&baseline.name, &comparison)),
            failures: &failures,
        },
    )?;
    model.card = Some(card.clone());
    let path = args.out.join(format!("{}.safetensors", model.recipe.name));
    model.save(&path)?;
    let card_path = args.out.join("MODEL_CARD.md");
    write_whole(&card_path, |file| file.write_all(card.as_bytes())).with_context(|| card_path.display().to_string())?;
    say(&Context { quiet: false, ..*context }, &text(&metrics));
    say(context, &format!("The model is {}, its card {}", path.display(), card_path.display()));
    Ok(if set.unreadable().is_empty() { Outcome::Done } else { Outcome::SomeSkipped })
}

/// Cross-validates a recipe in a folder of its own; none when the user has stopped it.
fn judge(
    args: &PretrainArgs,
    recipe: &Recipe,
    samples: Vec<Sample>,
    context: &Context,
) -> anyhow::Result<Option<(Cache, OutOfFold)>> {
    say(context, &format!("Cross-validating the recipe {}.", recipe.name));
    let out = args.out.join(&recipe.name);
    let data = std::path::absolute(&args.data)?;
    let run = CrossSettings { data, folds: args.folds, seed: args.seed, recipe: recipe.clone() };
    let set = read(samples, &args.data, &recipe.input, context)?;
    let Some(judged) = out_of_fold(&run, &set, &out, context)? else { return Ok(None) };
    report(&run, &judged, &out, args.intervals.settings(), &Context { quiet: true, ..*context })?;
    Ok(Some((set, judged)))
}

/// Trains on all images; none when the user has stopped it.
fn train_on_all(
    args: &PretrainArgs,
    recipe: Recipe,
    set: &Cache,
    point: OperatingPoint,
    context: &Context,
) -> anyhow::Result<Option<Model>> {
    say(context, &format!("Training {} on all {} images.", recipe.name, set.samples().len()));
    let checkpoint = args.out.join("last.safetensors");
    let settings = Settings { recipe, seed: args.seed, steps_per_epoch: None };
    let mut state = if checkpoint.exists() { State::load(&checkpoint)?.0 } else { State::new(&settings)? };
    // Nothing is held out; the loop reports on a few of the images it trains on.
    let every = vec![0; set.samples().len()];
    let few: Vec<usize> = (0..every.len()).map(|i| i % WATCHED_ONE_IN).collect();
    let (all, watched) = (part(set, &every, |_| true), part(set, &few, |part| part == 0));
    let ending = train(&mut state, &settings, &all, &watched, None, &mut Lines { context, judged: "seen" })?;
    state.save(&checkpoint, &settings.recipe)?;
    if ending == Ending::Interrupted {
        eprintln!("stopped; the same command goes on from there");
        return Ok(None);
    }
    let mut model = Model::new(settings.recipe.clone(), state.averaged_network()?);
    (model.temperature, model.threshold) = (point.temperature as f32, point.threshold as f32);
    model.threshold_aim = Some(args.aim.to_string());
    Ok(Some(model))
}

/// Of so many training images one is reported on after each epoch.
const WATCHED_ONE_IN: usize = 20;

fn describe(samples: &[Sample]) -> anyhow::Result<Data> {
    let of = |class: Class| samples.iter().filter(|sample| sample.class == class).count();
    Ok(Data {
        images: samples.len(),
        patients: patients(samples).len(),
        parasitized: of(Class::Parasitized),
        uninfected: of(Class::Uninfected),
        sha256: sha256_of_samples(samples)?,
    })
}
