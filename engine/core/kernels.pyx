# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The kernels one by one, for the tests that compare each with its naive twin.

The evaluator calls the table in C; nothing but tests and benchmarks comes through here. Values
come in multiples of 64, integers or doubles. A range of integers may wrap around: low > high is
what lies outside of high < value < low. Masks are uint64, 1024 words where nothing else is said,
and are changed in place.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

import numpy as np

from engine.core.structures cimport (
    STRATA_BLOCK_WORDS,
    STRATA_MASK_STRIDE,
    STRATA_CUTS_MOST,
    STRATA_LEAST_MEMBERS,
    strata_cuts,
    strata_divide_cuts,
    strata_entry,
    strata_int128_of,
    strata_kernels,
    strata_mask_and_entry,
    strata_mask_and_not_entry,
    strata_mask_count_entry,
    strata_pick_kernels,
    strata_ratio_to_double,
    strata_wide,
    strata_wide_add_product,
    strata_wide_ratio_to_double,
    strata_wide_sign,
)

__all__ = [
    "LEAST_MEMBERS",
    "add_by_table",
    "add_in_range",
    "add_to_rows",
    "after",
    "combine",
    "group",
    "in_range",
    "is_member",
    "join",
    "linear_sign",
    "narrow_by_container",
    "narrow_to_members",
    "narrow_to_range",
    "ratio_to_double",
    "rows_in_mask",
    "rows_in_range",
    "rows_of",
    "rows_that_are_members",
    "tables",
    "take_pairs",
    "wide_ratio_to_double",
]

# Codes that the bits of a set of codes reach at least; see kernels.h.
LEAST_MEMBERS = STRATA_LEAST_MEMBERS

# From plain to wide, as strata_pick_kernels knows them.
cdef tuple TABLE_NAMES = (b"portable", b"avx2", b"avx512")

ctypedef fused lane:
    uint8_t
    uint16_t
    uint32_t
    uint64_t

ctypedef fused wider:
    uint16_t
    uint32_t

ctypedef fused number:
    uint8_t
    uint16_t
    uint32_t
    uint64_t
    double

ctypedef fused code:
    uint8_t
    uint16_t
    uint32_t


def tables():
    """Names of the kernel tables that this processor can run, from plain to wide."""
    return [name.decode() for name in TABLE_NAMES if strata_pick_kernels(name) != NULL]


cdef const strata_kernels *table(str name) except NULL:
    cdef const strata_kernels *kernels = strata_pick_kernels(name.encode())
    if kernels == NULL:
        raise KeyError(name)
    return kernels


# --------------------------------------------------------------------------------- masks


def combine(str name, str operation, uint64_t[::1] mask, const uint64_t[::1] other):
    """`and`, `or` or `and_not` of two masks, into the first; its count.

    `count` leaves it, and ignores the second.
    """
    cdef const strata_kernels *kernels = table(name)
    assert mask.shape[0] == other.shape[0] == STRATA_BLOCK_WORDS
    if operation == "and":
        return kernels.mask_and(&mask[0], &other[0])
    if operation == "or":
        return kernels.mask_or(&mask[0], &other[0])
    if operation == "and_not":
        return kernels.mask_and_not(&mask[0], &other[0])
    assert operation == "count"
    return kernels.mask_count(&mask[0])


def join(str name, terms, flips, uint64_t[::1] out=None):
    """Rows in every term, or out of it where its flip is true; how many. At most 8 terms."""
    cdef const strata_kernels *kernels = table(name)
    cdef const uint64_t *masks[8]
    cdef uint64_t turned[8]
    cdef const uint64_t[::1] term
    cdef uint32_t i, count = len(terms)
    assert 0 < count <= 8 and len(flips) == count
    for i in range(count):
        term = terms[i]
        assert term.shape[0] == STRATA_BLOCK_WORDS
        masks[i] = &term[0]
        turned[i] = <uint64_t>0 - <uint64_t>bool(flips[i])
    return kernels.mask_join(masks, turned, count, &out[0] if out is not None else NULL)


