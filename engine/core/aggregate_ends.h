/* First and last values over events, as columns of a block: numbers, categories, bools and texts. */
#ifndef STRATA_AGGREGATE_ENDS_H
#define STRATA_AGGREGATE_ENDS_H

#include "engine/core/aggregate_numbers.h"

/* The parts of all sources; 0 where there is no memory. */
static inline int strata_place_parts(strata_aggregates *all, const strata_aggregate *what) {
    const strata_chunk *const *chunks;
    uint32_t count = 0, place = 0;
    for (uint32_t i = 0; i < what->source_count; i++)
        count += strata_chunk_table(&all->fields[what->sources[i].field], all->block, &chunks);
    if (count > all->part_room) {
        free(all->parts);
        all->part_room = 0;
        all->parts = malloc(2 * count * sizeof *all->parts);
        if (!all->parts) return 0;
        all->part_room = 2 * count;
    }
    for (uint32_t i = 0; i < what->source_count; i++) {
        const strata_event_source *source = what->sources + i;
        count = strata_chunk_table(&all->fields[source->field], all->block, &chunks);
        for (uint32_t p = 0; p < count; p++, place++) {
            all->parts[place].chunk = chunks[p];
            all->parts[place].column = strata_find_event_column(
                chunks[p], STRATA_EVENT_PROPERTY, source->property);
            all->parts[place].ranks = what->ranks;
            all->parts[place].factor = source->factor;
        }
    }
    return 1;
}

static inline const strata_valued_part *strata_part_of(const strata_aggregates *all,
                                                       uint32_t event) {
    return all->parts + event / STRATA_CHUNK_EVENTS;
}

/* Lays out the texts of the marked rows, in the order of rows. */
static inline int strata_end_texts(strata_aggregates *all, uint32_t number,
                                   strata_aggregate_column *column) {
    strata_text head;
    uint64_t *bits = (uint64_t *)(void *)(column->memory + STRATA_AGGREGATE_PRESENCE);
    size_t needed = 0;
    memset(&head, 0, sizeof head);
    head.row_count = STRATA_BLOCK_ROWS;
    head.present_count = strata_live_marks(all, column->marks, bits);
    head.offsets_offset = STRATA_AGGREGATE_OFFSETS;
    head.bytes_offset = STRATA_AGGREGATE_TEXTS;
    head.presence = strata_bitset_entry(0, head.present_count, STRATA_AGGREGATE_PRESENCE);
    uint32_t *offsets = strata_aggregate_values(column);
    for (uint32_t row = 0; row < STRATA_BLOCK_ROWS; row++) {
        offsets[row] = (uint32_t)needed;
        if (bits[row >> 6] >> (row & 63) & 1) {
            const strata_valued_part *part = strata_part_of(all, all->events[row]);
            uint32_t length;
            strata_event_text(part->chunk, part->column, all->events[row] % STRATA_CHUNK_EVENTS,
                              &length);
            needed += length;
        }
    }
    offsets[STRATA_BLOCK_ROWS] = (uint32_t)needed;
    if (needed > UINT32_MAX) return 0;
    if (STRATA_AGGREGATE_TEXTS + needed > column->size) {
        size_t size = STRATA_AGGREGATE_TEXTS + 2 * needed;
        uint8_t *grown = realloc(column->memory, size);
        if (!grown) return 0;
        column->memory = column->raw = grown;
        column->size = size;
        offsets = strata_aggregate_values(column);
        bits = (uint64_t *)(void *)(grown + STRATA_AGGREGATE_PRESENCE);
    }
    memcpy(column->memory, &head, sizeof head);
    for (uint32_t row = 0; row < STRATA_BLOCK_ROWS; row++) {
        if (bits[row >> 6] >> (row & 63) & 1) {
            const strata_valued_part *part = strata_part_of(all, all->events[row]);
            uint32_t length;
            const uint8_t *text =
                strata_event_text(part->chunk, part->column,
                                  all->events[row] % STRATA_CHUNK_EVENTS, &length);
            memcpy(column->memory + STRATA_AGGREGATE_TEXTS + offsets[row], text, length);
        }
    }
    all->address[number][all->block] = (uint64_t)(uintptr_t)column->memory;
    return 1;
}

