# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The row evaluator: truth of many roots for few rows of each block, without masks.

For each stretch of rows of one block:
1. The roots that are wanted of some row there mark the nodes that they need.
2. Each of those, children first, gets one bit for each row: a leaf by looking its rows up, the
   rest by joining words. So what several roots share is found once, and what depends on the
   block alone is looked up once for all rows.
3. Bits of roots are cut to the rows that are alive, and held against what is stored.

From a share of a block's rows on, filling its masks is cheaper, and its rows are read from
those.
"""

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset

import numpy as np

from engine.core.control import Control as _Control

from engine.core.nodes cimport context, level_mask, open_block, run_node, trailing_zeros
from engine.core.program cimport (
    NODE_AND,
    NODE_LEAF,
    NODE_OR,
    NODE_TRUE,
    Program,
    program_node,
)
from engine.core.structures cimport (
    STRATA_ALL,
    STRATA_OPEN,
    strata_field,
    strata_leaf,
    strata_reader,
)
from engine.core.worker cimport Worker

__all__ = ["ROWS_BY_BLOCK", "changed_rows", "test_many", "test_rows"]


cdef extern from "engine/core/leaf_rows.h" nogil:
    void strata_leaf_rows(
        const strata_reader *reader, const strata_leaf *leaf, const uint32_t *rows,
        uint32_t count, uint64_t *bits) noexcept
    void strata_code_rows(
        const strata_reader *reader, const strata_field *field, uint32_t code,
        const uint32_t *rows, uint32_t count, uint64_t *bits) noexcept


# From this many rows of a block on (5% of it), its masks are filled instead.
ROWS_BY_BLOCK = 3277
# Rows looked at together: bits of 1,000 nodes then take 512 KiB.
cdef enum:
    ROWS_AT_A_TIME = 4096
    WORDS = 64


cdef struct changed_row:
    int32_t root
    uint32_t at         # place among the rows asked
    int32_t entered


cdef struct asked:
    # One call.
    const uint32_t *rows
    const int32_t *roots
    int32_t root_count
    const int32_t *stored      # places of membership fields; NULL where truth alone is asked for
    const int32_t *kinds       # by root: which row of `wanted`
    const uint8_t *wanted      # one byte for each row asked, kind by kind; NULL for all
    Py_ssize_t row_count
    uint8_t *truths            # root by root, row by row, where truth is asked for
    changed_row *changed       # where changes are
    Py_ssize_t changed_count
    Py_ssize_t changed_room
    int failed                 # there was no memory for a change
    uint64_t *bits             # WORDS for each node
    uint8_t *needed            # by node


cdef inline uint32_t word_rows(uint32_t count, uint32_t start) noexcept nogil:
    return 64 if count - start > 64 else count - start


cdef inline uint64_t *bits_of(asked *a, int32_t node) noexcept nogil:
    return a.bits + <size_t>node * WORDS


cdef uint64_t wanted_word(
        const asked *a, int32_t i, Py_ssize_t first, uint32_t count) noexcept nogil:
    """Which of `count` <= 64 rows from `first` on a root is wanted of."""
    cdef uint64_t word = 0
    cdef const uint8_t *wanted
    cdef uint32_t r
    if a.wanted == NULL:
        return ~<uint64_t>0 >> (64 - count)
    wanted = a.wanted + a.kinds[i] * a.row_count + first
    for r in range(count):
        word |= <uint64_t>(wanted[r] != 0) << r
    return word


cdef int is_wanted(const asked *a, int32_t i, Py_ssize_t first, uint32_t count) noexcept nogil:
    cdef uint32_t w
    for w in range((count + 63) // 64):
        if wanted_word(a, i, first + 64 * w, word_rows(count, 64 * w)):
            return 1
    return 0


cdef void keep_change(asked *a, int32_t i, Py_ssize_t at, int entered) noexcept nogil:
    cdef changed_row *grown
    if a.changed_count == a.changed_room:
        a.changed_room = 2 * a.changed_room + 1024
        grown = <changed_row *>realloc(a.changed, a.changed_room * sizeof(changed_row))
        if grown == NULL:
            a.failed = 1
            a.changed_room = a.changed_count
            return
        a.changed = grown
    a.changed[a.changed_count].root = i
    a.changed[a.changed_count].at = <uint32_t>at
    a.changed[a.changed_count].entered = entered
    a.changed_count += 1


cdef void settle(context *c, asked *a, int32_t i, Py_ssize_t first, uint32_t count,
                 const uint64_t *truth) noexcept nogil:
    """Writes down what is so of a root in a stretch; `truth` is cut to the rows alive."""
    cdef uint64_t[WORDS] held
    cdef uint64_t differ
    cdef uint32_t w, r, some
    if a.stored == NULL:
        for r in range(count):
            a.truths[i * a.row_count + first + r] = (truth[r >> 6] >> (r & 63)) & 1
        return
    strata_code_rows(&c.reader, &c.reader.fields[a.stored[i]], 0, a.rows + first, count, held)
    for w in range((count + 63) // 64):
        some = word_rows(count, 64 * w)
        differ = truth[w] ^ held[w]
        if differ:
            differ &= wanted_word(a, i, first + 64 * w, some)
        while differ:
            r = trailing_zeros(differ)
            differ &= differ - 1
            keep_change(a, i, first + 64 * w + r, (truth[w] >> r) & 1)


cdef void join(context *c, asked *a, const program_node *node, uint64_t *out,
               uint32_t words) noexcept nogil:
    """The bits of a node that is no leaf, from those of its children."""
    cdef int32_t child
    cdef uint32_t w
    cdef const uint64_t *of_child
    memset(out, 0xFF if node.kind == NODE_AND or node.kind == NODE_TRUE else 0, 8 * words)
    for child in range(node.first_child, node.first_child + node.child_count):
        of_child = bits_of(a, c.children[child])
        for w in range(words):
            if node.kind == NODE_AND:
                out[w] &= of_child[w]
            elif node.kind == NODE_OR:
                out[w] |= of_child[w]
            else:
                out[w] = ~of_child[w]


cdef void by_row(
        context *c, asked *a, uint32_t block, Py_ssize_t first, uint32_t count) noexcept nogil:
    """At most ROWS_AT_A_TIME rows from `first` on, all of one block."""
    cdef uint64_t[WORDS] live
    cdef uint64_t[WORDS] truth
    cdef const program_node *node
    cdef int32_t i, n, child
    cdef uint32_t w, words = (count + 63) // 64
    c.reader.block = block
    memset(a.needed, 0, c.node_count)
    for i in range(a.root_count):
        a.needed[a.roots[i]] |= is_wanted(a, i, first, count)
    for n in range(c.node_count - 1, -1, -1):
        if a.needed[n]:
            node = &c.nodes[n]
            for child in range(node.first_child, node.first_child + node.child_count):
                a.needed[c.children[child]] = 1
    for n in range(c.node_count):
        node = &c.nodes[n]
        if a.needed[n] and node.kind == NODE_LEAF:
            strata_leaf_rows(&c.reader, &c.leaves[node.leaf], a.rows + first, count, bits_of(a, n))
        elif a.needed[n]:
            join(c, a, node, bits_of(a, n), words)
    strata_code_rows(&c.reader, &c.reader.fields[c.live_field], 0, a.rows + first, count, live)
    for i in range(a.root_count):
        if is_wanted(a, i, first, count):
            for w in range(words):
                truth[w] = bits_of(a, a.roots[i])[w] & live[w]
            settle(c, a, i, first, count, truth)


cdef void by_block(
        context *c, asked *a, uint32_t block, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Rows first to last - 1, all of one block, through its masks."""
    cdef uint64_t *mask = level_mask(c, 0)
    cdef uint64_t[WORDS] truth
    cdef const uint64_t *filled
    cdef Py_ssize_t start
    cdef uint32_t r, row, count
    cdef int32_t i
    cdef int state, is_open = open_block(c, block)
    for i in range(a.root_count):
        if not is_wanted(a, i, first, <uint32_t>(last - first)):
            continue
        state = run_node(c, a.roots[i], mask, 1) if is_open else STRATA_ALL
        filled = mask if state == STRATA_OPEN else c.reader.live
        start = first
        while start < last:
            count = ROWS_AT_A_TIME if last - start > ROWS_AT_A_TIME else <uint32_t>(last - start)
            memset(truth, 0, sizeof(truth))
            if is_open and (state == STRATA_OPEN or state == STRATA_ALL):
                for r in range(count):
                    row = a.rows[start + r] & 0xFFFF
                    truth[r >> 6] |= ((filled[row >> 6] >> (row & 63)) & 1) << (r & 63)
            settle(c, a, i, start, count, truth)
            start += count


