# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""What the values of a block range over, and the values laid into that frame: frames.h."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

import numpy as np

__all__ = ["lay_ints", "measure_codes", "measure_ints"]


cdef extern from "engine/columns/frames.h" nogil:
    ctypedef struct strata_frame:
        int64_t count
        int64_t low
        int64_t high

    strata_frame strata_measure_ints(
        const int64_t *values, const uint8_t *present, int64_t count
    ) noexcept
    strata_frame strata_measure_codes(const uint32_t *codes, int64_t count) noexcept
    uint64_t strata_common_step(
        const int64_t *values, const uint8_t *present, int64_t count, strata_frame frame
    ) noexcept
    void strata_lay_ints_uint8_t(
        const int64_t *values, const uint8_t *present, int64_t count, int64_t low, uint64_t step,
        uint8_t *out,
    ) noexcept
    void strata_lay_ints_uint16_t(
        const int64_t *values, const uint8_t *present, int64_t count, int64_t low, uint64_t step,
        uint16_t *out,
    ) noexcept
    void strata_lay_ints_uint32_t(
        const int64_t *values, const uint8_t *present, int64_t count, int64_t low, uint64_t step,
        uint32_t *out,
    ) noexcept
    void strata_lay_ints_uint64_t(
        const int64_t *values, const uint8_t *present, int64_t count, int64_t low, uint64_t step,
        uint64_t *out,
    ) noexcept


def measure_ints(
    const int64_t[::1] values not None,  # IN
    const uint8_t[::1] present not None,  # IN, 0 or 1
):
    """(how many are present, the least, the greatest, the step by which all are apart).

    The step is the greatest common divisor of the distances from the least value where that
    saves width, else 1; least and greatest are 0 where none is present.
    """
    cdef int64_t count = values.shape[0]
    cdef strata_frame frame
    cdef uint64_t step = 1
    assert present.shape[0] == count
    if count == 0:
        return 0, 0, 0, 1
    with nogil:
        frame = strata_measure_ints(&values[0], &present[0], count)
        step = strata_common_step(&values[0], &present[0], count, frame)
    return frame.count, frame.low, frame.high, step


def lay_ints(
    const int64_t[::1] values not None,  # IN
    const uint8_t[::1] present not None,  # IN, 0 or 1
    int64_t low,
    uint64_t step,
    int width,
):
    """Their distances from `low` in steps, 0 where missing, as an array of that width in bytes."""
    cdef int64_t count = values.shape[0]
    cdef uint8_t[::1] bytes_of
    assert present.shape[0] == count and step > 0 and width in (1, 2, 4, 8)
    out = np.empty(count, f"<u{width}")
    if count == 0:
        return out
    bytes_of = out.view(np.uint8)
    with nogil:
        if width == 1:
            strata_lay_ints_uint8_t(&values[0], &present[0], count, low, step, &bytes_of[0])
        elif width == 2:
            strata_lay_ints_uint16_t(
                &values[0], &present[0], count, low, step, <uint16_t *>&bytes_of[0]
            )
        elif width == 4:
            strata_lay_ints_uint32_t(
                &values[0], &present[0], count, low, step, <uint32_t *>&bytes_of[0]
            )
        else:
            strata_lay_ints_uint64_t(
                &values[0], &present[0], count, low, step, <uint64_t *>&bytes_of[0]
            )
    return out


def measure_codes(const uint32_t[::1] codes not None):
    """(how many are present, the least of them, the greatest); both 0 where none is."""
    cdef strata_frame frame
    if codes.shape[0] == 0:
        return 0, 0, 0
    with nogil:
        frame = strata_measure_codes(&codes[0], codes.shape[0])
    return frame.count, frame.low, frame.high
