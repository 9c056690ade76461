# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The kernels one by one, for the tests that compare each with its naive twin.

The evaluator calls the table in C; nothing but tests and benchmarks comes through here.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

import numpy as np

from engine.core.structures cimport (
    STRATA_LEAST_MEMBERS,
    strata_int128_of,
    strata_kernels,
    strata_pick_kernels,
    strata_ratio_to_double,
    strata_wide,
    strata_wide_add_product,
    strata_wide_ratio_to_double,
    strata_wide_sign,
)

__all__ = [
    "LEAST_MEMBERS",
    "combine",
    "in_range",
    "is_member",
    "linear_sign",
    "ratio_to_double",
    "tables",
    "wide_ratio_to_double",
]


# Codes that the bits of a set of codes reach at least; see kernels.h.
LEAST_MEMBERS = STRATA_LEAST_MEMBERS

# From plain to wide, as strata_pick_kernels knows them.
cdef tuple TABLE_NAMES = (b"portable", b"avx2", b"avx512")


def tables():
    """Names of the kernel tables that this processor can run, from plain to wide."""
    return [name.decode() for name in TABLE_NAMES if strata_pick_kernels(name) != NULL]


cdef const strata_kernels *table(str name) except NULL:
    cdef const strata_kernels *kernels = strata_pick_kernels(name.encode())
    if kernels == NULL:
        raise KeyError(name)
    return kernels


def combine(str name, str operation, mask, other):
    """`and`, `or` or `and_not` of two masks (uint64 of 1024): the result and its count.

    `count` ignores the second mask.
    """
    cdef const strata_kernels *kernels = table(name)
    out = np.array(mask, dtype=np.uint64)
    cdef uint64_t[::1] a = out
    cdef const uint64_t[::1] b = other
    assert a.shape[0] == 1024 and b.shape[0] == 1024
    if operation == "and":
        return out, kernels.mask_and(&a[0], &b[0])
    if operation == "or":
        return out, kernels.mask_or(&a[0], &b[0])
    if operation == "and_not":
        return out, kernels.mask_and_not(&a[0], &b[0])
    return out, kernels.mask_count(&a[0])


def in_range(str name, values, low, high):
    """Words with bit i set where `low <= values[i] <= high`; values uint8..uint64 or float64,
    a multiple of 64 of them; low <= high."""
    cdef const strata_kernels *kernels = table(name)
    assert len(values) % 64 == 0
    cdef uint32_t words = len(values) // 64
    out = np.zeros(words, dtype=np.uint64)
    cdef uint64_t[::1] to = out
    cdef const uint8_t[::1] v8
    cdef const uint16_t[::1] v16
    cdef const uint32_t[::1] v32
    cdef const uint64_t[::1] v64
    cdef const double[::1] vf
    if values.dtype == np.uint8:
        v8 = values
        kernels.range_u8(&v8[0], words, low, high - low, &to[0])
    elif values.dtype == np.uint16:
        v16 = values
        kernels.range_u16(&v16[0], words, low, high - low, &to[0])
    elif values.dtype == np.uint32:
        v32 = values
        kernels.range_u32(&v32[0], words, low, high - low, &to[0])
    elif values.dtype == np.uint64:
        v64 = values
        kernels.range_u64(&v64[0], words, low, high - low, &to[0])
    else:
        vf = values
        kernels.range_f64(&vf[0], words, low, high, &to[0])
    return out


def is_member(str name, values, members):
    """Words with bit i set where bit `values[i]` of `members` (uint64 words, LEAST_MEMBERS bits
    at least) is; values uint8, uint16 or uint32, a multiple of 64 of them."""
    cdef const strata_kernels *kernels = table(name)
    assert len(values) % 64 == 0 and 64 * len(members) >= LEAST_MEMBERS
    cdef uint32_t words = len(values) // 64
    out = np.zeros(words, dtype=np.uint64)
    cdef uint64_t[::1] to = out
    cdef const uint64_t[::1] bits = members
    cdef const uint8_t[::1] v8
    cdef const uint16_t[::1] v16
    cdef const uint32_t[::1] v32
    if values.dtype == np.uint8:
        v8 = values
        kernels.member_u8(&v8[0], words, &bits[0], &to[0])
    elif values.dtype == np.uint16:
        v16 = values
        kernels.member_u16(&v16[0], words, &bits[0], &to[0])
    else:
        v32 = values
        kernels.member_u32(&v32[0], words, &bits[0], &to[0])
    return out


def ratio_to_double(numerator, uint64_t denominator):
    """The double nearest to numerator / denominator; 127 bits over less than 2**60."""
    cdef int64_t high = numerator >> 64
    cdef uint64_t low = numerator & 0xFFFFFFFFFFFFFFFF
    return strata_ratio_to_double(strata_int128_of(high, low), denominator)


def wide_ratio_to_double(numerator, denominator):
    """The double nearest to numerator / denominator; 511 bits over less than 2**448."""
    return strata_wide_ratio_to_double(wide_of(numerator), wide_of(denominator))


def linear_sign(factors, values, constant):
    """Sign of `sum(factor * value) + constant` in 512-bit arithmetic; values are int64."""
    cdef strata_wide total = wide_of(constant)
    cdef strata_wide factor
    for number, value in zip(factors, values, strict=True):
        factor = wide_of(number)
        strata_wide_add_product(&total, &factor, value)
    return strata_wide_sign(&total)


cdef strata_wide wide_of(number):
    cdef strata_wide out
    cdef int i
    for i in range(8):
        out.limb[i] = (number >> (64 * i)) & 0xFFFFFFFFFFFFFFFF
    return out
