"""Aggregates of a plan and the columns that one thread fills, as other modules see them.

The structures in C stay inside: their headers and those of leaves have names in common.
"""

from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t, uint64_t

from engine.core.score_layout cimport strata_score, strata_score_rule


cdef class AggregateLayout:
    cdef readonly int32_t count
    cdef void *aggregates      # strata_aggregate, `count` of them
    cdef uint32_t node_room    # nodes of the longest `where`
    cdef uint32_t set_room     # sets of events of the sequence with most, 0 without sequences
    cdef uint32_t source_room  # and sources
    cdef list _columns         # Column
    cdef list _kept            # what the aggregates point into,
    cdef list _tables          # and what of one state of the store

    cdef bint is_score(self, int32_t number)


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
# The score that a column is, NULL for any other.
cdef const strata_score *score_of(void *columns, int32_t number) noexcept nogil
# Begins to fill a score, the columns of whose `each` rules are filled.
cdef void begin_score(void *columns, int32_t number) noexcept nogil
# Adds the points of a `when` to the rows of a mask, where it is NULL to all live ones.
cdef void add_when(
    void *columns, int32_t number, int64_t points, const uint64_t *mask) noexcept nogil
# Whether the lanes of the score that is begun take a byte.
cdef int has_byte_lanes(void *columns) noexcept nogil
# Its lanes.
cdef void *lanes_of(void *columns, int32_t number) noexcept nogil
# Adds what an `each` gives.
cdef void add_each(void *columns, int32_t number, const strata_score_rule *rule) noexcept nogil
# Has a score filled.
cdef void end_score(void *columns, int32_t number) noexcept nogil
# What an `each` gives to a row, in units of the score; its column is filled.
cdef int64_t given_to(
    void *columns, const strata_score_rule *rule, uint32_t row) noexcept nogil
# Has a score filled for some rows alone: rows[i] has sums[at[i]], in units.
cdef void put_scores(
    void *columns, int32_t number, const uint16_t *rows, const uint16_t *at, uint32_t count,
    const int64_t *sums) noexcept nogil
# About how many events filling them takes.
cdef uint64_t events_ahead(void *columns, const int32_t *numbers, uint32_t count) noexcept nogil
