//! `giemsa cross-validate`: evaluates a recipe on every image, each by a network that has not seen its patient.

use super::evaluate::{IntervalArgs, text};
use super::train::load_recipe;
use crate::data::{LabelArgs, SiteArgs, absolute, list_images, patients};
use crate::predictions::{find_all, read};
use crate::print::{escaped, print_line, print_note};
use crate::{Context, Outcome, number_of};
use giemsa::dataset::Cache;
use giemsa::dataset::sites::OtherSites;
use giemsa::evaluate::bootstrap;
use giemsa::evaluate::metrics::Metrics;
use giemsa::report::cross_validation::{spread_lines, write_report};
use giemsa::train::cross_validation::{
    CrossValidationSettings, FoldObserver, FoldReport, FoldsSummary, OutOfFold, THRESHOLD, cross_validate,
};
use giemsa::train::{EpochRow, Observer, Stage, StepReport};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  giemsa cross-validate data/cell_images
  giemsa cross-validate data/cell_images --folds 10 --recipe my.toml --out runs/mine

After an interruption, the same command continues where it stopped. Nothing is chosen on the held-out fold: its network \
is that of the last epoch.";

/// Arguments of `giemsa cross-validate`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct CrossValidateArgs {
    /// Folder of class folders; of Train and Test, the images of both are used
    #[arg(value_name = "DIR")]
    data: PathBuf,
    /// Number of folds into which the patients are divided
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(2..))]
    folds: u16,
    /// Built-in recipe, or the path of a .toml file
    #[arg(long, value_name = "NAME", default_value = "compact")]
    recipe: String,
    /// Number of epochs [default: as in the recipe]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    epochs: Option<u64>,
    /// Seed of the folds, the initial weights, the order of the images, augmentation and dropout
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: u64,
    /// Folder for the folds and the report [default: runs/cross-validation-RECIPE]
    #[arg(long, value_name = "OUT")]
    out: Option<PathBuf>,
    #[command(flatten)]
    sites: SiteArgs,
    #[command(flatten)]
    labels: LabelArgs,
    #[command(flatten)]
    intervals: IntervalArgs,
}

/// Trains and evaluates the folds, then evaluates all out-of-fold predictions together.
pub fn run(args: CrossValidateArgs, context: &Context) -> anyhow::Result<Outcome> {
    // From now on, Ctrl-C is a request to stop after the current step.
    crate::interrupted();
    let recipe = load_recipe(&args.recipe, |recipe| {
        recipe.training.epochs = args.epochs.unwrap_or(recipe.training.epochs);
    })?;
    let name = recipe.name.clone();
    let out = args.out.clone().unwrap_or_else(|| Path::new("runs").join(format!("cross-validation-{name}")));
    let mut settings = CrossValidationSettings::new(&absolute(&args.data), recipe);
    (settings.folds, settings.seed) = (args.folds.into(), args.seed);
    let samples = find_all(&args.data, &args.labels, context)?;
    let set = read(samples, &args.data, &settings.recipe.input, context)?;
    let sites = args.sites.load(&args.labels.negative, &settings.recipe.input, context)?;
    let Some(out_of_fold) = run_folds(&settings, &set, sites.as_ref(), &out, context)? else {
        return Ok(Outcome::Interrupted);
    };
    report(&settings, &out_of_fold, &out, args.intervals.settings(), context)?;
    Ok(if set.unreadable().is_empty() { Outcome::Done } else { Outcome::SomeSkipped })
}

/// Cross-validates with progress on standard output. Returns `None` if the user stopped it.
pub fn run_folds(
    settings: &CrossValidationSettings,
    set: &Cache,
    sites: Option<&OtherSites>,
    out: &Path,
    context: &Context,
) -> anyhow::Result<Option<OutOfFold>> {
    let count = patients(set.samples()).len();
    let mut lines = Lines { context, evaluated_on: "held out", fold: None };
    print_line(context, &format!("{} in {} folds.", number_of(count, "patient"), settings.folds));
    let result = cross_validate(settings, set, sites, out, &mut lines);
    let out_of_fold = result.inspect_err(list_images)?;
    if let (None, Some(fold)) = (&out_of_fold, lines.fold) {
        print_note(format_args!("stopped in fold {fold}; the same command continues from there"));
    }
    Ok(out_of_fold)
}

/// Writes the report of all folds together, and prints the metrics and their spread over the folds.
pub fn report(
    settings: &CrossValidationSettings,
    out_of_fold: &OutOfFold,
    out: &Path,
    intervals: bootstrap::Settings,
    context: &Context,
) -> anyhow::Result<()> {
    let metrics = Metrics::compute(&out_of_fold.predictions, THRESHOLD, intervals)?;
    let summary = FoldsSummary::of(out_of_fold)?;
    write_report(out, settings, out_of_fold, &metrics, &summary)?;
    let result = Context { quiet: false, ..*context };
    print_line(&result, &format!("\n{}\nMean and standard deviation over {} folds:", text(&metrics), settings.folds));
    spread_lines(&summary.spread).iter().for_each(|line| print_line(&result, line));
    print_line(context, &format!("Report: {}", escaped(out.join("index.html").display())));
    Ok(())
}

/// Prints one line per epoch, and stops on Ctrl-C.
pub struct Lines<'a> {
    pub context: &'a Context,
    /// The images on which the epochs are evaluated: "held out" or "seen".
    pub evaluated_on: &'static str,
    /// The fold that is being trained.
    pub fold: Option<usize>,
}

impl Observer for Lines<'_> {
    fn stage(&mut self, stage: Stage) {
        let text = match stage {
            Stage::Teacher { number, teachers } => format!(" Teacher {number} of {teachers}."),
            _ => " The network that learns from the teachers.".to_owned(),
        };
        print_line(self.context, &text);
    }

    fn step(&mut self, _: &StepReport) -> ControlFlow<()> {
        if crate::interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn epoch(&mut self, history: &[EpochRow]) -> ControlFlow<()> {
        if let Some(row) = history.last() {
            let EpochRow { epoch, loss, val_loss, val_acc, .. } = row;
            let on = self.evaluated_on;
            print_line(
                self.context,
                &format!("  epoch {epoch}  loss {loss:.4}  {on}: loss {val_loss:.4}, acc {val_acc:.4}"),
            );
        }
        ControlFlow::Continue(())
    }
}

impl FoldObserver for Lines<'_> {
    fn fold(&mut self, report: &FoldReport) {
        self.fold = Some(report.fold);
        let FoldReport { fold, training, held_out, .. } = report;
        print_line(self.context, &format!("Fold {fold}: {training} training images, {held_out} held out."));
    }
}
