/* Heads of columns that are folded from events: who has a value, and how values are stored.
 *
 * They are those of stored fields (engine/bitmaps/layout.h), made anew for each block.
 */
#ifndef STRATA_AGGREGATE_HEADS_H
#define STRATA_AGGREGATE_HEADS_H

#include "engine/core/aggregate_scans.h"

static inline void *strata_aggregate_values(const strata_aggregate_column *column) {
    return column->memory + STRATA_AGGREGATE_VALUES;
}

/* The head of a column of one value a row; presence is still to be said. */
static inline strata_column *strata_begin_head(strata_aggregate_column *column, uint8_t kind,
                                               uint8_t width, int64_t base, uint64_t most) {
    strata_column *head = (strata_column *)(void *)column->memory;
    memset(head, 0, sizeof *head);
    head->column_kind = kind;
    head->width = width;
    head->row_count = STRATA_BLOCK_ROWS;
    head->base = base;
    head->step = 1;
    head->max_stored = most;
    head->values_offset = STRATA_AGGREGATE_VALUES;
    return head;
}

/* Says that every live row has a value: a run of all rows, of which only live ones are asked. */
static inline void strata_all_have(const strata_aggregates *all, strata_column *head) {
    static const uint16_t run[] = {1, 0, 0xFFFF};
    memcpy((uint8_t *)head + STRATA_AGGREGATE_PRESENCE, run, sizeof run);
    head->present_count = all->live_count;
    head->presence.cardinality = all->live_count;
    head->presence.offset = STRATA_AGGREGATE_PRESENCE;
    head->presence.size_in_2 = sizeof run / 2;
    head->presence.kind = STRATA_RUN;
}

/* bits = marks of rows that matter; how many. */
static inline uint32_t strata_live_marks(const strata_aggregates *all, const uint64_t *marks,
                                         uint64_t *bits) {
    uint32_t count = 0;
    for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++) {
        bits[w] = marks[w] & all->live[w];
        count += strata_popcount64(bits[w]);
    }
    return count;
}

static inline strata_entry strata_bitset_entry(uint32_t code, uint32_t count, uint32_t offset) {
    strata_entry entry;
    memset(&entry, 0, sizeof entry);
    entry.code = code;
    if (count) {
        entry.cardinality = count;
        entry.offset = offset;
        entry.size_in_2 = STRATA_BITSET_BYTES / 2;
        entry.kind = STRATA_BITSET;
    }
    return entry;
}

/* The head of a set of one element, whose rows stand behind it. */
static inline void strata_mark_head(strata_aggregate_column *column, uint32_t count) {
    strata_set *head = (strata_set *)(void *)column->memory;
    head->entry_count = 1;
    head->first_code = head->last_code = 0;
    *(strata_entry *)(head + 1) = strata_bitset_entry(0, count, STRATA_AGGREGATE_PRESENCE);
}

/* Says that the rows marked have a value. */
static inline void strata_marked_have(const strata_aggregates *all,
                                      const strata_aggregate_column *column,
                                      strata_column *head) {
    uint64_t *bits = (uint64_t *)(void *)(column->memory + STRATA_AGGREGATE_PRESENCE);
    head->present_count = strata_live_marks(all, column->marks, bits);
    if (head->column_kind != STRATA_CODES)
        head->presence = strata_bitset_entry(0, head->present_count, STRATA_AGGREGATE_PRESENCE);
}

/* Brings the values of the block before back to 0. */
static inline void strata_clear_aggregate(strata_aggregate_column *column) {
    uint8_t *values = strata_aggregate_values(column);
    uint32_t width = column->width;
    if (column->touched == STRATA_TOUCHED) {
        memset(values, 0, width * (size_t)STRATA_BLOCK_ROWS);
    } else if (column->touched == STRATA_TOUCHED_MARKED) {
        for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++)
            if (column->marks[w]) memset(values + 64 * (size_t)width * w, 0, 64 * (size_t)width);
    }
    column->touched = STRATA_UNTOUCHED;
}

#endif