cdef void run_rows(
        context *c, asked *a, uint32_t block_count, Py_ssize_t by_block_from) noexcept nogil:
    cdef Py_ssize_t first = 0, last, start, count
    cdef uint32_t block
    while first < a.row_count:
        block = a.rows[first] >> 16
        last = first + 1
        while last < a.row_count and a.rows[last] >> 16 == block:
            last += 1
        if block < block_count:
            if last - first >= by_block_from:
                by_block(c, a, block, first, last)
            else:
                start = first
                while start < last:
                    count = ROWS_AT_A_TIME if last - start > ROWS_AT_A_TIME else last - start
                    by_row(c, a, block, start, <uint32_t>count)
                    start += count
        first = last


cdef int judge(Program program, asked *a, Py_ssize_t by_block_from) except -1:
    cdef Worker worker = Worker(program, _Control(), 1)
    a.bits = <uint64_t *>calloc(max(1, program.node_count), WORDS * 8)
    a.needed = <uint8_t *>calloc(max(1, program.node_count), 1)
    try:
        if a.bits == NULL or a.needed == NULL:
            raise MemoryError
        with nogil:
            run_rows(&worker.c, a, program.block_count, by_block_from)
        if a.failed:
            raise MemoryError
    finally:
        free(a.bits)
        free(a.needed)
    return 0


