# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""One block: the truth of every node of a program.

For each block, and each root:
1. Ask the leaves what their headers decide: none of the block, all of it, or open.
2. An `and` drops what is all, ends at what is none, and puts the rest in the order that drops
   most rows for the bytes that it reads. The first gives a mask, where it can the stored bitset
   itself; the others narrow it in place, `not` without a complement of its own.
3. Once so few rows survive that looking them up reads less than the rest would, they become a
   list, and the remaining conjuncts cut that.
4. An `or` unites, and tests leaves without a form for masks only on rows not yet in.
5. What several roots share is found once and kept; `not` is taken against the live rows, which
   every mask is a part of.

How many rows a leaf lets through is estimated from its headers, and from the second block on
by how many it let through so far. Where every node is to be counted, nothing is left out: no
order and no early end.
"""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from engine.core.aggregates cimport are_filled, fill_columns, open_columns
from engine.core.conjuncts cimport is_worth_a_list, learn, order_conjuncts
from engine.core.control cimport GO_ON, NO_MEMORY, stop_reason
from engine.core.joins cimport join_masks, masks_first
from engine.core.program cimport (
    NODE_AND,
    NODE_LEAF,
    NODE_NOT,
    NODE_OR,
    NODE_TRUE,
    program_node,
)
from engine.core.scores cimport fill_scores
from engine.core.structures cimport (
    STRATA_ALL,
    STRATA_ARRAY,
    STRATA_BITSET,
    STRATA_BLOCK_WORDS,
    STRATA_LEAF_SET,
    STRATA_NONE,
    STRATA_OPEN,
    strata_codes_narrow,
    strata_entry,
    strata_find_code,
    strata_leaf,
    strata_leaf_entry,
    strata_leaf_is_vector,
    strata_leaf_list,
    strata_leaf_narrow,
    strata_leaf_state,
    strata_leaf_unite,
    strata_list_whole,
    strata_list_words,
    strata_mask_from_entry,
    strata_mask_set_rows,
    strata_range_mask,
)

cdef size_t MASK_BYTES = STRATA_BLOCK_WORDS * 8


# Outcomes.


cdef inline outcome decided(context *c, int state) noexcept nogil:
    cdef outcome found
    found.state = state
    found.rows = c.reader.live_count if state == STRATA_ALL else 0
    found.mask = NULL
    found.is_list = 0
    return found


cdef inline outcome opened(context *c, const uint64_t *mask, uint32_t rows) noexcept nogil:
    """A mask of so many rows; none and all of the block are said to be that."""
    cdef outcome found
    found.state = STRATA_OPEN
    found.rows = rows
    found.mask = mask
    found.is_list = 0
    if rows == 0:
        found.state = STRATA_NONE
    elif rows == c.reader.live_count:
        found.state = STRATA_ALL
    return found


cdef inline void own(const uint64_t *mask, uint64_t *out) noexcept nogil:
    """Copies a mask that is somebody else's to where it may be written to."""
    if mask != out:
        memcpy(out, mask, MASK_BYTES)


cdef int open_block(context *c, uint32_t block) noexcept nogil:
    cdef int32_t i
    c.reader.block = block
    c.live_is_read = 0
    c.live_entry = strata_find_code(
        &c.reader.fields[c.live_field], block, 0, &c.live_base)
    c.reader.live_count = c.live_entry.cardinality if c.live_entry != NULL else 0
    if c.reader.live_count == 0:
        return 0
    for i in range(c.memo_count):
        c.memos[i].state = -1
    for i in range(c.field_count):
        c.codes[i].code_count = -1
        c.ranges[i].is_made = -1
    if c.node_counts != NULL:
        memset(c.counted, 0, c.node_count)
    if c.columns != NULL:
        open_columns(c.columns, block, c.reader.live, c.reader.live_count, 0)
    return 1


cdef void need_columns(context *c, const strata_leaf *leaf) noexcept nogil:
    if leaf.column_count == 0 or are_filled(c.columns, leaf.columns, leaf.column_count):
        return
    live_rows(c)
    if c.score_masks != NULL:
        fill_scores(c, leaf.columns, leaf.column_count)
    if c.stopped == GO_ON and not fill_columns(c.columns, leaf.columns, leaf.column_count):
        c.stopped = NO_MEMORY


