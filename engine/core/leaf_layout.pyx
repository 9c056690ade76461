# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Leaves of a plan laid out in C: structures that point into arrays which their home keeps alive."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

import numpy as np

from engine.core import operations
from engine.errors import NotYet

from engine.core.structures cimport (
    STRATA_LEAF_BUCKET,
    STRATA_LEAF_CODE_PAIR,
    STRATA_LEAF_CODES,
    STRATA_LEAF_FLOAT,
    STRATA_LEAF_FLOAT_IN,
    STRATA_LEAF_FLOAT_RANGE,
    STRATA_LEAF_INT_IN,
    STRATA_LEAF_INT_RANGE,
    STRATA_LEAF_LINEAR,
    STRATA_LEAF_LINEAR_IN,
    STRATA_LEAF_PRESENT,
    STRATA_LEAF_ROWS,
    STRATA_LEAF_SET,
    STRATA_LEAF_TEXT,
    strata_float_term,
    strata_int128_of,
    strata_leaf,
    strata_side,
    strata_source,
    strata_term,
    strata_wide,
)

cdef dict COMPARES = {"=": 0, "!=": 1, "<": 2, "<=": 3, ">": 4, ">=": 5}
cdef dict HOWS = {"contains": 0, "starts with": 1, "ends with": 2}

# A sum whose parts stay below this never leaves 128 bits, whatever order it is added in.
NARROW_LIMIT = 1 << 126
# Beyond this, a quotient is not rounded to a double in 128 bits.
NARROW_DENOMINATOR_LIMIT = 1 << 60
# Sums over the events of a row, each of 64 bits, fewer than 2^32; and numbers of them.
SUM_BITS = 96
# A number of 64 bits, times a power of ten that a decimal may have digits of.
SCALED_BITS = 124
COUNT_BITS = 32
# Wide numbers are of 512 bits with a sign; a quotient is rounded from a denominator below 2^448.
WIDE_LIMIT = 1 << 447


cdef class LeafHome:
    """What leaves are laid out for: it says where fields are, and keeps what leaves point into."""

    def __cinit__(self):
        self._kept = []

    cdef int32_t field_position(self, int field_id) except -1:
        """What a leaf knows a field by."""
        raise NotImplementedError

    cdef const void *keep(self, array) except? NULL:
        """Address of the first byte of an array or of bytes; they live as long as the home."""
        return pin(self._kept, array)


cdef const void *pin(list kept, array) except? NULL:
    """Address of the first byte of an array or of bytes, which live as long as `kept` has them."""
    cdef Py_buffer view
    if not len(array):
        array = bytes(1)
    kept.append(array)
    PyObject_GetBuffer(array, &view, PyBUF_SIMPLE)
    PyBuffer_Release(&view)  # `kept` has the array: nobody makes it longer or shorter
    return view.buf


