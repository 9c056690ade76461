# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The order in which the conjuncts of an `and` are evaluated over a block, and when rows become a
list: nothing here changes an answer, only how many bytes are read for it.

1. Each conjunct is glanced at: whether headers decide it, what reading it costs, how many rows it
   lets through. That is known of a container, estimated from the zone of a column, and from the
   second block on taken from what it let through so far.
2. Those that stay open are ordered by cost for each row that they drop.
3. Before each, what is left to be read of columns is held against looking up the rows left.
"""

from libc.stdint cimport int32_t, uint32_t, uint64_t

from engine.core.aggregates cimport are_filled, events_ahead
from engine.core.nodes cimport context, has_code_masks, has_range_masks, need_columns
from engine.core.program cimport NODE_AND, NODE_LEAF, NODE_NOT, NODE_OR, NODE_TRUE, program_node
from engine.core.structures cimport (
    STRATA_ALL,
    STRATA_BITSET_BYTES,
    STRATA_LEAF_SET,
    STRATA_NONE,
    STRATA_OPEN,
    strata_codes_cost,
    strata_has_ranges,
    strata_leaf,
    strata_leaf_state,
    strata_outlook,
)

# Beyond so many rows a column is sooner read whole, whatever its width: measured at 1,000 to
# 4,000 rows a block, columns of 1 to 4 bytes, cold.
cdef uint32_t LIST_MOST = 8192  # cost
# To look up one row of a list is taken to cost as much as reading so many bytes of a column,
cdef uint32_t LIST_ROW_COST = 24
# to make the list, and to narrow a mask by anything, as much as these.
cdef uint32_t LIST_COST = 4096
cdef uint32_t NARROW_COST = 1024
# Where columns are in a cache they are read much faster, and lists are made and looked up no faster.
cdef uint32_t WARM_LIST_MOST = 3500  # cost
cdef uint32_t WARM_LIST_COST = 65536
# A mask that is already there.
cdef uint32_t MASK_COST = 8192
# To fold one event into a column is taken to cost as much as reading so many bytes of one, and to
# read the column, which lies in the cache then, as much as these.
cdef uint64_t EVENT_COST = 16
cdef uint32_t COLUMN_COST = 65536
# A branch of more parts than these is not looked into for its cost: it is taken to be dear.
cdef int32_t BRANCH_PARTS = 8
cdef uint32_t BRANCH_COST = 1 << 24


cdef void learn(context *c, int32_t node_id, uint32_t asked, uint32_t passed) noexcept nogil:
    c.seen[node_id] += asked
    c.passed[node_id] += passed


cdef strata_outlook glance_leaf(context *c, const strata_leaf *leaf) noexcept nogil:
    """How a leaf stands; what is still to be folded from events is open, and costs them."""
    cdef strata_outlook outlook
    cdef uint64_t events
    if leaf.column_count and not are_filled(c.columns, leaf.columns, leaf.column_count):
        events = events_ahead(c.columns, leaf.columns, leaf.column_count)
        if events:
            outlook.state = STRATA_OPEN
            outlook.cost = <uint32_t>min(EVENT_COST * events + COLUMN_COST, BRANCH_COST)
            outlook.rows = <uint32_t>min(events, c.reader.live_count) // 2  # cost
            return outlook
        need_columns(c, leaf)
    outlook = strata_leaf_state(&c.reader, leaf)
    if has_code_masks(c, leaf) and outlook.state == STRATA_OPEN:
        outlook.cost = strata_codes_cost(&c.reader, &c.codes[leaf.field], leaf, outlook.cost)
    elif (has_range_masks(c, leaf) and outlook.state == STRATA_OPEN
          and c.ranges[leaf.field].is_made and strata_has_ranges(&c.reader, leaf)):
        outlook.cost = STRATA_BITSET_BYTES // 4
    return outlook


cdef strata_outlook glance(context *c, int32_t node_id, int deep) noexcept nogil:
    """How a node stands over the block, without filling any mask."""
    cdef const program_node *node = &c.nodes[node_id]
    cdef strata_outlook outlook, part
    cdef double share = 1
    cdef int32_t i
    outlook.state = STRATA_OPEN
    outlook.cost = BRANCH_COST
    outlook.rows = c.reader.live_count
    if node.memo >= 0 and c.memos[node.memo].state >= 0:
        outlook.state, outlook.cost = c.memos[node.memo].state, MASK_COST
        outlook.rows = c.memos[node.memo].rows
    elif node.kind == NODE_LEAF:
        outlook = glance_leaf(c, &c.leaves[node.leaf])
        if (c.seen[node_id] > 0 and (c.leaves[node.leaf].op != STRATA_LEAF_SET  # cost
                                     or c.leaves[node.leaf].column_count)):
            outlook.rows = <uint32_t>(c.reader.live_count * (c.passed[node_id] / c.seen[node_id]))
    elif node.kind == NODE_NOT:
        outlook = glance(c, c.children[node.first_child], deep)
        if outlook.state != STRATA_OPEN:
            outlook.state = STRATA_NONE if outlook.state == STRATA_ALL else STRATA_ALL
        outlook.rows = c.reader.live_count - outlook.rows
    elif node.kind != NODE_AND and node.kind != NODE_OR:
        outlook.state = STRATA_ALL if node.kind == NODE_TRUE else STRATA_NONE
    elif node.child_count <= BRANCH_PARTS and deep:
        outlook.cost = MASK_COST
        for i in range(node.first_child, node.first_child + node.child_count):
            part = glance(c, c.children[i], deep - 1)
            outlook.cost += min(part.cost, BRANCH_COST)
            part.rows = part.rows if node.kind == NODE_AND else c.reader.live_count - part.rows
            share *= part.rows / <double>c.reader.live_count  # cost
        share = share if node.kind == NODE_AND else 1 - share
        outlook.rows = <uint32_t>(c.reader.live_count * share)  # cost
    return outlook


cdef uint32_t cost_as_mask(context *c, int32_t node_id, uint32_t cost) noexcept nogil:
    """What a list spares of the cost of a conjunct: events are folded for a list, too."""
    cdef const program_node *node = &c.nodes[node_id]
    cdef const strata_leaf *leaf
    while node.kind == NODE_NOT:
        node = &c.nodes[c.children[node.first_child]]
    if node.kind != NODE_LEAF:
        return cost
    leaf = &c.leaves[node.leaf]
    if leaf.column_count == 0 or are_filled(c.columns, leaf.columns, leaf.column_count):
        return cost
    return min(cost, COLUMN_COST + NARROW_COST)


cdef int order_conjuncts(context *c, const program_node *node) noexcept nogil:
    """Puts the open children of an `and` in order: what it costs for each row that it drops.
    Returns how many there are, -1 for none of the block."""
    cdef int32_t i, j, child, count = 0
    cdef int32_t *order = c.order + node.first_child
    cdef uint32_t *costs = c.costs + node.first_child
    cdef double *ranks = c.ranks + node.first_child
    cdef double rank, dropped
    cdef strata_outlook outlook
    for i in range(node.first_child, node.first_child + node.child_count):
        child = c.children[i]
        outlook = glance(c, child, 2)
        if outlook.state == STRATA_NONE:
            return -1
        if outlook.state == STRATA_ALL:
            continue
        outlook.cost += NARROW_COST
        dropped = 1 - outlook.rows / <double>c.reader.live_count
        rank = outlook.cost / (dropped if dropped > 0.01 else 0.01)
        j = count
        while j > 0 and ranks[j - 1] > rank:
            order[j], costs[j], ranks[j] = order[j - 1], costs[j - 1], ranks[j - 1]
            j -= 1
        order[j], costs[j], ranks[j] = child, cost_as_mask(c, child, outlook.cost), rank
        count += 1
    for j in range(count):
        # The share that passes, for `is_worth_a_list`.
        ranks[j] = max(1 - costs[j] / ranks[j], 0)  # cost
    return count


cdef int is_worth_a_list(
        const context *c, const program_node *node, int32_t first, int32_t count,
        uint32_t rows) noexcept nogil:
    """Whether to look `rows` rows up now costs less than to narrow their mask by all that is left,
    and less than to narrow it by the next conjunct and look up who is left then."""
    cdef const uint32_t *costs = c.costs + node.first_child
    cdef const double *shares = c.ranks + node.first_child
    cdef uint64_t left = 0
    cdef double now = 0, later = 0, r = rows, list_cost
    cdef int32_t i
    if rows > (WARM_LIST_MOST if c.is_warm else LIST_MOST) or first == count:  # cost
        return 0
    list_cost = WARM_LIST_COST if c.is_warm else LIST_COST
    for i in range(first, count):
        left += costs[i]
        now += r * LIST_ROW_COST  # cost
        if i > first:
            later += r * LIST_ROW_COST  # cost
        r *= shares[i]  # cost
    return now + list_cost < left and (first + 1 == count or now < costs[first] + later)  # cost
