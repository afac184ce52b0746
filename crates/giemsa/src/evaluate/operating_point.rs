//! Temperature and threshold fitted on out-of-fold predictions, and figures that have not seen what they were fitted on.

use super::calibration::fit_temperature;
use super::threshold::{Aim, choose};
use super::{EvaluateError, LabelledPrediction};
use crate::classes::Class;

/// What turns a network's logit into a decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OperatingPoint {
    /// Divides the logit before the sigmoid.
    pub temperature: f64,
    /// From this calibrated probability of Parasitized up, an image is called so.
    pub threshold: f64,
}

/// Probabilities nearer to 0 or 1 have no finite logit in single precision.
const NEAREST: f64 = 1e-7;

/// Fits the temperature to predictions of temperature 1, and then chooses the threshold for an aim.
///
/// # Errors
/// When a probability is not one, or a class has no images.
pub fn fit(scored: &[LabelledPrediction], aim: Aim) -> Result<OperatingPoint, EvaluateError> {
    super::check(scored)?;
    super::check_both_classes(scored, "calibrate")?;
    let logits: Vec<f32> = scored.iter().map(|image| logit(image.probability_parasitized) as f32).collect();
    let classes: Vec<Class> = scored.iter().map(|image| image.class).collect();
    let temperature = fit_temperature(&logits, &classes);
    let calibrated: Vec<LabelledPrediction> = scored.iter().map(|image| with_temperature(image, temperature)).collect();
    Ok(OperatingPoint { temperature, threshold: choose(&calibrated, aim)?.threshold })
}

/// Every image calibrated and decided by what was [`fit`] on all folds but its own, so that figures do not profit from
/// the fitting. `threshold` holds for all: probabilities below and above the fold's own threshold are stretched to lie
/// below and above this one, which keeps their order within the fold.
///
/// # Errors
/// As [`fit`].
///
/// # Panics
/// When there is not one fold an image.
pub fn cross_fit(
    scored: &[LabelledPrediction],
    fold_of: &[usize],
    aim: Aim,
    threshold: f64,
) -> Result<Vec<LabelledPrediction>, EvaluateError> {
    assert_eq!(scored.len(), fold_of.len(), "one fold an image");
    let folds = fold_of.iter().max().map_or(0, |last| last + 1);
    let points: Vec<OperatingPoint> = (0..folds)
        .map(|fold| {
            let others = scored.iter().zip(fold_of).filter(|&(_, &of)| of != fold).map(|(image, _)| image.clone());
            fit(&others.collect::<Vec<_>>(), aim)
        })
        .collect::<Result<_, _>>()?;
    let decided = |(image, &fold): (&LabelledPrediction, &usize)| {
        let mut image = with_temperature(image, points[fold].temperature);
        image.probability_parasitized = moved(image.probability_parasitized, points[fold].threshold, threshold);
        image
    };
    Ok(scored.iter().zip(fold_of).map(decided).collect())
}

/// The logit of Uninfected, the class of index 1.
fn logit(probability_parasitized: f64) -> f64 {
    let probability = probability_parasitized.clamp(NEAREST, 1.0 - NEAREST);
    ((1.0 - probability) / probability).ln()
}

fn with_temperature(image: &LabelledPrediction, temperature: f64) -> LabelledPrediction {
    let probability_parasitized = 1.0 / (1.0 + (logit(image.probability_parasitized) / temperature).exp());
    LabelledPrediction { probability_parasitized, ..image.clone() }
}

/// 0..`from` stretched to 0..`to`, and `from`..1 to `to`..1.
fn moved(probability: f64, from: f64, to: f64) -> f64 {
    if probability >= from {
        let share = if from < 1.0 { (probability - from) / (1.0 - from) } else { 0.0 };
        to + share * (1.0 - to)
    } else {
        // Rounding must not lift what lies just below the one threshold onto the other.
        (probability / from * to).min(to.next_down())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(class: Class, probability_parasitized: f64) -> LabelledPrediction {
        LabelledPrediction { path: "x.png".into(), class, patient: None, probability_parasitized }
    }

    /// Nine in ten right at 0.99: too sure, by a temperature of ln 99 / ln 9 = 2.0913.
    fn too_sure() -> Vec<LabelledPrediction> {
        let both = |i: usize| {
            let (p, q) = if i == 0 { (0.01, 0.99) } else { (0.99, 0.01) };
            [image(Class::Parasitized, p), image(Class::Uninfected, q)]
        };
        (0..10).flat_map(both).collect()
    }

    #[test]
    fn the_temperature_makes_what_is_too_sure_as_sure_as_it_is_right() {
        let point = fit(&too_sure(), Aim::Balanced).unwrap();
        assert!((point.temperature - 99_f64.ln() / 9_f64.ln()).abs() < 1e-3, "{point:?}");
        assert!((with_temperature(&too_sure()[2], point.temperature).probability_parasitized - 0.9).abs() < 1e-3);
    }

    #[test]
    fn a_fold_is_decided_by_what_the_others_ask_for() {
        // In fold 0 the classes part at 0.5, in fold 1 at 0.8: each is decided where the other one parts.
        let images = [
            image(Class::Parasitized, 0.6),
            image(Class::Uninfected, 0.4),
            image(Class::Parasitized, 0.9),
            image(Class::Uninfected, 0.7),
        ];
        let called: Vec<Class> = cross_fit(&images, &[0, 0, 1, 1], Aim::Balanced, 0.5)
            .unwrap()
            .iter()
            .map(|image| image.called(0.5))
            .collect();
        assert_eq!(called, [Class::Uninfected, Class::Uninfected, Class::Parasitized, Class::Parasitized]);
    }

    #[test]
    fn moving_a_threshold_keeps_sides_order_and_ends() {
        for (p, expected) in [(0.0, 0.0), (0.4, 0.25), (0.8, 0.5), (0.9, 0.75), (1.0, 1.0)] {
            assert!((moved(p, 0.8, 0.5) - expected).abs() < 1e-12, "{p}");
        }
        assert!(moved(0.8_f64.next_down(), 0.8, 0.5) < 0.5);
        assert_eq!(moved(1.0, 1.0, 0.5), 0.5);
    }
}
