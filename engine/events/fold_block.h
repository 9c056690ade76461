/* The aggregates of one block: which events, and all that is wanted of them, in one pass.
 *
 * Several aggregates over the same events (a count and a sum of one window) share what picks them
 * and lists their rows. One of a property that some events lack has fewer events, and takes a
 * pass over those of its chunk for itself.
 */
#ifndef STRATA_FOLD_BLOCK_H
#define STRATA_FOLD_BLOCK_H

#include "engine/events/distinct.h"
#include "engine/events/firsts.h"
#include "engine/events/folds.h"
#include "engine/events/scaled.h"
#include "engine/events/where.h"

enum {
    STRATA_FOLD_MARK = 1,     /* nothing but the marks */
    STRATA_FOLD_COUNT_U8,     /* values: uint8_t, which stop at 255 */
    STRATA_FOLD_COUNT_U16,    /* uint16_t */
    STRATA_FOLD_COUNT_U32,    /* uint32_t */
    STRATA_FOLD_SUM_U32,      /* uint32_t; every value from 0 to UINT32_MAX; carry */
    STRATA_FOLD_SUM_I64,      /* int64_t */
    STRATA_FOLD_SUM_I128,     /* strata_event_sum */
    STRATA_FOLD_LEAST,        /* int64_t; of floats as strata_ordered_double */
    STRATA_FOLD_GREATEST,     /* the same */
    STRATA_FOLD_BITS,         /* uint64_t; every value is below 64 */
    STRATA_FOLD_DAYS,         /* uint64_t; starts, at most 64 days, around the window */
    STRATA_FOLD_WORTH,        /* int64_t; worth, now: no event is later than now */
    STRATA_FOLD_DISTINCT,     /* uint32_t; slots */
    STRATA_FOLD_LEAST_SCALED,    /* strata_event_sum; factor; see scaled.h */
    STRATA_FOLD_GREATEST_SCALED, /* the same */
    STRATA_FOLD_DISTINCT_SCALED, /* uint32_t; slots, factor */
    STRATA_FOLD_FIRST,        /* int64_t: instants; events, parts */
    STRATA_FOLD_LAST,
};

/* One aggregate. `role` is TIME, or PROPERTY with its number, or 0 where no value is read. */
typedef struct {
    uint32_t kind;
    uint32_t role;
    uint32_t property;
    uint32_t day_count;
    uint64_t *marks;                 /* rows with an event are added; NULL: not wanted */
    void *values;                    /* one a row, as folds.h says */
    uint32_t *carry;                 /* not 0 once a value did not fit: then none means anything */
    const int64_t *starts;           /* see strata_days_of */
    void *slots;                     /* see distinct.h, of the kind of the property */
    uint32_t slot_count;
    const int64_t *worth;            /* see strata_worth_of */
    uint32_t worth_count;
    int64_t now;
    int64_t factor;                  /* see scaled.h */
    uint32_t *events;                /* see strata_take_ends */
    const strata_valued_part *parts; /* as `chunks` of the scan, one each */
} strata_fold;

/* The events of one type (or of several, one after the other) and which of them count. */
typedef struct {
    const strata_kernels *kernels;
    const strata_chunk *const *chunks;
    uint32_t chunk_count;
    uint32_t first_part;             /* number of chunks[0] in `parts` of the folds */
    int64_t from, to;                /* [from, to) */
    const strata_where *nodes;       /* see strata_test_where */
    uint32_t node_count;
    strata_where_scratch *scratch;
} strata_event_scan;

static inline void strata_fold_texts(const strata_fold *fold, const strata_chunk *chunk,
                                     const strata_event_column *column,
                                     const strata_stretch *stretch) {
    for (uint32_t i = 0; i < stretch->count; i++) {
        uint32_t event = stretch->events ? stretch->events[i] : stretch->first + i, length;
        const uint8_t *text = strata_event_text(chunk, column, event, &length);
        strata_distinct_text(fold->slots, fold->slot_count, stretch->rows[i], text, length,
                             fold->values);
    }
}

