/* Bounds, first and last values of decimals of several scales, as columns of a block.
 *
 * What types of events declare with fewer decimals counts a power of ten times as much in the unit of
 * the most. That may take more than 64 bits, so the numbers stand in 128, where sums do that leave 64:
 * such a column is read by strata_read_sum, where it has a value at all, and by nothing else. Sums
 * themselves are of one scale each, and joined by what compares them.
 */
#ifndef STRATA_AGGREGATE_SCALED_H
#define STRATA_AGGREGATE_SCALED_H

#include "engine/core/aggregate_ends.h"

static inline strata_event_sum *strata_aggregate_sums(const strata_aggregate_column *column) {
    return (strata_event_sum *)(void *)(column->memory + STRATA_AGGREGATE_SUMS);
}

/* Says that the rows marked have a number of 128 bits; what others have means nothing. */
static inline void strata_end_scaled(const strata_aggregates *all,
                                     strata_aggregate_column *column) {
    strata_column *head = strata_begin_head(column, STRATA_INTS, 0, 0, 0);
    strata_marked_have(all, column, head);
    head->reserved2 = STRATA_AGGREGATE_SUMS;
}

static inline void strata_fill_scaled_bound(strata_aggregates *all, const strata_aggregate *what,
                                            strata_aggregate_column *column) {
    uint32_t kind = what->function == STRATA_AGGREGATE_LEAST ? STRATA_FOLD_LEAST_SCALED
                                                              : STRATA_FOLD_GREATEST_SCALED;
    memset(column->marks, 0, STRATA_BITSET_BYTES);
    strata_fold_sources(all, what, kind, column->marks, strata_aggregate_sums(column));
    strata_end_scaled(all, column);
}

/* Takes the values of the events found to the column, and leaves what was folded as it was; 0 where
 * there is no memory. */
static inline int strata_fill_scaled_end(strata_aggregates *all, const strata_aggregate *what,
                                         strata_aggregate_column *column) {
    int64_t start, *folded;
    strata_event_sum *sums = strata_aggregate_sums(column);
    if (!strata_place_parts(all, what)) return 0;
    folded = strata_fold_ends(all, what, column, &start);
    for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++) {
        for (uint64_t word = column->marks[w]; word; word &= word - 1) {
            uint32_t row = 64 * w + (uint32_t)__builtin_ctzll(word), event = all->events[row];
            const strata_valued_part *part = strata_part_of(all, event);
            sums[row] = (strata_event_sum)strata_event_int(part->chunk, part->column,
                                                           event % STRATA_CHUNK_EVENTS) *
                        part->factor;
            folded[row] = start;
        }
    }
    strata_clear_events(column->marks, all->events);
    strata_end_scaled(all, column);
    return 1;
}

#endif
