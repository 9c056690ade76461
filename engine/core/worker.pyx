# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Worker: the memory in which one thread runs a program."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

import numpy as np

from engine.core.aggregates cimport AggregateColumns
from engine.core.control cimport Control
from engine.core.nodes cimport LIST_ROWS, context, outcome
from engine.core.program cimport Program
from engine.core.structures cimport (
    STRATA_BLOCK_WORDS,
    strata_code_masks,
    strata_field,
    strata_ranges,
)

__all__ = ["Worker"]

# Leaves about one category from which on masks of its codes may be worth making.
cdef uint32_t FEWEST_CODE_LEAVES = 4
# Parts of logic from which on what one reads of a block has been read by another just before.
cdef int32_t WARM_CHILDREN = 32


cdef class Worker:
    """The context of one thread: its masks and counters."""

    def __cinit__(self):
        memset(&self.c, 0, sizeof(context))

    def __init__(self, Program program, Control control, Py_ssize_t count_size,
                 bint every_node=False):
        cdef size_t levels = program.depth + 3
        cdef size_t masks = levels * (2 if program.has_scores else 1)
        cdef size_t children = max(1, program.child_count)
        cdef size_t nodes = max(1, program.node_count)
        cdef int64_t[::1] view
        self.program = program
        self.control = control
        self.c.switch_ = &control.switch
        self.c.node_count = program.node_count
        self.counts = np.zeros(max(1, count_size), dtype=np.int64)
        self.c.nodes = program.nodes
        self.c.leaves = program.leaves
        self.c.children = program.children
        self.c.live_field = program.live_field
        self.c.memo_count = program.memo_count
        self.c.reader.kernels = program.kernels
        self.c.reader.fields = program.fields
        if program.aggregates.count:
            self.columns = AggregateColumns(
                program.aggregates, <size_t>program.kernels, <size_t>program.fields,
                len(program._fields), program.block_count)
            self.c.columns = self.columns.all
            self.c.reader.fields = <const strata_field *>self.columns.fields
        self.c.reader.uid_field = program.uid_field
        self.c.reader.live = <uint64_t *>calloc(STRATA_BLOCK_WORDS, 8)
        self.c.masks = <uint64_t *>calloc(masks * STRATA_BLOCK_WORDS, 8)
        self.c.memo_masks = <uint64_t *>calloc(max(1, program.memo_count) * STRATA_BLOCK_WORDS, 8)
        self.c.memos = <outcome *>calloc(max(1, program.memo_count), sizeof(outcome))
        self.c.lists = <uint16_t *>calloc((2 * masks + 2) * LIST_ROWS, 2)
        self.c.order = <int32_t *>calloc(children, 4)
        self.c.costs = <uint32_t *>calloc(children, 4)
        self.c.ranks = <double *>calloc(children, 8)
        self.c.seen = <double *>calloc(nodes, 8)
        self.c.passed = <double *>calloc(nodes, 8)
        if (self.c.reader.live == NULL or self.c.masks == NULL or self.c.memo_masks == NULL
                or self.c.memos == NULL or self.c.lists == NULL
                or self.c.order == NULL or self.c.costs == NULL or self.c.ranks == NULL
                or self.c.seen == NULL or self.c.passed == NULL):
            raise MemoryError
        self.c.is_warm = program.child_count >= WARM_CHILDREN
        if max(program.code_leaves, default=0) >= FEWEST_CODE_LEAVES or program.has_cuts:
            self._have_shared_forms(program.code_leaves, program.cuts)
        if program.has_scores:
            self.c.score_masks = self.c.masks + levels * STRATA_BLOCK_WORDS
            self.c.score_lists = self.c.lists + (2 * levels + 1) * LIST_ROWS
        if every_node:
            self.c.counted = <uint8_t *>calloc(max(1, program.node_count), 1)
            if self.c.counted == NULL:
                raise MemoryError
            self.node_counts = np.zeros(max(1, program.node_count), dtype=np.int64)
            view = self.node_counts
            self.c.node_counts = &view[0]

    cdef int start(self, Control control) except -1:
        """Begins anew, as if just made: nothing is counted, and nothing known of the blocks."""
        cdef int64_t[::1] counts = self.counts
        self.control = control
        self.c.switch_ = &control.switch
        self.c.stopped = 0
        memset(&counts[0], 0, counts.shape[0] * sizeof(int64_t))
        memset(self.c.seen, 0, self.c.node_count * sizeof(double))
        memset(self.c.passed, 0, self.c.node_count * sizeof(double))
        return 0

    def _have_shared_forms(self, list leaf_counts, list cuts):
        cdef int32_t i
        cdef const int64_t[::1] edges
        cdef const uint8_t[::1] lows, spans
        self.c.field_count = <int32_t>len(leaf_counts)
        self.c.codes = <strata_code_masks *>calloc(self.c.field_count, sizeof(strata_code_masks))
        self.c.ranges = <strata_ranges *>calloc(self.c.field_count, sizeof(strata_ranges))
        if self.c.codes == NULL or self.c.ranges == NULL:
            raise MemoryError
        for i in range(self.c.field_count):
            count = leaf_counts[i]
            self.c.codes[i].leaf_count = count if count >= FEWEST_CODE_LEAVES else 0
            if cuts[i] is not None:
                edges, lows, spans = cuts[i]
                self.c.ranges[i].cuts, self.c.ranges[i].cut_count = &edges[0], <uint32_t>len(edges)
                self.c.ranges[i].lows, self.c.ranges[i].spans = &lows[0], &spans[0]
                self.c.ranges[i].range_count = <uint32_t>len(lows)

    def __dealloc__(self):
        cdef int32_t i
        for i in range(self.c.field_count if self.c.ranges != NULL else 0):
            free(self.c.codes[i].masks)
            free(self.c.ranges[i].ranks)
            free(self.c.ranges[i].divided)
            free(self.c.ranges[i].masks)
        free(self.c.codes)
        free(self.c.ranges)
        free(self.c.reader.live)
        free(self.c.masks)
        free(self.c.memo_masks)
        free(self.c.memos)
        free(self.c.lists)
        free(self.c.order)
        free(self.c.costs)
        free(self.c.ranks)
        free(self.c.seen)
        free(self.c.passed)
        free(self.c.counted)
