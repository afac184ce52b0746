//! Batch normalisation of other tools, converted to that of this engine: with an epsilon of 0.001, and without a bias before
//! it.

pub(super) use crate::nn::batch_norm::EPSILON;

/// The arrays of batch normalisation, each with one value per channel.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct BatchNorm {
    pub(super) gamma: Vec<f32>,
    pub(super) beta: Vec<f32>,
    pub(super) moving_mean: Vec<f32>,
    pub(super) moving_variance: Vec<f32>,
}

impl BatchNorm {
    /// Removes the bias of the convolution before it: subtracts it from the mean.
    pub(super) fn absorb_bias(&mut self, bias: &[f32]) {
        self.moving_mean.iter_mut().zip(bias).for_each(|(mean, bias)| *mean -= bias);
    }

    /// Converts from another epsilon: scales gamma, so that the quotient of gamma and the standard deviation is the same.
    /// Changes nothing if the epsilon is [`EPSILON`].
    pub(super) fn convert_epsilon(&mut self, epsilon: f32) {
        if epsilon == EPSILON {
            return;
        }
        for (gamma, &variance) in self.gamma.iter_mut().zip(&self.moving_variance) {
            let [from, to] = [epsilon, EPSILON].map(|epsilon| f64::from(variance) + f64::from(epsilon));
            *gamma = (f64::from(*gamma) * (to / from).sqrt()) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bias_and_another_epsilon_are_converted_as_worked_out_by_hand() {
        let mut norm =
            BatchNorm { gamma: vec![2.0], beta: vec![0.5], moving_mean: vec![3.0], moving_variance: vec![0.008] };
        norm.absorb_bias(&[1.0]);
        assert_eq!(norm.moving_mean, [2.0]);
        // 2 / sqrt(0.008 + 0.028) = 2 * 0.5 / sqrt(0.008 + 0.001), because 0.009 is a quarter of 0.036.
        norm.convert_epsilon(0.028);
        assert!((norm.gamma[0] - 1.0).abs() < 1e-6, "{norm:?}");
        let same = norm.clone();
        norm.convert_epsilon(EPSILON);
        assert_eq!(norm, same);
    }
}
