# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Uids of chosen rows of the store, from the part table of their column; see picking.h.

A row that is chosen and has no uid stored is a defect of the caller.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t, uint64_t

import numpy as np

from engine.bitmaps.containers cimport STRATA_BLOCK_WORDS, strata_mask_cardinality

__all__ = ["hashes_of_mask", "uids_of_mask"]


cdef extern from "engine/bitmaps/layout.h" nogil:
    ctypedef struct strata_column:
        uint32_t first_row
        uint32_t row_count
        uint32_t values_offset


cdef extern from "engine/listing/picking.h" nogil:
    enum:
        STRATA_UID_BYTES

    uint8_t *strata_pick_uids(
        const uint8_t *values, const uint64_t *words, uint32_t word_count, uint8_t *out
    ) noexcept
    size_t strata_pick_hashes(
        const uint8_t *values, const uint64_t *words, uint32_t word_count, uint32_t first_row,
        uint64_t seed, uint64_t most, uint64_t *hashes, uint32_t *rows
    ) noexcept


cdef uint32_t words_of(const strata_column *part) noexcept nogil:
    """Words of a mask that a part has rows for."""
    return (part.row_count + 63) // 64


def uids_of_mask(table, uint32_t block, const uint64_t[::1] words not None):
    """The uids of the rows of a block's mask (uint64 of 1024), in order, joined."""
    assert words.shape[0] == STRATA_BLOCK_WORDS
    cdef const uint32_t[::1] first_part = table.first_part
    cdef const uint64_t[::1] address = table.address
    cdef size_t size = <size_t>STRATA_UID_BYTES * strata_mask_cardinality(&words[0])
    cdef bytes out = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>size)
    cdef uint8_t *begin = <uint8_t *>PyBytes_AS_STRING(out)
    cdef uint8_t *end = begin
    cdef const strata_column *part
    cdef uint32_t i
    if block + 1 < first_part.shape[0]:
        with nogil:
            for i in range(first_part[block], first_part[block + 1]):
                part = <const strata_column *>address[i]
                end = strata_pick_uids(
                    <const uint8_t *>part + part.values_offset, &words[part.first_row // 64],
                    words_of(part), end
                )
    assert <size_t>(end - begin) == size, "a row without a uid"
    return out


def hashes_of_mask(
    table, uint32_t block, const uint64_t[::1] words not None, uint64_t seed, uint64_t most
):
    """XXH64 of the uids of the rows of a block's mask, of those hashes that are not above `most`:
    (hashes uint64, rows uint32 of the store), by row."""
    assert words.shape[0] == STRATA_BLOCK_WORDS
    cdef const uint32_t[::1] first_part = table.first_part
    cdef const uint64_t[::1] address = table.address
    cdef size_t room = <size_t>strata_mask_cardinality(&words[0]) + 1, kept = 0
    hashes = np.empty(room, np.uint64)
    rows = np.empty(room, np.uint32)
    cdef uint64_t[::1] hashes_view = hashes
    cdef uint32_t[::1] rows_view = rows
    cdef const strata_column *part
    cdef uint32_t i
    if block + 1 < first_part.shape[0]:
        with nogil:
            for i in range(first_part[block], first_part[block + 1]):
                part = <const strata_column *>address[i]
                kept += strata_pick_hashes(
                    <const uint8_t *>part + part.values_offset, &words[part.first_row // 64],
                    words_of(part), (block << 16) + part.first_row, seed, most,
                    &hashes_view[kept], &rows_view[kept]
                )
    return hashes[:kept], rows[:kept]
