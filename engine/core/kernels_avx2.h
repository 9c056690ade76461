/* The kernels with 256-bit registers. kernels.h is the manual and says what they need.
 *
 * Each function carries the instruction set as an attribute, so the rest of the build stays
 * runnable everywhere. AVX2 compares signed numbers only and has no masks: values are compared as
 * `min(value - low, span) == value - low`, and a word is gathered from the top bits of bytes.
 */
#ifndef STRATA_KERNELS_AVX2_H
#define STRATA_KERNELS_AVX2_H

#include <immintrin.h>

#include "engine/core/kernels.h"
#include "engine/core/kernels_loops.h"

#define STRATA_AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))

static inline int strata_runs_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
}

STRATA_AVX2 STRATA_INLINE __m256i strata_load_avx2(const void *at) {
    return _mm256_loadu_si256((const __m256i *)at);
}

/* Two registers of 32 bytes of 0 or -1 as a word. */
STRATA_AVX2 STRATA_INLINE uint64_t strata_word_avx2(__m256i first, __m256i second) {
    uint64_t low = (uint32_t)_mm256_movemask_epi8(first);
    return low | (uint64_t)(uint32_t)_mm256_movemask_epi8(second) << 32;
}

/* ------------------------------------------------------------------------------- masks */

/* Bits set in each byte: two look-ups of half bytes in a register (W. Mula), 8 instructions for
 * 32 bytes in the register where they were joined. Bytes joined and counted, 32 of them, take 3
 * cycles; the portable loop takes 18. */
STRATA_AVX2 STRATA_INLINE __m256i strata_byte_counts_avx2(__m256i bits) {
    const __m256i counts = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1,
                                            2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i half = _mm256_set1_epi8(15);
    __m256i low = _mm256_shuffle_epi8(counts, _mm256_and_si256(bits, half));
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(bits, 4), half);
    return _mm256_add_epi8(low, _mm256_shuffle_epi8(counts, high));
}

STRATA_AVX2 STRATA_INLINE uint32_t strata_sum_avx2(__m256i sums) {
    __m128i two = _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    return (uint32_t)(_mm_extract_epi64(two, 0) + _mm_extract_epi64(two, 1));
}

/* Counts of 8 registers are added as bytes, which they fit, before they are widened. */
#define STRATA_MASK_KERNEL_AVX2(NAME, MASK, KEEP, JOINED)                                      \
    STRATA_AVX2 static uint32_t NAME {                                                         \
        __m256i sums = _mm256_setzero_si256();                                                 \
        for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w += 32) {                                \
            __m256i bytes = _mm256_setzero_si256();                                            \
            for (uint32_t i = w; i < w + 32; i += 4) {                                         \
                __m256i joined = JOINED;                                                       \
                if (KEEP) _mm256_storeu_si256((__m256i *)(MASK + i), joined);                  \
                bytes = _mm256_add_epi8(bytes, strata_byte_counts_avx2(joined));               \
            }                                                                                  \
            sums = _mm256_add_epi64(sums, _mm256_sad_epu8(bytes, _mm256_setzero_si256()));     \
        }                                                                                      \
        return strata_sum_avx2(sums);                                                          \
    }
#define STRATA_AT_AVX2(MASK) strata_load_avx2((MASK) + i)

STRATA_MASK_KERNEL_AVX2(strata_mask_count_avx2(const uint64_t *mask), (uint64_t *)0, 0,
                        STRATA_AT_AVX2(mask))
STRATA_MASK_KERNEL_AVX2(strata_mask_and_avx2(uint64_t *restrict mask,
                                             const uint64_t *restrict other), mask, 1,
                        _mm256_and_si256(STRATA_AT_AVX2(mask), STRATA_AT_AVX2(other)))
STRATA_MASK_KERNEL_AVX2(strata_mask_or_avx2(uint64_t *restrict mask,
                                            const uint64_t *restrict other), mask, 1,
                        _mm256_or_si256(STRATA_AT_AVX2(mask), STRATA_AT_AVX2(other)))
