//! Recalibration of a model: a new temperature and decision threshold, with the metrics before and after.

use super::calibration::{expected_calibration_error, log_loss, reliability};
use super::clusters::Clusters;
use super::counts::Counts;
use super::healthy_cells::labelled_healthy_location;
use super::operating_point::fit_to_logits;
use super::threshold::Aim;
use super::{EvaluateError, LabelledPrediction, count};
use crate::classes::Class;
use crate::model::Model;

/// Temperature and threshold of a model, with their metrics on the calibration images.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Calibration {
    /// The logit is divided by this before the sigmoid.
    pub temperature: f32,
    /// An image is classified as Parasitized if its calibrated probability is at least this.
    pub threshold: f32,
    /// Mean binary cross-entropy, in nats.
    pub log_loss: f64,
    /// Expected calibration error, in 0..=1.
    pub expected_calibration_error: f64,
    /// True and false positives and negatives at the threshold.
    pub counts: Counts,
}

/// A recalibrated model.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Recalibrated {
    /// The model with the new temperature and threshold, and a note in its card.
    pub model: Model,
    /// The calibration of the original model.
    pub before: Calibration,
    /// The calibration of the new model. It is optimistic, because it was fitted to the same images.
    pub after: Calibration,
}

/// Fits the temperature of a model to labelled logits, and chooses its decision threshold for an aim.
///
/// `images` are the labelled images, whose probabilities are not used, and `logits` the outputs of the network for them. A
/// note at the top of the model card marks its metrics as those of the previous threshold. The location of the healthy cells
/// becomes that of these images, to which the threshold belongs. The error rates become unknown: those of the previous
/// threshold do not hold any more, and those of these images are optimistic, because the threshold was chosen on them.
///
/// # Errors
/// If there are no images of one of the classes, or no threshold up to 1 achieves the aim.
///
/// # Panics
/// If there is not one logit per image.
pub fn recalibrate(
    model: &Model,
    images: &[LabelledPrediction],
    logits: &[f32],
    aim: Aim,
) -> Result<Recalibrated, EvaluateError> {
    assert_eq!(images.len(), logits.len(), "one logit per image");
    let at = |temperature: f32| with_temperature(images, logits, temperature);
    let original = at(model.temperature);
    let point = fit_to_logits(&original, logits, aim, |temperature| at(temperature as f32))?;
    let (temperature, threshold) = (point.temperature as f32, point.threshold as f32);
    // In single precision, a threshold just above 1 would be 1.
    if point.threshold > 1.0 {
        return Err(EvaluateError::NoThreshold { aim });
    }
    let mut calibrated = model.clone();
    (calibrated.temperature, calibrated.threshold) = (temperature, threshold);
    calibrated.threshold_aim = Some(aim.to_string());
    calibrated.error_rates = None;
    calibrated.healthy_logit = labelled_healthy_location(&at(temperature));
    calibrated.card = model.card.as_deref().map(|card| annotate(card, model, &calibrated, &original));
    Ok(Recalibrated {
        before: calibration(&original, model.temperature, model.threshold),
        after: calibration(&at(temperature), temperature, threshold),
        model: calibrated,
    })
}

fn with_temperature(images: &[LabelledPrediction], logits: &[f32], temperature: f32) -> Vec<LabelledPrediction> {
    let calibrated = |(image, &logit): (&LabelledPrediction, &f32)| LabelledPrediction {
        probability_parasitized: Class::probability_parasitized(logit / temperature).into(),
        ..image.clone()
    };
    images.iter().zip(logits).map(calibrated).collect()
}

fn calibration(predictions: &[LabelledPrediction], temperature: f32, threshold: f32) -> Calibration {
    Calibration {
        temperature,
        threshold,
        log_loss: log_loss(predictions),
        expected_calibration_error: expected_calibration_error(&reliability(predictions)),
        counts: count(predictions, threshold.into()),
    }
}

/// The beginnings of the two lines of the note in a card.
const NOTE: &str = "> **Recalibrated:** ";
const NOTE_ON_METRICS: &str = "> The metrics below are those of the previous ";

/// Inserts a note below the title of a card. A note of an earlier recalibration is replaced, but its second line, which
/// contains the temperature and threshold of the metrics in the card, is kept.
fn annotate(card: &str, before: &Model, after: &Model, images: &[LabelledPrediction]) -> String {
    let patients = Clusters::by_patient(images).patients().map(|count| format!(" of {}", number_of(count, "patient")));
    let note = format!(
        "{NOTE}temperature {:.4}, threshold {:.4}, chosen for {} on {}{}.",
        after.temperature,
        after.threshold,
        after.threshold_aim.as_deref().unwrap_or_default(),
        number_of(images.len(), "image"),
        patients.unwrap_or_default()
    );
    let on_metrics = card.lines().find(|line| line.starts_with(NOTE_ON_METRICS)).map_or_else(
        || format!("{NOTE_ON_METRICS}temperature {:.4} and threshold {:.4}.", before.temperature, before.threshold),
        str::to_owned,
    );
    let is_note = |line: &&str| line.starts_with(NOTE) || line.starts_with(NOTE_ON_METRICS);
    let rest: Vec<&str> =
        card.lines().skip_while(|line| line.starts_with("# ") || line.is_empty() || is_note(line)).collect();
    let title = card.lines().find(|line| line.starts_with("# ")).map(|line| format!("{line}\n\n")).unwrap_or_default();
    format!("{title}{note}\n{on_metrics}\n\n{}\n", rest.join("\n"))
}

