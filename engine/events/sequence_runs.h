/* The events of a step as runs: rows and instants in the order of time, one run for each chunk.
 *
 * Instants are counted in 32 bits by a clock that all runs of a block share, so that one instant a
 * row is 256 KiB and stays in the second-level cache. The clock's unit is the greatest that every
 * time of these chunks is a multiple of, and where the block spans more of them than 32 bits hold,
 * a power of two of those: then instants of a row that are nearly at the end of a `within` stay
 * open. A chunk that is not sorted is no run; its rows are left open, too.
 */
#ifndef STRATA_SEQUENCE_RUNS_H
#define STRATA_SEQUENCE_RUNS_H

#include "engine/events/folds.h"
#include "engine/events/sequence_events.h"

/* instant = ((time - low) / unit >> shift) + margin */
typedef struct {
    int64_t low_us;
    uint64_t unit_us;
    uint32_t shift;  /* 0: equal instants are equal times */
    uint32_t margin; /* above every `within`: an instant of 0 is too long ago for any event */
    uint64_t span;   /* units between the first and the last time */
} strata_clock;

/* One step after another: how many instants later is near enough, surely and at most. */
typedef struct {
    int64_t within_us;
    uint32_t sure;
    uint32_t most;
} strata_reach;

typedef struct {
    const strata_chunk *chunk;
    const uint16_t *rows;
    const uint16_t *events; /* places in the chunk; NULL: from `first` on */
    uint32_t first;
    uint32_t count;
    uint32_t from, next;    /* [from, next) are of the open slab */
    uint32_t kept;          /* that follow a step before, in order in `times` and what comes next */
    uint32_t *times;
    uint16_t *kept_rows;    /* room for as many as there are */
    uint16_t *kept_events;
} strata_event_run;

/* Runs in the order of their first instants; none is empty. */
typedef struct {
    strata_event_run *runs;
    uint64_t run_room;
    uint32_t count;
    uint32_t first;         /* all before have ended */
    uint32_t end;           /* none from here on has begun */
    uint64_t event_count;
    uint32_t *times;
    uint64_t times_room;
    uint16_t *kept;
    uint64_t kept_room;
} strata_event_runs;

static inline void strata_free_runs(strata_event_runs *runs) {
    free(runs->runs);
    free(runs->times);
    free(runs->kept);
}

/* ------------------------------------------------------------------------------------ clock */

