//! Calibration of probabilities: reliability diagram, calibration error, Brier score, log loss and temperature scaling.

use super::LabelledPrediction;
use super::loss::mean_cross_entropy;
use crate::classes::Class;
use serde::{Deserialize, Serialize};

/// The number of bins of the calibration error and the reliability diagram.
pub const BINS: usize = 15;

/// One bin of the reliability diagram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Lower limit of the probability; included.
    pub from: f64,
    /// Upper limit of the probability; excluded, except in the last bin.
    pub to: f64,
    /// Number of images in the bin.
    pub images: u64,
    /// Mean predicted probability of Parasitized; `None` without images.
    pub mean_probability: Option<f64>,
    /// Fraction of the images that are Parasitized; `None` without images.
    pub parasitized: Option<f64>,
}

/// Returns the index of the bin that contains a probability.
#[must_use]
pub fn bin_index(probability: f64) -> usize {
    ((probability * BINS as f64) as usize).min(BINS - 1)
}

/// Computes the reliability diagram: [`BINS`] bins of equal width over the probability of Parasitized.
#[must_use]
pub fn reliability(predictions: &[LabelledPrediction]) -> Vec<Bin> {
    let mut sums = [(0u64, 0.0, 0u64); BINS];
    for image in predictions {
        let (images, probability, parasitized) = &mut sums[bin_index(image.probability_parasitized)];
        *images += 1;
        *probability += image.probability_parasitized;
        *parasitized += u64::from(image.class.is_positive());
    }
    let bin = |(index, (images, probability, parasitized)): (usize, (u64, f64, u64))| Bin {
        from: index as f64 / BINS as f64,
        to: (index + 1) as f64 / BINS as f64,
        images,
        mean_probability: (images > 0).then(|| probability / images as f64),
        parasitized: (images > 0).then(|| parasitized as f64 / images as f64),
    };
    sums.into_iter().enumerate().map(bin).collect()
}

/// Computes the expected calibration error: the mean over the bins, weighted by their images, of the absolute difference
/// between the mean probability of Parasitized and the fraction that is Parasitized (Naeini, Cooper and Hauskrecht 2015,
/// "Obtaining well calibrated probabilities using Bayesian binning", equation 1; here for the positive class).
#[must_use]
pub fn expected_calibration_error(bins: &[Bin]) -> f64 {
    let images: u64 = bins.iter().map(|bin| bin.images).sum();
    let gap = |bin: &Bin| Some(bin.images as f64 * (bin.mean_probability? - bin.parasitized?).abs());
    bins.iter().filter_map(gap).sum::<f64>() / images.max(1) as f64
}

/// Computes the Brier score: the mean squared difference between the probability of Parasitized and 1 for Parasitized, 0
/// for Uninfected images (Brier 1950, "Verification of forecasts expressed in terms of probability", equation 2, summed
/// over one class only, as in scikit-learn's `brier_score_loss`).
#[must_use]
pub fn brier_score(predictions: &[LabelledPrediction]) -> f64 {
    let square = |image: &LabelledPrediction| (1.0 - image.probability_of_true_class()).powi(2);
    predictions.iter().map(square).sum::<f64>() / predictions.len().max(1) as f64
}

/// Computes the mean binary cross-entropy of probabilities, in nats. Probabilities are clipped to the machine epsilon, as in
/// scikit-learn's `log_loss`.
#[must_use]
pub fn log_loss(predictions: &[LabelledPrediction]) -> f64 {
    let clip = |probability: f64| probability.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
    let loss = |image: &LabelledPrediction| -clip(image.probability_of_true_class()).ln();
    predictions.iter().map(loss).sum::<f64>() / predictions.len().max(1) as f64
}

/// The search range of [`fit_temperature`].
pub const TEMPERATURES: std::ops::RangeInclusive<f64> = 0.05..=20.0;

/// Computes the temperature within [`TEMPERATURES`] that minimizes the mean cross-entropy of logits divided by it (Guo et
/// al. 2017, "On calibration of modern neural networks", section 4.2 and equation 9).
///
/// The cross-entropy is convex in 1/T and therefore unimodal in ln T, so a golden-section search over ln T finds the
/// minimum. If the logits separate the classes, the result is the lower end of the range.
#[must_use]
pub fn fit_temperature(logits: &[f32], classes: &[Class]) -> f64 {
    let loss = |ln_temperature: f64| mean_cross_entropy(logits, classes, ln_temperature.exp());
    let (mut low, mut high) = (TEMPERATURES.start().ln(), TEMPERATURES.end().ln());
    let golden = (5f64.sqrt() - 1.0) / 2.0;
    let (mut left, mut right) = (high - golden * (high - low), low + golden * (high - low));
    let (mut loss_left, mut loss_right) = (loss(left), loss(right));
    while high - low > 1e-7 {
        if loss_left <= loss_right {
            (high, right, loss_right) = (right, left, loss_left);
            left = high - golden * (high - low);
            loss_left = loss(left);
        } else {
            (low, left, loss_left) = (left, right, loss_right);
            right = low + golden * (high - low);
            loss_right = loss(right);
        }
    }
    ((low + high) / 2.0).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Class::{Parasitized, Uninfected};

    fn image(class: Class, probability_parasitized: f64) -> LabelledPrediction {
        LabelledPrediction {
            probability_red_cell: None,
            path: "cell.png".into(),
            class,
            patient: None,
            probability_parasitized,
        }
    }

    #[test]
    fn bins_include_their_lower_limit_and_the_last_bin_includes_one() {
        assert_eq!([0.0, 0.05, 0.2, 0.999, 1.0].map(bin_index), [0, 0, 3, 14, 14]);
    }

    #[test]
    fn brier_score_and_calibration_error_match_hand_arithmetic() {
        let images =
            [image(Parasitized, 0.9), image(Parasitized, 0.92), image(Uninfected, 0.92), image(Uninfected, 0.1)];
        // Squares: 0.01, 0.0064, 0.8464, 0.01.
        assert!((brier_score(&images) - 0.8728 / 4.0).abs() < 1e-15);
        // Bin 13 (0.8667..0.9333) has three images, mean 2.74/3 against 2/3; bin 1 has one, 0.1 against 0.
        let error = expected_calibration_error(&reliability(&images));
        assert!((error - (3.0 * (2.74 / 3.0 - 2.0 / 3.0) + 0.1) / 4.0).abs() < 1e-15, "{error}");
    }

    #[test]
    fn the_loss_of_a_certain_error_is_finite() {
        let loss = log_loss(&[image(Uninfected, 1.0)]);
        assert!((loss - 36.04365338911715).abs() < 1e-9, "{loss}");
    }

    #[test]
    fn the_temperature_matches_hand_arithmetic() {
        // Three of four images with logit 2 are Uninfected: the loss is smallest for sigmoid(2 / T) = 3/4, so
        // T = 2 / ln 3.
        let temperature = fit_temperature(&[2.0; 4], &[Uninfected, Uninfected, Uninfected, Parasitized]);
        assert!((temperature - 2.0 / 3f64.ln()).abs() < 1e-6, "{temperature}");
    }

    #[test]
    fn separable_logits_have_the_lowest_temperature() {
        let temperature = fit_temperature(&[1.0, -1.0], &[Uninfected, Parasitized]);
        assert!((temperature - TEMPERATURES.start()).abs() < 1e-6, "{temperature}");
    }
}
