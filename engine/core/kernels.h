/* The kernels: the loops over one block that evaluation time is spent in.
 *
 * Every kernel stands in a table (`strata_kernels`), one table for each instruction set, picked at
 * run time by what the processor has (`strata_pick_kernels`). Each entry of each table has a naive
 * twin in tests/unit/test_kernels.py that it is compared with; all tables give the same bits.
 *
 * Manual
 *   Tables     portable is plain C for any processor, ARM among them. avx2 needs AVX2, BMI1, BMI2
 *              and POPCNT (Intel since Haswell, AMD since Excavator). avx512 needs F, BW, DQ, VL,
 *              VBMI, VBMI2 and VPOPCNTDQ as well (Intel since Ice Lake, AMD since Zen 4); what has
 *              AVX-512 without them (Skylake-X, Cascade Lake) runs avx2, which does not make it
 *              clock down. The operating system must save the registers; that is asked too.
 *   Masks      STRATA_BLOCK_WORDS little-endian 64-bit words, row r of the block in bit r % 64 of
 *              word r / 64. Kernels that change a mask return how many rows it then holds: to
 *              count in the same pass costs nothing, a second pass over 8 KiB does.
 *   Columns    `words` mask words stand for `words * 64` values, all of which are read: the encoder
 *              pads with zeros to whole words. A column in parts is taken part by part, each with
 *              the words of the mask that are its own.
 *   Narrowing  a conjunct needs no mask of its own: `range_and_*` and `member_and_*` clear rows of
 *              the mask that the conjuncts before it left, and do not read the column where a word
 *              of the mask is empty. A missing row stores 0. Where 0 is a hit, presence decides:
 *                here, and low <= value <= high      mask &= presence first, or `present`
 *                here, and not so                    mask &= presence first, then `flip`
 *                not (low <= value <= high)          `present` and `flip`
 *              and where 0 is no hit, `present` is NULL. Presence as a container is joined by
 *              strata_mask_and_entry (masks.h).
 *   Selections a selection list is rows of the block, ascending uint16: cheaper than a mask once
 *              few rows are left. `out` has room for as many rows as come in.
 *   Aliasing   no two pointers of a call may overlap, but `out` of a selection may be its `rows`,
 *              and `out` of mask_join and mask_join_any one of their terms.
 *   Alignment  any is right. Columns and bitsets lie on 64 bytes in the store; masks of the
 *              caller should, since a 64-byte load across two cache lines takes twice as long.
 *   Cycles     in comments are of one core at 3 GHz (Sapphire Rapids), data in the second-level cache.
 *   Trust      nothing is checked here; columns and containers come from verified records.
 */
#ifndef STRATA_KERNELS_H
#define STRATA_KERNELS_H

#include <stdint.h>
#include <string.h>

#include "engine/bitmaps/containers.h"
#include "engine/core/kernels_ranks.h"

/* Codes that the bits of `members` reach at least, whatever the dictionary's size: a byte-wide
 * column is looked up in all of them at once. */
#define STRATA_LEAST_MEMBERS 256u

/* Words from one of many masks to the next: a line more than they have, or the same line of all of them
 * would fall in one set of the first-level cache. */