cdef const strata_entry *entry_of(
        context *c, const strata_leaf *leaf, const uint8_t **base) noexcept nogil:
    """The one container that a leaf consists of, or NULL; also where that is still to be made."""
    if leaf.column_count and not are_filled(c.columns, leaf.columns, leaf.column_count):
        return NULL
    return strata_leaf_entry(&c.reader, leaf, base)


cdef const uint64_t *live_rows(context *c) noexcept nogil:
    if not c.live_is_read:
        strata_mask_from_entry(c.reader.live, c.live_entry, c.live_base)
        c.live_is_read = 1
    return c.reader.live


cdef inline int must_stop(context *c) noexcept nogil:
    """Looks at the control: once in every LIST_ROWS rows that are looked up."""
    c.stopped = stop_reason(c.switch_)
    return c.stopped != GO_ON


# Lists of rows.


cdef inline uint16_t *level_list(context *c, int32_t level, int which) noexcept nogil:
    return c.lists + <size_t>(1 + 2 * level + which) * LIST_ROWS


cdef uint32_t cut_any(context *c, const program_node *node, uint32_t flip, const uint16_t *rows,
                      uint32_t count, uint16_t *out, int32_t level) noexcept nogil:
    """The rows for which some child holds, or with `flip` some does not."""
    cdef uint64_t *mask = level_mask(c, level)
    cdef uint16_t *rest = level_list(c, level, 0)
    cdef uint16_t *passing = level_list(c, level, 1)
    cdef uint32_t passed, left = strata_list_whole(1, rows, count, rest)
    cdef int32_t i
    memset(mask, 0, MASK_BYTES)
    for i in range(node.first_child, node.first_child + node.child_count):
        passed = cut(c, c.children[i], flip, rest, left, passing, level + 1)
        strata_mask_set_rows(mask, passing, passed)
        left = c.reader.kernels.rows_in_mask(rest, left, mask, 1, rest)
    return c.reader.kernels.rows_in_mask(rows, count, mask, 0, out)


cdef uint32_t cut(context *c, int32_t node_id, uint32_t flip, const uint16_t *rows,
                  uint32_t count, uint16_t *out, int32_t level) noexcept nogil:
    """Keeps the rows of a list for which a node holds, or with `flip` the others; returns how
    many. `out` may be `rows`; masks and lists of levels from `level` on are free."""
    cdef const program_node *node = &c.nodes[node_id]
    cdef int32_t i
    if count == 0:
        return 0
    if node.memo >= 0 and c.memos[node.memo].state == STRATA_OPEN:
        return c.reader.kernels.rows_in_mask(rows, count, c.memos[node.memo].mask, flip, out)
    if node.kind == NODE_LEAF:
        need_columns(c, &c.leaves[node.leaf])
        return strata_leaf_list(&c.reader, &c.leaves[node.leaf], flip, rows, count, out)
    if node.kind == NODE_NOT:
        return cut(c, c.children[node.first_child], flip ^ 1, rows, count, out, level)
    if node.kind != NODE_AND and node.kind != NODE_OR:
        return strata_list_whole((node.kind == NODE_TRUE) != flip, rows, count, out)
    if (node.kind == NODE_AND) == flip:
        return cut_any(c, node, flip, rows, count, out, level)
    for i in range(node.first_child, node.first_child + node.child_count):
        count = cut(c, c.children[i], flip, rows, count, out, level)
        rows = out
    return count


