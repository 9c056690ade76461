/* One chunk of events, read in place: its columns, and single values of them.
 *
 * A chunk is one that was stored and has passed a checksum, or a version of a tail in memory;
 * nothing is checked here.
 */
#ifndef STRATA_CHUNK_H
#define STRATA_CHUNK_H

#include <stddef.h>
#include <string.h>

#include "engine/bitmaps/containers.h"
#include "engine/events/layout.h"

/* Stored values by their type; they lie at 8 bytes or better. */
static inline const uint16_t *strata_u16(const void *at) { return at; }
static inline const uint32_t *strata_u32(const void *at) { return at; }
static inline const uint64_t *strata_u64(const void *at) { return at; }

/* The high parts of a column of width 6 that begins at `values`. */
static inline const uint16_t *strata_high_parts(const strata_chunk *chunk, const uint8_t *values) {
    return strata_u16(values + 4 * (size_t)chunk->capacity);
}

static inline const strata_event_column *strata_event_columns(const strata_chunk *chunk) {
    return (const strata_event_column *)(chunk + 1);
}

/* Bytes at an offset that a column states. */
static inline const uint8_t *strata_chunk_bytes(const strata_chunk *chunk, uint32_t offset) {
    return (const uint8_t *)((uintptr_t)chunk + (uintptr_t)chunk->data_offset) + offset;
}

static inline const strata_event_column *strata_time_column(const strata_chunk *chunk) {
    return strata_event_columns(chunk) + 1;
}

/* The row of each event. */
static inline const uint16_t *strata_event_rows(const strata_chunk *chunk) {
    return strata_u16(
        strata_chunk_bytes(chunk, strata_event_columns(chunk)->values_offset));
}

/* The column of a role (and property), or NULL where no event of the chunk has a value. */
static inline const strata_event_column *strata_find_event_column(const strata_chunk *chunk,
                                                                  uint32_t role,
                                                                  uint32_t property) {
    const strata_event_column *columns = strata_event_columns(chunk);
    for (uint32_t i = 0; i < chunk->column_count; i++) {
        if (columns[i].role == role && columns[i].property == property) return columns + i;
    }
    return 0;
}

static inline int strata_all_present(const strata_chunk *chunk,
                                     const strata_event_column *column) {
    return column->present_count == chunk->event_count;
}

/* The stored value of one event, as it is: steps above the base, a code, bits of a double, the
 * end of a text or a digest. */
static inline uint64_t strata_event_stored(const strata_chunk *chunk,
                                           const strata_event_column *column, uint32_t event) {
    const uint8_t *values = strata_chunk_bytes(chunk, column->values_offset);
    switch (column->width) {
    case 1: return values[event];
    case 2: return strata_u16(values)[event];
    case 4: return strata_u32(values)[event];
    case 6:
        return strata_u32(values)[event] |
               (uint64_t)strata_high_parts(chunk, values)[event]
                   << 32;
    case 8: return strata_u64(values)[event];
    default: return 0;
    }
}

/* Whether one event has a value. */
static inline int strata_event_has(const strata_chunk *chunk, const strata_event_column *column,
                                   uint32_t event) {
    if (strata_all_present(chunk, column)) return 1;
    if (column->presence_offset == 0) return strata_event_stored(chunk, column, event) != 0;
    const uint8_t *words = strata_chunk_bytes(chunk, column->presence_offset);
    return (int)(strata_load64(words + 8 * (size_t)(event >> 6)) >> (event & 63)) & 1;
}

/* The value of ints and the code of codes; of a missing one some number. */
static inline int64_t strata_event_int(const strata_chunk *chunk,
                                       const strata_event_column *column, uint32_t event) {
    return (int64_t)((uint64_t)column->base +
                     column->step * strata_event_stored(chunk, column, event));
}

/* A text, empty where it is missing. */
static inline const uint8_t *strata_event_text(const strata_chunk *chunk,
                                               const strata_event_column *column, uint32_t event,
                                               uint32_t *length) {
    const uint32_t *ends = strata_u32(strata_chunk_bytes(chunk, column->values_offset));
    uint32_t start = event ? ends[event - 1] : 0;
    *length = ends[event] - start;
    return strata_chunk_bytes(chunk, column->bytes_offset) + start;
}

/* Steps from the base of ints up to the first value that is not below `value`, which is above
 * the least value of the column and at most the greatest. */
static inline uint64_t strata_steps_up_to(const strata_event_column *column, int64_t value) {
    uint64_t distance = (uint64_t)value - (uint64_t)column->base;
    return column->step == 1 ? distance
                             : distance / column->step + (distance % column->step != 0);
}

#endif