/* Takes a stretch that is not a list into sums of 32 bits, from where its values are stored;
 * returns 0 where they have to be widened first. */
static inline int strata_sum_as_stored(const strata_fold *fold, const strata_chunk *chunk,
                                       const strata_event_column *column,
                                       const strata_stretch *stretch) {
    const uint8_t *at = strata_chunk_bytes(chunk, column->values_offset);
    const uint16_t *rows = stretch->rows;
    uint64_t base = (uint64_t)column->base;
    uint32_t first = stretch->first, count = stretch->count;
    void *to = fold->values;
    if (stretch->events || column->step != 1) return 0;
    switch (column->width) {
    case 1: *fold->carry |= strata_sum_stored_u8(rows, at + first, base, count, to); return 1;
    case 2:
        *fold->carry |= strata_sum_stored_u16(rows, strata_u16(at) + first, base, count, to);
        return 1;
    case 4:
        *fold->carry |= strata_sum_stored_u32(rows, strata_u32(at) + first, base, count, to);
        return 1;
    default: return 0;
    }
}

/* Takes one stretch into one fold; `column` is NULL where no value is read. */
static inline void strata_fold_stretch(const strata_fold *fold, const strata_chunk *chunk,
                                       uint32_t part, const strata_event_column *column,
                                       const strata_stretch *stretch) {
    int64_t values[STRATA_STRETCH_EVENTS];
    const uint16_t *rows = stretch->rows;
    uint32_t count = stretch->count;
    void *to = fold->values;
    int marks_itself = fold->kind == STRATA_FOLD_LEAST_SCALED ||
                       fold->kind == STRATA_FOLD_GREATEST_SCALED;
    if (fold->marks && !marks_itself) strata_mark_rows(rows, count, fold->marks);
    if (fold->kind <= STRATA_FOLD_COUNT_U32) column = 0; /* that there is a value is enough */
    if (fold->kind >= STRATA_FOLD_FIRST) column = strata_time_column(chunk);
    if (column && column->kind == STRATA_EVENT_TEXTS) {
        if (fold->kind == STRATA_FOLD_DISTINCT) strata_fold_texts(fold, chunk, column, stretch);
        return; /* nothing else reads them */
    }
    if (fold->kind == STRATA_FOLD_SUM_U32 && strata_sum_as_stored(fold, chunk, column, stretch))
        return;
    if (column) strata_widen_stretch(chunk, column, stretch, values);
    if (column && column->kind == STRATA_EVENT_FLOATS && fold->kind <= STRATA_FOLD_GREATEST)
        for (uint32_t i = 0; i < count; i++) values[i] = strata_ordered_double(values[i]);
    switch (fold->kind) {
    case STRATA_FOLD_COUNT_U8: strata_count_u8(rows, count, to); break;
    case STRATA_FOLD_COUNT_U16: strata_count_u16(rows, count, to); break;
    case STRATA_FOLD_COUNT_U32: strata_count_u32(rows, count, to); break;
    case STRATA_FOLD_SUM_U32: *fold->carry |= strata_sum_u32(rows, values, count, to); break;
    case STRATA_FOLD_SUM_I64: strata_sum_i64(rows, values, count, to); break;
    case STRATA_FOLD_SUM_I128: strata_sum_i128(rows, values, count, to); break;
    case STRATA_FOLD_LEAST: strata_least_i64(rows, values, count, to); break;
    case STRATA_FOLD_GREATEST: strata_greatest_i64(rows, values, count, to); break;
    case STRATA_FOLD_DAYS:
        strata_days_of(fold->starts, fold->day_count, count, values);
        strata_gather_bits(rows, values, count, to);
        break;
    case STRATA_FOLD_WORTH:
        strata_worth_of(fold->now, fold->worth, fold->worth_count, count, values);
        strata_sum_i64(rows, values, count, to);
        break;
    case STRATA_FOLD_BITS: strata_gather_bits(rows, values, count, to); break;
    case STRATA_FOLD_DISTINCT:
        if (column->kind == STRATA_EVENT_CODES)
            strata_distinct_codes(fold->slots, fold->slot_count, rows, values, count, to);
        else strata_distinct_values(fold->slots, fold->slot_count, rows, values, count, to);
        break;
    case STRATA_FOLD_LEAST_SCALED:
        strata_least_scaled(rows, values, count, fold->factor, fold->marks, to);
        break;
    case STRATA_FOLD_GREATEST_SCALED:
        strata_greatest_scaled(rows, values, count, fold->factor, fold->marks, to);
        break;
    case STRATA_FOLD_DISTINCT_SCALED:
        strata_distinct_scaled(fold->slots, fold->slot_count, rows, values, count, fold->factor,
                               to);
        break;
    case STRATA_FOLD_FIRST:
    case STRATA_FOLD_LAST:
        strata_take_ends(fold->parts, part, fold->kind == STRATA_FOLD_LAST, stretch, values, to,
                         fold->events);
        break;
    default: break;
    }
}

