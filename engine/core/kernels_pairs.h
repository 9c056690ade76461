/* Pairs of a count and a sum in one lane, asked about and brought back to 0: what is made of events
 * that are counted and added up at once (engine/events/pairs.h).
 *
 * kernels.h is the manual. The lanes of a block take 256 KiB of the second-level cache, so that they
 * are passed over once, and cleared on the way.
 */
#ifndef STRATA_KERNELS_PAIRS_H
#define STRATA_KERNELS_PAIRS_H

#include "engine/core/kernels_loops.h"

static void strata_take_pairs_portable(uint32_t *restrict lanes, uint32_t words, uint32_t bits,
                                       uint32_t least, uint32_t low, uint32_t span,
                                       uint64_t *restrict out) {
    uint32_t counts = ((uint32_t)1 << bits) - 1;
    for (uint32_t w = 0; w < words; w++) {
        uint8_t hit[64];
        for (uint32_t i = 0; i < 64; i++) {
            uint32_t lane = lanes[64 * (size_t)w + i];
            hit[i] = ((lane & counts) >= least) & ((lane >> bits) - low <= span);
            lanes[64 * (size_t)w + i] = 0;
        }
        out[w] = strata_pack64(hit);
    }
}

#if defined(__x86_64__) && defined(__GNUC__)
#include "engine/core/kernels_avx2.h"
#include "engine/core/kernels_avx512.h"

STRATA_AVX2 static void strata_take_pairs_avx2(uint32_t *restrict lanes, uint32_t words,
                                               uint32_t bits, uint32_t least, uint32_t low,
                                               uint32_t span, uint64_t *restrict out) {
    const __m256i counts = _mm256_set1_epi32((int)(((uint32_t)1 << bits) - 1));
    const __m256i fewest = _mm256_set1_epi32((int)least), from = _mm256_set1_epi32((int)low);
    const __m256i most = _mm256_set1_epi32((int)span), zero = _mm256_setzero_si256();
    const __m128i shift = _mm_cvtsi32_si128((int)bits);
    for (uint32_t w = 0; w < words; w++) {
        uint64_t hits = 0;
        for (uint32_t i = 0; i < 64; i += 8) {
            __m256i *at = (__m256i *)(void *)(lanes + 64 * (size_t)w + i);
            __m256i lane = _mm256_loadu_si256(at);
            __m256i count = _mm256_and_si256(lane, counts);
            __m256i above = _mm256_sub_epi32(_mm256_srl_epi32(lane, shift), from);
            __m256i enough = _mm256_cmpeq_epi32(_mm256_max_epu32(count, fewest), count);
            __m256i within = _mm256_cmpeq_epi32(_mm256_min_epu32(above, most), above);
            __m256 both = _mm256_castsi256_ps(_mm256_and_si256(enough, within));
            hits |= (uint64_t)(uint32_t)_mm256_movemask_ps(both) << i;
            _mm256_storeu_si256(at, zero);
        }
        out[w] = hits;
    }
}

STRATA_AVX512 static void strata_take_pairs_avx512(uint32_t *restrict lanes, uint32_t words,
                                                   uint32_t bits, uint32_t least, uint32_t low,
                                                   uint32_t span, uint64_t *restrict out) {
    const __m512i counts = _mm512_set1_epi32((int)(((uint32_t)1 << bits) - 1));
    const __m512i fewest = _mm512_set1_epi32((int)least), from = _mm512_set1_epi32((int)low);
    const __m512i most = _mm512_set1_epi32((int)span), zero = _mm512_setzero_si512();
    const __m128i shift = _mm_cvtsi32_si128((int)bits);
    for (uint32_t w = 0; w < words; w++) {
        uint64_t hits = 0;
        for (uint32_t i = 0; i < 64; i += 16) {
            uint32_t *at = lanes + 64 * (size_t)w + i;
            __m512i lane = _mm512_loadu_si512(at);
            __m512i above = _mm512_sub_epi32(_mm512_srl_epi32(lane, shift), from);
            __mmask16 within = _mm512_cmple_epu32_mask(above, most);
            __mmask16 both = _mm512_mask_cmpge_epu32_mask(
                within, _mm512_and_si512(lane, counts), fewest);
            hits |= (uint64_t)both << i;
            _mm512_storeu_si512(at, zero);
        }
        out[w] = hits;
    }
}
#endif

#endif
