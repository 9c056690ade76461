"""Declares containers.h to other compiled modules; the header says what each function does."""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "engine/bitmaps/layout.h" nogil:
    enum:
        STRATA_BLOCK_ROWS
        STRATA_BLOCK_WORDS
        STRATA_PART_BYTES
        STRATA_EMPTY
        STRATA_ARRAY
        STRATA_BITSET
        STRATA_RUN

    ctypedef struct strata_entry:
        uint32_t code
        uint32_t cardinality
        uint32_t offset
        uint16_t size_in_2
        uint8_t kind
        uint8_t reserved

    ctypedef struct strata_set:
        uint32_t entry_count
        uint32_t first_code
        uint32_t last_code
        uint32_t reserved


cdef extern from "engine/bitmaps/containers.h" nogil:
    enum:
        STRATA_BITSET_BYTES
        STRATA_SOUND
        STRATA_BAD_KIND
        STRATA_BAD_SIZE
        STRATA_BAD_ORDER
        STRATA_BAD_CARDINALITY

    uint16_t strata_load16(const uint8_t *at) noexcept
    uint32_t strata_mask_cardinality(const uint64_t *mask) noexcept
    void strata_mask_set_rows(uint64_t *mask, const uint16_t *rows, uint32_t count) noexcept
    uint32_t strata_mask_to_rows(const uint64_t *mask, uint16_t *rows) noexcept
    strata_entry strata_measure_rows(const uint16_t *rows, uint32_t count) noexcept
    strata_entry strata_measure_mask(const uint64_t *mask) noexcept
    void strata_write_rows(strata_entry entry, const uint16_t *rows, uint8_t *out) noexcept
    void strata_write_mask(
        strata_entry entry, const uint64_t *mask, uint8_t *out, uint16_t *scratch
    ) noexcept
    void strata_container_to_rows(
        int kind, const uint8_t *bytes, uint32_t cardinality, uint16_t *rows
    ) noexcept
    void strata_container_or_mask(
        int kind, const uint8_t *bytes, uint32_t cardinality, uint64_t *mask
    ) noexcept
    int strata_container_contains(
        int kind, const uint8_t *bytes, uint32_t cardinality, uint32_t row
    ) noexcept
    int strata_container_check(
        int kind, const uint8_t *bytes, size_t size, uint32_t cardinality
    ) noexcept
