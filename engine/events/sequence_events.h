/* What a sequence asks of the events of one block: its steps, and the events that each of them takes.
 */
#ifndef STRATA_SEQUENCE_EVENTS_H
#define STRATA_SEQUENCE_EVENTS_H

#include <stdlib.h>

#include "engine/events/sequence_steps.h"
#include "engine/events/where.h"

/* The events of one type that count. */
typedef struct {
    const strata_chunk *const *chunks;
    uint32_t chunk_count;
    const strata_where *nodes;
    uint32_t node_count;
    int64_t kept_from; /* earlier ones do not count */
} strata_typed_events;

/* The events of a step, of one type or several. */
typedef struct {
    const strata_typed_events *types;
    uint32_t type_count;
} strata_event_set;

typedef struct {
    const strata_kernels *kernels;
    const strata_event_set *sets;
    uint32_t set_count;
    const strata_step *steps;      /* steps[0] happens first */
    uint32_t step_count;
    int64_t from_us, to_us;        /* [from, to) of the first step; nothing of it is after now */
    int64_t now_us;                /* nothing later counts */
} strata_sequence;

/* Makes room for `count` elements, and for twice as many as before. Returns 0 without memory. */
static inline int strata_make_room(void **array, uint64_t *room, uint64_t count, size_t size) {
    if (count <= *room) return 1;
    uint64_t wanted = count > 2 * *room ? count : 2 * *room;
    void *moved = realloc(*array, wanted * size);
    if (!moved) return 0;
    *array = moved;
    *room = wanted;
    return 1;
}

/* The instants between which events of a set can matter: [from, *end). */
static inline int64_t strata_set_end(const strata_sequence *sequence, uint32_t set) {
    int64_t last_us = sequence->to_us - 1, end_us = sequence->from_us;
    for (uint32_t s = 0; s < sequence->step_count; s++) {
        const strata_step *step = sequence->steps + s;
        int64_t latest_us = s ? strata_time_after(last_us, step->within_us) : last_us;
        if (!step->absent) last_us = latest_us;
        if (step->set == set && latest_us >= end_us)
            end_us = strata_time_after(latest_us, 1);
    }
    int64_t after_now = strata_time_after(sequence->now_us, 1);
    return end_us < after_now ? end_us : after_now;
}

/* The first instant of which events of a type can matter. */
static inline int64_t strata_type_from(const strata_sequence *sequence,
                                       const strata_typed_events *type) {
    return sequence->from_us > type->kept_from ? sequence->from_us : type->kept_from;
}

/* The events of a set, before conditions. */
static inline uint64_t strata_set_events(const strata_event_set *set) {
    uint64_t events = 0;
    for (uint32_t t = 0; t < set->type_count; t++)
        for (uint32_t i = 0; i < set->types[t].chunk_count; i++)
            events += set->types[t].chunks[i]->event_count;
    return events;
}

#endif
