# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Conjuncts whose masks are there already: a stored bitset, what another expression has found, the
masks of a category's codes or of a number's ranges.

1. Such conjuncts are taken as groups of masks: one mask, or those of the codes that a leaf asks about.
2. All groups are joined and counted in one pass (`mask_join_any`), which writes nothing where only
   the count is wanted.
3. In a program of many expressions masks lie in a cache. There they go before what reads a column,
   whatever that would drop, and a leaf that is shared is made into a mask for all its readers.
"""

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from engine.core.control cimport GO_ON
from engine.core.nodes cimport (
    A_COUNT,
    context,
    entry_of,
    has_code_masks,
    has_range_masks,
    level_mask,
    live_rows,
    look_node,
    outcome,
)
from engine.core.program cimport NODE_LEAF, NODE_NOT, program_node
from engine.core.structures cimport (
    STRATA_ALL,
    STRATA_BITSET,
    STRATA_BLOCK_ROWS,
    STRATA_CODES_JOINED,
    STRATA_OPEN,
    strata_codes_joined,
    strata_entry,
    strata_leaf,
    strata_leaf_is_vector,
    strata_range_mask,
)

cdef enum:
    GROUPS_MOST = 16         # that are joined in one pass, the live rows among them
    TERMS_MOST = 16 * STRATA_CODES_JOINED


cdef struct gathered:
    # Masks to be joined, as `mask_join_any` takes them.
    const uint64_t *terms[TERMS_MOST]
    uint32_t[GROUPS_MOST] ends
    uint64_t[GROUPS_MOST] flips
    uint32_t term_count
    int32_t group_count
    int has_live             # some group has live rows alone


cdef int32_t bare(const context *c, int32_t node_id, uint64_t *flip) noexcept nogil:
    """What a node is the complement of, however often; `flip` is all ones where it is one."""
    flip[0] = 0
    while c.nodes[node_id].kind == NODE_NOT and c.nodes[node_id].memo < 0:
        flip[0] = ~flip[0]
        node_id = c.children[c.nodes[node_id].first_child]
    return node_id


cdef const uint64_t *whole_mask(context *c, const program_node *node) noexcept nogil:
    """The mask that an open node consists of, where it is there already; else NULL."""
    cdef const strata_entry *entry
    cdef const uint8_t *base = NULL
    if node.memo >= 0 and c.memos[node.memo].state >= 0:
        return c.memos[node.memo].mask if c.memos[node.memo].state == STRATA_OPEN else NULL
    if node.kind != NODE_LEAF:
        return NULL
    entry = entry_of(c, &c.leaves[node.leaf], &base)
    if entry == NULL or entry.kind != STRATA_BITSET:
        return NULL
    return <const uint64_t *>(base + entry.offset)


cdef uint32_t made_masks(
        context *c, const program_node *node, const uint64_t **terms) noexcept nogil:
    """The masks that a leaf is the union of, of rows alive or not; how many, 0 where there are
    none."""
    cdef const strata_leaf *leaf = &c.leaves[node.leaf]
    if node.kind != NODE_LEAF:
        return 0
    if has_code_masks(c, leaf):
        return strata_codes_joined(&c.reader, &c.codes[leaf.field], leaf, terms)
    if not has_range_masks(c, leaf):
        return 0
    terms[0] = strata_range_mask(&c.reader, &c.ranges[leaf.field], leaf)
    return terms[0] != NULL


cdef int gather(context *c, int32_t node_id, gathered *masks) noexcept nogil:
    """Adds the masks of a conjunct, if they are there and there is room."""
    cdef uint64_t flip
    cdef const program_node *node = &c.nodes[bare(c, node_id, &flip)]
    cdef const uint64_t *whole
    cdef uint32_t added
    if masks.group_count == GROUPS_MOST - 1:
        return 0
    whole = whole_mask(c, node)
    if whole != NULL:
        masks.terms[masks.term_count] = whole
        masks.has_live |= not flip
        added = 1
    else:
        added = made_masks(c, node, masks.terms + masks.term_count)
    if not added:
        return 0
    masks.term_count += added
    masks.flips[masks.group_count] = flip
    masks.ends[masks.group_count] = masks.term_count
    masks.group_count += 1
    return 1


cdef int is_joined(context *c, int32_t node_id) noexcept nogil:
    """Whether `gather` will find the masks of a conjunct."""
    cdef uint64_t flip
    cdef const uint64_t *terms[STRATA_CODES_JOINED]
    cdef const program_node *node = &c.nodes[bare(c, node_id, &flip)]
    return whole_mask(c, node) != NULL or made_masks(c, node, terms) > 0


cdef int32_t masks_first(
        context *c, const program_node *node, int32_t count, int32_t level) noexcept nogil:
    cdef int32_t *order = c.order + node.first_child
    cdef uint32_t *costs = c.costs + node.first_child
    cdef int32_t i, j, one, bare_id, first = 0, left = 0
    cdef uint32_t cost
    cdef uint64_t flip
    cdef const program_node *child
    cdef outcome found
    for i in range(count):
        one, cost = order[i], costs[i]
        bare_id = bare(c, one, &flip)
        child = &c.nodes[bare_id]
        if (child.kind == NODE_LEAF and child.memo >= 0 and not is_joined(c, bare_id)
                and strata_leaf_is_vector(&c.leaves[child.leaf])):
            found = look_node(c, bare_id, level_mask(c, level), level + 1)
            if c.stopped != GO_ON:
                return -1
            if found.state != STRATA_OPEN:
                if (found.state == STRATA_ALL) == (flip != 0):
                    return -1
                continue
        order[left], costs[left] = one, cost
        if is_joined(c, one):
            for j in range(left, first, -1):
                order[j], costs[j] = order[j - 1], costs[j - 1]
            order[first], costs[first] = one, cost
            first += 1
        left += 1
    return left


cdef int32_t join_masks(context *c, const program_node *node, int32_t count, uint64_t *out,
                        int wanted, uint32_t *rows) noexcept nogil:
    """Nothing is joined where the mask of a single one may be read where it is."""
    cdef const int32_t *order = c.order + node.first_child
    cdef gathered masks
    cdef int32_t joined = 0
    masks.term_count = masks.group_count = masks.has_live = 0
    while joined < count and gather(c, order[joined], &masks):
        joined += 1
    if joined == 0 or (joined == 1 and masks.has_live):
        return 0
    if not masks.has_live and c.reader.live_count < STRATA_BLOCK_ROWS:
        # Complements, codes and ranges may be of rows that are not alive.
        masks.terms[masks.term_count] = live_rows(c)
        masks.flips[masks.group_count] = 0
        masks.term_count += 1
        masks.ends[masks.group_count] = masks.term_count
        masks.group_count += 1
    if masks.term_count == <uint32_t>masks.group_count:
        rows[0] = c.reader.kernels.mask_join(
            masks.terms, masks.flips, masks.term_count,
            NULL if wanted == A_COUNT and joined == count else out)
        return joined
    rows[0] = c.reader.kernels.mask_join_any(
        masks.terms, masks.ends, masks.flips, <uint32_t>masks.group_count,
        NULL if wanted == A_COUNT and joined == count else out)
    return joined
