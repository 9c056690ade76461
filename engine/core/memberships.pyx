# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Stored memberships: masks to payloads and back, and single rows.

A membership is a strata_set with code 0 alone, one part for each block; a block without the
record holds nobody. Payloads are what engine.columns.sets.encode_rows makes of the same rows.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

import numpy as np

from engine.bitmaps.containers cimport (
    STRATA_BLOCK_ROWS,
    STRATA_BLOCK_WORDS,
    STRATA_EMPTY,
    strata_container_contains,
    strata_container_or_mask,
    strata_entry,
    strata_mask_cardinality,
    strata_mask_to_rows,
    strata_measure_mask,
    strata_set,
    strata_write_mask,
)

__all__ = ["encode_mask", "holds_row", "stored_masks", "take_moves"]


cdef extern from "engine/bitmaps/directory.h" nogil:
    ctypedef struct strata_extent:
        uint32_t entry_count
        uint32_t bitset_count
        uint32_t other_bytes

    void strata_extent_add(strata_extent *extent, const strata_entry *entry) noexcept
    uint32_t strata_extent_body(strata_extent extent) noexcept
    uint32_t strata_extent_bytes(strata_extent extent) noexcept
    strata_entry strata_directory_entry(const uint8_t *payload, uint32_t i) noexcept
    int64_t strata_directory_find(const uint8_t *payload, uint32_t code) noexcept


cdef tuple payload_of_mask(const uint64_t *mask):
    """The payload of the rows of a mask, and how many they are."""
    cdef uint16_t[STRATA_BLOCK_ROWS] scratch
    cdef strata_entry entry = strata_measure_mask(mask)
    cdef strata_extent extent
    cdef strata_set head
    cdef bytes out
    cdef uint8_t *to
    cdef uint32_t size
    memset(&extent, 0, sizeof(extent))
    memset(&head, 0, sizeof(head))
    strata_extent_add(&extent, &entry)
    size = strata_extent_bytes(extent)
    head.entry_count = 1
    out = PyBytes_FromStringAndSize(NULL, size)
    to = <uint8_t *>PyBytes_AS_STRING(out)
    memset(to, 0, size)
    if entry.kind != STRATA_EMPTY:
        entry.offset = strata_extent_body(extent)
        strata_write_mask(entry, mask, to + entry.offset, scratch)
    memcpy(to, &head, sizeof(head))
    memcpy(to + sizeof(head), &entry, sizeof(entry))
    return out, entry.cardinality


cdef int add_payload(uint64_t *mask, const uint8_t *payload) noexcept nogil:
    """mask |= the rows of code 0; 0 where the payload has no such entry."""
    cdef int64_t i = strata_directory_find(payload, 0)
    cdef strata_entry entry
    if i < 0:
        return 0
    entry = strata_directory_entry(payload, <uint32_t>i)
    strata_container_or_mask(entry.kind, payload + entry.offset, entry.cardinality, mask)
    return 1


cdef int payload_has(const uint8_t *payload, uint32_t row) noexcept nogil:
    cdef int64_t i = strata_directory_find(payload, 0)
    cdef strata_entry entry
    if i < 0:
        return 0
    entry = strata_directory_entry(payload, <uint32_t>i)
    return strata_container_contains(entry.kind, payload + entry.offset, entry.cardinality, row)


cdef object rows_of(const uint64_t *mask, uint32_t first):
    """The rows of a mask, uint32, counted from the first of its block."""
    cdef uint16_t[STRATA_BLOCK_ROWS] inside
    cdef uint32_t count = strata_mask_cardinality(mask), i
    rows = np.empty(count, np.uint32)
    cdef uint32_t[::1] view = rows
    strata_mask_to_rows(mask, inside)
    for i in range(count):
        view[i] = first + inside[i]
    return rows


def encode_mask(const uint64_t[::1] mask not None):
    """The payload of the rows of a mask (uint64 of 1024), bytes, and how many they are."""
    assert mask.shape[0] == STRATA_BLOCK_WORDS
    return payload_of_mask(&mask[0])


def stored_masks(table, uint32_t block_count):
    """The members of a stored membership: uint64 (blocks, 1024), from the field's part table."""
    cdef const uint32_t[::1] first_part = table.first_part
    cdef const uint64_t[::1] address = table.address
    cdef uint64_t[:, ::1] view
    cdef uint32_t block
    masks = np.zeros((block_count, STRATA_BLOCK_WORDS), np.uint64)
    view = masks
    for block in range(min(block_count, <uint32_t>(first_part.shape[0] - 1))):
        if first_part[block] < first_part[block + 1]:
            add_payload(&view[block, 0], <const uint8_t *>address[first_part[block]])
    return masks


def holds_row(table, uint32_t row):
    """Whether a field of live rows or members holds a row, from the field's part table."""
    cdef const uint32_t[::1] first_part = table.first_part
    cdef const uint64_t[::1] address = table.address
    cdef uint32_t block = row >> 16
    if block + 1 >= first_part.shape[0] or first_part[block] == first_part[block + 1]:
        return False
    return bool(payload_has(<const uint8_t *>address[first_part[block]], row & 0xFFFF))


def take_moves(
    const uint64_t[::1] members not None,
    uint64_t[::1] stored not None,  # INOUT
    const uint64_t[::1] apart not None,
    uint32_t block,
):
    """The rows of a block that enter and that leave, sorted uint32, where `stored` is to become
    `members` but for the rows that stand `apart`; which it then is. Masks are uint64 (1024,)."""
    cdef uint64_t[STRATA_BLOCK_WORDS] came
    cdef uint64_t[STRATA_BLOCK_WORDS] went
    cdef uint64_t moved, any_moved = 0
    cdef uint32_t w
    assert members.shape[0] == stored.shape[0] == apart.shape[0] == STRATA_BLOCK_WORDS
    for w in range(STRATA_BLOCK_WORDS):
        moved = (members[w] ^ stored[w]) & ~apart[w]
        came[w] = moved & members[w]
        went[w] = moved & stored[w]
        stored[w] ^= moved
        any_moved |= moved
    if not any_moved:
        nobody = np.empty(0, np.uint32)
        return nobody, nobody
    return rows_of(came, block << 16), rows_of(went, block << 16)
