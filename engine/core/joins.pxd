"""Conjuncts whose masks are there already, joined in one pass."""

from libc.stdint cimport int32_t, uint32_t, uint64_t

from engine.core.nodes cimport context
from engine.core.program cimport program_node


# Puts the open conjuncts of an `and` that can be joined before the others; masks of levels from
# `level` on are free. Returns how many conjuncts are left, -1 for none of the block.
cdef int32_t masks_first(
    context *c, const program_node *node, int32_t count, int32_t level) noexcept nogil
# Joins the first conjuncts as far as their masks are there; returns how many they were.
cdef int32_t join_masks(context *c, const program_node *node, int32_t count, uint64_t *out,
                        int wanted, uint32_t *rows) noexcept nogil
