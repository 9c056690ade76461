/* The kernels with 512-bit registers. kernels.h is the manual and says what they need.
 *
 * Comparisons give masks of their own: 64 results are a word without any packing.
 */
#ifndef STRATA_KERNELS_AVX512_H
#define STRATA_KERNELS_AVX512_H

#include <immintrin.h>

#include "engine/core/kernels.h"
#include "engine/core/kernels_avx2.h"
#include "engine/core/kernels_loops.h"

#define STRATA_AVX512                                                                          \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,"         \
                          "avx512vpopcntdq,avx2,bmi,bmi2,popcnt")))

static inline int strata_runs_avx512(void) {
    return strata_runs_avx2() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi") &&
           __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512vpopcntdq");
}

STRATA_AVX512 STRATA_INLINE __m512i strata_load_avx512(const void *at) {
    return _mm512_loadu_si512(at);
}

/* ------------------------------------------------------------------------------- masks */

/* 64 bytes joined and counted take 2 cycles, the portable loop 36: VPOPCNTQ counts 8 words. */
#define STRATA_MASK_KERNEL_AVX512(NAME, MASK, KEEP, JOINED)                                    \
    STRATA_AVX512 static uint32_t NAME {                                                       \
        __m512i sums = _mm512_setzero_si512();                                                 \
        for (uint32_t i = 0; i < STRATA_BLOCK_WORDS; i += 8) {                                 \
            __m512i joined = JOINED;                                                           \
            if (KEEP) _mm512_storeu_si512(MASK + i, joined);                                   \
            sums = _mm512_add_epi64(sums, _mm512_popcnt_epi64(joined));                        \
        }                                                                                      \
        return (uint32_t)_mm512_reduce_add_epi64(sums);                                        \
    }
#define STRATA_AT_AVX512(MASK) strata_load_avx512((MASK) + i)

STRATA_MASK_KERNEL_AVX512(strata_mask_count_avx512(const uint64_t *mask), (uint64_t *)0, 0,
                          STRATA_AT_AVX512(mask))
STRATA_MASK_KERNEL_AVX512(strata_mask_and_avx512(uint64_t *restrict mask,
                                                 const uint64_t *restrict other), mask, 1,
                          _mm512_and_si512(STRATA_AT_AVX512(mask), STRATA_AT_AVX512(other)))
STRATA_MASK_KERNEL_AVX512(strata_mask_or_avx512(uint64_t *restrict mask,
                                                const uint64_t *restrict other), mask, 1,
                          _mm512_or_si512(STRATA_AT_AVX512(mask), STRATA_AT_AVX512(other)))
STRATA_MASK_KERNEL_AVX512(strata_mask_and_not_avx512(uint64_t *restrict mask,
                                                     const uint64_t *restrict other), mask, 1,
                          _mm512_andnot_si512(STRATA_AT_AVX512(other), STRATA_AT_AVX512(mask)))

STRATA_AVX512 STRATA_INLINE __m512i strata_join_avx512(const uint64_t *const *terms,
                                                       const uint64_t *flips,
                                                       uint32_t term_count, uint32_t i) {
    __m512i joined = _mm512_xor_si512(STRATA_AT_AVX512(terms[0]),
                                      _mm512_set1_epi64((long long)flips[0]));
    for (uint32_t t = 1; t < term_count; t++) {
        __m512i flip = _mm512_set1_epi64((long long)flips[t]);
        joined = _mm512_and_si512(joined, _mm512_xor_si512(STRATA_AT_AVX512(terms[t]), flip));
    }
    return joined;
}

STRATA_MASK_KERNEL_AVX512(strata_mask_join_avx512(const uint64_t *const *terms,
                                                  const uint64_t *flips, uint32_t term_count,
                                                  uint64_t *out), out, out,
                          strata_join_avx512(terms, flips, term_count, i))

/* Four lines of all terms at a time: which term comes next is found out once for 256 bytes of it. */
#define STRATA_JOINED_LINES 4

STRATA_AVX512 static uint32_t strata_mask_join_any_avx512(const uint64_t *const *terms,
                                                          const uint32_t *ends,
                                                          const uint64_t *flips,
                                                          uint32_t group_count, uint64_t *out) {
    __m512i sums = _mm512_setzero_si512();
    for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w += 8 * STRATA_JOINED_LINES) {
        __m512i joined[STRATA_JOINED_LINES], any[STRATA_JOINED_LINES];
        for (int k = 0; k < STRATA_JOINED_LINES; k++) joined[k] = _mm512_set1_epi64(-1);
        for (uint32_t g = 0, t = 0; g < group_count; g++) {
            const __m512i flip = _mm512_set1_epi64((long long)flips[g]);
            const uint64_t *at = terms[t++] + w;
            for (int k = 0; k < STRATA_JOINED_LINES; k++) any[k] = strata_load_avx512(at + 8 * k);
            for (; t < ends[g]; t++) {
                at = terms[t] + w;
                for (int k = 0; k < STRATA_JOINED_LINES; k++) {
                    any[k] = _mm512_or_si512(any[k], strata_load_avx512(at + 8 * k));
                }
            }
            for (int k = 0; k < STRATA_JOINED_LINES; k++) {
                joined[k] = _mm512_and_si512(joined[k], _mm512_xor_si512(any[k], flip));
            }
        }
        for (int k = 0; k < STRATA_JOINED_LINES; k++) {
            if (out) _mm512_storeu_si512(out + w + 8 * k, joined[k]);
            sums = _mm512_add_epi64(sums, _mm512_popcnt_epi64(joined[k]));
        }
    }
    return (uint32_t)_mm512_reduce_add_epi64(sums);
}

