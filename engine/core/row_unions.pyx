# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Lists of rows brought together."""

from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport calloc, free

import numpy as np

__all__ = ["unite"]


cdef struct row_list:
    const uint32_t *rows
    Py_ssize_t left
    uint8_t *marks      # of this list, by place in the union


cdef Py_ssize_t merge(row_list *lists, Py_ssize_t count, uint32_t *out) noexcept nogil:
    """Writes the union of sorted lists; returns its length."""
    cdef Py_ssize_t k, place = 0
    cdef uint32_t lowest
    while True:
        # Lists that have ended make room for the last one.
        k = 0
        lowest = 0xFFFFFFFF
        while k < count:
            if lists[k].left == 0:
                count -= 1
                lists[k] = lists[count]
                continue
            if lists[k].rows[0] < lowest:
                lowest = lists[k].rows[0]
            k += 1
        if count == 0:
            return place
        for k in range(count):
            if lists[k].rows[0] == lowest:
                lists[k].marks[place] = 1
                lists[k].rows += 1
                lists[k].left -= 1
        out[place] = lowest
        place += 1


def unite(pieces):
    """The rows that are in any of the pieces, and which are in which: uint32 (n,) ascending,
    bool (pieces, n). Each piece is sorted uint32 without repeats."""
    cdef const uint32_t[::1] piece_view
    cdef uint32_t[::1] row_view
    cdef uint8_t[:, ::1] mark_view
    cdef row_list *lists
    cdef Py_ssize_t k, count = len(pieces), most = sum(map(len, pieces))
    if most == 0:
        return np.zeros(0, np.uint32), np.zeros((count, 0), np.bool_)
    rows = np.empty(most, np.uint32)
    marks = np.zeros((count, most), np.uint8)
    row_view, mark_view = rows, marks
    lists = <row_list *>calloc(count, sizeof(row_list))
    if lists == NULL:
        raise MemoryError
    try:
        for k in range(count):
            piece_view = pieces[k]
            lists[k].left = piece_view.shape[0]
            lists[k].rows = &piece_view[0] if lists[k].left else NULL
            lists[k].marks = &mark_view[k, 0]
        with nogil:
            most = merge(lists, count, &row_view[0])
    finally:
        free(lists)
    return rows[:most].copy(), marks[:, :most].view(np.bool_)