/* The column that a fold reads in a chunk; NULL where it reads none, or none is there. */
static inline const strata_event_column *strata_fold_column(const strata_fold *fold,
                                                            const strata_chunk *chunk) {
    return fold->role ? strata_find_event_column(chunk, fold->role, fold->property) : 0;
}

static inline void strata_fold_alone(const strata_event_scan *scan, const strata_fold *fold,
                                     const strata_chunk *chunk, uint32_t part,
                                     const strata_event_column *column,
                                     const strata_picks *shared) {
    strata_picks picks = *shared;
    strata_stretch stretch;
    if (!strata_keep_present(scan->kernels, chunk, column, &picks)) return;
    strata_first_stretch(&picks, &stretch);
    while (strata_next_stretch(chunk, &picks, &stretch))
        strata_fold_stretch(fold, chunk, part, column, &stretch);
}

/* Takes the picked events of one chunk into all folds. */
static inline void strata_fold_chunk(const strata_event_scan *scan, const strata_fold *folds,
                                     uint32_t fold_count, uint32_t i, const strata_picks *picks) {
    const strata_chunk *chunk = scan->chunks[i];
    uint32_t part = scan->first_part + i, together = 0;
    strata_stretch stretch;
    for (uint32_t f = 0; f < fold_count; f++) {
        const strata_event_column *column = strata_fold_column(folds + f, chunk);
        if (!folds[f].role || (column && strata_all_present(chunk, column))) together++;
        else if (column) strata_fold_alone(scan, folds + f, chunk, part, column, picks);
    }
    strata_first_stretch(picks, &stretch);
    while (together && strata_next_stretch(chunk, picks, &stretch)) {
        for (uint32_t f = 0; f < fold_count; f++) {
            const strata_event_column *column = strata_fold_column(folds + f, chunk);
            if (!folds[f].role || (column && strata_all_present(chunk, column)))
                strata_fold_stretch(folds + f, chunk, part, column, &stretch);
        }
    }
}

/* Takes the events of a block into all folds. */
static inline void strata_fold_block(const strata_event_scan *scan, const strata_fold *folds,
                                     uint32_t fold_count) {
    strata_picks picks;
    for (uint32_t i = 0; i < scan->chunk_count; i++) {
        if (strata_pick_events(scan->kernels, scan->chunks[i], scan->from, scan->to, scan->nodes,
                               scan->node_count, scan->scratch, &picks))
            strata_fold_chunk(scan, folds, fold_count, i, &picks);
    }
}

/* How many events of the block the window has, at most: before conditions, and exactly in sorted
 * chunks. What picks the width of counts and the size of tables. */
static inline uint64_t strata_events_within(const strata_event_scan *scan) {
    uint64_t count = 0;
    for (uint32_t i = 0; i < scan->chunk_count; i++) {
        const strata_chunk *chunk = scan->chunks[i];
        const strata_event_column *times = strata_time_column(chunk);
        if (scan->from >= scan->to || scan->to <= times->low || scan->from > times->high) continue;
        if (chunk->flags & STRATA_CHUNK_SORTED)
            count += strata_events_before(chunk, scan->to) -
                     strata_events_before(chunk, scan->from);
        else count += chunk->event_count;
    }
    return count;
}

#endif
