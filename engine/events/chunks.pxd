"""Declares events in C to other compiled modules; the headers say what each function does."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "engine/events/layout.h" nogil:
    enum:
        STRATA_CHUNK_EVENTS
        STRATA_CHUNK_WORDS
        STRATA_CHUNK_COLUMNS
        STRATA_EVENT_ROW
        STRATA_EVENT_TIME
        STRATA_EVENT_ID
        STRATA_EVENT_ORIGIN
        STRATA_EVENT_PROPERTY
        STRATA_EVENT_INTS
        STRATA_EVENT_FLOATS
        STRATA_EVENT_CODES
        STRATA_EVENT_TEXTS
        STRATA_EVENT_DIGESTS

    ctypedef struct strata_chunk:
        uint16_t version
        uint16_t flags
        uint32_t column_count
        uint32_t event_count
        uint32_t capacity
        uint32_t size
        uint64_t data_offset

    ctypedef struct strata_event_column:
        uint8_t role
        uint8_t kind
        uint8_t width
        uint32_t property
        uint32_t present_count
        uint32_t byte_count
        int64_t base
        uint64_t step
        int64_t low
        int64_t high


cdef extern from "engine/events/chunk.h" nogil:
    const strata_event_column *strata_find_event_column(
        const strata_chunk *chunk, uint32_t role, uint32_t property
    ) noexcept
    const uint8_t *strata_event_text(
        const strata_chunk *chunk, const strata_event_column *column, uint32_t event,
        uint32_t *length
    ) noexcept


cdef class Chunks:
    cdef const strata_chunk **chunks
    cdef uint32_t chunk_count
    cdef readonly list parts
