/* Cells written into hot columns in place: ints, floats and codes.
 *
 *   1. Each cell becomes what the frame of its block stores (strata_cell_to_stored).
 *   2. It is compared with what stands there (strata_compare_cells). A block in which something
 *      differs is refused where its memory may not be written or a cell does not fit the frame.
 *   3. What differs is written, with counts and bounds (strata_write_cells).
 *
 * A hot column has all rows of the block: its parts are cut by strata_rows_per_part, share one
 * frame of a width of at least 1, and have a bitset of the present rows each, but for codes.
 * Cells are in random places of memory: those of the next block are fetched ahead.
 */
#ifndef STRATA_HOT_CELLS_H
#define STRATA_HOT_CELLS_H

#include "engine/columns/hot.h"
#include "engine/columns/patch.h"

/* Rows ascend, each once; values are int64, double or uint32 by the kind of column. */
typedef struct {
    const uint32_t *rows;
    const void *values;
    const uint8_t *present;
    size_t count;
} strata_cells;

/* What all parts of a hot column share. */
typedef struct {
    uint8_t *const *parts;
    uint32_t column_kind;
    uint32_t width;
    uint32_t rows_log2; /* of a part */
    int64_t base;
    uint64_t step;
    uint64_t most;      /* the greatest number that the width holds */
} strata_frame;

static inline strata_frame strata_frame_of(const strata_hot *hot) {
    const strata_column *head = (const void *)hot->parts[0];
    strata_frame frame = {hot->parts, head->column_kind, head->width, 0, head->base, head->step,
                          ~(uint64_t)0 >> (64 - 8 * head->width)};
    frame.rows_log2 = (uint32_t)__builtin_ctz(strata_rows_per_part(head->width));
    return frame;
}

static inline strata_column *strata_part_of_row(const strata_frame *frame, uint32_t row) {
    return (void *)frame->parts[row >> frame->rows_log2];
}

static inline uint8_t *strata_value_of_row(const strata_frame *frame, uint32_t row) {
    uint32_t at = row & ((1u << frame->rows_log2) - 1);
    return frame->parts[row >> frame->rows_log2] + sizeof(strata_column)
           + (size_t)at * frame->width;
}

/* The word of the presence that has the row's bit. */
static inline uint64_t *strata_presence_of_row(strata_column *part, uint32_t row) {
    return (uint64_t *)(void *)((uint8_t *)part + part->presence.offset) + (row >> 6);
}

static inline uint64_t strata_load_value(const uint8_t *at, uint32_t width) {
    switch (width) {
    case 1: return *at;
    case 2: return *(const uint16_t *)(const void *)at;
    case 4: return *(const uint32_t *)(const void *)at;
    default: return *(const uint64_t *)(const void *)at;
    }
}

static inline void strata_store_value(uint8_t *at, uint32_t width, uint64_t stored) {
    switch (width) {
    case 1: *at = (uint8_t)stored; break;
    case 2: *(uint16_t *)(void *)at = (uint16_t)stored; break;
    case 4: *(uint32_t *)(void *)at = (uint32_t)stored; break;
    default: *(uint64_t *)(void *)at = stored; break;
    }
}

/* Whether cells mean something: codes from 1, finite floats. */
static inline int strata_cells_are_sound(uint32_t column_kind, const strata_cells *cells) {
    int sound = 1;
    if (column_kind == STRATA_CODES) {
        const uint32_t *codes = cells->values;
        for (size_t i = 0; i < cells->count; i++) sound &= !cells->present[i] | (codes[i] != 0);
    } else if (column_kind == STRATA_FLOATS) {
        const double *values = cells->values;
        for (size_t i = 0; i < cells->count; i++)
            sound &= !cells->present[i] | (values[i] - values[i] == 0);
    }
    return sound;
}

/* What the frame stores for a cell, 0 where it is not present. Returns 0 where it does not fit. */
static inline int strata_cell_to_stored(const strata_frame *frame, const strata_cells *cells,
                                        size_t i, uint64_t *stored) {
    *stored = 0;
    if (!cells->present[i]) return 1;
    if (frame->column_kind == STRATA_CODES) {
        *stored = ((const uint32_t *)cells->values)[i];
    } else if (frame->column_kind == STRATA_FLOATS) {
        double value = ((const double *)cells->values)[i] + 0.0; /* -0.0 becomes 0.0 */
        memcpy(stored, &value, sizeof value);
    } else {
        int64_t value = ((const int64_t *)cells->values)[i];
        uint64_t distance = (uint64_t)value - (uint64_t)frame->base;
        *stored = distance;
        if (value < frame->base) return 0;
        if (frame->step > 1) {
            *stored = distance / frame->step;
            if (*stored * frame->step != distance) return 0;
        }
    }
    return *stored <= frame->most;
}

/* -------------------------------------------------------------------------------- blocks */

/* What became of the cells of a block. */
typedef struct {
    int differs;
    int fits;
} strata_comparison;

/* Fills in changed[i] and stored[i] of cells start..end, all of the block. */
static inline strata_comparison strata_compare_cells(const strata_frame *frame,
                                                     const strata_cells *cells, size_t start,
                                                     size_t end, uint8_t *changed,
                                                     uint64_t *stored) {
    strata_comparison found = {0, 1};
    for (size_t i = start; i < end; i++) {
        uint32_t row = cells->rows[i] % STRATA_BLOCK_ROWS;
        int fits = strata_cell_to_stored(frame, cells, i, &stored[i]);
        uint64_t standing = strata_load_value(strata_value_of_row(frame, row), frame->width);
        int differs = !fits | (standing != stored[i]);
        if (frame->column_kind != STRATA_CODES) {
            strata_column *part = strata_part_of_row(frame, row);
            int known = (int)(*strata_presence_of_row(part, row) >> (row & 63)) & 1;
            differs |= known != (cells->present[i] != 0);
        }
        changed[i] = (uint8_t)differs;
        found.differs |= differs;
        found.fits &= fits;
    }
    return found;
}

