/* The events of one row, found in a chunk without an index.
 *
 * Rows of a chunk are two bytes each and in no order that leads to one of them, so all are looked
 * at, 32 between two branches. A chunk of 16,384 events takes about a microsecond from the cache.
 */
#ifndef STRATA_EVENTS_ONE_ROW_H
#define STRATA_EVENTS_ONE_ROW_H

#include "engine/events/chunk.h"

#define STRATA_ROWS_AT_ONCE 32u

/* Eight rows: compilers have a compare of as many wherever there is one. */
typedef uint16_t strata_eight_rows __attribute__((vector_size(16), aligned(2), may_alias));

/* Whether any of STRATA_ROWS_AT_ONCE rows is this one. */
static inline int strata_any_is_row(const uint16_t *rows, uint16_t row) {
    const strata_eight_rows *eights = (const strata_eight_rows *)(const void *)rows;
    strata_eight_rows wanted = {row, row, row, row, row, row, row, row};
    strata_eight_rows found = (strata_eight_rows)(eights[0] == wanted);
    for (uint32_t i = 1; i < STRATA_ROWS_AT_ONCE / 8; i++)
        found |= (strata_eight_rows)(eights[i] == wanted);
    uint64_t halves[2];
    memcpy(halves, &found, sizeof halves);
    return (halves[0] | halves[1]) != 0;
}

/* The first event of a row from `event` on, or the event count where there is none. */
static inline uint32_t strata_next_of_row(const strata_chunk *chunk, uint16_t row,
                                          uint32_t event) {
    const uint16_t *rows = strata_event_rows(chunk);
    uint32_t count = chunk->event_count;
    while (event < count) {
        if (event % STRATA_ROWS_AT_ONCE == 0) {
            while (event + STRATA_ROWS_AT_ONCE <= count && !strata_any_is_row(rows + event, row))
                event += STRATA_ROWS_AT_ONCE;
            if (event == count) return count;
        }
        if (rows[event] == row) return event;
        event++;
    }
    return count;
}

#endif
