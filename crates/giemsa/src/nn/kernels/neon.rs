//! [`Simd`] with NEON (64-bit Arm): eight lanes in two registers.
//!
//! A register holds four floats, but the panels of packed weights are read in vectors of eight or sixteen. A vector is
//! therefore a pair of registers. The lanes of a sum are added in the same order as with AVX2.

use super::simd::Simd;
use std::arch::aarch64::*;

/// The marker type of NEON.
#[derive(Clone, Copy)]
pub(crate) struct Neon;

/// Loads the bit of each byte within its half of a register: 1, 2, 4, ... 128, twice.
#[inline(always)]
unsafe fn bit_of_each_byte() -> uint8x16_t {
    const BITS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];
    // SAFETY: `kernels::run` has checked for NEON, and `BITS` has 16 bytes.
    unsafe { vld1q_u8(BITS.as_ptr()) }
}

/// Returns `value` in the lanes where `mask` is set, else zero.
#[inline(always)]
unsafe fn masked(value: float32x4_t, mask: uint32x4_t) -> float32x4_t {
    // SAFETY: `kernels::run` has checked for NEON.
    unsafe { vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(value), mask)) }
}

/// Looks up four floats at a time: `TBL` selects bytes, and the four bytes of float i begin at 4 * i.
#[inline(always)]
unsafe fn lookup(table: uint8x16_t, index: uint32x4_t) -> float32x4_t {
    // SAFETY: `kernels::run` has checked for NEON.
    unsafe {
        let index = vandq_u32(index, vdupq_n_u32(3));
        let bytes = vmlaq_u32(vdupq_n_u32(0x0302_0100), index, vdupq_n_u32(0x0404_0404));
        vreinterpretq_f32_u8(vqtbl1q_u8(table, vreinterpretq_u8_u32(bytes)))
    }
}

