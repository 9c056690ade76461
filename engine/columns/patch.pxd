"""The loops of patch.h, for whoever builds columns."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from engine.bitmaps.containers cimport strata_entry


cdef extern from "engine/columns/patch.h" nogil:
    enum:
        STRATA_INTS
        STRATA_FLOATS
        STRATA_CODES

    ctypedef struct strata_column:
        uint8_t column_kind
        uint8_t width
        uint32_t first_row
        uint32_t row_count
        uint32_t present_count
        int64_t base
        uint64_t step
        uint64_t max_stored
        strata_entry presence

    ctypedef struct strata_reach:
        uint64_t below
        uint64_t above

    ctypedef struct strata_spread:
        uint64_t low
        uint64_t high
        uint32_t nonzero_count

    size_t strata_padded(size_t rows) noexcept
    uint32_t strata_rows_per_part(uint32_t width) noexcept
    uint32_t strata_width_of(uint64_t span) noexcept
    strata_column strata_load_head(const uint8_t *part) noexcept
    double strata_as_double(uint64_t bits) noexcept
    int strata_share_frame(const uint8_t **parts, uint32_t part_count) noexcept
    int strata_steps_from_base(
        const strata_column *frame, const int64_t *values, const uint8_t *present, size_t count,
        uint64_t *steps, strata_reach *reach,
    ) noexcept
    uint32_t strata_stored_length(
        const uint8_t **parts, uint32_t part_count, uint32_t row_count, const uint16_t *rows,
        const uint8_t *present, size_t count,
    ) noexcept
    void strata_add_presence(
        const uint8_t **parts, uint32_t part_count, uint64_t *mask
    ) noexcept
    strata_spread strata_join_spreads(int column_kind, strata_spread a, strata_spread b) noexcept
    size_t strata_part_size(const strata_column *head) noexcept
    strata_spread strata_build_part(
        const uint8_t **parts, uint32_t part_count, strata_column *head, const uint64_t *mask,
        const uint16_t *rows, const uint64_t *stored, const uint8_t *present, size_t count,
        uint64_t shift, uint8_t *out,
    ) noexcept


cdef enum:
    MOST_PARTS = 8  # of a column: those of 16 bytes a row
