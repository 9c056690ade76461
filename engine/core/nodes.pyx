# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""One block, or one row: the truth of every node of a program.

For each block, and each root:
1. Ask the leaves what their headers decide: none of the block, all of it, or open.
2. An `and` drops what is all, ends at what is none, and orders the rest by what it would
   read. The first fills a mask; the others narrow it. Once few rows survive, the remaining
   conjuncts are tested row by row instead of being filled for the whole block.
3. An `or` fills and unites, and tests leaves without a vector form only on rows not yet in.
4. `not` is taken against the live rows, which every mask is a part of.

Where every node is to be counted, nothing is left out: no order and no early end.
"""

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from engine.core.control cimport GO_ON, stop_reason
from engine.core.program cimport (
    NODE_AND,
    NODE_FALSE,
    NODE_LEAF,
    NODE_NOT,
    NODE_OR,
    NODE_TRUE,
    program_node,
)
from engine.core.structures cimport (
    STRATA_ALL,
    STRATA_BLOCK_WORDS,
    STRATA_NONE,
    STRATA_OPEN,
    strata_entry,
    strata_find_code,
    strata_leaf,
    strata_leaf_fill,
    strata_leaf_is_vector,
    strata_leaf_state,
    strata_leaf_test,
    strata_mask_from_entry,
    strata_outlook,
)

# Below this many surviving rows, testing each costs less than filling a mask of the block.
cdef uint32_t FEW_ROWS = 512
# Words of rows tested one by one between two looks at the control: 4,096 rows.
cdef uint32_t LOOK_WORDS = 64
# A branch is ordered after every leaf: it may read any number of them.
cdef uint32_t BRANCH_COST = 0xFFFFFFFF


cdef int open_block(context *c, uint32_t block) noexcept nogil:
    """Reads the live rows of a block; 0 where it has none."""
    cdef const uint8_t *base = NULL
    cdef const strata_entry *entry
    cdef int32_t i
    c.reader.block = block
    entry = strata_find_code(&c.reader.fields[c.live_field], block, 0, &base)
    c.reader.live_count = entry.cardinality if entry != NULL else 0
    if c.reader.live_count == 0:
        return 0
    strata_mask_from_entry(c.reader.live, entry, base)
    for i in range(c.memo_count):
        c.memo_states[i] = -1
    if c.node_counts != NULL:
        memset(c.counted, 0, c.node_count)
    return 1


cdef inline int must_stop(context *c, uint32_t word) noexcept nogil:
    """Looks at the control once in every LOOK_WORDS words of a loop over single rows."""
    if word % LOOK_WORDS == 0:
        c.stopped = stop_reason(c.switch_)
    return c.stopped != GO_ON


cdef int test_node(context *c, int32_t node_id, uint32_t row) noexcept nogil:
    """Truth of a node for one live row."""
    cdef const program_node *node = &c.nodes[node_id]
    cdef int32_t i
    if node.kind == NODE_LEAF:
        return strata_leaf_test(&c.reader, &c.leaves[node.leaf], row)
    if node.kind == NODE_NOT:
        return not test_node(c, c.children[node.first_child], row)
    if node.kind == NODE_AND:
        for i in range(node.first_child, node.first_child + node.child_count):
            if not test_node(c, c.children[i], row):
                return 0
        return 1
    if node.kind == NODE_OR:
        for i in range(node.first_child, node.first_child + node.child_count):
            if test_node(c, c.children[i], row):
                return 1
        return 0
    return node.kind == NODE_TRUE


cdef uint32_t keep_passing(context *c, int32_t node_id, uint64_t *mask) noexcept nogil:
    """Clears the rows of a mask that fail the node; returns how many stay."""
    cdef uint32_t w, count = 0
    cdef uint64_t word, bit
    for w in range(STRATA_BLOCK_WORDS):
        if must_stop(c, w):
            return 0
        word = mask[w]
        while word:
            bit = word & (~word + 1)
            word ^= bit
            if test_node(c, node_id, 64 * w + trailing_zeros(bit)):
                count += 1
            else:
                mask[w] ^= bit
    return count


cdef void add_passing(context *c, int32_t node_id, uint64_t *mask) noexcept nogil:
    """Adds the live rows outside a mask that pass the node."""
    cdef uint32_t w
    cdef uint64_t word, bit
    for w in range(STRATA_BLOCK_WORDS):
        if must_stop(c, w):
            return
        word = c.reader.live[w] & ~mask[w]
        while word:
            bit = word & (~word + 1)
            word ^= bit
            if test_node(c, node_id, 64 * w + trailing_zeros(bit)):
                mask[w] |= bit


cdef int run_leaf(context *c, int32_t node_id, uint64_t *out) noexcept nogil:
    cdef const strata_leaf *leaf = &c.leaves[c.nodes[node_id].leaf]
    cdef strata_outlook outlook = strata_leaf_state(&c.reader, leaf)
    if outlook.state != STRATA_OPEN:
        return outlook.state
    if strata_leaf_is_vector(leaf):
        strata_leaf_fill(&c.reader, leaf, out)
    else:
        memset(out, 0, STRATA_BLOCK_WORDS * 8)
        add_passing(c, node_id, out)
    return STRATA_OPEN


cdef int order_conjuncts(context *c, const program_node *node) noexcept nogil:
    """Puts the open children of an `and` in order of cost; returns how many, -1 for none of
    the block."""
    cdef int32_t i, j, child, count = 0
    cdef int32_t *order = c.order + node.first_child
    cdef uint32_t *costs = c.costs + node.first_child
    cdef strata_outlook outlook
    for i in range(node.first_child, node.first_child + node.child_count):
        child = c.children[i]
        outlook.state = STRATA_OPEN
        outlook.cost = BRANCH_COST
        if c.nodes[child].kind == NODE_LEAF:
            outlook = strata_leaf_state(&c.reader, &c.leaves[c.nodes[child].leaf])
        elif c.nodes[child].kind == NODE_FALSE:
            outlook.state = STRATA_NONE
        elif c.nodes[child].kind == NODE_TRUE:
            outlook.state = STRATA_ALL
        if outlook.state == STRATA_NONE:
            return -1
        if outlook.state == STRATA_ALL:
            continue
        j = count
        while j > 0 and costs[j - 1] > outlook.cost:
            order[j] = order[j - 1]
            costs[j] = costs[j - 1]
            j -= 1
        order[j] = child
        costs[j] = outlook.cost
        count += 1
    return count


cdef int run_and(context *c, const program_node *node, uint64_t *out, int32_t level) noexcept nogil:
    cdef int32_t i, child, count = order_conjuncts(c, node)
    cdef int32_t *order = c.order + node.first_child
    cdef uint32_t rows = c.reader.live_count
    cdef int state
    cdef int whole = 1          # `out` is still all of the live rows, and not written
    cdef uint64_t *mask = level_mask(c, level)
    if count < 0:
        return STRATA_NONE
    for i in range(count):
        child = order[i]
        if whole:
            state = run_node(c, child, out, level)
            if state == STRATA_NONE:
                return STRATA_NONE
            if state == STRATA_OPEN:
                whole = 0
                rows = c.reader.kernels.mask_count(out)
        elif rows <= FEW_ROWS or is_row_leaf(c, child):
            rows = keep_passing(c, child, out)
        else:
            state = run_node(c, child, mask, level + 1)
            if state == STRATA_NONE:
                return STRATA_NONE
            if state == STRATA_OPEN:
                rows = c.reader.kernels.mask_and(out, mask)
        if rows == 0:
            return STRATA_NONE
    return STRATA_ALL if whole else STRATA_OPEN


cdef inline int is_row_leaf(context *c, int32_t node_id) noexcept nogil:
    cdef const program_node *node = &c.nodes[node_id]
    return node.kind == NODE_LEAF and not strata_leaf_is_vector(&c.leaves[node.leaf])


cdef int run_or(context *c, const program_node *node, uint64_t *out, int32_t level) noexcept nogil:
    cdef int32_t i, child
    cdef int state
    cdef int empty = 1          # `out` is still none, and not written
    cdef uint64_t *mask = level_mask(c, level)
    for i in range(node.first_child, node.first_child + node.child_count):
        child = c.children[i]
        if not empty and is_row_leaf(c, child):
            add_passing(c, child, out)
            continue
        state = run_node(c, child, out if empty else mask, level + (0 if empty else 1))
        if state == STRATA_ALL:
            return STRATA_ALL
        if state == STRATA_OPEN:
            if not empty:
                c.reader.kernels.mask_or(out, mask)
            empty = 0
    return STRATA_NONE if empty else STRATA_OPEN


cdef int run_not(context *c, const program_node *node, uint64_t *out, int32_t level) noexcept nogil:
    cdef int state = run_node(c, c.children[node.first_child], out, level)
    cdef uint32_t w
    if state == STRATA_NONE:
        return STRATA_ALL
    if state == STRATA_ALL:
        return STRATA_NONE
    for w in range(STRATA_BLOCK_WORDS):
        out[w] = c.reader.live[w] & ~out[w]
    return STRATA_OPEN


cdef int run_node(context *c, int32_t node_id, uint64_t *out, int32_t level) noexcept nogil:
    """State of a node over the open block; where it is open, `out` holds its mask.

    Masks of levels from `level` on are free to use.
    """
    cdef const program_node *node = &c.nodes[node_id]
    cdef uint64_t *memo
    cdef int state
    if c.stopped != GO_ON:
        return STRATA_NONE
    if node.memo >= 0 and c.memo_states[node.memo] >= 0:
        memo = c.memo_masks + <size_t>node.memo * STRATA_BLOCK_WORDS
        if c.memo_states[node.memo] == STRATA_OPEN:
            memcpy(out, memo, STRATA_BLOCK_WORDS * 8)
        return c.memo_states[node.memo]
    if node.kind == NODE_LEAF:
        state = run_leaf(c, node_id, out)
    elif node.kind == NODE_NOT:
        state = run_not(c, node, out, level)
    elif node.kind != NODE_AND and node.kind != NODE_OR:
        state = STRATA_ALL if node.kind == NODE_TRUE else STRATA_NONE
    elif c.node_counts != NULL:
        state = run_every_child(c, node, out, level)
    elif node.kind == NODE_AND:
        state = run_and(c, node, out, level)
    else:
        state = run_or(c, node, out, level)
    if node.memo >= 0:
        c.memo_states[node.memo] = state
        if state == STRATA_OPEN:
            memo = c.memo_masks + <size_t>node.memo * STRATA_BLOCK_WORDS
            memcpy(memo, out, STRATA_BLOCK_WORDS * 8)
    if c.node_counts != NULL and not c.counted[node_id]:
        c.counted[node_id] = 1
        c.node_counts[node_id] += state_count(c, state, out)
    return state


# Counting every node: nothing may be left out, so no order and no early end.


cdef int run_every_child(
        context *c, const program_node *node, uint64_t *out, int32_t level) noexcept nogil:
    cdef int decides = STRATA_NONE if node.kind == NODE_AND else STRATA_ALL
    cdef int result = STRATA_ALL if node.kind == NODE_AND else STRATA_NONE
    cdef int undecided = result
    cdef int32_t i
    cdef int state
    cdef uint64_t *mask = level_mask(c, level)
    for i in range(node.first_child, node.first_child + node.child_count):
        state = run_node(c, c.children[i], mask, level + 1)
        if state == decides:
            result = decides
        elif state == STRATA_OPEN and result == undecided:
            memcpy(out, mask, STRATA_BLOCK_WORDS * 8)
            result = STRATA_OPEN
        elif state == STRATA_OPEN and result == STRATA_OPEN:
            if node.kind == NODE_AND:
                c.reader.kernels.mask_and(out, mask)
            else:
                c.reader.kernels.mask_or(out, mask)
    return result