// SAFETY: only `kernels::run` uses this set, after it has checked that the processor has NEON and is little-endian;
// the caller guarantees that the pointers are valid, and NEON's loads and stores need no alignment beyond the element's.
#[allow(clippy::undocumented_unsafe_blocks)]
unsafe impl Simd for Neon {
    const LANES: usize = 8;
    /// 24 of the 32 registers.
    const ACCUMULATORS: usize = 12;
    type V = (float32x4_t, float32x4_t);
    type I = (uint32x4_t, uint32x4_t);

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::V {
        unsafe { (vdupq_n_f32(value), vdupq_n_f32(value)) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        unsafe { (vld1q_f32(from), vld1q_f32(from.add(4))) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Self::V) {
        unsafe {
            vst1q_f32(to, v.0);
            vst1q_f32(to.add(4), v.1);
        }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        unsafe { (vaddq_f32(a.0, b.0), vaddq_f32(a.1, b.1)) }
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        unsafe { (vsubq_f32(a.0, b.0), vsubq_f32(a.1, b.1)) }
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        unsafe { (vmulq_f32(a.0, b.0), vmulq_f32(a.1, b.1)) }
    }
    #[inline(always)]
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V {
        unsafe { (vdivq_f32(a.0, b.0), vdivq_f32(a.1, b.1)) }
    }
    #[inline(always)]
    unsafe fn sqrt(a: Self::V) -> Self::V {
        unsafe { (vsqrtq_f32(a.0), vsqrtq_f32(a.1)) }
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        unsafe { (vfmaq_f32(c.0, a.0, b.0), vfmaq_f32(c.1, a.1, b.1)) }
    }
    #[inline(always)]
    unsafe fn relu(a: Self::V) -> Self::V {
        // `FMAX` returns NaN if either operand is NaN.
        unsafe { (vmaxq_f32(a.0, vdupq_n_f32(0.0)), vmaxq_f32(a.1, vdupq_n_f32(0.0))) }
    }
    #[inline(always)]
    unsafe fn where_positive(a: Self::V, gate: Self::V) -> Self::V {
        unsafe { (masked(a.0, vcgtzq_f32(gate.0)), masked(a.1, vcgtzq_f32(gate.1))) }
    }
    #[inline(always)]
    unsafe fn sum(a: Self::V) -> f32 {
        unsafe {
            let four = vaddq_f32(a.0, a.1);
            let two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
            vget_lane_f32::<0>(two) + vget_lane_f32::<1>(two)
        }
    }
    #[inline(always)]
    unsafe fn splat_index(position: u8) -> Self::I {
        unsafe { (vdupq_n_u32(u32::from(position)), vdupq_n_u32(u32::from(position))) }
    }
    #[inline(always)]
    unsafe fn argmax(best: &mut Self::V, index: &mut Self::I, candidate: Self::V, position: u8) {
        unsafe {
            let other = vdupq_n_u32(u32::from(position));
            let above = (vcgtq_f32(candidate.0, best.0), vcgtq_f32(candidate.1, best.1));
            *best = (vbslq_f32(above.0, candidate.0, best.0), vbslq_f32(above.1, candidate.1, best.1));
            *index = (vbslq_u32(above.0, other, index.0), vbslq_u32(above.1, other, index.1));
        }
    }
    #[inline(always)]
    unsafe fn index_unless_positive(index: Self::I, value: Self::V, position: u8) -> Self::I {
        unsafe {
            let other = vdupq_n_u32(u32::from(position));
            // A comparison with NaN is false, so NaN takes the position as well.
            (vbslq_u32(vcgtzq_f32(value.0), index.0, other), vbslq_u32(vcgtzq_f32(value.1), index.1, other))
        }
    }
    #[inline(always)]
    unsafe fn where_index(value: Self::V, index: Self::I, position: u8) -> Self::V {
        unsafe {
            let wanted = vdupq_n_u32(u32::from(position));
            (masked(value.0, vceqq_u32(index.0, wanted)), masked(value.1, vceqq_u32(index.1, wanted)))
        }
    }
    #[inline(always)]
    unsafe fn load_index(from: *const u8) -> Self::I {
        unsafe {
            let words = vmovl_u8(vld1_u8(from));
            (vmovl_u16(vget_low_u16(words)), vmovl_u16(vget_high_u16(words)))
        }
    }
    #[inline(always)]
    unsafe fn store_index(to: *mut u8, index: Self::I) {
        unsafe {
            let words = vcombine_u16(vmovn_u32(index.0), vmovn_u32(index.1));
            vst1_u8(to, vmovn_u16(words));
        }
    }
    #[inline(always)]
    unsafe fn lookup4(table: *const f32, index: Self::I) -> Self::V {
        unsafe {
            let table = vreinterpretq_u8_f32(vld1q_f32(table));
            (lookup(table, index.0), lookup(table, index.1))
        }
    }
    #[inline(always)]
    unsafe fn store_interleaved(to: *mut f32, [a, b, c, d]: [Self::V; 4]) {
        unsafe {
            vst4q_f32(to, float32x4x4_t(a.0, b.0, c.0, d.0));
            vst4q_f32(to.add(16), float32x4x4_t(a.1, b.1, c.1, d.1));
        }
    }
    #[inline(always)]
    unsafe fn equal_mask32(from: *const u8, value: u8) -> u32 {
        unsafe {
            let (bits, value) = (bit_of_each_byte(), vdupq_n_u8(value));
            let low = vandq_u8(vceqq_u8(vld1q_u8(from), value), bits);
            let high = vandq_u8(vceqq_u8(vld1q_u8(from.add(16)), value), bits);
            // Three pairwise additions sum the bits of each eight bytes, in order.
            let pairs = vpaddq_u8(low, high);
            let fours = vpaddq_u8(pairs, pairs);
            vgetq_lane_u32::<0>(vreinterpretq_u32_u8(vpaddq_u8(fours, fours)))
        }
    }
}
