//! Temperature and decision threshold, fitted to predictions and cross-fitted by fold.

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

/// Calibrates every image with the operating point that [`fit`] finds on all folds except its own, so that metrics are
/// not optimistic because of the fit.
///
/// `threshold` applies to all images: the probabilities of each fold are rescaled so that the threshold of the fold is
/// mapped to `threshold`. This keeps their order within the fold.
///
/// # Errors
/// As [`fit`].
///
/// # Panics
/// If `fold_of` does not contain one fold per image.
pub fn cross_fit(
    predictions: &[LabelledPrediction],
    fold_of: &[usize],
    aim: Aim,
    threshold: f64,
) -> Result<Vec<LabelledPrediction>, EvaluateError> {
    assert_eq!(predictions.len(), fold_of.len(), "one fold per image");
    let folds = fold_of.iter().max().map_or(0, |last| last + 1);
    let points: Vec<OperatingPoint> = (0..folds)
        .map(|fold| {
            let others = predictions.iter().zip(fold_of).filter(|&(_, &of)| of != fold).map(|(image, _)| image.clone());
            fit(&others.collect::<Vec<_>>(), aim)
        })
        .collect::<Result<_, _>>()?;
    let calibrated = |(image, &fold): (&LabelledPrediction, &usize)| {
        let mut image = with_temperature(image, points[fold].temperature);
        image.probability_parasitized = rescale(image.probability_parasitized, points[fold].threshold, threshold);
        image
    };
    Ok(predictions.iter().zip(fold_of).map(calibrated).collect())
}

/// Computes the logit of a clipped probability of Parasitized.
fn logit(probability_parasitized: f64) -> f64 {
    Class::logit(probability_parasitized.clamp(CLIP, 1.0 - CLIP))
}

/// Divides the logit of a prediction of temperature 1 by a temperature.
fn with_temperature(image: &LabelledPrediction, temperature: f64) -> LabelledPrediction {
    let probability_parasitized = Class::probability_of_logit(logit(image.probability_parasitized) / temperature);
    LabelledPrediction { probability_parasitized, ..image.clone() }
}

/// Maps 0..`from` linearly to 0..`to`, and `from`..1 to `to`..1.
fn rescale(probability: f64, from: f64, to: f64) -> f64 {
    if probability >= from {
        let fraction = if from < 1.0 { (probability - from) / (1.0 - from) } else { 0.0 };
        to + fraction * (1.0 - to)
    } else {
        // Rounding must not map a probability just below one threshold onto the other.
        (probability / from * to).min(to.next_down())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(class: Class, probability_parasitized: f64) -> LabelledPrediction {
        LabelledPrediction { path: "x.png".into(), class, patient: None, probability_parasitized }
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

    #[test]
    fn each_fold_is_classified_with_the_threshold_of_the_others() {
        // The classes separate at 0.5 in fold 0, and at 0.8 in fold 1.
        let images = [
            image(Class::Parasitized, 0.6),
            image(Class::Uninfected, 0.4),
            image(Class::Parasitized, 0.9),
            image(Class::Uninfected, 0.7),
        ];
        let predicted: Vec<Class> = cross_fit(&images, &[0, 0, 1, 1], Aim::Balanced, 0.5)
            .unwrap()
            .iter()
            .map(|image| image.predicted_class(0.5))
            .collect();
        assert_eq!(predicted, [Class::Uninfected, Class::Uninfected, Class::Parasitized, Class::Parasitized]);
    }

    #[test]
    fn rescaling_keeps_the_predicted_class_the_order_and_the_limits() {
        for (p, expected) in [(0.0, 0.0), (0.4, 0.25), (0.8, 0.5), (0.9, 0.75), (1.0, 1.0)] {
            assert!((rescale(p, 0.8, 0.5) - expected).abs() < 1e-12, "{p}");
        }
        assert!(rescale(0.8_f64.next_down(), 0.8, 0.5) < 0.5);
        assert_eq!(rescale(1.0, 1.0, 0.5), 0.5);
    }
}
