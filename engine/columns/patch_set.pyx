# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Sets, bools and live rows of a block with some rows put in or taken out.

Each function gives, byte by byte, what decoding the parts, making the change and encoding again
would give. Containers that no change names are copied as they are. The loops are in patch_set.h.
`parts` are as stored, none where the block has nothing of the field.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

import numpy as np

from engine.columns.bools import FALSE, TRUE
from engine.columns.zone import Encoded, Zone

from engine.bitmaps.containers cimport (
    STRATA_BITSET_BYTES,
    STRATA_BLOCK_ROWS,
    STRATA_BLOCK_WORDS,
    strata_container_or_mask,
    strata_mask_set_rows,
)

__all__ = ["patch_bools", "patch_codes_set", "patch_rows"]


cdef extern from "engine/columns/mask_forms.h" nogil:
    void strata_mask_lay_rows(
        uint64_t *mask, const uint16_t *rows, const uint8_t *present, size_t count
    ) noexcept


cdef tuple pack_held(const strata_held *held, uint32_t count):
    cdef strata_extent extent
    cdef bytes part
    cdef uint8_t *out
    cdef list made = []
    while count:
        extent = strata_take_held(held, count)
        part = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>strata_extent_bytes(extent))
        out = <uint8_t *>PyBytes_AS_STRING(part)
        with nogil:
            strata_write_held(extent, held, out)
        made.append(part)
        held += extent.entry_count
        count -= extent.entry_count
    return tuple(made)


cdef object _list_held(parts, uint32_t *count):
    """The containers of all parts as an array of strata_held, and how many they are."""
    cdef const uint8_t[::1] view
    cdef uint8_t[::1] out
    count[0] = 0
    for view in parts:
        count[0] += strata_directory_count(&view[0])
    held = np.empty((count[0] + 1) * sizeof(strata_held), np.uint8)
    out = held
    cdef strata_held *at = <strata_held *>&out[0]
    for view in parts:
        at += strata_list_held(&view[0], at)
    return held


def patch_codes_set(
    parts,
    const uint16_t[::1] rows not None,  # IN
    const uint32_t[::1] codes not None,  # IN
    held,
):
    """The set in which row rows[i] has the value codes[i], from 1, where held[i], and not else.

    rows uint16 (n,), codes uint32 (n,), held bool (n,): each pair once, in any order. The
    presence follows: a row is in it where it has any value.
    """
    keys = np.asarray(codes).astype(np.uint64) << np.uint64(16) | rows
    order = np.argsort(keys)
    keys = keys[order]
    assert bool(np.diff(keys, prepend=np.uint64(0xFFFF)).all()), "each pair once"
    assert len(keys) == 0 or keys[0] >= 1 << 16, "code 0 is the presence"
    cdef const uint16_t[::1] sorted_rows = keys.astype(np.uint16)
    cdef const uint32_t[::1] sorted_codes = (keys >> np.uint64(16)).astype(np.uint32)
    cdef const uint8_t[::1] sorted_held = held[order].view(np.uint8)
    assert sorted_held.shape[0] == sorted_codes.shape[0]
    cdef strata_pairs pairs
    pairs.count = <size_t>sorted_rows.shape[0]
    pairs.rows = &sorted_rows[0] if pairs.count else NULL
    pairs.codes = &sorted_codes[0] if pairs.count else NULL
    pairs.is_held = &sorted_held[0] if pairs.count else NULL
    return _patch_pairs(parts, &pairs)


cdef object _patch_pairs(parts, const strata_pairs *pairs):
    cdef uint32_t old_count, count
    cdef uint8_t[::1] old_view = _list_held(parts, &old_count)
    cdef const strata_held *old = <const strata_held *>&old_view[0]
    cdef uint8_t[::1] now_view = np.empty(
        (old_count + pairs.count + 1) * sizeof(strata_held), np.uint8
    )
    cdef strata_held *now = <strata_held *>&now_view[0]
    cdef uint64_t presence[STRATA_BLOCK_WORDS]
    cdef uint8_t presence_bytes[STRATA_BITSET_BYTES]
    cdef uint16_t scratch[STRATA_BLOCK_ROWS]
    memset(presence, 0, sizeof(presence))
    if old_count and old[0].entry.code == 0:
        strata_container_or_mask(
            old[0].entry.kind, old[0].bytes, old[0].entry.cardinality, presence
        )
        old += 1
        old_count -= 1
    cdef uint8_t[::1] room = np.empty(
        strata_room_for_pairs(old, old_count, pairs) + 1, np.uint8
    )
    cdef uint8_t *room_at = &room[0]
    with nogil:
        count = strata_lay_pairs(old, old_count, pairs, now + 1, room_at)
        strata_follow_presence(now + 1, count, pairs, presence, scratch)
        now[0] = strata_held_of_mask(0, presence, presence_bytes)
    low, high = (now[1].entry.code, now[count].entry.code) if count else (None, None)
    return Encoded(pack_held(now, count + 1), Zone(now[0].entry.cardinality, low, high))


def patch_bools(parts, const uint16_t[::1] rows not None, values, present):
    """The bools with cells `values` bool (n,) laid over; an erasure where not `present` bool (n,).

    rows: uint16 (n,), each once.
    """
    assert values.dtype == np.bool_ and present.dtype == np.bool_
    codes = np.repeat(np.array([FALSE, TRUE], np.uint32), len(rows))
    held = np.concatenate([present & ~values, present & values])
    return patch_codes_set(parts, np.concatenate([rows, rows]), codes, held)


def patch_rows(
    parts,
    const uint16_t[::1] added not None,  # IN
    const uint16_t[::1] removed not None,  # IN
):
    """Live rows or members with some rows put in and some taken out, both uint16 (n,).

    A row in both ends up outside.
    """
    cdef uint32_t count
    cdef uint8_t[::1] old_view = _list_held(parts, &count)
    cdef const strata_held *old = <const strata_held *>&old_view[0]
    assert count <= 1, "a directory with values"
    cdef uint64_t mask[STRATA_BLOCK_WORDS]
    cdef uint8_t room[STRATA_BITSET_BYTES]
    cdef Py_ssize_t i
    cdef strata_held held
    with nogil:
        memset(mask, 0, sizeof(mask))
        if count:
            strata_container_or_mask(
                old.entry.kind, old.bytes, old.entry.cardinality, mask
            )
        if added.shape[0]:
            strata_mask_set_rows(mask, &added[0], <uint32_t>added.shape[0])
        for i in range(removed.shape[0]):
            mask[removed[i] >> 6] &= ~(<uint64_t>1 << (removed[i] & 63))
        held = strata_held_of_mask(0, mask, room)
    return Encoded(pack_held(&held, 1), Zone(held.entry.cardinality))
