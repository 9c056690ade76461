/* Counting the rows of a mask by their code, with 512-bit registers. */
#ifndef STRATA_KERNELS_AVX512_GROUPS_H
#define STRATA_KERNELS_AVX512_GROUPS_H

#include "engine/core/kernels_avx512.h"
#include "engine/core/kernels_groups.h"

/* Codes of the mask's rows are brought together in stretches of this many words. */
#define STRATA_GATHERED_WORDS 64u
/* Fewer rows than this are counted bit by bit: VPCOMPRESS costs the same for empty words. */
#define STRATA_GROUPED_BY_BITS_AVX512 1500u
/* Codes compared in one pass: as many registers of sums, and of codes. */
#define STRATA_CODES_A_PASS_AVX512 8u
/* A code compared with all rows costs as much as this many rows counted one by one. */
#define STRATA_ROWS_A_CODE_AVX512 1000u

/* Codes of the rows are brought together by VPCOMPRESS first, 32 or 64 rows in a step, and then
 * counted in order: a loop over the bits of each word would end by a wrong guess for every word.
 * A row takes 1 cycle where the portable loop takes 3.
 * `gathered` has room for a register more than the rows. */
STRATA_AVX512 STRATA_INLINE uint32_t strata_gather_u8_avx512(const uint8_t *values, uint32_t words,
                                                             const uint64_t *mask,
                                                             uint8_t *gathered) {
    uint32_t rows = 0;
    for (uint32_t w = 0; w < words; w++) {
        __m512i codes = strata_load_avx512(values + 64 * (size_t)w);
        _mm512_storeu_si512(gathered + rows, _mm512_maskz_compress_epi8(mask[w], codes));
        rows += (uint32_t)_mm_popcnt_u64(mask[w]);
    }
    return rows;
}

STRATA_AVX512 STRATA_INLINE uint32_t strata_gather_u16_avx512(const uint16_t *values,
                                                              uint32_t words,
                                                              const uint64_t *mask,
                                                              uint16_t *gathered) {
    uint32_t rows = 0;
    for (uint32_t h = 0; h < 2 * words; h++) {
        __mmask32 bits = (__mmask32)(mask[h / 2] >> (h % 2 * 32));
        __m512i codes = strata_load_avx512(values + 32 * (size_t)h);
        _mm512_storeu_si512(gathered + rows, _mm512_maskz_compress_epi16(bits, codes));
        rows += (uint32_t)_mm_popcnt_u64(bits);
    }
    return rows;
}

#define STRATA_GROUP_GATHERED(NAME, GATHER, TYPE)                                              \
    STRATA_AVX512 static uint32_t NAME(const TYPE *values, uint32_t words,                     \
                                       const uint64_t *mask, uint32_t code_count,              \
                                       int64_t *counts) {                                      \
        strata_tallies tallies;                                                                \
        TYPE gathered[64 * STRATA_GATHERED_WORDS + 64];                                        \
        uint32_t all = 0;                                                                      \
        int tallied = code_count <= STRATA_TALLIED;                                            \
        if (tallied) strata_tallies_clear(&tallies, code_count);                               \
        for (uint32_t w = 0; w < words; w += STRATA_GATHERED_WORDS) {                          \
            uint32_t left = words - w, i = 0;                                                  \
            uint32_t some = left < STRATA_GATHERED_WORDS ? left : STRATA_GATHERED_WORDS;       \
            uint32_t rows = GATHER(values + 64 * (size_t)w, some, mask + w, gathered);         \
            for (; tallied && i + 4 <= rows; i += 4) {                                         \
                tallies.of[0][gathered[i]]++;                                                  \
                tallies.of[1][gathered[i + 1]]++;                                              \
                tallies.of[2][gathered[i + 2]]++;                                              \
                tallies.of[3][gathered[i + 3]]++;                                              \
            }                                                                                  \
            for (; i < rows; i++) counts[gathered[i]]++;                                       \
            all += rows;                                                                       \
        }                                                                                      \
        if (tallied) strata_tallies_add(&tallies, code_count, counts);                         \
        return all;                                                                            \
    }

