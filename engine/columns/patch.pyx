# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Columns of a block with some cells laid over, without decoding the rest.

Each function gives what decoding the parts, laying the cells over and encoding again would
give: a payload that reads the same, cut after its last present row, with an exact zone. It is
the same byte by byte but for the frame of ints:

1. A frame stays as it is where the cells fit in it, and so does its base where the least value
   is erased.
2. Where they do not, base and width move in one pass over the block. A width that no value
   needs any more is given up in the same way.
3. The step stays; encoding afresh might find a greater one. Only a value between two steps
   makes the column be encoded afresh.

The loops are in patch.h. Cells are `rows` uint16 (n,) of the block, ascending, each once, their
`values` (n,), and `present` bool (n,), where False erases; anything goes for a value that is
erased. `parts` are as stored, none where the block has nothing of the field.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

import numpy as np

from engine.columns.codes import encode_codes
from engine.columns.floats import encode_floats
from engine.columns.ints import decode_ints, encode_ints
from engine.columns.zone import Encoded, Zone

from engine.bitmaps.containers cimport STRATA_BLOCK_ROWS, STRATA_BLOCK_WORDS, strata_entry

__all__ = ["patch_codes", "patch_floats", "patch_ints"]


cdef extern from "engine/columns/mask_forms.h" nogil:
    strata_entry strata_measure_words(
        const uint64_t *mask, uint32_t first, uint32_t end
    ) noexcept
    uint32_t strata_mask_length(const uint64_t *mask) noexcept
    void strata_mask_lay_rows(
        uint64_t *mask, const uint16_t *rows, const uint8_t *present, size_t count
    ) noexcept


# The old parts, the cells in stored units, and the rows present once they are laid over.
cdef struct _Change:
    const uint8_t *parts[MOST_PARTS]
    uint32_t part_count
    const uint16_t *rows
    const uint64_t *stored
    const uint8_t *present
    size_t count
    uint64_t mask[STRATA_BLOCK_WORDS]


cdef struct _Built:
    strata_spread spread
    uint32_t present_count


cdef bint _begin(_Change *change, parts, const uint16_t[::1] rows, present_array) except -1:
    """Fills in all but the stored cells and the mask; whether the parts share a frame."""
    cdef const uint8_t[::1] view
    cdef const uint8_t[::1] present = present_array.view(np.uint8)
    cdef Py_ssize_t i
    assert present.shape[0] == rows.shape[0] and len(parts) <= MOST_PARTS
    for i in range(1, rows.shape[0]):
        assert rows[i - 1] < rows[i], "rows ascend, each once"
    change.part_count = <uint32_t>len(parts)
    for i in range(change.part_count):
        view = parts[i]
        change.parts[i] = &view[0]
    change.count = <size_t>rows.shape[0]
    change.rows = &rows[0] if change.count else NULL
    change.present = &present[0] if change.count else NULL
    change.stored = NULL
    return change.part_count > 0 and strata_share_frame(change.parts, change.part_count)


cdef void _lay_presence(_Change *change) noexcept nogil:
    memset(change.mask, 0, sizeof(change.mask))
    strata_add_presence(change.parts, change.part_count, change.mask)
    strata_mask_lay_rows(change.mask, change.rows, change.present, change.count)


cdef _Built _nothing() noexcept:
    cdef _Built built
    memset(&built, 0, sizeof(built))
    return built


cdef tuple _build(
    const _Change *change, strata_column frame, uint32_t row_count, uint64_t shift, _Built *built
):
    """The parts of `row_count` rows in a frame of which kind, width, base and step are given."""
    cdef uint32_t size = strata_rows_per_part(frame.width), first = 0
    cdef strata_column head
    cdef strata_spread spread
    cdef uint8_t *out
    cdef bytes part
    cdef list made = []
    built[0] = _nothing()
    while first < row_count or first == 0:
        memset(&head, 0, sizeof(head))
        head.column_kind, head.width = frame.column_kind, frame.width
        head.base, head.step = frame.base, frame.step
        head.first_row, head.row_count = first, min(size, row_count - first)
        if head.column_kind != STRATA_CODES:
            head.presence = strata_measure_words(
                change.mask, first // 64, <uint32_t>((first + strata_padded(head.row_count)) // 64)
            )
        part = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>strata_part_size(&head))
        out = <uint8_t *>PyBytes_AS_STRING(part)
        with nogil:
            spread = strata_build_part(
                <const uint8_t **>change.parts, change.part_count, &head, change.mask,
                change.rows, change.stored, change.present, change.count, shift, out,
            )
            built.spread = strata_join_spreads(head.column_kind, built.spread, spread)
            built.present_count += head.present_count
        made.append(part)
        first += size
    return tuple(made)


def patch_ints(parts, const uint16_t[::1] rows not None, values, present):
    """The column of ints with cells `values` int64 (n,) laid over; see the head of this module."""
    cdef _Change change
    cdef const int64_t[::1] cells = values
    assert cells.shape[0] == rows.shape[0]
    if not _begin(&change, parts, rows, present):
        return _encode_ints_afresh(parts, rows, values, present)
    stored = np.empty(change.count, np.uint64)
    cdef uint64_t[::1] stored_view = stored
    cdef strata_column frame = strata_load_head(change.parts[0])
    cdef strata_reach reach
    cdef bint fits
    cdef uint32_t row_count
    with nogil:
        fits = strata_steps_from_base(
            &frame, &cells[0] if change.count else NULL, change.present, change.count,
            &stored_view[0] if change.count else NULL, &reach,
        )
        _lay_presence(&change)
        row_count = strata_mask_length(change.mask)
    if not fits:
        return _encode_ints_afresh(parts, rows, values, present)
    if row_count == 0:
        return encode_ints(np.empty(0, np.int64), np.empty(0, np.bool_))
    change.stored = &stored_view[0] if change.count else NULL
    return _fit_ints(&change, frame, row_count, reach)


