# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Repeated strings as protobuf writes them: see string_wire.h."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t

import numpy as np

__all__ = ["write_strings"]


cdef extern from "server/string_wire.h" nogil:
    int64_t strata_measure_strings(
        const int64_t *offsets, int64_t count, int64_t *ends
    ) noexcept
    void strata_write_strings(
        const int64_t *offsets, const uint8_t *data, int64_t count, uint8_t tag, uint8_t *out
    ) noexcept


def write_strings(strings not None, int field):
    """A repeated string field, numbered 1 to 15: (its bytes, where each string ends in them as
    int64). `strings` are engine.columns.strings.Strings, of which none is missing."""
    assert 1 <= field <= 15
    cdef const int64_t[::1] offsets = strings.offsets
    cdef const uint8_t[::1] data = strings.data
    cdef int64_t count = offsets.shape[0] - 1, size = 0
    ends = np.empty(count, np.int64)
    cdef int64_t[::1] ends_view = ends
    if count == 0:
        return b"", ends
    size = strata_measure_strings(&offsets[0], count, &ends_view[0])
    cdef bytes out = PyBytes_FromStringAndSize(NULL, size)
    cdef uint8_t *to = <uint8_t *>PyBytes_AS_STRING(out)
    cdef uint8_t tag = <uint8_t>(field << 3 | 2)
    with nogil:
        strata_write_strings(
            &offsets[0], &data[0] if data.shape[0] else NULL, count, tag, to
        )
    return out, ends
