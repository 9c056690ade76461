# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Directories of containers from Python: all containers of a field of a block in one call.

In memory a directory is three arrays: `codes` (uint32[k], ascending), `starts` (int64[k+1])
and `rows` (uint16), where code i holds the sorted unique rows[starts[i]:starts[i+1]].
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport calloc, free

import numpy as np

from engine.bitmaps.containers import words_of_reason

from engine.bitmaps.containers cimport (
    STRATA_BLOCK_ROWS,
    STRATA_EMPTY,
    STRATA_PART_BYTES,
    strata_container_to_rows,
    strata_entry,
    strata_measure_rows,
)

__all__ = ["PART_BYTES", "check", "codes_of_row", "pack", "rows_of_code", "unpack"]

PART_BYTES = STRATA_PART_BYTES


cdef extern from "engine/bitmaps/directory.h" nogil:
    enum:
        STRATA_BAD_HEAD
        STRATA_BAD_CODES
        STRATA_BAD_OFFSET

    ctypedef struct strata_extent:
        uint32_t entry_count
        uint32_t bitset_count
        uint32_t other_bytes

    void strata_extent_add(strata_extent *extent, const strata_entry *entry) noexcept
    uint32_t strata_extent_bytes(strata_extent extent) noexcept
    void strata_directory_write(
        strata_extent extent,
        strata_entry *entries,
        const int64_t *starts,
        const uint16_t *rows,
        uint8_t *payload,
    ) noexcept
    strata_entry strata_directory_entry(const uint8_t *payload, uint32_t i) noexcept
    uint32_t strata_directory_count(const uint8_t *payload) noexcept
    int64_t strata_directory_find(const uint8_t *payload, uint32_t code) noexcept
    uint32_t strata_directory_codes_of_row(
        const uint8_t *payload, uint32_t row, uint32_t *codes
    ) noexcept
    int strata_directory_check(const uint8_t *payload, size_t size) noexcept


_WORDS = {
    STRATA_BAD_HEAD: "has a head that does not fit its entries",
    STRATA_BAD_CODES: "has codes out of order",
    STRATA_BAD_OFFSET: "points outside of itself",
}


cdef void _measure(
    const uint32_t *codes, const int64_t *starts, const uint16_t *rows, int64_t count,
    strata_entry *entries,
) noexcept nogil:
    cdef int64_t i
    for i in range(count):
        entries[i] = strata_measure_rows(rows + starts[i], <uint32_t>(starts[i + 1] - starts[i]))
        entries[i].code = codes[i]


cdef strata_extent _take_part(const strata_entry *entries, int64_t count) noexcept nogil:
    """The extent of as many leading entries as one part can hold; at least one."""
    cdef strata_extent extent, longer
    cdef int64_t i
    extent.entry_count = extent.bitset_count = extent.other_bytes = 0
    for i in range(count):
        longer = extent
        strata_extent_add(&longer, &entries[i])
        if i > 0 and strata_extent_bytes(longer) > STRATA_PART_BYTES:
            break
        extent = longer
    return extent


def pack(
    const uint32_t[::1] codes not None,  # IN
    const int64_t[::1] starts not None,  # IN
    const uint16_t[::1] rows not None,  # IN
):
    """The payload parts of a directory, each at most PART_BYTES; one part where it is empty.

    A code may have no rows: it gets an entry of the empty kind.
    """
    cdef int64_t count = codes.shape[0], done = 0
    assert starts.shape[0] == count + 1 and starts[0] == 0 and starts[count] == rows.shape[0]
    cdef strata_entry *entries = <strata_entry *>calloc(max(count, 1), sizeof(strata_entry))
    if entries == NULL:
        raise MemoryError
    cdef const uint32_t *code_at = &codes[0] if count else NULL
    cdef const uint16_t *row_at = &rows[0] if rows.shape[0] else NULL
    cdef strata_extent extent
    cdef uint8_t[::1] view
    parts = []
    try:
        with nogil:
            _measure(code_at, &starts[0], row_at, count, entries)
        while True:
            extent = _take_part(entries + done, count - done)
            out = np.zeros(strata_extent_bytes(extent), np.uint8)
            view = out
            with nogil:
                strata_directory_write(
                    extent, entries + done, &starts[done], row_at, &view[0]
                )
            parts.append(out.tobytes())
            done += extent.entry_count
            if done >= count:
                return parts
    finally:
        free(entries)


def unpack(const uint8_t[::1] part not None):
    """The codes, starts and rows of one sound part; see the head of this module."""
    assert part.shape[0] >= 16
    cdef const uint8_t *payload = &part[0]
    cdef uint32_t count = strata_directory_count(payload), i
    cdef int64_t total = 0
    cdef strata_entry entry
    codes = np.empty(count, np.uint32)
    starts = np.zeros(count + 1, np.int64)
    cdef uint32_t[::1] codes_view = codes
    cdef int64_t[::1] starts_view = starts
    for i in range(count):
        entry = strata_directory_entry(payload, i)
        total += entry.cardinality
        codes_view[i] = entry.code
        starts_view[i + 1] = total
    rows = np.empty(total, np.uint16)
    cdef uint16_t[::1] rows_view = rows
    with nogil:
        for i in range(count):
            entry = strata_directory_entry(payload, i)
            if entry.kind != STRATA_EMPTY:
                strata_container_to_rows(
                    entry.kind, payload + entry.offset, entry.cardinality,
                    &rows_view[starts_view[i]],
                )
    return codes, starts, rows


def rows_of_code(const uint8_t[::1] part not None, uint32_t code):
    """The sorted rows of one code in a sound part, uint16; None where it has no entry."""
    assert part.shape[0] >= 16
    cdef int64_t i = strata_directory_find(&part[0], code)
    if i < 0:
        return None
    cdef strata_entry entry = strata_directory_entry(&part[0], <uint32_t>i)
    rows = np.empty(entry.cardinality, np.uint16)
    cdef uint16_t[::1] view = rows
    if entry.kind != STRATA_EMPTY:
        strata_container_to_rows(
            entry.kind, &part[0] + entry.offset, entry.cardinality, &view[0]
        )
    return rows


def codes_of_row(const uint8_t[::1] part not None, uint32_t row):
    """The codes other than 0 that hold a row, ascending, uint32, of one sound part."""
    assert part.shape[0] >= 16 and row < STRATA_BLOCK_ROWS
    codes = np.empty(max(strata_directory_count(&part[0]), 1), np.uint32)
    cdef uint32_t[::1] view = codes
    return codes[: strata_directory_codes_of_row(&part[0], row, &view[0])].copy()


def check(const uint8_t[::1] part not None):
    """What is wrong with a part of a directory, as the end of a sentence; '' if nothing.

    Reads any bytes safely: head, order of codes, and every container in it.
    """
    if part.shape[0] == 0:
        return _WORDS[STRATA_BAD_HEAD]
    cdef int fault = strata_directory_check(&part[0], <size_t>part.shape[0])
    if fault >= STRATA_BAD_HEAD:
        return _WORDS[fault]
    return f"holds a container that {words_of_reason(fault)}" if fault else ""
