/* The events of a block whose times lie in a span [from, to), found without reading the others.
 *
 * A chunk that is sorted is bisected. An open tail has its events in the order in which they came,
 * which is nearly that of time: the bounds of each 64 of them (strata_time_groups) say which are to
 * be looked at.
 */
#ifndef STRATA_TIME_RANGES_H
#define STRATA_TIME_RANGES_H

#include <stdlib.h>

#include "engine/events/chunk.h"

#define STRATA_TIME_GROUP 64
#define STRATA_TIME_GROUPS (STRATA_CHUNK_EVENTS / STRATA_TIME_GROUP)

/* The earliest and the latest of each STRATA_TIME_GROUP events of a chunk, for the first `count`. */
typedef struct {
    uint32_t count;
    int64_t low_us[STRATA_TIME_GROUPS], high_us[STRATA_TIME_GROUPS];
} strata_time_groups;

/* What is found: called for each event. */
typedef struct {
    uint32_t *rows;
    int64_t *times_us;
    size_t count, room;
} strata_found_times;

static inline int64_t strata_event_time(const strata_chunk *chunk, uint32_t event) {
    return strata_event_int(chunk, strata_time_column(chunk), event);
}

/* Takes in what a chunk has more than `groups` know. */
static inline void strata_group_times(strata_time_groups *groups, const strata_chunk *chunk) {
    for (uint32_t i = groups->count; i < chunk->event_count; i++) {
        uint32_t group = i / STRATA_TIME_GROUP;
        int64_t time_us = strata_event_time(chunk, i);
        if (i % STRATA_TIME_GROUP == 0) {
            groups->low_us[group] = groups->high_us[group] = time_us;
            continue;
        }
        if (time_us < groups->low_us[group]) groups->low_us[group] = time_us;
        if (time_us > groups->high_us[group]) groups->high_us[group] = time_us;
    }
    groups->count = chunk->event_count;
}

/* The first event of a sorted chunk that is not before an instant. */
static inline uint32_t strata_first_from(const strata_chunk *chunk, int64_t from_us) {
    uint32_t low = 0, high = chunk->event_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (strata_event_time(chunk, middle) < from_us) low = middle + 1;
        else high = middle;
    }
    return low;
}

static inline int strata_found_time(strata_found_times *found, uint32_t row, int64_t time_us) {
    if (found->count == found->room) {
        size_t room = found->room ? 2 * found->room : 1024;
        uint32_t *rows = realloc(found->rows, room * sizeof *rows);
        if (rows) found->rows = rows;
        int64_t *times_us = realloc(found->times_us, room * sizeof *times_us);
        if (times_us) found->times_us = times_us;
        if (!rows || !times_us) return -1;
        found->room = room;
    }
    found->rows[found->count] = row;
    found->times_us[found->count++] = time_us;
    return 0;
}

/* Appends the events of a chunk in [from, to), with `first_row` added to their rows; `next_us`
 * becomes the earliest time from `to` on where that is earlier. `groups` are those of the chunk, or
 * NULL. Returns -1 where memory ends. */
static inline int strata_times_between(const strata_chunk *chunk,
                                       const strata_time_groups *groups, int64_t from_us,
                                       int64_t to_us, uint32_t first_row, int64_t *next_us,
                                       strata_found_times *found) {
    const strata_event_column *times = strata_time_column(chunk);
    const uint16_t *rows = strata_event_rows(chunk);
    if (chunk->flags & STRATA_CHUNK_SORTED) {
        uint32_t i;
        if (!groups && times->high < from_us) return 0;
        for (i = strata_first_from(chunk, from_us); i < chunk->event_count; i++) {
            int64_t time_us = strata_event_time(chunk, i);
            if (time_us >= to_us) {
                if (time_us < *next_us) *next_us = time_us;
                break;
            }
            if (strata_found_time(found, first_row + rows[i], time_us)) return -1;
        }
        return 0;
    }
    for (uint32_t start = 0; start < chunk->event_count; start += STRATA_TIME_GROUP) {
        if (groups) {
            uint32_t group = start / STRATA_TIME_GROUP;
            int64_t low_us = groups->low_us[group], high_us = groups->high_us[group];
            if (high_us < from_us) continue;
            if (low_us >= to_us) {
                if (low_us < *next_us) *next_us = low_us;
                continue;
            }
        }
        uint32_t end = start + STRATA_TIME_GROUP;
        if (end > chunk->event_count) end = chunk->event_count;
        for (uint32_t i = start; i < end; i++) {
            int64_t time_us = strata_event_time(chunk, i);
            if (time_us < from_us) continue;
            if (time_us >= to_us) {
                if (time_us < *next_us) *next_us = time_us;
            } else if (strata_found_time(found, first_row + rows[i], time_us)) return -1;
        }
    }
    return 0;
}

#endif