/* Keeps count of a row that is present now, or no longer. */
static inline void strata_follow_row(strata_column *part, uint32_t row, int is_present) {
    uint64_t *word = strata_presence_of_row(part, row), bit = (uint64_t)1 << (row & 63);
    int was_present = (*word & bit) != 0;
    *word = is_present ? *word | bit : *word & ~bit;
    part->present_count += (uint32_t)(is_present - was_present);
    strata_set_cardinality(&part->presence, part->present_count);
}

static inline void strata_write_cells(strata_hot *hot, const strata_frame *frame,
                                      const strata_cells *cells, size_t start, size_t end,
                                      const uint8_t *changed, const uint64_t *stored) {
    for (size_t i = start; i < end; i++) {
        if (!changed[i]) continue;
        uint32_t row = cells->rows[i] % STRATA_BLOCK_ROWS;
        strata_column *part = strata_part_of_row(frame, row);
        uint8_t *at = strata_value_of_row(frame, row);
        int is_present = cells->present[i] != 0;
        if (frame->column_kind == STRATA_CODES) {
            int was_present = strata_load_value(at, frame->width) != 0;
            part->present_count += (uint32_t)(is_present - was_present);
        } else {
            strata_follow_row(part, row, is_present);
        }
        strata_store_value(at, frame->width, stored[i]);
        if (frame->column_kind != STRATA_FLOATS) {
            if (stored[i] > part->max_stored) part->max_stored = stored[i];
        } else if (is_present) {
            double value = strata_as_double(stored[i]);
            if (value < hot->low) hot->low = value;
            if (value > hot->high) hot->high = value;
        }
    }
}

/* Asks for the memory that the cells start..end of a block are in. */
static inline void strata_fetch_cells(const strata_hot *hot, const strata_cells *cells,
                                      size_t start, size_t end) {
    strata_frame frame = strata_frame_of(hot);
    for (size_t i = start; i < end; i++) {
        uint32_t row = cells->rows[i] % STRATA_BLOCK_ROWS;
        __builtin_prefetch(strata_value_of_row(&frame, row), 1);
        if (frame.column_kind != STRATA_CODES)
            __builtin_prefetch(strata_presence_of_row(strata_part_of_row(&frame, row), row), 1);
    }
}

/* Writes cells into all blocks; `changed` and `stored` have room for every cell, `refused` for
 * every block. Returns how many blocks were refused: their numbers are in `refused`. */
static inline size_t strata_write_column(const strata_hot_field *field, const strata_cells *cells,
                                         uint64_t newest_open, uint64_t sequence,
                                         uint8_t *changed, uint64_t *stored, uint32_t *refused) {
    size_t refused_count = 0, start = 0, end = 0, next_end = 0;
    if (cells->count) next_end = strata_end_of_block(cells->rows, cells->count, 0);
    for (; start < cells->count; start = end) {
        uint32_t block = cells->rows[start] / STRATA_BLOCK_ROWS;
        strata_hot *hot = strata_hot_block(field, block);
        strata_comparison found = {1, 0};
        strata_frame frame;
        end = next_end;
        if (end < cells->count) {
            uint32_t next = cells->rows[end] / STRATA_BLOCK_ROWS;
            next_end = strata_end_of_block(cells->rows, cells->count, end);
            if (strata_hot_block(field, next))
                strata_fetch_cells(strata_hot_block(field, next), cells, end, next_end);
        }
        if (hot) {
            frame = strata_frame_of(hot);
            found = strata_compare_cells(&frame, cells, start, end, changed, stored);
        }
        if (!found.differs) continue;
        if (!found.fits || !strata_is_writable(hot, newest_open)) {
            memset(changed + start, 0, end - start);
            refused[refused_count++] = block;
            continue;
        }
        strata_write_cells(hot, &frame, cells, start, end, changed, stored);
        hot->sequence = sequence;
    }
    return refused_count;
}

/* ------------------------------------------------------------------------------- reading */

/* Ints of rows through a part table (first_part[block_count + 1], address): any payloads, hot or
 * not. Rows ascend; values[i] is 0 where known[i] is not 1. */
static inline void strata_read_int_rows(const uint32_t *first_part, uint32_t block_count,
                                        const uint64_t *address, const uint32_t *rows,
                                        size_t count, int64_t *values, uint8_t *known) {
    size_t start = 0, end;
    memset(values, 0, count * sizeof *values);
    memset(known, 0, count);
    for (; start < count; start = end) {
        uint32_t block = rows[start] / STRATA_BLOCK_ROWS;
        end = strata_end_of_block(rows, count, start);
        if (block >= block_count) return;
        size_t i = start;
        for (uint32_t p = first_part[block]; p < first_part[block + 1] && i < end; p++) {
            const uint8_t *payload = (const uint8_t *)(uintptr_t)address[p];
            strata_column part = strata_load_head(payload);
            const uint8_t *container = payload + part.presence.offset;
            for (; i < end; i++) {
                uint32_t row = rows[i] % STRATA_BLOCK_ROWS, at = row - part.first_row;
                if (at >= part.row_count) break;
                if (!strata_container_contains(part.presence.kind, container,
                                               part.presence.cardinality, row))
                    continue;
                uint64_t stored = 0;
                if (part.width)
                    stored = strata_load_value(
                        payload + part.values_offset + (size_t)at * part.width, part.width);
                values[i] = (int64_t)((uint64_t)part.base + part.step * stored);
                known[i] = 1;
            }
        }
    }
}

#endif
