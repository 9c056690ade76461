/* Sequences over one block: the rows whose events follow each other as the steps say.
 *
 * Steps that all have to happen are taken along time for all rows together (sequence_passes.h).
 * Rows that this leaves open, all where a step must not happen, are judged one by one:
 *   1. Rows that have no event of a step that has to happen cannot match. Those that have some of
 *      each are marked, step by step, which leaves few: only their events are gathered.
 *   2. Times of a set of events are listed by row. Chunks are sorted by time, so counting by row
 *      keeps them so; rows are sorted only where chunks overlap or there is a tail.
 *   3. Each row is judged by itself (sequence_steps.h).
 *
 * Rows are taken in strips, so that what is gathered at a time is bounded however long histories
 * are. Steps over the same events share one set.
 */
#ifndef STRATA_SEQUENCES_H
#define STRATA_SEQUENCES_H

#include "engine/events/folds.h"
#include "engine/events/sequence_passes.h"

/* Times of the rows of a strip, set by set: those of the set's rank r are
 * times[starts[r]] .. times[starts[r + 1]]. */
typedef struct {
    int64_t *times;
    uint32_t *starts;
} strata_listed_set;

/* What matching needs beside its arguments; zeros to begin with, kept from block to block. */
typedef struct {
    strata_where_scratch where;
    uint64_t rows[STRATA_BLOCK_WORDS];       /* that may match */
    uint64_t marks[STRATA_BLOCK_WORDS];
    uint16_t ranks_before[STRATA_BLOCK_WORDS]; /* rows of the strip before each word */
    uint16_t *ranks;                         /* of gathered events, as they came */
    int64_t *gathered;
    uint64_t gathered_room;
    int64_t *times;                          /* of all sets */
    uint64_t times_room;
    uint32_t *starts;
    uint64_t starts_room;
    int64_t *held;                           /* two lists */
    uint64_t held_room;
    strata_times *of_row;
    uint64_t of_row_room;
    strata_pass_scratch pass;
} strata_sequence_scratch;

/* Events that are gathered at a time, about. */
#define STRATA_STRIP_EVENTS (1u << 18)
/* Most events of a set that are taken along time: their instants are held together. */
#define STRATA_PASS_EVENTS (1u << 20)
/* Up to so many rows, the events of others are left out before they are taken along time. */
#define STRATA_MOST_ROWS 32768u

static inline void strata_free_sequence_scratch(strata_sequence_scratch *scratch) {
    free(scratch->ranks);
    free(scratch->gathered);
    free(scratch->times);
    free(scratch->starts);
    free(scratch->held);
    free(scratch->of_row);
    strata_free_pass(&scratch->pass);
}

/* Marks the rows that have events of a set in [from, to). */
static inline void strata_mark_set(const strata_sequence *sequence, uint32_t set, int64_t to_us,
                                   strata_sequence_scratch *scratch) {
    const strata_event_set *events = sequence->sets + set;
    memset(scratch->marks, 0, sizeof scratch->marks);
    for (uint32_t t = 0; t < events->type_count; t++) {
        const strata_typed_events *type = events->types + t;
        for (uint32_t i = 0; i < type->chunk_count; i++) {
            strata_picks picks;
            strata_stretch stretch;
            if (!strata_pick_events(sequence->kernels, type->chunks[i],
                                    strata_type_from(sequence, type), to_us, type->nodes,
                                    type->node_count, &scratch->where, &picks))
                continue;
            strata_first_stretch(&picks, &stretch);
            while (strata_next_stretch(type->chunks[i], &picks, &stretch))
                strata_mark_rows(stretch.rows, stretch.count, scratch->marks);
        }
    }
}

/* Cuts scratch->rows to those that have events for every step that has to happen; returns how many
 * rows are left. */
static inline uint32_t strata_find_candidates(const strata_sequence *sequence,
                                              strata_sequence_scratch *scratch) {
    uint32_t left = 0;
    for (uint32_t s = 0; s < sequence->step_count; s++) {
        uint32_t set = sequence->steps[s].set;
        int is_known = sequence->steps[s].absent;
        for (uint32_t b = 0; b < s; b++)
            is_known |= sequence->steps[b].set == set && !sequence->steps[b].absent;
        if (is_known) continue;
        strata_mark_set(sequence, set, s ? strata_set_end(sequence, set) : sequence->to_us, scratch);
        left = sequence->kernels->mask_and(scratch->rows, scratch->marks);
        if (!left) return 0;
    }
    return left;
}

/* How many events so many rows have, if all have as many. */
static inline uint64_t strata_expect_events(const strata_sequence *sequence, uint32_t row_count) {
    uint64_t events = 0;
    for (uint32_t s = 0; s < sequence->set_count; s++)
        events += strata_set_events(sequence->sets + s);
    return events * row_count / (64 * STRATA_BLOCK_WORDS);
}

static inline uint32_t strata_rank_of(const strata_sequence_scratch *scratch, const uint64_t *rows,
                                      uint16_t row) {
    uint64_t before = rows[row >> 6] & (((uint64_t)1 << (row & 63)) - 1);
    return (uint32_t)scratch->ranks_before[row >> 6] + (uint32_t)strata_popcount64(before);
}

