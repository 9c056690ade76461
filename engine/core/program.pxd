"""Program: a plan laid out for the evaluator's loops."""

from libc.stdint cimport int32_t, uint32_t, uint64_t

from engine.core.aggregates cimport AggregateLayout
from engine.core.leaf_layout cimport LeafHome
from engine.core.structures cimport strata_field, strata_kernels, strata_leaf


cdef enum:
    NODE_FALSE = 0
    NODE_TRUE
    NODE_LEAF
    NODE_AND
    NODE_OR
    NODE_NOT


ctypedef struct program_node:
    int32_t kind
    int32_t leaf           # of NODE_LEAF
    int32_t first_child    # children are children[first_child : first_child + child_count]
    int32_t child_count
    int32_t memo           # slot of its mask where several nodes read it, else -1


cdef class Program(LeafHome):
    cdef readonly object snapshot
    cdef readonly int32_t node_count
    cdef readonly uint32_t block_count
    cdef int32_t leaf_count
    cdef int32_t child_count
    cdef int32_t memo_count
    cdef int32_t depth
    cdef int32_t live_field
    cdef int32_t uid_field
    cdef int32_t group_field   # -1 for none
    cdef program_node *nodes
    cdef strata_leaf *leaves
    cdef int32_t *children
    cdef strata_field *fields
    cdef const strata_kernels *kernels
    cdef list _fields          # field ids, by position in `fields`
    cdef dict _field_positions
    cdef list _tables          # what pointers into one state of the store point into
    cdef list _arrays          # by field two: what `fields` points into, of that or an earlier one
    cdef list _row_leaves      # (leaf, RowsLeaf)
    cdef AggregateLayout aggregates
    cdef bint has_scores
    cdef list code_leaves      # by position in `fields`: leaves that ask about codes of a category
    cdef list cuts             # by position in `fields`: see range_masks.h; None without
    cdef bint has_cuts
    cdef list _columns_read    # by the leaf that is laid out: aggregates, by number

    cdef int32_t field_position(self, int field_id) except -1
    cdef int let_go(self) except -1
