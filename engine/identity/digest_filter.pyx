# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""A filter before many digests: those that it does not let pass are not among them.

A filter is uint64 (lines, 8), zeros while it is empty; digest_filter.h has what stands in it.
"""

from libc.stdint cimport int64_t, uint64_t

import numpy as np

__all__ = ["LINE_BYTES", "add_to_filter", "passed_filter"]


cdef extern from "engine/identity/digest_filter.h" nogil:
    const int64_t STRATA_FILTER_WORDS

    void strata_filter_add(
        uint64_t *words, int64_t lines, const uint64_t *highs, const uint64_t *lows,
        int64_t count
    ) noexcept
    int64_t strata_filter_passed(
        const uint64_t *words, int64_t lines, const uint64_t *digests, int64_t count,
        int64_t *places
    ) noexcept


LINE_BYTES = 8 * STRATA_FILTER_WORDS


def add_to_filter(
    uint64_t[:, ::1] filter_ not None,   # OUT (lines, 8), at least one line
    const uint64_t[::1] high not None,   # IN (n,)
    const uint64_t[::1] low not None,    # IN (n,)
):
    """Lets n digests pass, given by their halves; faster where they are sorted."""
    cdef int64_t count = high.shape[0], lines = filter_.shape[0]
    assert low.shape[0] == count and filter_.shape[1] == STRATA_FILTER_WORDS and lines
    if count:
        with nogil:
            strata_filter_add(&filter_[0, 0], lines, &high[0], &low[0], count)


def passed_filter(
    const uint64_t[:, ::1] filter_ not None,  # IN (lines, 8), at least one line
    const uint64_t[:, ::1] digests not None,  # IN (n, 2)
):
    """The places of the digests that pass, int64 (m,), ascending: of all that were added, and
    of few others."""
    cdef int64_t count = digests.shape[0], lines = filter_.shape[0], passed_count
    assert digests.shape[1] == 2 and filter_.shape[1] == STRATA_FILTER_WORDS and lines
    passed = np.empty(count, np.int64)
    if not count:
        return passed
    cdef int64_t[::1] places = passed
    with nogil:
        passed_count = strata_filter_passed(
            &filter_[0, 0], lines, &digests[0, 0], count, &places[0]
        )
    return passed[:passed_count]
