# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The row evaluator: many roots judged for few rows of each block.

1. Rows are taken in stretches of at most 4,096, whatever blocks they lie in. Every root is asked
   of those that it is wanted of and that are alive (engine/core/stretches.pyx), without masks of
   blocks.
2. From a share of a block's rows on, filling its masks is cheaper, and its rows are read from
   those.
3. What is so is given, or held against what is stored: then it is the rows that differ. What
   rows are stored in is read from its containers, or where it stands side by side
   (engine/core/row_memberships.h).
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memset

from collections import namedtuple

import numpy as np

from engine.core.control import Control as _Control

from engine.core.control cimport NO_MEMORY
from engine.core.nodes cimport context, level_mask, live_rows, open_block, run_node, trailing_zeros
from engine.core.program cimport Program
from engine.core.row_memberships cimport (
    RowMemberships,
    strata_flip_membership,
    strata_memberships_of,
    strata_row_memberships,
)
from engine.core.stretches cimport (
    STRATA_STRETCH_ROWS,
    STRATA_STRETCH_WORDS,
    Stretch,
    ask,
    held_rows,
    open_stretch,
    strata_pack64,
    strata_select,
    strata_selection,
    stretch,
)
from engine.core.structures cimport (
    STRATA_ALL,
    STRATA_BLOCK_WORDS,
    STRATA_NONE,
    STRATA_OPEN,
    strata_entry,
    strata_find_code,
    strata_mask_from_entry,
)
from engine.core.worker cimport Worker

__all__ = ["ROWS_BY_BLOCK", "RowChanges", "changed_rows", "test_many"]


# From this many rows of a block on (5% of it), its masks are filled instead.
ROWS_BY_BLOCK = 3277

RowChanges = namedtuple(
    "RowChanges", ["starts", "rows", "entered", "entered_starts", "entered_rows", "left_rows"]
)


cdef struct changed_row:
    uint32_t root
    uint32_t row
    uint8_t entered


cdef struct asked:
    # One call.
    const uint32_t *rows
    Py_ssize_t row_count
    const int32_t *roots
    int32_t root_count
    const int32_t *order       # places of roots, kind by kind
    const int32_t *stored      # places of membership fields; NULL where truth alone is asked for
    const int32_t *kinds       # by root: which row of `wanted`
    const uint8_t *wanted      # one byte for each row asked, kind by kind; NULL for all
    uint32_t block_count
    const strata_row_memberships *side_by_side     # of all roots; NULL where there are none
    uint64_t *held             # by root STRATA_STRETCH_WORDS: rows of a stretch stored in it
    strata_selection *some     # the rows of a stretch that are wanted of a kind
    uint8_t *truths            # root by root, row by row, where truth is asked for
    changed_row *changed       # where changes are
    Py_ssize_t changed_count
    Py_ssize_t changed_room
    int failed                 # there was no memory for a change


cdef uint64_t wanted_word(
        const asked *a, int32_t i, Py_ssize_t first, Py_ssize_t count) noexcept nogil:
    """Which of the 64 rows from `first` on, or of `count` where there are fewer, a root is
    wanted of."""
    cdef uint64_t word = 0
    cdef const uint8_t *wanted
    cdef Py_ssize_t r
    if a.wanted == NULL:
        return ~<uint64_t>0 if count >= 64 else (<uint64_t>1 << count) - 1
    wanted = a.wanted + a.kinds[i] * a.row_count + first
    if count >= 64:
        return strata_pack64(wanted)
    for r in range(count):
        word |= <uint64_t>(wanted[r] != 0) << r
    return word


cdef void keep_change(asked *a, int32_t i, uint32_t row, int entered) noexcept nogil:
    cdef changed_row *grown
    if a.changed_count == a.changed_room:
        grown = <changed_row *>realloc(
            a.changed, (2 * a.changed_room + 1024) * sizeof(changed_row))
        if grown == NULL:
            a.failed = 1
            return
        a.changed = grown
        a.changed_room = 2 * a.changed_room + 1024
    a.changed[a.changed_count].root = i
    a.changed[a.changed_count].row = row
    a.changed[a.changed_count].entered = entered
    a.changed_count += 1
    if a.side_by_side != NULL:
        strata_flip_membership(a.side_by_side, row, i)


