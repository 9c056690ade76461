/* Sequences whose steps all have to happen, in one pass along time for each step after the first.
 *
 * That any qualifying earlier step serves makes the latest one the best: an event can follow if the
 * latest event before it of the step before, on its row, is near enough. So one instant a row is
 * all that is kept.
 *
 *   1. Both steps are runs in the order of time (sequence_runs.h). They are taken in slabs of time,
 *      each with some hundred events of the earlier step.
 *   2. Those of the earlier step write the latest instant of their rows, and note what was there.
 *   3. Those of the later step are judged by what they find, sixteen at a time. If that is of the
 *      slab and not before the event, the slab is searched for its row.
 *   4. What follows is a match, or of a step in between a run of its own: the earlier step of the
 *      next pass.
 *
 * Compared with merging both by time, event by event, no branch is guessed wrong.
 *
 * What stays open is left to whoever judges rows by themselves: more events only ever add matches,
 * so what was found without those of unsorted chunks holds.
 */
#ifndef STRATA_SEQUENCE_PASSES_H
#define STRATA_SEQUENCE_PASSES_H

#include "engine/events/sequence_runs.h"

/* Events of an earlier run in a slab, unless more of them are at one instant. */
#define STRATA_SLAB_EVENTS 128u
/* Events judged at a time. */
#define STRATA_JUDGED_EVENTS 512u
/* Beyond, all rows are set back at once. */
#define STRATA_SPARSE_EVENTS 8192u

typedef struct {
    uint32_t *latest;     /* by row: of the earlier step, 0 for none; zeros between passes */
    uint32_t *before;     /* what the events of the slab found there */
    uint64_t before_room;
    strata_event_runs earlier;
    strata_event_runs later;
} strata_pass_scratch;

static inline void strata_free_pass(strata_pass_scratch *scratch) {
    free(scratch->latest);
    free(scratch->before);
    strata_free_runs(&scratch->earlier);
    strata_free_runs(&scratch->later);
}

/* ------------------------------------------------------------------------------------- slabs */

static inline void strata_first_slab(strata_event_runs *runs) {
    runs->first = runs->end = 0;
    for (uint32_t r = 0; r < runs->count; r++) runs->runs[r].from = runs->runs[r].next = 0;
}

/* The last instant of the next slab; UINT32_MAX where the runs have ended. */
static inline uint32_t strata_slab_end(const strata_event_runs *runs) {
    uint32_t until = UINT32_MAX;
    for (uint32_t r = runs->first; r < runs->count; r++) {
        const strata_event_run *run = runs->runs + r;
        if (run->next == run->count) continue;
        if (run->next == 0 && run->times[0] > until) break;
        uint32_t last = run->count - 1;
        if (last - run->next >= STRATA_SLAB_EVENTS) last = run->next + STRATA_SLAB_EVENTS - 1;
        if (run->times[last] < until) until = run->times[last];
    }
    return until;
}

/* Moves on to the events up to an instant, of the runs first .. end - 1; returns how many. */
static inline uint32_t strata_open_slab(strata_event_runs *runs, uint32_t until) {
    uint32_t count = 0;
    while (runs->first < runs->count && runs->runs[runs->first].next == runs->runs[runs->first].count)
        runs->first++;
    for (runs->end = runs->first; runs->end < runs->count; runs->end++) {
        strata_event_run *run = runs->runs + runs->end;
        const uint32_t *times = run->times;
        uint32_t at = run->next, more = 0;
        if (at == 0 && times[0] > until) break;
        while (at + 64 <= run->count && times[at + 63] <= until) at += 64;
        uint32_t end = at + 64 <= run->count ? at + 64 : run->count;
        for (uint32_t i = at; i < end; i++) more += times[i] <= until;
        run->from = run->next;
        run->next = at + more;
        count += run->next - run->from;
    }
    return count;
}

/* Writes the instants of the slab's events to their rows. */
static inline void strata_note_slab(const strata_event_runs *runs, uint32_t *restrict latest,
                                    uint32_t *restrict before) {
    for (uint32_t r = runs->first; r < runs->end; r++) {
        const strata_event_run *run = runs->runs + r;
        for (uint32_t i = run->from; i < run->next; i++) {
            uint32_t row = run->rows[i], time = run->times[i], was = latest[row];
            *before++ = was;
            latest[row] = was > time ? was : time;
        }
    }
}

