/* Counts, sums and bounds over events, as columns of a block.
 *
 * Counts and sums are scattered into the column itself, in as few bytes as will do: the memory that
 * is touched is what costs. Bounds are folded in memory beside it, and
 * only those of rows that have one are taken over: rows without store 0.
 */
#ifndef STRATA_AGGREGATE_NUMBERS_H
#define STRATA_AGGREGATE_NUMBERS_H

#include "engine/core/aggregate_heads.h"

/* ----------------------------------------------------------------------------------- counts */

/* Bits of a word are set one after the other, and many events meet there; so unless they are few,
 * they are counted in bytes, which are made bits of and brought back to 0 at once. */
static inline void strata_fill_mark(strata_aggregates *all, const strata_aggregate *what,
                                    strata_aggregate_column *column, uint64_t events) {
    uint64_t *bits = (uint64_t *)(void *)(column->memory + STRATA_AGGREGATE_PRESENCE);
    if (events > STRATA_FEW_EVENTS) {
        uint8_t *counts = strata_aggregate_values(column);
        strata_fold_sources(all, what, STRATA_FOLD_COUNT_U8, 0, counts);
        all->kernels->range_u8(counts, STRATA_BLOCK_WORDS, 1, UINT8_MAX - 1, bits);
        memset(counts, 0, STRATA_BLOCK_ROWS);
    } else {
        memset(bits, 0, STRATA_BITSET_BYTES);
        strata_fold_sources(all, what, STRATA_FOLD_MARK, bits, 0);
    }
    strata_mark_head(column, strata_live_marks(all, bits, bits));
}

/* Counts of a row: of events, days or distinct values, none above `most`. */
static inline void strata_end_counts(const strata_aggregates *all, strata_aggregate_column *column,
                                     uint64_t most) {
    strata_all_have(all, strata_begin_head(column, STRATA_INTS, (uint8_t)column->width, 0, most));
}

static inline void strata_fill_count(strata_aggregates *all, const strata_aggregate *what,
                                     strata_aggregate_column *column, uint64_t events) {
    int is_narrow = events < 65536, is_few = events <= STRATA_FEW_EVENTS;
    uint32_t kind = is_narrow ? STRATA_FOLD_COUNT_U16 : STRATA_FOLD_COUNT_U32;
    column->width = is_narrow ? 2 : 4;
    if (what->function == STRATA_AGGREGATE_FEW) {
        column->width = 1;
        kind = STRATA_FOLD_COUNT_U8;
        events = events < UINT8_MAX ? events : UINT8_MAX;
    }
    if (is_few) memset(column->marks, 0, STRATA_BITSET_BYTES);
    column->touched = is_few ? STRATA_TOUCHED_MARKED : STRATA_TOUCHED;
    strata_fold_sources(all, what, kind, is_few ? column->marks : 0,
                        strata_aggregate_values(column));
    strata_end_counts(all, column, events);
}

/* Days are bits of a row, so a longer window is several scans of so many days. */
#define STRATA_DAYS_AT_ONCE 64u

/* How many stretches from one on are looked at together: so many that fit, and those of one day
 * never apart. */
static inline uint32_t strata_days_together(const strata_aggregate *what, uint32_t first) {
    uint32_t days = what->day_count - first;
    if (days <= STRATA_DAYS_AT_ONCE) return days;
    const uint8_t *repeated = what->repeated + first;
    days = STRATA_DAYS_AT_ONCE;
    while (repeated[days] || (first + days + 1 < what->day_count && repeated[days + 1])) days--;
    return days;
}

/* Where clocks were set back over a midnight, two stretches are one day: bit i of the rows becomes
 * part of bit i - 2. */
static inline void strata_join_days(const uint64_t *mask, const uint8_t *repeated, uint32_t days,
                                    uint64_t *restrict bits) {
    uint64_t again = 0;
    for (uint32_t i = 2; i < days; i++) again |= (uint64_t)(repeated[i] & 1) << i;
    if (!again) return;
    for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++) {
        for (uint64_t word = mask[w]; word; word &= word - 1) {
            uint32_t row = 64 * w + (uint32_t)__builtin_ctzll(word);
            bits[row] = (bits[row] & ~again) | (bits[row] & again) >> 2;
        }
    }
}

