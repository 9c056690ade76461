# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""ValueBlocks: the values of an audience, block by block, and what is gathered from them.

For one block:
1. The audience's mask is found as a count would find it (engine.core.nodes).
2. What a value reads narrows the mask to the rows that have it; their numbers are read column
   by column. A form that fits 64 bits, by the bounds in the headers of the block, is added up
   in those; any other is left to the caller as Python integers, row by row.
3. Totals, counts between keys or counts of elements are made while the values are in the cache.

The value is the left side of a leaf that no logic reads: so it is laid out, and reads virtual
columns, like that of a condition. Nothing touches a Python object within a block.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

import numpy as np

from engine.core.aggregates cimport fill_columns
from engine.core.control cimport GO_ON, NO_MEMORY, Control, raise_stopped, stop_reason
from engine.core.nodes cimport (
    A_MASK,
    context,
    live_rows,
    need_columns,
    open_block,
    outcome,
    run_root,
)
from engine.core.program cimport NODE_LEAF, Program
from engine.core.structures cimport (
    STRATA_ALL,
    STRATA_BLOCK_ROWS,
    STRATA_BLOCK_WORDS,
    STRATA_LEAF_FLOAT,
    STRATA_LEAF_LINEAR,
    STRATA_LEAF_PRESENT,
    STRATA_NONE,
    strata_field,
    strata_group_mask,
    strata_leaf,
    strata_leaf_narrow,
    strata_reader,
    strata_side,
    strata_source,
    strata_term,
    strata_wide,
)
from engine.core.worker cimport Worker

__all__ = ["SUM_DIGITS", "ValueBlocks", "double_keys"]


cdef extern from "engine/core/values.h" nogil:
    enum:
        STRATA_SOURCE_BUCKET
        STRATA_SOURCE_SUM
        STRATA_SUM_DIGITS

    ctypedef struct strata_totals:
        int64_t *count
        uint64_t *low
        int64_t *high
        int64_t *least
        int64_t *greatest

    ctypedef struct strata_float_totals:
        int64_t *count
        int64_t *infinite
        double *least
        double *greatest
        int64_t *digits

    void strata_gather_codes(
        const strata_field *field, uint32_t block, const uint16_t *rows, uint32_t count,
        uint32_t *out) noexcept
    void strata_gather_bools(
        const strata_field *field, uint32_t block, const uint16_t *rows, uint32_t count,
        uint32_t *out) noexcept
    int strata_read_text(
        const strata_field *field, uint32_t block, uint32_t row, const uint8_t **bytes,
        uint32_t *length) noexcept
    void strata_gather_doubles(
        const strata_field *field, uint32_t block, const uint16_t *rows, uint32_t count,
        double *out) noexcept
    int strata_form_fits(const strata_reader *reader, const strata_leaf *leaf) noexcept
    void strata_add_source(
        const strata_reader *reader, const strata_term *term, const uint16_t *rows,
        uint32_t count, int64_t *read, int64_t *values) noexcept
    strata_wide strata_form_wide(
        const strata_reader *reader, const strata_leaf *leaf, uint32_t row) noexcept
    int strata_form_ratio(
        const strata_reader *reader, const strata_leaf *leaf, uint32_t row, strata_wide *value,
        strata_wide *divisor) noexcept
    int strata_is_plain_average(
        const strata_reader *reader, const strata_leaf *leaf) noexcept
    uint32_t strata_average_values(
        const strata_reader *reader, const strata_leaf *leaf, uint16_t *rows, uint32_t count,
        int64_t *values, int64_t *divisors) noexcept
    uint32_t strata_ratio_values(
        const strata_reader *reader, const strata_leaf *leaf, uint16_t *rows, uint32_t count,
        int64_t *values, int64_t *divisors, int *is_wide) noexcept
    int strata_side_is_column(const strata_side *side) noexcept
    uint32_t strata_side_values(
        const strata_reader *reader, const strata_side *side, uint16_t *rows, uint32_t count,
        double *values) noexcept
    void strata_double_keys(double *values, uint32_t count, int64_t *keys) noexcept
    void strata_totals_add(
        const strata_totals *totals, const int64_t *values, const uint32_t *groups,
        uint32_t count) noexcept
    void strata_float_totals_add(
        const strata_float_totals *totals, const double *values, const uint32_t *groups,
        uint32_t count) noexcept
    void strata_count_by_keys(
        const int64_t *values, uint32_t count, const int64_t *keys, uint32_t key_count,
        int64_t *counts) noexcept
    void strata_count_elements(
        const strata_reader *reader, const strata_field *field, const uint64_t *mask,
        int64_t *counts) noexcept


