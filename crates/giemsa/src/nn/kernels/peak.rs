//! What a processor can do at the most: multiply-adds in registers.

use super::simd::{Kernel, Simd};
use super::{InstructionSet, run};

/// Runs `rounds` rounds of independent multiply-adds in registers; gives the floating-point operations done.
pub fn multiply_adds(set: InstructionSet, rounds: u64) -> u64 {
    run(set, MultiplyAdds { rounds })
}

struct MultiplyAdds {
    rounds: u64,
}

/// Sums in flight: more than latency times throughput on every processor at hand.
const CHAINS: usize = 12;

impl Kernel for MultiplyAdds {
    type Output = u64;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> u64 {
        // SAFETY: nothing but registers is used, and one array on the stack that holds a vector.
        unsafe {
            // Each sum stays 1. NEON's multiply-add overwrites the addend: any addend but the sum would need a copy.
            let mut sums = [S::splat(std::hint::black_box(1.0)); CHAINS];
            let factor = S::splat(std::hint::black_box(1e-30));
            for _ in 0..self.rounds {
                for sum in &mut sums {
                    *sum = S::fma(*sum, factor, *sum);
                }
            }
            let total = sums.into_iter().fold(0.0, |total, sum| total + S::sum(sum));
            std::hint::black_box(total);
        }
        self.rounds * (2 * CHAINS * S::LANES) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::available_sets;
    use super::*;

    #[test]
    fn operations_are_counted_by_lanes() {
        for set in available_sets() {
            let lanes = if set == InstructionSet::Avx512 { 16 } else { 8 };
            assert_eq!(multiply_adds(set, 10), 10 * 2 * CHAINS as u64 * lanes);
        }
    }
}
