/* kernels_lanes.h with the registers of x86.
 *
 * AVX2 has no masks: the bits of a word are spread over lanes, compared with the bit that each lane
 * stands for, and what is equal keeps the number that is added. A dense block of bytes takes 5,000
 * cycles, one by one 40,000; with AVX-512 2,000.
 */
#ifndef STRATA_KERNELS_X86_LANES_H
#define STRATA_KERNELS_X86_LANES_H

#include "engine/core/kernels_avx2.h"
#include "engine/core/kernels_avx512.h"

/* 32 rows of bytes: each four bytes of the bits go to eight lanes. */
STRATA_AVX2 STRATA_INLINE __m256i strata_spread_u8_avx2(uint64_t bits) {
    const __m256i from = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2,
                                          2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
    const __m256i bit = _mm256_set1_epi64x((int64_t)0x8040201008040201);
    __m256i spread = _mm256_shuffle_epi8(_mm256_set1_epi32((int)(uint32_t)bits), from);
    return _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit), bit);
}

STRATA_AVX2 STRATA_INLINE __m256i strata_spread_u16_avx2(uint64_t bits) {
    const __m256i bit = _mm256_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096,
                                          8192, 16384, -32768);
    __m256i spread = _mm256_set1_epi16((short)(uint16_t)bits);
    return _mm256_cmpeq_epi16(_mm256_and_si256(spread, bit), bit);
}

STRATA_AVX2 STRATA_INLINE __m256i strata_spread_u32_avx2(uint64_t bits) {
    const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    __m256i spread = _mm256_set1_epi32((int)(uint32_t)bits);
    return _mm256_cmpeq_epi32(_mm256_and_si256(spread, bit), bit);
}

STRATA_AVX2 STRATA_INLINE __m256i strata_spread_u64_avx2(uint64_t bits) {
    const __m256i bit = _mm256_setr_epi64x(1, 2, 4, 8);
    __m256i spread = _mm256_set1_epi64x((int64_t)bits);
    return _mm256_cmpeq_epi64(_mm256_and_si256(spread, bit), bit);
}

#define STRATA_ADD_AVX2(TYPE, LANES, NAME, SPREAD, SET, ADD)                                   \
    STRATA_AVX2 static void NAME(TYPE *restrict values, const uint64_t *restrict mask,         \
                                 TYPE value) {                                                 \
        const __m256i each = SET;                                                              \
        for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++) {                                    \
            if (!mask[w]) continue;                                                            \
            for (uint32_t i = 0; i < 64; i += LANES) {                                         \
                __m256i *at = (__m256i *)(void *)(values + 64 * (size_t)w + i);                \
                __m256i more = _mm256_and_si256(SPREAD(mask[w] >> i), each);                   \
                _mm256_storeu_si256(at, ADD(_mm256_loadu_si256(at), more));                    \
            }                                                                                  \
        }                                                                                      \
    }

STRATA_ADD_AVX2(uint8_t, 32, strata_add_u8_avx2, strata_spread_u8_avx2,
                _mm256_set1_epi8((char)value), _mm256_add_epi8)
STRATA_ADD_AVX2(uint16_t, 16, strata_add_u16_avx2, strata_spread_u16_avx2,
                _mm256_set1_epi16((short)value), _mm256_add_epi16)
STRATA_ADD_AVX2(uint32_t, 8, strata_add_u32_avx2, strata_spread_u32_avx2,
                _mm256_set1_epi32((int)value), _mm256_add_epi32)
STRATA_ADD_AVX2(uint64_t, 4, strata_add_u64_avx2, strata_spread_u64_avx2,
                _mm256_set1_epi64x((int64_t)value), _mm256_add_epi64)

#define STRATA_ADD_AVX512(TYPE, LANES, NAME, MASK, SET, ADD)                                   \
    STRATA_AVX512 static void NAME(TYPE *restrict values, const uint64_t *restrict mask,       \
                                   TYPE value) {                                               \
        const __m512i each = SET;                                                              \
        for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++) {                                    \
            if (!mask[w]) continue;                                                            \
            for (uint32_t i = 0; i < 64; i += LANES) {                                         \
                TYPE *at = values + 64 * (size_t)w + i;                                        \
                __m512i now = _mm512_loadu_si512(at);                                          \
                _mm512_storeu_si512(at, ADD(now, (MASK)(mask[w] >> i), now, each));            \
            }                                                                                  \
        }                                                                                      \
    }

STRATA_ADD_AVX512(uint8_t, 64, strata_add_u8_avx512, __mmask64, _mm512_set1_epi8((char)value),
                  _mm512_mask_add_epi8)
STRATA_ADD_AVX512(uint16_t, 32, strata_add_u16_avx512, __mmask32, _mm512_set1_epi16((short)value),
                  _mm512_mask_add_epi16)
STRATA_ADD_AVX512(uint32_t, 16, strata_add_u32_avx512, __mmask16, _mm512_set1_epi32((int)value),
                  _mm512_mask_add_epi32)
STRATA_ADD_AVX512(uint64_t, 8, strata_add_u64_avx512, __mmask8,
                  _mm512_set1_epi64((long long)value), _mm512_mask_add_epi64)

/* ------------------------------------------------------- lanes of a byte, without a mask between */

/* These passes do so little with what they read that they wait for memory. What the processor
 * fetches ahead by itself stops at pages of 4 KiB; asked for so many bytes ahead, columns that are
 * in no cache come in 15 to 20% faster. To ask behind the end of a column harms nothing. */
