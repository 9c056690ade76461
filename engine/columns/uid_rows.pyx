# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The uids of any rows of the store, from the part table of their column.

Whoever wants few rows of many blocks reads those alone: the uids of a block are a mebibyte. A row
that has no uid stored is a defect of the caller.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

__all__ = ["uids_of_rows"]


cdef extern from "engine/bitmaps/layout.h" nogil:
    ctypedef struct strata_column:
        uint32_t first_row
        uint32_t row_count
        uint32_t values_offset


cdef enum:
    UID_BYTES = 16


def uids_of_rows(table, const uint32_t[::1] rows not None, uint32_t rows_per_part):
    """The uids of any rows, in the order given, joined; a part has `rows_per_part` rows, and
    `table` (first_part, address) says where the parts are."""
    cdef const uint32_t[::1] first_part = table.first_part
    cdef const uint64_t[::1] address = table.address
    cdef Py_ssize_t count = rows.shape[0], i = 0
    cdef bytes out = PyBytes_FromStringAndSize(NULL, count * <Py_ssize_t>UID_BYTES)
    cdef uint8_t *to = <uint8_t *>PyBytes_AS_STRING(out)
    cdef const strata_column *part
    cdef uint32_t block, inside, at
    cdef bint found = True
    with nogil:
        for i in range(count):
            block, inside = rows[i] >> 16, rows[i] & 0xFFFF
            found = block + 1 < first_part.shape[0]
            if not found:
                break
            at = first_part[block] + inside // rows_per_part
            found = at < first_part[block + 1]
            if not found:
                break
            part = <const strata_column *>address[at]
            found = part.first_row <= inside < part.first_row + part.row_count
            if not found:
                break
            memcpy(
                to + i * <Py_ssize_t>UID_BYTES,
                <const uint8_t *>part + part.values_offset
                + <size_t>UID_BYTES * (inside - part.first_row),
                UID_BYTES,
            )
    assert found, "a row without a uid"
    return out
