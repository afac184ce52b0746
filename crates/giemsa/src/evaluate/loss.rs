//! Binary cross-entropy and accuracy of logits.

use crate::classes::Class;
use crate::dataset::LabelledImages;
use crate::model::Logits;

/// Loss and accuracy of logits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossAndAccuracy {
    /// Mean binary cross-entropy, in nats.
    pub loss: f64,
    /// Fraction of images that are classified correctly at a probability of 0.5.
    pub accuracy: f64,
}

/// Computes loss and accuracy of the class logit of each image.
#[must_use]
pub fn loss_and_accuracy(logits: &[Logits], images: &dyn LabelledImages) -> LossAndAccuracy {
    let count = logits.len().max(1) as f64;
    let pairs = || logits.iter().enumerate().map(|(i, logits)| (logits.class, images.class(i)));
    let loss: f64 = pairs().map(|(logit, class)| cross_entropy(f64::from(logit), class)).sum();
    let correct = pairs().filter(|&(logit, class)| Class::from_logit(logit) == class).count();
    LossAndAccuracy { loss: loss / count, accuracy: correct as f64 / count }
}

/// Computes the mean binary cross-entropy of logits divided by a temperature, in nats.
#[must_use]
pub fn mean_cross_entropy(logits: &[f32], classes: &[Class], temperature: f64) -> f64 {
    let loss = |(&logit, &class): (&f32, &Class)| cross_entropy(f64::from(logit) / temperature, class);
    logits.iter().zip(classes).map(loss).sum::<f64>() / logits.len().max(1) as f64
}

/// Computes the binary cross-entropy of one logit, in nats: max(z, 0) - z * target + ln(1 + exp(-|z|)), which equals minus
/// the logarithm of the probability of the class and does not overflow.
///
/// ```
/// use giemsa::{classes::Class, evaluate::loss::cross_entropy};
/// assert_eq!(cross_entropy(0.0, Class::Uninfected), 2f64.ln());
/// assert_eq!(cross_entropy(1000.0, Class::Parasitized), 1000.0);
/// ```
#[must_use]
pub fn cross_entropy(logit: f64, class: Class) -> f64 {
    logit.max(0.0) - logit * f64::from(class.target()) + (-logit.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cross_entropy_is_minus_the_logarithm_of_the_probability_of_the_class() {
        // sigmoid(ln 3) = 3/4 is the probability of Uninfected.
        let logit = 3f64.ln();
        assert!((cross_entropy(logit, Class::Uninfected) - -(0.75f64.ln())).abs() < 1e-15);
        assert!((cross_entropy(logit, Class::Parasitized) - -(0.25f64.ln())).abs() < 1e-15);
    }

    #[test]
    fn cross_entropy_of_nan_is_nan() {
        assert!(cross_entropy(f64::NAN, Class::Uninfected).is_nan());
    }
}
