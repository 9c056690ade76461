# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Live rows, members and bools that are written in place: a bitset for each code.

The loops are in hot_rows.h.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc

import numpy as np

from engine.columns.zone import Encoded, Zone

from engine.bitmaps.containers cimport STRATA_BITSET_BYTES, strata_entry
from engine.columns.hot_block cimport (
    HotBlock,
    HotField,
    strata_hot_field,
    strata_rows_ascend,
)
from engine.columns.patch_set cimport (
    strata_directory_count,
    strata_extent,
    strata_extent_bytes,
    strata_held,
    strata_take_held,
    strata_write_held,
)

__all__ = ["HotBools", "HotRows", "move_rows"]


cdef extern from "engine/columns/hot_rows.h" nogil:
    enum:
        STRATA_PRESENT
        STRATA_FALSE
        STRATA_TRUE
        STRATA_BOOL_CODES

    ctypedef struct strata_bits:
        const uint32_t *rows
        const uint8_t *values
        const uint8_t *present
        size_t count

    strata_extent strata_bitsets_extent(uint32_t code_count) noexcept
    void strata_place_bitsets(uint32_t code_count, uint8_t *payload) noexcept
    strata_entry *strata_bitset_entry(uint8_t *payload, uint32_t code) noexcept
    bint strata_fill_bitsets(
        const uint8_t *part, uint32_t code_count, uint8_t *payload
    ) noexcept
    uint32_t strata_hold_bitsets(
        const uint8_t *payload, strata_held *held, uint8_t *room
    ) noexcept
    size_t strata_write_bitsets(
        const strata_hot_field *field, uint32_t code_count, const strata_bits *bits,
        uint64_t newest_open, uint64_t sequence, uint8_t *changed, uint32_t *refused,
    ) noexcept

    ctypedef struct strata_moves:
        const strata_hot_field **fields
        const int64_t *starts
        uint32_t field_count
        const uint32_t *rows
        const uint8_t *entered

    ctypedef struct strata_block_moves:
        uint32_t field
        int64_t start
        int64_t end

    size_t strata_carry_out_moves(
        const strata_moves *moves, uint64_t newest_open, uint64_t sequence,
        strata_block_moves *room, int64_t *grown, uint8_t *is_changed,
        strata_block_moves *refused,
    ) noexcept


cdef class _Bitsets(HotBlock):
    """One part with a bitset for each code: the presence, or that, false and true."""

    cdef int fill(self, uint32_t code_count, parts) except -1:
        """Place it and copy what the parts have."""
        cdef const uint8_t[::1] view
        self.place([strata_extent_bytes(strata_bitsets_extent(code_count))])
        strata_place_bitsets(code_count, self.hot.parts[0])
        for view in parts:
            is_filled = strata_fill_bitsets(&view[0], code_count, self.hot.parts[0])
            assert is_filled, "a payload with other codes"
        return 0

    @property
    def zone(self):
        """The zone, exact."""
        cdef uint8_t *payload = self.hot.parts[0]
        cdef uint32_t code
        present_count = strata_bitset_entry(payload, STRATA_PRESENT).cardinality
        if strata_directory_count(payload) < STRATA_BOOL_CODES or present_count == 0:
            return Zone(present_count)
        known = [
            code
            for code in range(STRATA_FALSE, STRATA_TRUE + 1)
            if strata_bitset_entry(payload, code).cardinality
        ]
        return Zone(present_count, known[0], known[len(known) - 1])

    def encode(self):
        """The same contents as the codec stores them."""
        cdef strata_held held[STRATA_BOOL_CODES]
        cdef uint8_t room[STRATA_BOOL_CODES * STRATA_BITSET_BYTES]
        cdef uint32_t count
        cdef strata_extent extent
        cdef bytes part
        # Shorter than giving the interpreter lock away and waiting for it.
        count = strata_hold_bitsets(self.hot.parts[0], held, room)
        extent = strata_take_held(held, count)
        part = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>strata_extent_bytes(extent))
        strata_write_held(extent, held, <uint8_t *>PyBytes_AS_STRING(part))
        return Encoded((part,), self.zone)


cdef tuple _write(
    const strata_hot_field *field, uint32_t code_count, const uint32_t[::1] rows, values, present,
    uint64_t newest_open, uint64_t sequence,
):
    """See `write` of the classes; `values` is None where presence is all there is."""
    cdef strata_bits bits
    cdef size_t count = <size_t>rows.shape[0], refused_count
    cdef const uint8_t[::1] value_view, present_view
    cdef uint8_t[::1] changed_view
    cdef uint32_t[::1] refused_view
    assert present.dtype == np.bool_ and len(present) == <Py_ssize_t>count
    changed = np.empty(count, np.bool_)
    if count == 0:
        return changed, []
    bits.values = NULL
    if values is not None:
        assert values.dtype == np.bool_ and len(values) == <Py_ssize_t>count
        value_view = np.ascontiguousarray(values).view(np.uint8)
        bits.values = &value_view[0]
    present_view = np.ascontiguousarray(present).view(np.uint8)
    changed_view = changed.view(np.uint8)
    refused = np.empty(count, np.uint32)
    refused_view = refused
    bits.rows, bits.present, bits.count = &rows[0], &present_view[0], count
    assert strata_rows_ascend(bits.rows, count), "rows ascend, each once"
    with nogil:
        refused_count = strata_write_bitsets(
            field, code_count, &bits, newest_open, sequence, &changed_view[0], &refused_view[0]
        )
    return changed, refused[:refused_count].tolist()


