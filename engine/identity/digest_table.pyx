# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The loops over a table of digests, and over runs of sorted ones.

A table is 256 parts, each uint64 (slots, 3), zeros where a slot is free; digest_table.h has what
stands in them. `addresses` and `sizes` say where the slots of each part are and how many.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

import numpy as np

__all__ = [
    "PARTS",
    "add_entries",
    "counts_between",
    "entries_between",
    "entries_in_parts",
    "find_entries",
    "find_entry",
    "merge_sorted",
    "move_slots",
]


cdef extern from "engine/identity/digest_table.h" nogil:
    const int64_t STRATA_TABLE_PARTS
    ctypedef struct strata_table_slot:
        uint64_t high
        uint64_t low
        uint64_t rest

    ctypedef struct strata_table:
        const uint64_t *addresses
        const int64_t *sizes

    int64_t strata_table_part_of(uint64_t high) noexcept
    uint32_t strata_table_number(uint64_t rest) noexcept
    int64_t strata_table_find(
        const strata_table *table, const uint64_t *digests, int64_t count, uint64_t known,
        uint64_t visible, uint32_t unknown, uint32_t *rows, int64_t *missing
    ) noexcept
    void strata_table_add(
        const strata_table *table, const uint64_t *digests, const uint32_t *numbers,
        int64_t count, uint32_t first
    ) noexcept
    void strata_table_move(
        const strata_table_slot *slots_from, int64_t count, strata_table_slot *slots, int64_t size
    ) noexcept
    ctypedef struct strata_table_bounds:
        uint64_t first
        uint64_t last
        uint64_t since
        uint64_t until

    int64_t strata_table_between(
        const strata_table *table, const strata_table_bounds *bounds, strata_table_slot *out,
        int64_t *counts
    ) noexcept
    void strata_table_sort(strata_table_slot *entries, int64_t count) noexcept


cdef extern from "engine/identity/run_merge.h" nogil:
    ctypedef struct strata_run:
        const uint64_t *high
        const uint64_t *low
        const uint32_t *numbers
        int64_t n

    int64_t strata_run_merge(
        const strata_run *left, const strata_run *right, uint64_t *high, uint64_t *low,
        uint32_t *numbers
    ) noexcept


PARTS = STRATA_TABLE_PARTS

cdef uint32_t UNKNOWN = 0xFFFFFFFF


cdef strata_table _table(const uint64_t[::1] addresses, const int64_t[::1] sizes):
    assert addresses.shape[0] == sizes.shape[0] == STRATA_TABLE_PARTS
    cdef strata_table table
    table.addresses, table.sizes = &addresses[0], &sizes[0]
    return table


def entries_in_parts(const uint64_t[:, ::1] digests not None):
    """How many of n digests, (n, 2), are of each part, int64 (256,)."""
    cdef int64_t count = digests.shape[0], i
    counts = np.zeros(STRATA_TABLE_PARTS, np.int64)
    cdef int64_t[::1] view = counts
    with nogil:
        for i in range(count):
            view[strata_table_part_of(digests[i, 0])] += 1
    return counts


def find_entries(
    const uint64_t[::1] addresses not None,   # IN (256,)
    const int64_t[::1] sizes not None,        # IN (256,)
    const uint64_t[:, ::1] digests not None,  # IN (n, 2)
    uint64_t known,                           # ordinals of the entries to find
    uint64_t visible,                         # ordinals of those to give the number of
):
    """Numbers of n digests, uint32 (n,), 0xFFFFFFFF where there is none to give, and the places
    of the digests that are not among the entries to find, int64, ascending."""
    assert digests.shape[1] == 2
    cdef int64_t count = digests.shape[0], missing_count
    cdef strata_table table = _table(addresses, sizes)
    found, absent = np.empty(count, np.uint32), np.empty(count, np.int64)
    if not count:
        return found, absent
    cdef uint32_t[::1] rows = found
    cdef int64_t[::1] missing = absent
    with nogil:
        missing_count = strata_table_find(
            &table, &digests[0, 0], count, known, visible, UNKNOWN, &rows[0], &missing[0]
        )
    return found, absent[:missing_count]


def find_entry(
    const uint64_t[::1] addresses not None,   # IN (256,)
    const int64_t[::1] sizes not None,        # IN (256,)
    bytes digest not None,                    # IN 16 bytes
    uint64_t known,                           # ordinals of the entries to find
    uint64_t visible,                         # ordinals of those to give the number of
):
    """What `find_entries` gives for one digest; None where it is not among the entries to find."""
    assert len(digest) == 16
    cdef strata_table table = _table(addresses, sizes)
    cdef uint64_t asked[2]
    cdef uint32_t row
    cdef int64_t missing
    memcpy(asked, <const char *>digest, 16)
    if strata_table_find(&table, asked, 1, known, visible, UNKNOWN, &row, &missing):
        return None
    return row


