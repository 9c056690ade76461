# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Events of many rows in the order of time, and what windows take in of them; row_lines.h has the
loops."""

from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free, malloc

import numpy as np

from engine.core.where_nodes cimport WhereNodes
from engine.events.row_events cimport RowEvents, strata_row_event
from engine.events.where cimport strata_where

cdef extern from "engine/core/row_lines.h" nogil:
    enum:
        STRATA_LINE_COUNT
        STRATA_LINE_SUM
        STRATA_LINE_FIRST
        STRATA_LINE_LAST

    ctypedef struct strata_line_source:
        const strata_row_event *events
        const uint32_t *starts
        const strata_where *nodes
        uint32_t node_count
        uint32_t property
        int64_t factor

    ctypedef struct strata_line_event:
        pass

    int64_t strata_lay_lines(
        strata_line_source *sources, uint32_t source_count, uint32_t row_count,
        strata_line_event *line, int64_t *places, int64_t *times, int64_t *values, int64_t *starts
    ) noexcept
    int64_t strata_fold_line(
        strata_line_source *sources, uint32_t source_count, int how, int64_t row, int64_t from_us,
        int64_t to_us, int64_t *out
    ) noexcept
    int64_t strata_first_from(
        const int64_t *times, int64_t low, int64_t high, int64_t instant_us
    ) noexcept

__all__ = ["FOLDS", "RowLines", "first_from", "windows"]

cdef dict HOWS = {
    "count": STRATA_LINE_COUNT,
    "sum": STRATA_LINE_SUM,
    "first": STRATA_LINE_FIRST,
    "last": STRATA_LINE_LAST,
}

# What a window can be folded to.
FOLDS = frozenset(HOWS)


cdef class RowLines:
    """The events that a source takes of rows 0 .. row_count - 1.

    Of each of its types there are the RowEvents, a WhereNodes or None, the number of the property
    that is read or 0, and the factor of its values.
    """

    cdef strata_line_source *sources
    cdef uint32_t source_count
    cdef uint32_t row_count
    cdef size_t most
    cdef list kept

    def __cinit__(self, list sources not None, uint32_t row_count):
        cdef uint32_t i
        cdef RowEvents events
        cdef WhereNodes where
        cdef const uint32_t[::1] starts
        cdef strata_line_source *laid
        self.source_count, self.row_count = <uint32_t>len(sources), row_count
        self.sources = <strata_line_source *>calloc(
            self.source_count + 1, sizeof(strata_line_source)
        )
        if self.sources == NULL:
            raise MemoryError
        self.most = 0
        self.kept = []
        for i in range(self.source_count):
            laid = &self.sources[i]
            events, where, laid.property, laid.factor = sources[i]
            starts = events.starts(row_count)
            laid.events, laid.starts = events.found.events, &starts[0]
            if where is not None:
                laid.nodes, laid.node_count = where.nodes, where.node_count
            self.most += events.found.count
            self.kept.append((events, where, starts))

    def __dealloc__(self):
        free(self.sources)

    def lay(self):
        """All of them by place, time and value: places intp, times and values int64, and where
        those of each place begin, intp[row_count + 1]. None where a value does not fit."""
        cdef int64_t found
        cdef strata_line_event *line = <strata_line_event *>malloc(
            (self.most + 1) * sizeof(strata_line_event)
        )
        if line == NULL:
            raise MemoryError
        places, times, values = (np.empty(self.most + 1, np.int64) for _ in range(3))
        starts = np.empty(self.row_count + 1, np.int64)
        cdef int64_t[::1] to_places = places, to_times = times, to_values = values
        cdef int64_t[::1] to_starts = starts
        with nogil:
            found = strata_lay_lines(
                self.sources, self.source_count, self.row_count, line, &to_places[0], &to_times[0],
                &to_values[0], &to_starts[0]
            )
            free(line)
        if found < 0:
            return None
        return places[:found], times[:found], values[:found], starts

    def fold(self, str how not None, places, from_us, to_us):
        """What those of the row at each place in the span [from, to) beside it come to, int64[n],
        0 where there are none; and where there are some, bool[n]. `how` is one of FOLDS. None
        where 64 bits do not do. Spans may be one that is broadcast."""
        cdef const int64_t[::1] at = places
        cdef const int64_t[:] froms = from_us, tos = to_us
        cdef Py_ssize_t count = at.shape[0], i
        cdef int chosen = HOWS[how]
        cdef int64_t taken = 0
        assert froms.shape[0] == count and tos.shape[0] == count
        values, some = np.empty(count, np.int64), np.empty(count, np.uint8)
        cdef int64_t[::1] out = values
        cdef uint8_t[::1] there = some
        with nogil:
            for i in range(count):
                taken = strata_fold_line(
                    self.sources, self.source_count, chosen, at[i], froms[i], tos[i], &out[i]
                )
                if taken < 0:
                    break
                there[i] = taken > 0
        return None if taken < 0 else (values, some.view(np.bool_))


def first_from(starts, times, places, instants):
    """Of the times of the row at each place the first that is not before the instant beside it,
    the end of the row's where there is none: intp[n].

    `starts` int64[rows + 1] says where the times of each row are, which ascend; `instants` may be
    one that is broadcast.
    """
    cdef const int64_t[::1] begin = starts, in_order = times, at = places
    cdef const int64_t[:] wanted = instants
    cdef Py_ssize_t count = at.shape[0], i
    cdef const int64_t *every = &in_order[0] if in_order.shape[0] else NULL
    assert wanted.shape[0] == count
    found = np.empty(count, np.intp)
    cdef Py_ssize_t[::1] out = found
    with nogil:
        for i in range(count):
            out[i] = strata_first_from(every, begin[at[i]], begin[at[i] + 1], wanted[i])
    return found


def windows(starts, times, places, from_us, to_us):
    """The stretch of times that [from, to) takes in of the row at each place: its first and its
    end, intp[n] each. A window that is empty, or ends before it begins, takes in nothing."""
    cdef const int64_t[::1] begin = starts, in_order = times, at = places
    cdef const int64_t[:] froms = from_us, tos = to_us
    cdef Py_ssize_t count = at.shape[0], i
    cdef int64_t end
    cdef const int64_t *every = &in_order[0] if in_order.shape[0] else NULL
    assert froms.shape[0] == count and tos.shape[0] == count
    first, behind = np.empty(count, np.intp), np.empty(count, np.intp)
    cdef Py_ssize_t[::1] to_first = first, to_behind = behind
    with nogil:
        for i in range(count):
            end = begin[at[i] + 1]
            to_first[i] = strata_first_from(every, begin[at[i]], end, froms[i])
            to_behind[i] = strata_first_from(every, to_first[i], end, tos[i])
    return first, behind
