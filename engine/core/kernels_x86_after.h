/* kernels_after.h with the registers of x86: latest instants are fetched 8 or 16 at a time.
 *
 * The instants of all rows of a block lie in the second-level cache, so that many of them are on the
 * way at a time; one by one an event takes twice as long.
 */
#ifndef STRATA_KERNELS_X86_AFTER_H
#define STRATA_KERNELS_X86_AFTER_H

#include "engine/core/kernels_after.h"
#include "engine/core/kernels_avx2.h"
#include "engine/core/kernels_avx512.h"

/* AVX2 compares signed numbers, so the top bits of both are turned. */
STRATA_AVX2 STRATA_INLINE __m256i strata_below_avx2(__m256i value, __m256i limit) {
    const __m256i top = _mm256_set1_epi32(INT32_MIN);
    return _mm256_cmpgt_epi32(_mm256_xor_si256(limit, top), _mm256_xor_si256(value, top));
}

STRATA_AVX2 STRATA_INLINE uint64_t strata_lanes_avx2(__m256i lanes) {
    return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(lanes));
}

STRATA_AVX2 static void strata_after_u32_avx2(const uint16_t *rows, const uint32_t *times,
                                              uint32_t count, const uint32_t *latest,
                                              uint32_t sure, uint32_t most, uint64_t *hits,
                                              uint64_t *open) {
    const __m256i near = _mm256_set1_epi32((int)sure), far = _mm256_set1_epi32((int)most);
    uint32_t from = 0;
    for (; from + 64 <= count; from += 64) {
        uint64_t hit = 0, unsure = 0;
        for (uint32_t i = 0; i < 64; i += 8) {
            __m128i some = _mm_loadu_si128((const __m128i *)(const void *)(rows + from + i));
            __m256i time = strata_load_avx2(times + from + i);
            __m256i last = _mm256_i32gather_epi32((const int *)latest,
                                                  _mm256_cvtepu16_epi32(some), 4);
            __m256i past = _mm256_sub_epi32(_mm256_sub_epi32(time, last), _mm256_set1_epi32(1));
            uint64_t is_hit = strata_lanes_avx2(strata_below_avx2(past, near));
            uint64_t is_near = strata_lanes_avx2(strata_below_avx2(past, far));
            uint64_t is_late = strata_lanes_avx2(strata_below_avx2(last, time));
            hit |= is_hit << i;
            unsure |= ((is_near & ~is_hit) | (is_late ^ 0xFF)) << i;
        }
        hits[from / 64] = hit;
        open[from / 64] = unsure;
    }
    strata_after_each(rows, times, from, count, latest, sure, most, hits, open);
}

STRATA_AVX512 static void strata_after_u32_avx512(const uint16_t *rows, const uint32_t *times,
                                                  uint32_t count, const uint32_t *latest,
                                                  uint32_t sure, uint32_t most, uint64_t *hits,
                                                  uint64_t *open) {
    const __m512i near = _mm512_set1_epi32((int)sure), far = _mm512_set1_epi32((int)most);
    const __m512i zero = _mm512_setzero_si512();
    for (uint32_t from = 0; from < count; from += 64) {
        uint64_t hit = 0, unsure = 0;
        for (uint32_t i = 0; i < 64 && from + i < count; i += 16) {
            uint32_t left = count - from - i;
            __mmask16 here = (__mmask16)_bzhi_u32(0xFFFF, left < 16 ? left : 16);
            __m512i at = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(here, rows + from + i));
            __m512i time = _mm512_maskz_loadu_epi32(here, times + from + i);
            __m512i last = _mm512_mask_i32gather_epi32(zero, here, at, latest, 4);
            __m512i past = _mm512_sub_epi32(_mm512_sub_epi32(time, last), _mm512_set1_epi32(1));
            __mmask16 is_hit = _mm512_mask_cmplt_epu32_mask(here, past, near);
            __mmask16 is_near = _mm512_mask_cmplt_epu32_mask(here, past, far);
            __mmask16 is_early = _mm512_mask_cmpge_epu32_mask(here, last, time);
            hit |= (uint64_t)is_hit << i;
            unsure |= (uint64_t)(uint16_t)((is_near & ~is_hit) | is_early) << i;
        }
        hits[from / 64] = hit;
        open[from / 64] = unsure;
    }
}

#endif
