/* What is asked of the events of a block, and the scans that answer it.
 *
 * An aggregate reads the events of some types in one window; each type is a scan of its chunks
 * (engine/events/fold_block.h). Where only some rows are asked about, they are a condition too.
 */
#ifndef STRATA_AGGREGATE_SCANS_H
#define STRATA_AGGREGATE_SCANS_H

#include <stdlib.h>

#include "engine/core/fields.h"
#include "engine/core/score_rules.h"
#include "engine/events/fold_block.h"
#include "engine/events/sequences.h"

enum {
    STRATA_AGGREGATE_MARK = 1,
    STRATA_AGGREGATE_FEW, /* a count that stops at 255 */
    STRATA_AGGREGATE_COUNT,
    STRATA_AGGREGATE_DAYS,
    STRATA_AGGREGATE_DISTINCT,
    STRATA_AGGREGATE_WORTH, /* what events are worth by their age, added up */
    STRATA_AGGREGATE_SCORE, /* made of other columns and of nodes, see scores.h */
    STRATA_AGGREGATE_SUM,
    STRATA_AGGREGATE_LEAST, /* of a property, or of the times where none is read */
    STRATA_AGGREGATE_GREATEST,
    STRATA_AGGREGATE_FIRST, /* value of a property */
    STRATA_AGGREGATE_LAST,
    STRATA_AGGREGATE_LATEST, /* what the last event has, also where that is nothing */
    STRATA_AGGREGATE_PAIR,   /* a mark: of those with so many events and such a sum */
};

/* The events of one type that count, and the property that is read of them, 0 for none. */
typedef struct {
    int32_t field; /* place of the events among the fields */
    uint32_t property;
    const strata_where *nodes;
    uint32_t node_count;
    int64_t kept_from; /* earlier events of the type are dropped, their bytes perhaps not yet */
    int64_t factor;    /* of the property, see events/scaled.h; 1 unless `is_scaled` */
} strata_event_source;

/* Which events follow each other: a mark whose sources are those of the sets, one after another. */
typedef struct {
    const strata_step *steps;
    uint32_t step_count;
    uint32_t set_count;
    const uint32_t *set_sources; /* of set s: set_sources[s] .. set_sources[s + 1] */
    int64_t first_to;            /* the first step is in [from, first_to) of the mark */
    int64_t now;
} strata_followed;

/* How many events a mark is of at least, 1 or more, and between which ends their sum is. */
typedef struct {
    uint32_t least;
    int64_t low, high;
} strata_asked_pair;

typedef struct {
    uint32_t function;
    uint32_t kind;  /* of the values: STRATA_EVENT_* */
    int32_t is_bool;
    int32_t is_scaled; /* numbers of several scales: see aggregate_scales.h */
    int32_t field;  /* place of the column among the fields */
    int64_t from, to; /* [from, to) */
    const strata_event_source *sources;
    uint32_t source_count;
    uint32_t day_count;
    const int64_t *starts; /* DAYS: where stretches of a day begin, day_count and one more */
    const uint8_t *repeated; /* DAYS: 1 for a stretch that shows the day two before it again */
    const uint32_t *ranks; /* FIRST and LAST of categories: order of the strings, by code */
    const int64_t *worth;  /* WORTH: thousandths, all of one sign, by whole hours of age */
    uint32_t worth_count;
    int64_t now;           /* WORTH: ages are up to here */
    const strata_score *score;       /* SCORE */
    const strata_followed *followed; /* MARK: of those with a sequence; NULL: with any event */
    strata_asked_pair asked;         /* PAIR */
} strata_aggregate;

/* Where things stand in the memory of a column: its presence, values and 128-bit sums. */
#define STRATA_AGGREGATE_PRESENCE 64u
#define STRATA_AGGREGATE_VALUES (64u + STRATA_BITSET_BYTES)
#define STRATA_AGGREGATE_SUMS (STRATA_AGGREGATE_VALUES + 8 * STRATA_BLOCK_ROWS)
#define STRATA_AGGREGATE_OFFSETS STRATA_AGGREGATE_VALUES
#define STRATA_AGGREGATE_TEXTS (STRATA_AGGREGATE_OFFSETS + 4 * STRATA_BLOCK_ROWS + 64)