cdef int lay_out_leaf(LeafHome home, leaf, strata_leaf *out) except -1:
    kind = type(leaf)
    if kind is operations.LinearLeaf:
        return lay_out_linear(home, leaf, out)
    if kind is operations.LinearInLeaf:
        return lay_out_linear_in(home, leaf, out)
    if kind is operations.FloatLeaf:
        out.op = STRATA_LEAF_FLOAT
        out.compare = COMPARES[leaf.compare]
        lay_out_side(home, leaf.left, &out.left)
        return lay_out_side(home, leaf.right, &out.right)
    if kind is operations.FloatInLeaf:
        out.op = STRATA_LEAF_FLOAT_IN
        out.negated = leaf.negated
        out.doubles = <const double *>home.keep(np.array(leaf.values, dtype=np.float64))
        out.double_count = <uint32_t>len(leaf.values)
        return lay_out_side(home, leaf.left, &out.left)
    if kind is operations.BucketLeaf:
        out.op = STRATA_LEAF_BUCKET
        out.seed = leaf.seed
        out.low, out.high, out.negated = leaf.low, leaf.high, leaf.negated
        return 0
    if kind is operations.RowsLeaf:
        out.op = STRATA_LEAF_ROWS
        out.field = 0
        return 0
    if kind is operations.CodePairLeaf:
        out.op = STRATA_LEAF_CODE_PAIR
        out.field = home.field_position(leaf.left)
        out.field2 = home.field_position(leaf.right)
        out.negated = leaf.negated
        out.codes = <const uint32_t *>home.keep(leaf.codes)
        return 0
    out.field = home.field_position(leaf.field)
    if kind is operations.SetLeaf:
        out.op = STRATA_LEAF_SET
        out.codes = <const uint32_t *>home.keep(np.array(leaf.codes, dtype=np.uint32))
        out.code_count = <uint32_t>len(leaf.codes)
    elif kind is operations.CodesLeaf:
        out.op = STRATA_LEAF_CODES
        out.members = <const uint64_t *>home.keep(leaf.members)
        out.lowest_code, out.highest_code = leaf.lowest, leaf.highest
        out.contiguous = leaf.contiguous
        out.code_count = int.from_bytes(leaf.members, "little").bit_count()
    elif kind is operations.PresentLeaf:
        out.op = STRATA_LEAF_PRESENT
        out.how = leaf.is_text
    elif kind is operations.IntRangeLeaf:
        out.op = STRATA_LEAF_INT_RANGE
        out.low, out.high, out.negated = leaf.low, leaf.high, leaf.negated
    elif kind is operations.IntInLeaf:
        out.op = STRATA_LEAF_INT_IN
        out.ints = <const int64_t *>home.keep(np.array(leaf.values, dtype=np.int64))
        out.int_count = <uint32_t>len(leaf.values)
        out.negated = leaf.negated
    elif kind is operations.FloatRangeLeaf:
        out.op = STRATA_LEAF_FLOAT_RANGE
        out.float_low, out.float_high, out.negated = leaf.low, leaf.high, leaf.negated
    else:
        assert kind is operations.TextLeaf, kind
        out.op = STRATA_LEAF_TEXT
        out.how = HOWS[leaf.how]
        out.needle = <const uint8_t *>home.keep(leaf.needle)
        out.needle_length = <uint32_t>len(leaf.needle)
        out.negated = leaf.negated
    return 0


def needs_wide(constant, summands):
    """Whether `constant + sum of factor * value` can leave 128 bits."""
    return averages_of(summands) > 0 or greatest_of(constant, summands) >= NARROW_LIMIT


def averages_of(summands):
    """How many of the summands are averages."""
    return sum(isinstance(s.number, operations.AverageNumber) for s in summands)


def greatest_of(constant, summands):
    """What the size of `constant + sum of factor * value` stays below, averages taken as sums."""
    return abs(constant) + sum(abs(s.factor) << bits_of(s.number) for s in summands)


def bits_of(number):
    """How many bits the size of a number takes at most."""
    if isinstance(number, (operations.SumNumber, operations.AverageNumber)):
        return SUM_BITS
    return SCALED_BITS if isinstance(number, operations.ScaledNumber) else 63


def count_averages(constant, summands, denominator=1):
    """How many of the summands are averages; refuses more than there is room for."""
    count = averages_of(summands)
    greatest = greatest_of(max(abs(constant), denominator << 63), summands) << COUNT_BITS * count
    if count and greatest >= WIDE_LIMIT:
        raise NotYet(
            "so many averages in one comparison can be written and checked, and not evaluated "
            "yet; compare them in several conditions."
        )
    return count


cdef int lay_out_linear(LeafHome home, leaf, strata_leaf *out) except -1:
    out.op = STRATA_LEAF_LINEAR
    out.compare = COMPARES[leaf.compare]
    out.wide = needs_wide(leaf.constant, leaf.summands)
    out.averages = count_averages(leaf.constant, leaf.summands)
    out.term_count = <uint32_t>len(leaf.summands)
    out.terms = lay_out_terms(home, leaf.summands, out.wide)
    if out.wide:
        set_wide(&out.wide_constant, leaf.constant)
    else:
        out.constant = strata_int128_of(leaf.constant >> 64, leaf.constant & MASK64)
    return 0


cdef int lay_out_linear_in(LeafHome home, leaf, strata_leaf *out) except -1:
    cdef uint32_t i
    memory = np.zeros(max(1, len(leaf.targets)) * sizeof(strata_wide), dtype=np.uint8)
    cdef strata_wide *targets = <strata_wide *>home.keep(memory)
    out.op = STRATA_LEAF_LINEAR_IN
    out.negated = leaf.negated
    out.term_count = <uint32_t>len(leaf.summands)
    out.terms = lay_out_terms(home, leaf.summands, True)
    out.averages = count_averages(max(map(abs, leaf.targets), default=0), leaf.summands)
    out.target_count = <uint32_t>len(leaf.targets)
    for i in range(out.target_count):
        set_wide(&targets[i], leaf.targets[i])
    out.targets = targets
    return 0


