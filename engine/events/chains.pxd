"""Declares chains of events to other compiled modules; chains.h says what they are."""

from libc.stdint cimport uint16_t, uint32_t, uint64_t

from engine.events.chunks cimport strata_chunk, strata_event_column


cdef extern from "engine/events/chains.h" nogil:
    const uint32_t STRATA_CHAIN_END

    ctypedef struct strata_chains:
        uint32_t *heads
        uint32_t *links

    void strata_chain_events(
        strata_chains *chains, const strata_chunk *chunk, uint32_t part, uint32_t first,
        uint32_t end
    ) noexcept
    uint32_t strata_chain_find(
        const strata_chains *chains, const strata_chunk **chunks,
        const strata_event_column **ids, uint16_t row, uint64_t digest
    ) noexcept


cdef class Chains:
    cdef strata_chains chains
    cdef readonly uint32_t part_count
    cdef readonly uint32_t chained   # events of the last part
    cdef uint32_t[::1] heads
    cdef uint32_t[::1] links
