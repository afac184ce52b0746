//! `giemsa calibrate`: calibrates the probabilities of a model, and chooses its decision threshold.

use crate::data::{LabelArgs, print_line};
use crate::model::{file_of, load};
use crate::predictions::predict_folder;
use crate::{Context, Outcome};
use anyhow::bail;
use giemsa::RESEARCH_ONLY;
use giemsa::evaluate::recalibration::{Calibration, Recalibrated, recalibrate};
use giemsa::evaluate::threshold::Aim;
use giemsa::evaluate::{LabelledPrediction, check};
use giemsa::model::{Model, Tta};
use giemsa::train::RunFolder;
use giemsa::train::folder::Part;
use std::collections::BTreeSet;
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
    /// Write the calibrated model to this file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Overwrite the model file.
    #[arg(long, requires = "model")]
    in_place: bool,
    #[command(flatten)]
    patients: LabelArgs,
}

/// Parses the aim of a threshold.
pub fn parse_aim(text: &str) -> Result<Aim, String> {
    text.parse().map_err(|error: giemsa::evaluate::EvaluateError| error.to_string())
}

/// Calibrates the model, writes it, and prints the calibration before and after.
pub fn run(args: CalibrateArgs, context: &Context) -> anyhow::Result<Outcome> {
    let file = file_of(args.model.as_deref());
    let Some(out) = args.out.as_deref().or(file) else {
        bail!("the built-in model cannot be overwritten; use --out FILE");
    };
    if out.exists() && Model::is_checkpoint(out).unwrap_or(false) {
        bail!("{} is a training checkpoint and would lose the state of its optimizer; use --out FILE", out.display());
    }
    let model = load(file)?;
    let predicted = predict_folder(&model, Tta::None, &args.data, &args.patients, context)?;
    check(&predicted.predictions)?;
    if let Some(path) = file {
        warn_about_leaks(&predicted.predictions, path);
    }
    let recalibrated = recalibrate(&model, &predicted.predictions, &predicted.logits, args.aim)?;
    recalibrated.model.save(out)?;
    print(&recalibrated, args.aim, context);
    print_line(context, &format!("Model: {}. {RESEARCH_ONLY}", out.display()));
    Ok(if predicted.unreadable == 0 { Outcome::Done } else { Outcome::SomeSkipped })
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
        eprintln!("warning: the expected calibration error did not decrease");
    }
    let rate = |rate: Option<f64>| rate.map_or("undefined".to_owned(), |rate| format!("{rate:.4}"));
    let (sensitivity, specificity) = (rate(after.counts.sensitivity()), rate(after.counts.specificity()));
    let threshold = after.threshold;
    let line = format!(
        "Threshold {threshold:.4} for {aim}: sensitivity {sensitivity}, specificity {specificity} on these images."
    );
    print_line(context, &line);
}

/// Warns if the run folder of the model lists some of these patients as training patients.
fn warn_about_leaks(images: &[LabelledPrediction], model: &Path) {
    let Some(Ok(rows)) = model.parent().map(|folder| RunFolder::existing(folder).read_split()) else { return };
    let trained: BTreeSet<String> =
        rows.into_iter().filter(|row| row.part == Part::Training).filter_map(|row| row.patient).collect();
    let here: BTreeSet<&str> = images.iter().filter_map(|image| image.patient.as_deref()).collect();
    let common = here.iter().filter(|patient| trained.contains(**patient)).count();
    if common > 0 {
        let all = here.len();
        eprintln!(
            "warning: the model was trained on {common} of these {all} patients, so the calibrated probabilities will \
             be overconfident"
        );
    }
}
