//! A benchmark of the peak arithmetic throughput of a processor.

use super::simd::{Kernel, Simd};
use super::{InstructionSet, run};

/// Runs `rounds` rounds of independent multiply-adds in registers; returns the number of floating-point operations. A
/// caller that measures the time gets the peak throughput of one core.
///
/// # Panics
/// If the processor does not have the instruction set.
pub fn run_multiply_adds(set: InstructionSet, rounds: u64) -> u64 {
    run(set, MultiplyAdds { rounds })
}

struct MultiplyAdds {
    rounds: u64,
}

/// Independent accumulators: more than the latency times the throughput of a multiply-add.
const ACCUMULATORS: usize = 12;

impl Kernel for MultiplyAdds {
    type Output = u64;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> u64 {
        // SAFETY: only registers are used, and one array of vectors on the stack.
        unsafe {
            // Each sum stays 1. NEON's multiply-add overwrites the addend: any addend but the sum would need a copy.
            let mut sums = [S::splat(std::hint::black_box(1.0)); ACCUMULATORS];
            let factor = S::splat(std::hint::black_box(1e-30));
            for _ in 0..self.rounds {
                for sum in &mut sums {
                    *sum = S::fma(*sum, factor, *sum);
                }
            }
            let total = sums.into_iter().fold(0.0, |total, sum| total + S::sum(sum));
            std::hint::black_box(total);
        }
        self.rounds * (2 * ACCUMULATORS * S::LANES) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::available_sets;
    use super::*;

    #[test]
    fn counts_two_operations_per_lane() {
        for set in available_sets() {
            let lanes = if set == InstructionSet::Avx512 { 16 } else { 8 };
            assert_eq!(run_multiply_adds(set, 10), 10 * 2 * ACCUMULATORS as u64 * lanes);
        }
    }
}
