//! Binary cross-entropy with logits.

/// The target of an output that a sample says nothing about: it adds nothing to the loss.
pub const NO_TARGET: f32 = f32::NAN;

/// The weight of the second output in the loss, relative to that of the class. With a weight of 1, what tells other objects
/// from red cells displaces what tells parasites from other contents of a cell (`docs/compact.md`).
const SECOND_WEIGHT: f32 = 0.3;

/// The mean loss of a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Loss {
    /// Weighted sum over the outputs; each is averaged over all samples, with or without a target.
    pub total: f32,
    /// Loss of the first output, averaged over the samples with a target.
    pub class: f32,
}

/// Computes the mean loss of a batch, and its derivative with respect to each logit.
///
/// With p the sigmoid of logit z and t the target, the loss of a sample is -t ln p - (1 - t) ln(1 - p), computed as
/// max(z, 0) - z t + ln(1 + exp(-|z|)); its derivative is p - t. Label smoothing, of the first output only, replaces t by
/// t (1 - smoothing) + smoothing / 2 (Szegedy et al. 2016, *Rethinking the inception architecture for computer vision*,
/// section 7).
///
/// # Shapes
/// All slices: `[samples][outputs]`; targets in 0..=1, or [`NO_TARGET`].
pub(crate) fn binary_cross_entropy(
    logits: &[f32],
    targets: &[f32],
    outputs: usize,
    smoothing: f32,
    gradient: &mut [f32],
) -> Loss {
    let scale = 1.0 / (logits.len() / outputs) as f32;
    let (mut total, mut class, mut classes) = (0.0, 0.0, 0);
    for (i, ((&z, &target), gradient)) in logits.iter().zip(targets).zip(gradient).enumerate() {
        if target.is_nan() {
            // The product keeps a logit that is not finite visible in the loss.
            total += f64::from(0.0 * z);
            *gradient = 0.0;
            continue;
        }
        let is_class = i.is_multiple_of(outputs);
        // Whether an image shows a red cell is certain; its class is not.
        let (smoothing, weight) = if is_class { (smoothing, 1.0) } else { (0.0, SECOND_WEIGHT) };
        let t = target * (1.0 - smoothing) + 0.5 * smoothing;
        let loss = f64::from(binary_cross_entropy_with_logit(z, t));
        total += f64::from(weight) * loss;
        if is_class {
            (class, classes) = (class + loss, classes + 1);
        }
        *gradient = (1.0 / (1.0 + (-z).exp()) - t) * weight * scale;
    }
    Loss { total: (total * f64::from(scale)) as f32, class: (class / f64::from(classes.max(1))) as f32 }
}

/// Computes the loss of one logit.
fn binary_cross_entropy_with_logit(z: f32, target: f32) -> f32 {
    // The last term keeps a NaN, which `max` drops.
    z.max(0.0) - z * target + (-z.abs()).exp().ln_1p() + 0.0 * z
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_and_gradient_match_hand_arithmetic() {
        // -ln(sigmoid(2)) = 0.126928, -ln(1 - sigmoid(-1)) = 0.313262; sigmoid(2) - 1 = -0.119203.
        let mut gradient = [0.0; 2];
        let loss = binary_cross_entropy(&[2.0, -1.0], &[1.0, 0.0], 1, 0.0, &mut gradient).total;
        assert!((loss - (0.126_928 + 0.313_262) / 2.0).abs() < 1e-6, "{loss}");
        assert!((gradient[0] + 0.119_203 / 2.0).abs() < 1e-6 && (gradient[1] - 0.268_941 / 2.0).abs() < 1e-6);
    }

    #[test]
    fn an_output_without_a_target_adds_nothing() {
        // Two samples of two outputs. Only -ln(sigmoid(2)) = 0.126928 and, with its
        // weight, -ln(1 - sigmoid(-1)) = 0.313262 count.
        let mut gradient = [9.0; 4];
        let logits = [2.0, 7.0, 5.0, -1.0];
        let loss = binary_cross_entropy(&logits, &[1.0, NO_TARGET, NO_TARGET, 0.0], 2, 0.0, &mut gradient);
        assert!((loss.total - (0.126_928 + SECOND_WEIGHT * 0.313_262) / 2.0).abs() < 1e-6, "{loss:?}");
        assert!((loss.class - 0.126_928).abs() < 1e-6, "{loss:?}");
        assert_eq!((gradient[1], gradient[2]), (0.0, 0.0));
        assert!(
            (gradient[0] + 0.119_203 / 2.0).abs() < 1e-6
                && (gradient[3] - SECOND_WEIGHT * 0.268_941 / 2.0).abs() < 1e-6
        );
    }

    #[test]
    fn extreme_logits_have_finite_losses_and_nan_propagates() {
        assert_eq!(binary_cross_entropy_with_logit(-1000.0, 1.0), 1000.0);
        assert_eq!(binary_cross_entropy_with_logit(1000.0, 1.0), 0.0);
        assert!(binary_cross_entropy_with_logit(f32::NAN, 1.0).is_nan());
    }

    #[test]
    fn smoothing_moves_targets_towards_one_half() {
        let (mut smoothed, mut moved) = ([0.0], [0.0]);
        let a = binary_cross_entropy(&[0.7], &[1.0], 1, 0.1, &mut smoothed);
        let b = binary_cross_entropy(&[0.7], &[0.95], 1, 0.0, &mut moved);
        assert!((a.total - b.total).abs() < 1e-7 && (smoothed[0] - moved[0]).abs() < 1e-7);
    }
}