/* Up to so many events, the rows touched are marked and cleared alone; beyond, all are. */
#define STRATA_FEW_EVENTS 2048u

enum { STRATA_UNTOUCHED = 0, STRATA_TOUCHED_MARKED = 1, STRATA_TOUCHED = 2 };

typedef struct {
    uint8_t *memory; /* the payload; all zeros but the head and what was touched */
    uint8_t *raw;    /* what is freed: memory begins at the next multiple of 64, but of texts */
    size_t size;     /* of texts, which grow */
    int is_filled;   /* for the open block */
    int touched;     /* which values are not 0 */
    uint32_t width;  /* of those */
    int is_wide;     /* sums have left 32 bits in some block */
    uint64_t *marks; /* rows with an event */
} strata_aggregate_column;

/* The score that is being made, in units. */
typedef struct {
    int64_t low, high; /* between which its sum is, before floor and ceiling, and these are */
    int64_t constant;  /* what all live rows have beside their lanes */
    uint32_t width;    /* of lanes */
    int is_open;       /* lanes hold something */
} strata_scoring;

/* What one thread folds with. */
typedef struct {
    const strata_kernels *kernels;
    const strata_field *fields;
    const strata_aggregate *aggregates;
    strata_aggregate_column *columns;
    uint64_t **address;  /* by aggregate: the table of its field's parts, one a block */
    uint32_t count;
    uint32_t block;
    uint32_t live_count;
    const uint64_t *live;  /* rows that matter: the live ones, or those asked of among them */
    int is_restricted;     /* to rows asked of */
    int failed;            /* there was no memory */
    strata_where_scratch *where_scratch;
    strata_where *nodes;   /* room for the longest where, and two more */
    int64_t *least, *greatest; /* STRATA_NO_LEAST and STRATA_NO_GREATEST between fills */
    uint32_t *events;      /* STRATA_NO_EVENT between fills */
    uint64_t *bits;        /* 0 between fills */
    uint8_t *slots;
    size_t slot_bytes;
    strata_valued_part *parts;
    uint32_t part_room;
    uint8_t *halves;       /* of pairs that do not fit their lanes: 0 between fills */
    strata_sequence_scratch *sequence_scratch; /* where there are sequences, */
    strata_event_set *sets;                    /* with room for the sets of any one */
    strata_typed_events *typed;                /* and for its sources */
    strata_scoring scoring;
} strata_aggregates;

/* ---------------------------------------------------------------------------------- events */

static inline uint32_t strata_chunk_table(const strata_field *field, uint32_t block,
                                          const strata_chunk *const **chunks) {
    uint32_t first = field->first_part[block];
    *chunks = (const strata_chunk *const *)(const void *)(field->address + first);
    return field->first_part[block + 1] - first;
}

/* The first instant of which an aggregate reads events of a source. */
static inline int64_t strata_source_from(const strata_aggregate *what,
                                         const strata_event_source *source) {
    return what->from > source->kept_from ? what->from : source->kept_from;
}

/* The scan of one source of an aggregate over the open block. */
static inline strata_event_scan strata_scan_source(strata_aggregates *all,
                                                   const strata_aggregate *what,
                                                   const strata_event_source *source) {
    strata_event_scan scan;
    scan.kernels = all->kernels;
    scan.chunk_count =
        strata_chunk_table(&all->fields[source->field], all->block, &scan.chunks);
    scan.first_part = 0;
    scan.from = strata_source_from(what, source);
    scan.to = what->to;
    scan.nodes = source->nodes;
    scan.node_count = source->node_count;
    scan.scratch = all->where_scratch;
    if (all->is_restricted) {
        strata_where rows;
        memset(&rows, 0, sizeof rows);
        rows.kind = STRATA_WHERE_ROWS;
        rows.members = all->live;
        if (scan.node_count) memcpy(all->nodes, scan.nodes, scan.node_count * sizeof rows);
        all->nodes[scan.node_count++] = rows;
        if (scan.node_count > 1) {
            rows.kind = STRATA_WHERE_AND;
            all->nodes[scan.node_count++] = rows;
        }
        scan.nodes = all->nodes;
    }
    return scan;
}