cdef class HotRows(HotField):
    """The hot blocks of live rows or of a membership."""

    cdef HotBlock make_block(self, parts):
        cdef _Bitsets made = _Bitsets()
        made.fill(1, parts)
        return made

    def write(
        self,
        const uint32_t[::1] rows not None,  # IN
        entered,
        uint64_t newest_open,
        uint64_t sequence,
    ):
        """Put rows in where `entered`, and take them out where not: (changed bool (n,), blocks
        refused).

        rows: uint32 (n,), ascending, each once; entered: bool (n,). Refused, and left as they
        were, are blocks that are not hot, and those in which something differs but an open
        snapshot (`newest_open`: the newest data version that one sees, 0 for none) sees the
        memory.
        """
        return _write(&self.hot, 1, rows, None, entered, newest_open, sequence)


def move_rows(
    list fields not None,
    starts,
    const uint32_t[::1] rows not None,  # IN
    entered,
    uint64_t newest_open,
    uint64_t sequence,
):
    """Put rows into many fields of rows, and take them out, in one pass: (grown int64 (fields,),
    the blocks changed, refused).

    fields: HotRows; field f has rows[starts[f]:starts[f + 1]], uint32, ascending, each once, and
    `entered` bool with the same places. `grown` says by how many rows each field has more.
    `refused` lists (field, start, stop) of blocks that `HotRows.write` would refuse, which are left
    as they were.
    """
    cdef strata_moves moves
    cdef Py_ssize_t f, count = rows.shape[0]
    cdef size_t refused_count
    cdef const int64_t[::1] start_view = np.ascontiguousarray(starts, np.int64)
    cdef const uint8_t[::1] entered_view = np.ascontiguousarray(entered).view(np.uint8)
    cdef int64_t[::1] grown_view
    cdef uint8_t[::1] changed_view
    cdef strata_block_moves *room = NULL
    assert start_view.shape[0] == len(fields) + 1 and start_view[0] == 0
    assert start_view[len(fields)] == count == entered_view.shape[0]
    grown = np.zeros(len(fields), np.int64)
    if count == 0:
        return grown, [], []
    for f in range(<Py_ssize_t>len(fields)):
        assert start_view[f] <= start_view[f + 1]
        assert strata_rows_ascend(
            &rows[0] + start_view[f], <size_t>(start_view[f + 1] - start_view[f])
        ), "rows ascend, each once"
    changed = np.zeros((int(np.max(rows)) >> 16) + 1, np.uint8)
    grown_view, changed_view = grown, changed
    moves.rows, moves.entered, moves.starts = &rows[0], &entered_view[0], &start_view[0]
    moves.field_count = <uint32_t>len(fields)
    moves.fields = <const strata_hot_field **>malloc(len(fields) * sizeof(void *))
    room = <strata_block_moves *>malloc(2 * count * sizeof(strata_block_moves))
    try:
        if moves.fields == NULL or room == NULL:
            raise MemoryError
        for f in range(<Py_ssize_t>len(fields)):
            moves.fields[f] = &(<HotRows?>fields[f]).hot
        with nogil:
            refused_count = strata_carry_out_moves(
                &moves, newest_open, sequence, room, &grown_view[0], &changed_view[0],
                room + count,
            )
        refused = [
            (room[count + f].field, room[count + f].start, room[count + f].end)
            for f in range(<Py_ssize_t>refused_count)
        ]
    finally:
        free(moves.fields)
        free(room)
    return grown, np.flatnonzero(changed).tolist(), refused


cdef class HotBools(HotField):
    """The hot blocks of a field of bools."""

    cdef HotBlock make_block(self, parts):
        cdef _Bitsets made = _Bitsets()
        made.fill(STRATA_BOOL_CODES, parts)
        return made

    def write(
        self,
        const uint32_t[::1] rows not None,  # IN
        values,
        present,
        uint64_t newest_open,
        uint64_t sequence,
    ):
        """Lay cells over all blocks that they are in: (changed bool (n,), blocks refused).

        As `HotRows.write`, with values bool (n,) and present bool (n,), where False erases.
        """
        return _write(&self.hot, STRATA_BOOL_CODES, rows, values, present, newest_open, sequence)