static inline void strata_fill_days(strata_aggregates *all, const strata_aggregate *what,
                                    strata_aggregate_column *column, uint64_t events) {
    uint32_t *counts = strata_aggregate_values(column);
    uint64_t marks[STRATA_BLOCK_WORDS];
    strata_aggregate part = *what;
    column->width = 4;
    column->touched = STRATA_TOUCHED;
    for (uint32_t day = 0, days; day < what->day_count; day += days) {
        days = strata_days_together(what, day);
        const int64_t *starts = what->starts + day;
        part.from = what->from > starts[0] ? what->from : starts[0];
        part.to = what->to < starts[days] ? what->to : starts[days];
        if (!strata_aggregate_outlook(all, &part)) continue;
        memset(marks, 0, sizeof marks);
        for (uint32_t i = 0; i < what->source_count; i++) {
            strata_event_scan scan = strata_scan_source(all, &part, what->sources + i);
            strata_fold fold =
                strata_fold_of(what->sources + i, STRATA_FOLD_DAYS, marks, all->bits);
            fold.role = STRATA_EVENT_TIME;
            fold.starts = starts;
            fold.day_count = days;
            strata_fold_block(&scan, &fold, 1);
        }
        strata_join_days(marks, what->repeated + day, days, all->bits);
        strata_count_bits(marks, all->bits, counts);
    }
    strata_end_counts(all, column, events < what->day_count ? events : what->day_count);
}

/* The slots of a table, all zeros; NULL where there is no memory. */
static inline void *strata_clean_slots(strata_aggregates *all, size_t bytes) {
    if (bytes > all->slot_bytes) {
        free(all->slots);
        all->slot_bytes = 0;
        all->slots = calloc(1, bytes);
        if (!all->slots) return 0;
        all->slot_bytes = bytes;
        return all->slots;
    }
    memset(all->slots, 0, bytes);
    return all->slots;
}

static inline int strata_fill_distinct(strata_aggregates *all, const strata_aggregate *what,
                                       strata_aggregate_column *column, uint64_t events) {
    uint32_t slot_count = strata_slots_for(events);
    void *slots = strata_clean_slots(all, slot_count * strata_slot_bytes(what->kind));
    if (!slots) return 0;
    uint32_t kind = what->is_scaled ? STRATA_FOLD_DISTINCT_SCALED : STRATA_FOLD_DISTINCT;
    column->width = 4;
    column->touched = STRATA_TOUCHED;
    for (uint32_t i = 0; i < what->source_count; i++) {
        strata_event_scan scan = strata_scan_source(all, what, what->sources + i);
        strata_fold fold =
            strata_fold_of(what->sources + i, kind, 0, strata_aggregate_values(column));
        fold.slots = slots;
        fold.slot_count = slot_count;
        strata_fold_block(&scan, &fold, 1);
    }
    strata_end_counts(all, column, events);
    return 1;
}

/* ------------------------------------------------------------------------------------- sums */

static inline int64_t strata_saturated(strata_event_sum sum) {
    return sum > INT64_MAX ? INT64_MAX : sum < INT64_MIN ? INT64_MIN : (int64_t)sum;
}

static inline void strata_fill_sum(strata_aggregates *all, const strata_aggregate *what,
                                   strata_aggregate_column *column) {
    int64_t low, high, *values = strata_aggregate_values(column);
    strata_event_sum reach, *sums = (strata_event_sum *)(void *)(column->memory + STRATA_AGGREGATE_SUMS);
    uint64_t bias = 0, most;
    strata_value_bounds(all, what, &low, &high, &reach);
    int is_narrow = reach <= INT64_MAX;
    column->touched = STRATA_TOUCHED;
    if (low >= 0 && high <= UINT32_MAX && is_narrow && !column->is_wide) {
        /* What no bound says and is nearly always so: no sum leaves 32 bits. */
        column->width = 4;
        if (strata_fold_sources(all, what, STRATA_FOLD_SUM_U32, 0, values)) {
            most = reach < UINT32_MAX ? (uint64_t)reach : UINT32_MAX;
            strata_all_have(all, strata_begin_head(column, STRATA_INTS, 4, 0, most));
            return;
        }
        strata_clear_aggregate(column);
        column->touched = STRATA_TOUCHED;
        column->is_wide = 1; /* in the blocks to come too */
    }
    column->width = 8;
    if (is_narrow) {
        strata_fold_sources(all, what, STRATA_FOLD_SUM_I64, 0, values);
        bias = low < 0 ? (uint64_t)reach : 0;
        most = bias + (uint64_t)reach;
        if (bias)
            for (uint32_t r = 0; r < STRATA_BLOCK_ROWS; r++)
                values[r] = (int64_t)((uint64_t)values[r] + bias);
    } else {
        strata_fold_sources(all, what, STRATA_FOLD_SUM_I128, 0, sums);
        bias = (uint64_t)1 << 63;
        most = UINT64_MAX;
        for (uint32_t r = 0; r < STRATA_BLOCK_ROWS; r++)
            values[r] = (int64_t)((uint64_t)strata_saturated(sums[r]) + bias);
        column->width = 24; /* the sums stand behind the values, and are cleared with them */
    }
    strata_column *head =
        strata_begin_head(column, STRATA_INTS, 8, (int64_t)((uint64_t)0 - bias), most);
    strata_all_have(all, head);
    head->reserved2 = is_narrow ? 0 : STRATA_AGGREGATE_SUMS;
}

