# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Containers from Python: rows or a mask of one block to the smallest form and back.

The loops are in containers.h. Each call costs about a microsecond before it starts; whole
directories of containers go through engine.bitmaps.directory in one call.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

import numpy as np

from engine.bitmaps.containers cimport (
    STRATA_ARRAY,
    STRATA_BAD_CARDINALITY,
    STRATA_BAD_KIND,
    STRATA_BAD_ORDER,
    STRATA_BAD_SIZE,
    STRATA_BITSET,
    STRATA_BLOCK_ROWS,
    STRATA_BLOCK_WORDS,
    STRATA_EMPTY,
    STRATA_RUN,
    strata_container_check,
    strata_container_contains,
    strata_container_or_mask,
    strata_container_to_rows,
    strata_entry,
    strata_mask_cardinality,
    strata_mask_set_rows,
    strata_mask_to_rows,
    strata_measure_mask,
    strata_measure_rows,
    strata_write_mask,
    strata_write_rows,
)

__all__ = [
    "ARRAY",
    "BITSET",
    "BLOCK_ROWS",
    "BLOCK_WORDS",
    "EMPTY",
    "RUN",
    "cardinality_of_mask",
    "check",
    "contains",
    "decode",
    "decode_into_mask",
    "encode",
    "encode_mask",
    "mask_of_rows",
    "rows_of_mask",
    "words_of_reason",
]

EMPTY = STRATA_EMPTY
ARRAY = STRATA_ARRAY
BITSET = STRATA_BITSET
RUN = STRATA_RUN
BLOCK_ROWS = STRATA_BLOCK_ROWS
BLOCK_WORDS = STRATA_BLOCK_WORDS

_WORDS = {
    STRATA_BAD_KIND: "is of a kind that does not exist",
    STRATA_BAD_SIZE: "has a size that does not fit its kind and its count of rows",
    STRATA_BAD_ORDER: "has rows out of order or past the end of the block",
    STRATA_BAD_CARDINALITY: "holds another number of rows than it states",
}


def words_of_reason(int reason):
    """What a reason code of containers.h means, as the end of a sentence; '' for 0."""
    return _WORDS[reason] if reason else ""


def encode(const uint16_t[::1] rows not None):  # IN
    """The smallest container of sorted unique rows, as (kind, bytes, cardinality)."""
    cdef uint32_t count = <uint32_t>rows.shape[0]
    if count == 0:
        return EMPTY, b"", 0
    cdef strata_entry entry = strata_measure_rows(&rows[0], count)
    out = np.empty(2 * entry.size_in_2, np.uint8)
    cdef uint8_t[::1] view = out
    strata_write_rows(entry, &rows[0], &view[0])
    return entry.kind, out.tobytes(), entry.cardinality


def encode_mask(const uint64_t[::1] words not None):  # IN
    """The smallest container of a mask of 1024 words, as (kind, bytes, cardinality)."""
    assert words.shape[0] == STRATA_BLOCK_WORDS
    cdef uint16_t[STRATA_BLOCK_ROWS] scratch
    cdef strata_entry entry = strata_measure_mask(&words[0])
    if entry.kind == STRATA_EMPTY:
        return EMPTY, b"", 0
    out = np.empty(2 * entry.size_in_2, np.uint8)
    cdef uint8_t[::1] view = out
    strata_write_mask(entry, &words[0], &view[0], scratch)
    return entry.kind, out.tobytes(), entry.cardinality


cdef void _assert_sound(int kind, const uint8_t[::1] buffer, uint32_t cardinality) except *:
    cdef const uint8_t *at = &buffer[0] if buffer.shape[0] else NULL
    cdef int reason = strata_container_check(kind, at, <size_t>buffer.shape[0], cardinality)
    assert reason == 0, f"a container {words_of_reason(reason)}"


def decode(int kind, const uint8_t[::1] buffer not None, uint32_t cardinality):
    """The sorted rows of a container, uint16. The bytes must be sound; see `check`."""
    _assert_sound(kind, buffer, cardinality)
    rows = np.empty(cardinality, np.uint16)
    cdef uint16_t[::1] view = rows
    if cardinality:
        strata_container_to_rows(kind, &buffer[0], cardinality, &view[0])
    return rows


def decode_into_mask(
    int kind,
    const uint8_t[::1] buffer not None,
    uint32_t cardinality,
    uint64_t[::1] words not None,  # OUT
):
    """Add the rows of a container to a mask of 1024 words. The bytes must be sound."""
    assert words.shape[0] == STRATA_BLOCK_WORDS
    _assert_sound(kind, buffer, cardinality)
    if cardinality:
        strata_container_or_mask(kind, &buffer[0], cardinality, &words[0])


def check(int kind, const uint8_t[::1] buffer not None, uint32_t cardinality):
    """What is wrong with the bytes of a container, as the end of a sentence; '' if nothing.

    Reads any bytes safely: order, range, size and the count of rows are all looked at.
    """
    cdef const uint8_t *at = &buffer[0] if buffer.shape[0] else NULL
    return words_of_reason(
        strata_container_check(kind, at, <size_t>buffer.shape[0], cardinality)
    )


def contains(int kind, const uint8_t[::1] buffer not None, uint32_t cardinality, uint32_t row):
    """Whether a row is in a sound container: a binary search, or one bit."""
    assert row < STRATA_BLOCK_ROWS
    if buffer.shape[0] == 0:
        return False
    return strata_container_contains(kind, &buffer[0], cardinality, row) != 0


def cardinality_of_mask(const uint64_t[::1] words not None):
    """The number of rows in a mask of 1024 words."""
    assert words.shape[0] == STRATA_BLOCK_WORDS
    return strata_mask_cardinality(&words[0])


def rows_of_mask(const uint64_t[::1] words not None):
    """The sorted rows of a mask of 1024 words, uint16."""
    assert words.shape[0] == STRATA_BLOCK_WORDS
    rows = np.empty(strata_mask_cardinality(&words[0]), np.uint16)
    cdef uint16_t[::1] view = rows
    if view.shape[0]:
        strata_mask_to_rows(&words[0], &view[0])
    return rows


def mask_of_rows(const uint16_t[::1] rows not None):
    """A mask of 1024 words, uint64, with these rows set; any order, repeats allowed."""
    words = np.zeros(STRATA_BLOCK_WORDS, np.uint64)
    cdef uint64_t[::1] view = words
    if rows.shape[0]:
        strata_mask_set_rows(&view[0], &rows[0], <uint32_t>rows.shape[0])
    return words