STRATA_GROUP_GATHERED(strata_group_gathered_u8_avx512, strata_gather_u8_avx512, uint8_t)
STRATA_GROUP_GATHERED(strata_group_gathered_u16_avx512, strata_gather_u16_avx512, uint16_t)

/* Rows with each of 8 codes, in byte-wide sums, which hold for 255 words. */
STRATA_AVX512 STRATA_INLINE void strata_compare_codes_avx512(const uint8_t *values, uint32_t words,
                                                             const uint64_t *mask, uint32_t from,
                                                             int64_t *counts) {
    const __m512i minus = _mm512_set1_epi8(-1);
    __m512i sums[STRATA_CODES_A_PASS_AVX512];
    for (uint32_t c = 0; c < STRATA_CODES_A_PASS_AVX512; c++) sums[c] = _mm512_setzero_si512();
    for (uint32_t w = 0; w < words; w++) {
        __m512i codes = strata_load_avx512(values + 64 * (size_t)w);
        for (uint32_t c = 0; c < STRATA_CODES_A_PASS_AVX512; c++) {
            __m512i code = _mm512_set1_epi8((char)(from + c));
            __mmask64 here = _mm512_mask_cmpeq_epi8_mask(mask[w], codes, code);
            sums[c] = _mm512_mask_sub_epi8(sums[c], here, sums[c], minus);
        }
    }
    for (uint32_t c = 0; c < STRATA_CODES_A_PASS_AVX512; c++) {
        counts[c] += _mm512_reduce_add_epi64(_mm512_sad_epu8(sums[c], _mm512_setzero_si512()));
    }
}

/* Few codes and many rows: each code is compared with all rows, 64 at a time. 31 codes of a full
 * block take 40,000 cycles, the portable loop 200,000. */
STRATA_AVX512 static void strata_group_by_code_avx512(const uint8_t *values, uint32_t words,
                                                      const uint64_t *mask, uint32_t code_count,
                                                      int64_t *counts) {
    for (uint32_t from = 0; from < code_count; from += STRATA_CODES_A_PASS_AVX512) {
        int64_t found[STRATA_CODES_A_PASS_AVX512] = {0};
        for (uint32_t w = 0; w < words; w += 255) {
            uint32_t some = words - w < 255 ? words - w : 255;
            strata_compare_codes_avx512(values + 64 * (size_t)w, some, mask + w, from, found);
        }
        for (uint32_t c = 0; c < STRATA_CODES_A_PASS_AVX512 && from + c < code_count; c++) {
            counts[from + c] += found[c];
        }
    }
}

STRATA_AVX512 static uint32_t strata_group_u8_avx512(const uint8_t *values, uint32_t words,
                                                     const uint64_t *mask, uint32_t code_count,
                                                     int64_t *counts) {
    uint32_t rows = strata_words_count_avx2(mask, words);
    uint64_t compared = (uint64_t)code_count * STRATA_ROWS_A_CODE_AVX512 * words;
    if (compared > (uint64_t)rows * STRATA_BLOCK_WORDS) {
        return rows < STRATA_GROUPED_BY_BITS_AVX512
                   ? strata_group_u8_portable(values, words, mask, code_count, counts)
                   : strata_group_gathered_u8_avx512(values, words, mask, code_count, counts);
    }
    strata_group_by_code_avx512(values, words, mask, code_count, counts);
    return rows;
}

STRATA_AVX512 static uint32_t strata_group_u16_avx512(const uint16_t *values, uint32_t words,
                                                      const uint64_t *mask, uint32_t code_count,
                                                      int64_t *counts) {
    return strata_words_count_avx2(mask, words) < STRATA_GROUPED_BY_BITS_AVX512
               ? strata_group_u16_portable(values, words, mask, code_count, counts)
               : strata_group_gathered_u16_avx512(values, words, mask, code_count, counts);
}

#endif
