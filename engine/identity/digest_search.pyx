# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Many digests looked up at once in stored shards."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

import numpy as np

__all__ = ["row_in_shards", "rows_in_shards", "shards_of_digests"]


cdef extern from "engine/identity/digest_search.h" nogil:
    ctypedef struct strata_digest_shards:
        const uint32_t *shard_of
        unsigned bits
        const uint64_t *addresses
        const int64_t *counts
        const uint8_t *depths

    int64_t strata_shards_of(
        const strata_digest_shards *shards_in, const uint64_t *digests, int64_t count,
        uint32_t *shards
    ) noexcept
    void strata_order_by_shard(
        const uint32_t *shards, int64_t count, int64_t shard_count, uint32_t *starts,
        uint32_t *order
    ) noexcept
    void strata_rows_in_shards(
        const strata_digest_shards *shards_in, const uint64_t *digests,
        const uint32_t *shards, int64_t count, const uint32_t *order, uint32_t unknown,
        uint32_t *rows
    ) noexcept


cdef uint32_t UNKNOWN = 0xFFFFFFFF

# Digests of a batch for each shard from which on it is faster to go from shard to shard.
cdef int64_t ORDERED_FROM = 4


def shards_of_digests(
    const uint64_t[:, ::1] digests not None,  # IN (n, 2)
    const uint32_t[::1] shard_of not None,    # IN (2**bits,) shard by the first bits
    unsigned bits,
    const uint64_t[::1] addresses not None,   # IN (s,) 0 where it is not known
):
    """The shard of each digest, uint32 (n,), and whether the addresses of all are known."""
    cdef int64_t count = digests.shape[0], unknown = 0
    assert digests.shape[1] == 2 and shard_of.shape[0] == (<int64_t>1 << bits)
    cdef strata_digest_shards table
    table.shard_of, table.bits, table.addresses = &shard_of[0], bits, &addresses[0]
    table.counts, table.depths = NULL, NULL
    found = np.empty(count, np.uint32)
    cdef uint32_t[::1] shards = found
    if count:
        with nogil:
            unknown = strata_shards_of(&table, &digests[0, 0], count, &shards[0])
    return found, unknown == 0


def rows_in_shards(
    const uint64_t[:, ::1] digests not None,  # IN (n, 2), n < 2**32
    const uint32_t[::1] shards not None,      # IN (n,) the shard of each digest
    const uint64_t[::1] addresses not None,   # IN (s,) of the columns of each shard
    const int64_t[::1] counts not None,       # IN (s,) entries of each shard
    const uint8_t[::1] depths not None,       # IN (s,) leading bits that its digests share
):
    """The row of each digest, uint32 (n,); 0xFFFFFFFF where its shard has none.

    The caller keeps what the addresses point to: 20 * count readable bytes each, uint64 high
    halves, uint64 low halves, uint32 rows. Shards without a digest in them are not touched.
    """
    cdef int64_t count = digests.shape[0], shard_count = addresses.shape[0]
    assert digests.shape[1] == 2 and shards.shape[0] == count < 1 << 32
    assert counts.shape[0] == depths.shape[0] == shard_count
    found = np.empty(count, np.uint32)
    if not count:
        return found
    cdef uint32_t[::1] rows = found, ordered, starts
    cdef const uint32_t *order = NULL
    cdef strata_digest_shards table
    table.shard_of, table.bits, table.addresses = NULL, 0, &addresses[0]
    table.counts, table.depths = &counts[0], &depths[0]
    if shard_count > 1 and count >= ORDERED_FROM * shard_count:
        ordered, starts = np.empty(count, np.uint32), np.zeros(shard_count + 1, np.uint32)
        order = &ordered[0]
    with nogil:
        if order:
            strata_order_by_shard(
                &shards[0], count, shard_count, &starts[0], <uint32_t *>order
            )
        strata_rows_in_shards(
            &table, &digests[0, 0], &shards[0], count, order, UNKNOWN, &rows[0]
        )
    return found


def row_in_shards(
    bytes digest not None,                    # IN 16 bytes
    const uint32_t[::1] shard_of not None,    # IN (2**bits,) shard by the first bits
    unsigned bits,
    const uint64_t[::1] addresses not None,   # IN (s,) 0 where it is not known
    const int64_t[::1] counts not None,       # IN (s,)
    const uint8_t[::1] depths not None,       # IN (s,)
):
    """What `rows_in_shards` gives for one digest; None where the address of its shard is not
    known. See there for what the caller keeps."""
    assert len(digest) == 16 and shard_of.shape[0] == (<int64_t>1 << bits)
    assert addresses.shape[0] == counts.shape[0] == depths.shape[0]
    cdef uint64_t asked[2]
    cdef uint32_t shard, row
    cdef strata_digest_shards table
    memcpy(asked, <const char *>digest, 16)
    table.shard_of, table.bits, table.addresses = &shard_of[0], bits, &addresses[0]
    table.counts, table.depths = &counts[0], &depths[0]
    if strata_shards_of(&table, asked, 1, &shard):
        return None
    strata_rows_in_shards(&table, asked, &shard, 1, NULL, UNKNOWN, &row)
    return row
