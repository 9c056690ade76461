/* Loops over a column, made from a function that judges 64 values.
 *
 * What differs between instruction sets is how 64 values become one word; the loop around it is
 * the same. `HITS` is that function, always inlined; the constants it makes of its bounds are
 * taken out of the loop by the compiler. `TARGET` is the attribute of the instruction set.
 */
#ifndef STRATA_KERNELS_LOOPS_H
#define STRATA_KERNELS_LOOPS_H

#include <stdint.h>

#define STRATA_INLINE static inline __attribute__((always_inline))

/* out = hit, for HITS(values, low, high) of 64 values. */
#define STRATA_RANGE_FILL(TARGET, NAME, HITS, TYPE)                                            \
    TARGET static void NAME(const TYPE *restrict values, uint32_t words, TYPE low, TYPE high,  \
                            uint64_t *restrict out) {                                          \
        for (uint32_t w = 0; w < words; w++) {                                                 \
            out[w] = HITS(values + 64 * (size_t)w, low, high);                                 \
        }                                                                                      \
    }

/* out = hit, for HITS(values, members) of 64 values. */
#define STRATA_MEMBER_FILL(TARGET, NAME, HITS, TYPE)                                           \
    TARGET static void NAME(const TYPE *restrict values, uint32_t words,                       \
                            const uint64_t *restrict members, uint64_t *restrict out) {        \
        for (uint32_t w = 0; w < words; w++) {                                                 \
            out[w] = HITS(values + 64 * (size_t)w, members);                                   \
        }                                                                                      \
    }

/* Every loop over a column of one table; `SET` names it. */
#define STRATA_COLUMN_KERNELS(TARGET, SET)                                                     \
    STRATA_RANGE_FILL(TARGET, strata_range_u8_##SET, strata_hits_u8_##SET, uint8_t)            \
    STRATA_RANGE_FILL(TARGET, strata_range_u16_##SET, strata_hits_u16_##SET, uint16_t)         \
    STRATA_RANGE_FILL(TARGET, strata_range_u32_##SET, strata_hits_u32_##SET, uint32_t)         \
    STRATA_RANGE_FILL(TARGET, strata_range_u64_##SET, strata_hits_u64_##SET, uint64_t)         \
    STRATA_RANGE_FILL(TARGET, strata_range_f64_##SET, strata_hits_f64_##SET, double)           \
    STRATA_MEMBER_FILL(TARGET, strata_member_u8_##SET, strata_codes_u8_##SET, uint8_t)         \
    STRATA_MEMBER_FILL(TARGET, strata_member_u16_##SET, strata_codes_u16_##SET, uint16_t)      \
    STRATA_MEMBER_FILL(TARGET, strata_member_u32_##SET, strata_codes_u32_##SET, uint32_t)

/* The table of a set of kernels that are named by the rule above. */
#define STRATA_TABLE(SET)                                                                      \
    static const strata_kernels strata_kernels_##SET = {                                       \
        .name = #SET,                                                                          \
        .mask_count = strata_mask_count_##SET,                                                 \
        .mask_and = strata_mask_and_##SET,                                                     \
        .mask_or = strata_mask_or_##SET,                                                       \
        .mask_and_not = strata_mask_and_not_##SET,                                             \
        .range_u8 = strata_range_u8_##SET,                                                     \
        .range_u16 = strata_range_u16_##SET,                                                   \
        .range_u32 = strata_range_u32_##SET,                                                   \
        .range_u64 = strata_range_u64_##SET,                                                   \
        .range_f64 = strata_range_f64_##SET,                                                   \
        .member_u8 = strata_member_u8_##SET,                                                   \
        .member_u16 = strata_member_u16_##SET,                                                 \
        .member_u32 = strata_member_u32_##SET,                                                 \
    };

#endif
