/* Masks of many codes and ranges of a byte, with 512-bit registers: 512 rows are a line of each mask.
 *
 * 1. The bytes of a line become 8 planes, one for each bit of theirs.
 * 2. By its upper and by its lower half a byte is one of 16, and has reached one of 16: from the planes
 *    these come in an operation or two, a line each (`strata_line`).
 * 3. A code is one of the upper and one of the lower: an `and`. A bound is reached by what is above
 *    its upper half, or in it and has reached its lower: one operation of three lines. A range is
 *    between two bounds.
 * To compare the bytes with each code or range takes 8 comparisons a line, and a store for each.
 */
#ifndef STRATA_KERNELS_AVX512_MASKS_H
#define STRATA_KERNELS_AVX512_MASKS_H

#include "engine/core/kernels_avx512.h"

/* Fewer codes or ranges are sooner compared one by one. */
#define STRATA_FEWEST_IN_PLANES 16u
#define STRATA_RANGES_IN_PLANES 256u
#define STRATA_LINE_WORDS 8u

/* Ternary logic: a | (b & c), (a ^ b) & c, a ^ b ^ c. */
#define STRATA_OR_BOTH 0xF8
#define STRATA_UNLIKE_IN 0x28
#define STRATA_ODD 0x96

/* What 512 bytes have reached: each of the 16 of their upper halves and beyond, which none does, and of
 * their lower. */
typedef struct {
    __m512i upper[18];
    __m512i lower[16];
} strata_line;

STRATA_CODE_MASKS(STRATA_AVX512, strata_compared_codes_avx512, avx512)
STRATA_RANGE_MASKS(STRATA_AVX512, strata_compared_ranges_avx512, avx512)

/* Which of two bits' four values are reached. */
STRATA_AVX512 STRATA_INLINE void strata_reach_4_avx512(__m512i high, __m512i low, __m512i *out) {
    out[0] = _mm512_set1_epi64(-1);
    out[1] = _mm512_or_si512(high, low);
    out[2] = high;
    out[3] = _mm512_and_si512(high, low);
    out[4] = _mm512_setzero_si512();
}

/* Which of the sixteen values of four planes are reached. */
STRATA_AVX512 STRATA_INLINE void strata_reach_16_avx512(const __m512i *planes, __m512i *out) {
    __m512i high[5], low[5];
    strata_reach_4_avx512(planes[3], planes[2], high);
    strata_reach_4_avx512(planes[1], planes[0], low);
    for (int h = 0; h < 4; h++) {
        for (int l = 0; l < 4; l++) {
            out[4 * h + l] =
                _mm512_ternarylogic_epi64(high[h + 1], high[h], low[l], STRATA_OR_BOTH);
        }
    }
}

/* Swaps the bits of `chosen` with those `by` above them. */
STRATA_AVX512 STRATA_INLINE __m512i strata_swap_avx512(__m512i bits, int by, uint64_t chosen) {
    const __m512i mask = _mm512_set1_epi64((long long)chosen);
    __m512i other = _mm512_srli_epi64(bits, (unsigned)by);
    __m512i unlike = _mm512_ternarylogic_epi64(bits, other, mask, STRATA_UNLIKE_IN);
    return _mm512_ternarylogic_epi64(bits, unlike, _mm512_slli_epi64(unlike, (unsigned)by),
                                     STRATA_ODD);
}

/* Bits b of 64 bytes as word b: in each word rows of eight bits become columns (Warren, Hacker's Delight,
 * 7-3), of which then those of a kind come together. */
STRATA_AVX512 STRATA_INLINE __m512i strata_bits_of_bytes_avx512(__m512i bytes) {
    const __m512i every_eighth = _mm512_add_epi8(
        _mm512_set1_epi64(0x3830282018100800),
        _mm512_set_epi64(0x0707070707070707, 0x0606060606060606, 0x0505050505050505,
                         0x0404040404040404, 0x0303030303030303, 0x0202020202020202,
                         0x0101010101010101, 0));
    bytes = strata_swap_avx512(bytes, 7, UINT64_C(0x00AA00AA00AA00AA));
    bytes = strata_swap_avx512(bytes, 14, UINT64_C(0x0000CCCC0000CCCC));
    bytes = strata_swap_avx512(bytes, 28, UINT64_C(0x00000000F0F0F0F0));
    return _mm512_permutexvar_epi8(every_eighth, bytes);
}

