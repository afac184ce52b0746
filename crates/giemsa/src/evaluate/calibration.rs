//! Whether a probability means what it says: Brier score, calibration error, and the temperature that mends it.

use super::LabelledPrediction;
use crate::classes::Class;
use serde::{Deserialize, Serialize};

/// Bins of the calibration error and of the reliability diagram.
pub const BINS: usize = 15;

/// The images whose probability of Parasitized lies in one bin.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Where the bin begins; a probability on a border belongs to the upper bin, 1 to the last.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// Images in it.
    pub images: u64,
    /// Their mean probability of Parasitized; null without images.
    pub mean_probability: Option<f64>,
    /// The share of them that are Parasitized; null without images.
    pub parasitized: Option<f64>,
}

/// The bin that a probability belongs to.
pub fn bin_index(probability: f64) -> usize {
    ((probability * BINS as f64) as usize).min(BINS - 1)
}

/// The images by the probability of Parasitized, in [`BINS`] bins of equal width.
pub fn reliability(scored: &[LabelledPrediction]) -> Vec<Bin> {
    let mut sums = [(0u64, 0.0, 0u64); BINS];
    for image in scored {
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

/// The expected calibration error: over the bins, the distance between the mean probability of Parasitized and the
/// share that is, weighted by the images in the bin (Naeini, Cooper and Hauskrecht 2015, for two classes).
pub fn expected_calibration_error(bins: &[Bin]) -> f64 {
    let images: u64 = bins.iter().map(|bin| bin.images).sum();
    let gap = |bin: &Bin| Some(bin.images as f64 * (bin.mean_probability? - bin.parasitized?).abs());
    bins.iter().filter_map(gap).sum::<f64>() / images.max(1) as f64
}

/// The Brier score: the mean squared distance between the probability of Parasitized and 1 where the image is, 0 where
/// it is not (Brier 1950, halved for two classes as scikit-learn's `brier_score_loss` has it).
pub fn brier_score(scored: &[LabelledPrediction]) -> f64 {
    let square = |image: &LabelledPrediction| (1.0 - image.probability_of_truth()).powi(2);
    scored.iter().map(square).sum::<f64>() / scored.len().max(1) as f64
}

/// Mean binary cross-entropy in nats, with probabilities kept away from 0 and 1 by the machine epsilon, as
/// scikit-learn's `log_loss` does.
pub fn log_loss(scored: &[LabelledPrediction]) -> f64 {
    let loss = |image: &LabelledPrediction| -image.probability_of_truth().clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln();
    scored.iter().map(loss).sum::<f64>() / scored.len().max(1) as f64
}

/// The range in which a temperature is looked for.
pub const TEMPERATURES: std::ops::RangeInclusive<f64> = 0.05..=20.0;

/// The temperature by which to divide logits so that their mean cross-entropy is smallest (Guo et al. 2017, "On
/// calibration of modern neural networks", section 4.2), within [`TEMPERATURES`].
///
/// The cross-entropy is convex in 1/T, so a golden section search over ln T, on which it has one valley, finds it.
/// Separable logits have their minimum at 0, and get the lower end of the range.
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

/// Mean binary cross-entropy of logits divided by a temperature, in nats.
pub fn mean_cross_entropy(logits: &[f32], classes: &[Class], temperature: f64) -> f64 {
    let loss = |(&logit, &class): (&f32, &Class)| {
        let z = f64::from(logit) / temperature;
        z.max(0.0) - z * f64::from(class.target()) + (-z.abs()).exp().ln_1p()
    };
    logits.iter().zip(classes).map(loss).sum::<f64>() / logits.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use Class::{Parasitized, Uninfected};

    fn image(class: Class, probability_parasitized: f64) -> LabelledPrediction {
        LabelledPrediction { path: "cell.png".into(), class, patient: None, probability_parasitized }
    }

    #[test]
    fn probabilities_on_a_border_belong_to_the_upper_bin_and_one_to_the_last() {
        assert_eq!([0.0, 0.05, 0.2, 0.999, 1.0].map(bin_index), [0, 0, 3, 14, 14]);
    }

    #[test]
    fn figures_of_four_images_are_those_of_hand_arithmetic() {
        let images =
            [image(Parasitized, 0.9), image(Parasitized, 0.92), image(Uninfected, 0.92), image(Uninfected, 0.1)];
        // Squares: 0.01, 0.0064, 0.8464, 0.01.
        assert!((brier_score(&images) - 0.8728 / 4.0).abs() < 1e-15);
        // Bin 13 (0.8667..0.9333) has three images, mean 2.74/3 against 2/3; bin 1 has one, 0.1 against 0.
        let error = expected_calibration_error(&reliability(&images));
        assert!((error - (3.0 * (2.74 / 3.0 - 2.0 / 3.0) + 0.1) / 4.0).abs() < 1e-15, "{error}");
    }

    #[test]
    fn certain_and_wrong_is_a_large_but_finite_loss() {
        let loss = log_loss(&[image(Uninfected, 1.0)]);
        assert!((loss - 36.04365338911715).abs() < 1e-9, "{loss}");
    }

    #[test]
    fn the_temperature_of_two_kinds_of_logits_is_that_of_hand_arithmetic() {
        // Three of four images with logit 2 are Uninfected: the loss is smallest where sigmoid(2 / T) = 3/4, so
        // T = 2 / ln 3.
        let temperature = fit_temperature(&[2.0; 4], &[Uninfected, Uninfected, Uninfected, Parasitized]);
        assert!((temperature - 2.0 / 3f64.ln()).abs() < 1e-6, "{temperature}");
    }

    #[test]
    fn logits_that_are_never_wrong_get_the_lowest_temperature() {
        let temperature = fit_temperature(&[1.0, -1.0], &[Uninfected, Parasitized]);
        assert!((temperature - TEMPERATURES.start()).abs() < 1e-6, "{temperature}");
    }
}
