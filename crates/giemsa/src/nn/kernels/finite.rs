//! Whether all values are finite.

use super::simd::{Kernel, Simd};
use super::{InstructionSet, run};

/// Accumulators, enough to hide the latency of an addition.
const ACCUMULATORS: usize = 4;

/// Returns whether no value is NaN or infinite.
pub(crate) fn all_finite(set: InstructionSet, values: &[f32]) -> bool {
    run(set, AllFinite { values })
}

struct AllFinite<'a> {
    values: &'a [f32],
}

impl Kernel for AllFinite<'_> {
    type Output = bool;

    /// Sums up zero times each value: zero for a finite value, NaN for others.
    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> bool {
        let (n, from) = (self.values.len(), self.values.as_ptr());
        let mut i = 0;
        // SAFETY: all vectors end at or before n, the length of the values.
        unsafe {
            let zero = S::splat(0.0);
            let mut sums = [zero; ACCUMULATORS];
            while i + ACCUMULATORS * S::LANES <= n {
                for (k, sum) in sums.iter_mut().enumerate() {
                    *sum = S::fma(S::load(from.add(i + k * S::LANES)), zero, *sum);
                }
                i += ACCUMULATORS * S::LANES;
            }
            let mut sum: f32 = sums.iter().map(|&sum| S::sum(sum)).sum();
            while i < n {
                sum = <f32 as Simd>::fma(*from.add(i), 0.0, sum);
                i += 1;
            }
            sum == 0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::available_sets;
    use super::*;

    #[test]
    fn finds_a_value_that_is_not_finite_at_every_place_on_every_instruction_set() {
        for (set, n) in available_sets().flat_map(|set| [0, 1, 15, 64, 131].map(|n| (set, n))) {
            let mut values: Vec<f32> = (0..n).map(|i| if i % 2 == 0 { f32::MAX } else { -f32::MIN_POSITIVE }).collect();
            assert!(all_finite(set, &values), "{set:?} {n}");
            for (place, wrong) in
                (0..n).flat_map(|place| [f32::NAN, f32::INFINITY, f32::NEG_INFINITY].map(|wrong| (place, wrong)))
            {
                let right = std::mem::replace(&mut values[place], wrong);
                assert!(!all_finite(set, &values), "{set:?} {n}: {wrong} at {place}");
                values[place] = right;
            }
        }
    }
}