static inline void strata_forget_runs(const strata_event_runs *runs, uint32_t *latest) {
    if (runs->event_count > STRATA_SPARSE_EVENTS) {
        memset(latest, 0, STRATA_BLOCK_ROWS * sizeof *latest);
        return;
    }
    for (uint32_t r = 0; r < runs->count; r++)
        for (uint32_t i = 0; i < runs->runs[r].count; i++) latest[runs->runs[r].rows[i]] = 0;
}

/* ------------------------------------------------------------------------------------ events */

/* The first place from `from` on that has a row, or `to`. */
static inline uint32_t strata_find_row(const uint16_t *rows, uint32_t from, uint32_t to,
                                       uint16_t row) {
    for (; from + 64 <= to; from += 64) {
        const uint16_t *at = rows + from;
        uint16_t any = 0;
        for (int i = 0; i < 64; i++) any |= (uint16_t)-(at[i] == row);
        if (any) break;
    }
    while (from < to && rows[from] != row) from++;
    return from;
}

/* Whether one event comes after another and near enough, by their times. */
static inline int strata_comes_after(const strata_clock *clock, const strata_reach *reach,
                                     const strata_event_run *earlier, uint32_t i,
                                     const strata_event_run *later, uint32_t j) {
    if (later->times[j] - earlier->times[i] - 1 < reach->sure) return 1;
    if (clock->shift == 0) return 0;
    int64_t first = strata_run_time(earlier, i), second = strata_run_time(later, j);
    return first < second && strata_time_after(first, reach->within_us) >= second;
}

enum { STRATA_FOLLOWS_NOT = 0, STRATA_FOLLOWS = 1, STRATA_FOLLOWS_PERHAPS = 2 };

/* Judges an event by those of the slab on its row, and by what there was before them. */
static inline int strata_judge_in_slab(const strata_clock *clock, const strata_reach *reach,
                                       const strata_event_runs *earlier, const uint32_t *before,
                                       const strata_event_run *later, uint32_t j) {
    uint16_t row = later->rows[j];
    uint32_t time = later->times[j], was = 0;
    int is_seen = 0;
    for (uint32_t r = earlier->first; r < earlier->end; r++) {
        const strata_event_run *run = earlier->runs + r;
        for (uint32_t i = run->from;; i++) {
            i = strata_find_row(run->rows, i, run->next, row);
            if (i == run->next) break;
            if (!is_seen) was = before[i - run->from];
            is_seen = 1;
            if (run->times[i] > time) break;
            if (strata_comes_after(clock, reach, run, i, later, j)) return STRATA_FOLLOWS;
        }
        before += run->next - run->from;
    }
    if (!is_seen) return STRATA_FOLLOWS_PERHAPS; /* what it found is of before, nearly too long ago */
    if (time - was - 1 < reach->sure) return STRATA_FOLLOWS;
    return time - was - 1 < reach->most ? STRATA_FOLLOWS_PERHAPS : STRATA_FOLLOWS_NOT;
}

/* Judges the slab's events of the later step. Rows of those that follow are added to `out`, or
 * where it is NULL they stay in their run; rows that are open are added to `open`. */
