//! [`Simd`] with AVX-512 (F, VL, BW, DQ): sixteen lanes.

use super::simd::Simd;
use std::arch::x86_64::*;

/// Processors with AVX-512 F, VL, BW and DQ.
#[derive(Clone, Copy)]
pub(crate) struct Avx512;

// SAFETY: only `kernels::run` uses this set, after it has checked that the processor has AVX-512 F, VL, BW and DQ;
// the caller guarantees the pointers, and loads and stores are unaligned.
#[allow(clippy::undocumented_unsafe_blocks)]
unsafe impl Simd for Avx512 {
    const LANES: usize = 16;
    const ACCUMULATORS: usize = 24;
    type V = __m512;
    type I = __m512i;

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m512 {
        unsafe { _mm512_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: __m512) {
        unsafe { _mm512_storeu_ps(to, v) }
    }
    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sqrt(a: __m512) -> __m512 {
        unsafe { _mm512_sqrt_ps(a) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn relu(a: __m512) -> __m512 {
        // The result is the second operand if either is NaN.
        unsafe { _mm512_max_ps(_mm512_setzero_ps(), a) }
    }
    #[inline(always)]
    unsafe fn where_positive(a: __m512, gate: __m512) -> __m512 {
        unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(gate, _mm512_setzero_ps()), a) }
    }
    #[inline(always)]
    unsafe fn sum(a: __m512) -> f32 {
        unsafe { _mm512_reduce_add_ps(a) }
    }
    #[inline(always)]
    unsafe fn splat_index(position: u8) -> __m512i {
        unsafe { _mm512_set1_epi32(i32::from(position)) }
    }
    #[inline(always)]
    unsafe fn argmax(best: &mut __m512, index: &mut __m512i, candidate: __m512, position: u8) {
        unsafe {
            let above = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(candidate, *best);
            *best = _mm512_mask_mov_ps(*best, above, candidate);
            *index = _mm512_mask_mov_epi32(*index, above, Self::splat_index(position));
        }
    }
    #[inline(always)]
    unsafe fn index_unless_positive(index: __m512i, value: __m512, position: u8) -> __m512i {
        unsafe {
            let none = _mm512_cmp_ps_mask::<_CMP_NGT_UQ>(value, _mm512_setzero_ps());
            _mm512_mask_mov_epi32(index, none, Self::splat_index(position))
        }
    }
    #[inline(always)]
    unsafe fn where_index(value: __m512, index: __m512i, position: u8) -> __m512 {
        unsafe {
            let equal = _mm512_cmpeq_epi32_mask(index, _mm512_set1_epi32(i32::from(position)));
            _mm512_maskz_mov_ps(equal, value)
        }
    }
    #[inline(always)]
    unsafe fn load_index(from: *const u8) -> __m512i {
        unsafe { _mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast())) }
    }
    #[inline(always)]
    unsafe fn store_index(to: *mut u8, index: __m512i) {
        unsafe { _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(index)) }
    }
    #[inline(always)]
    unsafe fn lookup4(table: *const f32, index: __m512i) -> __m512 {
        unsafe { _mm512_permutevar_ps(_mm512_broadcast_f32x4(_mm_loadu_ps(table)), index) }
    }
    #[inline(always)]
    unsafe fn store_interleaved(to: *mut f32, [a, b, c, d]: [__m512; 4]) {
        unsafe {
            let (ab, cd) = (_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d));
            // Lanes 0, 4, 8 and 12; 1, 5, 9 and 13; and so on, of all four vectors.
            let (zero, one) = (_mm512_shuffle_ps::<0x44>(ab, cd), _mm512_shuffle_ps::<0xEE>(ab, cd));
            let (ab, cd) = (_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d));
            let (two, three) = (_mm512_shuffle_ps::<0x44>(ab, cd), _mm512_shuffle_ps::<0xEE>(ab, cd));
            // Their first two quarters, then their last two.
            let (left, right) = (_mm512_shuffle_f32x4::<0x44>(zero, one), _mm512_shuffle_f32x4::<0x44>(two, three));
            Self::store(to, _mm512_shuffle_f32x4::<0x88>(left, right));
            Self::store(to.add(16), _mm512_shuffle_f32x4::<0xDD>(left, right));
            let (left, right) = (_mm512_shuffle_f32x4::<0xEE>(zero, one), _mm512_shuffle_f32x4::<0xEE>(two, three));
            Self::store(to.add(32), _mm512_shuffle_f32x4::<0x88>(left, right));
            Self::store(to.add(48), _mm512_shuffle_f32x4::<0xDD>(left, right));
        }
    }
    #[inline(always)]
    unsafe fn equal_mask32(from: *const u8, value: u8) -> u32 {
        unsafe { _mm256_cmpeq_epi8_mask(_mm256_loadu_si256(from.cast()), _mm256_set1_epi8(value as i8)) }
    }
}
