//! Compute kernels, one file per operation, and the choice of the instruction set.
//!
//! The functions of the operation files are safe: they check lengths, then call `run`. All `unsafe` of the crate is in
//! this folder. Images are NHWC, convolution weights HWIO.
//!
//! | Instruction set | Target | Lanes | Selected if |
//! | --- | --- | --- | --- |
//! | [`InstructionSet::Plain`] | all | 8 | no other set is available |
//! | [`InstructionSet::Avx2`] | `x86_64` | 8 | the processor has AVX2 and FMA |
//! | [`InstructionSet::Avx512`] | `x86_64` | 16 | the processor has AVX-512 F, VL, BW and DQ |
//! | [`InstructionSet::Neon`] | `aarch64`, little-endian | 8, in two registers | the processor has NEON, as all of these have |
//!
//! The order of summation of a kernel depends only on its arguments and the instruction set.
#![allow(unsafe_code)]

pub(crate) mod adam;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub(crate) mod batch_norm;
pub(crate) mod conv;
pub(crate) mod conv_backward;
pub(crate) mod conv_pool;
pub(crate) mod conv_pool_backward;
pub(crate) mod dense;
pub(crate) mod finite;
#[cfg(target_arch = "aarch64")]
mod neon;
mod peak;
mod simd;
#[cfg(test)]
mod simd_tests;

pub use peak::run_multiply_adds;
use serde::Serialize;
use simd::{Kernel, Plain};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

/// The vector instructions that the kernels use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum InstructionSet {
    /// None in particular: plain Rust, on any processor.
    Plain = 1,
    /// AVX2 and FMA: 8 floats at a time.
    Avx2 = 2,
    /// AVX-512 F, VL, BW and DQ: 16 floats at a time.
    Avx512 = 3,
    /// NEON (64-bit Arm): 8 floats at a time, in two registers.
    Neon = 4,
}

impl InstructionSet {
    /// All instruction sets; of those that a processor has, the last is the fastest.
    pub const ALL: [InstructionSet; 4] =
        [InstructionSet::Plain, InstructionSet::Avx2, InstructionSet::Avx512, InstructionSet::Neon];

    /// Returns the lower-case name, as in command-line arguments and JSON.
    pub fn name(self) -> &'static str {
        match self {
            InstructionSet::Plain => "plain",
            InstructionSet::Avx2 => "avx2",
            InstructionSet::Avx512 => "avx512",
            InstructionSet::Neon => "neon",
        }
    }

    /// Returns the instruction set with this [`name`](InstructionSet::name); `None` if there is no such set.
    pub fn from_name(name: &str) -> Option<InstructionSet> {
        InstructionSet::ALL.into_iter().find(|set| set.name() == name)
    }

    /// Returns whether this processor has the instruction set.
    pub fn is_available(self) -> bool {
        match self {
            InstructionSet::Plain => true,
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => {
                InstructionSet::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
            }
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon => cfg!(target_endian = "little") && std::arch::is_aarch64_feature_detected!("neon"),
            // The sets of other processor families.
            _ => false,
        }
    }
}

/// The [`InstructionSet`] that [`force`] selected, or 0.
static CHOSEN: AtomicU8 = AtomicU8::new(0);

/// Returns the best instruction set that this processor has.
fn best_set() -> InstructionSet {
    static BEST: OnceLock<InstructionSet> = OnceLock::new();
    let find = || InstructionSet::ALL.into_iter().rev().find(|set| set.is_available()).unwrap_or(InstructionSet::Plain);
    *BEST.get_or_init(find)
}

/// Returns the instruction set in use: the best that the processor has, unless [`force`] selected another.
pub fn instruction_set() -> InstructionSet {
    match CHOSEN.load(Ordering::Relaxed) {
        1 => InstructionSet::Plain,
        2 => InstructionSet::Avx2,
        3 => InstructionSet::Avx512,
        4 => InstructionSet::Neon,
        _ => best_set(),
    }
}

/// Selects the instruction set of all kernels. Returns false, and changes nothing, if the processor does not have it.
///
/// Rounding differs between instruction sets, so trained weights are bit-identical only within one set.
pub fn force(set: InstructionSet) -> bool {
    let available = set.is_available();
    if available {
        CHOSEN.store(set as u8, Ordering::Relaxed);
    }
    available
}

/// Runs a kernel on an instruction set.
///
/// # Panics
/// If the processor does not have it.
#[inline]
fn run<K: Kernel>(set: InstructionSet, kernel: K) -> K::Output {
    assert!(set.is_available(), "this processor has no {}", set.name());
    // SAFETY: the processor has the set, which was just checked.
    unsafe {
        match set {
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => run_avx512(kernel),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => run_avx2(kernel),
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon => run_neon(kernel),
            _ => kernel.run::<Plain>(),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller has checked that the processor has these features.
    unsafe { kernel.run::<avx2::Avx2>() }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
unsafe fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller has checked that the processor has these features.
    unsafe { kernel.run::<avx512::Avx512>() }
}

#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon")]
unsafe fn run_neon<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller has checked that the processor has NEON.
    unsafe { kernel.run::<neon::Neon>() }
}

/// Cuts `total` into tiles, as (start, length): of twelve where the registers have room for as many and they fit, the
/// rest in the fewest parts of at most `most` (and at most six), as even as can be, so that no tile is left nearly empty.
///
/// Lengths are only 1 to 6 and 12, because each is a separate instantiation of a kernel.
fn tiles(total: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let twelves = if most >= 12 { total / 12 } else { 0 };
    let (rest, start) = (total - 12 * twelves, 12 * twelves);
    let parts = rest.div_ceil(most.clamp(1, 6));
    let even = (0..parts).map(move |i| (start + i * rest / parts, (i + 1) * rest / parts - i * rest / parts));
    (0..twelves).map(|i| (12 * i, 12)).chain(even)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Iterates over the instruction sets that this processor has.
    pub(crate) fn available_sets() -> impl Iterator<Item = InstructionSet> {
        InstructionSet::ALL.into_iter().filter(|set| set.is_available())
    }

    /// Returns `n` pseudorandom numbers in -1..1.
    pub(crate) fn numbers(key: u64, n: usize) -> Vec<f32> {
        let mut random = crate::random::Random::keyed(&[key]);
        (0..n).map(|_| random.range(-1.0, 1.0)).collect()
    }

    pub(crate) fn assert_close(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
        assert_eq!(found.len(), expected.len(), "{what}");
        for (i, (f, e)) in found.iter().zip(expected).enumerate() {
            assert!((f - e).abs() <= tolerance * (1.0 + e.abs()), "{what}: at {i} found {f}, expected {e}");
        }
    }

    #[test]
    fn plain_and_the_chosen_set_are_available() {
        assert!(InstructionSet::Plain.is_available());
        assert!(instruction_set().is_available());
    }

    #[test]
    fn tiles_cover_the_range_exactly_once() {
        for (total, most) in (0..40).flat_map(|total| [1, 2, 4, 6, 12, 24].map(|most| (total, most))) {
            let tiles: Vec<_> = tiles(total, most).collect();
            assert_eq!(tiles.iter().map(|tile| tile.1).sum::<usize>(), total);
            assert!(tiles.windows(2).all(|pair| pair[0].0 + pair[0].1 == pair[1].0));
            assert!(tiles.iter().all(|tile| tile.1 <= most && matches!(tile.1, 1..=6 | 12)));
        }
    }
}
