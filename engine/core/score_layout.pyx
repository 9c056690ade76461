# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Scores of a plan laid out in C, counted in the largest unit that all their numbers are whole in."""

from libc.stdint cimport INT64_MAX, INT64_MIN, int32_t, uint8_t, uint32_t

import math

import numpy as np

from engine.core import operations

__all__ = []


cdef uint8_t *pinned(list kept, array) except NULL:
    """Address of a copy of an array, which lives as long as `kept` has it."""
    as_bytes = np.zeros(max(1, array.nbytes), np.uint8)
    as_bytes[:array.nbytes] = array.view(np.uint8)
    cdef uint8_t[::1] view = as_bytes
    kept.append(as_bytes)
    return &view[0]


cdef const strata_score *lay_out_score(list kept, column, before) except NULL:
    cdef strata_score *out
    cdef strata_score_rule *rules
    cdef Py_ssize_t i
    cdef list columns = [rule.column for rule in column.rules if is_each(rule)]
    out = <strata_score *>pinned(kept, np.zeros(sizeof(strata_score), np.uint8))
    rules = <strata_score_rule *>pinned(
        kept, np.zeros(len(column.rules) * sizeof(strata_score_rule), np.uint8))
    unit = unit_of(column)
    for i, rule in enumerate(column.rules):
        rules[i].points = rule.points // unit
        rules[i].at_most, rules[i].node, rules[i].column = INT64_MAX, -1, 0
        if not is_each(rule):
            rules[i].node = rule.node
            continue
        rules[i].column = rule.column
        if rule.at_most is not None:
            rules[i].at_most = rule.at_most // unit
    out.rules, out.rule_count = rules, <uint32_t>len(column.rules)
    out.before = <const int32_t *>pinned(kept, np.array(before, np.int32))
    out.before_count = <uint32_t>len(before)
    out.counted = <const int32_t *>pinned(kept, np.array(columns, np.int32))
    out.counted_count = <uint32_t>len(columns)
    out.unit = unit
    out.floor = INT64_MIN if column.floor is None else column.floor // unit
    out.ceiling = INT64_MAX if column.ceiling is None else column.ceiling // unit
    return out


cdef bint is_each(rule) except -1:
    return type(rule) is operations.ScoreEach


def unit_of(column):
    """The most thousandths that all numbers of a score are multiples of."""
    ends = [end for end in (column.floor, column.ceiling) if end is not None]
    caps = [rule.at_most for rule in column.rules if is_each(rule) and rule.at_most is not None]
    return math.gcd(*(rule.points for rule in column.rules), *ends, *caps) or 1
