# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Sequences over the chunks of one block; engine/events/sequences.h says how.

This door makes its arrays anew at each call: it is for tests, benchmarks and few questions.
"""

from libc.stdint cimport INT64_MIN, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

import numpy as np

from engine.core.where_nodes cimport WhereNodes
from engine.events.chunks cimport Chunks, strata_chunk
from engine.events.where cimport strata_kernels, strata_pick_kernels, strata_where

cdef extern from "engine/events/sequences.h" nogil:
    ctypedef struct strata_step:
        uint32_t set
        int absent
        int64_t within_us

    ctypedef struct strata_typed_events:
        const strata_chunk **chunks
        uint32_t chunk_count
        const strata_where *nodes
        uint32_t node_count
        int64_t kept_from

    ctypedef struct strata_event_set:
        const strata_typed_events *types
        uint32_t type_count

    ctypedef struct strata_sequence:
        const strata_kernels *kernels
        const strata_event_set *sets
        uint32_t set_count
        const strata_step *steps
        uint32_t step_count
        int64_t from_us
        int64_t to_us
        int64_t now_us

    ctypedef struct strata_sequence_scratch:
        pass

    void strata_free_sequence_scratch(strata_sequence_scratch *scratch) noexcept
    int strata_match_block(
        const strata_sequence *sequence, const uint64_t *within,
        strata_sequence_scratch *scratch, uint64_t *out,
    ) noexcept

__all__ = ["match_block"]


cdef class _Arrays:
    """What a sequence points to."""

    cdef strata_step *steps
    cdef strata_event_set *sets
    cdef strata_typed_events *types
    cdef strata_sequence_scratch *scratch

    def __cinit__(self, size_t step_count, size_t set_count, size_t type_count):
        self.steps = <strata_step *>calloc(step_count + 1, sizeof(strata_step))
        self.sets = <strata_event_set *>calloc(set_count + 1, sizeof(strata_event_set))
        self.types = <strata_typed_events *>calloc(type_count + 1, sizeof(strata_typed_events))
        self.scratch = <strata_sequence_scratch *>calloc(1, sizeof(strata_sequence_scratch))
        if not (self.steps and self.sets and self.types and self.scratch):
            raise MemoryError

    def __dealloc__(self):
        free(self.steps)
        free(self.sets)
        free(self.types)
        if self.scratch != NULL:
            strata_free_sequence_scratch(self.scratch)
        free(self.scratch)


def match_block(
    sets, steps, int64_t start, int64_t end, int64_t now_us, rows=None, *, str table="",
):
    """The rows of a block whose events follow each other: a mask, uint64[1024].

    `sets` are the events that steps name by place: chunks of each type, and which of them count.
    `steps` are (set, microseconds after the last step that happened, whether none may come); the
    first happens in [start, end), and has no more to say. Nothing after `now_us` counts; `end` is
    at most one microsecond after it. `rows` are those to look at, all where None.

    Raises KeyError for a table of kernels that this processor does not have.
    """
    cdef strata_sequence sequence
    cdef _Arrays kept = _Arrays(len(steps), len(sets), sum(map(len, sets)))
    cdef Chunks chunks
    cdef WhereNodes nodes
    cdef uint32_t i, t = 0
    cdef const uint64_t[::1] among
    cdef const uint64_t *within = NULL
    cdef uint64_t[::1] out
    cdef int done
    sequence.kernels = strata_pick_kernels(table.encode())
    if sequence.kernels == NULL:
        raise KeyError(table)
    for i, (place, within_us, absent) in enumerate(steps):
        kept.steps[i].set, kept.steps[i].within_us, kept.steps[i].absent = place, within_us, absent
    for i, types in enumerate(sets):
        kept.sets[i].types, kept.sets[i].type_count = kept.types + t, <uint32_t>len(types)
        for chunks, nodes in types:
            kept.types[t].chunks, kept.types[t].chunk_count = chunks.chunks, chunks.chunk_count
            kept.types[t].nodes, kept.types[t].node_count = nodes.nodes, nodes.node_count
            kept.types[t].kept_from = INT64_MIN
            t += 1
    sequence.sets, sequence.set_count = kept.sets, <uint32_t>len(sets)
    sequence.steps, sequence.step_count = kept.steps, <uint32_t>len(steps)
    sequence.from_us, sequence.to_us, sequence.now_us = start, end, now_us
    assert end <= now_us + 1 and not steps[0][2]
    if rows is not None:
        among = rows
        within = &among[0]
    found = np.zeros(1024, np.uint64)
    out = found
    with nogil:
        done = strata_match_block(&sequence, within, kept.scratch, &out[0])
    if not done:
        raise MemoryError
    return found