static inline uint64_t strata_common_divisor(uint64_t a, uint64_t b) {
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Whether a chunk becomes a run: sorted, and with times in [from, to). */
static inline int strata_is_run(const strata_chunk *chunk, int64_t from_us, int64_t to_us) {
    const strata_event_column *when = strata_time_column(chunk);
    return (chunk->flags & STRATA_CHUNK_SORTED) && from_us <= when->high && when->low < to_us;
}

/* The clock of all sets. Where nothing becomes a run, any will do. */
static inline strata_clock strata_clock_of(const strata_sequence *sequence) {
    strata_clock clock = {0, 0, 0, 0, 0};
    int64_t low = INT64_MAX, high = INT64_MIN, base = 0;
    uint64_t unit = 0, furthest = 0;
    int is_first = 1;
    for (uint32_t s = 0; s < sequence->set_count; s++) {
        const strata_event_set *set = sequence->sets + s;
        int64_t to_us = strata_set_end(sequence, s);
        for (uint32_t t = 0; t < set->type_count; t++) {
            int64_t from_us = strata_type_from(sequence, set->types + t);
            for (uint32_t i = 0; i < set->types[t].chunk_count; i++) {
                const strata_chunk *chunk = set->types[t].chunks[i];
                const strata_event_column *when = strata_time_column(chunk);
                if (!strata_is_run(chunk, from_us, to_us)) continue;
                if (is_first) base = when->base;
                is_first = 0;
                if (when->width) unit = strata_common_divisor(unit, when->step);
                unit = strata_common_divisor(unit, when->base > base
                                                       ? (uint64_t)when->base - (uint64_t)base
                                                       : (uint64_t)base - (uint64_t)when->base);
                int64_t first = when->low > from_us ? when->low : from_us;
                int64_t last = when->high < to_us ? when->high : to_us - 1;
                if (first < low) low = first;
                if (last > high) high = last;
            }
        }
    }
    if (is_first) low = high = 0;
    clock.unit_us = unit ? unit : 1;
    /* As far from any base as whole units go, and not after the first time. */
    uint64_t before = low < base ? ((uint64_t)base - (uint64_t)low + clock.unit_us - 1) / clock.unit_us
                                 : 0;
    uint64_t after = low > base ? ((uint64_t)low - (uint64_t)base) / clock.unit_us : 0;
    clock.low_us = (int64_t)((uint64_t)base + (after - before) * clock.unit_us);
    clock.span = ((uint64_t)high - (uint64_t)clock.low_us) / clock.unit_us;
    for (uint32_t s = 1; s < sequence->step_count; s++) {
        uint64_t units = (uint64_t)sequence->steps[s].within_us / clock.unit_us;
        if (units > furthest) furthest = units;
    }
    if (furthest > clock.span) furthest = clock.span;
    while ((clock.span >> clock.shift) + (furthest >> clock.shift) > UINT32_MAX - 16u) clock.shift++;
    clock.margin = (uint32_t)(furthest >> clock.shift) + 6;
    return clock;
}

static inline strata_reach strata_reach_of(const strata_clock *clock, int64_t within_us) {
    strata_reach reach = {within_us, 0, 0};
    uint64_t units = (uint64_t)within_us / clock->unit_us;
    uint64_t all = clock->span + ((uint64_t)2 << clock->shift); /* as good as any more */
    if (units > all) units = all;
    reach.most = (uint32_t)(units >> clock->shift) + (clock->shift != 0);
    /* Instants that lie n apart are times less than n + 1 instants apart. */
    uint32_t whole = (uint32_t)((units + 1) >> clock->shift);
    reach.sure = clock->shift == 0 ? reach.most : whole ? whole - 1 : 0;
    return reach;
}

/* ------------------------------------------------------------------------------------- runs */

static inline int64_t strata_run_time(const strata_event_run *run, uint32_t i) {
    uint32_t place = run->events ? run->events[i] : run->first + i;
    return strata_event_int(run->chunk, strata_time_column(run->chunk), place);
}

/* Instants of a run from values of 32 bits that follow each other, where no sum leaves them;
 * 0 where it may. */
static inline int strata_tell_stored(const strata_clock *clock, strata_event_run *run, uint64_t offset) {
    const strata_event_column *when = strata_time_column(run->chunk);
    uint64_t most = ((uint64_t)when->high - (uint64_t)when->base) / when->step;
    uint64_t rest = offset & (((uint64_t)1 << clock->shift) - 1);
    if (run->events || when->width != 4 || when->step != clock->unit_us) return 0;
    if (most + rest > UINT32_MAX) return 0;
    const uint32_t *stored =
        strata_u32(strata_chunk_bytes(run->chunk, when->values_offset)) + run->first;
    uint32_t low = (uint32_t)rest, shift = clock->shift;
    uint32_t whole = (uint32_t)((int64_t)offset >> shift) + clock->margin;
    uint32_t *restrict times = run->times;
    for (uint32_t i = 0; i < run->count; i++) times[i] = ((stored[i] + low) >> shift) + whole;
    return 1;
}

/* Sets rows, places and instants of the events picked. */
static inline void strata_fill_run(const strata_clock *clock, const strata_picks *picks,
                                   strata_event_run *run) {
    const strata_chunk *chunk = run->chunk;
    const strata_event_column *when = strata_time_column(chunk);
    uint64_t offset = (uint64_t)when->base - (uint64_t)clock->low_us;
    offset = (int64_t)offset < 0 ? (uint64_t)0 - ((uint64_t)0 - offset) / clock->unit_us
                                 : offset / clock->unit_us;
    strata_event_column units = *when; /* the times in units from the clock's first */
    units.base = (int64_t)offset;
    units.step = when->width ? when->step / clock->unit_us : 1;
    run->first = picks->first;
    run->count = picks->end - picks->first;
    run->events = 0;
    run->rows = strata_event_rows(chunk) + picks->first;
    if (!picks->is_masked && strata_tell_stored(clock, run, offset)) return;
    strata_stretch stretch;
    int64_t values[STRATA_STRETCH_EVENTS];
    uint32_t count = 0;
    strata_first_stretch(picks, &stretch);
    while (strata_next_stretch(chunk, picks, &stretch)) {
        strata_widen_stretch(chunk, &units, &stretch, values);
        for (uint32_t i = 0; i < stretch.count; i++)
            run->times[count + i] = (uint32_t)((uint64_t)values[i] >> clock->shift) + clock->margin;
        if (stretch.events) {
            memcpy(run->kept_rows + count, stretch.rows, 2 * (size_t)stretch.count);
            memcpy(run->kept_events + count, stretch.events, 2 * (size_t)stretch.count);
        }
        count += stretch.count;
    }
    if (picks->is_masked) {
        run->rows = run->kept_rows;
        run->events = run->kept_events;
    }
    run->count = count;
}

/* Keeps the runs in the order of their first instants. */
static inline void strata_place_run(strata_event_runs *runs, const strata_event_run *run) {
    uint32_t at = runs->count++;
    for (; at && runs->runs[at - 1].times[0] > run->times[0]; at--)
        runs->runs[at] = runs->runs[at - 1];
    runs->runs[at] = *run;
}

/* Fills `runs` with the events of a set before an instant, of the rows of a mask where it is not
 * NULL. Rows with events in chunks that are no runs are added to `open`. Returns 0 without
 * memory. */
static inline int strata_load_runs(const strata_sequence *sequence, uint32_t set, int64_t to_us,
                                   const uint64_t *rows, const strata_clock *clock,
                                   strata_where_scratch *where, strata_event_runs *runs,
                                   uint64_t *open) {
    const strata_event_set *events = sequence->sets + set;
    uint64_t room = strata_set_events(events), chunk_count = 0;
    for (uint32_t t = 0; t < events->type_count; t++) chunk_count += events->types[t].chunk_count;
    if (!strata_make_room((void **)&runs->runs, &runs->run_room, chunk_count, sizeof(strata_event_run)) ||
        !strata_make_room((void **)&runs->times, &runs->times_room, room, sizeof(uint32_t)) ||
        !strata_make_room((void **)&runs->kept, &runs->kept_room, 2 * room, sizeof(uint16_t)))
        return 0;
    runs->count = 0;
    runs->event_count = 0;
    for (uint32_t t = 0; t < events->type_count; t++) {
        const strata_typed_events *type = events->types + t;
        int64_t from_us = strata_type_from(sequence, type);
        for (uint32_t i = 0; i < type->chunk_count; i++) {
            const strata_chunk *chunk = type->chunks[i];
            strata_picks picks;
            strata_event_run run;
            if (!strata_pick_events(sequence->kernels, chunk, from_us, to_us, type->nodes,
                                    type->node_count, where, &picks))
                continue;
            if (rows) {
                uint64_t words[STRATA_CHUNK_WORDS];
                int verdict = strata_test_rows(sequence->kernels, chunk, rows,
                                               strata_first_word(&picks), strata_end_word(&picks),
                                               words);
                if (!strata_narrow_picks(&picks, verdict, words)) continue;
            }
            if (!strata_is_run(chunk, from_us, to_us)) {
                strata_stretch stretch;
                strata_first_stretch(&picks, &stretch);
                while (strata_next_stretch(chunk, &picks, &stretch))
                    strata_mark_rows(stretch.rows, stretch.count, open);
                continue;
            }
            run.chunk = chunk;
            run.from = run.next = run.kept = 0;
            run.times = runs->times + runs->event_count;
            run.kept_rows = runs->kept + 2 * runs->event_count;
            run.kept_events = run.kept_rows + chunk->event_count;
            strata_fill_run(clock, &picks, &run);
            if (!run.count) continue;
            runs->event_count += chunk->event_count;
            strata_place_run(runs, &run);
        }
    }
    return 1;
}

#endif
