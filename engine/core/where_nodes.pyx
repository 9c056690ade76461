# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Conditions on events in C: planned nodes become those of engine/events/where.h.

What where.h has no node for is a call of where_leaves.h, with the leaf for context.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc

import numpy as np

from engine.core import operations

from engine.core.leaf_layout cimport LeafHome, lay_out_leaf
from engine.core.structures cimport strata_leaf
from engine.events.chunks cimport Chunks, strata_chunk
from engine.events.where cimport (
    STRATA_TEXT_CONTAINS,
    STRATA_TEXT_ENDS,
    STRATA_TEXT_STARTS,
    STRATA_WHERE_AND,
    STRATA_WHERE_CALL,
    STRATA_WHERE_CODES,
    STRATA_WHERE_DEPTH,
    STRATA_WHERE_FLOATS,
    STRATA_WHERE_NOT,
    STRATA_WHERE_OR,
    STRATA_WHERE_PRESENT,
    STRATA_WHERE_RANGE,
    STRATA_WHERE_TEXT,
    strata_first_stretch,
    strata_kernels,
    strata_next_stretch,
    strata_pick_events,
    strata_pick_kernels,
    strata_picks,
    strata_stretch,
    strata_where,
    strata_where_scratch,
)

cdef extern from "engine/core/where_leaves.h" nogil:
    int strata_test_where_leaf(
        const strata_where *node, const strata_chunk *chunk, uint32_t first_word,
        uint32_t end_word, uint64_t *out,
    ) noexcept

__all__ = ["WhereNodes"]

cdef dict JOINS = {
    "and": STRATA_WHERE_AND,
    "or": STRATA_WHERE_OR,
    "not": STRATA_WHERE_NOT,
}
cdef dict HOWS = {
    "contains": STRATA_TEXT_CONTAINS,
    "starts with": STRATA_TEXT_STARTS,
    "ends with": STRATA_TEXT_ENDS,
}


cdef class WhereNodes(LeafHome):
    """Nodes of `plan_where` for one type of event; keeps all that they point to."""

    def __cinit__(self, nodes):
        cdef uint32_t i
        self.node_count = <uint32_t>len(nodes)
        self.nodes = <strata_where *>calloc(self.node_count + 1, sizeof(strata_where))
        self.leaves = <strata_leaf *>calloc(self.node_count + 1, sizeof(strata_leaf))
        if self.nodes == NULL or self.leaves == NULL:
            raise MemoryError
        assert_fits(nodes)
        for i in range(self.node_count):
            if nodes[i].leaf is None:
                self.nodes[i].kind = JOINS[nodes[i].kind]
            else:
                lay_out_test(self, nodes[i].leaf, &self.nodes[i], &self.leaves[i])

    def __dealloc__(self):
        free(self.nodes)
        free(self.leaves)

    cdef int32_t field_position(self, int field_id) except -1:
        """Chunks know a property by its number."""
        return field_id

    def pick(self, Chunks chunks not None, int64_t start, int64_t end, *, str table=""):
        """The events of the window [start, end) that the nodes hold for: bool[n] for each chunk.

        `table` names the table of kernels; KeyError where this processor has no such table.
        """
        cdef const strata_kernels *kernels = strata_pick_kernels(table.encode())
        cdef strata_where_scratch *scratch
        cdef strata_picks picks
        cdef strata_stretch stretch
        cdef uint32_t i, j
        cdef uint8_t[::1] held
        cdef list found = []
        if kernels == NULL:
            raise KeyError(table)
        scratch = <strata_where_scratch *>malloc(sizeof(strata_where_scratch))
        if scratch == NULL:
            raise MemoryError
        for i in range(chunks.chunk_count):
            bits = np.zeros(chunks.chunks[i].event_count, np.uint8)
            held = bits
            if strata_pick_events(
                kernels, chunks.chunks[i], start, end, self.nodes, self.node_count, scratch,
                &picks,
            ):
                strata_first_stretch(&picks, &stretch)
                while strata_next_stretch(chunks.chunks[i], &picks, &stretch):
                    for j in range(stretch.count):
                        held[
                            stretch.events[j] if stretch.events != NULL else stretch.first + j
                        ] = 1
            found.append(bits.view(np.bool_))
        free(scratch)
        return found


cdef int assert_fits(nodes) except -1:
    """That nodes in postfix order leave one answer and never wait deeper than there is room."""
    cdef int depth = 0
    for node in nodes:
        if node.kind == "leaf":
            depth += 1
        elif node.kind != "not":
            depth -= 1
        assert 1 <= depth <= STRATA_WHERE_DEPTH, "nodes that are not in postfix order"
    assert depth == 1 or not nodes, "nodes that are not in postfix order"
    return 0


cdef int lay_out_test(
    WhereNodes home, leaf, strata_where *out, strata_leaf *as_leaf
) except -1:
    kind = type(leaf)
    lay_out_leaf(home, leaf, as_leaf)
    out.property = <uint32_t>as_leaf.field
    if kind is operations.PresentLeaf:
        out.kind = STRATA_WHERE_PRESENT
    elif kind is operations.IntRangeLeaf:
        out.kind, out.low, out.high = STRATA_WHERE_RANGE, as_leaf.low, as_leaf.high
    elif kind is operations.FloatRangeLeaf:
        out.kind = STRATA_WHERE_FLOATS
        out.low_float, out.high_float = as_leaf.float_low, as_leaf.float_high
    elif kind is operations.CodesLeaf:
        out.kind, out.members = STRATA_WHERE_CODES, as_leaf.members
    elif kind is operations.TextLeaf:
        out.kind, out.how = STRATA_WHERE_TEXT, HOWS[leaf.how]
        out.needle, out.needle_length = as_leaf.needle, as_leaf.needle_length
    else:
        out.kind, out.test, out.context = STRATA_WHERE_CALL, strata_test_where_leaf, as_leaf
        return 0
    assert not as_leaf.negated, "plans say present, and not so"
    return 0
