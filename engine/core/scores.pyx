# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Scores over a block: a column that is made of the masks of nodes and of other columns.

1. The scores that a score's conditions read come first, so that none is made within another.
2. Its conditions are evaluated as roots are, with masks and lists of their own: whoever asks for a
   score is in the middle of an evaluation. What other roots read too is found once.
3. Each mask is added to the lanes while it is in the cache (engine/core/scores.h).
"""

from libc.stdint cimport int32_t, uint16_t, uint32_t, uint64_t

from engine.core.aggregates cimport (
    add_each,
    add_when,
    are_filled,
    begin_score,
    end_score,
    fill_columns,
    score_of,
)
from engine.core.control cimport GO_ON, NO_MEMORY
from engine.core.nodes cimport context, level_mask, look_node, outcome
from engine.core.score_layout cimport strata_score, strata_score_rule
from engine.core.structures cimport STRATA_ALL, STRATA_OPEN

__all__ = []


cdef void fill_scores(context *c, const int32_t *numbers, uint32_t count) noexcept nogil:
    cdef const strata_score *score
    cdef uint32_t i, k
    for i in range(count):
        score = score_of(c.columns, numbers[i])
        if score == NULL:
            continue
        for k in range(score.before_count):
            fill_score(c, score.before[k])
        fill_score(c, numbers[i])


cdef void fill_score(context *c, int32_t number) noexcept nogil:
    cdef const strata_score *score = score_of(c.columns, number)
    cdef uint64_t *masks = c.masks
    cdef uint16_t *lists = c.lists
    if are_filled(c.columns, &number, 1) or c.stopped != GO_ON:
        return
    if not fill_columns(c.columns, score.counted, score.counted_count):
        c.stopped = NO_MEMORY
        return
    c.masks, c.lists = c.score_masks, c.score_lists
    begin_score(c.columns, number)
    add_rules(c, number, score)
    c.masks, c.lists = masks, lists
    if c.stopped == GO_ON:
        end_score(c.columns, number)


cdef void add_rules(context *c, int32_t number, const strata_score *score) noexcept nogil:
    cdef const strata_score_rule *rule
    cdef outcome found
    cdef uint32_t i
    for i in range(score.rule_count):
        rule = score.rules + i
        if rule.node < 0:
            add_each(c.columns, number, rule)
            continue
        found = look_node(c, rule.node, level_mask(c, 0), 1)
        if c.stopped != GO_ON:
            return
        if found.state == STRATA_ALL:
            add_when(c.columns, number, rule.points, NULL)
        elif found.state == STRATA_OPEN:
            add_when(c.columns, number, rule.points, found.mask)
