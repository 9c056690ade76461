"""Declares conditions on events in C to other compiled modules; where.h and picks.h say what is
what."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from engine.events.chunks cimport strata_chunk


cdef extern from "engine/events/where.h" nogil:
    enum:
        STRATA_EVENTS_NONE
        STRATA_EVENTS_ALL
        STRATA_EVENTS_SOME
        STRATA_WHERE_PRESENT
        STRATA_WHERE_RANGE
        STRATA_WHERE_CODES
        STRATA_WHERE_FLOATS
        STRATA_WHERE_TEXT
        STRATA_WHERE_ROWS
        STRATA_WHERE_CALL
        STRATA_WHERE_AND
        STRATA_WHERE_OR
        STRATA_WHERE_NOT
        STRATA_WHERE_DEPTH
        STRATA_TEXT_CONTAINS
        STRATA_TEXT_STARTS
        STRATA_TEXT_ENDS

    ctypedef struct strata_kernels:
        pass

    ctypedef struct strata_where:
        uint32_t kind
        uint32_t property
        int64_t low
        int64_t high
        double low_float
        double high_float
        const uint64_t *members
        int how
        uint32_t needle_length
        const uint8_t *needle
        int (*test)(
            const strata_where *node, const strata_chunk *chunk, uint32_t first_word,
            uint32_t end_word, uint64_t *out,
        ) noexcept nogil
        void *context

    ctypedef struct strata_where_scratch:
        pass

    ctypedef struct strata_picks:
        uint32_t first
        uint32_t end
        int is_masked
        uint64_t *words

    ctypedef struct strata_stretch:
        uint32_t count
        uint32_t first
        const uint16_t *rows
        const uint16_t *events

    const strata_kernels *strata_pick_kernels(const char *name) noexcept
    int strata_pick_events(
        const strata_kernels *kernels, const strata_chunk *chunk, int64_t start, int64_t end,
        const strata_where *nodes, uint32_t node_count, strata_where_scratch *scratch,
        strata_picks *picks,
    ) noexcept
    uint32_t strata_pick_count(const strata_picks *picks) noexcept
    void strata_first_stretch(const strata_picks *picks, strata_stretch *stretch) noexcept
    int strata_next_stretch(
        const strata_chunk *chunk, const strata_picks *picks, strata_stretch *stretch
    ) noexcept
