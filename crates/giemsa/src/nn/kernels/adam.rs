//! One step of AdamW (Loshchilov and Hutter 2019, *Decoupled weight decay regularization*), fused into one pass over
//! weights, moments and gradient.

use super::simd::{Kernel, Simd};
use super::{InstructionSet, run};

/// Decay rate of the first moment.
const BETA1: f32 = 0.9;
/// Decay rate of the second moment.
const BETA2: f32 = 0.999;
/// Added to the square root of the second moment; the default of Keras.
const EPSILON: f32 = 1e-7;

/// Factors of one step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdamStep {
    /// Learning rate, corrected for the bias of moments that start at zero.
    corrected_rate: f32,
    /// Factor of a weight that has weight decay.
    decay_factor: f32,
}

impl AdamStep {
    /// Computes the factors of step `step`, counted from 1 (Kingma and Ba 2015, *Adam: a method for stochastic
    /// optimization*, end of section 2; weight decay: Loshchilov and Hutter 2019, algorithm 2).
    pub(crate) fn new(step: u64, learning_rate: f32, weight_decay: f32) -> AdamStep {
        let power = |beta: f32| f64::from(beta).powf(step as f64);
        let correction = (1.0 - power(BETA2)).sqrt() / (1.0 - power(BETA1));
        let corrected_rate = (f64::from(learning_rate) * correction) as f32;
        AdamStep { corrected_rate, decay_factor: 1.0 - learning_rate * weight_decay }
    }
}

/// Updates weights and moments by one step; applies weight decay only if `weight_decay`.
///
/// # Panics
/// If the lengths differ.
pub(crate) fn update(
    set: InstructionSet,
    step: AdamStep,
    weight_decay: bool,
    weights: &mut [f32],
    first_moment: &mut [f32],
    second_moment: &mut [f32],
    gradient: &[f32],
) {
    assert!(
        first_moment.len() == weights.len() && second_moment.len() == weights.len() && gradient.len() == weights.len()
    );
    let decay_factor = if weight_decay { step.decay_factor } else { 1.0 };
    run(
        set,
        Update { corrected_rate: step.corrected_rate, decay_factor, weights, first_moment, second_moment, gradient },
    );
}

struct Update<'a> {
    corrected_rate: f32,
    decay_factor: f32,
    weights: &'a mut [f32],
    first_moment: &'a mut [f32],
    second_moment: &'a mut [f32],
    gradient: &'a [f32],
}

impl Kernel for Update<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        let n = self.weights.len();
        let mut i = 0;
        // SAFETY: i + LANES <= n, the length of all four slices.
        unsafe {
            while i + S::LANES <= n {
                self.vector::<S>(i);
                i += S::LANES;
            }
            while i < n {
                self.vector::<f32>(i);
                i += 1;
            }
        }
    }
}

impl Update<'_> {
    #[inline(always)]
    unsafe fn vector<S: Simd>(&mut self, i: usize) {
        // SAFETY: the caller guarantees LANES values from `i` in each slice.
        unsafe {
            let (w, m) = (self.weights.as_mut_ptr().add(i), self.first_moment.as_mut_ptr().add(i));
            let (v, g) = (self.second_moment.as_mut_ptr().add(i), S::load(self.gradient.as_ptr().add(i)));
            let first_moment = S::fma(S::sub(g, S::load(m)), S::splat(1.0 - BETA1), S::load(m));
            let second_moment = S::fma(S::sub(S::mul(g, g), S::load(v)), S::splat(1.0 - BETA2), S::load(v));
            let root = S::add(S::sqrt(second_moment), S::splat(EPSILON));
            let change = S::div(S::mul(first_moment, S::splat(-self.corrected_rate)), root);
            S::store(m, first_moment);
            S::store(v, second_moment);
            S::store(w, S::fma(S::load(w), S::splat(self.decay_factor), change));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_close, available_sets, numbers};
    use super::*;

    #[test]
    fn update_matches_the_published_algorithm_on_every_instruction_set() {
        for (set, n) in available_sets().flat_map(|set| [1, 16, 37].map(|n| (set, n))) {
            let (mut w, mut m, mut v) = (numbers(1, n), vec![0.0; n], vec![0.0; n]);
            let (mut ew, mut em, mut ev) = (numbers(1, n), vec![0.0_f32; n], vec![0.0_f32; n]);
            for t in 1..=5_i32 {
                let g = numbers(10 + t as u64, n);
                update(set, AdamStep::new(t as u64, 0.01, 0.1), true, &mut w, &mut m, &mut v, &g);
                for i in 0..n {
                    em[i] = BETA1 * em[i] + (1.0 - BETA1) * g[i];
                    ev[i] = BETA2 * ev[i] + (1.0 - BETA2) * g[i] * g[i];
                    let corrected = (ev[i] / (1.0 - BETA2.powi(t))).sqrt();
                    ew[i] -= 0.01 * 0.1 * ew[i];
                    ew[i] -= 0.01 * (em[i] / (1.0 - BETA1.powi(t))) / corrected;
                }
            }
            assert_close(&w, &ew, 1e-4, &format!("{set:?} {n}"));
        }
    }
}
