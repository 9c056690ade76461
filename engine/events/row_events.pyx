# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The events of many rows of many blocks, by chains; row_events.h has the loops."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset

import numpy as np

from engine.events.events import Codes, Floats, Ints

from engine.events.chains cimport Chains, strata_chains
from engine.events.chunks cimport (
    STRATA_EVENT_CODES,
    STRATA_EVENT_FLOATS,
    STRATA_EVENT_INTS,
    STRATA_EVENT_PROPERTY,
    STRATA_EVENT_TEXTS,
    strata_chunk,
    strata_event_column,
)

cdef extern from "engine/events/row_events.h" nogil:
    const strata_event_column *strata_event_columns(const strata_chunk *chunk) noexcept
    int strata_gather_rows(
        const strata_chains *chains, const strata_chunk *const *chunks, const uint32_t *rows,
        uint32_t row_count, uint32_t first_place, strata_row_events *found
    ) noexcept
    uint32_t strata_kind_of(
        const strata_row_event *events, size_t count, uint32_t property
    ) noexcept
    void strata_gather_numbers(
        const strata_row_event *events, size_t count, uint32_t property, int64_t *values,
        uint8_t *present
    ) noexcept
    void strata_gather_codes(
        const strata_row_event *events, size_t count, uint32_t property, uint32_t *codes
    ) noexcept

__all__ = ["RowEvents"]


cdef class RowEvents:
    """Events of one type of rows, by row and then by time; of equal times in any order.

    It reads chunks in place, so it is good for as long as the table of parts is.
    """

    def __cinit__(self):
        self.properties = set()
        memset(&self.found, 0, sizeof(self.found))

    def __dealloc__(self):
        free(self.found.events)

    def __len__(self):
        return <Py_ssize_t>self.found.count

    def gather(self, Chains chains not None, rows, addresses, uint32_t first_place):
        """Adds the events of rows (uint32[n]) of one block, ascending.

        `addresses` (uint64[parts]) are those of the block's chunks as they were chained last, and
        `first_place` is the place of the first row among all that are asked for.
        """
        cdef const uint32_t[::1] wanted = rows
        cdef const uint64_t[::1] parts = addresses
        cdef const strata_chunk *const *chunks
        cdef int failed
        assert parts.shape[0] == chains.part_count, "chains of other chunks"
        if not wanted.shape[0] or not parts.shape[0]:
            return
        self._starts = None
        chunks = <const strata_chunk *const *><const void *>&parts[0]
        self._note_properties(chunks, <uint32_t>parts.shape[0])
        with nogil:
            failed = strata_gather_rows(
                &chains.chains, chunks, &wanted[0], <uint32_t>wanted.shape[0], first_place,
                &self.found
            )
        if failed:
            raise MemoryError

    cdef int _note_properties(self, const strata_chunk *const *chunks, uint32_t count) except -1:
        cdef const strata_event_column *columns
        cdef uint32_t i, c
        for i in range(count):
            columns = strata_event_columns(chunks[i])
            for c in range(chunks[i].column_count):
                if columns[c].role == STRATA_EVENT_PROPERTY:
                    self.properties.add(columns[c].property)
        return 0

    def starts(self, uint32_t row_count):
        """Where the events of each place begin, and the end: uint32[row_count + 1]."""
        if self._starts is None:
            found = np.empty(row_count + 1, np.uint32)
            fill_starts(&self.found, found)
            self._starts = found
        assert len(self._starts) == row_count + 1, "of as many rows as before"
        return self._starts

    def places(self):
        """The place of each event's row: intp[n], ascending."""
        cdef size_t i
        found = np.empty(self.found.count, np.intp)
        cdef Py_ssize_t[::1] out = found
        for i in range(self.found.count):
            out[i] = self.found.events[i].place
        return found

    def times(self):
        """int64[n], microseconds."""
        cdef size_t i
        found = np.empty(self.found.count, np.int64)
        cdef int64_t[::1] out = found
        for i in range(self.found.count):
            out[i] = self.found.events[i].time_us
        return found

    def property(self, uint32_t number):
        """The values of a property; None where no chunk has it. Texts are not read here: they
        raise ValueError."""
        cdef size_t count = self.found.count
        cdef uint32_t kind = strata_kind_of(self.found.events, count, number)
        cdef uint32_t[::1] codes
        cdef int64_t[::1] values
        cdef uint8_t[::1] present
        if kind == 0:
            return None
        if kind == STRATA_EVENT_TEXTS:
            raise ValueError("texts are read chunk by chunk")
        if kind == STRATA_EVENT_CODES:
            found = np.empty(count, np.uint32)
            codes = found
            with nogil:
                strata_gather_codes(self.found.events, count, number, &codes[0])
            return Codes(found)
        numbers, there = np.empty(count, np.int64), np.empty(count, np.uint8)
        values, present = numbers, there
        with nogil:
            strata_gather_numbers(self.found.events, count, number, &values[0], &present[0])
        if kind == STRATA_EVENT_FLOATS:
            return Floats(numbers.view(np.float64), there.view(np.bool_))
        assert kind == STRATA_EVENT_INTS
        return Ints(numbers, there.view(np.bool_))


cdef int fill_starts(const strata_row_events *found, uint32_t[::1] starts) except -1:
    cdef size_t i = 0
    cdef Py_ssize_t place
    for place in range(starts.shape[0]):
        while i < found.count and found.events[i].place < place:
            i += 1
        starts[place] = <uint32_t>i
    return 0