/* Adds the events of a chunk that are of the rows, as rank and time, after `count` others.
 * Returns how many there are then, or -1 without memory. */
static inline int64_t strata_gather_chunk(const strata_sequence *sequence,
                                          const strata_chunk *chunk, strata_picks *picks,
                                          const uint64_t *rows, uint64_t count,
                                          strata_sequence_scratch *scratch) {
    uint64_t words[STRATA_CHUNK_WORDS];
    strata_stretch stretch;
    int64_t times[STRATA_STRETCH_EVENTS];
    int verdict = strata_test_rows(sequence->kernels, chunk, rows, strata_first_word(picks),
                                   strata_end_word(picks), words);
    if (!strata_narrow_picks(picks, verdict, words)) return (int64_t)count;
    uint64_t all = count + strata_pick_count(picks), room = scratch->gathered_room;
    if (!strata_make_room((void **)&scratch->ranks, &room, all, sizeof(uint16_t)) ||
        !strata_make_room((void **)&scratch->gathered, &scratch->gathered_room, all,
                          sizeof(int64_t)))
        return -1;
    strata_first_stretch(picks, &stretch);
    while (strata_next_stretch(chunk, picks, &stretch)) {
        strata_widen_stretch(chunk, strata_time_column(chunk), &stretch, times);
        for (uint32_t i = 0; i < stretch.count; i++)
            scratch->ranks[count + i] = (uint16_t)strata_rank_of(scratch, rows, stretch.rows[i]);
        memcpy(scratch->gathered + count, times, stretch.count * sizeof(int64_t));
        count += stretch.count;
    }
    return (int64_t)count;
}

static inline void strata_sift_time(int64_t *times, uint32_t at, uint32_t count) {
    int64_t value = times[at];
    for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && times[child + 1] > times[child]) child++;
        if (times[child] <= value) break;
        times[at] = times[child];
    }
    times[at] = value;
}

/* Sorts times: few by insertion, which is quick where most are in order, many on a heap. */
static inline void strata_sort_times(int64_t *times, uint32_t count) {
    if (count <= 64) {
        for (uint32_t i = 1; i < count; i++) {
            int64_t time = times[i];
            uint32_t at = i;
            for (; at && times[at - 1] > time; at--) times[at] = times[at - 1];
            times[at] = time;
        }
        return;
    }
    for (uint32_t at = count / 2; at--;) strata_sift_time(times, at, count);
    for (uint32_t end = count - 1; end; end--) {
        int64_t greatest = times[0];
        times[0] = times[end];
        times[end] = greatest;
        strata_sift_time(times, 0, end);
    }
}

/* Lists the times of a set by rank, in scratch->times from `first` on. Returns how many they are,
 * or -1 without memory. */
static inline int64_t strata_list_set(const strata_sequence *sequence, uint32_t set,
                                      const uint64_t *rows, uint32_t row_count, uint64_t first,
                                      uint32_t *starts, strata_sequence_scratch *scratch) {
    const strata_event_set *events = sequence->sets + set;
    int64_t to_us = strata_set_end(sequence, set), count = 0, last_us = INT64_MIN;
    int is_sorted = 1;
    for (uint32_t t = 0; t < events->type_count; t++) {
        const strata_typed_events *type = events->types + t;
        for (uint32_t i = 0; i < type->chunk_count; i++) {
            strata_picks picks;
            int64_t before = count;
            if (!strata_pick_events(sequence->kernels, type->chunks[i],
                                    strata_type_from(sequence, type), to_us, type->nodes,
                                    type->node_count, &scratch->where, &picks))
                continue;
            count = strata_gather_chunk(sequence, type->chunks[i], &picks, rows, (uint64_t)count,
                                        scratch);
            if (count < 0) return -1;
            if (count == before) continue;
            const strata_event_column *when = strata_time_column(type->chunks[i]);
            is_sorted &= (type->chunks[i]->flags & STRATA_CHUNK_SORTED) && when->low >= last_us;
            last_us = when->high;
        }
    }
    uint64_t all = first + (uint64_t)count;
    if (all > UINT32_MAX || !strata_make_room((void **)&scratch->times, &scratch->times_room, all,
                                              sizeof(int64_t)))
        return -1;
    /* starts[r + 2] counts, then starts[r + 1] is where the next of rank r goes. */
    memset(starts, 0, (row_count + 2) * sizeof(uint32_t));
    for (int64_t i = 0; i < count; i++) starts[scratch->ranks[i] + 2]++;
    starts[0] = starts[1] = (uint32_t)first;
    for (uint32_t r = 2; r < row_count + 2; r++) starts[r] += starts[r - 1];
    for (int64_t i = 0; i < count; i++)
        scratch->times[starts[scratch->ranks[i] + 1]++] = scratch->gathered[i];
    if (!is_sorted) {
        for (uint32_t r = 0; r < row_count; r++)
            strata_sort_times(scratch->times + starts[r], starts[r + 1] - starts[r]);
    }
    return count;
}