def join_any(str name, groups, flips, uint64_t[::1] out=None):
    """Joins groups of masks, each the union of its own or its complement, into `out` unless that
    is None; the rows. At most 16 masks."""
    cdef const strata_kernels *kernels = table(name)
    cdef const uint64_t *masks[16]
    cdef uint32_t[16] ends
    cdef uint64_t[16] turned
    cdef const uint64_t[::1] term
    cdef uint32_t count = 0, g
    assert 0 < len(groups) == len(flips) <= 16 and sum(map(len, groups)) <= 16
    assert out is None or out.shape[0] == STRATA_BLOCK_WORDS
    for g, (terms, flip) in enumerate(zip(groups, flips)):
        assert len(terms)
        for term in terms:
            assert term.shape[0] == STRATA_BLOCK_WORDS
            masks[count] = &term[0]
            count += 1
        ends[g], turned[g] = count, <uint64_t>0 - <uint64_t>bool(flip)
    return kernels.mask_join_any(
        masks, ends, turned, <uint32_t>len(groups), &out[0] if out is not None else NULL)


def code_masks(str name, const uint8_t[::1] values, uint64_t[:, ::1] out):
    """The mask of each code from 1 on in a row of `out`; as many words as the values have."""
    cdef uint32_t words = <uint32_t>(values.shape[0] // 64)
    assert values.shape[0] == 64 * words and 0 < words <= STRATA_BLOCK_WORDS
    assert out.shape[0] and out.shape[1] == STRATA_MASK_STRIDE
    table(name).code_masks_u8(&values[0], words, <uint32_t>out.shape[0], &out[0, 0])


def range_masks(
    str name,
    const uint8_t[::1] values,
    const uint8_t[::1] lows,
    const uint8_t[::1] spans,
    uint64_t[:, ::1] out,
):
    """The mask of each range in a row of `out`; as many words as the values have."""
    cdef uint32_t words = <uint32_t>(values.shape[0] // 64)
    assert values.shape[0] == 64 * words and 0 < words <= STRATA_BLOCK_WORDS
    assert out.shape[1] == STRATA_MASK_STRIDE
    assert 0 < lows.shape[0] == spans.shape[0] == out.shape[0]
    table(name).range_masks_u8(&values[0], words, &lows[0], &spans[0], <uint32_t>lows.shape[0],
                               &out[0, 0])


def ranks(
    str name,
    const uint32_t[::1] values,
    const uint32_t[::1] cuts,
    uint32_t highest,
    uint8_t before,
    uint8_t[::1] out,
):
    """How many of ascending cuts each value, `highest` at most, has reached, and `before`; False and
    nothing where too many cuts are close together."""
    cdef strata_cuts divided
    cdef uint32_t words = words_of(values.shape[0])
    assert words and out.shape[0] == values.shape[0] and 0 < cuts.shape[0] <= STRATA_CUTS_MOST
    for i in range(cuts.shape[0]):
        divided.cuts[i] = cuts[i]
    divided.cut_count, divided.before = <uint32_t>cuts.shape[0], before
    if not strata_divide_cuts(&divided, highest):
        return False
    table(name).ranks_u32(&values[0], words, &divided, &out[0])
    return True


def narrow_by_container(
    str name,
    str operation,
    uint64_t[::1] mask,
    int kind,
    const uint8_t[::1] content,
    uint32_t cardinality,
):
    """`and` or `and_not` of a mask and a sound container, into the mask; the rows left.

    `count` leaves the mask and counts the rows in both.
    """
    cdef const strata_kernels *kernels = table(name)
    cdef strata_entry entry
    cdef const uint8_t *base = &content[0] if content.shape[0] else NULL
    assert mask.shape[0] == STRATA_BLOCK_WORDS
    entry.kind = kind
    entry.cardinality = cardinality
    entry.offset = 0
    if operation == "and":
        return strata_mask_and_entry(kernels, &mask[0], &entry, base)
    if operation == "and_not":
        return strata_mask_and_not_entry(kernels, &mask[0], &entry, base)
    assert operation == "count"
    return strata_mask_count_entry(kernels, &mask[0], &entry, base)


# -------------------------------------------------------------------------------- columns


cdef uint32_t words_of(Py_ssize_t count) except? 0:
    assert count % 64 == 0
    return <uint32_t>(count // 64)


cdef tuple bounds_of(low, high, size, bint is_integer):
    # What a kernel takes: low and high of doubles, low and span of integers.
    if not is_integer:
        return low, high
    return int(low), (int(high) - int(low)) % (1 << 8 * size)


def in_range(str name, const number[::1] values, low, high):
    """Words with bit i set where `low <= values[i] <= high`."""
    cdef const strata_kernels *kernels = table(name)
    cdef uint32_t words = words_of(values.shape[0])
    low, high = bounds_of(low, high, sizeof(number), number is not double)
    out = np.zeros(words, dtype=np.uint64)
    cdef uint64_t[::1] to = out
    if number is uint8_t:
        kernels.range_u8(&values[0], words, low, high, &to[0])
    elif number is uint16_t:
        kernels.range_u16(&values[0], words, low, high, &to[0])
    elif number is uint32_t:
        kernels.range_u32(&values[0], words, low, high, &to[0])
    elif number is uint64_t:
        kernels.range_u64(&values[0], words, low, high, &to[0])
    else:
        kernels.range_f64(&values[0], words, low, high, &to[0])
    return out


def narrow_to_range(
    str name,
    const number[::1] values,
    low,
    high,
    const uint64_t[::1] present,
    bint flip,
    uint64_t[::1] mask,
):
    """Keeps of a mask (a word for each 64 values) the rows that are present and in the range;
    with `flip` the others. How many stay. None for `present` is every row."""
    cdef const strata_kernels *kernels = table(name)
    cdef uint32_t words = words_of(values.shape[0])
    cdef const uint64_t *here = NULL
    cdef uint64_t turned = <uint64_t>0 - <uint64_t>flip
    low, high = bounds_of(low, high, sizeof(number), number is not double)
    assert mask.shape[0] == words
    if present is not None:
        assert present.shape[0] == words
        here = &present[0]
    if number is uint8_t:
        return kernels.range_and_u8(&values[0], words, low, high, here, turned, &mask[0])
    elif number is uint16_t:
        return kernels.range_and_u16(&values[0], words, low, high, here, turned, &mask[0])
    elif number is uint32_t:
        return kernels.range_and_u32(&values[0], words, low, high, here, turned, &mask[0])
    elif number is uint64_t:
        return kernels.range_and_u64(&values[0], words, low, high, here, turned, &mask[0])
    else:
        return kernels.range_and_f64(&values[0], words, low, high, here, turned, &mask[0])


def is_member(str name, const code[::1] values, const uint64_t[::1] members):
    """Words with bit i set where bit `values[i]` of `members` is; LEAST_MEMBERS bits at least."""
    cdef const strata_kernels *kernels = table(name)
    cdef uint32_t words = words_of(values.shape[0])
    assert 64 * members.shape[0] >= LEAST_MEMBERS
    out = np.zeros(words, dtype=np.uint64)
    cdef uint64_t[::1] to = out
    if code is uint8_t:
        kernels.member_u8(&values[0], words, &members[0], &to[0])
    elif code is uint16_t:
        kernels.member_u16(&values[0], words, &members[0], &to[0])
    else:
        kernels.member_u32(&values[0], words, &members[0], &to[0])
    return out


def narrow_to_members(
    str name,
    const code[::1] values,
    const uint64_t[::1] members,
    bint flip,
    uint64_t[::1] mask,
):
    """Keeps of a mask (a word for each 64 values) the rows whose bit of `members` is set; with
    `flip` the others. How many stay."""
    cdef const strata_kernels *kernels = table(name)
    cdef uint32_t words = words_of(values.shape[0])
    cdef uint64_t turned = <uint64_t>0 - <uint64_t>flip
    assert mask.shape[0] == words and 64 * members.shape[0] >= LEAST_MEMBERS
    if code is uint8_t:
        return kernels.member_and_u8(&values[0], words, &members[0], turned, &mask[0])
    elif code is uint16_t:
        return kernels.member_and_u16(&values[0], words, &members[0], turned, &mask[0])
    else:
        return kernels.member_and_u32(&values[0], words, &members[0], turned, &mask[0])


def group(str name, const code[::1] values, const uint64_t[::1] mask, int64_t[::1] counts):
    """Adds the rows of a mask (a word for each 64 values) to the count of their code; how many
    they are. Every code has a count."""
    cdef const strata_kernels *kernels = table(name)
    cdef uint32_t words = words_of(values.shape[0])
    cdef uint32_t code_count = counts.shape[0]
    assert mask.shape[0] == words
    if code is uint8_t:
        return kernels.group_u8(&values[0], words, &mask[0], code_count, &counts[0])
    elif code is uint16_t:
        return kernels.group_u16(&values[0], words, &mask[0], code_count, &counts[0])
    else:
        return kernels.group_u32(&values[0], words, &mask[0], code_count, &counts[0])


# ------------------------------------------------------------------------- selection lists


def rows_of(str name, const uint64_t[::1] mask, uint16_t[::1] rows):
    """Writes the rows of a mask; how many. `rows` has room for them."""
    cdef const strata_kernels *kernels = table(name)
    assert mask.shape[0] == STRATA_BLOCK_WORDS
    return kernels.mask_to_rows(&mask[0], &rows[0])


def rows_in_mask(
    str name, const uint16_t[::1] rows, const uint64_t[::1] mask, bint flip, uint16_t[::1] out
):
    """Writes those of the rows that the mask has (`flip`: has not) to `out`, which may be the
    same array; how many."""
    cdef const strata_kernels *kernels = table(name)
    assert out.shape[0] >= rows.shape[0] and mask.shape[0] == STRATA_BLOCK_WORDS
    return kernels.rows_in_mask(&rows[0], <uint32_t>rows.shape[0], &mask[0], flip, &out[0])


def rows_in_range(
    str name,
    const number[::1] values,
    uint32_t first,
    const uint16_t[::1] rows,
    low,
    high,
    bint flip,
    uint16_t[::1] out,
):
    """Writes those of the rows whose value is in the range (`flip`: is not) to `out`, which may
    be the same array; how many. values[0] is that of row `first`."""
    cdef const strata_kernels *kernels = table(name)
    cdef uint32_t count = <uint32_t>rows.shape[0]
    low, high = bounds_of(low, high, sizeof(number), number is not double)
    assert out.shape[0] >= rows.shape[0]
    if number is uint8_t:
        return kernels.rows_range_u8(&values[0], first, &rows[0], count, low, high, flip, &out[0])
    elif number is uint16_t:
        return kernels.rows_range_u16(&values[0], first, &rows[0], count, low, high, flip, &out[0])
    elif number is uint32_t:
        return kernels.rows_range_u32(&values[0], first, &rows[0], count, low, high, flip, &out[0])
    elif number is uint64_t:
        return kernels.rows_range_u64(&values[0], first, &rows[0], count, low, high, flip, &out[0])
    else:
        return kernels.rows_range_f64(&values[0], first, &rows[0], count, low, high, flip, &out[0])


def rows_that_are_members(
    str name,
    const code[::1] values,
    uint32_t first,
    const uint16_t[::1] rows,
    const uint64_t[::1] members,
    bint flip,
    uint16_t[::1] out,
):
    """Writes those of the rows whose bit of `members` is set (`flip`: is not) to `out`, which may
    be the same array; how many. values[0] is that of row `first`."""
    cdef const strata_kernels *kernels = table(name)
    cdef uint32_t count = <uint32_t>rows.shape[0]
    cdef const uint64_t *bits = &members[0]
    assert out.shape[0] >= rows.shape[0] and 64 * members.shape[0] >= LEAST_MEMBERS
    if code is uint8_t:
        return kernels.rows_member_u8(&values[0], first, &rows[0], count, bits, flip, &out[0])
    elif code is uint16_t:
        return kernels.rows_member_u16(&values[0], first, &rows[0], count, bits, flip, &out[0])
    else:
        return kernels.rows_member_u32(&values[0], first, &rows[0], count, bits, flip, &out[0])


def add_to_rows(str name, lane[::1] values, const uint64_t[::1] mask, uint64_t value):
    """Adds a number, wrapping around, to the values of a block whose rows a mask has."""
    cdef const strata_kernels *kernels = table(name)
    assert mask.shape[0] == STRATA_BLOCK_WORDS and values.shape[0] == 64 * STRATA_BLOCK_WORDS
    if lane is uint8_t:
        kernels.add_u8(&values[0], &mask[0], <uint8_t>value)
    elif lane is uint16_t:
        kernels.add_u16(&values[0], &mask[0], <uint16_t>value)
    elif lane is uint32_t:
        kernels.add_u32(&values[0], &mask[0], <uint32_t>value)
    else:
        kernels.add_u64(&values[0], &mask[0], value)


def add_by_table(
    str name, uint8_t[::1] lanes, const uint8_t[::1] values, const uint8_t[::1] points, int most
):
    """Adds to each lane what a table has for its value, none of which is above `most`."""
    cdef uint32_t words = <uint32_t>(values.shape[0] // 64)
    assert lanes.shape[0] == values.shape[0] and points.shape[0] == 256
    table(name).add_by_u8(&lanes[0], &values[0], words, &points[0], <uint32_t>most)


def add_in_range(
    str name, uint8_t[::1] lanes, const wider[::1] values, uint64_t low, uint64_t high, int number
):
    """Adds a number to the lanes of values in a range, which may wrap around."""
    cdef uint32_t words = <uint32_t>(values.shape[0] // 64)
    assert lanes.shape[0] == values.shape[0]
    if wider is uint16_t:
        table(name).add_in_u16(
            &lanes[0], &values[0], words, <uint16_t>low, <uint16_t>(high - low), <uint8_t>number)
    else:
        table(name).add_in_u32(
            &lanes[0], &values[0], words, <uint32_t>low, <uint32_t>(high - low), <uint8_t>number)


def after(
    str name, const uint16_t[::1] rows, const uint32_t[::1] times, const uint32_t[::1] latest,
    uint32_t sure, uint32_t most,
):
    """Which instants are at most `sure` after the latest of their rows, and which are open."""
    cdef uint32_t count = <uint32_t>rows.shape[0]
    cdef uint64_t[::1] hits, unsure
    assert times.shape[0] == count and latest.shape[0] == 64 * STRATA_BLOCK_WORDS
    made = np.empty((2, (count + 63) // 64), np.uint64)
    if count:
        hits, unsure = made[0], made[1]
        table(name).after_u32(
            &rows[0], &times[0], count, &latest[0], sure, most, &hits[0], &unsure[0])
    return made[0], made[1]


def take_pairs(
    str name, uint32_t[::1] lanes, uint32_t bits, uint32_t least, uint32_t low, uint32_t high
):
    """Which lanes have a count of `least` or more and a sum from `low` to `high`; clears them."""
    cdef uint32_t words = <uint32_t>(lanes.shape[0] // 64)
    cdef uint64_t[::1] out
    made = np.empty(words, np.uint64)
    if words:
        out = made
        table(name).take_pairs(&lanes[0], words, bits, least, low, high - low, &out[0])
    return made


# ------------------------------------------------------------------------ exact arithmetic


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
