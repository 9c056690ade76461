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

# Properties that need not be looked up to be known.
cdef enum:
    KNOWN_PROPERTIES = 32


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

    def gather(self, list chains not None, rows, starts, blocks, first_part, addresses):
        """Adds the events of rows (uint32[n]), ascending, of some blocks (uint32[m]).

        The rows of the i-th block stand at starts[i] .. starts[i + 1] (intp[m + 1]), and chains[i]
        are its chains; where they are None, it is passed over. `first_part` and `addresses` are
        those of a table of parts, as they were when they were chained last.
        """
        cdef const uint32_t[::1] wanted = rows, of_blocks = blocks, firsts = first_part
        cdef const Py_ssize_t[::1] begin = starts
        cdef const uint64_t[::1] parts = addresses
        cdef const strata_chunk *const *chunks
        cdef Py_ssize_t count = of_blocks.shape[0], i
        cdef uint32_t first, part_count, row_count, known_count = 0
        cdef uint32_t known[KNOWN_PROPERTIES]
        cdef Chains of_block
        cdef int failed
        assert len(chains) == count and begin.shape[0] == count + 1
        self._starts = None
        for i in range(count):
            of_block = chains[i]
            if of_block is None:
                continue
            first = firsts[of_blocks[i]]
            part_count = firsts[of_blocks[i] + 1] - first
            row_count = <uint32_t>(begin[i + 1] - begin[i])
            assert part_count == of_block.part_count, "chains of other chunks"
            if not row_count or not part_count:
                continue
            chunks = <const strata_chunk *const *><const void *>&parts[first]
            known_count = self._note_properties(chunks, part_count, known, known_count)
            with nogil:
                failed = strata_gather_rows(
                    &of_block.chains, chunks, &wanted[begin[i]], row_count, <uint32_t>begin[i],
                    &self.found
                )
            if failed:
                raise MemoryError

    cdef uint32_t _note_properties(
        self, const strata_chunk *const *chunks, uint32_t count, uint32_t *known,
        uint32_t known_count
    ) except? 0xffffffff:
        """Notes the properties that chunks have; the first few of them are `known` to be noted."""
        cdef const strata_event_column *columns
        cdef uint32_t i, c, k, number
        for i in range(count):
            columns = strata_event_columns(chunks[i])
            for c in range(chunks[i].column_count):
                if columns[c].role != STRATA_EVENT_PROPERTY:
                    continue
                number = columns[c].property
                for k in range(known_count):
                    if known[k] == number:
                        break
                else:
                    self.properties.add(number)
                    if known_count < KNOWN_PROPERTIES:
                        known[known_count] = number
                        known_count += 1
        return known_count

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
