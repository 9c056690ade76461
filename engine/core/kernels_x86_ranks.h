/* kernels_ranks.h with the gathers of x86: the table and the cuts stay in the first-level cache. A block
 * with 86 cuts takes 58 us with AVX-512 and some 100 with AVX2, one by one 310. With AVX-512 most cuts do
 * without gathers: kernels_avx512_ranks.h. */
#ifndef STRATA_KERNELS_X86_RANKS_H
#define STRATA_KERNELS_X86_RANKS_H

#include "engine/core/kernels_avx2.h"
#include "engine/core/kernels_avx512.h"
#include "engine/core/kernels_ranks.h"

STRATA_AVX2 STRATA_INLINE __m256i strata_reached_avx2(const uint32_t *at, const strata_cuts *all,
                                                      uint32_t steps) {
    const __m256i low = _mm256_set1_epi32((int)all->low), last = _mm256_set1_epi32((int)all->last);
    __m256i value = strata_load_avx2(at);
    __m256i over = _mm256_sub_epi32(_mm256_max_epu32(value, low), low);
    __m256i bucket = _mm256_srl_epi32(over, _mm_cvtsi32_si128((int)all->shift));
    __m256i reached = _mm256_and_si256(
        _mm256_i32gather_epi32((const int *)(const void *)all->first,
                               _mm256_min_epu32(bucket, last), 1),
        _mm256_set1_epi32(255));
    for (uint32_t s = 0; s < steps; s++) {
        __m256i cut = _mm256_i32gather_epi32((const int *)all->cuts, reached, 4);
        __m256i is_reached = _mm256_cmpeq_epi32(_mm256_max_epu32(value, cut), value);
        reached = _mm256_sub_epi32(reached, is_reached);
    }
    return _mm256_add_epi32(reached, _mm256_set1_epi32((int)all->before));
}

/* Packing interleaves the halves of its operands: the bytes are put back in order by fours. */
STRATA_AVX2 STRATA_INLINE void strata_ranks_avx2(const uint32_t *values, uint32_t words,
                                                 const strata_cuts *all, uint8_t *ranks,
                                                 uint32_t steps) {
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    for (size_t i = 0; i < 64 * (size_t)words; i += 32) {
        __m256i a = strata_reached_avx2(values + i, all, steps);
        __m256i b = strata_reached_avx2(values + i + 8, all, steps);
        __m256i c = strata_reached_avx2(values + i + 16, all, steps);
        __m256i d = strata_reached_avx2(values + i + 24, all, steps);
        __m256i packed = _mm256_packus_epi16(_mm256_packus_epi32(a, b), _mm256_packus_epi32(c, d));
        _mm256_storeu_si256((__m256i *)(void *)(ranks + i),
                            _mm256_permutevar8x32_epi32(packed, order));
    }
}

STRATA_AVX512 STRATA_INLINE void strata_ranks_avx512(const uint32_t *values, uint32_t words,
                                                     const strata_cuts *all, uint8_t *ranks,
                                                     uint32_t steps) {
    const __m512i low = _mm512_set1_epi32((int)all->low), last = _mm512_set1_epi32((int)all->last);
    const __m512i one = _mm512_set1_epi32(1), before = _mm512_set1_epi32((int)all->before);
    const __m128i shift = _mm_cvtsi32_si128((int)all->shift);
    for (size_t i = 0; i < 64 * (size_t)words; i += 16) {
        __m512i value = strata_load_avx512(values + i);
        __m512i over = _mm512_sub_epi32(_mm512_max_epu32(value, low), low);
        __m512i bucket = _mm512_min_epu32(_mm512_srl_epi32(over, shift), last);
        __m512i reached = _mm512_and_si512(_mm512_i32gather_epi32(bucket, all->first, 1),
                                           _mm512_set1_epi32(255));
        for (uint32_t s = 0; s < steps; s++) {
            __m512i cut = _mm512_i32gather_epi32(reached, all->cuts, 4);
            __mmask16 is_reached = _mm512_cmpge_epu32_mask(value, cut);
            reached = _mm512_mask_add_epi32(reached, is_reached, reached, one);
        }
        _mm_storeu_si128((__m128i *)(void *)(ranks + i),
                         _mm512_cvtepi32_epi8(_mm512_add_epi32(reached, before)));
    }
}

/* The loop over steps is unrolled: their number is the same for all values. */
#define STRATA_RANKS(TARGET, NAME, SET)                                                        \
    TARGET static void NAME(const uint32_t *restrict values, uint32_t words,                   \
                            const strata_cuts *restrict all, uint8_t *restrict ranks) {        \
        switch (all->steps) {                                                                  \
        case 1: strata_ranks_##SET(values, words, all, ranks, 1); break;                       \
        case 2: strata_ranks_##SET(values, words, all, ranks, 2); break;                       \
        default: strata_ranks_##SET(values, words, all, ranks, all->steps);                    \
        }                                                                                      \
    }

STRATA_RANKS(STRATA_AVX2, strata_ranks_u32_avx2, avx2)
STRATA_RANKS(STRATA_AVX512, strata_gathered_ranks_u32_avx512, avx512)

#endif
