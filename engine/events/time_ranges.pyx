# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The events of blocks in spans of time; time_ranges.h has the loops."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset

import numpy as np

from engine.events.chunks cimport strata_chunk

cdef extern from "engine/events/time_ranges.h" nogil:
    ctypedef struct strata_time_groups:
        uint32_t count

    ctypedef struct strata_found_times:
        uint32_t *rows
        int64_t *times_us
        size_t count
        size_t room

    void strata_group_times(strata_time_groups *groups, const strata_chunk *chunk) noexcept
    int strata_times_between(
        const strata_chunk *chunk, const strata_time_groups *groups, int64_t from_us,
        int64_t to_us, uint32_t first_row, int64_t *next_us, strata_found_times *found
    ) noexcept

__all__ = ["TimeGroups", "times_between"]


cdef class TimeGroups:
    """The bounds of each few events of an open tail; `chunk` is the address of a version of it."""

    cdef strata_time_groups groups

    def __cinit__(self, size_t chunk):
        self.groups.count = 0
        strata_group_times(&self.groups, <const strata_chunk *>chunk)

    def extend(self, size_t chunk):
        """Takes in what a later version of the tail has more."""
        strata_group_times(&self.groups, <const strata_chunk *>chunk)


def times_between(
    first_part, addresses, blocks, list groups not None, int64_t from_us, int64_t to_us
):
    """The events of some blocks (uint32[n]) in [from, to): rows uint32 and times int64, block by
    block; and of each block the earliest time from `to` on, the greatest int64 where there is none.

    `first_part` and `addresses` are those of a table of parts; `groups` has of each of the blocks
    the TimeGroups of its last part, or None.
    """
    cdef const uint32_t[::1] starts = first_part
    cdef const uint64_t[::1] parts = addresses
    cdef const uint32_t[::1] wanted = blocks
    cdef Py_ssize_t count = wanted.shape[0], i
    cdef uint32_t part, block
    cdef strata_found_times found
    cdef const strata_time_groups *known
    cdef int failed = 0
    assert len(groups) == count
    coming = np.full(count, (1 << 63) - 1, np.int64)
    cdef int64_t[::1] next_us = coming
    memset(&found, 0, sizeof(found))
    for i in range(count):
        block = wanted[i]
        for part in range(starts[block], starts[block + 1]):
            known = NULL
            if part + 1 == starts[block + 1] and groups[i] is not None:
                known = &(<TimeGroups>groups[i]).groups
            failed |= strata_times_between(
                <const strata_chunk *><size_t>parts[part], known, from_us, to_us, block << 16,
                &next_us[i], &found
            )
    if failed:
        free(found.rows)
        free(found.times_us)
        raise MemoryError
    rows, times = np.empty(found.count, np.uint32), np.empty(found.count, np.int64)
    copy_found(&found, rows, times)
    free(found.rows)
    free(found.times_us)
    return rows, times, coming


cdef int copy_found(
    const strata_found_times *found, uint32_t[::1] rows, int64_t[::1] times
) except -1:
    cdef size_t i
    for i in range(found.count):
        rows[i], times[i] = found.rows[i], found.times_us[i]
    return 0
