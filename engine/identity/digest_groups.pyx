# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Equal digests in a batch."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

import numpy as np

__all__ = ["group_digests"]


cdef extern from "engine/identity/digest_groups.h" nogil:
    int64_t strata_digest_groups(
        const uint64_t *digests, int64_t count, unsigned bits, uint32_t *table,
        int64_t *groups, int64_t *firsts
    ) noexcept


def group_digests(const uint64_t[:, ::1] digests not None):  # IN (n, 2)
    """Groups equal digests, numbered in the order in which they first come.

    Returns (group of each digest int64 (n,), place of the first digest of each group int64 (g,),
    ascending).
    """
    assert digests.shape[1] == 2
    cdef int64_t count = digests.shape[0], group_count
    # Half of the table stays free.
    cdef unsigned bits = max(1, (2 * count).bit_length())
    numbered, first_places = np.empty(count, np.int64), np.empty(count, np.int64)
    if not count:
        return numbered, first_places
    cdef uint32_t[::1] table = np.zeros(1 << bits, np.uint32)
    cdef int64_t[::1] groups = numbered, firsts = first_places
    with nogil:
        group_count = strata_digest_groups(
            &digests[0, 0], count, bits, &table[0], &groups[0], &firsts[0]
        )
    return numbered, first_places[:group_count]
