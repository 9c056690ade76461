# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""XXH64 and SipHash-2-4-128 from Python, one by one and in batches that release the GIL.

Batches of strings come as the three arrays of engine.columns.strings.Strings.
"""

from libc.stdint cimport int64_t, uint8_t, uint64_t

import numpy as np

__all__ = ["siphash128", "siphash128_many", "xxh64", "xxh64_many16"]


cdef extern from "engine/columns/hashing.h" nogil:
    ctypedef struct strata_sip:
        pass

    uint64_t strata_hash_load64(const uint8_t *at) noexcept
    uint64_t strata_xxh64(const void *data, size_t size, uint64_t seed) noexcept
    strata_sip strata_sip_begin(uint64_t key0, uint64_t key1) noexcept
    void strata_sip_word(strata_sip *s, uint64_t word) noexcept
    void strata_sip_finish(
        strata_sip s, const uint8_t *at, size_t size, size_t before, uint64_t *digest
    ) noexcept


def xxh64(const uint8_t[::1] data not None, uint64_t seed=0):
    """XXH64 of some bytes, 0..2**64-1."""
    return strata_xxh64(&data[0] if data.shape[0] else NULL, <size_t>data.shape[0], seed)


def xxh64_many16(const uint8_t[:, ::1] uids not None, uint64_t seed=0):
    """XXH64 of each row of uint8[n, 16], as uint64[n]."""
    assert uids.shape[1] == 16
    cdef int64_t count = uids.shape[0], i
    hashes = np.empty(count, np.uint64)
    cdef uint64_t[::1] view = hashes
    with nogil:
        for i in range(count):
            view[i] = strata_xxh64(&uids[i, 0], 16, seed)
    return hashes


def siphash128(const uint8_t[::1] data not None, const uint8_t[::1] key not None):
    """SipHash-2-4-128 of some bytes under a key of 16 bytes, as 16 bytes."""
    assert key.shape[0] == 16
    cdef uint64_t digest[2]
    strata_sip_finish(
        strata_sip_begin(strata_hash_load64(&key[0]), strata_hash_load64(&key[8])),
        &data[0] if data.shape[0] else NULL, <size_t>data.shape[0], 0, digest,
    )
    return (<const char *>digest)[:16]


def siphash128_many(strings not None, const uint8_t[::1] key not None, uint64_t kind):
    """Keyed digests of many strings, uint64[n, 2], for values of one kind of identifier.

    The message of each is `kind` as eight bytes, then the string's bytes, so that equal
    values of different kinds have different digests; a missing string digests like ''.
    """
    assert key.shape[0] == 16
    cdef const int64_t[::1] offsets = strings.offsets
    cdef const uint8_t[::1] data = strings.data
    cdef const uint8_t[::1] valid = strings.valid.view(np.uint8)
    cdef int64_t count = valid.shape[0], i
    cdef const uint8_t *bytes_at = &data[0] if data.shape[0] else NULL
    cdef strata_sip begun = strata_sip_begin(
        strata_hash_load64(&key[0]), strata_hash_load64(&key[8])
    )
    strata_sip_word(&begun, kind)
    digests = np.empty((count, 2), np.uint64)
    cdef uint64_t[:, ::1] view = digests
    with nogil:
        for i in range(count):
            strata_sip_finish(
                begun, bytes_at + offsets[i],
                <size_t>(offsets[i + 1] - offsets[i]) if valid[i] else 0, 8, &view[i, 0],
            )
    return digests
