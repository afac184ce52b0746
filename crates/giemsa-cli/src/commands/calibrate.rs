//! `giemsa calibrate`: makes probabilities mean what they say, and chooses the decision threshold for an aim.

use crate::data::{PatientArgs, say};
use crate::model::{file_of, load};
use crate::scores::judge;
use crate::{Context, Outcome};
use anyhow::bail;
use giemsa::RESEARCH_ONLY;
use giemsa::classes::Class;
use giemsa::evaluate::calibration::{expected_calibration_error, fit_temperature, log_loss, reliability};
use giemsa::evaluate::threshold::{Aim, choose};
use giemsa::evaluate::{LabelledPrediction, check, check_both_classes, count, labelled_predictions};
use giemsa::model::Tta;
use giemsa::train::RunFolder;
use giemsa::train::folder::Part;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  giemsa calibrate --model runs/compact-1/model.safetensors data/calibration
  giemsa calibrate data/calibration --aim 'specificity>=0.99' --out strict.safetensors

Use patients that the model was not trained on, and judge it on yet others.
For research use only, not for diagnosis.";

/// Arguments of `giemsa calibrate`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct CalibrateArgs {
    /// A model file, or `builtin` for the built-in model, which needs --out. [default: builtin]
    #[arg(long, value_name = "MODEL", required_unless_present = "out")]
    model: Option<PathBuf>,
    /// A folder of class folders; of one with Train and Test in it, Test is taken.
    #[arg(value_name = "DIR")]
    data: PathBuf,
    /// What the threshold is for: balanced, sensitivity>=X or specificity>=X.
    #[arg(long, value_name = "AIM", default_value = "balanced", value_parser = parse_aim)]
    aim: Aim,
    /// Write the calibrated model here, instead of over the model file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    patients: PatientArgs,
}

/// Parses what a threshold is for.
pub fn parse_aim(text: &str) -> Result<Aim, String> {
    text.parse().map_err(|error: giemsa::evaluate::EvaluateError| error.to_string())
}

/// Fits the temperature, chooses the threshold, and stores both in the model file.
pub fn run(args: CalibrateArgs, context: &Context) -> anyhow::Result<Outcome> {
    let mut model = load(args.model.as_deref())?;
    let judged = judge(&model, Tta::None, &args.data, &args.patients, context)?;
    check(&judged.scored)?;
    check_both_classes(&judged.scored, "calibrate")?;
    let file = file_of(args.model.as_deref());
    if let Some(path) = file {
        warn_of_leaks(&judged.scored, path);
    }
    let classes: Vec<Class> = judged.scored.iter().map(|image| image.class).collect();
    let before = (model.temperature, judged.scored.clone());
    model.temperature = fit_temperature(&judged.logits, &classes) as f32;
    let calibrated = with_temperature(&judged.scored, &judged.logits, model.temperature);
    let threshold = choose(&calibrated, args.aim)?.threshold as f32;
    if threshold > 1.0 {
        bail!("expected a threshold for {}, found none that calls any image Parasitized", args.aim);
    }
    (model.threshold, model.threshold_aim) = (threshold, Some(args.aim.to_string()));
    let Some(out) = args.out.as_deref().or(file) else { bail!("the built-in model needs --out") };
    model.save(out)?;
    say_state(context, "before", before.0, &before.1);
    say_state(context, "after", model.temperature, &calibrated);
    let counts = count(&calibrated, threshold.into());
    let figure = |figure: Option<f64>| format!("{:.4}", figure.unwrap_or(f64::NAN));
    say(
        context,
        &format!(
            "Threshold {threshold:.4} for {}: on these images sensitivity {}, specificity {}.",
            args.aim,
            figure(counts.sensitivity()),
            figure(counts.specificity())
        ),
    );
    say(context, &format!("Stored in {}. {RESEARCH_ONLY}", out.display()));
    Ok(if judged.unreadable == 0 { Outcome::Done } else { Outcome::SomeSkipped })
}

/// The same images under another temperature.
fn with_temperature(images: &[LabelledPrediction], logits: &[f32], temperature: f32) -> Vec<LabelledPrediction> {
    let samples: Vec<_> = images
        .iter()
        .map(|image| giemsa::dataset::Sample {
            path: image.path.clone(),
            class: image.class,
            patient: image.patient.clone(),
        })
        .collect();
    labelled_predictions(&samples, logits, temperature)
}

fn say_state(context: &Context, when: &str, temperature: f32, images: &[LabelledPrediction]) {
    let error = 100.0 * expected_calibration_error(&reliability(images));
    let line = format!(
        "{when:<6}  temperature {temperature:.4}  loss {:.4}  expected calibration error {error:.2} %",
        log_loss(images)
    );
    say(context, &line);
}

/// Warns where the run that the model lies in says that it was trained on some of these patients.
fn warn_of_leaks(images: &[LabelledPrediction], model: &Path) {
    let Some(Ok(rows)) = model.parent().map(|folder| RunFolder::existing(folder).read_split()) else { return };
    let trained: BTreeSet<String> =
        rows.into_iter().filter(|row| row.part == Part::Training).filter_map(|row| row.patient).collect();
    let here: BTreeSet<&str> = images.iter().filter_map(|image| image.patient.as_deref()).collect();
    let common = here.iter().filter(|patient| trained.contains(**patient)).count();
    if common > 0 {
        eprintln!("warning: the model was trained on {common} of these {} patients: it will seem too sure", here.len());
    }
}
