/* Sequences as columns of a block: the rows whose events follow each other (engine/events/sequences.h).
 *
 * The chunks of the open block are looked up by set, and matched among the rows that matter alone. A
 * block in which nothing can begin one is seen from the heads of its chunks.
 */
#ifndef STRATA_AGGREGATE_SEQUENCES_H
#define STRATA_AGGREGATE_SEQUENCES_H

#include "engine/core/aggregate_heads.h"

/* Whether the open block has a chunk in which the first step may be. */
static inline int strata_may_begin(const strata_aggregates *all, const strata_aggregate *what) {
    const strata_followed *followed = what->followed;
    uint32_t set = followed->steps[0].set;
    for (uint32_t i = followed->set_sources[set]; i < followed->set_sources[set + 1]; i++) {
        const strata_chunk *const *chunks;
        int64_t from = strata_source_from(what, what->sources + i);
        uint32_t count =
            strata_chunk_table(&all->fields[what->sources[i].field], all->block, &chunks);
        for (uint32_t p = 0; p < count; p++) {
            const strata_event_column *times = strata_time_column(chunks[p]);
            if (chunks[p]->event_count && times->low < followed->first_to &&
                times->high >= from)
                return 1;
        }
    }
    return 0;
}

/* Marks the rows that have a sequence; 0 where there was no memory. */
static inline int strata_fill_sequence(strata_aggregates *all, const strata_aggregate *what,
                                       strata_aggregate_column *column) {
    const strata_followed *followed = what->followed;
    uint64_t *bits = (uint64_t *)(void *)(column->memory + STRATA_AGGREGATE_PRESENCE);
    strata_sequence sequence;
    strata_mark_head(column, 0);
    if (!strata_may_begin(all, what)) return 1;
    for (uint32_t s = 0; s < followed->set_count; s++) {
        uint32_t first = followed->set_sources[s], end = followed->set_sources[s + 1];
        all->sets[s].types = all->typed + first;
        all->sets[s].type_count = end - first;
        for (uint32_t i = first; i < end; i++) {
            const strata_event_source *source = what->sources + i;
            strata_typed_events *typed = all->typed + i;
            typed->chunk_count =
                strata_chunk_table(&all->fields[source->field], all->block, &typed->chunks);
            typed->nodes = source->nodes;
            typed->node_count = source->node_count;
            typed->kept_from = source->kept_from;
        }
    }
    sequence.kernels = all->kernels;
    sequence.sets = all->sets;
    sequence.set_count = followed->set_count;
    sequence.steps = followed->steps;
    sequence.step_count = followed->step_count;
    sequence.from_us = what->from;
    sequence.to_us = followed->first_to;
    sequence.now_us = followed->now;
    if (!strata_match_block(&sequence, all->live, all->sequence_scratch, bits)) return 0;
    strata_mark_head(column, strata_live_marks(all, bits, bits));
    return 1;
}

#endif
