"""Aggregates of a plan and the columns that one thread fills, as other modules see them.

The structures in C stay inside: their headers and those of leaves have names in common.
"""

from libc.stdint cimport int32_t, uint32_t, uint64_t


cdef class AggregateLayout:
    cdef readonly int32_t count
    cdef void *aggregates      # strata_aggregate, `count` of them
    cdef uint32_t node_room    # nodes of the longest `where`
    cdef uint32_t set_room     # sets of events of the sequence with most, 0 without sequences
    cdef uint32_t source_room  # and sources
    cdef list _columns         # Column
    cdef list _kept            # what the aggregates point into,
    cdef list _tables          # and what of one state of the store


cdef class AggregateColumns:
    cdef void *all             # strata_aggregates
    cdef void *fields          # strata_field: a copy with the columns in it
    cdef AggregateLayout _layout
    cdef list _kept


# Begins a block: its live rows, or rows asked of among them; the mask may be filled later, but
# before anything is folded.
cdef void open_columns(
    void *columns, uint32_t block, const uint64_t *live, uint32_t live_count,
    int is_restricted) noexcept nogil
# Whether some columns are filled for the open block.
cdef int are_filled(void *columns, const int32_t *numbers, uint32_t count) noexcept nogil
# Fills them; 0 where there was no memory.
cdef int fill_columns(void *columns, const int32_t *numbers, uint32_t count) noexcept nogil
# About how many events filling them takes.
cdef uint64_t events_ahead(void *columns, const int32_t *numbers, uint32_t count) noexcept nogil
