//! Binary cross-entropy of a sigmoid, from the logits.

/// The mean loss of a batch; `gradient` gets its derivative at each logit.
///
/// With p the sigmoid of the logit z and t the target, the loss is -t ln p - (1 - t) ln(1 - p), which is
/// max(z, 0) - z t + ln(1 + exp(-|z|)); its derivative is p - t. `smoothing` moves targets by half of itself towards 0.5.
pub(crate) fn binary_cross_entropy(logits: &[f32], targets: &[f32], smoothing: f32, gradient: &mut [f32]) -> f32 {
    let share = 1.0 / logits.len() as f32;
    let mut sum = 0.0;
    for ((&z, &target), gradient) in logits.iter().zip(targets).zip(gradient) {
        let t = target * (1.0 - smoothing) + 0.5 * smoothing;
        sum += f64::from(of_logit(z, t));
        *gradient = (1.0 / (1.0 + (-z).exp()) - t) * share;
    }
    (sum * f64::from(share)) as f32
}

/// The loss of one logit.
pub(crate) fn of_logit(z: f32, target: f32) -> f32 {
    z.max(0.0) - z * target + (-z.abs()).exp().ln_1p() + 0.0 * z
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_and_gradient_are_the_definition() {
        // -ln(sigmoid(2)) = 0.126928, -ln(1 - sigmoid(-1)) = 0.313262; sigmoid(2) - 1 = -0.119203.
        let mut gradient = [0.0; 2];
        let loss = binary_cross_entropy(&[2.0, -1.0], &[1.0, 0.0], 0.0, &mut gradient);
        assert!((loss - (0.126_928 + 0.313_262) / 2.0).abs() < 1e-6, "{loss}");
        assert!((gradient[0] + 0.119_203 / 2.0).abs() < 1e-6 && (gradient[1] - 0.268_941 / 2.0).abs() < 1e-6);
    }

    #[test]
    fn extreme_logits_give_finite_losses_and_a_nan_stays_one() {
        assert_eq!(of_logit(-1000.0, 1.0), 1000.0);
        assert_eq!(of_logit(1000.0, 1.0), 0.0);
        assert!(of_logit(f32::NAN, 1.0).is_nan());
    }

    #[test]
    fn smoothing_moves_the_target_halfway_of_itself() {
        let (mut smoothed, mut moved) = ([0.0], [0.0]);
        let a = binary_cross_entropy(&[0.7], &[1.0], 0.1, &mut smoothed);
        let b = binary_cross_entropy(&[0.7], &[0.95], 0.0, &mut moved);
        assert!((a - b).abs() < 1e-7 && (smoothed[0] - moved[0]).abs() < 1e-7);
    }
}
