"""The evaluation of nodes over the open block, and what one thread needs for it."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from engine.core.control cimport stop_switch
from engine.core.program cimport program_node
from engine.core.structures cimport (
    STRATA_ALL,
    STRATA_BLOCK_WORDS,
    STRATA_NONE,
    strata_leaf,
    strata_reader,
)


cdef extern from *:
    """
    static inline uint32_t strata_trailing_zeros(uint64_t word) {
        return (uint32_t)__builtin_ctzll(word);
    }
    """
    uint32_t trailing_zeros "strata_trailing_zeros"(uint64_t word) noexcept nogil


cdef struct context:
    # All that one thread needs to evaluate blocks of one program.
    strata_reader reader
    const program_node *nodes
    const strata_leaf *leaves
    const int32_t *children
    int32_t live_field
    uint64_t *masks          # one mask for each level of the tree, and one more
    uint64_t *memo_masks
    int32_t *memo_states     # -1 where not evaluated in this block
    int32_t memo_count
    int32_t *order           # by position in `children`: the open conjuncts, cheapest first
    uint32_t *costs
    int64_t *node_counts     # where every node is counted, else NULL
    uint8_t *counted         # by node: counted in this block
    int32_t node_count
    const stop_switch *switch_
    int stopped              # not GO_ON: masks and states are unfinished, and to be dropped


cdef inline uint64_t *level_mask(context *c, int32_t level) noexcept nogil:
    return c.masks + <size_t>level * STRATA_BLOCK_WORDS


cdef inline int64_t state_count(context *c, int state, const uint64_t *mask) noexcept nogil:
    if state == STRATA_NONE:
        return 0
    return c.reader.live_count if state == STRATA_ALL else c.reader.kernels.mask_count(mask)


# Reads the live rows of a block; 0 where it has none.
cdef int open_block(context *c, uint32_t block) noexcept nogil
# Truth of a node for one live row of the reader's block.
cdef int test_node(context *c, int32_t node_id, uint32_t row) noexcept nogil
# State of a node over the open block, its mask in `out`; levels from `level` on are free.
cdef int run_node(context *c, int32_t node_id, uint64_t *out, int32_t level) noexcept nogil
