"""The rules of a score in C."""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t


cdef extern from "engine/core/score_rules.h" nogil:
    ctypedef struct strata_score_rule:
        int64_t points
        int64_t at_most
        int32_t node
        int32_t column

    ctypedef struct strata_score:
        const strata_score_rule *rules
        uint32_t rule_count
        uint32_t before_count
        const int32_t *before
        const int32_t *counted
        uint32_t counted_count
        uint64_t unit
        int64_t floor
        int64_t ceiling


# A `ScoreColumn`, which lives as long as `kept` has it; `before` are the columns of the scores that
# its conditions read, each after those that it reads itself.
cdef const strata_score *lay_out_score(list kept, column, before) except NULL