#define STRATA_AHEAD_BYTES 2048

#define STRATA_FETCH_AHEAD(AT, BYTES)                                                          \
    for (uint32_t ahead = 0; ahead < (BYTES); ahead += 64)                                     \
        _mm_prefetch((const char *)(AT) + STRATA_AHEAD_BYTES + ahead, _MM_HINT_T0)

/* A look-up in a register has 16 entries, so codes go through one after the other: what is not of
 * the sixteen gets its top bit set, which VPSHUFB answers by 0. */
STRATA_AVX2 static void strata_add_by_u8_avx2(uint8_t *restrict lanes,
                                              const uint8_t *restrict values, uint32_t words,
                                              const uint8_t *restrict table, uint32_t most) {
    const __m256i out = _mm256_set1_epi8(0x70);
    for (uint32_t i = 0; i < 64 * words; i += 32) {
        __m256i codes = strata_load_avx2(values + i);
        __m256i sum = strata_load_avx2(lanes + i);
        _mm_prefetch((const char *)values + i + STRATA_AHEAD_BYTES, _MM_HINT_T0);
        for (uint32_t first = 0; first <= most; first += 16) {
            __m256i entries = _mm256_broadcastsi128_si256(
                _mm_loadu_si128((const __m128i *)(const void *)(table + first)));
            __m256i place = _mm256_sub_epi8(codes, _mm256_set1_epi8((char)first));
            place = _mm256_adds_epu8(place, out);
            sum = _mm256_add_epi8(sum, _mm256_shuffle_epi8(entries, place));
        }
        _mm256_storeu_si256((__m256i *)(void *)(lanes + i), sum);
    }
}

#define STRATA_ADD_IN_AVX2(TYPE, NAME, HITS)                                                   \
    STRATA_AVX2 static void NAME(uint8_t *restrict lanes, const TYPE *restrict values,         \
                                 uint32_t words, TYPE low, TYPE span, uint8_t number) {        \
        const __m256i each = _mm256_set1_epi8((char)number);                                   \
        for (uint32_t w = 0; w < words; w++) {                                                 \
            const TYPE *from = values + 64 * (size_t)w;                                        \
            STRATA_FETCH_AHEAD(from, 64 * sizeof(TYPE));                                       \
            uint64_t hit = HITS(from, low, span);                                              \
            for (uint32_t i = 0; i < 64; i += 32) {                                            \
                __m256i *at = (__m256i *)(void *)(lanes + 64 * (size_t)w + i);                 \
                __m256i more = _mm256_and_si256(strata_spread_u8_avx2(hit >> i), each);        \
                _mm256_storeu_si256(at, _mm256_add_epi8(_mm256_loadu_si256(at), more));        \
            }                                                                                  \
        }                                                                                      \
    }

STRATA_ADD_IN_AVX2(uint16_t, strata_add_in_u16_avx2, strata_hits_u16_avx2)
STRATA_ADD_IN_AVX2(uint32_t, strata_add_in_u32_avx2, strata_hits_u32_avx2)

/* The whole table lies in four registers; VPERMI2B looks up in two of them by 7 bits. */
STRATA_AVX512 static void strata_add_by_u8_avx512(uint8_t *restrict lanes,
                                                  const uint8_t *restrict values,
                                                  uint32_t words,
                                                  const uint8_t *restrict table,
                                                  uint32_t most) {
    const __m512i a = strata_load_avx512(table), b = strata_load_avx512(table + 64);
    const __m512i c = strata_load_avx512(table + 128), d = strata_load_avx512(table + 192);
    (void)most;
    for (uint32_t w = 0; w < words; w++) {
        uint8_t *at = lanes + 64 * (size_t)w;
        __m512i codes = strata_load_avx512(values + 64 * (size_t)w);
        _mm_prefetch((const char *)values + 64 * (size_t)w + STRATA_AHEAD_BYTES, _MM_HINT_T0);
        __m512i low = _mm512_permutex2var_epi8(a, codes, b);
        __m512i high = _mm512_permutex2var_epi8(c, codes, d);
        __m512i found = _mm512_mask_blend_epi8(_mm512_movepi8_mask(codes), low, high);
        _mm512_storeu_si512(at, _mm512_add_epi8(strata_load_avx512(at), found));
    }
}

#define STRATA_ADD_IN_AVX512(TYPE, NAME, HITS)                                                 \
    STRATA_AVX512 static void NAME(uint8_t *restrict lanes, const TYPE *restrict values,       \
                                   uint32_t words, TYPE low, TYPE span, uint8_t number) {      \
        const __m512i each = _mm512_set1_epi8((char)number);                                   \
        for (uint32_t w = 0; w < words; w++) {                                                 \
            const TYPE *from = values + 64 * (size_t)w;                                        \
            uint8_t *at = lanes + 64 * (size_t)w;                                              \
            STRATA_FETCH_AHEAD(from, 64 * sizeof(TYPE));                                       \
            __m512i now = strata_load_avx512(at);                                              \
            _mm512_storeu_si512(at, _mm512_mask_add_epi8(now, HITS(from, low, span), now, each)); \
        }                                                                                      \
    }

STRATA_ADD_IN_AVX512(uint16_t, strata_add_in_u16_avx512, strata_hits_u16_avx512)
STRATA_ADD_IN_AVX512(uint32_t, strata_add_in_u32_avx512, strata_hits_u32_avx512)

#endif
