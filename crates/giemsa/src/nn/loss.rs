//! Binary cross-entropy with logits.

/// Computes the mean loss of a batch, and its derivative with respect to each logit.
///
/// With p the sigmoid of logit z and t the target, the loss of a sample is -t ln p - (1 - t) ln(1 - p), computed as
/// max(z, 0) - z t + ln(1 + exp(-|z|)); its derivative is p - t. Label smoothing replaces t by
/// t (1 - smoothing) + smoothing / 2 (Szegedy et al. 2016, *Rethinking the inception architecture for computer vision*,
/// section 7).
///
/// # Shapes
/// All slices: `[samples]`; targets in 0..=1.
pub(crate) fn binary_cross_entropy(logits: &[f32], targets: &[f32], smoothing: f32, gradient: &mut [f32]) -> f32 {
    let scale = 1.0 / logits.len() as f32;
    let mut sum = 0.0;
    for ((&z, &target), gradient) in logits.iter().zip(targets).zip(gradient) {
        let t = target * (1.0 - smoothing) + 0.5 * smoothing;
        sum += f64::from(binary_cross_entropy_with_logit(z, t));
        *gradient = (1.0 / (1.0 + (-z).exp()) - t) * scale;
    }
    (sum * f64::from(scale)) as f32
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
        let loss = binary_cross_entropy(&[2.0, -1.0], &[1.0, 0.0], 0.0, &mut gradient);
        assert!((loss - (0.126_928 + 0.313_262) / 2.0).abs() < 1e-6, "{loss}");
        assert!((gradient[0] + 0.119_203 / 2.0).abs() < 1e-6 && (gradient[1] - 0.268_941 / 2.0).abs() < 1e-6);
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
        let a = binary_cross_entropy(&[0.7], &[1.0], 0.1, &mut smoothed);
        let b = binary_cross_entropy(&[0.7], &[0.95], 0.0, &mut moved);
        assert!((a - b).abs() < 1e-7 && (smoothed[0] - moved[0]).abs() < 1e-7);
    }
}
