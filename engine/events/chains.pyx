# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The events of one row of a block, by chains; chains.h says what they are."""

from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

import numpy as np

from engine.events.chunks cimport (
    STRATA_CHUNK_EVENTS,
    STRATA_EVENT_ID,
    Chunks,
    strata_chunk,
    strata_event_column,
    strata_find_event_column,
)

__all__ = ["NOT_FOUND", "Chains"]

# What stands for no event where `Chains.find` found none.
NOT_FOUND = 0xFFFFFFFF


cdef class Chains:
    """The chains of all events of one type of one block.

    `chunks` are its parts; what is added to the last of them later is chained by `extend`. Takes
    256 KiB and 4 bytes an event.
    """

    def __cinit__(self, Chunks chunks not None):
        cdef uint32_t part
        self.part_count = chunks.chunk_count
        self.heads = np.full(65536, STRATA_CHAIN_END, np.uint32)
        self.links = np.empty(max(1, self.part_count) * STRATA_CHUNK_EVENTS, np.uint32)
        self.chains.heads, self.chains.links = &self.heads[0], &self.links[0]
        self.chained = 0
        with nogil:
            for part in range(self.part_count):
                self.chained = chunks.chunks[part].event_count
                strata_chain_events(&self.chains, chunks.chunks[part], part, 0, self.chained)

    def extend(self, Chunks chunks not None):
        """Chains what the last part has more than when it was chained.

        `chunks` are the same parts, the last of them a later version of the same tail.
        """
        assert chunks.chunk_count == self.part_count > 0
        self.extend_tail(<size_t>chunks.chunks[self.part_count - 1])

    def extend_tail(self, size_t address):
        """The same for the last part alone, at an address."""
        cdef const strata_chunk *tail = <const strata_chunk *>address
        assert tail.event_count >= self.chained and self.part_count > 0
        strata_chain_events(
            &self.chains, tail, self.part_count - 1, self.chained, tail.event_count
        )
        self.chained = tail.event_count

    @property
    def nbytes(self):
        """Bytes of memory."""
        return self.heads.nbytes + self.links.nbytes

    def find(self, Chunks chunks not None, rows, ids):
        """The events of rows (uint16[n]) that have these digests (uint64[n], not 0): uint32[n],
        part * CHUNK_EVENTS + place, NOT_FOUND where there is none.

        `chunks` are the parts as they were chained last.
        """
        assert chunks.chunk_count == self.part_count
        assert len(rows) == len(ids)
        cdef const uint16_t[::1] wanted = rows
        cdef const uint64_t[::1] digests = ids
        cdef Py_ssize_t count = wanted.shape[0], i
        cdef uint32_t part
        found = np.empty(count, np.uint32)
        cdef uint32_t[::1] out = found
        cdef const strata_event_column **columns = <const strata_event_column **>calloc(
            self.part_count + 1, sizeof(strata_event_column *)
        )
        if columns == NULL:
            raise MemoryError
        with nogil:
            for part in range(self.part_count):
                columns[part] = strata_find_event_column(chunks.chunks[part], STRATA_EVENT_ID, 0)
            for i in range(count):
                out[i] = strata_chain_find(
                    &self.chains, chunks.chunks, columns, wanted[i], digests[i]
                )
        free(<void *>columns)
        return found

    def events_of(self, uint32_t row):
        """Events of a row below 65,536, the last chained first: uint32[n], part *
        CHUNK_EVENTS + place."""
        cdef list found = []
        cdef uint32_t event = self.heads[row]
        while event != STRATA_CHAIN_END:
            found.append(event)
            event = self.links[event]
        return np.array(found, np.uint32)