#define STRATA_MASK_STRIDE (STRATA_BLOCK_WORDS + 8u)

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
    /* bit i = (low <= value[i] <= high); NaN is in no range */
    void (*range_f64)(const double *values, uint32_t words, double low, double high, uint64_t *out);
    /* bit i = bit value[i] of `members`, which covers every value that occurs and has
     * STRATA_LEAST_MEMBERS bits at least */
    void (*member_u8)(const uint8_t *values, uint32_t words, const uint64_t *members, uint64_t *out);
    void (*member_u16)(const uint16_t *values, uint32_t words, const uint64_t *members, uint64_t *out);
    void (*member_u32)(const uint32_t *values, uint32_t words, const uint64_t *members, uint64_t *out);

    /* out = the rows in every terms[i] ^ flips[i], one term at least; flips are 0 or ~0. NULL for
     * `out` counts only. One pass, where joining one after the other writes and reads the mask
     * again for each. */
    uint32_t (*mask_join)(const uint64_t *const *terms, const uint64_t *flips, uint32_t term_count,
                          uint64_t *out);

    /* out = the rows that every group has: the terms up to ends[g] that no group before has are
     * group g, which has the rows of any of them, or with flips[g] all ones the others. A group has a
     * term at least. NULL for `out` counts only. */
    uint32_t (*mask_join_any)(const uint64_t *const *terms, const uint32_t *ends,
                              const uint64_t *flips, uint32_t group_count, uint64_t *out);
    /* Masks of the codes 1 .. code_count over `words` words, that of code c from
     * out + (c - 1) * STRATA_MASK_STRIDE on. */
    void (*code_masks_u8)(const uint8_t *values, uint32_t words, uint32_t code_count,
                          uint64_t *out);

    /* Masks of ranges over `words` words: bit i of that of range r is (value[i] - lows[r] <= spans[r]),
     * from out + r * STRATA_MASK_STRIDE on. */
    void (*range_masks_u8)(const uint8_t *values, uint32_t words, const uint8_t *lows,
                           const uint8_t *spans, uint32_t count, uint64_t *out);
    /* ranks[i] = all->before + how many of the cuts value[i] has reached, over `words` words; see
     * kernels_ranks.h. */
    void (*ranks_u32)(const uint32_t *values, uint32_t words, const strata_cuts *all,
                      uint8_t *ranks);

    /* mask &= (hit & present) ^ flip over `words` words; NULL for `present` is every row, flip is 0
     * or ~0. Hits are those of range_*. Returns the rows left in these words. */
    uint32_t (*range_and_u8)(const uint8_t *values, uint32_t words, uint8_t low, uint8_t span,
                             const uint64_t *present, uint64_t flip, uint64_t *mask);
    uint32_t (*range_and_u16)(const uint16_t *values, uint32_t words, uint16_t low, uint16_t span,
                              const uint64_t *present, uint64_t flip, uint64_t *mask);
    uint32_t (*range_and_u32)(const uint32_t *values, uint32_t words, uint32_t low, uint32_t span,
                              const uint64_t *present, uint64_t flip, uint64_t *mask);
    uint32_t (*range_and_u64)(const uint64_t *values, uint32_t words, uint64_t low, uint64_t span,
                              const uint64_t *present, uint64_t flip, uint64_t *mask);
    uint32_t (*range_and_f64)(const double *values, uint32_t words, double low, double high,
                              const uint64_t *present, uint64_t flip, uint64_t *mask);
    /* mask &= hit ^ flip over `words` words, with the hits of member_*. Returns the rows left. */
    uint32_t (*member_and_u8)(const uint8_t *values, uint32_t words, const uint64_t *members,
                              uint64_t flip, uint64_t *mask);
    uint32_t (*member_and_u16)(const uint16_t *values, uint32_t words, const uint64_t *members,
                               uint64_t flip, uint64_t *mask);
    uint32_t (*member_and_u32)(const uint32_t *values, uint32_t words, const uint64_t *members,
                               uint64_t flip, uint64_t *mask);

    /* The rows of a mask in order; returns how many. `rows` has room for them. */
    uint32_t (*mask_to_rows)(const uint64_t *mask, uint16_t *rows);
    /* Keeps the rows that the mask has (flip 1: has not); returns how many. */
    uint32_t (*rows_in_mask)(const uint16_t *rows, uint32_t count, const uint64_t *mask,
                             uint32_t flip, uint16_t *out);
    /* Keeps the rows whose value is a hit (flip 1: is none); returns how many. values[0] is the
     * value of row `first`, no row is before it or beyond the values. */
    uint32_t (*rows_range_u8)(const uint8_t *values, uint32_t first, const uint16_t *rows,
                              uint32_t count, uint8_t low, uint8_t span, uint32_t flip,
                              uint16_t *out);
    uint32_t (*rows_range_u16)(const uint16_t *values, uint32_t first, const uint16_t *rows,
                               uint32_t count, uint16_t low, uint16_t span, uint32_t flip,
                               uint16_t *out);
    uint32_t (*rows_range_u32)(const uint32_t *values, uint32_t first, const uint16_t *rows,
                               uint32_t count, uint32_t low, uint32_t span, uint32_t flip,
                               uint16_t *out);
    uint32_t (*rows_range_u64)(const uint64_t *values, uint32_t first, const uint16_t *rows,
                               uint32_t count, uint64_t low, uint64_t span, uint32_t flip,
                               uint16_t *out);
    uint32_t (*rows_range_f64)(const double *values, uint32_t first, const uint16_t *rows,
                               uint32_t count, double low, double high, uint32_t flip,
                               uint16_t *out);
    uint32_t (*rows_member_u8)(const uint8_t *values, uint32_t first, const uint16_t *rows,
                               uint32_t count, const uint64_t *members, uint32_t flip,
                               uint16_t *out);
    uint32_t (*rows_member_u16)(const uint16_t *values, uint32_t first, const uint16_t *rows,
                                uint32_t count, const uint64_t *members, uint32_t flip,
                                uint16_t *out);
    uint32_t (*rows_member_u32)(const uint32_t *values, uint32_t first, const uint16_t *rows,
                                uint32_t count, const uint64_t *members, uint32_t flip,
                                uint16_t *out);

    /* counts[code] += the rows of the mask that have the code, over `words` words; every code is
     * below `code_count`. Returns how many rows of the mask are in these words. */
    uint32_t (*group_u8)(const uint8_t *values, uint32_t words, const uint64_t *mask,
                         uint32_t code_count, int64_t *counts);
    uint32_t (*group_u16)(const uint16_t *values, uint32_t words, const uint64_t *mask,
                          uint32_t code_count, int64_t *counts);
    uint32_t (*group_u32)(const uint32_t *values, uint32_t words, const uint64_t *mask,
                          uint32_t code_count, int64_t *counts);

    /* values[row] += value, wrapping around, for the rows of a mask of the whole block. */
    void (*add_u8)(uint8_t *values, const uint64_t *mask, uint8_t value);
    void (*add_u16)(uint16_t *values, const uint64_t *mask, uint16_t value);
    void (*add_u32)(uint32_t *values, const uint64_t *mask, uint32_t value);
    void (*add_u64)(uint64_t *values, const uint64_t *mask, uint64_t value);

    /* lanes[i] += table[value[i]] over `words` words, wrapping around; no value is above `most`.
     * `table` has 256 bytes. */
    void (*add_by_u8)(uint8_t *lanes, const uint8_t *values, uint32_t words, const uint8_t *table,
                      uint32_t most);
    /* lanes[i] += number where (value[i] - low <= span), as in range_*. */
    void (*add_in_u16)(uint8_t *lanes, const uint16_t *values, uint32_t words, uint16_t low,
                       uint16_t span, uint8_t number);
    void (*add_in_u32)(uint8_t *lanes, const uint32_t *values, uint32_t words, uint32_t low,
                       uint32_t span, uint8_t number);

    /* Judges instants by the latest of their rows: bit i of `hits` is whether times[i] is 1 to
     * `sure` after latest[rows[i]], bit i of `open` whether it is not after it, or by more than
     * `sure` and up to `most`. Every time is above `most`, no bit beyond `count` is set. */
    void (*after_u32)(const uint16_t *rows, const uint32_t *times, uint32_t count,
                      const uint32_t *latest, uint32_t sure, uint32_t most, uint64_t *hits,
                      uint64_t *open);

    /* A lane holds a count in its `bits` lowest bits, 1 at least, and a sum above them. Bit i =
     * (count >= least && sum - low <= span), over `words` words; the lanes become 0. */
    void (*take_pairs)(uint32_t *lanes, uint32_t words, uint32_t bits, uint32_t least,
                       uint32_t low, uint32_t span, uint64_t *out);
} strata_kernels;

