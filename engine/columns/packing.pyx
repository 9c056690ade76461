# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Strings between Python lists and flat arrays: the loops of engine.columns.strings."""

from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcpy

import numpy as np

__all__ = ["gather", "pack_list", "unpack_list"]


cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL
    object PyUnicode_DecodeUTF8(const char *at, Py_ssize_t size, const char *errors)


def pack_list(list values not None):
    """(offsets int64[n+1], data uint8, valid bool[n]) of a list of str or None.

    Raises TypeError for any other element, UnicodeEncodeError for a lone surrogate.
    """
    cdef Py_ssize_t count = len(values), i, size
    cdef int64_t total = 0
    offsets = np.empty(count + 1, np.int64)
    valid = np.empty(count, np.uint8)
    cdef int64_t[::1] offsets_view = offsets
    cdef uint8_t[::1] valid_view = valid
    offsets_view[0] = 0
    for i in range(count):
        value = values[i]
        valid_view[i] = value is not None
        if value is not None:
            PyUnicode_AsUTF8AndSize(value, &size)
            total += size
        offsets_view[i + 1] = total
    data = np.empty(total, np.uint8)
    cdef uint8_t[::1] data_view = data
    cdef const char *at
    for i in range(count):
        if valid_view[i] and offsets_view[i + 1] > offsets_view[i]:
            at = PyUnicode_AsUTF8AndSize(values[i], &size)
            memcpy(&data_view[offsets_view[i]], at, <size_t>size)
    return offsets, data, valid.view(np.bool_)


def unpack_list(
    const int64_t[::1] offsets not None, const uint8_t[::1] data not None, valid_array not None
):
    """The list of str, None where missing. Raises UnicodeDecodeError for what is not UTF-8."""
    cdef const uint8_t[::1] valid = valid_array.view(np.uint8)
    cdef Py_ssize_t count = valid.shape[0], i
    cdef const char *at = NULL  # only ever read for a length above 0
    if data.shape[0]:
        at = <const char *>&data[0]
    assert offsets.shape[0] == count + 1
    cdef list values = [None] * count
    for i in range(count):
        if valid[i]:
            values[i] = PyUnicode_DecodeUTF8(
                at + offsets[i], offsets[i + 1] - offsets[i], NULL
            )
    return values


cdef void _copy(
    const int64_t *offsets, const uint8_t *data, const int64_t *indices, int64_t count,
    const int64_t *to, uint8_t *out,
) noexcept nogil:
    cdef int64_t i
    for i in range(count):
        if to[i + 1] > to[i]:
            memcpy(out + to[i], data + offsets[indices[i]], <size_t>(to[i + 1] - to[i]))


def gather(
    const int64_t[::1] offsets not None,
    const uint8_t[::1] data not None,
    valid_array not None,
    const int64_t[::1] indices not None,
):
    """The strings at `indices` as (offsets, data, valid); an index of -1 gives a missing one.

    Missing strings take no bytes.
    """
    cdef const uint8_t[::1] valid = valid_array.view(np.uint8)
    cdef int64_t count = indices.shape[0], known = valid.shape[0], i, j, total = 0
    assert offsets.shape[0] == known + 1
    new_offsets = np.empty(count + 1, np.int64)
    new_valid = np.empty(count, np.uint8)
    cdef int64_t[::1] new_offsets_view = new_offsets
    cdef uint8_t[::1] new_valid_view = new_valid
    cdef bint inside = True
    with nogil:
        new_offsets_view[0] = 0
        for i in range(count):
            j = indices[i]
            if j < -1 or j >= known:
                inside = False
                break
            new_valid_view[i] = j >= 0 and valid[j]
            if new_valid_view[i]:
                total += offsets[j + 1] - offsets[j]
            new_offsets_view[i + 1] = total
    assert inside, "an index outside of the strings"
    new_data = np.empty(total, np.uint8)
    cdef uint8_t[::1] new_data_view = new_data
    if total:
        with nogil:
            _copy(
                &offsets[0], &data[0], &indices[0], count, &new_offsets_view[0],
                &new_data_view[0],
            )
    return new_offsets, new_data, new_valid.view(np.bool_)
