//! `giemsa pretrain`: trains a model on all images, and evaluates its recipe on held-out patients.

use super::cross_validate::{Lines, report, run_folds};
use super::evaluate::{IntervalArgs, text};
use super::evaluate_sites::evaluate_sites;
use super::train::load_recipe;
use crate::data::{LabelArgs, SiteArgs, absolute, list_images, patients};
use crate::exit::Fault;
use crate::predictions::{find_all, read};
use crate::print::{escaped, print_line, print_note};
use crate::{Context, Outcome};
use anyhow::Context as _;
use giemsa::classes::Class;
use giemsa::dataset::sha256_of_samples;
use giemsa::dataset::sites::OtherSites;
use giemsa::dataset::{Cache, Sample};
use giemsa::evaluate::sites::SiteRow;
use giemsa::evaluate::threshold::Aim;
use giemsa::input::read_text;
use giemsa::model::{Model, Recipe, Tta};
use giemsa::nn::kernels::instruction_set;
use giemsa::output::destination::{Replace, check_destinations};
use giemsa::output::write_atomically;
use giemsa::report::model_card::{Card, Data, OtherData, Teachers, model_card};
use giemsa::train::cross_validation::{CrossValidationSettings, OutOfFold};
use giemsa::train::pretraining::{Assessment, locate_healthy_cells, train_on_all};
use giemsa::train::{Distillation, RunFolder, Settings, TrainError};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  giemsa pretrain data/cell_images --out runs/pretrained
  giemsa pretrain mine --recipe my.toml --aim balanced

Cross-validates the recipe and the baseline, trains on the images of all patients, fits temperature and decision \
threshold on the out-of-fold predictions, and writes RECIPE.safetensors and MODEL_CARD.md. After an interruption, the \
same command continues where it stopped.";

/// Arguments of `giemsa pretrain`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct PretrainArgs {
    /// Folder of class folders; of Train and Test, the images of both are used
    #[arg(value_name = "DIR")]
    data: PathBuf,
    /// Built-in recipe, or the path of a .toml file
    #[arg(long, value_name = "NAME", default_value = "compact")]
    recipe: String,
    /// Recipe to compare with on the same folds
    #[arg(long, value_name = "NAME", default_value = "keras-tutorial")]
    baseline: String,
    /// Number of folds into which the patients are divided
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(3..))]
    folds: u16,
    /// Seed of the folds, the initial weights, the order of the images, augmentation and dropout
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: u64,
    /// Aim of the decision threshold: balanced, sensitivity>=X or specificity>=X
    #[arg(long, value_name = "AIM", default_value = "specificity>=0.975", value_parser = super::calibrate::parse_aim)]
    aim: Aim,
    /// Markdown file for the model card that describes typical mistakes
    #[arg(long, value_name = "FILE.md")]
    failures: Option<PathBuf>,
    /// Output folder; must be new or empty, or that of an interrupted run
    #[arg(long, value_name = "OUT", default_value = "runs/pretrained")]
    out: PathBuf,
    /// Number of teachers: networks whose mean output is learned instead of the labels
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=100))]
    teachers: u64,
    /// Epochs of the network that learns from the teachers [default: twice those of the recipe]
    #[arg(long, value_name = "N", requires = "teachers", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    student_epochs: Option<u64>,
    #[command(flatten)]
    sites: SiteArgs,
    /// Folder of sites that are only evaluated, DIR/SITE/{Parasitized,Uninfected,NotACell}; the model card contains the
    /// figures
    #[arg(long, value_name = "DIR")]
    test_sites: Option<PathBuf>,
    #[command(flatten)]
    labels: LabelArgs,
    #[command(flatten)]
    intervals: IntervalArgs,
}

impl PretrainArgs {
    /// Returns how the network learns from teachers; `None` if it learns from the labels.
    fn distillation(&self, recipe: &Recipe) -> Option<Distillation> {
        let epochs = self.student_epochs.unwrap_or_else(|| recipe.training.epochs.saturating_mul(2));
        (self.teachers > 0).then_some(Distillation { teachers: self.teachers, epochs })
    }
}

/// The largest description of mistakes that is read.
const MAX_FAILURES_BYTES: u64 = 1 << 20;

/// Trains the model, and writes it with its card.
pub fn run(args: PretrainArgs, context: &Context) -> anyhow::Result<Outcome> {
    // From now on, Ctrl-C is a request to stop after the current step.
    crate::interrupted();
    let failures = match &args.failures {
        Some(path) => read_text(path, MAX_FAILURES_BYTES).map_err(|error| Fault::Usage(error.to_string()))?,
        None => "Not described yet.".to_owned(),
    };
    let [recipe, baseline] = [&args.recipe, &args.baseline].map(|name| load_recipe(name, |_| {}));
    let (recipe, baseline) = (recipe?, baseline?);
    let path = args.out.join(format!("{}.safetensors", recipe.name));
    let card_path = args.out.join("MODEL_CARD.md");
    check_folder(&args.out, [&recipe, &baseline])?;
    check_destinations(&[path.clone(), card_path.clone()], args.failures.as_slice(), Replace::Any)?;
    let samples = find_all(&args.data, &args.labels, context)?;
    let Some((_, _, of_baseline)) = evaluate(&args, &baseline, samples.clone(), Role::Baseline, context)? else {
        return Ok(Outcome::Interrupted);
    };
    let Some((set, sites, of_recipe)) = evaluate(&args, &recipe, samples, Role::Recipe, context)? else {
        return Ok(Outcome::Interrupted);
    };
    let assessment = Assessment::of(&of_recipe, &of_baseline, args.aim, args.intervals.settings())?;
    let Some(mut model) = train_with_progress(&args, recipe.clone(), &set, sites.as_ref(), context)? else {
        return Ok(Outcome::Interrupted);
    };
    assessment.calibrate(&mut model);
    locate_healthy_cells(&mut model, &set)?;
    model.training_patients = patients(set.samples()).into_iter().map(str::to_owned).collect();
    let test_sites = match &args.test_sites {
        Some(folder) => evaluate_sites(&model, Tta::None, folder, &args.labels, context)?,
        None => Vec::new(),
    };
    let card = card(&args, &model, &assessment, [&recipe, &baseline], &failures, set.samples(), &test_sites)?;
    model.card = Some(card.clone());
    model.save(&path)?;
    write_atomically(&card_path, |file| file.write_all(card.as_bytes()))
        .with_context(|| card_path.display().to_string())?;
    print_line(&Context { quiet: false, ..*context }, &text(&assessment.metrics));
    print_line(context, &format!("Model: {}, model card: {}", escaped(path.display()), escaped(card_path.display())));
    assessment.weaknesses().iter().for_each(|weakness| print_note(format_args!("warning: {weakness}")));
    Ok(if set.unreadable().is_empty() { Outcome::Done } else { Outcome::SomeSkipped })
}

