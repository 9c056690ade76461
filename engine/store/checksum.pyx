# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""CRC-32C of stored bytes, by the processor's own instruction where it has one.

STRATA_SIMD=portable in the environment, read at import, takes the tables instead.
"""

from libc.stdint cimport uint8_t, uint32_t

import os

__all__ = ["IMPLEMENTATION", "crc32c", "crc32c_portable"]


cdef extern from "engine/store/crc32c.h" nogil:
    void strata_crc32c_init() noexcept
    int strata_crc32c_has_hardware() noexcept
    uint32_t strata_crc32c(int hardware, uint32_t seed, const uint8_t *at, size_t size) noexcept


strata_crc32c_init()
cdef int _hardware = (
    os.environ.get("STRATA_SIMD") != "portable" and strata_crc32c_has_hardware()
)

IMPLEMENTATION = "hardware" if _hardware else "portable"

# Below this the work is shorter than giving the interpreter lock away and taking it back.
cdef size_t KEEP_LOCK_BYTES = 4096


cdef uint32_t _checksum(int hardware, const uint8_t[::1] buffer, uint32_t seed):
    cdef size_t size = <size_t>buffer.shape[0]
    cdef const uint8_t *at
    cdef uint32_t result
    if size == 0:
        return seed
    at = &buffer[0]
    if size < KEEP_LOCK_BYTES:
        return strata_crc32c(hardware, seed, at, size)
    with nogil:
        result = strata_crc32c(hardware, seed, at, size)
    return result


def crc32c(const uint8_t[::1] buffer not None, uint32_t seed=0):
    """CRC-32C of contiguous bytes, 0..2**32-1; `seed` is the value of the bytes before them."""
    return _checksum(_hardware, buffer, seed)


def crc32c_portable(const uint8_t[::1] buffer not None, uint32_t seed=0):
    """The same value by tables alone: the twin of the hardware path in tests."""
    return _checksum(0, buffer, seed)