fn number_of(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CellErrors, Recipe};
    use crate::nn::Network;
    use Class::{Parasitized, Uninfected};

    const CARD: &str = "# Model card: linear\n\nText.\n\n| threshold | 0.5000 |\n";

    fn model() -> Model {
        let text = "name = 'linear'
            layers = [{ kind = 'flatten' }, { kind = 'dense', units = 1, activation = 'sigmoid' }]
            input = { side_px = 2, resize = 'stretch_nearest' }
            training = { epochs = 1, batch_size = 1, learning_rate = 0.1 }";
        let recipe = Recipe::parse(text, "linear").unwrap();
        let network = Network::new(recipe.input_shape(), &recipe.layers, 0).unwrap();
        Model { card: Some(CARD.to_owned()), ..Model::new(recipe, network) }
    }

    /// Four patients with one image of each class; the logit of Uninfected is positive.
    fn labelled() -> (Vec<LabelledPrediction>, Vec<f32>) {
        let image = |(i, class)| LabelledPrediction {
            probability_red_cell: None,
            path: format!("{i}.png").into(),
            class,
            patient: Some(format!("C{}", i / 2)),
            probability_parasitized: 0.5,
        };
        let classes =
            [Parasitized, Uninfected, Parasitized, Uninfected, Parasitized, Uninfected, Uninfected, Parasitized];
        let logits = vec![-2.0, 2.0, -2.0, 2.0, -2.0, 2.0, -2.0, 2.0];
        (classes.into_iter().enumerate().map(image).collect(), logits)
    }

    #[test]
    fn the_temperature_matches_hand_arithmetic() {
        let (images, logits) = labelled();
        let found = recalibrate(&model(), &images, &logits, Aim::Balanced).unwrap();
        // Three of four images are correct at |logit| 2, so sigmoid(2 / T) = 3/4 and T = 2 / ln 3.
        assert!((f64::from(found.model.temperature) - 2.0 / 3f64.ln()).abs() < 1e-5, "{found:?}");
        // Before, the probability is sigmoid(2) = 0.8808 and the fraction 0.75; after, both are 0.75.
        assert!((found.before.expected_calibration_error - 0.1308).abs() < 1e-4, "{:?}", found.before);
        assert!(found.after.expected_calibration_error < 1e-5, "{:?}", found.after);
        assert!(found.after.log_loss < found.before.log_loss);
        assert_eq!((found.after.counts.true_positives, found.after.counts.false_positives), (3, 1));
    }

    #[test]
    fn the_card_marks_its_metrics_as_those_of_the_previous_threshold() {
        let (images, logits) = labelled();
        let once = recalibrate(&model(), &images, &logits, Aim::Balanced).unwrap().model;
        let expected = "# Model card: linear\n\n\
            > **Recalibrated:** temperature 1.8205, threshold 0.5000, chosen for best balance of sensitivity and \
            specificity on 8 images of 4 patients.\n\
            > The metrics below are those of the previous temperature 1.0000 and threshold 0.5000.\n\n\
            Text.\n\n| threshold | 0.5000 |\n";
        assert_eq!(once.card.as_deref(), Some(expected));
        // The metrics are still those of the original threshold after another recalibration.
        let aim = Aim::SpecificityAtLeast(0.5);
        let twice = recalibrate(&once, &images, &logits, aim).unwrap().model.card.unwrap();
        assert_eq!(twice.matches("Recalibrated").count(), 1);
        assert!(twice.contains("specificity at least 0.5 on 8 images"), "{twice}");
        assert!(twice.contains("previous temperature 1.0000 and threshold 0.5000"), "{twice}");
        assert!(twice.ends_with("\n\nText.\n\n| threshold | 0.5000 |\n"), "{twice}");
    }

    #[test]
    fn forgets_the_error_rates_and_locates_the_healthy_cells_of_the_images() {
        let (images, logits) = labelled();
        let errors = CellErrors { sensitivity: 0.9, false_positive_rate: 0.1, between_patients: None };
        let model = Model { error_rates: Some(errors), healthy_logit: Some(-9.0), ..model() };
        let found = recalibrate(&model, &images, &logits, Aim::Balanced).unwrap().model;
        assert_eq!(found.error_rates, None);
        // The logits of Parasitized of the healthy cells are -2, -2, -2 and 2, divided by the temperature 2 / ln 3.
        assert!((found.healthy_logit.unwrap() + 3_f32.ln()).abs() < 1e-5, "{:?}", found.healthy_logit);
    }

    #[test]
    fn a_model_without_a_card_gets_none() {
        let (images, logits) = labelled();
        let model = Model { card: None, ..model() };
        assert_eq!(recalibrate(&model, &images, &logits, Aim::Balanced).unwrap().model.card, None);
    }

    #[test]
    fn rejects_an_aim_that_allows_no_positives() {
        let (mut images, _) = labelled();
        images
            .iter_mut()
            .for_each(|image| image.class = if image.class == Uninfected { Parasitized } else { Uninfected });
        let error = recalibrate(&model(), &images[..2], &[-2000.0, 2000.0], Aim::SpecificityAtLeast(1.0)).unwrap_err();
        assert!(matches!(error, EvaluateError::NoThreshold { .. }), "{error}");
    }
}