/* Codes 1 false and 2 true of marked rows as a set with presence. */
static inline void strata_end_bools(const strata_aggregates *all, strata_aggregate_column *column,
                                    int64_t start, int64_t *folded) {
    uint64_t *bits = (uint64_t *)(void *)(column->memory + STRATA_AGGREGATE_PRESENCE);
    uint64_t *no = bits + STRATA_BLOCK_WORDS, *yes = no + STRATA_BLOCK_WORDS;
    strata_set *head = (strata_set *)(void *)column->memory;
    strata_entry *entries = (strata_entry *)(head + 1);
    uint32_t counts[2] = {0, 0};
    strata_live_marks(all, column->marks, bits);
    for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++) {
        uint64_t is_true = 0;
        for (uint64_t word = column->marks[w]; word; word &= word - 1) {
            uint32_t bit = (uint32_t)__builtin_ctzll(word);
            is_true |= (uint64_t)(folded[64 * w + bit] == 2) << bit;
            folded[64 * w + bit] = start;
        }
        yes[w] = bits[w] & is_true;
        no[w] = bits[w] & ~is_true;
        counts[0] += strata_popcount64(no[w]);
        counts[1] += strata_popcount64(yes[w]);
    }
    head->entry_count = 3;
    head->first_code = 0;
    head->last_code = 2;
    entries[0] = strata_bitset_entry(0, counts[0] + counts[1], STRATA_AGGREGATE_PRESENCE);
    for (uint32_t i = 0; i < 2; i++)
        entries[i + 1] = strata_bitset_entry(
            i + 1, counts[i], STRATA_AGGREGATE_PRESENCE + (i + 1) * STRATA_BITSET_BYTES);
}

/* Takes the marks from rows whose event has no value, and brings back what was folded of them. */
static inline void strata_keep_valued(const strata_aggregates *all, uint64_t *marks, int64_t start,
                                      int64_t *folded) {
    for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++) {
        for (uint64_t word = marks[w]; word; word &= word - 1) {
            uint32_t row = 64 * w + (uint32_t)__builtin_ctzll(word), event = all->events[row];
            const strata_valued_part *part = strata_part_of(all, event);
            if (part->column &&
                strata_event_has(part->chunk, part->column, event % STRATA_CHUNK_EVENTS))
                continue;
            marks[w] &= ~(word & -word);
            folded[row] = start;
            all->events[row] = STRATA_NO_EVENT;
        }
    }
}

/* Finds the first or last event of each row, over the parts that are placed: those with one are
 * marked. Returns the instants, `start` for rows without one. */
static inline int64_t *strata_fold_ends(strata_aggregates *all, const strata_aggregate *what,
                                        strata_aggregate_column *column, int64_t *start) {
    int is_last = what->function != STRATA_AGGREGATE_FIRST;
    int64_t *folded = is_last ? all->greatest : all->least;
    uint32_t first_part = 0;
    *start = is_last ? STRATA_NO_GREATEST : STRATA_NO_LEAST;
    memset(column->marks, 0, STRATA_BITSET_BYTES);
    for (uint32_t i = 0; i < what->source_count; i++) {
        strata_event_scan scan = strata_scan_source(all, what, what->sources + i);
        strata_fold fold =
            strata_fold_of(what->sources + i, is_last ? STRATA_FOLD_LAST : STRATA_FOLD_FIRST,
                           column->marks, folded);
        scan.first_part = first_part;
        first_part += scan.chunk_count;
        if (what->function == STRATA_AGGREGATE_LATEST) fold.role = 0; /* without it, too */
        fold.parts = all->parts;
        fold.events = all->events;
        strata_fold_block(&scan, &fold, 1);
    }
    return folded;
}

static inline int strata_fill_end(strata_aggregates *all, const strata_aggregate *what,
                                  uint32_t number, strata_aggregate_column *column) {
    int is_last = what->function != STRATA_AGGREGATE_FIRST, is_laid_out = 1;
    int64_t low, high, start, *folded;
    strata_event_sum reach;
    if (!strata_place_parts(all, what)) return 0;
    strata_value_bounds(all, what, &low, &high, &reach);
    folded = strata_fold_ends(all, what, column, &start);
    if (what->function == STRATA_AGGREGATE_LATEST)
        strata_keep_valued(all, column->marks, start, folded);
    if (what->kind == STRATA_EVENT_TEXTS) {
        is_laid_out = strata_end_texts(all, number, column);
        if (is_last) strata_clear_greatest(column->marks, folded);
        else strata_clear_least(column->marks, folded);
    } else {
        strata_read_ends(all->parts, column->marks, all->events, folded);
        if (what->is_bool) strata_end_bools(all, column, start, folded);
        else strata_end_numbers(all, what, column, low, high, 0, start, folded);
    }
    strata_clear_events(column->marks, all->events);
    return is_laid_out;
}

#endif