cdef void settle(asked *a, int32_t i, Py_ssize_t first, uint32_t count, uint64_t truth,
                 uint64_t differ) noexcept nogil:
    """Writes down what is so of a root in `count` <= 64 rows from `first` on."""
    cdef uint32_t r
    if a.stored == NULL:
        for r in range(count):
            a.truths[i * a.row_count + first + r] = (truth >> r) & 1
        return
    while differ:
        r = trailing_zeros(differ)
        differ &= differ - 1
        keep_change(a, i, a.rows[first + r], (truth >> r) & 1)


# ------------------------------------------------------------------------------ by row


cdef void by_row(
        context *c, stretch *s, asked *a, Py_ssize_t first, uint32_t count) noexcept nogil:
    """At most STRATA_STRETCH_ROWS rows from `first` on, of any blocks."""
    cdef uint64_t[STRATA_STRETCH_WORDS] wanted
    cdef uint64_t[STRATA_STRETCH_WORDS] needed
    cdef uint64_t *held
    cdef const uint64_t *truth
    cdef uint64_t any_row = 0, is_in
    cdef int32_t k, i, kind, before = -1
    cdef uint32_t w
    cdef Py_ssize_t place
    open_stretch(c, s, a.rows + first, count)
    if a.side_by_side != NULL:
        strata_memberships_of(a.side_by_side, s.rows, count, a.held)
    for k in range(a.root_count):
        i = a.order[k]
        kind = a.kinds[i] if a.kinds != NULL else 0
        if kind != before:
            before = kind
            any_row = 0
            for w in range(s.words):
                place = first + 64 * w
                wanted[w] = wanted_word(a, i, place, first + count - place) & s.there[w]
                needed[w] = wanted[w] & s.live[w]
                any_row |= wanted[w]
            if a.stored != NULL and a.side_by_side == NULL:
                strata_select(s.rows, wanted, s.words, a.some)
        if any_row == 0:
            continue
        truth = ask(c, s, a.roots[i], needed)
        held = a.held + <size_t>i * STRATA_STRETCH_WORDS
        if a.stored != NULL and a.side_by_side == NULL:
            held_rows(c, s, a.stored[i], a.some, wanted, held)
        for w in range(s.words):
            is_in = truth[w] & needed[w]
            settle(a, i, first + 64 * w, 64 if count - 64 * w > 64 else count - 64 * w, is_in,
                   (is_in ^ held[w]) & wanted[w])


# ---------------------------------------------------------------------------- by block


