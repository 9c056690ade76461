/* Who has so many events and such a sum of them, as a mark: both are asked at once.
 *
 * 1. Where no bound and no sum met so far says otherwise, both are folded into one lane of 32 bits a
 *    row (engine/events/pairs.h), which the question passes over once.
 * 2. Where a value may be negative, or a sum has left its lane, they are folded apart as those of any
 *    aggregate are, and their masks joined.
 */
#ifndef STRATA_AGGREGATE_PAIRS_H
#define STRATA_AGGREGATE_PAIRS_H

#include "engine/core/aggregate_numbers.h"
#include "engine/events/pairs.h"

/* What counts and sums take apart: 128 bits for a sum, a byte for a count. */
#define STRATA_HALVES_BYTES (17u * STRATA_BLOCK_ROWS)

/* The lowest bits of a lane: enough to tell `least` from less, and none for who has any event at all
 * where the sum tells that. */
static inline uint32_t strata_pair_bits(const strata_asked_pair *asked) {
    if (asked->least == 1 && asked->low > 0) return 0;
    return 32 - (uint32_t)__builtin_clz(asked->least);
}

/* Whether every value goes into a lane, by the bounds of chunks. */
static inline int strata_pairs_fit(int64_t low, int64_t high, uint32_t bits) {
    return low >= 0 && high <= (int64_t)(UINT32_MAX >> bits);
}

/* In lanes, which it leaves at 0; 0 where a sum did not fit. */
static inline int strata_mark_by_pairs(strata_aggregates *all, const strata_aggregate *what,
                                       strata_aggregate_column *column, uint64_t *marks) {
    const strata_asked_pair *asked = &what->asked;
    uint32_t bits = strata_pair_bits(asked), carry = 0;
    uint32_t *lanes = strata_aggregate_values(column);
    int64_t most = UINT32_MAX >> bits, low = asked->low > 0 ? asked->low : 0;
    int64_t high = asked->high < most ? asked->high : most;
    for (uint32_t i = 0; i < what->source_count; i++) {
        strata_event_scan scan = strata_scan_source(all, what, what->sources + i);
        carry |= strata_pair_block(&scan, what->sources[i].property, bits, lanes);
    }
    if (carry) {
        memset(lanes, 0, 4 * (size_t)STRATA_BLOCK_ROWS);
        return 0;
    }
    if (low > high) { /* no sum that fits is asked for */
        memset(lanes, 0, 4 * (size_t)STRATA_BLOCK_ROWS);
        memset(marks, 0, STRATA_BITSET_BYTES);
        return 1;
    }
    all->kernels->take_pairs(lanes, STRATA_BLOCK_WORDS, bits, bits ? asked->least : 0,
                             (uint32_t)low, (uint32_t)(high - low), marks);
    return 1;
}

/* Sums of 128 bits, one by one; the ends of 64 bits stand for all beyond. */
static inline void strata_narrow_by_wide_sums(const strata_event_sum *sums, int64_t low,
                                              int64_t high, uint64_t *marks) {
    for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++) {
        for (uint64_t word = marks[w]; word; word &= word - 1) {
            int64_t sum = strata_saturated(sums[64 * w + (uint32_t)__builtin_ctzll(word)]);
            if (sum < low || sum > high) marks[w] &= ~(word & (0 - word));
        }
    }
}

/* Apart; 0 where there is no memory for that. */
static inline int strata_mark_by_halves(strata_aggregates *all, const strata_aggregate *what,
                                        int is_narrow, uint64_t *marks) {
    const strata_asked_pair *asked = &what->asked;
    if (!all->halves) all->halves = calloc(1, STRATA_HALVES_BYTES);
    if (!all->halves) return 0;
    void *sums = all->halves;
    uint8_t *counts = all->halves + 16 * (size_t)STRATA_BLOCK_ROWS;
    for (uint32_t i = 0; i < what->source_count; i++) {
        strata_event_scan scan = strata_scan_source(all, what, what->sources + i);
        strata_event_source counted = what->sources[i];
        counted.property = 0;
        strata_fold fold = strata_fold_of(&counted, STRATA_FOLD_COUNT_U8, 0, counts);
        strata_fold_block(&scan, &fold, 1);
    }
    all->kernels->range_u8(counts, STRATA_BLOCK_WORDS, (uint8_t)asked->least,
                           (uint8_t)(UINT8_MAX - asked->least), marks);
    if (is_narrow) {
        strata_fold_sources(all, what, STRATA_FOLD_SUM_I64, 0, sums);
        all->kernels->range_and_u64(sums, STRATA_BLOCK_WORDS, (uint64_t)asked->low,
                                    (uint64_t)asked->high - (uint64_t)asked->low, 0, 0, marks);
    } else {
        strata_fold_sources(all, what, STRATA_FOLD_SUM_I128, 0, sums);
        strata_narrow_by_wide_sums(sums, asked->low, asked->high, marks);
    }
    memset(sums, 0, (is_narrow ? 8 : 16) * (size_t)STRATA_BLOCK_ROWS);
    memset(counts, 0, STRATA_BLOCK_ROWS);
    return 1;
}

/* Returns 0 where there is no memory. */
static inline int strata_fill_pair(strata_aggregates *all, const strata_aggregate *what,
                                   strata_aggregate_column *column) {
    uint64_t *marks = (uint64_t *)(void *)(column->memory + STRATA_AGGREGATE_PRESENCE);
    int64_t low, high;
    strata_event_sum reach;
    strata_value_bounds(all, what, &low, &high, &reach);
    if (column->is_wide || !strata_pairs_fit(low, high, strata_pair_bits(&what->asked)) ||
        !strata_mark_by_pairs(all, what, column, marks)) {
        /* A sum that did not fit is met in the blocks to come, too. */
        column->is_wide |= low >= 0;
        if (!strata_mark_by_halves(all, what, reach <= INT64_MAX, marks)) return 0;
    }
    strata_mark_head(column, strata_live_marks(all, marks, marks));
    return 1;
}

#endif