STRATA_MASK_KERNEL_AVX2(strata_mask_and_not_avx2(uint64_t *restrict mask,
                                                 const uint64_t *restrict other), mask, 1,
                        _mm256_andnot_si256(STRATA_AT_AVX2(other), STRATA_AT_AVX2(mask)))

STRATA_AVX2 STRATA_INLINE __m256i strata_join_avx2(const uint64_t *const *terms,
                                                   const uint64_t *flips, uint32_t term_count,
                                                   uint32_t i) {
    __m256i joined = _mm256_xor_si256(STRATA_AT_AVX2(terms[0]),
                                      _mm256_set1_epi64x((long long)flips[0]));
    for (uint32_t t = 1; t < term_count; t++) {
        __m256i flip = _mm256_set1_epi64x((long long)flips[t]);
        joined = _mm256_and_si256(joined, _mm256_xor_si256(STRATA_AT_AVX2(terms[t]), flip));
    }
    return joined;
}

STRATA_MASK_KERNEL_AVX2(strata_mask_join_avx2(const uint64_t *const *terms, const uint64_t *flips,
                                              uint32_t term_count, uint64_t *out), out, out,
                        strata_join_avx2(terms, flips, term_count, i))

STRATA_AVX2 STRATA_INLINE __m256i strata_join_any_avx2(const uint64_t *const *terms,
                                                       const uint32_t *ends, const uint64_t *flips,
                                                       uint32_t group_count, uint32_t i) {
    __m256i joined = _mm256_set1_epi8(-1);
    for (uint32_t g = 0, t = 0; g < group_count; g++) {
        __m256i any = STRATA_AT_AVX2(terms[t++]);
        for (; t < ends[g]; t++) {
            any = _mm256_or_si256(any, STRATA_AT_AVX2(terms[t]));
        }
        any = _mm256_xor_si256(any, _mm256_set1_epi64x((long long)flips[g]));
        joined = _mm256_and_si256(joined, any);
    }
    return joined;
}

STRATA_MASK_KERNEL_AVX2(strata_mask_join_any_avx2(const uint64_t *const *terms,
                                                  const uint32_t *ends, const uint64_t *flips,
                                                  uint32_t group_count, uint64_t *out), out, out,
                        strata_join_any_avx2(terms, ends, flips, group_count, i))

/* ----------------------------------------------------------------------------- columns */

/* 64 bytes compared and gathered take 4 cycles. The portable loop takes 20: it compares 16 at a
 * time and packs through memory. */
STRATA_AVX2 STRATA_INLINE uint64_t strata_hits_u8_avx2(const uint8_t *values, uint8_t low,
                                                       uint8_t span) {
    const __m256i from = _mm256_set1_epi8((char)low), most = _mm256_set1_epi8((char)span);
    __m256i a = _mm256_sub_epi8(strata_load_avx2(values), from);
    __m256i b = _mm256_sub_epi8(strata_load_avx2(values + 32), from);
    return strata_word_avx2(_mm256_cmpeq_epi8(_mm256_min_epu8(a, most), a),
                            _mm256_cmpeq_epi8(_mm256_min_epu8(b, most), b));
}

/* 32 results of 16 bits as bytes, in order: packing interleaves the halves of its operands. */
STRATA_AVX2 STRATA_INLINE __m256i strata_pack16_avx2(__m256i a, __m256i b) {
    return _mm256_permute4x64_epi64(_mm256_packs_epi16(a, b), 0xD8);
}

STRATA_AVX2 STRATA_INLINE __m256i strata_in_u16_avx2(const uint16_t *values, __m256i from,
                                                     __m256i most) {
    __m256i moved = _mm256_sub_epi16(strata_load_avx2(values), from);
    return _mm256_cmpeq_epi16(_mm256_min_epu16(moved, most), moved);
}