cdef void by_block(
        context *c, asked *a, uint32_t block, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Rows first to last - 1, all of one block, through its masks."""
    cdef uint64_t *mask = level_mask(c, 0)
    cdef uint64_t *held = level_mask(c, 1)
    cdef const uint64_t *filled
    cdef const uint64_t *live
    cdef const strata_entry *entry
    cdef const uint8_t *base = NULL
    cdef uint64_t is_in, truth, differ
    cdef Py_ssize_t start
    cdef uint32_t r, row, count
    cdef int32_t i
    cdef int state, is_open = open_block(c, block)
    for i in range(a.root_count):
        if not is_wanted(a, i, first, last):
            continue
        state = run_node(c, a.roots[i], mask, 1) if is_open else STRATA_NONE
        if state != STRATA_ALL and state != STRATA_OPEN:
            memset(mask, 0, 8 * STRATA_BLOCK_WORDS)
        filled = live_rows(c) if state == STRATA_ALL else mask
        live = live_rows(c) if is_open else mask
        memset(held, 0, 8 * STRATA_BLOCK_WORDS)
        if a.stored != NULL:
            entry = strata_find_code(&c.reader.fields[a.stored[i]], block, 0, &base)
            if entry != NULL:
                strata_mask_from_entry(held, entry, base)
        start = first
        while start < last:
            count = 64 if last - start > 64 else <uint32_t>(last - start)
            truth = differ = 0
            for r in range(count):
                row = a.rows[start + r] & 0xFFFF
                is_in = (filled[row >> 6] & live[row >> 6]) >> (row & 63) & 1
                truth |= is_in << r
                differ |= (is_in ^ (held[row >> 6] >> (row & 63) & 1)) << r
            settle(a, i, start, count, truth, differ & wanted_word(a, i, start, count))
            start += count


cdef int is_wanted(const asked *a, int32_t i, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    while first < last:
        if wanted_word(a, i, first, last - first):
            return 1
        first += 64
    return 0


# ------------------------------------------------------------------------------ a call


cdef void by_stretch(
        context *c, stretch *s, asked *a, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Rows first to last - 1, of any blocks."""
    cdef Py_ssize_t count
    while first < last:
        count = STRATA_STRETCH_ROWS if last - first > STRATA_STRETCH_ROWS else last - first
        by_row(c, s, a, first, <uint32_t>count)
        first += count


cdef void run_rows(
        context *c, stretch *s, asked *a, Py_ssize_t by_block_from) noexcept nogil:
    cdef Py_ssize_t start = 0, first = 0, last
    cdef uint32_t block
    while first < a.row_count:
        block = a.rows[first] >> 16
        last = first + 1
        while last < a.row_count and a.rows[last] >> 16 == block:
            last += 1
        if last - first >= by_block_from:
            by_stretch(c, s, a, start, first)
            if block < a.block_count:
                by_block(c, a, block, first, last)
            start = last
        first = last
    by_stretch(c, s, a, start, a.row_count)


cdef int judge(Program program, asked *a, Py_ssize_t by_block_from) except -1:
    cdef Worker worker = Worker(program, _Control(), 1)
    cdef Stretch asking = Stretch(program)
    cdef size_t roots = (a.root_count + 63) & ~63
    a.block_count = program.block_count
    a.held = <uint64_t *>calloc(roots * STRATA_STRETCH_WORDS, sizeof(uint64_t))
    a.some = <strata_selection *>calloc(1, sizeof(strata_selection))
    try:
        if a.held == NULL or a.some == NULL:
            raise MemoryError
        with nogil:
            run_rows(&worker.c, &asking.s, a, by_block_from)
        if a.failed or worker.c.stopped == NO_MEMORY:
            raise MemoryError
    finally:
        free(a.held)
        free(a.some)
    return 0


cdef int turn_blocks(Program program, RowMemberships side_by_side, const asked *a) except -1:
    """Has the memberships of all blocks that rows lie in side by side."""
    cdef Py_ssize_t r
    cdef uint32_t block, before = 0xFFFFFFFF
    for r in range(a.row_count):
        block = a.rows[r] >> 16
        if block != before and block < program.block_count:
            side_by_side.turn(program.fields, a.stored, block)
        before = block
    return 0


def test_many(Program program, roots, rows, *, by_block_from=ROWS_BY_BLOCK):
    """Truth of every root for every row, bool (roots, rows); False where a row is not alive.

    `rows` is uint32. Stretches of one block with `by_block_from` rows or more go through
    masks, so rows are best sorted.
    """
    cdef const uint32_t[::1] row_view = np.ascontiguousarray(rows, dtype=np.uint32)
    cdef const int32_t[::1] root_view = np.ascontiguousarray(roots, dtype=np.int32)
    cdef const int32_t[::1] order_view = np.arange(len(roots), dtype=np.int32)
    cdef uint8_t[:, ::1] out_view
    cdef asked a
    truths = np.zeros((len(roots), len(rows)), np.uint8)
    if truths.size:
        out_view = truths
        memset(&a, 0, sizeof(a))
        a.rows, a.row_count = &row_view[0], row_view.shape[0]
        a.roots, a.root_count = &root_view[0], <int32_t>root_view.shape[0]
        a.order = &order_view[0]
        a.truths = &out_view[0, 0]
        judge(program, &a, by_block_from)
    return truths.view(bool)


def changed_rows(Program program, roots, stored, rows, kinds, wanted, *,
                 RowMemberships side_by_side=None, by_block_from=ROWS_BY_BLOCK):
    """Which rows enter and leave the memberships of roots.

    `stored` are the numbers of the membership fields, one for each root, among the fields that
    the program was laid out with; `rows` uint32, sorted without repeats. Root i is asked of the
    rows that are set in wanted[kinds[i]]: int32 (roots,) and bool (kinds, rows). A row that is
    not alive is in nothing. `side_by_side` has the same memberships, and follows what is returned.

    Returns RowChanges, root after root and rows ascending. Root i has rows[starts[i]:starts[i + 1]]
    and, with the same places, `entered`; entered_starts divides `entered_rows` alike, and what
    starts has beyond that divides `left_rows`. Starts are lists, rows uint32, `entered` bool.
    """
    cdef const uint32_t[::1] row_view = np.ascontiguousarray(rows, dtype=np.uint32)
    cdef const int32_t[::1] root_view = np.ascontiguousarray(roots, dtype=np.int32)
    cdef const int32_t[::1] kind_view = np.ascontiguousarray(kinds, dtype=np.int32)
    cdef const int32_t[::1] order_view = np.argsort(kind_view, kind="stable").astype(np.int32)
    cdef const uint8_t[:, ::1] wanted_view = np.ascontiguousarray(wanted).view(np.uint8)
    cdef const int32_t[::1] stored_view
    cdef asked a
    positions = np.array([program.field_position(field_id) for field_id in stored], np.int32)
    assert len(positions) == len(roots) == len(kinds) and wanted_view.shape[1] == len(rows)
    assert not len(kinds) or 0 <= min(kinds) <= max(kinds) < wanted_view.shape[0]
    memset(&a, 0, sizeof(a))
    a.root_count = <int32_t>root_view.shape[0]
    if len(roots) and len(rows):
        stored_view = positions
        a.rows, a.row_count = &row_view[0], row_view.shape[0]
        a.roots, a.order = &root_view[0], &order_view[0]
        a.stored, a.kinds, a.wanted = &stored_view[0], &kind_view[0], &wanted_view[0, 0]
        if side_by_side is not None:
            turn_blocks(program, side_by_side, &a)
            a.side_by_side = &side_by_side.of
    try:
        if a.row_count:
            judge(program, &a, by_block_from)
        return by_root(&a)
    finally:
        free(a.changed)


cdef object by_root(const asked *a):
    """The changes of all stretches, root after root."""
    cdef const changed_row *change
    cdef Py_ssize_t k, place, count = a.root_count + 1
    cdef int64_t[::1] start_view, came_view
    cdef uint32_t[::1] row_view, came_rows, went_rows
    cdef uint8_t[::1] entered_view
    starts = np.zeros(a.root_count + 2, np.int64)
    came = np.zeros(a.root_count + 2, np.int64)
    start_view, came_view = starts, came
    # Two places on, so that moving each start to its end leaves them where they belong.
    for k in range(a.changed_count):
        start_view[a.changed[k].root + 2] += 1
        came_view[a.changed[k].root + 2] += a.changed[k].entered
    np.cumsum(starts, out=starts)
    np.cumsum(came, out=came)
    rows = np.empty(a.changed_count, np.uint32)
    entered = np.empty(a.changed_count, np.uint8)
    entered_rows = np.empty(came[a.root_count + 1], np.uint32)
    left_rows = np.empty(a.changed_count - len(entered_rows), np.uint32)
    row_view, came_rows, went_rows, entered_view = rows, entered_rows, left_rows, entered
    for k in range(a.changed_count):
        change = &a.changed[k]
        place = start_view[change.root + 1]
        row_view[place] = change.row
        entered_view[place] = change.entered
        if change.entered:
            came_rows[came_view[change.root + 1]] = change.row
            came_view[change.root + 1] += 1
        else:
            went_rows[place - came_view[change.root + 1]] = change.row
        start_view[change.root + 1] += 1
    return RowChanges(
        starts[:count].tolist(), rows, entered.view(bool), came[:count].tolist(), entered_rows,
        left_rows,
    )
