/* Selection lists with 512-bit registers: 16 rows tested at a time by one gather, 64 rows taken
 * out of a mask at a time. Rows that stay are brought together by VPCOMPRESSW. A row tested takes 1
 * cycle where the portable loop takes 2.5.
 */
#ifndef STRATA_KERNELS_AVX512_ROWS_H
#define STRATA_KERNELS_AVX512_ROWS_H

#include "engine/core/kernels_avx512.h"

/* The rows of a word are brought together as bytes, 0 to 63, and widened: 5 cycles for each word
 * however many of its bits are set, where a loop over the bits takes 3 for each, and 15 where it
 * guesses the end of a word wrong. No row is written beyond the last. */
STRATA_AVX512 static uint32_t strata_mask_to_rows_avx512(const uint64_t *mask, uint16_t *rows) {
    const __m512i places = _mm512_set_epi64(
        0x3F3E3D3C3B3A3938, 0x3736353433323130, 0x2F2E2D2C2B2A2928, 0x2726252423222120,
        0x1F1E1D1C1B1A1918, 0x1716151413121110, 0x0F0E0D0C0B0A0908, 0x0706050403020100);
    uint32_t count = 0;
    for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++) {
        if (w % 8 == 0) {
            __m512i eight = strata_load_avx512(mask + w);
            if (!_mm512_test_epi64_mask(eight, eight)) {
                w += 7;
                continue;
            }
        }
        __m512i first = _mm512_set1_epi16((short)(64 * w));
        __m512i found = _mm512_maskz_compress_epi8(mask[w], places);
        uint32_t some = (uint32_t)_mm_popcnt_u64(mask[w]);
        __m512i wide = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(found));
        _mm512_mask_storeu_epi16(rows + count, _bzhi_u32(~UINT32_C(0), some),
                                 _mm512_add_epi16(wide, first));
        if (some > 32) {
            wide = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(found, 1));
            _mm512_mask_storeu_epi16(rows + count + 32, _bzhi_u32(~UINT32_C(0), some - 32),
                                     _mm512_add_epi16(wide, first));
        }
        count += some;
    }
    return count;
}

/* Lanes of the 16 rows from i on that are there. */
STRATA_AVX512 STRATA_INLINE __mmask16 strata_lanes_avx512(uint32_t i, uint32_t count) {
    return (__mmask16)_bzhi_u32(0xFFFF, count - i < 16 ? count - i : 16);
}

/* Writes the rows whose bit in `kept` is set; returns how many. What is written over has been
 * read: no more rows are kept than came in. */
STRATA_AVX512 STRATA_INLINE uint32_t strata_keep_avx512(__m256i rows, __mmask16 kept,
                                                        uint16_t *out) {
    uint32_t count = (uint32_t)_mm_popcnt_u32(kept);
    __mmask16 first = (__mmask16)_bzhi_u32(0xFFFF, count);
    _mm256_mask_storeu_epi16(out, first, _mm256_maskz_compress_epi16(kept, rows));
    return count;
}

/* The loop over a list: HITS makes the hits of 16 rows, of which only `lanes` may be fetched. */
#define STRATA_FOR_ROWS_AVX512(HITS)                                                           \
    {                                                                                          \
        uint32_t kept_count = 0;                                                               \
        for (uint32_t i = 0; i < count; i += 16) {                                             \
            __mmask16 lanes = strata_lanes_avx512(i, count);                                   \
            __m256i list = _mm256_maskz_loadu_epi16(lanes, rows + i);                          \
            __m512i at = _mm512_sub_epi32(_mm512_cvtepu16_epi32(list),                         \
                                          _mm512_set1_epi32((int)first));                      \
            __mmask16 hits = HITS;                                                             \
            __mmask16 kept = lanes & (hits ^ (flip ? 0xFFFF : 0));                             \
            kept_count += strata_keep_avx512(list, kept, out + kept_count);                    \
        }                                                                                      \
        return kept_count;                                                                     \
    }

/* Values are fetched in the four bytes that they lie in, counted from the first value: nothing
 * beyond the padded column is read. */
STRATA_AVX512 STRATA_INLINE __m512i strata_fetch_avx512(const void *from, __m512i at,
                                                        __mmask16 lanes) {
    return _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), lanes, at, from, 4);
}

STRATA_AVX512 STRATA_INLINE __m512i strata_fetch_u8_avx512(const uint8_t *values, __m512i at,
                                                           __mmask16 lanes) {
    __m512i shift = _mm512_slli_epi32(_mm512_and_si512(at, _mm512_set1_epi32(3)), 3);
    __m512i four = strata_fetch_avx512(values, _mm512_srli_epi32(at, 2), lanes);
    return _mm512_and_si512(_mm512_srlv_epi32(four, shift), _mm512_set1_epi32(0xFF));
}

STRATA_AVX512 STRATA_INLINE __m512i strata_fetch_u16_avx512(const uint16_t *values, __m512i at,
                                                            __mmask16 lanes) {
    __m512i shift = _mm512_slli_epi32(_mm512_and_si512(at, _mm512_set1_epi32(1)), 4);
    __m512i four = strata_fetch_avx512(values, _mm512_srli_epi32(at, 1), lanes);
    return _mm512_and_si512(_mm512_srlv_epi32(four, shift), _mm512_set1_epi32(0xFFFF));
}

STRATA_AVX512 STRATA_INLINE __m512i strata_fetch_u32_avx512(const uint32_t *values, __m512i at,
                                                            __mmask16 lanes) {
    return strata_fetch_avx512(values, at, lanes);
}

/* Hits of values that are as wide as their lanes; low and span have been widened, and the
 * difference is cut to the width of the value again. */
