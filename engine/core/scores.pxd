"""Columns of scores, filled over the open block."""

from libc.stdint cimport int32_t, uint32_t

from engine.core.nodes cimport context


# Has those of some columns that are scores filled, which may evaluate any node; where it is told to
# stop, or there is no memory, the context says so.
cdef void fill_scores(context *c, const int32_t *numbers, uint32_t count) noexcept nogil
