/* The events of many rows, whatever blocks they lie in, gathered by chains.
 *
 * A walk of a chain waits for memory at each event, so what a row has is put in the order of time
 * while it is at hand: few events, by insertion. Properties are gathered afterwards, one column
 * for all events, since rows of one block read the same few chunks.
 */
#ifndef STRATA_ROW_EVENTS_H
#define STRATA_ROW_EVENTS_H

#include <stdlib.h>

#include "engine/events/chains.h"

/* An event of the row at `place` of those asked for. */
typedef struct {
    int64_t time_us;
    const strata_chunk *chunk;
    uint32_t event;
    uint32_t place;
} strata_row_event;

typedef struct {
    strata_row_event *events;
    size_t count, room;
} strata_row_events;

static inline int strata_make_room(strata_row_events *found) {
    size_t room = found->room ? 2 * found->room : 1024;
    strata_row_event *events = realloc(found->events, room * sizeof *events);
    if (!events) return -1;
    found->events = events;
    found->room = room;
    return 0;
}

/* Rows whose memory is asked for at a time: what is waited for is then nearly always there. */
#define STRATA_ROWS_AHEAD 16

/* Asks for the last chained event of some rows. */
static inline void strata_fetch_rows(const strata_chains *chains,
                                     const strata_chunk *const *chunks, const uint32_t *rows,
                                     uint32_t row_count) {
    for (uint32_t i = 0; i < row_count; i++)
        __builtin_prefetch(chains->heads + (rows[i] & 0xffff));
    for (uint32_t i = 0; i < row_count; i++) {
        uint32_t reference = chains->heads[rows[i] & 0xffff];
        if (reference == STRATA_CHAIN_END) continue;
        const strata_chunk *chunk = chunks[reference / STRATA_CHUNK_EVENTS];
        const strata_event_column *time = strata_time_column(chunk);
        __builtin_prefetch(chains->links + reference);
        __builtin_prefetch(strata_chunk_bytes(chunk, time->values_offset) +
                           (size_t)time->width * (reference % STRATA_CHUNK_EVENTS));
    }
}

/* Appends the events of rows of one block, sorted by time of each row; `chunks` are as they were
 * chained. Returns -1 where memory ends. */
static inline int strata_gather_rows(const strata_chains *chains,
                                     const strata_chunk *const *chunks, const uint32_t *rows,
                                     uint32_t row_count, uint32_t first_place,
                                     strata_row_events *found) {
    for (uint32_t i = 0; i < row_count; i++) {
        if (i % STRATA_ROWS_AHEAD == 0) {
            uint32_t left = row_count - i;
            strata_fetch_rows(chains, chunks, rows + i,
                              left < STRATA_ROWS_AHEAD ? left : STRATA_ROWS_AHEAD);
        }
        size_t start = found->count;
        uint32_t reference = chains->heads[rows[i] & 0xffff];
        while (reference != STRATA_CHAIN_END) {
            const strata_chunk *chunk = chunks[reference / STRATA_CHUNK_EVENTS];
            uint32_t event = reference % STRATA_CHUNK_EVENTS;
            if (found->count == found->room && strata_make_room(found)) return -1;
            int64_t time_us = strata_event_int(chunk, strata_time_column(chunk), event);
            /* The last chained comes first and is nearly always the latest, so what is found goes
             * to the end, and the row is turned around when it is whole. */
            size_t at = found->count++;
            while (at > start && found->events[at - 1].time_us < time_us) {
                found->events[at] = found->events[at - 1];
                at--;
            }
            found->events[at] = (strata_row_event){time_us, chunk, event, first_place + i};
            reference = chains->links[reference];
        }
        for (size_t low = start, high = found->count; low + 1 < high; low++) {
            strata_row_event held = found->events[low];
            found->events[low] = found->events[--high];
            found->events[high] = held;
        }
    }
    return 0;
}

/* The column of a property in the chunk of an event; neighbours mostly share it. */
typedef struct {
    const strata_chunk *chunk;
    const strata_event_column *column;
} strata_known_column;

static inline const strata_event_column *strata_column_of(strata_known_column *known,
                                                          const strata_chunk *chunk,
                                                          uint32_t property) {
    if (known->chunk != chunk) {
        known->chunk = chunk;
        known->column = strata_find_event_column(chunk, STRATA_EVENT_PROPERTY, property);
    }
    return known->column;
}

/* The kind of a property among the events; 0 where none of their chunks has it. */
static inline uint32_t strata_kind_of(const strata_row_event *events, size_t count,
                                      uint32_t property) {
    strata_known_column known = {0, 0};
    for (size_t i = 0; i < count; i++) {
        const strata_event_column *column = strata_column_of(&known, events[i].chunk, property);
        if (column) return column->kind;
    }
    return 0;
}

/* Values of ints, of floats their bits; 0 where missing. */
static inline void strata_gather_numbers(const strata_row_event *events, size_t count,
                                         uint32_t property, int64_t *values, uint8_t *present) {
    strata_known_column known = {0, 0};
    for (size_t i = 0; i < count; i++) {
        const strata_row_event *at = events + i;
        const strata_event_column *column = strata_column_of(&known, at->chunk, property);
        present[i] = column && strata_event_has(at->chunk, column, at->event);
        values[i] = present[i] ? strata_event_int(at->chunk, column, at->event) : 0;
    }
}

static inline void strata_gather_codes(const strata_row_event *events, size_t count,
                                       uint32_t property, uint32_t *codes) {
    strata_known_column known = {0, 0};
    for (size_t i = 0; i < count; i++) {
        const strata_row_event *at = events + i;
        const strata_event_column *column = strata_column_of(&known, at->chunk, property);
        codes[i] = column ? (uint32_t)strata_event_int(at->chunk, column, at->event) : 0;
    }
}

#endif