STRATA_AVX2 STRATA_INLINE uint64_t strata_hits_u16_avx2(const uint16_t *values, uint16_t low,
                                                        uint16_t span) {
    const __m256i from = _mm256_set1_epi16((short)low), most = _mm256_set1_epi16((short)span);
    return strata_word_avx2(strata_pack16_avx2(strata_in_u16_avx2(values, from, most),
                                               strata_in_u16_avx2(values + 16, from, most)),
                            strata_pack16_avx2(strata_in_u16_avx2(values + 32, from, most),
                                               strata_in_u16_avx2(values + 48, from, most)));
}

STRATA_AVX2 STRATA_INLINE __m256i strata_in_u32_avx2(const uint32_t *values, __m256i from,
                                                     __m256i most) {
    __m256i moved = _mm256_sub_epi32(strata_load_avx2(values), from);
    return _mm256_cmpeq_epi32(_mm256_min_epu32(moved, most), moved);
}

/* 32 results of 32 bits as bytes, in order. */
STRATA_AVX2 STRATA_INLINE __m256i strata_pack32_avx2(__m256i a, __m256i b, __m256i c, __m256i d) {
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
    return _mm256_permutevar8x32_epi32(packed, order);
}

STRATA_AVX2 STRATA_INLINE uint64_t strata_hits_u32_avx2(const uint32_t *values, uint32_t low,
                                                        uint32_t span) {
    const __m256i from = _mm256_set1_epi32((int)low), most = _mm256_set1_epi32((int)span);
    return strata_word_avx2(strata_pack32_avx2(strata_in_u32_avx2(values, from, most),
                                               strata_in_u32_avx2(values + 8, from, most),
                                               strata_in_u32_avx2(values + 16, from, most),
                                               strata_in_u32_avx2(values + 24, from, most)),
                            strata_pack32_avx2(strata_in_u32_avx2(values + 32, from, most),
                                               strata_in_u32_avx2(values + 40, from, most),
                                               strata_in_u32_avx2(values + 48, from, most),
                                               strata_in_u32_avx2(values + 56, from, most)));
}

/* Two registers of four results of 64 bits as 8 bits. The top halves are brought together first:
 * half as many transfers to a general register. */
STRATA_AVX2 STRATA_INLINE uint64_t strata_eight_avx2(__m256d a, __m256d b) {
    __m256 halves = _mm256_shuffle_ps(_mm256_castpd_ps(a), _mm256_castpd_ps(b), 0xDD);
    __m256d ordered = _mm256_permute4x64_pd(_mm256_castps_pd(halves), 0xD8);
    return (uint64_t)_mm256_movemask_ps(_mm256_castpd_ps(ordered));
}

/* Unsigned as signed by turning the top bit; a result is 0 where the value is a hit. */
STRATA_AVX2 STRATA_INLINE __m256d strata_beyond_u64_avx2(const uint64_t *values, __m256i from,
                                                         __m256i most) {
    const __m256i top = _mm256_set1_epi64x(INT64_MIN);
    __m256i moved = _mm256_xor_si256(_mm256_sub_epi64(strata_load_avx2(values), from), top);
    return _mm256_castsi256_pd(_mm256_cmpgt_epi64(moved, _mm256_xor_si256(most, top)));
}

STRATA_AVX2 STRATA_INLINE uint64_t strata_hits_u64_avx2(const uint64_t *values, uint64_t low,
                                                        uint64_t span) {
    const __m256i from = _mm256_set1_epi64x((long long)low);
    const __m256i most = _mm256_set1_epi64x((long long)span);
    uint64_t beyond = 0;
    for (int i = 0; i < 64; i += 8) {
        beyond |= strata_eight_avx2(strata_beyond_u64_avx2(values + i, from, most),
                                    strata_beyond_u64_avx2(values + i + 4, from, most))
                  << i;
    }
    return ~beyond;
}