/* Eight lines of eight words: word b of each comes to line b. */
STRATA_AVX512 STRATA_INLINE void strata_turn_words_avx512(__m512i *lines) {
    __m512i pairs[8], fours[8];
    for (int i = 0; i < 8; i += 2) {
        pairs[i] = _mm512_unpacklo_epi64(lines[i], lines[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_epi64(lines[i], lines[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        for (int k = 0; k < 2; k++) {
            fours[i + k] = _mm512_shuffle_i64x2(pairs[i + k], pairs[i + k + 2], 0x88);
            fours[i + k + 2] = _mm512_shuffle_i64x2(pairs[i + k], pairs[i + k + 2], 0xDD);
        }
    }
    for (int k = 0; k < 4; k++) {
        lines[k] = _mm512_shuffle_i64x2(fours[k], fours[k + 4], 0x88);
        lines[k + 4] = _mm512_shuffle_i64x2(fours[k], fours[k + 4], 0xDD);
    }
}

STRATA_AVX512 STRATA_INLINE void strata_read_line_avx512(const uint8_t *values, strata_line *out) {
    __m512i planes[8];
    for (uint32_t w = 0; w < STRATA_LINE_WORDS; w++) {
        planes[w] = strata_bits_of_bytes_avx512(strata_load_avx512(values + 64 * w));
    }
    strata_turn_words_avx512(planes);
    strata_reach_16_avx512(planes + 4, out->upper);
    strata_reach_16_avx512(planes, out->lower);
    out->upper[16] = out->upper[17] = _mm512_setzero_si512();
}

/* The mask of each code in one pass over the values. */
STRATA_AVX512 static void strata_code_masks_u8_avx512(const uint8_t *restrict values,
                                                      uint32_t words, uint32_t code_count,
                                                      uint64_t *restrict out) {
    uint32_t done = code_count < STRATA_FEWEST_IN_PLANES ? 0 : words - words % STRATA_LINE_WORDS;
    const __m512i none = _mm512_setzero_si512();
    for (uint32_t w = 0; w < done; w += STRATA_LINE_WORDS) {
        strata_line line;
        __m512i lower[16];
        strata_read_line_avx512(values + 64 * (size_t)w, &line);
        for (int l = 0; l < 16; l++) {
            lower[l] = _mm512_andnot_si512(l < 15 ? line.lower[l + 1] : none, line.lower[l]);
        }
        for (uint32_t code = 1; code <= code_count;) {
            uint32_t stop = (code | 15) < code_count ? code | 15 : code_count;
            __m512i upper =
                _mm512_andnot_si512(line.upper[(code >> 4) + 1], line.upper[code >> 4]);
            for (; code <= stop; code++) {
                uint64_t *mask = out + (size_t)(code - 1) * STRATA_MASK_STRIDE;
                _mm512_storeu_si512(mask + w, _mm512_and_si512(upper, lower[code & 15]));
            }
        }
    }
    if (done < words) {
        strata_compared_codes_avx512(values + 64 * (size_t)done, words - done, code_count,
                                     out + done);
    }
}

/* Which rows of a line have reached each bound below `stop`, and none that of `stop`. */
STRATA_AVX512 STRATA_INLINE void strata_reach_bounds_avx512(const strata_line *line, uint32_t stop,
                                                            __m512i *out) {
    for (uint32_t bound = 0; bound < stop;) {
        uint32_t next = (bound | 15) < stop ? (bound | 15) + 1 : stop;
        const __m512i above = line->upper[(bound >> 4) + 1], in = line->upper[bound >> 4];
        for (; bound < next; bound++) {
            out[bound] = _mm512_ternarylogic_epi64(above, in, line->lower[bound & 15],
                                                   STRATA_OR_BOTH);
        }
    }
}

/* The ends of ranges, and in `stop` the first bound, below 256, that is above all others; 0 where a
 * range goes around. */
static inline int strata_bounds_of(const uint8_t *lows, const uint8_t *spans, uint32_t count,
                                        uint16_t *ends, uint32_t *stop) {
    *stop = 0;
    for (uint32_t r = 0; r < count; r++) {
        uint32_t end = (uint32_t)lows[r] + spans[r] + 1;
        if (end > 256) {
            return 0;
        }
        ends[r] = (uint16_t)end;
        *stop = end < 256 && end >= *stop ? end + 1 : *stop;
        *stop = lows[r] >= *stop ? lows[r] + 1u : *stop;
    }
    return 1;
}

/* The mask of each of many ranges, in the same way: of the same bounds each is found once. */
STRATA_AVX512 static void strata_range_masks_u8_avx512(const uint8_t *restrict values,
                                                       uint32_t words, const uint8_t *lows,
                                                       const uint8_t *spans, uint32_t count,
                                                       uint64_t *restrict out) {
    uint16_t ends[STRATA_RANGES_IN_PLANES];
    uint32_t done = words - words % STRATA_LINE_WORDS, stop;
    if (count < STRATA_FEWEST_IN_PLANES || count > STRATA_RANGES_IN_PLANES ||
        !strata_bounds_of(lows, spans, count, ends, &stop)) {
        done = 0;
    }
    for (uint32_t w = 0; w < done; w += STRATA_LINE_WORDS) {
        strata_line line;
        __m512i reached[257];
        strata_read_line_avx512(values + 64 * (size_t)w, &line);
        strata_reach_bounds_avx512(&line, stop, reached);
        reached[256] = _mm512_setzero_si512();
        for (uint32_t r = 0; r < count; r++) {
            _mm512_storeu_si512(out + (size_t)r * STRATA_MASK_STRIDE + w,
                                _mm512_andnot_si512(reached[ends[r]], reached[lows[r]]));
        }
    }
    if (done < words) {
        strata_compared_ranges_avx512(values + 64 * (size_t)done, words - done, lows, spans, count,
                                      out + done);
    }
}

#endif
