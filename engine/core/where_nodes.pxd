"""Conditions on events, laid out for the loops over chunks."""

from libc.stdint cimport int32_t, uint32_t

from engine.core.leaf_layout cimport LeafHome
from engine.core.structures cimport strata_leaf
from engine.events.where cimport strata_where


cdef class WhereNodes(LeafHome):
    cdef strata_where *nodes   # as strata_pick_events takes them, with `node_count`
    cdef readonly uint32_t node_count
    cdef strata_leaf *leaves

    cdef int32_t field_position(self, int field_id) except -1