/// Checks that a folder is new or empty, or that an earlier run has begun to cross-validate one of the recipes in it.
fn check_folder(out: &Path, recipes: [&Recipe; 2]) -> Result<(), TrainError> {
    let is_begun = recipes.iter().any(|recipe| out.join(&recipe.name).join("settings.toml").exists());
    if is_begun { Ok(()) } else { RunFolder::check_free(out) }
}

/// What a recipe is cross-validated for.
enum Role {
    /// The model, with the images of other sites and the teachers.
    Recipe,
    /// A comparison, without them.
    Baseline,
}

/// Cross-validates a recipe in a folder of its own. Returns `None` if the user stopped it.
fn evaluate(
    args: &PretrainArgs,
    recipe: &Recipe,
    samples: Vec<Sample>,
    role: Role,
    context: &Context,
) -> anyhow::Result<Option<(Cache, Option<OtherSites>, OutOfFold)>> {
    print_line(context, &format!("Cross-validating the recipe {}.", recipe.name));
    let out = args.out.join(&recipe.name);
    let mut settings = CrossValidationSettings::new(&absolute(&args.data), recipe.clone());
    (settings.folds, settings.seed) = (args.folds.into(), args.seed);
    let set = read(samples, &args.data, &recipe.input, context)?;
    let sites = match role {
        Role::Recipe => {
            settings.distillation = args.distillation(recipe);
            args.sites.load(&args.labels.negative, &recipe.input, context)?
        }
        Role::Baseline => None,
    };
    let Some(out_of_fold) = run_folds(&settings, &set, sites.as_ref(), &out, context)? else { return Ok(None) };
    report(&settings, &out_of_fold, &out, args.intervals.settings(), &Context { quiet: true, ..*context })?;
    Ok(Some((set, sites, out_of_fold)))
}

/// Trains on all images with progress on standard output. Returns `None` if the user stopped it.
fn train_with_progress(
    args: &PretrainArgs,
    recipe: Recipe,
    set: &Cache,
    sites: Option<&OtherSites>,
    context: &Context,
) -> anyhow::Result<Option<Model>> {
    print_line(context, &format!("Training {} on all {} images.", recipe.name, set.samples().len()));
    let distillation = args.distillation(&recipe);
    let (settings, checkpoint) = (Settings::new(recipe, args.seed), args.out.join("last.safetensors"));
    let mut lines = Lines { context, evaluated_on: "seen", fold: None };
    let model = train_on_all(&settings, set, sites, distillation, &checkpoint, &mut lines).inspect_err(list_images)?;
    if model.is_none() {
        print_note("stopped; the same command continues from there");
    }
    Ok(model)
}

/// Writes the text of the model card.
fn card(
    args: &PretrainArgs,
    model: &Model,
    assessment: &Assessment,
    [recipe, baseline]: [&Recipe; 2],
    failures: &str,
    samples: &[Sample],
    test_sites: &[SiteRow],
) -> anyhow::Result<String> {
    let [negatives, not_cells] = args.sites.find(&args.labels.negative)?;
    let digest = |samples: &[Sample]| if samples.is_empty() { Ok(String::new()) } else { sha256_of_samples(samples) };
    let other_sites = OtherData {
        negatives: negatives.len(),
        negatives_sha256: digest(&negatives)?,
        not_cells: not_cells.len(),
        not_cells_sha256: digest(&not_cells)?,
    };
    let warnings: Vec<String> = assessment.weaknesses().iter().map(ToString::to_string).collect();
    Ok(model_card(
        model,
        &Card {
            data: &describe(samples)?,
            seed: args.seed,
            teachers: args
                .distillation(recipe)
                .map(|Distillation { teachers, .. }| Teachers { number: teachers, epochs: recipe.training.epochs }),
            folds: args.folds.into(),
            instruction_set: instruction_set().name(),
            metrics: &assessment.metrics,
            mistakes: &assessment.predictions.mistakes(),
            baseline: Some((&baseline.name, &assessment.comparison)),
            other_sites: (other_sites.negatives + other_sites.not_cells > 0).then_some(&other_sites),
            sites: &assessment.sites,
            test_sites,
            refused: assessment.refused,
            failures,
            warnings: &warnings,
        },
    )?)
}

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