def test_rows(Program program, int root, rows):
    """Truth of a root for single profiles, bool, in the order of `rows`.

    Rows are looked up one by one, without masks. A row that is not alive is False.
    """
    return test_many(program, [root], rows, by_block_from=len(rows) + 1)[0]


def test_many(Program program, roots, rows, *, by_block_from=ROWS_BY_BLOCK):
    """Truth of every root for every row, bool (roots, rows); False where a row is not alive.

    `rows` is uint32. Stretches of one block with `by_block_from` rows or more go through
    masks, so rows are best sorted.
    """
    cdef const uint32_t[::1] row_view = np.ascontiguousarray(rows, dtype=np.uint32)
    cdef const int32_t[::1] root_view = np.ascontiguousarray(roots, dtype=np.int32)
    cdef uint8_t[:, ::1] out_view
    cdef asked a
    truths = np.zeros((len(roots), len(rows)), np.uint8)
    if truths.size:
        out_view = truths
        memset(&a, 0, sizeof(a))
        a.rows, a.row_count = &row_view[0], row_view.shape[0]
        a.roots, a.root_count = &root_view[0], <int32_t>root_view.shape[0]
        a.truths = &out_view[0, 0]
        judge(program, &a, by_block_from)
    return truths.view(bool)


def changed_rows(Program program, roots, stored, rows, kinds, wanted, *,
                 by_block_from=ROWS_BY_BLOCK):
    """Which rows enter and leave the memberships of roots.

    `stored` are the numbers of the membership fields, one for each root, among the fields that
    the program was laid out with; `rows` uint32, sorted without repeats. Root i is asked of the
    rows that are set in wanted[kinds[i]]: int32 (roots,) and bool (kinds, rows).

    Returns (root int32, place in `rows` uint32, entered bool), ordered by block, then by root,
    then by row. A row that is not alive is in nothing.
    """
    cdef const uint32_t[::1] row_view = np.ascontiguousarray(rows, dtype=np.uint32)
    cdef const int32_t[::1] root_view = np.ascontiguousarray(roots, dtype=np.int32)
    cdef const int32_t[::1] kind_view = np.ascontiguousarray(kinds, dtype=np.int32)
    cdef const uint8_t[:, ::1] wanted_view = np.ascontiguousarray(wanted).view(np.uint8)
    cdef const int32_t[::1] stored_view
    cdef int32_t[:, ::1] out_view
    cdef asked a
    positions = np.array([program.field_position(field_id) for field_id in stored], np.int32)
    assert len(positions) == len(roots) == len(kinds) and wanted_view.shape[1] == len(rows)
    out = np.zeros((0, 3), np.int32)
    if len(roots) and len(rows):
        stored_view = positions
        memset(&a, 0, sizeof(a))
        a.rows, a.row_count = &row_view[0], row_view.shape[0]
        a.roots, a.root_count = &root_view[0], <int32_t>root_view.shape[0]
        a.stored, a.kinds, a.wanted = &stored_view[0], &kind_view[0], &wanted_view[0, 0]
        try:
            judge(program, &a, by_block_from)
            out = np.zeros((a.changed_count, 3), np.int32)
            if a.changed_count:
                out_view = out
                memcpy(&out_view[0, 0], a.changed, a.changed_count * sizeof(changed_row))
        finally:
            free(a.changed)
    return out[:, 0], out[:, 1].view(np.uint32), out[:, 2].astype(bool)
