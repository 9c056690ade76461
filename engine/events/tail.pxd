"""Declares tails of events to other compiled modules."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from engine.events.chunks cimport strata_chunk, strata_event_column


cdef extern from "engine/events/tail.h" nogil:
    ctypedef struct strata_tail_column:
        strata_event_column head
        uint32_t byte_room

    ctypedef struct strata_tail:
        uint8_t *memory
        uint32_t capacity
        uint32_t count
        uint32_t column_count
        int is_sorted
        strata_tail_column *columns

    ctypedef struct strata_event_source:
        uint32_t property
        uint32_t kind
        const void *values
        const uint8_t *present
        const uint8_t *data

    int strata_tail_takes(
        const strata_tail *tail, const strata_event_source *sources, uint32_t source_count,
        uint32_t start, uint32_t count
    ) noexcept
    void strata_tail_put_columns(
        strata_tail *tail, const strata_event_source *sources, uint32_t source_count,
        uint32_t start, uint32_t count
    ) noexcept
    uint32_t strata_tail_width(uint32_t role, uint32_t kind) noexcept
    size_t strata_tail_place(strata_tail *tail) noexcept
    void strata_tail_copy(const strata_tail *source, strata_tail *to) noexcept
    void strata_tail_put_rows(strata_tail *tail, const uint16_t *rows, uint32_t count) noexcept
    void strata_tail_put_times(strata_tail *tail, const int64_t *times, uint32_t count) noexcept
    void strata_tail_put_ints(
        strata_tail *tail, uint32_t c, const int64_t *values, const uint8_t *present,
        uint32_t count
    ) noexcept
    void strata_tail_put_floats(
        strata_tail *tail, uint32_t c, const double *values, const uint8_t *present,
        uint32_t count
    ) noexcept
    void strata_tail_put_codes(
        strata_tail *tail, uint32_t c, const uint32_t *codes, uint32_t count
    ) noexcept
    void strata_tail_put_digests(
        strata_tail *tail, uint32_t c, const uint64_t *digests, uint32_t count
    ) noexcept
    void strata_tail_put_texts(
        strata_tail *tail, uint32_t c, const int64_t *offsets, const uint8_t *data,
        const uint8_t *present, uint32_t count
    ) noexcept
    void strata_tail_put_missing(strata_tail *tail, uint32_t c, uint32_t count) noexcept
    void strata_tail_advance(strata_tail *tail, uint32_t count) noexcept
    uint32_t strata_tail_columns_in_use(const strata_tail *tail) noexcept
    void strata_tail_write_head(const strata_tail *tail, strata_chunk *out) noexcept


cdef class TailMemory:
    cdef uint8_t *start
    cdef size_t size


cdef class TailVersion:
    cdef strata_chunk *head
    cdef TailMemory memory
    cdef readonly object origin   # the same of all versions of one tail, and of no other


cdef class EventColumns:
    cdef readonly object events
    cdef const uint16_t[::1] rows
    cdef const int64_t[::1] times
    cdef strata_event_source *sources
    cdef uint32_t source_count
    cdef list kept   # what the sources point to


cdef class Tail:
    cdef strata_tail tail
    cdef TailMemory memory
    cdef object _latest
    cdef object origin

    cdef int _put(self, uint32_t c, events, uint32_t count) except -1
    cdef int _make_room(self, events, uint32_t count) except -1
    cdef object _text_room(self, number, room, added)
    cdef int _place_columns(self, columns, uint32_t capacity) except -1
