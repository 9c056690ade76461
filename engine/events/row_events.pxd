"""Declares the gathered events of many rows to other compiled modules; row_events.h says what they
are."""

from libc.stdint cimport int64_t, uint32_t

from engine.events.chunks cimport strata_chunk


cdef extern from "engine/events/row_events.h" nogil:
    ctypedef struct strata_row_event:
        int64_t time_us
        const strata_chunk *chunk
        uint32_t event
        uint32_t place

    ctypedef struct strata_row_events:
        strata_row_event *events
        size_t count
        size_t room


cdef class RowEvents:
    cdef strata_row_events found
    cdef readonly set properties   # numbers of those that the chunks have
    cdef object _starts

    cdef uint32_t _note_properties(
        self, const strata_chunk *const *chunks, uint32_t count, uint32_t *known,
        uint32_t known_count
    ) except? 0xffffffff
