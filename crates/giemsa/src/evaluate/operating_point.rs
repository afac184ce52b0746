//! Temperature and decision threshold, fitted on predictions.

use super::calibration::fit_temperature;
use super::threshold::{Aim, choose};
use super::{EvaluateError, LabelledPrediction};
use crate::classes::Class;

/// The parameters that turn a logit of the network into a decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OperatingPoint {
    /// Divides the logit before the sigmoid.
    pub temperature: f64,
    /// Images with at least this calibrated probability of Parasitized are classified as Parasitized.
    pub threshold: f64,
}

/// Probabilities nearer to 0 or 1 have no finite logit in single precision.
const NEAREST: f64 = 1e-7;

/// Fits the temperature to uncalibrated predictions, and then chooses the threshold for an aim.
///
/// # Errors
/// If a probability is not in 0..=1, or a class has no images.
pub fn fit(scored: &[LabelledPrediction], aim: Aim) -> Result<OperatingPoint, EvaluateError> {
    super::check(scored)?;
    super::check_both_classes(scored, "calibrate")?;
    let logits: Vec<f32> = scored.iter().map(|image| logit(image.probability_parasitized) as f32).collect();
    let classes: Vec<Class> = scored.iter().map(|image| image.class).collect();
    let temperature = fit_temperature(&logits, &classes);
    let calibrated: Vec<LabelledPrediction> = scored.iter().map(|image| with_temperature(image, temperature)).collect();
    Ok(OperatingPoint { temperature, threshold: choose(&calibrated, aim)?.threshold })
}

/// Returns the logit of Uninfected, the class with index 1.
fn logit(probability_parasitized: f64) -> f64 {
    let probability = probability_parasitized.clamp(NEAREST, 1.0 - NEAREST);
    ((1.0 - probability) / probability).ln()
}

/// Divides the logit of a prediction by a temperature.
pub(super) fn with_temperature(image: &LabelledPrediction, temperature: f64) -> LabelledPrediction {
    let probability_parasitized = 1.0 / (1.0 + (logit(image.probability_parasitized) / temperature).exp());
    LabelledPrediction { probability_parasitized, ..image.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(class: Class, probability_parasitized: f64) -> LabelledPrediction {
        LabelledPrediction { path: "x.png".into(), class, patient: None, probability_parasitized }
    }

    /// Predictions with p = 0.99 of which nine in ten are correct: overconfident by a temperature of ln 99 / ln 9 = 2.0913.
    fn overconfident() -> Vec<LabelledPrediction> {
        let both = |i: usize| {
            let (p, q) = if i == 0 { (0.01, 0.99) } else { (0.99, 0.01) };
            [image(Class::Parasitized, p), image(Class::Uninfected, q)]
        };
        (0..10).flat_map(both).collect()
    }

    #[test]
    fn fits_the_temperature_at_which_confidence_equals_accuracy() {
        let point = fit(&overconfident(), Aim::Balanced).unwrap();
        assert!((point.temperature - 99_f64.ln() / 9_f64.ln()).abs() < 1e-3, "{point:?}");
        assert!((with_temperature(&overconfident()[2], point.temperature).probability_parasitized - 0.9).abs() < 1e-3);
    }
}
