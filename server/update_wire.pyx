# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Message UpdateRows as flat arrays: see update_wire.h for what they mean."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.string cimport memset

import numpy as np

__all__ = ["copy_strings", "read_rows"]


cdef extern from "engine/columns/string_index.h" nogil:
    ctypedef struct strata_string_index:
        int64_t *offsets
        uint8_t *heap
        int64_t count

    int strata_index_init(strata_string_index *index) noexcept
    void strata_index_free(strata_string_index *index) noexcept


cdef extern from "server/update_wire.h" nogil:
    ctypedef struct strata_entries:
        strata_string_index *names
        int64_t time_least
        int64_t time_most
        int64_t entry_count
        int64_t element_count
        int64_t event_count
        uint8_t *parts
        uint8_t *kinds
        uint32_t *rows
        int32_t *name_numbers
        int64_t *values
        int64_t *sizes
        int64_t *element_starts
        int64_t *element_sizes

    int64_t strata_wire_rows(
        strata_entries *out, const uint8_t *bytes, int64_t size
    ) noexcept
    void strata_wire_copy(
        const uint8_t *base, const int64_t *starts, const int64_t *sizes, int64_t count,
        int32_t *offsets, uint8_t *out
    ) noexcept


def read_rows(const uint8_t[::1] message not None, int64_t time_least, int64_t time_most):
    """The entries of n records: (n, names list of str, parts uint8, rows uint32, names int32,
    kinds uint8, values int64, sizes int64, element starts int64, element sizes int64).

    `message` is what protobuf wrote of a message UpdateRows. Times outside `time_least` to
    `time_most`, in microseconds, are none. Raises ValueError for anything else.
    """
    cdef strata_string_index names
    cdef strata_entries out
    cdef int64_t size = message.shape[0], count = 0, i
    cdef const uint8_t *bytes_at = &message[0] if size else NULL
    memset(&out, 0, sizeof(out))
    out.time_least, out.time_most = time_least, time_most
    with nogil:
        count = strata_wire_rows(&out, bytes_at, size)
    if count < 0:
        raise ValueError("not a message UpdateRows")
    # One more than needed, so that there is an address of each.
    parts = np.zeros(out.entry_count + 1, np.uint8)
    kinds = np.zeros(out.entry_count + 1, np.uint8)
    rows = np.zeros(out.entry_count + 1, np.uint32)
    numbers = np.zeros(out.entry_count + 1, np.int32)
    values = np.zeros(out.entry_count + 1, np.int64)
    sizes = np.zeros(out.entry_count + 1, np.int64)
    starts = np.zeros(out.element_count + 1, np.int64)
    lengths = np.zeros(out.element_count + 1, np.int64)
    cdef uint8_t[::1] parts_view = parts, kinds_view = kinds
    cdef uint32_t[::1] rows_view = rows
    cdef int32_t[::1] numbers_view = numbers
    cdef int64_t[::1] values_view = values, sizes_view = sizes
    cdef int64_t[::1] starts_view = starts, lengths_view = lengths
    out.parts, out.kinds = &parts_view[0], &kinds_view[0]
    out.rows, out.name_numbers = &rows_view[0], &numbers_view[0]
    out.values, out.sizes = &values_view[0], &sizes_view[0]
    out.element_starts, out.element_sizes = &starts_view[0], &lengths_view[0]
    if not strata_index_init(&names):
        raise MemoryError
    try:
        out.names = &names
        with nogil:
            count = strata_wire_rows(&out, bytes_at, size)
        if count < 0:
            raise MemoryError
        found = [
            names.heap[names.offsets[i] : names.offsets[i + 1]].decode()
            for i in range(names.count)
        ]
    finally:
        strata_index_free(&names)
    entries = [array[:out.entry_count] for array in (parts, rows, numbers, kinds, values, sizes)]
    elements = [array[:out.element_count] for array in (starts, lengths)]
    return count, found, *entries, *elements


def copy_strings(
    const uint8_t[::1] message not None,  # IN
    const int64_t[::1] starts not None,   # IN (n,) where each string begins, inside of it
    const int64_t[::1] sizes not None,    # IN (n,) its bytes
    int64_t total,                        # the sum of the sizes, below 2**31
):
    """The strings one after the other: (offsets int32 (n + 1,), their bytes uint8)."""
    cdef int64_t count = starts.shape[0]
    assert sizes.shape[0] == count and total < 1 << 31
    offsets = np.zeros(count + 1, np.int32)
    data = np.empty(total, np.uint8)
    cdef int32_t[::1] offsets_view = offsets
    cdef uint8_t[::1] data_view = data
    if total:
        with nogil:
            strata_wire_copy(
                &message[0], &starts[0], &sizes[0], count, &offsets_view[0], &data_view[0]
            )
    return offsets, data
