"""The evaluation of nodes over the open block, and what one thread needs for it."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from engine.core.control cimport stop_switch
from engine.core.program cimport program_node
from engine.core.structures cimport (
    STRATA_BLOCK_WORDS,
    STRATA_LEAF_CODES,
    strata_code_masks,
    strata_entry,
    strata_leaf,
    strata_ranges,
    strata_reader,
)


cdef extern from *:
    """
    static inline uint32_t strata_trailing_zeros(uint64_t word) {
        return (uint32_t)__builtin_ctzll(word);
    }
    """
    uint32_t trailing_zeros "strata_trailing_zeros"(uint64_t word) noexcept nogil


cdef enum:
    LIST_ROWS = 8192         # rows of the longest list; as many as 128 words of a mask have
    LIST_WORDS = 128


cdef enum:
    # What is wanted of a root.
    A_MASK = 0
    A_LIST                   # or a mask
    A_COUNT                  # or a list, or a mask


cdef struct outcome:
    # What is so of a node over the open block.
    int state                # STRATA_NONE, STRATA_ALL (of the live rows) or STRATA_OPEN
    uint32_t rows            # how many rows it holds for
    const uint64_t *mask     # where open: its mask, not to be written to; NULL: see `is_list`
    int is_list              # its rows stand in the context's list


cdef struct context:
    # All that one thread needs to evaluate blocks of one program.
    strata_reader reader
    const program_node *nodes
    const strata_leaf *leaves
    const int32_t *children
    int32_t live_field
    const strata_entry *live_entry
    const uint8_t *live_base
    int live_is_read         # the reader's mask of live rows is that of the open block
    uint64_t *masks          # one mask for each level of the tree, and one more
    uint64_t *memo_masks
    outcome *memos           # by slot; state -1 where not evaluated in this block
    int32_t memo_count
    uint16_t *lists          # of LIST_ROWS rows: the list, and two for each level of the tree
    int32_t *order           # by position in `children`: the open conjuncts, in their order
    uint32_t *costs
    double *ranks
    double *seen             # by node: rows that it was asked of in all blocks so far,
    double *passed           # and those of them that it held for
    int64_t *node_counts     # where every node is counted, else NULL
    uint8_t *counted         # by node: counted in this block
    int32_t node_count
    const stop_switch *switch_
    void *columns            # of aggregates, see engine.core.aggregates; NULL where there are none
    uint64_t *score_masks    # as `masks` and `lists`, for the conditions of a score; NULL where
    uint16_t *score_lists    # there are no scores
    strata_code_masks *codes  # by field; NULL where no category is asked about often
    strata_ranges *ranges    # by field; NULL where no number is compared often
    int32_t field_count      # of those two
    int is_warm              # columns are in a cache: see `is_worth_a_list`
    int stopped              # not GO_ON: masks and states are unfinished, and to be dropped


cdef inline uint64_t *level_mask(context *c, int32_t level) noexcept nogil:
    return c.masks + <size_t>level * STRATA_BLOCK_WORDS


cdef inline int has_code_masks(const context *c, const strata_leaf *leaf) noexcept nogil:
    return (c.codes != NULL and leaf.op == STRATA_LEAF_CODES and leaf.column_count == 0
            and c.codes[leaf.field].leaf_count)


cdef inline int has_range_masks(const context *c, const strata_leaf *leaf) noexcept nogil:
    return c.ranges != NULL and leaf.range and c.ranges[leaf.field].cut_count


# Begins a block; 0 where it has no live rows.
cdef int open_block(context *c, uint32_t block) noexcept nogil
# Has the columns that a leaf reads for the open block.
cdef void need_columns(context *c, const strata_leaf *leaf) noexcept nogil
# The one container that a leaf consists of, or NULL; also where that is still to be made.
cdef const strata_entry *entry_of(
    context *c, const strata_leaf *leaf, const uint8_t **base) noexcept nogil
# The mask of the live rows of the open block.
cdef const uint64_t *live_rows(context *c) noexcept nogil
# What is so of a node over the open block, its mask in `out` or where it was found; levels from
# `level` on are free.
cdef outcome look_node(
    context *c, int32_t node_id, uint64_t *out, int32_t level) noexcept nogil
# What is so of a root; `wanted` is A_MASK, A_LIST or A_COUNT.
cdef outcome run_root(context *c, int32_t node_id, int wanted) noexcept nogil
# State of a node over the open block, its mask in `out`; levels from `level` on are free.
cdef int run_node(context *c, int32_t node_id, uint64_t *out, int32_t level) noexcept nogil
