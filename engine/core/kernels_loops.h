/* Loops over a column, made from a function that judges 64 values or one.
 *
 * What differs between instruction sets is how 64 values become one word; the loops around it are
 * the same. `HITS` is that function, always inlined; the constants it makes of its bounds are
 * taken out of the loop by the compiler. `TARGET` is the attribute of the instruction set, `COUNT`
 * how it counts the bits of a word.
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

/* mask &= (hit & present) ^ flip. Instead of a mask of hits that is filled, read again and joined,
 * and of a column that is read for rows which are out already. */
#define STRATA_RANGE_AND(TARGET, COUNT, NAME, HITS, TYPE)                                      \
    TARGET static uint32_t NAME(const TYPE *restrict values, uint32_t words, TYPE low,         \
                                TYPE high, const uint64_t *restrict present, uint64_t flip,    \
                                uint64_t *restrict mask) {                                     \
        uint32_t count = 0;                                                                    \
        for (uint32_t w = 0; w < words; w++) {                                                 \
            uint64_t before = mask[w];                                                         \
            if (before) {                                                                      \
                uint64_t hit = HITS(values + 64 * (size_t)w, low, high);                       \
                hit = present ? hit & present[w] : hit;                                        \
                mask[w] = before & (hit ^ flip);                                               \
                count += COUNT(mask[w]);                                                       \
            }                                                                                  \
        }                                                                                      \
        return count;                                                                          \
    }

/* mask &= hit ^ flip. */
#define STRATA_MEMBER_AND(TARGET, COUNT, NAME, HITS, TYPE)                                     \
    TARGET static uint32_t NAME(const TYPE *restrict values, uint32_t words,                   \
                                const uint64_t *restrict members, uint64_t flip,               \
                                uint64_t *restrict mask) {                                     \
        uint32_t count = 0;                                                                    \
        for (uint32_t w = 0; w < words; w++) {                                                 \
            uint64_t before = mask[w];                                                         \
            if (before) {                                                                      \
                mask[w] = before & (HITS(values + 64 * (size_t)w, members) ^ flip);            \
                count += COUNT(mask[w]);                                                       \
            }                                                                                  \
        }                                                                                      \
        return count;                                                                          \
    }

/* Words whose values stay in the first-level cache while all codes are sought in them; as many as
 * make a whole line of a mask. */
#define STRATA_CODED_WORDS 8u

/* The mask of each code in one pass over the values. A code takes 1.5 cycles for each word, a leaf
 * about a few of them 2 or 3. */
#define STRATA_CODE_MASKS(TARGET, NAME, SET)                                                   \
    TARGET static void NAME(const uint8_t *restrict values, uint32_t words,                    \
                            uint32_t code_count, uint64_t *restrict out) {                     \
        for (uint32_t w = 0; w < words; w += STRATA_CODED_WORDS) {                             \
            uint32_t stop = words - w < STRATA_CODED_WORDS ? words : w + STRATA_CODED_WORDS;   \
            for (uint32_t c = 0; c < code_count; c++) {                                        \
                uint64_t *mask = out + (size_t)c * STRATA_MASK_STRIDE;                         \
                for (uint32_t i = w; i < stop; i++) {                                          \
                    const uint8_t *at = values + 64 * (size_t)i;                               \
                    mask[i] = strata_hits_u8_##SET(at, (uint8_t)(c + 1), 0);                   \
                }                                                                              \
            }                                                                                  \
        }                                                                                      \
    }

/* The mask of each of many ranges, in the same way. */
#define STRATA_RANGE_MASKS(TARGET, NAME, SET)                                                  \
    TARGET static void NAME(const uint8_t *restrict values,             \
                                                   uint32_t words, const uint8_t *lows,        \
                                                   const uint8_t *spans, uint32_t count,       \
                                                   uint64_t *restrict out) {                   \
        for (uint32_t w = 0; w < words; w += STRATA_CODED_WORDS) {                             \
            uint32_t stop = words - w < STRATA_CODED_WORDS ? words : w + STRATA_CODED_WORDS;   \
            for (uint32_t r = 0; r < count; r++) {                                             \
                uint64_t *mask = out + (size_t)r * STRATA_MASK_STRIDE;                         \
                for (uint32_t i = w; i < stop; i++) {                                          \
                    const uint8_t *at = values + 64 * (size_t)i;                               \
                    mask[i] = strata_hits_u8_##SET(at, lows[r], spans[r]);                     \
                }                                                                              \
            }                                                                                  \
        }                                                                                      \
    }

/* Every loop over whole columns of one table; `SET` names it. */
#define STRATA_COLUMN_KERNELS(TARGET, COUNT, SET)                                              \
    STRATA_RANGE_KERNELS(TARGET, COUNT, SET, u8, uint8_t)                                      \
    STRATA_RANGE_KERNELS(TARGET, COUNT, SET, u16, uint16_t)                                    \
    STRATA_RANGE_KERNELS(TARGET, COUNT, SET, u32, uint32_t)                                    \
    STRATA_RANGE_KERNELS(TARGET, COUNT, SET, u64, uint64_t)                                    \
    STRATA_RANGE_KERNELS(TARGET, COUNT, SET, f64, double)                                      \
    STRATA_MEMBER_KERNELS(TARGET, COUNT, SET, u8, uint8_t)                                     \
    STRATA_MEMBER_KERNELS(TARGET, COUNT, SET, u16, uint16_t)                                   \
    STRATA_MEMBER_KERNELS(TARGET, COUNT, SET, u32, uint32_t)