/* ----------------------------------------------------------------------------- columns */

/* 64 values take 2 cycles for each 64 bytes of them, the portable loop 20 of one byte each. */
STRATA_AVX512 STRATA_INLINE uint64_t strata_hits_u8_avx512(const uint8_t *values, uint8_t low,
                                                           uint8_t span) {
    const __m512i from = _mm512_set1_epi8((char)low), most = _mm512_set1_epi8((char)span);
    return _mm512_cmple_epu8_mask(_mm512_sub_epi8(strata_load_avx512(values), from), most);
}

STRATA_AVX512 STRATA_INLINE uint64_t strata_hits_u16_avx512(const uint16_t *values, uint16_t low,
                                                            uint16_t span) {
    const __m512i from = _mm512_set1_epi16((short)low), most = _mm512_set1_epi16((short)span);
    __m512i a = _mm512_sub_epi16(strata_load_avx512(values), from);
    __m512i b = _mm512_sub_epi16(strata_load_avx512(values + 32), from);
    return _mm512_cmple_epu16_mask(a, most) | (uint64_t)_mm512_cmple_epu16_mask(b, most) << 32;
}

STRATA_AVX512 STRATA_INLINE uint64_t strata_hits_u32_avx512(const uint32_t *values, uint32_t low,
                                                            uint32_t span) {
    const __m512i from = _mm512_set1_epi32((int)low), most = _mm512_set1_epi32((int)span);
    uint64_t word = 0;
    for (int i = 0; i < 64; i += 16) {
        __m512i moved = _mm512_sub_epi32(strata_load_avx512(values + i), from);
        word |= (uint64_t)_mm512_cmple_epu32_mask(moved, most) << i;
    }
    return word;
}

STRATA_AVX512 STRATA_INLINE uint64_t strata_hits_u64_avx512(const uint64_t *values, uint64_t low,
                                                            uint64_t span) {
    const __m512i from = _mm512_set1_epi64((long long)low);
    const __m512i most = _mm512_set1_epi64((long long)span);
    uint64_t word = 0;
    for (int i = 0; i < 64; i += 8) {
        __m512i moved = _mm512_sub_epi64(strata_load_avx512(values + i), from);
        word |= (uint64_t)_mm512_cmple_epu64_mask(moved, most) << i;
    }
    return word;
}

/* The second comparison looks only where the first was true, and needs no `and`. */
STRATA_AVX512 STRATA_INLINE uint64_t strata_hits_f64_avx512(const double *values, double low,
                                                            double high) {
    const __m512d from = _mm512_set1_pd(low), to = _mm512_set1_pd(high);
    uint64_t word = 0;
    for (int i = 0; i < 64; i += 8) {
        __m512d value = _mm512_loadu_pd(values + i);
        __mmask8 above = _mm512_cmp_pd_mask(value, from, _CMP_GE_OQ);
        word |= (uint64_t)_mm512_mask_cmp_pd_mask(above, value, to, _CMP_LE_OQ) << i;
    }
    return word;
}

/* The 32 bytes of `members` lie in a register twice, so that a code's bits 3..7 choose a byte
 * whatever the shift brings in above them; VPERMB looks at 6 bits. 64 codes take 4 cycles, the
 * portable loop 230. */
STRATA_AVX512 STRATA_INLINE uint64_t strata_codes_u8_avx512(const uint8_t *values,
                                                            const uint64_t *members) {
    const __m512i bytes =
        _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)members));
    const __m512i bit_of = _mm512_set1_epi64((long long)0x8040201008040201);
    __m512i codes = strata_load_avx512(values);
    __m512i found = _mm512_permutexvar_epi8(_mm512_srli_epi16(codes, 3), bytes);
    return _mm512_test_epi8_mask(found, _mm512_permutexvar_epi8(codes, bit_of));
}

/* Whether the bits of 16 codes are set: their words are fetched by one gather. 64 codes take 36
 * cycles, the portable loop 230. */
STRATA_AVX512 STRATA_INLINE uint64_t strata_among_u32_avx512(__m512i codes,
                                                             const uint64_t *members) {
    __m512i words = _mm512_i32gather_epi32(_mm512_srli_epi32(codes, 5), members, 4);
    __m512i bit = _mm512_rolv_epi32(_mm512_set1_epi32(1), codes);
    return _mm512_test_epi32_mask(words, bit);
}

STRATA_AVX512 STRATA_INLINE uint64_t strata_codes_u16_avx512(const uint16_t *values,
                                                             const uint64_t *members) {
    uint64_t word = 0;
    for (int i = 0; i < 64; i += 16) {
        __m512i codes = _mm512_cvtepu16_epi32(strata_load_avx2(values + i));
        word |= strata_among_u32_avx512(codes, members) << i;
    }
    return word;
}

STRATA_AVX512 STRATA_INLINE uint64_t strata_codes_u32_avx512(const uint32_t *values,
                                                             const uint64_t *members) {
    uint64_t word = 0;
    for (int i = 0; i < 64; i += 16) {
        word |= strata_among_u32_avx512(strata_load_avx512(values + i), members) << i;
    }
    return word;
}

STRATA_COLUMN_KERNELS(STRATA_AVX512, _mm_popcnt_u64, avx512)

#endif
