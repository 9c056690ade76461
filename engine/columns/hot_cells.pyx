# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Columns of ints, floats and codes that cells are written into in place.

A hot column has room for every row of its block and a bitset of those present; the frame of ints
(base, step, width) is that of the payload it was made from. A cell that the frame cannot store
is refused with its block, and the functions of patch.pyx make another payload. The loops are in
hot_cells.h.
"""

from libc.math cimport INFINITY
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

import numpy as np

from engine.columns.patch import patch_codes, patch_floats, patch_ints
from engine.columns.zone import NOTHING, Zone

from engine.bitmaps.containers cimport (
    STRATA_BITSET,
    STRATA_BITSET_BYTES,
    STRATA_BLOCK_ROWS,
    STRATA_BLOCK_WORDS,
)
from engine.columns.hot_block cimport (
    HotBlock,
    HotField,
    strata_hot_field,
    strata_rows_ascend,
    strata_set_cardinality,
)
from engine.columns.patch cimport (
    MOST_PARTS,
    STRATA_CODES,
    STRATA_FLOATS,
    STRATA_INTS,
    strata_add_presence,
    strata_as_double,
    strata_build_part,
    strata_column,
    strata_join_spreads,
    strata_load_head,
    strata_part_size,
    strata_rows_per_part,
    strata_share_frame,
    strata_spread,
)

__all__ = ["HotCells", "read_rows"]


cdef extern from "engine/bitmaps/containers.h" nogil:
    uint32_t strata_popcount64(uint64_t word) noexcept


cdef extern from "engine/columns/hot_cells.h" nogil:
    ctypedef struct strata_cells:
        const uint32_t *rows
        const void *values
        const uint8_t *present
        size_t count

    bint strata_cells_are_sound(uint32_t column_kind, const strata_cells *cells) noexcept
    size_t strata_write_column(
        const strata_hot_field *field, const strata_cells *cells, uint64_t newest_open,
        uint64_t sequence, uint8_t *changed, uint64_t *stored, uint32_t *refused,
    ) noexcept
    void strata_read_int_rows(
        const uint32_t *first_part, uint32_t block_count, const uint64_t *address,
        const uint32_t *rows, size_t count, int64_t *values, uint8_t *known,
    ) noexcept


_NO_ROWS = np.zeros(0, np.uint16)
_NO_PRESENCE = np.zeros(0, np.bool_)
_DTYPES = {
    STRATA_INTS: np.dtype(np.int64),
    STRATA_FLOATS: np.dtype(np.float64),
    STRATA_CODES: np.dtype(np.uint32),
}
_PATCHES = {STRATA_INTS: patch_ints, STRATA_FLOATS: patch_floats, STRATA_CODES: patch_codes}


cdef object _as_patched(uint32_t column_kind, parts):
    """A column as the patch functions make it, when nothing is laid over it."""
    nothing = np.zeros(0, _DTYPES[column_kind])
    return _PATCHES[column_kind](parts, _NO_ROWS, nothing, _NO_PRESENCE)


cdef class _Column(HotBlock):
    """A hot column: all rows of the block."""

    cdef int fill(self, uint32_t column_kind, parts) except -1:
        """Place it and copy what the parts have, which are of one frame or none at all."""
        cdef const uint8_t *sources[MOST_PARTS]
        cdef const uint8_t[::1] view
        cdef strata_column heads[MOST_PARTS]
        cdef uint64_t mask[STRATA_BLOCK_WORDS]
        cdef uint32_t count = <uint32_t>len(parts), made, p, size
        cdef strata_column frame
        assert count <= MOST_PARTS
        for p in range(count):
            view = parts[p]
            sources[p] = &view[0]
        if count and not strata_share_frame(sources, count):
            return self.fill(column_kind, _as_patched(column_kind, parts).parts)
        memset(&frame, 0, sizeof(frame))
        frame.step = 1
        if count:
            frame = strata_load_head(sources[0])
            assert frame.column_kind == column_kind, "a payload of another kind of column"
        frame.width = <uint8_t>(8 if column_kind == STRATA_FLOATS else max(frame.width, 1))
        size = strata_rows_per_part(frame.width)
        made = STRATA_BLOCK_ROWS // size
        with nogil:
            memset(mask, 0, sizeof(mask))
            strata_add_presence(sources, count, mask)
            for p in range(made):
                _set_head(&heads[p], column_kind, &frame, p * size, size, mask)
        self.place([strata_part_size(&heads[p]) for p in range(made)])
        with nogil:
            self._copy(sources, count, heads, made, mask)
        return 0

    cdef void _copy(
        self, const uint8_t **sources, uint32_t count, strata_column *heads, uint32_t made,
        const uint64_t *mask,
    ) noexcept nogil:
        cdef uint32_t p, present_count = 0
        cdef strata_column *head
        cdef strata_spread spread, part
        memset(&spread, 0, sizeof(spread))
        for p in range(made):
            part = strata_build_part(
                sources, count, &heads[p], mask, NULL, NULL, NULL, 0, 0, self.hot.parts[p]
            )
            spread = strata_join_spreads(heads[p].column_kind, spread, part)
            present_count += heads[p].present_count
            if heads[p].column_kind != STRATA_CODES:
                head = <strata_column *>self.hot.parts[p]
                strata_set_cardinality(&head.presence, head.present_count)
        if heads[0].column_kind != STRATA_FLOATS:
            return
        # Where there are none, the first one written becomes both.
        self.hot.low, self.hot.high = INFINITY, -INFINITY
        if spread.nonzero_count:
            self.hot.low = strata_as_double(spread.low)
            self.hot.high = strata_as_double(spread.high)
        if spread.nonzero_count < present_count:
            self.hot.low, self.hot.high = min(self.hot.low, 0.0), max(self.hot.high, 0.0)

    @property
    def zone(self):
        """The zone: an exact count, and bounds that hold every value but may be wider."""
        cdef strata_column *head = <strata_column *>self.hot.parts[0]
        cdef uint32_t p, present_count = 0
        cdef uint64_t most = 0
        for p in range(self.hot.part_count):
            head = <strata_column *>self.hot.parts[p]
            present_count += head.present_count
            most = max(most, head.max_stored)
        if present_count == 0:
            return NOTHING
        if head.column_kind == STRATA_FLOATS:
            return Zone(present_count, self.hot.low, self.hot.high)
        if head.column_kind == STRATA_CODES:
            return Zone(present_count, 1, most)
        # Wraps around like what is stored; the greatest value is an int64.
        return Zone(present_count, head.base, <int64_t>(<uint64_t>head.base + head.step * most))

    def encode(self):
        """The same contents as patch.pyx makes them, with an exact zone."""
        return _as_patched((<strata_column *>self.hot.parts[0]).column_kind, self.parts)


cdef void _set_head(
    strata_column *head, uint32_t column_kind, const strata_column *frame, uint32_t first_row,
    uint32_t row_count, const uint64_t *mask,
) noexcept nogil:
    """The head of a hot part, but for what strata_build_part fills in."""
    cdef uint32_t word
    memset(head, 0, sizeof(head[0]))
    head.column_kind, head.width = <uint8_t>column_kind, frame.width
    head.base, head.step = frame.base, frame.step
    head.first_row, head.row_count = first_row, row_count
    if column_kind != STRATA_CODES:
        head.presence.kind = STRATA_BITSET
        head.presence.size_in_2 = STRATA_BITSET_BYTES // 2
        for word in range(first_row // 64, (first_row + row_count) // 64):
            head.presence.cardinality += strata_popcount64(mask[word])


cdef class HotCells(HotField):
    """The hot blocks of a field of ints, floats or codes (`column_kind` of layout.h)."""

    cdef uint32_t _column_kind
    cdef object _dtype

    def __init__(self, column_kind):
        self._dtype = _DTYPES[column_kind]
        self._column_kind = column_kind

    cdef HotBlock make_block(self, parts):
        cdef _Column made = _Column()
        made.fill(self._column_kind, parts)
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

        rows: uint32 (n,), ascending, each once; values: int64, float64 or uint32 (n,) by the
        kind of column; present: bool (n,), where False erases. A cell is changed where its
        presence or its value was another. Refused, and left as they were, are blocks that are
        not hot, and those in which a cell differs but does not fit, or an open snapshot
        (`newest_open`: the newest data version that one sees, 0 for none) sees the memory.
        """
        cdef strata_cells cells
        cdef size_t count = <size_t>rows.shape[0], refused_count
        assert values.dtype == self._dtype and present.dtype == np.bool_
        assert len(values) == len(present) == <Py_ssize_t>count
        changed = np.empty(count, np.bool_)
        if count == 0:
            return changed, []
        cdef const uint8_t[::1] value_view = np.ascontiguousarray(values).view(np.uint8)
        cdef const uint8_t[::1] present_view = np.ascontiguousarray(present).view(np.uint8)
        cdef uint8_t[::1] changed_view = changed.view(np.uint8)
        cdef uint64_t[::1] stored = np.empty(count, np.uint64)
        refused = np.empty(count, np.uint32)
        cdef uint32_t[::1] refused_view = refused
        cells.rows, cells.values = &rows[0], <const void *>&value_view[0]
        cells.present, cells.count = &present_view[0], count
        assert strata_rows_ascend(cells.rows, count), "rows ascend, each once"
        assert strata_cells_are_sound(self._column_kind, &cells), "NaN, infinity or code 0"
        with nogil:
            refused_count = strata_write_column(
                &self.hot, &cells, newest_open, sequence, &changed_view[0], &stored[0],
                &refused_view[0],
            )
        return changed, refused[:refused_count].tolist()


def read_rows(table, const uint32_t[::1] rows not None):
    """Ints of rows (n,), ascending, through the part table of their field.

    table: first_part uint32 (blocks + 1,) and address uint64. Returns values int64 (n,), 0
    where nothing is known, and known bool (n,), False beyond the blocks of the table too.
    """
    cdef const uint32_t[::1] first_part = table.first_part
    cdef const uint64_t[::1] address = table.address
    cdef size_t count = <size_t>rows.shape[0]
    values, known = np.zeros(count, np.int64), np.zeros(count, np.bool_)
    if count == 0 or address.shape[0] == 0:
        return values, known
    cdef int64_t[::1] value_view = values
    cdef uint8_t[::1] known_view = known.view(np.uint8)
    assert strata_rows_ascend(&rows[0], count), "rows ascend, each once"
    with nogil:
        strata_read_int_rows(
            &first_part[0], <uint32_t>(first_part.shape[0] - 1), &address[0], &rows[0], count,
            &value_view[0], &known_view[0],
        )
    return values, known