static inline void strata_judge_slab(const strata_kernels *kernels, const strata_clock *clock,
                                     const strata_reach *reach, const strata_pass_scratch *scratch,
                                     strata_event_run *run, uint64_t *out, uint64_t *open) {
    uint64_t hits[STRATA_JUDGED_EVENTS / 64], unsure[STRATA_JUDGED_EVENTS / 64];
    for (uint32_t from = run->from; from < run->next; from += STRATA_JUDGED_EVENTS) {
        uint32_t count = run->next - from;
        if (count > STRATA_JUDGED_EVENTS) count = STRATA_JUDGED_EVENTS;
        kernels->after_u32(run->rows + from, run->times + from, count, scratch->latest, reach->sure,
                           reach->most, hits, unsure);
        for (uint32_t w = 0; w < (count + 63) / 64; w++) {
            for (; unsure[w]; unsure[w] &= unsure[w] - 1) {
                uint32_t i = from + 64 * w + (uint32_t)__builtin_ctzll(unsure[w]);
                int judged = strata_judge_in_slab(clock, reach, &scratch->earlier, scratch->before,
                                                  run, i);
                if (judged == STRATA_FOLLOWS) hits[w] |= unsure[w] & -unsure[w];
                else if (judged == STRATA_FOLLOWS_PERHAPS)
                    open[run->rows[i] >> 6] |= (uint64_t)1 << (run->rows[i] & 63);
            }
            for (; hits[w]; hits[w] &= hits[w] - 1) {
                uint32_t i = from + 64 * w + (uint32_t)__builtin_ctzll(hits[w]);
                uint16_t row = run->rows[i];
                if (out) {
                    out[row >> 6] |= (uint64_t)1 << (row & 63);
                    continue;
                }
                uint32_t place = run->events ? run->events[i] : run->first + i;
                run->kept_events[run->kept] = (uint16_t)place;
                run->kept_rows[run->kept] = row;
                run->times[run->kept++] = run->times[i];
            }
        }
    }
}

/* ------------------------------------------------------------------------------------- steps */

/* One step after the other. */
static inline void strata_pass(const strata_kernels *kernels, const strata_clock *clock,
                               const strata_reach *reach, strata_pass_scratch *scratch,
                               uint64_t *out, uint64_t *open) {
    strata_event_runs *earlier = &scratch->earlier, *later = &scratch->later;
    uint32_t until;
    strata_first_slab(earlier);
    strata_first_slab(later);
    do {
        until = strata_slab_end(earlier);
        if (strata_open_slab(earlier, until))
            strata_note_slab(earlier, scratch->latest, scratch->before);
        strata_open_slab(later, until);
        for (uint32_t r = later->first; r < later->end; r++)
            strata_judge_slab(kernels, clock, reach, scratch, later->runs + r, out, open);
    } while (until != UINT32_MAX);
    strata_forget_runs(earlier, scratch->latest);
}

/* Makes the events that were kept of the later step the earlier one. */
static inline void strata_step_on(strata_pass_scratch *scratch) {
    strata_event_runs kept = scratch->later;
    uint32_t count = kept.count;
    scratch->later = scratch->earlier;
    kept.count = 0;
    for (uint32_t r = 0; r < count; r++) {
        strata_event_run run = kept.runs[r];
        run.rows = run.kept_rows;
        run.events = run.kept_events;
        run.count = run.kept;
        if (run.count) strata_place_run(&kept, &run);
    }
    scratch->earlier = kept;
}

/* Marks rows that have a sequence in `out`, and those that perhaps have one in `open`; `rows` are
 * those to look at, NULL for all. No step is absent. Returns 0 without memory. */
static inline int strata_pass_steps(const strata_sequence *sequence, const uint64_t *rows,
                                    strata_where_scratch *where, strata_pass_scratch *scratch,
                                    uint64_t *out, uint64_t *open) {
    strata_clock clock = strata_clock_of(sequence);
    if (!scratch->latest) scratch->latest = calloc(STRATA_BLOCK_ROWS, sizeof(uint32_t));
    if (!scratch->latest ||
        !strata_load_runs(sequence, sequence->steps[0].set, sequence->to_us, rows, &clock, where,
                          &scratch->earlier, open))
        return 0;
    for (uint32_t s = 1; s < sequence->step_count; s++) {
        const strata_step *step = sequence->steps + s;
        strata_reach reach = strata_reach_of(&clock, step->within_us);
        int is_last = s + 1 == sequence->step_count;
        if (!strata_load_runs(sequence, step->set, strata_set_end(sequence, step->set), rows,
                              &clock, where, &scratch->later, open) ||
            !strata_make_room((void **)&scratch->before, &scratch->before_room,
                              scratch->earlier.event_count, sizeof(uint32_t)))
            return 0;
        strata_pass(sequence->kernels, &clock, &reach, scratch, is_last ? out : 0, open);
        strata_step_on(scratch);
    }
    return 1;
}

#endif
