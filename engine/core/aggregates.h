/* Aggregates over events as columns of a block: what a leaf reads of a profile that is not stored.
 *
 * An aggregate is folded over the events of the open block into memory of the worker, in the very
 * layout of a stored field (engine/bitmaps/layout.h), so that leaves read it as they read others:
 *   marks, bools     strata_set: the rows that have such an event, or a sequence of them; false,
 *                    true and present
 *   numbers          strata_column of ints or floats
 *   categories       strata_column of codes
 *   texts            strata_text
 *
 * 1. strata_open_aggregates begins a block: nothing is filled yet.
 * 2. strata_fill_aggregate folds one aggregate over the events of its types in its window
 *    (engine/events/fold_block.h). What it touched in the block before is brought back to zeros
 *    first: rows that are missing store 0.
 * 3. Presence is cut to the live rows. Those that are not alive may store anything.
 *
 * Counts, days, distinct values and sums are never missing: 0 where there is nothing.
 * A sum that may leave 64 bits is kept in 128 besides, see strata_read_sum; its column then stops
 * at the ends of 64 bits. Decimals of several scales are in 128 bits alone, see aggregate_scaled.h.
 * A score is a column too, made of others and of what nodes hold for: engine.core.scores fills it.
 */
#ifndef STRATA_AGGREGATES_H
#define STRATA_AGGREGATES_H

#include "engine/core/aggregate_pairs.h"
#include "engine/core/aggregate_scaled.h"
#include "engine/core/aggregate_sequences.h"
#include "engine/core/scores.h"

static inline int strata_is_mark(const strata_aggregate *what) {
    return what->function == STRATA_AGGREGATE_MARK || what->function == STRATA_AGGREGATE_PAIR;
}

/* What a column is where its window has no events. */
static inline void strata_fill_nothing(const strata_aggregates *all, const strata_aggregate *what,
                                       strata_aggregate_column *column) {
    strata_set *set = (strata_set *)(void *)column->memory;
    strata_entry *entries = (strata_entry *)(set + 1);
    memset(column->marks, 0, STRATA_BITSET_BYTES);
    if (strata_is_mark(what) || what->is_bool) {
        set->entry_count = strata_is_mark(what) ? 1 : 3;
        set->first_code = 0;
        set->last_code = set->entry_count - 1;
        for (uint32_t i = 0; i < set->entry_count; i++) entries[i] = strata_bitset_entry(i, 0, 0);
    } else if (what->function <= STRATA_AGGREGATE_SUM) {
        strata_all_have(all, strata_begin_head(column, STRATA_INTS, 0, 0, 0));
    } else if (what->kind == STRATA_EVENT_TEXTS) {
        memset(column->memory, 0, sizeof(strata_text)); /* no rows */
    } else if (what->kind == STRATA_EVENT_FLOATS) {
        strata_begin_head(column, STRATA_FLOATS, 8, 0, 0);
    } else if (what->kind == STRATA_EVENT_CODES) {
        strata_begin_head(column, STRATA_CODES, 4, 0, 0);
    } else {
        strata_begin_head(column, STRATA_INTS, 0, 0, 0);
    }
}

/* Begins a block: `live` are the rows that matter, or where `is_restricted` rows asked of. */
static inline void strata_open_aggregates(strata_aggregates *all, uint32_t block,
                                          const uint64_t *live, uint32_t live_count,
                                          int is_restricted) {
    all->block = block;
    all->live = live;
    all->live_count = live_count;
    all->is_restricted = is_restricted;
    for (uint32_t i = 0; i < all->count; i++) all->columns[i].is_filled = 0;
}

/* Has one aggregate in the memory of its column; 0 where there was no memory. `live` is filled. */
static inline int strata_fill_aggregate(strata_aggregates *all, uint32_t number) {
    const strata_aggregate *what = all->aggregates + number;
    strata_aggregate_column *column = all->columns + number;
    int is_done = 1;
    if (column->is_filled) return 1;
    column->is_filled = 1;
    if (what->followed) {
        is_done = strata_fill_sequence(all, what, column);
        all->failed |= !is_done;
        return is_done;
    }
    if (!strata_is_mark(what)) strata_clear_aggregate(column);
    uint64_t events = strata_aggregate_events(all, what);
    if (!events) {
        strata_fill_nothing(all, what, column);
        return 1;
    }
    switch (what->function) {
    case STRATA_AGGREGATE_MARK: strata_fill_mark(all, what, column, events); break;
    case STRATA_AGGREGATE_FEW:
    case STRATA_AGGREGATE_COUNT: strata_fill_count(all, what, column, events); break;
    case STRATA_AGGREGATE_DAYS: strata_fill_days(all, what, column, events); break;
    case STRATA_AGGREGATE_DISTINCT:
        is_done = strata_fill_distinct(all, what, column, events);
        break;
    case STRATA_AGGREGATE_WORTH: strata_fill_worth(all, what, column, events); break;
    case STRATA_AGGREGATE_SUM: strata_fill_sum(all, what, column); break;
    case STRATA_AGGREGATE_PAIR: is_done = strata_fill_pair(all, what, column); break;
    case STRATA_AGGREGATE_LEAST:
    case STRATA_AGGREGATE_GREATEST:
        if (what->is_scaled) strata_fill_scaled_bound(all, what, column);
        else strata_fill_bound(all, what, column);
        break;
    default:
        is_done = what->is_scaled ? strata_fill_scaled_end(all, what, column)
                                  : strata_fill_end(all, what, number, column);
        break;
    }
    all->failed |= !is_done;
    return is_done;
}

#endif