cdef uint32_t keep_passing(
        context *c, int32_t leaf_id, int negate, uint64_t *mask) noexcept nogil:
    """Clears the rows of a mask for which a leaf does not hold; returns how many stay."""
    cdef uint32_t stretch, count, kept = 0
    cdef uint64_t *some
    for stretch in range(STRATA_BLOCK_WORDS // LIST_WORDS):
        if must_stop(c):
            return 0
        some = mask + stretch * LIST_WORDS
        count = strata_list_words(some, stretch * LIST_ROWS, LIST_WORDS, c.lists)
        count = strata_leaf_list(
            &c.reader, &c.leaves[leaf_id], negate, c.lists, count, c.lists)
        memset(some, 0, LIST_WORDS * 8)
        strata_mask_set_rows(mask, c.lists, count)
        kept += count
    return kept


cdef uint32_t add_passing(context *c, int32_t leaf_id, uint64_t *mask) noexcept nogil:
    """Adds the live rows outside a mask for which a leaf holds; returns how many those are."""
    cdef const uint64_t *live = live_rows(c)
    cdef uint64_t[LIST_WORDS] rest
    cdef uint32_t stretch, w, first, count, added = 0
    for stretch in range(STRATA_BLOCK_WORDS // LIST_WORDS):
        if must_stop(c):
            return 0
        first = stretch * LIST_WORDS
        for w in range(LIST_WORDS):
            rest[w] = live[first + w] & ~mask[first + w]
        count = strata_list_words(rest, stretch * LIST_ROWS, LIST_WORDS, c.lists)
        count = strata_leaf_list(&c.reader, &c.leaves[leaf_id], 0, c.lists, count, c.lists)
        strata_mask_set_rows(mask, c.lists, count)
        added += count
    return added


# Leaves.


cdef uint32_t narrow_leaf(
        context *c, const strata_leaf *leaf, int negate, uint64_t *mask) noexcept nogil:
    """Cuts a mask to the rows for which a vector leaf holds, or the others; how many stay."""
    cdef uint32_t rows
    cdef const uint64_t *held
    if (has_code_masks(c, leaf) and strata_codes_narrow(
            &c.reader, &c.codes[leaf.field], leaf, negate, mask, &rows)):
        return rows
    if has_range_masks(c, leaf):
        held = strata_range_mask(&c.reader, &c.ranges[leaf.field], leaf)
        if held != NULL and negate:
            return c.reader.kernels.mask_and_not(mask, held)
        if held != NULL:
            return c.reader.kernels.mask_and(mask, held)
    return strata_leaf_narrow(&c.reader, leaf, negate, mask)


cdef outcome fill_leaf(context *c, int32_t node_id, int negate, uint64_t *out) noexcept nogil:
    """The mask of a leaf that is open."""
    cdef int32_t leaf_id = c.nodes[node_id].leaf
    cdef const strata_leaf *leaf = &c.leaves[leaf_id]
    cdef const uint8_t *base = NULL
    cdef const strata_entry *entry = strata_leaf_entry(&c.reader, leaf, &base)
    cdef uint32_t rows
    if entry != NULL and entry.kind == STRATA_BITSET and not negate:
        return opened(c, <const uint64_t *>(base + entry.offset), entry.cardinality)
    own(live_rows(c), out)
    if strata_leaf_is_vector(leaf):
        rows = narrow_leaf(c, leaf, negate, out)
    else:
        rows = keep_passing(c, leaf_id, negate, out)
    learn(c, node_id, c.reader.live_count, c.reader.live_count - rows if negate else rows)
    return opened(c, out, rows)


cdef outcome look_leaf(context *c, int32_t node_id, int negate, uint64_t *out) noexcept nogil:
    cdef const strata_leaf *leaf = &c.leaves[c.nodes[node_id].leaf]
    cdef int state
    need_columns(c, leaf)
    state = strata_leaf_state(&c.reader, leaf).state
    if state == STRATA_OPEN:
        return fill_leaf(c, node_id, negate, out)
    return decided(c, STRATA_ALL if (state == STRATA_ALL) != negate else STRATA_NONE)


# And.


cdef outcome cut_list(context *c, const int32_t *order, int32_t first, int32_t count,
                      uint32_t rows, uint64_t *out, int32_t level, int wanted) noexcept nogil:
    """The rows in the list for which the conjuncts from `first` on hold."""
    cdef outcome found
    cdef uint32_t kept
    cdef int32_t i
    for i in range(first, count):
        if must_stop(c):
            return decided(c, STRATA_NONE)
        kept = cut(c, order[i], 0, c.lists, rows, c.lists, level)
        learn(c, order[i], rows, kept)
        rows = kept
        if rows == 0:
            return decided(c, STRATA_NONE)
    found = opened(c, out, rows)
    if wanted != A_MASK:
        found.is_list = 1
        return found
    memset(out, 0, MASK_BYTES)
    strata_mask_set_rows(out, c.lists, rows)
    return found


cdef outcome narrow(context *c, int32_t node_id, outcome so_far, uint64_t *out,
                    int32_t level) noexcept nogil:
    """Cuts an open mask to the rows for which a node, which is open, holds."""
    cdef const program_node *node = &c.nodes[node_id]
    cdef uint32_t rows
    cdef int negate = 0
    cdef outcome other
    cdef const uint64_t *terms[2]
    cdef uint64_t[2] flips
    while node.kind == NODE_NOT and node.memo < 0:
        negate = not negate
        node_id = c.children[node.first_child]
        node = &c.nodes[node_id]
    if node.kind == NODE_LEAF and node.memo < 0:
        own(so_far.mask, out)
        need_columns(c, &c.leaves[node.leaf])
        if strata_leaf_is_vector(&c.leaves[node.leaf]):
            rows = narrow_leaf(c, &c.leaves[node.leaf], negate, out)
        else:
            rows = keep_passing(c, node.leaf, negate, out)
        learn(c, node_id, so_far.rows, so_far.rows - rows if negate else rows)
        return opened(c, out, rows)
    other = look_node(c, node_id, level_mask(c, level), level + 1)
    if other.state != STRATA_OPEN:
        return so_far if (other.state == STRATA_ALL) != negate else decided(c, STRATA_NONE)
    terms[0], flips[0] = so_far.mask, 0
    terms[1], flips[1] = other.mask, ~<uint64_t>0 if negate else 0
    return opened(c, out, c.reader.kernels.mask_join(terms, flips, 2, out))


cdef uint32_t begins_as_list(
        context *c, const program_node *node, int32_t count) noexcept nogil:
    """Takes the first conjunct into the list where that is its container as it lies, and few
    rows; returns how many rows, 0 where not."""
    cdef int32_t first = c.order[node.first_child]
    cdef const uint8_t *base = NULL
    cdef const strata_entry *entry
    if c.nodes[first].kind != NODE_LEAF:
        return 0
    entry = entry_of(c, &c.leaves[c.nodes[first].leaf], &base)
    if (entry == NULL or entry.kind != STRATA_ARRAY
            or not is_worth_a_list(c, node, 1, count, entry.cardinality)):
        return 0
    memcpy(c.lists, base + entry.offset, 2 * entry.cardinality)
    return entry.cardinality


cdef outcome run_and(context *c, const program_node *node, uint64_t *out, int32_t level,
                     int wanted) noexcept nogil:
    cdef int32_t i, count = order_conjuncts(c, node)
    cdef const int32_t *order = c.order + node.first_child
    cdef outcome so_far = decided(c, STRATA_ALL)
    cdef uint32_t rows
    if count < 0:
        return decided(c, STRATA_NONE)
    i = 0
    if count > 1:
        rows = begins_as_list(c, node, count)
        if rows:
            return cut_list(c, order, 1, count, rows, out, level, wanted)
        if c.is_warm:
            count = masks_first(c, node, count, level)
            if count < 0:
                return decided(c, STRATA_NONE)
        i = join_masks(c, node, count, out, wanted, &rows)
        if i:
            so_far = opened(c, out, rows)
    while i < count and so_far.state != STRATA_NONE:
        if so_far.state == STRATA_ALL:
            so_far = look_node(c, order[i], out, level)
        elif is_worth_a_list(c, node, i, count, so_far.rows):
            rows = c.reader.kernels.mask_to_rows(so_far.mask, c.lists)
            return cut_list(c, order, i, count, rows, out, level, wanted)
        else:
            so_far = narrow(c, order[i], so_far, out, level)
        if c.stopped != GO_ON:
            return decided(c, STRATA_NONE)
        i += 1
    return so_far


# Or, not, and all nodes.


cdef outcome run_or(
        context *c, const program_node *node, uint64_t *out, int32_t level) noexcept nogil:
    cdef const program_node *child
    cdef const strata_leaf *leaf
    cdef int32_t i
    cdef outcome so_far = decided(c, STRATA_NONE), found
    for i in range(node.first_child, node.first_child + node.child_count):
        child = &c.nodes[c.children[i]]
        leaf = &c.leaves[child.leaf]
        if (child.kind == NODE_LEAF and child.memo < 0 and so_far.state == STRATA_OPEN
                and (leaf.op == STRATA_LEAF_SET or not strata_leaf_is_vector(leaf))):
            own(so_far.mask, out)
            need_columns(c, leaf)
            if leaf.op == STRATA_LEAF_SET:
                so_far = opened(c, out, strata_leaf_unite(&c.reader, leaf, out))
            else:
                so_far = opened(c, out, so_far.rows + add_passing(c, child.leaf, out))
        elif so_far.state == STRATA_NONE:
            so_far = look_node(c, c.children[i], out, level)
        else:
            found = look_node(c, c.children[i], level_mask(c, level), level + 1)
            if found.state == STRATA_OPEN:
                own(so_far.mask, out)
                so_far = opened(c, out, c.reader.kernels.mask_or(out, found.mask))
            elif found.state == STRATA_ALL:
                so_far = found
        if so_far.state == STRATA_ALL or c.stopped != GO_ON:
            return so_far
    return so_far


cdef outcome run_not(
        context *c, const program_node *node, uint64_t *out, int32_t level) noexcept nogil:
    cdef int32_t child = c.children[node.first_child]
    cdef const uint64_t *terms[2]
    cdef uint64_t[2] flips
    cdef outcome found
    if c.nodes[child].kind == NODE_LEAF and c.nodes[child].memo < 0 and c.node_counts == NULL:
        return look_leaf(c, child, 1, out)
    found = look_node(c, child, out, level)
    if found.state != STRATA_OPEN:
        return decided(c, STRATA_NONE if found.state == STRATA_ALL else STRATA_ALL)
    terms[0], flips[0] = live_rows(c), 0
    terms[1], flips[1] = found.mask, ~<uint64_t>0
    return opened(c, out, c.reader.kernels.mask_join(terms, flips, 2, out))


cdef outcome run_every_child(
        context *c, const program_node *node, uint64_t *out, int32_t level) noexcept nogil:
    """An `and` or `or` whose children are all counted: no order and no early end."""
    cdef int decides = STRATA_NONE if node.kind == NODE_AND else STRATA_ALL
    cdef uint64_t *mask = level_mask(c, level)
    cdef outcome so_far = decided(c, STRATA_ALL if node.kind == NODE_AND else STRATA_NONE)
    cdef outcome found
    cdef int32_t i
    for i in range(node.first_child, node.first_child + node.child_count):
        found = look_node(c, c.children[i], mask, level + 1)
        if so_far.state == decides:
            continue
        if found.state != STRATA_OPEN:
            so_far = found if found.state == decides else so_far
        elif so_far.state == STRATA_OPEN:
            own(so_far.mask, out)
            if node.kind == NODE_AND:
                so_far = opened(c, out, c.reader.kernels.mask_and(out, found.mask))
            else:
                so_far = opened(c, out, c.reader.kernels.mask_or(out, found.mask))
        else:
            own(found.mask, out)
            so_far = opened(c, out, found.rows)
    return so_far


cdef outcome look_node(
        context *c, int32_t node_id, uint64_t *out, int32_t level) noexcept nogil:
    """What is so of a node over the open block. Its mask is in `out`, or where it was found.

    Masks of levels from `level` on are free to use.
    """
    cdef const program_node *node = &c.nodes[node_id]
    cdef outcome found
    if c.stopped != GO_ON:
        return decided(c, STRATA_NONE)
    if node.memo >= 0:
        if c.memos[node.memo].state >= 0:
            return c.memos[node.memo]
        out = c.memo_masks + <size_t>node.memo * STRATA_BLOCK_WORDS
    if node.kind == NODE_LEAF:
        found = look_leaf(c, node_id, 0, out)
    elif node.kind == NODE_NOT:
        found = run_not(c, node, out, level)
    elif node.kind != NODE_AND and node.kind != NODE_OR:
        found = decided(c, STRATA_ALL if node.kind == NODE_TRUE else STRATA_NONE)
    elif c.node_counts != NULL:
        found = run_every_child(c, node, out, level)
    elif node.kind == NODE_AND:
        found = run_and(c, node, out, level, A_MASK)
    else:
        found = run_or(c, node, out, level)
    if node.memo >= 0:
        c.memos[node.memo] = found
    if c.node_counts != NULL and not c.counted[node_id]:
        c.counted[node_id] = 1
        c.node_counts[node_id] += found.rows
    return found


cdef outcome run_root(context *c, int32_t node_id, int wanted) noexcept nogil:
    cdef const program_node *node = &c.nodes[node_id]
    if node.kind == NODE_AND and node.memo < 0 and c.node_counts == NULL:
        return run_and(c, node, level_mask(c, 0), 1, wanted)
    return look_node(c, node_id, level_mask(c, 0), 1)


cdef int run_node(context *c, int32_t node_id, uint64_t *out, int32_t level) noexcept nogil:
    cdef outcome found = look_node(c, node_id, out, level)
    if found.state == STRATA_OPEN:
        own(found.mask, out)
    return found.state
