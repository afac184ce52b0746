//! Mean binary cross-entropy and accuracy of logits.

use crate::classes::Class;
use crate::dataset::LabelledImages;

/// How logits compare with the true classes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// Mean binary cross-entropy, in nats.
    pub loss: f64,
    /// Share of the images on the right side of an even chance.
    pub accuracy: f64,
}

/// Compares one logit an image with the images' classes.
pub fn judge(logits: &[f32], images: &dyn LabelledImages) -> Judged {
    let count = logits.len().max(1) as f64;
    let pairs = || logits.iter().enumerate().map(|(i, &logit)| (logit, images.class(i)));
    let loss: f64 = pairs().map(|(logit, class)| cross_entropy(logit, class)).sum();
    let right = pairs().filter(|&(logit, class)| (logit > 0.0) == (class.target() > 0.5)).count();
    Judged { loss: loss / count, accuracy: right as f64 / count }
}

/// The binary cross-entropy of one logit, in nats: log(1 + exp(z)) - z * target, without overflow.
///
/// ```
/// use giemsa::{classes::Class, evaluate::loss::cross_entropy};
/// assert_eq!(cross_entropy(0.0, Class::Uninfected), 2f64.ln());
/// assert_eq!(cross_entropy(1000.0, Class::Parasitized), 1000.0);
/// ```
pub fn cross_entropy(logit: f32, class: Class) -> f64 {
    let z = f64::from(logit);
    z.max(0.0) - z * f64::from(class.target()) + (-z.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cross_entropy_is_minus_the_logarithm_of_the_true_class() {
        // By hand: sigmoid(ln 3) = 3/4 is the probability of Uninfected.
        let logit = 3f32.ln();
        assert!((cross_entropy(logit, Class::Uninfected) - -(0.75f64.ln())).abs() < 1e-7);
        assert!((cross_entropy(logit, Class::Parasitized) - -(0.25f64.ln())).abs() < 1e-7);
    }

    #[test]
    fn cross_entropy_of_no_number_is_no_number() {
        assert!(cross_entropy(f32::NAN, Class::Uninfected).is_nan());
    }
}
