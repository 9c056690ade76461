/* The events of a source for many rows, in two ways.
 *
 * Events were gathered by chains, type by type (row_events.h).
 *   - Folded: what a window takes in of a row is counted or added up where it lies. Times come
 *     first, so that of an event outside of the window nothing else is read.
 *   - Laid out: by row, then time, then value, for who asks a row at many instants. Of each row
 *     those that pass are taken over from every type, and brought in order where they are not;
 *     there are few. What a window takes in is then a stretch.
 */
#ifndef STRATA_ROW_LINES_H
#define STRATA_ROW_LINES_H

#include "engine/events/row_events.h"
#include "engine/events/row_where.h"

/* Events of one type, those of row i at starts[i] .. starts[i + 1]: which of them count, and what
 * is read of them. */
typedef struct {
    const strata_row_event *events;
    const uint32_t *starts;
    const strata_where *nodes;
    uint32_t node_count;
    uint32_t property; /* 0: none is read */
    int64_t factor;    /* values are multiplied with it */
    strata_known_column known;
} strata_line_source;

typedef struct {
    int64_t time_us;
    int64_t value;
} strata_line_event;

static int strata_compare_line_events(const void *one, const void *other) {
    const strata_line_event *a = one, *b = other;
    if (a->time_us != b->time_us) return a->time_us < b->time_us ? -1 : 1;
    return (a->value > b->value) - (a->value < b->value);
}

/* Few are nearly always in order, or nearly so. */
#define STRATA_FEW_LINE_EVENTS 32

static inline void strata_sort_line(strata_line_event *events, size_t count) {
    if (count > STRATA_FEW_LINE_EVENTS) {
        for (size_t i = 1; i < count; i++) {
            if (strata_compare_line_events(events + i - 1, events + i) > 0) {
                qsort(events, count, sizeof *events, strata_compare_line_events);
                return;
            }
        }
        return;
    }
    for (size_t i = 1; i < count; i++) {
        strata_line_event held = events[i];
        size_t at = i;
        while (at && strata_compare_line_events(events + at - 1, &held) > 0) {
            events[at] = events[at - 1];
            at--;
        }
        events[at] = held;
    }
}

/* The value of an event in the unit of the line. Returns 0 where it has none, -1 where its size is
 * 2^62 or more. */
static inline int strata_line_value(strata_line_source *from, const strata_row_event *event,
                                    int64_t *value) {
    const strata_event_column *column =
        strata_column_of(&from->known, event->chunk, from->property);
    if (!column || !strata_event_has(event->chunk, column, event->event)) return 0;
    int64_t stored = strata_event_int(event->chunk, column, event->event);
    if (__builtin_mul_overflow(stored, from->factor, value)) return -1;
    if (from->factor != 1 && (*value >= (int64_t)1 << 62 || *value <= -((int64_t)1 << 62)))
        return -1;
    return 1;
}

/* Whether an event counts, and its value, 0 where none is read: 1, 0, or -1 as above. */
static inline int strata_line_takes(strata_line_source *from, const strata_row_event *event,
                                    int64_t *value) {
    *value = 0;
    if (!strata_event_passes(from->nodes, from->node_count, event->chunk, event->event)) return 0;
    return from->property ? strata_line_value(from, event, value) : 1;
}

/* Lays out the events of rows 0 .. row_count - 1: `places` of their rows, `times`, `values` and
 * where those of each row begin (row_count + 1). `line` has room for all events, as the arrays
 * have. Returns how many there are; -1 where a value is too large. */
static inline int64_t strata_lay_lines(strata_line_source *sources, uint32_t source_count,
                                       uint32_t row_count, strata_line_event *line,
                                       int64_t *places, int64_t *times, int64_t *values,
                                       int64_t *starts) {
    int64_t count = 0;
    for (uint32_t row = 0; row < row_count; row++) {
        size_t found = 0;
        starts[row] = count;
        for (uint32_t s = 0; s < source_count; s++) {
            strata_line_source *from = sources + s;
            for (uint32_t e = from->starts[row]; e < from->starts[row + 1]; e++) {
                int64_t value;
                int takes = strata_line_takes(from, from->events + e, &value);
                if (takes < 0) return -1;
                if (takes) line[found++] = (strata_line_event){from->events[e].time_us, value};
            }
        }
        strata_sort_line(line, found);
        for (size_t i = 0; i < found; i++, count++) {
            places[count] = row;
            times[count] = line[i].time_us;
            values[count] = line[i].value;
        }
    }
    starts[row_count] = count;
    return count;
}

/* ------------------------------------------------------------------------------------ folds */

enum { STRATA_LINE_COUNT, STRATA_LINE_SUM, STRATA_LINE_FIRST, STRATA_LINE_LAST };

/* What the events of a row in [from, to) come to, 0 where there are none. Returns how many there
 * are, or -1 where a value or the sum is too large. */
static inline int64_t strata_fold_line(strata_line_source *sources, uint32_t source_count, int how,
                                       int64_t row, int64_t from_us, int64_t to_us,
                                       int64_t *out) {
    int64_t count = 0, folded = 0;
    for (uint32_t s = 0; s < source_count; s++) {
        strata_line_source *from = sources + s;
        const strata_row_event *event = from->events + from->starts[row];
        const strata_row_event *end = from->events + from->starts[row + 1];
        for (; event < end; event++) {
            int64_t value, time_us = event->time_us;
            if (time_us < from_us || time_us >= to_us) continue;
            int takes = strata_line_takes(from, event, &value);
            if (takes < 0) return -1;
            if (!takes) continue;
            if (how == STRATA_LINE_SUM && __builtin_add_overflow(folded, value, &folded))
                return -1;
            if (how == STRATA_LINE_FIRST && (!count || time_us < folded)) folded = time_us;
            if (how == STRATA_LINE_LAST && (!count || time_us > folded)) folded = time_us;
            count++;
        }
    }
    *out = how == STRATA_LINE_COUNT ? count : folded;
    return count;
}

/* ---------------------------------------------------------------------------------- windows */

/* Of ascending times [low, high) the first that is not before an instant. */
static inline int64_t strata_first_from(const int64_t *times, int64_t low, int64_t high,
                                        int64_t instant_us) {
    while (high - low > 8) {
        int64_t middle = low + (high - low) / 2;
        if (times[middle] < instant_us) low = middle + 1;
        else high = middle;
    }
    while (low < high && times[low] < instant_us) low++;
    return low;
}

#endif
