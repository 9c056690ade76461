/* The kernels: the loops over one block that evaluation time is spent in.
 *
 * Every kernel stands in a table (`strata_kernels`), one table for each instruction set, and
 * the table is picked once at run time (`strata_pick_kernels`). The portable table is plain C
 * for any processor; wider tables replace single entries. Each entry has a naive twin in
 * tests/unit/test_kernels.py that it is compared with.
 *
 * A mask is 1024 little-endian 64-bit words, row r of the block in bit r % 64 of word r / 64.
 * Kernels that change a mask return how many rows it then holds, because counting in the same
 * pass costs nothing while a second pass over 8 KiB does.
 * Column kernels write `words` mask words from `words * 64` values; values are padded with
 * zeros to whole words by the encoder. No pointer may alias another.
 */
#ifndef STRATA_KERNELS_H
#define STRATA_KERNELS_H

#include <stdint.h>
#include <string.h>

#include "engine/bitmaps/containers.h"

typedef struct {
    const char *name;
    /* mask algebra over whole blocks */
    uint32_t (*mask_count)(const uint64_t *mask);
    uint32_t (*mask_and)(uint64_t *mask, const uint64_t *other);
    uint32_t (*mask_or)(uint64_t *mask, const uint64_t *other);
    uint32_t (*mask_and_not)(uint64_t *mask, const uint64_t *other);
    /* bit i = (value[i] - low <= span), unsigned with wrap-around */
    void (*range_u8)(const uint8_t *values, uint32_t words, uint8_t low, uint8_t span, uint64_t *out);
    void (*range_u16)(const uint16_t *values, uint32_t words, uint16_t low, uint16_t span, uint64_t *out);
    void (*range_u32)(const uint32_t *values, uint32_t words, uint32_t low, uint32_t span, uint64_t *out);
    void (*range_u64)(const uint64_t *values, uint32_t words, uint64_t low, uint64_t span, uint64_t *out);
    /* bit i = (low <= value[i] <= high) */
    void (*range_f64)(const double *values, uint32_t words, double low, double high, uint64_t *out);
    /* bit i = bit value[i] of `members`, which covers every value that occurs */
    void (*member_u8)(const uint8_t *values, uint32_t words, const uint64_t *members, uint64_t *out);
    void (*member_u16)(const uint16_t *values, uint32_t words, const uint64_t *members, uint64_t *out);
    void (*member_u32)(const uint32_t *values, uint32_t words, const uint64_t *members, uint64_t *out);
} strata_kernels;

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

/* Comparing into bytes first lets the compiler compare a whole register at a time; the bytes
 * of one word stay in L1. */
#define STRATA_RANGE_KERNEL(NAME, TYPE)                                                        \
    static void NAME(const TYPE *restrict values, uint32_t words, TYPE low, TYPE span,         \
                     uint64_t *restrict out) {                                                 \
        for (uint32_t w = 0; w < words; w++) {                                                 \
            uint8_t hit[64];                                                                   \
            for (int i = 0; i < 64; i++) {                                                     \
                hit[i] = (TYPE)(values[64 * w + i] - low) <= span;                             \
            }                                                                                  \
            out[w] = strata_pack64(hit);                                                       \
        }                                                                                      \
    }

STRATA_RANGE_KERNEL(strata_range_u8_portable, uint8_t)
STRATA_RANGE_KERNEL(strata_range_u16_portable, uint16_t)
STRATA_RANGE_KERNEL(strata_range_u32_portable, uint32_t)
STRATA_RANGE_KERNEL(strata_range_u64_portable, uint64_t)

static void strata_range_f64_portable(const double *restrict values, uint32_t words, double low,
                                      double high, uint64_t *restrict out) {
    for (uint32_t w = 0; w < words; w++) {
        uint8_t hit[64];
        for (int i = 0; i < 64; i++) {
            double value = values[64 * w + i];
            hit[i] = (value >= low) & (value <= high);
        }
        out[w] = strata_pack64(hit);
    }
}

#define STRATA_MEMBER_KERNEL(NAME, TYPE)                                                       \
    static void NAME(const TYPE *restrict values, uint32_t words,                              \
                     const uint64_t *restrict members, uint64_t *restrict out) {               \
        for (uint32_t w = 0; w < words; w++) {                                                 \
            uint64_t word = 0;                                                                 \
            for (int i = 0; i < 64; i++) {                                                     \
                uint32_t value = values[64 * w + i];                                           \
                word |= ((members[value >> 6] >> (value & 63)) & 1) << i;                      \
            }                                                                                  \
            out[w] = word;                                                                     \
        }                                                                                      \
    }

STRATA_MEMBER_KERNEL(strata_member_u8_portable, uint8_t)
STRATA_MEMBER_KERNEL(strata_member_u16_portable, uint16_t)
STRATA_MEMBER_KERNEL(strata_member_u32_portable, uint32_t)

static const strata_kernels strata_kernels_portable = {
    .name = "portable",
    .mask_count = strata_mask_cardinality,
    .mask_and = strata_mask_and_portable,
    .mask_or = strata_mask_or_portable,
    .mask_and_not = strata_mask_and_not_portable,
    .range_u8 = strata_range_u8_portable,
    .range_u16 = strata_range_u16_portable,
    .range_u32 = strata_range_u32_portable,
    .range_u64 = strata_range_u64_portable,
    .range_f64 = strata_range_f64_portable,
    .member_u8 = strata_member_u8_portable,
    .member_u16 = strata_member_u16_portable,
    .member_u32 = strata_member_u32_portable,
};

/* The table called `name`, or the best one for this processor where `name` is empty.
 * NULL where there is no such table. */
static inline const strata_kernels *strata_pick_kernels(const char *name) {
    if (name[0] == '\0' || strcmp(name, strata_kernels_portable.name) == 0) {
        return &strata_kernels_portable;
    }
    return 0;
}

#endif
