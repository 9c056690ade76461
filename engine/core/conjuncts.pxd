"""The order of conjuncts, for the evaluation of nodes."""

from libc.stdint cimport int32_t, uint32_t

from engine.core.nodes cimport context
from engine.core.program cimport program_node


# Notes that a node held for `passed` of `asked` rows.
cdef void learn(context *c, int32_t node_id, uint32_t asked, uint32_t passed) noexcept nogil
# Puts the open children of an `and` in order, with their costs and the shares that pass them;
# returns how many there are, -1 for none of the block.
cdef int order_conjuncts(context *c, const program_node *node) noexcept nogil
# Whether to look `rows` rows up costs less than to narrow their mask by the conjuncts from `first`,
# by all of them or the next one.
cdef int is_worth_a_list(
    const context *c, const program_node *node, int32_t first, int32_t count,
    uint32_t rows) noexcept nogil