/* Judges the rows of a mask; adds those that match to `out`. Returns 0 without memory. */
static inline int strata_match_strip(const strata_sequence *sequence, const uint64_t *rows,
                                     uint32_t row_count, strata_sequence_scratch *scratch,
                                     uint64_t *out) {
    uint32_t set_count = sequence->set_count, most = 0, before = 0;
    uint64_t width = (uint64_t)row_count + 2, listed = 0;
    if (!strata_make_room((void **)&scratch->starts, &scratch->starts_room, set_count * width,
                          sizeof(uint32_t)) ||
        !strata_make_room((void **)&scratch->of_row, &scratch->of_row_room, set_count,
                          sizeof(strata_times)))
        return 0;
    for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++) {
        scratch->ranks_before[w] = (uint16_t)before;
        before += (uint32_t)strata_popcount64(rows[w]);
    }
    for (uint32_t s = 0; s < set_count; s++) {
        int64_t count = strata_list_set(sequence, s, rows, row_count, listed,
                                        scratch->starts + s * width, scratch);
        if (count < 0) return 0;
        listed += (uint64_t)count;
        if ((uint64_t)count > most) most = (uint32_t)count;
    }
    if (!strata_make_room((void **)&scratch->held, &scratch->held_room, 2 * (uint64_t)most + 2,
                          sizeof(int64_t)))
        return 0;
    uint32_t rank = 0;
    for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++) {
        for (uint64_t left = rows[w]; left; left &= left - 1, rank++) {
            for (uint32_t s = 0; s < set_count; s++) {
                const uint32_t *starts = scratch->starts + s * width + rank;
                scratch->of_row[s].times = scratch->times + starts[0];
                scratch->of_row[s].count = starts[1] - starts[0];
            }
            if (strata_steps_follow(sequence->steps, sequence->step_count, scratch->of_row,
                                    sequence->from_us, sequence->to_us, sequence->now_us,
                                    scratch->held, scratch->held + most + 1))
                out[w] |= left & -left;
        }
    }
    return 1;
}

/* Judges the rows of scratch->rows one by one; adds those that match to `out`. Returns 0 without
 * memory. */
static inline int strata_match_rows(const strata_sequence *sequence,
                                    strata_sequence_scratch *scratch, uint64_t *out) {
    uint64_t strip[STRATA_BLOCK_WORDS];
    uint32_t row_total = strata_find_candidates(sequence, scratch);
    if (!row_total) return 1;
    /* As many strips as hold about so many events each, of words that follow each other. */
    uint64_t events = strata_expect_events(sequence, row_total);
    uint32_t words = STRATA_BLOCK_WORDS;
    while (words > 1 && events / (STRATA_BLOCK_WORDS / words) > STRATA_STRIP_EVENTS) words /= 2;
    for (uint32_t first = 0; first < STRATA_BLOCK_WORDS; first += words) {
        uint32_t row_count = 0;
        memset(strip, 0, sizeof strip);
        memcpy(strip + first, scratch->rows + first, 8 * (size_t)words);
        for (uint32_t w = first; w < first + words; w++)
            row_count += (uint32_t)strata_popcount64(strip[w]);
        if (row_count && !strata_match_strip(sequence, strip, row_count, scratch, out)) return 0;
    }
    return 1;
}

/* Whether steps are taken along time, see sequence_passes.h. */
static inline int strata_can_pass(const strata_sequence *sequence) {
    int can = sequence->step_count > 1;
    for (uint32_t s = 0; s < sequence->step_count; s++) can &= !sequence->steps[s].absent;
    for (uint32_t s = 0; s < sequence->set_count; s++)
        can &= strata_set_events(sequence->sets + s) <= STRATA_PASS_EVENTS;
    return can;
}

/* The rows of `within` (NULL: of the block) that have the sequence. Returns 0 without memory. */
static inline int strata_match_block(const strata_sequence *sequence, const uint64_t *within,
                                     strata_sequence_scratch *scratch, uint64_t *out) {
    uint64_t open[STRATA_BLOCK_WORDS], any = 0;
    memset(out, 0, STRATA_BLOCK_WORDS * 8);
    if (within) memcpy(scratch->rows, within, sizeof scratch->rows);
    else memset(scratch->rows, 0xff, sizeof scratch->rows);
    if (sequence->from_us >= sequence->to_us) return 1;
    if (!strata_can_pass(sequence)) return strata_match_rows(sequence, scratch, out);
    uint32_t row_count = sequence->kernels->mask_count(scratch->rows);
    memset(open, 0, sizeof open);
    if (!strata_pass_steps(sequence, row_count > STRATA_MOST_ROWS ? 0 : scratch->rows,
                           &scratch->where, &scratch->pass, out, open))
        return 0;
    for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++) {
        out[w] &= scratch->rows[w];
        any |= scratch->rows[w] &= open[w] & ~out[w];
    }
    return any ? strata_match_rows(sequence, scratch, out) : 1;
}

#endif
