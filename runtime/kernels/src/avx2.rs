//! Lanes of AVX2 with fused multiply-add: eight floats.

use std::arch::x86_64::{
    __m128i, __m256, _mm_add_ps, _mm_and_si128, _mm_loadl_epi64, _mm_loadu_si128, _mm_set1_epi8,
    _mm_srli_epi16, _mm_storeu_ps, _mm256_add_epi32, _mm256_add_ps, _mm256_castps_si256,
    _mm256_castps256_ps128, _mm256_castsi256_ps, _mm256_cvtepi8_epi32, _mm256_cvtepi32_ps,
    _mm256_cvtepu16_epi32, _mm256_div_ps, _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_hadd_ps,
    _mm256_loadu_ps, _mm256_max_ps, _mm256_min_ps, _mm256_mul_ps, _mm256_set1_ps,
    _mm256_slli_epi32, _mm256_storeu_ps,
};
use std::arch::x86_64::{_mm_sub_epi8, _mm_unpackhi_epi64};

use crate::lanes::Lanes;

/// Eight floats in one register.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2(pub(crate) __m256);

/// The four-bit integers `part` of 16 bytes as signed bytes in the low half of a register.
///
/// # Safety
/// AVX2 is present and 16 bytes are readable.
#[inline(always)]
pub(crate) unsafe fn nibbles(from: *const u8, high: bool) -> __m128i {
    // SAFETY: the caller's.
    unsafe {
        let bytes = _mm_loadu_si128(from.cast());
        let shifted = if high {
            _mm_srli_epi16::<4>(bytes)
        } else {
            bytes
        };
        _mm_sub_epi8(_mm_and_si128(shifted, _mm_set1_epi8(15)), _mm_set1_epi8(8))
    }
}

// SAFETY of every block below: the trait's contract says that AVX2 and FMA are present and that pointers are good.
impl Lanes for Avx2 {
    const COUNT: usize = 8;
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: above.
        Self(unsafe { _mm256_set1_ps(value) })
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: above.
        Self(unsafe { _mm256_loadu_ps(from) })
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self {
        // SAFETY: above.
        Self(unsafe {
            let wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(wide))
        })
    }
    #[inline(always)]
    unsafe fn load_i8(from: *const i8) -> Self {
        // SAFETY: above.
        Self(unsafe { _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(from.cast()))) })
    }
    #[inline(always)]
    unsafe fn load_i4(from: *const u8, part: usize) -> Self {
        // SAFETY: above.
        Self(unsafe {
            let bytes = nibbles(from, part >= 2);
            let half = if part.is_multiple_of(2) {
                bytes
            } else {
                _mm_unpackhi_epi64(bytes, bytes)
            };
            _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(half))
        })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: above.
        unsafe { _mm256_storeu_ps(to, self.0) }
    }
    #[inline(always)]
    unsafe fn multiply_add(self, by: Self, to: Self) -> Self {
        // SAFETY: above.
        Self(unsafe { _mm256_fmadd_ps(self.0, by.0, to.0) })
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: above.
        Self(unsafe { _mm256_add_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn multiply(self, other: Self) -> Self {
        // SAFETY: above.
        Self(unsafe { _mm256_mul_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn divide(self, other: Self) -> Self {
        // SAFETY: above.
        Self(unsafe { _mm256_div_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn maximum(self, other: Self) -> Self {
        // SAFETY: above.
        Self(unsafe { _mm256_max_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn minimum(self, other: Self) -> Self {
        // SAFETY: above.
        Self(unsafe { _mm256_min_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn times_power(self, shifted: Self) -> Self {
        // SAFETY: above.
        Self(unsafe {
            let power = _mm256_slli_epi32::<23>(_mm256_castps_si256(shifted.0));
            _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(self.0), power))
        })
    }
    #[inline(always)]
    unsafe fn sums([a, b, c, d]: [Self; 4]) -> [f32; 4] {
        // SAFETY: above.
        unsafe {
            let pairs = _mm256_hadd_ps(_mm256_hadd_ps(a.0, b.0), _mm256_hadd_ps(c.0, d.0));
            let sums = _mm_add_ps(
                _mm256_castps256_ps128(pairs),
                _mm256_extractf128_ps::<1>(pairs),
            );
            let mut out = [0.0; 4];
            _mm_storeu_ps(out.as_mut_ptr(), sums);
            out
        }
    }
}