STRATA_AVX2 STRATA_INLINE __m256d strata_in_f64_avx2(const double *values, __m256d low,
                                                     __m256d high) {
    __m256d value = _mm256_loadu_pd(values);
    return _mm256_and_pd(_mm256_cmp_pd(value, low, _CMP_GE_OQ),
                         _mm256_cmp_pd(value, high, _CMP_LE_OQ));
}

STRATA_AVX2 STRATA_INLINE uint64_t strata_hits_f64_avx2(const double *values, double low,
                                                        double high) {
    const __m256d from = _mm256_set1_pd(low), to = _mm256_set1_pd(high);
    uint64_t word = 0;
    for (int i = 0; i < 64; i += 8) {
        word |= strata_eight_avx2(strata_in_f64_avx2(values + i, from, to),
                                  strata_in_f64_avx2(values + i + 4, from, to))
                << i;
    }
    return word;
}

/* Whether the bits of 32 codes are set. The 32 bytes of `members` lie in two registers, each half
 * repeated; a byte is looked up by the code's bits 3..6 in both and chosen by bit 7, which is the
 * one that a blend looks at. 64 codes take 8 cycles, the portable loop 230. */
STRATA_AVX2 STRATA_INLINE __m256i strata_among_u8_avx2(__m256i codes, __m256i lower,
                                                       __m256i upper) {
    const __m256i bit_of = _mm256_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64,
                                            -128, 1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32,
                                            64, -128);
    __m256i byte = _mm256_and_si256(_mm256_srli_epi16(codes, 3), _mm256_set1_epi8(15));
    __m256i found = _mm256_blendv_epi8(_mm256_shuffle_epi8(lower, byte),
                                       _mm256_shuffle_epi8(upper, byte), codes);
    __m256i bit = _mm256_shuffle_epi8(bit_of, _mm256_and_si256(codes, _mm256_set1_epi8(7)));
    return _mm256_cmpeq_epi8(_mm256_and_si256(found, bit), bit);
}

STRATA_AVX2 STRATA_INLINE uint64_t strata_codes_u8_avx2(const uint8_t *values,
                                                        const uint64_t *members) {
    const __m256i lower = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)members));
    const __m256i upper =
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(members + 2)));
    return strata_word_avx2(strata_among_u8_avx2(strata_load_avx2(values), lower, upper),
                            strata_among_u8_avx2(strata_load_avx2(values + 32), lower, upper));
}

/* Whether the bits of 8 codes are set: their words are fetched by one gather, and the bit is
 * shifted to the top. 64 codes take 40 cycles, the portable loop 230. */
STRATA_AVX2 STRATA_INLINE uint64_t strata_among_u32_avx2(__m256i codes, const uint64_t *members) {
    __m256i words = _mm256_i32gather_epi32((const int *)members, _mm256_srli_epi32(codes, 5), 4);
    __m256i up = _mm256_andnot_si256(codes, _mm256_set1_epi32(31));
    return (uint64_t)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_sllv_epi32(words, up)));
}

STRATA_AVX2 STRATA_INLINE uint64_t strata_codes_u16_avx2(const uint16_t *values,
                                                         const uint64_t *members) {
    uint64_t word = 0;
    for (int i = 0; i < 64; i += 8) {
        __m128i eight = _mm_loadu_si128((const __m128i *)(values + i));
        word |= strata_among_u32_avx2(_mm256_cvtepu16_epi32(eight), members) << i;
    }
    return word;
}

STRATA_AVX2 STRATA_INLINE uint64_t strata_codes_u32_avx2(const uint32_t *values,
                                                         const uint64_t *members) {
    uint64_t word = 0;
    for (int i = 0; i < 64; i += 8) {
        word |= strata_among_u32_avx2(strata_load_avx2(values + i), members) << i;
    }
    return word;
}

STRATA_COLUMN_KERNELS(STRATA_AVX2, _mm_popcnt_u64, avx2)
STRATA_MANY_MASKS(STRATA_AVX2, avx2)

#endif