cdef object _fit_ints(
    const _Change *change, strata_column frame, uint32_t row_count, strata_reach reach
):
    """Steps 1 and 2 of the head of this module."""
    cdef uint32_t i, width
    cdef uint64_t shift = reach.below, above = reach.above, low
    cdef int64_t old_base = frame.base
    cdef _Built built
    for i in range(change.part_count):
        above = max(above, strata_load_head(change.parts[i]).max_stored)
    while True:
        width = strata_width_of(above + shift)
        frame.width = <uint8_t>max(width, frame.width)
        # Wraps around like the stored values; the base of a frame that fits is an int64.
        frame.base = <int64_t>(<uint64_t>old_base - shift * frame.step)
        parts = _build(change, frame, row_count, shift, &built)
        low = 0 if built.spread.nonzero_count < built.present_count else built.spread.low
        width = strata_width_of(built.spread.high - low)
        if width >= frame.width:
            break
        frame.width = <uint8_t>width
        shift -= low
        above = built.spread.high - low - shift
    zone = Zone(
        built.present_count,
        _value(&frame, low),
        _value(&frame, built.spread.high),
    )
    return Encoded(parts, zone)


cdef int64_t _value(const strata_column *frame, uint64_t stored) noexcept:
    return <int64_t>(<uint64_t>frame.base + frame.step * stored)


cdef object _encode_ints_afresh(parts, rows, values, present):
    whole = np.zeros(STRATA_BLOCK_ROWS, np.int64)
    known = np.zeros(STRATA_BLOCK_ROWS, np.bool_)
    if parts:
        old_values, old_known = decode_ints(parts)
        whole[:len(old_values)] = old_values
        known[:len(old_known)] = old_known
    whole[rows] = values
    known[rows] = present
    count = STRATA_BLOCK_ROWS - int(known[::-1].argmax()) if known.any() else 0
    return encode_ints(whole[:count], known[:count])


def patch_floats(parts, const uint16_t[::1] rows not None, values, present):
    """The column of floats with cells `values` float64 (n,) laid over, finite where present.

    See the head of this module.
    """
    cdef _Change change
    assert values.dtype == np.float64 and len(values) == len(rows)
    assert bool(np.isfinite(values[present]).all()), "NaN and infinity are refused at the door"
    # Adding 0.0 turns -0.0 into 0.0 and changes nothing else.
    stored = (values + 0.0).view(np.uint64)
    cdef const uint64_t[::1] stored_view = stored
    cdef uint32_t row_count
    cdef strata_column frame
    cdef _Built built
    _begin(&change, parts, rows, present)
    with nogil:
        _lay_presence(&change)
        row_count = strata_mask_length(change.mask)
    if row_count == 0:
        return encode_floats(np.empty(0, np.float64), np.empty(0, np.bool_))
    change.stored = &stored_view[0] if change.count else NULL
    memset(&frame, 0, sizeof(frame))
    frame.column_kind, frame.width, frame.step = STRATA_FLOATS, 8, 1
    made = _build(&change, frame, row_count, 0, &built)
    low, high = strata_as_double(built.spread.low), strata_as_double(built.spread.high)
    if built.spread.nonzero_count == 0:
        low = high = 0.0
    elif built.spread.nonzero_count < built.present_count:
        low, high = min(low, 0.0), max(high, 0.0)
    return Encoded(made, Zone(built.present_count, low, high))


def patch_codes(parts, const uint16_t[::1] rows not None, values, present):
    """The column of codes with cells `values` uint32 (n,) laid over, from 1 where present.

    See the head of this module.
    """
    cdef _Change change
    assert values.dtype == np.uint32 and len(values) == len(rows)
    cdef const uint64_t[::1] stored = values.astype(np.uint64)
    cdef uint32_t i, width, row_count
    cdef uint64_t highest = 0
    cdef strata_column frame, last
    cdef _Built built
    _begin(&change, parts, rows, present)
    memset(&frame, 0, sizeof(frame))
    frame.column_kind, frame.width, frame.step = STRATA_CODES, 1, 1
    row_count = 0
    for i in range(change.part_count):
        last = strata_load_head(change.parts[i])
        row_count = last.first_row + last.row_count
        highest = max(highest, last.max_stored)
    with nogil:
        row_count = strata_stored_length(
            change.parts, change.part_count, row_count, change.rows, change.present, change.count
        )
    if row_count == 0:
        return encode_codes(np.empty(0, np.uint32))
    change.stored = &stored[0] if change.count else NULL
    for i in range(<uint32_t>change.count):
        if change.present[i]:
            assert change.stored[i], "code 0 is a missing value"
            highest = max(highest, change.stored[i])
    while True:
        width = max(<uint32_t>1, strata_width_of(highest))
        frame.width = <uint8_t>width
        made = _build(&change, frame, row_count, 0, &built)
        if max(<uint32_t>1, strata_width_of(built.spread.high)) == width:
            break
        highest = built.spread.high
    zone = Zone(built.present_count, built.spread.low, built.spread.high)
    return Encoded(made, zone)
