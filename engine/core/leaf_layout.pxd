"""Leaves of plans in C, and what keeps them alive."""

from libc.stdint cimport int32_t

from engine.core.structures cimport strata_leaf


cdef class LeafHome:
    cdef list _kept            # whatever the pointers point into

    cdef int32_t field_position(self, int field_id) except -1
    cdef const void *keep(self, array) except? NULL


cdef const void *pin(list kept, array) except? NULL
# A list of rows is left empty: it is laid out for each state of the store.
cdef int lay_out_leaf(LeafHome home, leaf, strata_leaf *out) except -1
