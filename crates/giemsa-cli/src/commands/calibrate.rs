//! `giemsa calibrate`: calibrates the probabilities of a model, and chooses its decision threshold.

use crate::data::LabelArgs;
use crate::exit::Fault;
use crate::model::{file_of, load};
use crate::predictions::{Accept, predict_folder, warn_about_leaks};
use crate::print::{escaped, print_line, print_note};
use crate::{Context, Outcome};
use anyhow::bail;
use giemsa::RESEARCH_ONLY;
use giemsa::evaluate::check;
use giemsa::evaluate::recalibration::{Calibration, Recalibrated, recalibrate};
use giemsa::evaluate::threshold::Aim;
use giemsa::model::{Model, Tta};
use giemsa::output::destination::{Replace, check_destinations};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  giemsa calibrate data/calibration --aim 'specificity>=0.99' --out strict.safetensors
  giemsa calibrate --model runs/compact-1/model.safetensors data/calibration --in-place

Use images of patients that the model was not trained on, and evaluate it on images of yet other patients.";

/// Arguments of `giemsa calibrate`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group(clap::ArgGroup::new("output").required(true).args(["out", "in_place"])))]
pub struct CalibrateArgs {
    /// Model file, or `builtin` for the built-in model [default: builtin]
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Folder of class folders; of Train and Test, Test is used
    #[arg(value_name = "DIR")]
    data: PathBuf,
    /// Aim of the threshold: balanced, sensitivity>=X or specificity>=X.
    #[arg(long, value_name = "AIM", default_value = "balanced", value_parser = parse_aim)]
    aim: Aim,
    /// Write the calibrated model to this new file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Overwrite the model file.
    #[arg(long, requires = "model")]
    in_place: bool,
    #[command(flatten)]
    patients: LabelArgs,
    /// Replace the file of --out if it is a model; a training checkpoint is never replaced.
    #[arg(long, requires = "out")]
    force: bool,
}

/// Parses the aim of a threshold.
pub fn parse_aim(text: &str) -> Result<Aim, String> {
    text.parse().map_err(|error: giemsa::evaluate::EvaluateError| error.to_string())
}

/// Calibrates the model, writes it, and prints the calibration before and after.
pub fn run(args: CalibrateArgs, context: &Context) -> anyhow::Result<Outcome> {
    let file = file_of(args.model.as_deref());
    let Some(out) = args.out.as_deref().or(file) else {
        return Err(Fault::Usage("the built-in model cannot be overwritten; use --out FILE".to_owned()).into());
    };
    let model = load(file)?;
    check_output(out, &args)?;
    let predicted = predict_folder(&model, Tta::None, &args.data, &args.patients, Accept::AnyImage, context)?;
    check(&predicted.predictions)?;
    warn_about_leaks(&model, file, &predicted.predictions, "the calibrated probabilities will be overconfident");
    let logits: Vec<f32> = predicted.logits.iter().map(|logits| logits.class).collect();
    let recalibrated = recalibrate(&model, &predicted.predictions, &logits, args.aim)?;
    recalibrated.model.save(out)?;
    print(&recalibrated, args.aim, context);
    print_line(context, &format!("Model: {}. {RESEARCH_ONLY}", escaped(out.display())));
    Ok(if predicted.unreadable == 0 { Outcome::Done } else { Outcome::SomeSkipped })
}

/// Checks that the model may be written to a file, which may be another name of a checkpoint.
fn check_output(out: &Path, args: &CalibrateArgs) -> anyhow::Result<()> {
    if !args.in_place {
        let inputs: Vec<PathBuf> = args.model.iter().chain(&args.patients.patients).cloned().collect();
        check_destinations(&[out.to_owned()], &inputs, Replace::Any)?;
    }
    if out.symlink_metadata().is_err() {
        return Ok(());
    }
    match Model::is_checkpoint(out) {
        Ok(false) if args.in_place || args.force => Ok(()),
        Ok(false) => {
            bail!("{}: this file exists; choose another name, or replace the model with --force", out.display())
        }
        Ok(true) => {
            bail!(
                "{} is a training checkpoint and would lose the state of its optimizer; use --out FILE",
                out.display()
            )
        }
        // It may be a damaged checkpoint.
        Err(error) => bail!("{error}; only a model is replaced, so choose another name"),
    }
}

fn print(recalibrated: &Recalibrated, aim: Aim, context: &Context) {
    let Recalibrated { before, after, .. } = recalibrated;
    for (when, calibration) in [("before", before), ("after", after)] {
        let Calibration { temperature, log_loss, .. } = calibration;
        let error = 100.0 * calibration.expected_calibration_error;
        let line = format!(
            "{when:<6}  temperature {temperature:.4}  loss {log_loss:.4}  expected calibration error {error:.2} %"
        );
        print_line(context, &line);
    }
    if after.expected_calibration_error >= before.expected_calibration_error {
        print_note("warning: the expected calibration error did not decrease");
    }
    let rate = |rate: Option<f64>| rate.map_or("undefined".to_owned(), |rate| format!("{rate:.4}"));
    let (sensitivity, specificity) = (rate(after.counts.sensitivity()), rate(after.counts.specificity()));
    let threshold = after.threshold;
    let line = format!(
        "Threshold {threshold:.4} for {aim}: sensitivity {sensitivity}, specificity {specificity} on these images."
    );
    print_line(context, &line);
}