SUM_DIGITS = STRATA_SUM_DIGITS

cdef enum:
    SOME_ROWS = 2048         # rows that are read apart between two looks at the control
cdef size_t MASK_BYTES = STRATA_BLOCK_WORDS * 8


def double_keys(double[::1] values not None):
    """Integers that have the order of some doubles, none of them NaN; of -0.0 that of 0.0."""
    keys = np.empty(len(values), np.int64)
    cdef int64_t[::1] out = keys
    if len(values):
        strata_double_keys(&values[0], <uint32_t>len(values), &out[0])
    return keys


cdef whole(const strata_wide *number):
    return int.from_bytes(
        PyBytes_FromStringAndSize(<char *>number, sizeof(strata_wide)), "little", signed=True)


cdef class ValueBlocks:
    """One thread's reading of the values of a root, a block at a time.

    `node` is the leaf that has the value, -1 where only the mask is wanted. With `grouped` each
    row gets its code in the program's group field, which is a bool where `is_bool`.

    A group field that is folded from events is column `group_column`, else -1.

    After `read` of `block`: `matched` rows are in the audience and `count` of them have a value;
    `is_wide` says that those do not fit 64 bits, and are had from `wide_values` alone. `is_ratio`:
    there are averages in the value, so that each is to be divided by a divisor of its own.
    """

    cdef Worker worker
    cdef Program program
    cdef int32_t root
    cdef const strata_leaf *leaf     # NULL: no value
    cdef readonly bint is_float
    cdef readonly bint is_ratio
    cdef bint grouped
    cdef bint is_bool
    cdef uint64_t[::1] mask          # of the audience
    cdef uint64_t[::1] having        # of those who have the value
    cdef uint16_t[::1] rows
    cdef uint16_t[::1] scratch_rows  # a stretch of them
    cdef uint32_t[::1] groups
    cdef int64_t[::1] ints           # the values, or of doubles their keys
    cdef int64_t[::1] scratch
    cdef double[::1] doubles
    cdef int64_t[::1] divisors
    cdef int32_t group_column
    cdef bint keys_are_read
    cdef readonly uint32_t block
    cdef readonly uint32_t matched
    cdef readonly uint32_t count
    cdef readonly bint is_wide

    def __init__(self, Program program, int32_t root, int32_t node, Control control not None, *,
                 grouped=False, is_bool=False, int32_t group_column=-1):
        self.program = program
        self.worker = Worker(program, control, 1)
        self.root = root
        self.leaf = NULL
        if node >= 0:
            assert program.nodes[node].kind == NODE_LEAF
            self.leaf = &program.leaves[program.nodes[node].leaf]
            assert self.leaf.op in (STRATA_LEAF_LINEAR, STRATA_LEAF_FLOAT)
            self.is_float = self.leaf.op == STRATA_LEAF_FLOAT
            self.is_ratio = not self.is_float and self.leaf.averages > 0
            self.divisors = np.empty(STRATA_BLOCK_ROWS if self.is_ratio else 1, np.int64)
            self.doubles = np.empty(STRATA_BLOCK_ROWS if self.is_float else 1, np.float64)
            self.ints = np.empty(STRATA_BLOCK_ROWS, np.int64)
            self.scratch = np.empty(1 if self.is_float else STRATA_BLOCK_ROWS, np.int64)
            self.rows = np.empty(STRATA_BLOCK_ROWS, np.uint16)
            self.scratch_rows = np.empty(SOME_ROWS, np.uint16)
        self.grouped, self.is_bool, self.group_column = grouped, is_bool, group_column
        assert not grouped or program.group_field >= 0
        self.groups = np.empty(STRATA_BLOCK_ROWS if grouped else 1, np.uint32)
        self.mask = np.empty(STRATA_BLOCK_WORDS, np.uint64)
        self.having = np.empty(STRATA_BLOCK_WORDS, np.uint64)

    def read(self, uint32_t block):
        """Reads a block; whether anybody in it is in the audience.

        Raises Cancelled and DeadlineExceeded as the control says.
        """
        cdef int reason
        with nogil:
            reason = self.read_block(block)
        raise_stopped(reason)
        return self.matched > 0

    cdef int read_block(self, uint32_t block) noexcept nogil:
        cdef context *c = &self.worker.c
        cdef outcome found
        self.block, self.matched, self.count = block, 0, 0
        self.is_wide = self.keys_are_read = False
        c.stopped = stop_reason(c.switch_)
        if c.stopped != GO_ON or not open_block(c, block):
            return c.stopped
        found = run_root(c, self.root, A_MASK)
        if c.stopped != GO_ON or found.state == STRATA_NONE:
            return c.stopped
        memcpy(&self.mask[0], live_rows(c) if found.state == STRATA_ALL else found.mask, MASK_BYTES)
        self.matched = found.rows
        if self.group_column >= 0:
            live_rows(c)
            if not fill_columns(c.columns, &self.group_column, 1):
                c.stopped = NO_MEMORY
                return c.stopped
        if self.leaf == NULL:
            return GO_ON
        need_columns(c, self.leaf)
        if c.stopped != GO_ON:
            return c.stopped
        if self.is_float:
            self.read_doubles(c)
        elif self.is_ratio:
            self.read_ratios(c)
        else:
            self.read_ints(c)
        if c.stopped == GO_ON and self.grouped and self.count:
            self.read_groups(c, block)
        return c.stopped

    cdef void narrow_to(self, context *c, const strata_source *source) noexcept nogil:
        """Cuts the mask of those who have the value to who has a source."""
        cdef strata_leaf present
        if source.kind in (STRATA_SOURCE_BUCKET, STRATA_SOURCE_SUM):
            return  # everybody has one
        present.op = STRATA_LEAF_PRESENT
        present.field = source.field
        present.how = 0
        present.negated = 0
        self.count = strata_leaf_narrow(&c.reader, &present, 0, &self.having[0])

    cdef void read_ints(self, context *c) noexcept nogil:
        cdef const strata_leaf *leaf = self.leaf
        cdef int64_t constant
        cdef uint32_t i
        memcpy(&self.having[0], &self.mask[0], MASK_BYTES)
        self.count = self.matched
        for i in range(leaf.term_count):
            self.narrow_to(c, &leaf.terms[i].source)
            if self.count == 0:
                return
        c.reader.kernels.mask_to_rows(&self.having[0], &self.rows[0])
        if not strata_form_fits(&c.reader, leaf):
            self.is_wide = True
            return
        constant = <int64_t>leaf.constant
        for i in range(self.count):
            self.ints[i] = constant
        for i in range(leaf.term_count):
            c.stopped = stop_reason(c.switch_)
            if c.stopped != GO_ON:
                return
            strata_add_source(&c.reader, &leaf.terms[i], &self.rows[0], self.count,
                              &self.scratch[0], &self.ints[0])

    cdef void read_ratios(self, context *c) noexcept nogil:
        cdef int is_plain = strata_is_plain_average(&c.reader, self.leaf)
        cdef int is_wide = 0
        cdef uint32_t at = 0, some
        c.reader.kernels.mask_to_rows(&self.mask[0], &self.rows[0])
        while at < self.matched:
            c.stopped = stop_reason(c.switch_)
            if c.stopped != GO_ON:
                return
            some = min(self.matched - at, <uint32_t>SOME_ROWS)
            # Those kept move up behind the ones kept before: never past where they stand.
            memcpy(&self.scratch_rows[0], &self.rows[at], some * 2)
            if is_plain:
                some = strata_average_values(
                    &c.reader, self.leaf, &self.scratch_rows[0], some, &self.ints[self.count],
                    &self.divisors[self.count])
            else:
                some = strata_ratio_values(
                    &c.reader, self.leaf, &self.scratch_rows[0], some, &self.ints[self.count],
                    &self.divisors[self.count], &is_wide)
            memcpy(&self.rows[self.count], &self.scratch_rows[0], some * 2)
            self.count += some
            at += SOME_ROWS
        self.is_wide = is_wide

    cdef void read_doubles(self, context *c) noexcept nogil:
        cdef const strata_side *side = &self.leaf.left
        cdef uint32_t at = 0, some
        memcpy(&self.having[0], &self.mask[0], MASK_BYTES)
        self.count = self.matched
        if strata_side_is_column(side):
            self.narrow_to(c, &side.float_terms[0].source)
            if self.count:
                c.reader.kernels.mask_to_rows(&self.having[0], &self.rows[0])
                strata_gather_doubles(&c.reader.fields[side.float_terms[0].source.field],
                                      c.reader.block, &self.rows[0], self.count, &self.doubles[0])
            return
        c.reader.kernels.mask_to_rows(&self.having[0], &self.rows[0])
        self.count = 0
        while at < self.matched:
            c.stopped = stop_reason(c.switch_)
            if c.stopped != GO_ON:
                return
            some = min(self.matched - at, <uint32_t>SOME_ROWS)
            # Those kept move up behind the ones kept before: never past where they stand.
            memcpy(&self.scratch_rows[0], &self.rows[at], some * 2)
            some = strata_side_values(&c.reader, side, &self.scratch_rows[0], some,
                                      &self.doubles[self.count])
            memcpy(&self.rows[self.count], &self.scratch_rows[0], some * 2)
            self.count += some
            at += SOME_ROWS

    cdef void read_groups(self, context *c, uint32_t block) noexcept nogil:
        cdef const strata_field *field = &c.reader.fields[self.program.group_field]
        if self.is_bool:
            strata_gather_bools(field, block, &self.rows[0], self.count, &self.groups[0])
        else:
            strata_gather_codes(field, block, &self.rows[0], self.count, &self.groups[0])

    # ------------------------------------------------------------------------ gathering

    def add_matched(self, int64_t[::1] counts not None):
        """Adds the rows of the audience to int64 by group code, or to one number."""
        cdef context *c = &self.worker.c
        if not self.grouped:
            counts[0] += self.matched
        elif self.matched:
            strata_group_mask(&c.reader, self.program.group_field, self.is_bool, &self.mask[0],
                              &counts[0])

    def add_totals(self, int64_t[::1] count not None, uint64_t[::1] low not None,
                   int64_t[::1] high not None, int64_t[::1] least not None,
                   int64_t[::1] greatest not None):
        """Adds exact values that are not wide to totals by group; see strata_totals."""
        cdef strata_totals totals
        assert not self.is_float and not self.is_wide
        if not self.count:
            return
        totals.count, totals.low, totals.high = &count[0], &low[0], &high[0]
        totals.least, totals.greatest = &least[0], &greatest[0]
        with nogil:
            strata_totals_add(&totals, &self.ints[0], &self.groups[0] if self.grouped else NULL,
                              self.count)

    def add_float_totals(self, int64_t[::1] count not None, int64_t[::1] infinite not None,
                         double[::1] least not None, double[::1] greatest not None,
                         int64_t[:, ::1] digits not None):
        """Adds doubles to totals by group; see strata_float_totals."""
        cdef strata_float_totals totals
        assert self.is_float and digits.shape[1] == STRATA_SUM_DIGITS
        if not self.count:
            return
        totals.count, totals.infinite, totals.digits = &count[0], &infinite[0], &digits[0, 0]
        totals.least, totals.greatest = &least[0], &greatest[0]
        with nogil:
            strata_float_totals_add(
                &totals, &self.doubles[0], &self.groups[0] if self.grouped else NULL, self.count)

    def count_by_keys(self, const int64_t[::1] keys not None, int64_t[::1] counts not None):
        """Adds to counts[k] the values that exactly k of the ascending keys do not exceed; keys of
        doubles are those of `double_keys`."""
        cdef const int64_t *first = &keys[0] if keys.shape[0] else NULL
        assert not self.is_wide and counts.shape[0] == keys.shape[0] + 1
        if not self.count:
            return
        with nogil:
            if self.is_float and not self.keys_are_read:
                strata_double_keys(&self.doubles[0], self.count, &self.ints[0])
                self.keys_are_read = True
            strata_count_by_keys(
                &self.ints[0], self.count, first, <uint32_t>keys.shape[0], &counts[0])

    def wide_values(self):
        """The values of a block where they do not fit 64 bits, as Python integers in the order of
        rows."""
        assert not self.is_ratio
        return [value for value, _ in self._wide()]

    def wide_ratios(self):
        """The same of ratios: (value, divisor)."""
        assert self.is_ratio
        return self._wide()

    def _wide(self):
        cdef context *c = &self.worker.c
        cdef uint32_t at
        cdef strata_wide number, divisor
        assert self.is_wide
        found = []
        for at in range(self.count):
            if at % SOME_ROWS == 0:
                raise_stopped(stop_reason(c.switch_))
            if self.is_ratio:
                strata_form_ratio(&c.reader, self.leaf, self.rows[at], &number, &divisor)
                found.append((whole(&number), whole(&divisor)))
            else:
                number = strata_form_wide(&c.reader, self.leaf, self.rows[at])
                found.append((whole(&number), 1))
        return found

    def ratios(self):
        """Values that are not wide and their divisors, int64: views that the next `read`
        overwrites."""
        assert self.is_ratio and not self.is_wide
        return np.asarray(self.ints)[:self.count], np.asarray(self.divisors)[:self.count]

    def group_codes(self):
        """The group of each value, uint32: a view that the next `read` overwrites."""
        return np.asarray(self.groups)[:self.count if self.grouped else 0]

    def add_elements(self, int64_t[::1] counts not None):
        """Adds to counts[code] the rows of the audience that have an element, by its code in the
        group field, a set; counts[0] those that have any."""
        cdef context *c = &self.worker.c
        if self.matched:
            with nogil:
                strata_count_elements(
                    &c.reader, &c.reader.fields[self.program.group_field], &self.mask[0],
                    &counts[0])

    # ------------------------------------------------------------------------ one by one
    # Views that the next `read` overwrites, and lists.

    def audience(self):
        """The mask of the audience, uint64."""
        return np.asarray(self.mask)

    def value_rows(self):
        """The rows that have a value, uint16."""
        return np.asarray(self.rows)[:self.count]

    def whole_values(self):
        """The values that are neither doubles, nor ratios, nor wide, int64."""
        assert not self.is_float and not self.is_ratio and not self.is_wide
        return np.asarray(self.ints)[:self.count]

    def double_values(self):
        """The values that are doubles."""
        assert self.is_float
        return np.asarray(self.doubles)[:self.count]

    def codes_of(self, const uint16_t[::1] rows not None):
        """The codes of some rows in the group field, uint32, 0 where missing."""
        cdef context *c = &self.worker.c
        cdef const strata_field *field = &c.reader.fields[self.program.group_field]
        cdef uint32_t count = <uint32_t>rows.shape[0]
        codes = np.zeros(count, np.uint32)
        cdef uint32_t[::1] out = codes
        if count and self.is_bool:
            strata_gather_bools(field, c.reader.block, &rows[0], count, &out[0])
        elif count:
            strata_gather_codes(field, c.reader.block, &rows[0], count, &out[0])
        return codes

    def texts_of(self, const uint16_t[::1] rows not None):
        """The texts of some rows in the group field, None where missing."""
        cdef context *c = &self.worker.c
        cdef const strata_field *field = &c.reader.fields[self.program.group_field]
        cdef const uint8_t *text
        cdef uint32_t length, i
        found = []
        for i in range(<uint32_t>rows.shape[0]):
            if strata_read_text(field, c.reader.block, rows[i], &text, &length):
                found.append(PyBytes_FromStringAndSize(<const char *>text, length).decode())
            else:
                found.append(None)
        return found