def add_entries(
    const uint64_t[::1] addresses not None,   # IN (256,)
    const int64_t[::1] sizes not None,        # IN (256,)
    const uint64_t[:, ::1] digests not None,  # IN (n, 2)
    const uint32_t[::1] numbers not None,     # IN (n,)
    uint32_t first,                           # the ordinal of the first of them
):
    """Adds entries to a table that has room for them and none of their digests yet."""
    cdef int64_t count = digests.shape[0]
    assert digests.shape[1] == 2 and numbers.shape[0] == count
    cdef strata_table table = _table(addresses, sizes)
    if count:
        with nogil:
            strata_table_add(&table, &digests[0, 0], &numbers[0], count, first)


def move_slots(
    const uint64_t[:, ::1] slots not None,  # IN (m, 3)
    uint64_t[:, ::1] part not None,         # OUT (n, 3)
):
    """Puts the taken ones of some slots into a part with room for them."""
    assert slots.shape[1] == part.shape[1] == 3
    cdef int64_t count = slots.shape[0], size = part.shape[0]
    if count:
        with nogil:
            strata_table_move(
                <const strata_table_slot *>&slots[0, 0], count,
                <strata_table_slot *>&part[0, 0], size
            )


def counts_between(
    const uint64_t[::1] addresses not None,  # IN (256,)
    const int64_t[::1] sizes not None,       # IN (256,)
    uint64_t first,                          # least high half
    uint64_t last,                           # greatest high half
    uint64_t since,                          # least ordinal
    uint64_t until,                          # one more than the greatest ordinal
):
    """How many entries are within these bounds, by the first 16 bits of their digests: int64, an
    element for each from those of `first` to those of `last`."""
    cdef strata_table table = _table(addresses, sizes)
    cdef strata_table_bounds bounds = [first, last, since, until]
    counted = np.zeros((last >> 48) - (first >> 48) + 1, np.int64)
    cdef int64_t[::1] counts = counted
    with nogil:
        strata_table_between(&table, &bounds, NULL, &counts[0])
    return counted


def entries_between(
    const uint64_t[::1] addresses not None,  # IN (256,)
    const int64_t[::1] sizes not None,       # IN (256,)
    uint64_t first,                          # least high half
    uint64_t last,                           # greatest high half
    uint64_t since,                          # least ordinal
    uint64_t until,                          # one more than the greatest ordinal
    int64_t count,                           # how many there are
):
    """The entries within these bounds sorted by digest: uint64 high halves, uint64 low halves,
    uint32 numbers."""
    cdef strata_table table = _table(addresses, sizes)
    cdef strata_table_bounds bounds = [first, last, since, until]
    cdef int64_t i
    high, low = np.empty(count, np.uint64), np.empty(count, np.uint64)
    numbers = np.empty(count, np.uint32)
    if not count:
        return high, low, numbers
    gathered = np.empty((count, 3), np.uint64)
    cdef uint64_t[:, ::1] slots = gathered
    cdef strata_table_slot *entries = <strata_table_slot *>&slots[0, 0]
    cdef uint64_t[::1] highs = high, lows = low
    cdef uint32_t[::1] values = numbers
    with nogil:
        strata_table_between(&table, &bounds, entries, NULL)
        strata_table_sort(entries, count)
        for i in range(count):
            highs[i], lows[i] = entries[i].high, entries[i].low
            values[i] = strata_table_number(entries[i].rest)
    return high, low, numbers


cdef strata_run _run(const uint64_t[::1] high, const uint64_t[::1] low, const uint32_t[::1] numbers):
    cdef strata_run run
    run.high, run.low, run.numbers, run.n = NULL, NULL, NULL, high.shape[0]
    assert low.shape[0] == run.n and numbers.shape[0] == run.n
    if run.n:
        run.high, run.low, run.numbers = &high[0], &low[0], &numbers[0]
    return run


def merge_sorted(left not None, right not None):
    """The entries of two runs, each (high, low, numbers) sorted by (high, low), as one; those
    that both have, once. None where both have a digest with different numbers."""
    cdef strata_run one = _run(left[0], left[1], left[2])
    cdef strata_run other = _run(right[0], right[1], right[2])
    cdef int64_t most = one.n + other.n, count
    high, low = np.empty(most, np.uint64), np.empty(most, np.uint64)
    numbers = np.empty(most, np.uint32)
    if not most:
        return high, low, numbers
    cdef uint64_t[::1] highs = high, lows = low
    cdef uint32_t[::1] values = numbers
    with nogil:
        count = strata_run_merge(&one, &other, &highs[0], &lows[0], &values[0])
    if count < 0:
        return None
    return high[:count], low[:count], numbers[:count]
