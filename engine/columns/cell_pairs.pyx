# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Sets of a block from the cells of its rows, without sorting all pairs: cell_pairs.h."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t

import numpy as np

__all__ = ["cell_triples", "count_by_code", "deal_rows"]


cdef extern from "engine/columns/cell_pairs.h" nogil:
    int64_t strata_cell_triples(
        const uint32_t *rows, const uint32_t *givers, const int64_t *offsets, const uint8_t *held,
        int64_t count, const uint32_t *codes, uint16_t *out_rows, uint32_t *out_codes,
        uint32_t *out_givers,
    ) noexcept
    int64_t strata_count_rows(const uint16_t *rows, int64_t count) noexcept
    void strata_count_codes(
        const uint16_t *rows, const uint32_t *codes, int64_t count, int64_t *counts,
        int32_t *last, int64_t code_count,
    ) noexcept
    void strata_deal_rows(
        const uint16_t *rows, const uint32_t *codes, int64_t count, int64_t *places,
        int32_t *last, int64_t code_count, uint16_t *out,
    ) noexcept


def cell_triples(
    const uint32_t[::1] rows not None,  # IN
    const uint32_t[::1] givers not None,  # IN
    const int64_t[::1] offsets not None,  # IN
    const uint8_t[::1] held not None,  # IN, 0 or 1
    const uint32_t[::1] codes not None,  # IN
):
    """The triples (row within its block, code, giver) of cells, each cell's sorted by code.

    Cell i is of rows[i] and holds codes[offsets[i]:offsets[i + 1]], repeats allowed, given by
    givers[i]; where held[i] is 0 it holds nothing. Returns uint16, uint32 and uint32 arrays.
    """
    cdef int64_t count = rows.shape[0], first, room, made = 0
    assert givers.shape[0] == held.shape[0] == count and offsets.shape[0] == count + 1
    first, room = offsets[0], offsets[count] - offsets[0]
    assert 0 <= first and room >= 0 and offsets[count] <= codes.shape[0]
    assert bool((np.diff(offsets) >= 0).all()), "cells follow one another"
    out_rows = np.empty(room, np.uint16)
    out_codes = np.empty(room, np.uint32)
    out_givers = np.empty(room, np.uint32)
    cdef uint16_t[::1] rows_view = out_rows
    cdef uint32_t[::1] codes_view = out_codes
    cdef uint32_t[::1] givers_view = out_givers
    if room:
        with nogil:
            made = strata_cell_triples(
                &rows[0], &givers[0], &offsets[0], &held[0], count, &codes[0], &rows_view[0],
                &codes_view[0], &givers_view[0],
            )
    return out_rows[:made], out_codes[:made], out_givers[:made]


def count_by_code(
    const uint16_t[::1] rows not None,  # IN
    const uint32_t[::1] codes not None,  # IN, each below code_count
    int64_t code_count,
):
    """How many different rows pairs of a row and a code have, and how many each code has, int64
    (code_count,); -1 for the first where the rows are not in order, and then nothing is counted.
    """
    cdef int64_t count = rows.shape[0], different = 0
    assert codes.shape[0] == count and code_count > 0
    counts = np.zeros(code_count, np.int64)
    last = np.empty(code_count, np.int32)
    cdef int64_t[::1] counts_view = counts
    cdef int32_t[::1] last_view = last
    if count:
        with nogil:
            different = strata_count_rows(&rows[0], count)
            if different >= 0:
                strata_count_codes(
                    &rows[0], &codes[0], count, &counts_view[0], &last_view[0], code_count
                )
    return different, counts


def deal_rows(
    const uint16_t[::1] rows not None,  # IN, ordered
    const uint32_t[::1] codes not None,  # IN
    int64_t[::1] places not None,  # IN, OUT
    uint16_t[::1] out not None,  # OUT
):
    """Puts the rows of each code into `out` from places[code] on, each once; `places` are then
    where they end. The room is what `count_by_code` has counted."""
    cdef int64_t count = rows.shape[0], code_count = places.shape[0]
    assert codes.shape[0] == count
    last = np.empty(code_count, np.int32)
    cdef int32_t[::1] last_view = last
    if count:
        with nogil:
            strata_deal_rows(
                &rows[0], &codes[0], count, &places[0], &last_view[0], code_count, &out[0]
            )
