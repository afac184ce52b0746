//! Temperature and decision threshold, fitted to predictions.

use super::calibration::fit_temperature;
use super::threshold::{Aim, choose};
use super::{EvaluateError, LabelledPrediction, check, check_both_classes};
use crate::classes::Class;

/// The parameters that turn the logit of a network into a predicted class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OperatingPoint {
    /// The logit is divided by this before the sigmoid.
    pub temperature: f64,
    /// An image is classified as Parasitized if its calibrated probability is at least this.
    pub threshold: f64,
}

/// Probabilities are clipped to this distance from 0 and 1, so that their logits are finite in single precision.
const CLIP: f64 = 1e-7;

/// Fits the temperature to predictions of temperature 1, then chooses the threshold for an aim.
///
/// # Errors
/// If there are no images, a probability is not in 0..=1, or a class has no images.
pub fn fit(predictions: &[LabelledPrediction], aim: Aim) -> Result<OperatingPoint, EvaluateError> {
    let logits: Vec<f32> = predictions.iter().map(|image| logit(image.probability_parasitized) as f32).collect();
    let calibrate = |temperature| predictions.iter().map(|image| with_temperature(image, temperature)).collect();
    fit_to_logits(predictions, &logits, aim, calibrate)
}

/// Fits the temperature to the logits of labelled images, then chooses the threshold for an aim on the probabilities that
/// `calibrate` returns for the temperature.
pub(super) fn fit_to_logits(
    predictions: &[LabelledPrediction],
    logits: &[f32],
    aim: Aim,
    calibrate: impl Fn(f64) -> Vec<LabelledPrediction>,
) -> Result<OperatingPoint, EvaluateError> {
    check(predictions)?;
    check_both_classes(predictions, "calibrate")?;
    let classes: Vec<Class> = predictions.iter().map(|image| image.class).collect();
    let temperature = fit_temperature(logits, &classes);
    Ok(OperatingPoint { temperature, threshold: choose(&calibrate(temperature), aim)?.threshold })
}

/// Computes the logit of a clipped probability of Parasitized.
pub(super) fn logit(probability_parasitized: f64) -> f64 {
    Class::logit(probability_parasitized.clamp(CLIP, 1.0 - CLIP))
}

/// Divides the logit of a prediction of temperature 1 by a temperature.
pub(super) fn with_temperature(image: &LabelledPrediction, temperature: f64) -> LabelledPrediction {
    let probability_parasitized = Class::probability_of_logit(logit(image.probability_parasitized) / temperature);
    LabelledPrediction { probability_parasitized, ..image.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(class: Class, probability_parasitized: f64) -> LabelledPrediction {
        LabelledPrediction {
            probability_red_cell: None,
            path: "x.png".into(),
            class,
            patient: None,
            probability_parasitized,
        }
    }

    /// Nine of ten images with a probability of 0.99 are classified correctly: overconfident by a temperature of
    /// ln 99 / ln 9 = 2.0913.
    fn overconfident() -> Vec<LabelledPrediction> {
        let both = |i: usize| {
            let (p, q) = if i == 0 { (0.01, 0.99) } else { (0.99, 0.01) };
            [image(Class::Parasitized, p), image(Class::Uninfected, q)]
        };
        (0..10).flat_map(both).collect()
    }

    #[test]
    fn the_temperature_makes_confidence_equal_to_accuracy() {
        let point = fit(&overconfident(), Aim::Balanced).unwrap();
        assert!((point.temperature - 99_f64.ln() / 9_f64.ln()).abs() < 1e-3, "{point:?}");
        assert!((with_temperature(&overconfident()[2], point.temperature).probability_parasitized - 0.9).abs() < 1e-3);
    }
}
