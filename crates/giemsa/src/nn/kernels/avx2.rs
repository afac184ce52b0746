//! [`Simd`] with AVX2 and FMA: eight lanes.

use super::simd::Simd;
use std::arch::x86_64::*;

/// Processors with AVX2 and FMA.
#[derive(Clone, Copy)]
pub(crate) struct Avx2;

#[inline(always)]
unsafe fn blend_index(index: __m256i, other: u8, mask: __m256) -> __m256i {
    // SAFETY: `kernels::run` has checked for AVX2.
    unsafe { _mm256_blendv_epi8(index, _mm256_set1_epi32(i32::from(other)), _mm256_castps_si256(mask)) }
}

// SAFETY: only `kernels::run` uses this set, after it has checked that the processor has AVX2 and FMA; the caller
// guarantees the pointers, and loads and stores are unaligned.
#[allow(clippy::undocumented_unsafe_blocks)]
unsafe impl Simd for Avx2 {
    const LANES: usize = 8;
    const ACCUMULATORS: usize = 12;
    type V = __m256;
    type I = __m256i;

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m256 {
        unsafe { _mm256_set1_ps(value) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: __m256) {
        unsafe { _mm256_storeu_ps(to, v) }
    }
    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sqrt(a: __m256) -> __m256 {
        unsafe { _mm256_sqrt_ps(a) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn relu(a: __m256) -> __m256 {
        // The result is the second operand if either is NaN.
        unsafe { _mm256_max_ps(_mm256_setzero_ps(), a) }
    }
    #[inline(always)]
    unsafe fn where_positive(a: __m256, gate: __m256) -> __m256 {
        unsafe { _mm256_and_ps(a, _mm256_cmp_ps::<_CMP_GT_OQ>(gate, _mm256_setzero_ps())) }
    }
    #[inline(always)]
    unsafe fn sum(a: __m256) -> f32 {
        unsafe {
            let four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }
    #[inline(always)]
    unsafe fn splat_index(position: u8) -> __m256i {
        unsafe { _mm256_set1_epi32(i32::from(position)) }
    }
    #[inline(always)]
    unsafe fn argmax(best: &mut __m256, index: &mut __m256i, candidate: __m256, position: u8) {
        unsafe {
            let above = _mm256_cmp_ps::<_CMP_GT_OQ>(candidate, *best);
            *best = _mm256_blendv_ps(*best, candidate, above);
            *index = blend_index(*index, position, above);
        }
    }
    #[inline(always)]
    unsafe fn index_unless_positive(index: __m256i, value: __m256, position: u8) -> __m256i {
        unsafe { blend_index(index, position, _mm256_cmp_ps::<_CMP_NGT_UQ>(value, _mm256_setzero_ps())) }
    }
    #[inline(always)]
    unsafe fn where_index(value: __m256, index: __m256i, position: u8) -> __m256 {
        unsafe {
            let equal = _mm256_cmpeq_epi32(index, _mm256_set1_epi32(i32::from(position)));
            _mm256_and_ps(value, _mm256_castsi256_ps(equal))
        }
    }
    #[inline(always)]
    unsafe fn load_index(from: *const u8) -> __m256i {
        unsafe { _mm256_cvtepu8_epi32(_mm_loadl_epi64(from.cast())) }
    }
    #[inline(always)]
    unsafe fn store_index(to: *mut u8, index: __m256i) {
        unsafe {
            let words = _mm_packs_epi32(_mm256_castsi256_si128(index), _mm256_extracti128_si256::<1>(index));
            _mm_storel_epi64(to.cast(), _mm_packus_epi16(words, words));
        }
    }
    #[inline(always)]
    unsafe fn lookup4(table: *const f32, index: __m256i) -> __m256 {
        unsafe { _mm256_permutevar_ps(_mm256_broadcast_ps(&table.cast::<__m128>().read_unaligned()), index) }
    }
    #[inline(always)]
    unsafe fn store_interleaved(to: *mut f32, [a, b, c, d]: [__m256; 4]) {
        unsafe {
            let (ab, cd) = (_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d));
            // Lanes 0 and 4, 1 and 5, 2 and 6, 3 and 7 of all four vectors.
            let (zero, one) = (_mm256_shuffle_ps::<0x44>(ab, cd), _mm256_shuffle_ps::<0xEE>(ab, cd));
            let (ab, cd) = (_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d));
            let (two, three) = (_mm256_shuffle_ps::<0x44>(ab, cd), _mm256_shuffle_ps::<0xEE>(ab, cd));
            Self::store(to, _mm256_permute2f128_ps::<0x20>(zero, one));
            Self::store(to.add(8), _mm256_permute2f128_ps::<0x20>(two, three));
            Self::store(to.add(16), _mm256_permute2f128_ps::<0x31>(zero, one));
            Self::store(to.add(24), _mm256_permute2f128_ps::<0x31>(two, three));
        }
    }
    #[inline(always)]
    unsafe fn equal_mask32(from: *const u8, value: u8) -> u32 {
        unsafe {
            let bytes = _mm256_loadu_si256(from.cast());
            _mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(value as i8))) as u32
        }
    }
}