cdef object MASK64 = (1 << 64) - 1


cdef int set_wide(strata_wide *out, number) except -1:
    cdef int i
    assert -(1 << 511) <= number < 1 << 511
    for i in range(8):
        out.limb[i] = (number >> (64 * i)) & MASK64
    return 0


cdef const strata_term *lay_out_terms(LeafHome home, summands, bint wide) except NULL:
    cdef uint32_t i
    memory = np.zeros(max(1, len(summands)) * sizeof(strata_term) + 16, dtype=np.uint8)
    # 128-bit integers need 16-byte alignment, which numpy does not promise.
    cdef uint64_t address = (<uint64_t>home.keep(memory) + 15) & ~<uint64_t>15
    cdef strata_term *terms = <strata_term *>address
    for i in range(<uint32_t>len(summands)):
        lay_out_source(home, summands[i].number, &terms[i].source)
        factor = summands[i].factor
        if wide:
            set_wide(&terms[i].wide, factor)
        else:
            terms[i].factor = strata_int128_of(factor >> 64, factor & MASK64)
    return terms


cdef int lay_out_source(LeafHome home, number, strata_source *out) except -1:
    kind = type(number)
    out.denominator = 1
    if kind is operations.BucketNumber:
        out.kind = 3
        out.seed = number.seed
        return 0
    out.field = home.field_position(number.field)
    if kind is operations.ColumnNumber:
        out.kind = 0
        out.denominator = number.denominator
    elif kind is operations.FloatNumber:
        out.kind = 1
    elif kind is operations.SumNumber:
        out.kind = 4
        out.denominator = number.denominator
    elif kind is operations.AverageNumber:
        out.kind = 5
        out.field2 = home.field_position(number.count_field)
        out.denominator = number.denominator
    elif kind is operations.ScaledNumber:
        out.kind = 6
        out.denominator = number.denominator
    else:
        assert kind is operations.DayNumber, kind
        starts = np.frombuffer(number.starts, dtype=np.int64)
        out.kind = 2
        out.first_day = number.first_day
        out.day_count = <int64_t>len(starts)
        out.day_start = <const int64_t *>home.keep(starts)
    return 0


cdef int lay_out_side(LeafHome home, side, strata_side *out) except -1:
    cdef uint32_t i
    cdef strata_float_term *terms
    if not side.floats:
        out.count = <uint32_t>len(side.exact)
        out.wide = (
            needs_wide(side.constant, side.exact) or side.denominator >= NARROW_DENOMINATOR_LIMIT
        )
        out.averages = count_averages(side.constant, side.exact, side.denominator)
        out.terms = lay_out_terms(home, side.exact, out.wide)
        if out.wide:
            set_wide(&out.wide_constant, side.constant)
            set_wide(&out.wide_denominator, side.denominator)
        else:
            out.constant = strata_int128_of(side.constant >> 64, side.constant & MASK64)
            out.denominator = side.denominator
        return 0
    memory = np.zeros(len(side.floats) * sizeof(strata_float_term), dtype=np.uint8)
    terms = <strata_float_term *>home.keep(memory)
    out.float_terms = terms
    out.float_count = <uint32_t>len(side.floats)
    for i in range(out.float_count):
        summand = side.floats[i]
        terms[i].sign = summand.sign
        terms[i].has_factor = summand.factor is not None
        terms[i].factor = summand.factor or 0.0
        terms[i].is_literal = isinstance(summand.number, float)
        if terms[i].is_literal:
            terms[i].literal = summand.number
        elif isinstance(summand.number, operations.Side):
            terms[i].exact = lay_out_exact(home, summand.number)
        else:
            lay_out_source(home, summand.number, &terms[i].source)
    return 0


cdef const strata_side *lay_out_exact(LeafHome home, side) except NULL:
    """A sum that is one summand of a side."""
    memory = np.zeros(sizeof(strata_side) + 16, dtype=np.uint8)
    cdef uint64_t address = (<uint64_t>home.keep(memory) + 15) & ~<uint64_t>15
    cdef strata_side *out = <strata_side *>address
    lay_out_side(home, side, out)
    return out