/* How many events the window of an aggregate has in the open block, before conditions. */
static inline uint64_t strata_aggregate_events(strata_aggregates *all,
                                               const strata_aggregate *what) {
    uint64_t count = 0;
    for (uint32_t i = 0; i < what->source_count; i++) {
        strata_event_scan scan = strata_scan_source(all, what, what->sources + i);
        count += strata_events_within(&scan);
    }
    return count;
}

/* About how many: from the heads of chunks alone, as if events were evenly spread. */
static inline uint64_t strata_aggregate_outlook(const strata_aggregates *all,
                                                const strata_aggregate *what) {
    double count = 0;
    for (uint32_t i = 0; i < what->source_count; i++) {
        const strata_chunk *const *chunks;
        int64_t first = strata_source_from(what, what->sources + i);
        uint32_t chunk_count =
            strata_chunk_table(&all->fields[what->sources[i].field], all->block, &chunks);
        for (uint32_t p = 0; p < chunk_count; p++) {
            const strata_event_column *times = strata_time_column(chunks[p]);
            if (first >= what->to || what->to <= times->low || first > times->high) continue;
            double from = (double)(first > times->low ? first : times->low);
            double to = (double)(what->to - 1 < times->high ? what->to - 1 : times->high);
            double span = (double)times->high - (double)times->low;
            count += 1 + chunks[p]->event_count * (span > 0 ? (to - from) / span : 1);
        }
    }
    return (uint64_t)count;
}

/* Least and greatest value that an aggregate reads, of ints and codes; `reach` becomes the greatest
 * size that a sum of them may have. */
static inline void strata_value_bounds(const strata_aggregates *all, const strata_aggregate *what,
                                      int64_t *low, int64_t *high, strata_event_sum *reach) {
    *low = INT64_MAX, *high = INT64_MIN, *reach = 0;
    for (uint32_t i = 0; i < what->source_count; i++) {
        const strata_event_source *source = what->sources + i;
        const strata_chunk *const *chunks;
        int64_t first = strata_source_from(what, source);
        uint32_t count = strata_chunk_table(&all->fields[source->field], all->block, &chunks);
        for (uint32_t p = 0; p < count; p++) {
            const strata_event_column *times = strata_time_column(chunks[p]), *column = times;
            if (first >= what->to || what->to <= times->low || first > times->high) continue;
            if (source->property)
                column = strata_find_event_column(chunks[p], STRATA_EVENT_PROPERTY,
                                                  source->property);
            if (!column) continue;
            if (column->low < *low) *low = column->low;
            if (column->high > *high) *high = column->high;
            strata_sums_fit(column, column->present_count, reach);
        }
    }
    if (what->sources && !what->sources->property) { /* times: no further than the window */
        if (*low < what->from) *low = what->from;
        if (*high > what->to - 1) *high = what->to - 1;
    }
    if (*low > *high) *low = *high = 0; /* no value at all */
}

static inline strata_fold strata_fold_of(const strata_event_source *source, uint32_t kind,
                                         uint64_t *marks, void *values) {
    strata_fold fold;
    memset(&fold, 0, sizeof fold);
    fold.kind = kind;
    if (source->property) {
        fold.role = STRATA_EVENT_PROPERTY;
        fold.property = source->property;
    } else if (kind > STRATA_FOLD_COUNT_U32) {
        fold.role = STRATA_EVENT_TIME;
    }
    fold.marks = marks;
    fold.values = values;
    fold.factor = source->factor;
    return fold;
}

/* Folds all sources alike; returns 0 where values did not fit the width of the fold. */
static inline int strata_fold_sources(strata_aggregates *all, const strata_aggregate *what,
                                       uint32_t kind, uint64_t *marks, void *values) {
    uint32_t carry = 0;
    for (uint32_t i = 0; i < what->source_count; i++) {
        strata_event_scan scan = strata_scan_source(all, what, what->sources + i);
        strata_fold fold = strata_fold_of(what->sources + i, kind, marks, values);
        fold.carry = &carry;
        strata_fold_block(&scan, &fold, 1);
    }
    return carry == 0;
}

#endif
