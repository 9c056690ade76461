# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Scores over a block: a column that is made of the masks of nodes and of other columns.

1. The scores that a score's conditions read come first, so that none is made within another.
2. Its conditions are evaluated as roots are, with masks and lists of their own: whoever asks for a
   score is in the middle of an evaluation. What other roots read too is found once.
3. Each mask is added to the lanes while it is in the cache (engine/core/scores.h). Rules over one
   column are added without a mask, all those over a column of bytes in one pass
   (engine/core/score_tables.h).
"""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from engine.core.aggregates cimport (
    add_each,
    add_when,
    are_filled,
    begin_score,
    end_score,
    fill_columns,
    has_byte_lanes,
    lanes_of,
    score_of,
)
from engine.core.control cimport GO_ON, NO_MEMORY
from engine.core.nodes cimport context, level_mask, look_node, outcome
from engine.core.program cimport NODE_AND, NODE_LEAF, NODE_NOT, program_node
from engine.core.score_layout cimport strata_score, strata_score_rule
from engine.core.structures cimport (
    STRATA_ALL,
    STRATA_LEAF_INT_RANGE,
    STRATA_OPEN,
    strata_add_range,
    strata_add_table,
    strata_leaf,
    strata_table_rule,
    strata_takes_range,
)

__all__ = []

cdef enum:
    ALONG = 64  # rules, from the first on, that may be added with others


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
    cdef uint64_t added = 0  # bit i: rule i went along with one before it
    cdef outcome found
    cdef uint32_t i
    for i in range(score.rule_count):
        rule = score.rules + i
        if i < ALONG and added >> i & 1:
            continue
        if rule.node < 0:
            add_each(c.columns, number, rule)
            continue
        if has_byte_lanes(c.columns) and add_column(c, number, score, i, &added):
            continue
        found = look_node(c, rule.node, level_mask(c, 0), 1)
        if c.stopped != GO_ON:
            return
        if found.state == STRATA_ALL:
            add_when(c.columns, number, rule.points, NULL)
        elif found.state == STRATA_OPEN:
            add_when(c.columns, number, rule.points, found.mask)


cdef const strata_leaf *stored_leaf(
        context *c, int32_t node_id, int *negate, strata_leaf *joined) noexcept nogil:
    """The leaf over stored columns that a node is, or the complement of; NULL where it is none, or
    where its mask is kept for others. Two bounds of one number, as `between` has them, are one
    leaf: that is put into `joined`."""
    cdef const program_node *node = &c.nodes[node_id]
    cdef const strata_leaf *one
    cdef const strata_leaf *also
    cdef int flip = 0, also_flip = 0
    negate[0] = 0
    while node.kind == NODE_NOT and node.memo < 0:
        negate[0] ^= 1
        node = &c.nodes[c.children[node.first_child]]
    if node.kind == NODE_AND and node.memo < 0 and node.child_count == 2:
        one = stored_leaf(c, c.children[node.first_child], &flip, joined)
        also = stored_leaf(c, c.children[node.first_child + 1], &also_flip, joined)
        if (one == NULL or also == NULL or flip or also_flip or one.field != also.field
                or one.op != STRATA_LEAF_INT_RANGE or also.op != STRATA_LEAF_INT_RANGE
                or one.negated or also.negated or one == joined or also == joined):
            return NULL
        joined[0] = one[0]
        joined.low = max(one.low, also.low)
        joined.high = min(one.high, also.high)
        return joined
    if node.kind != NODE_LEAF or node.memo >= 0 or c.leaves[node.leaf].column_count:
        return NULL
    return &c.leaves[node.leaf]


cdef int add_column(context *c, int32_t number, const strata_score *score, uint32_t first,
                    uint64_t *added) noexcept nogil:
    """Adds a rule over one column in a pass over that, and the later ones over the same column that
    the pass can take along; 0 where it is no such rule."""
    cdef const strata_leaf *leaf
    cdef const strata_leaf *other
    cdef strata_leaf[2] joined
    cdef uint8_t[256] table
    cdef int negate = 0
    cdef uint32_t i
    if c.node_counts != NULL:
        return 0  # every node is to be seen
    leaf = stored_leaf(c, score.rules[first].node, &negate, &joined[0])
    if leaf == NULL:
        return 0
    if not negate and strata_takes_range(&c.reader, leaf):
        strata_add_range(
            &c.reader, leaf, <uint8_t>score.rules[first].points,
            <uint8_t *>lanes_of(c.columns, number))
        return 1
    memset(table, 0, sizeof(table))
    if not strata_table_rule(&c.reader, leaf, negate, <uint8_t>score.rules[first].points, table):
        return 0
    for i in range(first + 1, min(score.rule_count, ALONG)):
        if score.rules[i].node < 0:
            continue
        other = stored_leaf(c, score.rules[i].node, &negate, &joined[1])
        if (other != NULL and other.field == leaf.field
                and strata_table_rule(
                    &c.reader, other, negate, <uint8_t>score.rules[i].points, table)):
            added[0] |= <uint64_t>1 << i
    strata_add_table(&c.reader, leaf, table, <uint8_t *>lanes_of(c.columns, number))
    return 1
