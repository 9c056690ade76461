/* First and last values: for each row the event that decides, and its value.
 *
 * What is kept of a row is the time of its event and a reference to it, not the value: so one
 * loop serves every type, and texts are compared where they lie. Values are looked at only among
 * events of equal times, where the least value is the first and the greatest the last.
 *
 * A reference is part * STRATA_CHUNK_EVENTS + place, for at most 2^18 parts; parts of several
 * types of events may stand in one table.
 */
#ifndef STRATA_FIRSTS_H
#define STRATA_FIRSTS_H

#include "engine/events/folds.h"
#include "engine/events/picks.h"

#define STRATA_NO_EVENT UINT32_MAX

/* Where the values of the events of one part are. `ranks` says how codes are ordered, by code;
 * NULL where they are ordered as they are; numbers count `factor` times, where those of other parts
 * count otherwise. */
typedef struct {
    const strata_chunk *chunk;
    const strata_event_column *column;
    const uint32_t *ranks;
    int64_t factor;
} strata_valued_part;

/* -1, 0 or 1 as the value of event a is less than, equal to or greater than that of b, of the same
 * kind; where a part has no values, its events are less than those of others. */
static inline int strata_compare_values(const strata_valued_part *parts, uint32_t a, uint32_t b) {
    const strata_valued_part *at = parts + a / STRATA_CHUNK_EVENTS;
    const strata_valued_part *bt = parts + b / STRATA_CHUNK_EVENTS;
    uint32_t i = a % STRATA_CHUNK_EVENTS, j = b % STRATA_CHUNK_EVENTS;
    if (!at->column || !bt->column) return (at->column != 0) - (bt->column != 0);
    if (at->column->kind == STRATA_EVENT_TEXTS) {
        uint32_t a_length, b_length;
        const uint8_t *a_text = strata_event_text(at->chunk, at->column, i, &a_length);
        const uint8_t *b_text = strata_event_text(bt->chunk, bt->column, j, &b_length);
        int order = memcmp(a_text, b_text, a_length < b_length ? a_length : b_length);
        return order ? (order > 0) - (order < 0) : (a_length > b_length) - (a_length < b_length);
    }
    int64_t x = strata_event_int(at->chunk, at->column, i);
    int64_t y = strata_event_int(bt->chunk, bt->column, j);
    if (at->column->kind == STRATA_EVENT_FLOATS) {
        double p, q;
        memcpy(&p, &x, 8);
        memcpy(&q, &y, 8);
        return (p > q) - (p < q);
    }
    if (at->ranks) x = at->ranks[x], y = bt->ranks[y];
    if (at->factor != bt->factor) {
        strata_event_sum p = (strata_event_sum)x * at->factor;
        strata_event_sum q = (strata_event_sum)y * bt->factor;
        return (p > q) - (p < q);
    }
    return (x > y) - (x < y);
}

/* Takes the events of a stretch of part `part` into the first (or last) of their rows. `instants`
 * and `events` are one a row, STRATA_NO_LEAST (or STRATA_NO_GREATEST) and STRATA_NO_EVENT where
 * there is none yet. `times` are those of the stretch.
 *
 * Whether an event decides cannot be guessed, so it is a selection and not a jump; only equal times
 * are one. */
static inline void strata_take_ends(const strata_valued_part *parts, uint32_t part, int is_last,
                                    const strata_stretch *stretch, const int64_t *times,
                                    int64_t *restrict instants, uint32_t *restrict events) {
    int64_t flip = is_last ? -1 : 0; /* the complement reverses the order of integers */
    for (uint32_t i = 0; i < stretch->count; i++) {
        uint32_t row = stretch->rows[i], before = events[row];
        uint32_t place = stretch->events ? stretch->events[i] : stretch->first + i;
        uint32_t event = part * STRATA_CHUNK_EVENTS + place;
        int64_t time = times[i] ^ flip, instant = instants[row] ^ flip;
        int is_better = time < instant;
        if (time == instant && before != STRATA_NO_EVENT) {
            int order = strata_compare_values(parts, event, before);
            is_better = is_last ? order > 0 : order < 0;
        } else if (time == instant) {
            is_better = 1; /* the one instant that also stands for none */
        }
        instants[row] = is_better ? times[i] : instants[row];
        events[row] = is_better ? event : before;
    }
}

/* Puts the values of the events of marked rows, as strata_widen gives them, in place of their
 * instants, which nobody needs any more; not of texts. */
static inline void strata_read_ends(const strata_valued_part *parts, const uint64_t *mask,
                                    const uint32_t *restrict events, int64_t *restrict instants) {
    for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++) {
        for (uint64_t word = mask[w]; word; word &= word - 1) {
            uint32_t row = 64 * w + (uint32_t)__builtin_ctzll(word), event = events[row];
            const strata_valued_part *part = parts + event / STRATA_CHUNK_EVENTS;
            instants[row] =
                strata_event_int(part->chunk, part->column, event % STRATA_CHUNK_EVENTS);
        }
    }
}

/* With strata_clear_least or strata_clear_greatest for the instants. */
STRATA_CLEAR(strata_clear_events, uint32_t, STRATA_NO_EVENT)

#endif