/* Masks of all codes and ranges, in a table without a better way. */
#define STRATA_MANY_MASKS(TARGET, SET)                                                         \
    STRATA_CODE_MASKS(TARGET, strata_code_masks_u8_##SET, SET)                                 \
    STRATA_RANGE_MASKS(TARGET, strata_range_masks_u8_##SET, SET)

#define STRATA_RANGE_KERNELS(TARGET, COUNT, SET, WIDTH, TYPE)                                  \
    STRATA_RANGE_FILL(TARGET, strata_range_##WIDTH##_##SET, strata_hits_##WIDTH##_##SET, TYPE) \
    STRATA_RANGE_AND(TARGET, COUNT, strata_range_and_##WIDTH##_##SET,                          \
                     strata_hits_##WIDTH##_##SET, TYPE)

#define STRATA_MEMBER_KERNELS(TARGET, COUNT, SET, WIDTH, TYPE)                                 \
    STRATA_MEMBER_FILL(TARGET, strata_member_##WIDTH##_##SET, strata_codes_##WIDTH##_##SET,    \
                       TYPE)                                                                   \
    STRATA_MEMBER_AND(TARGET, COUNT, strata_member_and_##WIDTH##_##SET,                        \
                      strata_codes_##WIDTH##_##SET, TYPE)

/* The table of kernels that are named by the rules above. `ROWS` names the set that the loops over
 * selection lists come from, which not every instruction set has its own of. */
#define STRATA_TABLE(SET, ROWS)                                                                \
    static const strata_kernels strata_kernels_##SET = {                                       \
        .name = #SET,                                                                          \
        .mask_count = strata_mask_count_##SET,                                                 \
        .mask_and = strata_mask_and_##SET,                                                     \
        .mask_or = strata_mask_or_##SET,                                                       \
        .mask_and_not = strata_mask_and_not_##SET,                                             \
        .mask_join = strata_mask_join_##SET,                                                   \
        .mask_join_any = strata_mask_join_any_##SET,                                           \
        .code_masks_u8 = strata_code_masks_u8_##SET,                                           \
        .range_masks_u8 = strata_range_masks_u8_##SET,                                         \
        .ranks_u32 = strata_ranks_u32_##SET,                                                   \
        .range_u8 = strata_range_u8_##SET,                                                     \
        .range_u16 = strata_range_u16_##SET,                                                   \
        .range_u32 = strata_range_u32_##SET,                                                   \
        .range_u64 = strata_range_u64_##SET,                                                   \
        .range_f64 = strata_range_f64_##SET,                                                   \
        .member_u8 = strata_member_u8_##SET,                                                   \
        .member_u16 = strata_member_u16_##SET,                                                 \
        .member_u32 = strata_member_u32_##SET,                                                 \
        .range_and_u8 = strata_range_and_u8_##SET,                                             \
        .range_and_u16 = strata_range_and_u16_##SET,                                           \
        .range_and_u32 = strata_range_and_u32_##SET,                                           \
        .range_and_u64 = strata_range_and_u64_##SET,                                           \
        .range_and_f64 = strata_range_and_f64_##SET,                                           \
        .member_and_u8 = strata_member_and_u8_##SET,                                           \
        .member_and_u16 = strata_member_and_u16_##SET,                                         \
        .member_and_u32 = strata_member_and_u32_##SET,                                         \
        .mask_to_rows = strata_mask_to_rows_##ROWS,                                            \
        .rows_in_mask = strata_rows_in_mask_##ROWS,                                            \
        .rows_range_u8 = strata_rows_range_u8_##ROWS,                                          \
        .rows_range_u16 = strata_rows_range_u16_##ROWS,                                        \
        .rows_range_u32 = strata_rows_range_u32_##ROWS,                                        \
        .rows_range_u64 = strata_rows_range_u64_##ROWS,                                        \
        .rows_range_f64 = strata_rows_range_f64_##ROWS,                                        \
        .rows_member_u8 = strata_rows_member_u8_##ROWS,                                        \
        .rows_member_u16 = strata_rows_member_u16_##ROWS,                                      \
        .rows_member_u32 = strata_rows_member_u32_##ROWS,                                      \
        .group_u8 = strata_group_u8_##SET,                                                     \
        .group_u16 = strata_group_u16_##SET,                                                   \
        .group_u32 = strata_group_u32_portable,                                                \
        .add_u8 = strata_add_u8_##SET,                                                         \
        .add_u16 = strata_add_u16_##SET,                                                       \
        .add_u32 = strata_add_u32_##SET,                                                       \
        .add_u64 = strata_add_u64_##SET,                                                       \
        .add_by_u8 = strata_add_by_u8_##SET,                                                   \
        .add_in_u16 = strata_add_in_u16_##SET,                                                 \
        .add_in_u32 = strata_add_in_u32_##SET,                                                 \
        .after_u32 = strata_after_u32_##SET,                                                   \
        .take_pairs = strata_take_pairs_##SET,                                                 \
    };

#endif
