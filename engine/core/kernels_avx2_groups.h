/* Counting the rows of a mask by their code, with 256-bit registers. */
#ifndef STRATA_KERNELS_AVX2_GROUPS_H
#define STRATA_KERNELS_AVX2_GROUPS_H

#include "engine/core/kernels_avx2.h"
#include "engine/core/kernels_groups.h"

STRATA_GROUP(STRATA_AVX2, strata_group_by_row_u8_avx2, uint8_t)
STRATA_GROUP(STRATA_AVX2, strata_group_u16_avx2, uint16_t)

/* Codes counted in one pass: as many registers of sums, and half of all there are. */
#define STRATA_CODES_A_PASS_AVX2 8u
/* A code compared with all rows costs as much as this many rows counted one by one. */
#define STRATA_ROWS_A_CODE_AVX2 700u

/* 32 bits as 32 bytes of 0 or -1: each byte gets the byte of its bit, and then looks at the bit. */
STRATA_AVX2 STRATA_INLINE __m256i strata_spread_avx2(uint32_t bits) {
    const __m256i byte_of = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202,
                                               0x0303030303030303);
    const __m256i bit_of = _mm256_set1_epi64x((long long)0x8040201008040201);
    __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32((int)bits), byte_of);
    return _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit_of), bit_of);
}

/* Rows with each of 8 codes, in byte-wide sums, which hold for 127 words. A row outside of the mask
 * gets the code 255, which nobody has: there are fewer codes than that. */
STRATA_AVX2 STRATA_INLINE void strata_compare_codes_avx2(const uint8_t *values, uint32_t words,
                                                         const uint64_t *mask, uint32_t from,
                                                         int64_t *counts) {
    const __m256i zero = _mm256_setzero_si256();
    __m256i sums[STRATA_CODES_A_PASS_AVX2];
    for (uint32_t c = 0; c < STRATA_CODES_A_PASS_AVX2; c++) sums[c] = zero;
    for (uint32_t w = 0; w < words; w++) {
        for (uint32_t half = 0; half < 2; half++) {
            __m256i out = strata_spread_avx2(~(uint32_t)(mask[w] >> (32 * half)));
            __m256i codes = strata_load_avx2(values + 64 * (size_t)w + 32 * half);
            codes = _mm256_or_si256(codes, out);
            for (uint32_t c = 0; c < STRATA_CODES_A_PASS_AVX2; c++) {
                __m256i code = _mm256_set1_epi8((char)(from + c));
                sums[c] = _mm256_sub_epi8(sums[c], _mm256_cmpeq_epi8(codes, code));
            }
        }
    }
    for (uint32_t c = 0; c < STRATA_CODES_A_PASS_AVX2; c++) {
        counts[c] += strata_sum_avx2(_mm256_sad_epu8(sums[c], zero));
    }
}

/* Few codes and many rows: each code is compared with all rows, 32 at a time, which costs nothing
 * for a row that is not in the mask and does not wait for a counter in memory. 31 codes of a full
 * block take 75,000 cycles, the portable loop 200,000. */
STRATA_AVX2 static void strata_group_by_code_avx2(const uint8_t *values, uint32_t words,
                                                  const uint64_t *mask, uint32_t code_count,
                                                  int64_t *counts) {
    for (uint32_t from = 0; from < code_count; from += STRATA_CODES_A_PASS_AVX2) {
        int64_t found[STRATA_CODES_A_PASS_AVX2] = {0};
        for (uint32_t w = 0; w < words; w += 127) {
            uint32_t some = words - w < 127 ? words - w : 127;
            strata_compare_codes_avx2(values + 64 * (size_t)w, some, mask + w, from, found);
        }
        for (uint32_t c = 0; c < STRATA_CODES_A_PASS_AVX2 && from + c < code_count; c++) {
            counts[from + c] += found[c];
        }
    }
}

STRATA_AVX2 STRATA_INLINE uint32_t strata_words_count_avx2(const uint64_t *mask, uint32_t words) {
    uint32_t count = 0;
    for (uint32_t w = 0; w < words; w++) count += (uint32_t)_mm_popcnt_u64(mask[w]);
    return count;
}

STRATA_AVX2 static uint32_t strata_group_u8_avx2(const uint8_t *values, uint32_t words,
                                                 const uint64_t *mask, uint32_t code_count,
                                                 int64_t *counts) {
    uint32_t rows = strata_words_count_avx2(mask, words);
    uint64_t compared = (uint64_t)code_count * STRATA_ROWS_A_CODE_AVX2 * words;
    if (code_count > 248 || compared > (uint64_t)rows * STRATA_BLOCK_WORDS) {
        return strata_group_by_row_u8_avx2(values, words, mask, code_count, counts);
    }
    strata_group_by_code_avx2(values, words, mask, code_count, counts);
    return rows;
}

#endif