/* What events are worth: all of one sign, and no more for one than at the age of no hour. */
static inline void strata_fill_worth(strata_aggregates *all, const strata_aggregate *what,
                                     strata_aggregate_column *column, uint64_t events) {
    int64_t most = what->worth_count ? what->worth[0] : 0, *values = strata_aggregate_values(column);
    uint64_t reach = events * (uint64_t)(most < 0 ? -most : most), bias = most < 0 ? reach : 0;
    column->width = 8;
    column->touched = STRATA_TOUCHED;
    for (uint32_t i = 0; i < what->source_count; i++) {
        strata_event_scan scan = strata_scan_source(all, what, what->sources + i);
        strata_fold fold = strata_fold_of(what->sources + i, STRATA_FOLD_WORTH, 0, values);
        fold.worth = what->worth;
        fold.worth_count = what->worth_count;
        fold.now = what->now;
        strata_fold_block(&scan, &fold, 1);
    }
    if (bias)
        for (uint32_t r = 0; r < STRATA_BLOCK_ROWS; r++)
            values[r] = (int64_t)((uint64_t)values[r] + bias);
    strata_all_have(all, strata_begin_head(column, STRATA_INTS, 8, (int64_t)((uint64_t)0 - bias),
                                           reach));
}

/* ----------------------------------------------------------------------------------- bounds */

/* Takes the values of marked rows to the column, `least` above the base, and leaves `start`. */
static inline void strata_move_ints(const uint64_t *marks, uint64_t base, int64_t start,
                                    int64_t *restrict from, uint32_t width, void *restrict to) {
    uint32_t *narrow = to;
    uint64_t *wide = to;
    for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++) {
        for (uint64_t word = marks[w]; word; word &= word - 1) {
            uint32_t row = 64 * w + (uint32_t)__builtin_ctzll(word);
            uint64_t stored = (uint64_t)from[row] - base;
            if (width == 4) narrow[row] = (uint32_t)stored;
            else wide[row] = stored;
            from[row] = start;
        }
    }
}

/* The same of floats, which were ordered as integers. */
static inline void strata_move_floats(const uint64_t *marks, int64_t start,
                                      int64_t *restrict from, int64_t *restrict to) {
    for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++) {
        for (uint64_t word = marks[w]; word; word &= word - 1) {
            uint32_t row = 64 * w + (uint32_t)__builtin_ctzll(word);
            to[row] = strata_ordered_double(from[row]);
            from[row] = start;
        }
    }
}

/* Moves numbers from where they were folded into the column. Ints lie within low .. high. */
static inline void strata_end_numbers(const strata_aggregates *all, const strata_aggregate *what,
                                      strata_aggregate_column *column, int64_t low, int64_t high,
                                      int is_ordered, int64_t start, int64_t *folded) {
    uint64_t span = (uint64_t)high - (uint64_t)low;
    void *values = strata_aggregate_values(column);
    strata_column *head;
    column->touched = STRATA_TOUCHED_MARKED;
    column->width = 8;
    if (what->kind == STRATA_EVENT_FLOATS) {
        if (is_ordered) strata_move_floats(column->marks, start, folded, values);
        else strata_move_ints(column->marks, 0, start, folded, 8, values);
        head = strata_begin_head(column, STRATA_FLOATS, 8, 0, 0);
    } else if (what->kind == STRATA_EVENT_CODES) {
        column->width = 4;
        strata_move_ints(column->marks, 0, start, folded, 4, values);
        head = strata_begin_head(column, STRATA_CODES, 4, 0, (uint64_t)high);
    } else {
        column->width = span <= UINT32_MAX ? 4 : 8;
        strata_move_ints(column->marks, (uint64_t)low, start, folded, column->width, values);
        head = strata_begin_head(column, STRATA_INTS, (uint8_t)column->width, low, span);
    }
    strata_marked_have(all, column, head);
}

static inline void strata_fill_bound(strata_aggregates *all, const strata_aggregate *what,
                                     strata_aggregate_column *column) {
    int is_least = what->function == STRATA_AGGREGATE_LEAST;
    int64_t low, high, *folded = is_least ? all->least : all->greatest;
    strata_event_sum reach;
    strata_value_bounds(all, what, &low, &high, &reach);
    memset(column->marks, 0, STRATA_BITSET_BYTES);
    strata_fold_sources(all, what, is_least ? STRATA_FOLD_LEAST : STRATA_FOLD_GREATEST,
                        column->marks, folded);
    strata_end_numbers(all, what, column, low, high, 1,
                       is_least ? STRATA_NO_LEAST : STRATA_NO_GREATEST, folded);
}

#endif
