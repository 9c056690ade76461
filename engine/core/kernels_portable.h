/* The kernels in plain C, for any processor. kernels.h is the manual. */
#ifndef STRATA_KERNELS_PORTABLE_H
#define STRATA_KERNELS_PORTABLE_H

#include "engine/core/kernels.h"
#include "engine/core/kernels_groups.h"
#include "engine/core/kernels_loops.h"
#include "engine/core/kernels_rows.h"

#define STRATA_ANY_TARGET

/* ------------------------------------------------------------------------------- masks */

#define STRATA_MASK_KERNEL(NAME, COMBINE)                                                      \
    static uint32_t NAME(uint64_t *restrict mask, const uint64_t *restrict other) {            \
        uint32_t count = 0;                                                                    \
        for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++) {                                    \
            uint64_t word = mask[w] COMBINE other[w];                                          \
            mask[w] = word;                                                                    \
            count += strata_popcount64(word);                                                  \
        }                                                                                      \
        return count;                                                                          \
    }

STRATA_MASK_KERNEL(strata_mask_and_portable, &)
STRATA_MASK_KERNEL(strata_mask_or_portable, |)
STRATA_MASK_KERNEL(strata_mask_and_not_portable, &~)

static uint32_t strata_mask_count_portable(const uint64_t *mask) {
    return strata_mask_cardinality(mask);
}

static uint32_t strata_mask_join_portable(const uint64_t *const *terms, const uint64_t *flips,
                                          uint32_t term_count, uint64_t *out) {
    uint32_t count = 0;
    for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++) {
        uint64_t word = terms[0][w] ^ flips[0];
        for (uint32_t i = 1; i < term_count; i++) {
            word &= terms[i][w] ^ flips[i];
        }
        if (out) {
            out[w] = word;
        }
        count += strata_popcount64(word);
    }
    return count;
}

static uint32_t strata_mask_join_any_portable(const uint64_t *const *terms, const uint32_t *ends,
                                              const uint64_t *flips, uint32_t group_count,
                                              uint64_t *out) {
    uint32_t count = 0;
    for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++) {
        uint64_t word = ~UINT64_C(0);
        for (uint32_t g = 0, t = 0; g < group_count; g++) {
            uint64_t any = 0;
            for (; t < ends[g]; t++) {
                any |= terms[t][w];
            }
            word &= any ^ flips[g];
        }
        if (out) {
            out[w] = word;
        }
        count += strata_popcount64(word);
    }
    return count;
}

/* ----------------------------------------------------------------------------- columns */

/* Packs 64 bytes of 0 or 1 into a word. The multiplication moves the low bits of eight bytes
 * next to each other in the top byte: 8 steps where a shift for each bit takes 64. */
static inline uint64_t strata_pack64(const uint8_t *hit) {
    uint64_t word = 0;
    for (int group = 0; group < 8; group++) {
        uint64_t eight;
        memcpy(&eight, hit + 8 * group, 8);
        word |= ((eight * UINT64_C(0x0102040810204080)) >> 56) << (8 * group);
    }
    return word;
}

/* Comparing into bytes first lets the compiler compare a whole register at a time; the bytes
 * of one word stay in L1. */
#define STRATA_RANGE_HITS(NAME, TYPE)                                                          \
    STRATA_INLINE uint64_t NAME(const TYPE *restrict values, TYPE low, TYPE span) {            \
        uint8_t hit[64];                                                                       \
        for (int i = 0; i < 64; i++) {                                                         \
            hit[i] = (TYPE)(values[i] - low) <= span;                                          \
        }                                                                                      \
        return strata_pack64(hit);                                                             \
    }

STRATA_RANGE_HITS(strata_hits_u8_portable, uint8_t)
STRATA_RANGE_HITS(strata_hits_u16_portable, uint16_t)
STRATA_RANGE_HITS(strata_hits_u32_portable, uint32_t)
STRATA_RANGE_HITS(strata_hits_u64_portable, uint64_t)

STRATA_INLINE uint64_t strata_hits_f64_portable(const double *restrict values, double low,
                                                double high) {
    uint8_t hit[64];
    for (int i = 0; i < 64; i++) {
        hit[i] = (values[i] >= low) & (values[i] <= high);
    }
    return strata_pack64(hit);
}

#define STRATA_MEMBER_HITS(NAME, TYPE)                                                         \
    STRATA_INLINE uint64_t NAME(const TYPE *restrict values,                                   \
                                const uint64_t *restrict members) {                            \
        uint64_t word = 0;                                                                     \
        for (int i = 0; i < 64; i++) {                                                         \
            uint32_t value = values[i];                                                        \
            word |= ((members[value >> 6] >> (value & 63)) & 1) << i;                          \
        }                                                                                      \
        return word;                                                                           \
    }

STRATA_MEMBER_HITS(strata_codes_u8_portable, uint8_t)
STRATA_MEMBER_HITS(strata_codes_u16_portable, uint16_t)
STRATA_MEMBER_HITS(strata_codes_u32_portable, uint32_t)

STRATA_COLUMN_KERNELS(STRATA_ANY_TARGET, strata_popcount64, portable)
STRATA_MANY_MASKS(STRATA_ANY_TARGET, portable)

#endif