#include "engine/core/kernels_portable.h"
#include "engine/core/kernels_after.h"
#include "engine/core/kernels_lanes.h"
#include "engine/core/kernels_pairs.h"
STRATA_TABLE(portable, portable)

#if defined(__x86_64__) && defined(__GNUC__)
#include "engine/core/kernels_avx2_groups.h"
#include "engine/core/kernels_avx512_groups.h"
#include "engine/core/kernels_avx512_masks.h"
#include "engine/core/kernels_avx512_ranks.h"
#include "engine/core/kernels_avx512_rows.h"
#include "engine/core/kernels_x86_after.h"
#include "engine/core/kernels_x86_lanes.h"
#include "engine/core/kernels_x86_ranks.h"
STRATA_TABLE(avx2, portable)
STRATA_TABLE(avx512, avx512)
#endif

/* The table called `name`, or the widest that this processor runs where `name` is empty.
 * NULL where there is no such table here. */
static inline const strata_kernels *strata_pick_kernels(const char *name) {
    int any = name[0] == '\0';
#if defined(__x86_64__) && defined(__GNUC__)
    if ((any || strcmp(name, "avx512") == 0) && strata_runs_avx512()) {
        return &strata_kernels_avx512;
    }
    if ((any || strcmp(name, "avx2") == 0) && strata_runs_avx2()) {
        return &strata_kernels_avx2;
    }
#endif
    return any || strcmp(name, "portable") == 0 ? &strata_kernels_portable : 0;
}

#endif
