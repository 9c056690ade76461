# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Distinct strings and their numbers, at tens of millions of look-ups a second."""

from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memcpy

import numpy as np

__all__ = ["StringIndex"]


cdef extern from "engine/columns/string_index.h" nogil:
    ctypedef struct strata_string_index:
        int64_t *offsets
        uint8_t *heap
        int64_t count

    int strata_index_init(strata_string_index *index) noexcept
    void strata_index_free(strata_string_index *index) noexcept
    int strata_index_run(
        strata_string_index *index, const int64_t *offsets, const uint8_t *data,
        const uint8_t *valid, int64_t count, int adding, int32_t *numbers,
    ) noexcept


cdef class StringIndex:
    """A growing set of distinct strings, numbered from 0 in the order they came.

    Takes strings as the three arrays of engine.columns.strings.Strings. Both calls release
    the GIL: the caller lets nobody else in while one thread adds. Memory: the bytes, and 24
    to 40 bytes a string.
    """

    cdef strata_string_index _index

    def __cinit__(self):
        if not strata_index_init(&self._index):
            raise MemoryError

    def __dealloc__(self):
        strata_index_free(&self._index)

    def __len__(self):
        return self._index.count

    cdef _run(self, offsets_array, data_array, valid_array, bint adding):
        cdef const int64_t[::1] offsets = offsets_array
        cdef const uint8_t[::1] data = data_array
        cdef const uint8_t[::1] valid = valid_array.view(np.uint8)
        cdef int64_t count = valid.shape[0]
        cdef const uint8_t *data_at = &data[0] if data.shape[0] else NULL
        cdef int done
        assert offsets.shape[0] == count + 1
        numbers = np.empty(count, np.int32)
        cdef int32_t[::1] view = numbers
        if count:
            with nogil:
                done = strata_index_run(
                    &self._index, &offsets[0], data_at, &valid[0], count, adding, &view[0]
                )
            if not done:
                raise MemoryError
        return numbers

    def add(self, offsets not None, data not None, valid not None):
        """The number of each string, int32[n], new ones added; -1 where missing."""
        assert self._index.count + len(valid) < 2**31
        return self._run(offsets, data, valid, True)

    def find(self, offsets not None, data not None, valid not None):
        """The number of each string, int32[n]; -1 where missing or not known."""
        return self._run(offsets, data, valid, False)

    def contents(self, int64_t start=0):
        """The strings numbered from `start` on, as copies: (offsets int64[k+1], data uint8)."""
        assert 0 <= start <= self._index.count
        cdef int64_t count = self._index.count - start
        cdef int64_t from_byte = self._index.offsets[start]
        cdef int64_t size = self._index.offsets[self._index.count] - from_byte
        offsets = np.empty(count + 1, np.int64)
        data = np.empty(size, np.uint8)
        cdef int64_t[::1] offsets_view = offsets
        cdef uint8_t[::1] data_view = data
        memcpy(&offsets_view[0], self._index.offsets + start, <size_t>(count + 1) * 8)
        if size:
            memcpy(&data_view[0], self._index.heap + from_byte, <size_t>size)
        offsets -= from_byte
        return offsets, data
