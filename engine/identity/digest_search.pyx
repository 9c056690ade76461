# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Many digests looked up at once, in a run of entries or in stored shards."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

import numpy as np

__all__ = ["places_in_run", "rows_in_shards"]


cdef extern from "engine/identity/digest_search.h" nogil:
    ctypedef struct strata_digest_columns:
        const uint8_t *highs
        const uint8_t *lows
        int64_t n
        unsigned depth

    void strata_places_in_run(
        const strata_digest_columns *run, const uint64_t *digests, int64_t count,
        int64_t *places
    ) noexcept
    void strata_rows_in_shards(
        const uint64_t *digests, const uint32_t *shards, int64_t count,
        const uint64_t *addresses, const int64_t *counts, const uint8_t *depths,
        uint32_t unknown, uint32_t *rows
    ) noexcept


cdef uint32_t UNKNOWN = 0xFFFFFFFF


def places_in_run(
    const uint64_t[::1] high not None,      # IN (m,) sorted by (high, low)
    const uint64_t[::1] low not None,       # IN (m,)
    const uint64_t[:, ::1] digests not None,  # IN (n, 2)
):
    """Where each digest stands among the entries, int64 (n,); -1 where it does not."""
    assert high.shape[0] == low.shape[0] and digests.shape[1] == 2
    cdef int64_t count = digests.shape[0]
    cdef strata_digest_columns run
    found = np.full(count, -1, np.int64)
    if not count or not high.shape[0]:
        return found
    cdef int64_t[::1] places = found
    run.highs, run.lows = <const uint8_t *>&high[0], <const uint8_t *>&low[0]
    run.n, run.depth = high.shape[0], 0
    with nogil:
        strata_places_in_run(&run, &digests[0, 0], count, &places[0])
    return found


def rows_in_shards(
    const uint64_t[:, ::1] digests not None,  # IN (n, 2)
    const uint32_t[::1] shards not None,      # IN (n,) the shard of each digest
    const uint64_t[::1] addresses not None,   # IN (s,) of the columns of each shard
    const int64_t[::1] counts not None,       # IN (s,) entries of each shard
    const uint8_t[::1] depths not None,       # IN (s,) leading bits that its digests share
):
    """The row of each digest, uint32 (n,); 0xFFFFFFFF where its shard has none.

    The caller keeps what the addresses point to: 20 * count readable bytes each, uint64 high
    halves, uint64 low halves, uint32 rows. Shards without a digest in them are not touched.
    """
    cdef int64_t count = digests.shape[0]
    assert digests.shape[1] == 2 and shards.shape[0] == count
    assert addresses.shape[0] == counts.shape[0] == depths.shape[0]
    found = np.full(count, UNKNOWN, np.uint32)
    cdef uint32_t[::1] rows = found
    if count:
        with nogil:
            strata_rows_in_shards(
                &digests[0, 0], &shards[0], count, &addresses[0], &counts[0], &depths[0],
                UNKNOWN, &rows[0]
            )
    return found