STRATA_AVX512 STRATA_INLINE __mmask16 strata_near_avx512(__m512i value, uint32_t low,
                                                         uint32_t span, uint32_t width_mask) {
    __m512i moved = _mm512_sub_epi32(value, _mm512_set1_epi32((int)low));
    moved = _mm512_and_si512(moved, _mm512_set1_epi32((int)width_mask));
    return _mm512_cmple_epu32_mask(moved, _mm512_set1_epi32((int)span));
}

STRATA_AVX512 STRATA_INLINE __mmask16 strata_rows_u64_avx512(const uint64_t *values, __m512i at,
                                                             __mmask16 lanes, uint64_t low,
                                                             uint64_t span) {
    const __m512i zero = _mm512_setzero_si512(), from = _mm512_set1_epi64((long long)low);
    const __m512i most = _mm512_set1_epi64((long long)span);
    __m512i a = _mm512_mask_i32gather_epi64(zero, (__mmask8)lanes, _mm512_castsi512_si256(at),
                                            values, 8);
    __m512i b = _mm512_mask_i32gather_epi64(zero, (__mmask8)(lanes >> 8),
                                            _mm512_extracti64x4_epi64(at, 1), values, 8);
    uint32_t hits = _mm512_cmple_epu64_mask(_mm512_sub_epi64(a, from), most);
    return (__mmask16)(hits | (uint32_t)_mm512_cmple_epu64_mask(_mm512_sub_epi64(b, from), most)
                                  << 8);
}

STRATA_AVX512 STRATA_INLINE uint32_t strata_eight_f64_avx512(const double *values, __m256i at,
                                                             __mmask8 lanes, __m512d low,
                                                             __m512d high) {
    __m512d value = _mm512_mask_i32gather_pd(_mm512_setzero_pd(), lanes, at, values, 8);
    __mmask8 above = _mm512_cmp_pd_mask(value, low, _CMP_GE_OQ);
    return _mm512_mask_cmp_pd_mask(above, value, high, _CMP_LE_OQ);
}

STRATA_AVX512 STRATA_INLINE __mmask16 strata_rows_f64_avx512(const double *values, __m512i at,
                                                             __mmask16 lanes, double low,
                                                             double high) {
    const __m512d from = _mm512_set1_pd(low), to = _mm512_set1_pd(high);
    uint32_t hits = strata_eight_f64_avx512(values, _mm512_castsi512_si256(at), (__mmask8)lanes,
                                            from, to);
    return (__mmask16)(hits | strata_eight_f64_avx512(values, _mm512_extracti64x4_epi64(at, 1),
                                                      (__mmask8)(lanes >> 8), from, to)
                                  << 8);
}

/* Whether the bits of 16 codes, or rows of a mask, are set; of those only `lanes` are looked at. */
STRATA_AVX512 STRATA_INLINE __mmask16 strata_bits_avx512(__m512i codes, const uint64_t *bits,
                                                         __mmask16 lanes) {
    __m512i words = strata_fetch_avx512(bits, _mm512_srli_epi32(codes, 5), lanes);
    return _mm512_test_epi32_mask(words, _mm512_rolv_epi32(_mm512_set1_epi32(1), codes));
}

STRATA_AVX512 static uint32_t strata_rows_in_mask_avx512(const uint16_t *rows, uint32_t count,
                                                         const uint64_t *mask, uint32_t flip,
                                                         uint16_t *out) {
    const uint32_t first = 0;
    STRATA_FOR_ROWS_AVX512(strata_bits_avx512(at, mask, lanes))
}

#define STRATA_ROWS_RANGE_AVX512(WIDTH, TYPE, HITS)                                            \
    STRATA_AVX512 static uint32_t strata_rows_range_##WIDTH##_avx512(                          \
        const TYPE *values, uint32_t first, const uint16_t *rows, uint32_t count, TYPE low,    \
        TYPE high, uint32_t flip, uint16_t *out) {                                             \
        STRATA_FOR_ROWS_AVX512(HITS)                                                           \
    }
#define STRATA_NEAR_AVX512(WIDTH, WIDTH_MASK)                                                  \
    strata_near_avx512(strata_fetch_##WIDTH##_avx512(values, at, lanes), low, high, WIDTH_MASK)

STRATA_ROWS_RANGE_AVX512(u8, uint8_t, STRATA_NEAR_AVX512(u8, 0xFF))
STRATA_ROWS_RANGE_AVX512(u16, uint16_t, STRATA_NEAR_AVX512(u16, 0xFFFF))
STRATA_ROWS_RANGE_AVX512(u32, uint32_t, STRATA_NEAR_AVX512(u32, 0xFFFFFFFF))
STRATA_ROWS_RANGE_AVX512(u64, uint64_t, strata_rows_u64_avx512(values, at, lanes, low, high))
STRATA_ROWS_RANGE_AVX512(f64, double, strata_rows_f64_avx512(values, at, lanes, low, high))

#define STRATA_ROWS_MEMBER_AVX512(WIDTH, TYPE)                                                 \
    STRATA_AVX512 static uint32_t strata_rows_member_##WIDTH##_avx512(                         \
        const TYPE *values, uint32_t first, const uint16_t *rows, uint32_t count,              \
        const uint64_t *members, uint32_t flip, uint16_t *out) {                               \
        STRATA_FOR_ROWS_AVX512(strata_bits_avx512(                                             \
            strata_fetch_##WIDTH##_avx512(values, at, lanes), members, lanes))                 \
    }

STRATA_ROWS_MEMBER_AVX512(u8, uint8_t)
STRATA_ROWS_MEMBER_AVX512(u16, uint16_t)
STRATA_ROWS_MEMBER_AVX512(u32, uint32_t)

#endif
