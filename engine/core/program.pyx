# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""A plan laid out in C for one snapshot.

1. Every field that a leaf names gets a place in a table of part addresses; `rebind` fills
   that table anew for the next state of the store, and the rest stays. Columns that are folded
   from events get a place too, which each thread fills in its own copy.
2. Leaves become structures that point into arrays kept alive here.
3. Nodes keep their order; a node read by several others gets a memo slot, as far as they go,
   so that a shared part is evaluated once a block.
"""

import os

from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

import numpy as np

from engine.core import operations
from engine.core.kernels import tables as kernel_tables
from engine.core.score_order import score_order
from engine.errors import InputInvalid
from engine.store.catalog import LIVE, UIDS

from engine.core.aggregates cimport AggregateLayout
from engine.core.leaf_layout cimport LeafHome, lay_out_leaf, pin
from engine.core.structures cimport (
    STRATA_CUTS_MOST,
    STRATA_LEAF_CODES,
    STRATA_LEAF_INT_RANGE,
    STRATA_RANGES_MOST,
    strata_field,
    strata_leaf,
    strata_pick_kernels,
)

__all__ = ["Program"]

cdef dict KINDS = {
    "false": NODE_FALSE,
    "true": NODE_TRUE,
    "leaf": NODE_LEAF,
    "and": NODE_AND,
    "or": NODE_OR,
    "not": NODE_NOT,
}

# Masks of shared nodes that one thread keeps while it works on a block: 8 MiB. Nodes beyond
# that are evaluated again for each reader.
MEMO_SLOTS = 1024
# Ranges of one number from which on their masks may be worth making at once: ranks, which these are
# made of, take as long as a dozen readings of the column.
FEWEST_RANGES = 24


cdef class Program(LeafHome):
    """A plan bound to a snapshot, ready to run.

    `roots` are the nodes that will be asked for, `group_field_id` the category or bool field
    that counts may be grouped by, `more_fields` fields that are read beside the plan's own. The
    snapshot stays open as long as the program is bound to it.
    `STRATA_SIMD` names the kernels to use; empty or unset picks the best for this processor.
    """

    def __cinit__(self):
        self.nodes = NULL
        self.leaves = NULL
        self.children = NULL
        self.fields = NULL

    def __init__(self, plan, snapshot, roots, group_field_id=None, more_fields=()):
        cdef bytes simd = os.environ.get("STRATA_SIMD", "").encode()
        self.kernels = strata_pick_kernels(simd)
        if self.kernels == NULL:
            raise InputInvalid(
                f"STRATA_SIMD is '{simd.decode(errors='replace')}', and this processor and build "
                f"have {', '.join(kernel_tables())}; unset it, or set it to one of them."
            )
        self._tables = []
        self._arrays = []
        self._row_leaves = []
        self._fields = []
        self._field_positions = {}
        asked = [rule.node for column in plan.columns if type(column) is operations.ScoreColumn
                 for rule in column.rules if type(rule) is operations.ScoreWhen]
        self._lay_out_nodes(plan.nodes, roots, asked)
        reads = self._lay_out_leaves([node.leaf for node in plan.nodes if node.kind == "leaf"])
        self.code_leaves = self._count_code_leaves()
        self.cuts = self._find_cuts()
        self.has_cuts = any(one is not None for one in self.cuts)
        self.has_scores = any(type(one) is operations.ScoreColumn for one in plan.columns)
        heights, before = score_order(plan.nodes, reads, plan.columns)
        self.depth = max(heights, default=1)
        self.aggregates = AggregateLayout(plan.columns, self._position, before)
        self.live_field = self.field_position(LIVE.id)
        self.uid_field = self.field_position(UIDS.id)
        self.group_field = (
            -1 if group_field_id is None else self.field_position(group_field_id)
        )
        for field_id in more_fields:
            self.field_position(field_id)
        self.fields = <strata_field *>calloc(len(self._fields), sizeof(strata_field))
        if self.fields == NULL:
            raise MemoryError
        self._arrays = [None] * (2 * len(self._fields))
        self.rebind(snapshot)

    def rebind(self, snapshot, rows=None):
        """Moves the program to another state of the same store, at the cost of its part tables.

        The plan must still be right there: no dictionary that it looked strings up in has
        gained one that it names, no date stands outside its tables. `rows` gives leaves that
        are lists of rows (RowsLeaf -> sorted uint32) new rows. Nobody may be running it.
        """
        cdef int32_t i
        cdef uint32_t block_count = snapshot.block_count
        tables = [None if field < 0 else snapshot.addresses(field) for field in self._fields]
        arrays = list(self._arrays)
        kept = []
        self.aggregates.bind(snapshot)
        for i, table in enumerate(tables):
            if table is None:
                continue
            first_part, address = table.first_part, table.address
            assert len(first_part) == block_count + 1
            if first_part is not arrays[2 * i]:
                self.fields[i].first_part = <const uint32_t *>pin(kept, first_part)
                arrays[2 * i] = first_part
            if address is not arrays[2 * i + 1] or address.size == 0:
                self.fields[i].address = <const uint64_t *>pin(kept, address)
                arrays[2 * i + 1] = address
        for i, leaf in self._row_leaves:
            chosen = leaf.rows if rows is None else rows.get(leaf, leaf.rows)
            lay_out_rows(kept, block_count, chosen, &self.leaves[i])
        # The old tables are let go last: nothing points into them any more.
        self._tables, self._arrays = [tables, kept], arrays
        self.snapshot = snapshot
        self.block_count = block_count

    def unbind(self):
        """Lets go of the state it is bound to: until the next `rebind` it has no blocks."""
        self.block_count = 0
        self.snapshot = None
        self._tables = []

    cdef int let_go(self) except -1:
        """Lets go of the state, too, and keeps the arrays that `fields` points into: they are right
        for the same version later on, once the blocks are counted again."""
        self.block_count = 0
        self.snapshot = None
        self._tables = [[], self._tables[1]]
        return 0

    def __dealloc__(self):
        free(self.nodes)
        free(self.leaves)
        free(self.children)
        free(self.fields)

    @property
    def kernel_name(self):
        """Name of the kernels that this program runs on."""
        return self.kernels.name.decode()

    def _lay_out_nodes(self, list nodes, roots, asked):
        """`asked` are the nodes that scores ask for, each as often as it is asked for."""
        cdef int32_t i, leaf = 0, child = 0
        readers = [0] * len(nodes)
        for node in nodes:
            for c in node.children:
                readers[c] += 1
        child_count = sum(readers)
        for root in [*set(roots), *asked]:
            readers[root] += 1
        self.node_count = <int32_t>len(nodes)
        self.child_count = <int32_t>child_count
        self.nodes = <program_node *>calloc(max(1, self.node_count), sizeof(program_node))
        self.children = <int32_t *>calloc(max(1, self.child_count), sizeof(int32_t))
        if self.nodes == NULL or self.children == NULL:
            raise MemoryError
        for i in range(self.node_count):
            node = nodes[i]
            self.nodes[i].kind = KINDS[node.kind]
            self.nodes[i].first_child = child
            self.nodes[i].child_count = <int32_t>len(node.children)
            self.nodes[i].memo = -1
            if node.kind == "leaf":
                self.nodes[i].leaf = leaf
                leaf += 1
            for c in node.children:
                assert c < i, "children stand before their parents"
                self.children[child] = c
                child += 1
        self._give_memos(nodes, readers)
        self.leaf_count = leaf

    def _give_memos(self, list nodes, list readers):
        """Gives nodes with several readers a place for their mask, logic first: what stands
        below it is then not evaluated again either."""
        shared = [i for i in range(len(nodes)) if readers[i] > 1]
        shared.sort(key=lambda i: nodes[i].kind == "leaf")
        self.memo_count = <int32_t>min(len(shared), MEMO_SLOTS)
        for slot, i in enumerate(shared[:MEMO_SLOTS]):
            self.nodes[<int32_t>i].memo = slot

    def _lay_out_leaves(self, list leaves):
        """The columns that each leaf reads, by number."""
        cdef int32_t i
        reads = []
        self.leaves = <strata_leaf *>calloc(max(1, self.leaf_count), sizeof(strata_leaf))
        if self.leaves == NULL:
            raise MemoryError
        for i in range(self.leaf_count):
            self._columns_read = []
            lay_out_leaf(self, leaves[i], &self.leaves[i])
            read = np.array(sorted(set(self._columns_read)), np.int32)
            self.leaves[i].columns = <const int32_t *>self.keep(read)
            self.leaves[i].column_count = <uint32_t>len(read)
            reads.append(read.tolist())
            if type(leaves[i]) is operations.RowsLeaf:
                self._row_leaves.append((i, leaves[i]))
        return reads

    def _count_code_leaves(self):
        cdef int32_t i
        counts = [0] * len(self._fields)
        for i in range(self.leaf_count):
            if self.leaves[i].op == STRATA_LEAF_CODES and not self.leaves[i].column_count:
                counts[self.leaves[i].field] += 1
        return counts

    def _find_cuts(self):
        """Of numbers that are compared often, by position in `fields`: their cuts, int64, and the
        least rank and the span of each range (range_masks.h). Their leaves get to know their place."""
        cdef int32_t i
        cdef strata_leaf *leaf
        asking = {}
        # One by one, to compare every row takes longer than what narrowed masks spare.
        for i in range(self.leaf_count if self.kernel_name != "portable" else 0):
            leaf = &self.leaves[i]
            if leaf.op == STRATA_LEAF_INT_RANGE and not leaf.column_count and not leaf.negated:
                asking.setdefault(leaf.field, []).append((i, leaf.low, leaf.high + <object>1))
        found = [None] * len(self._fields)
        for field, ranges in asking.items():
            edges = sorted({edge for _, low, stop in ranges for edge in (low, stop)})
            if not (FEWEST_RANGES <= len(ranges) <= STRATA_RANGES_MOST
                    and len(edges) <= STRATA_CUTS_MOST):
                continue
            rank_of = {edge: rank for rank, edge in enumerate(edges, 2)}
            for place, (i, _, _) in enumerate(ranges, 1):
                self.leaves[<int32_t>i].range = <uint32_t>place
            lows = [rank_of[low] for _, low, _ in ranges]
            spans = [rank_of[stop] - 1 - rank_of[low] for _, low, stop in ranges]
            cuts = [edge for edge in edges if edge < 1 << 63]
            found[field] = (np.array(cuts, dtype=np.int64), np.array(lows, dtype=np.uint8),
                            np.array(spans, dtype=np.uint8))
        return found

    def _position(self, field_id):
        return self.field_position(field_id)

    cdef int32_t field_position(self, int field_id) except -1:
        """Place of a field in the table; a new one for a field not seen before."""
        if field_id < 0 and self._columns_read is not None:
            self._columns_read.append(-1 - field_id)
        position = self._field_positions.get(field_id)
        if position is None:
            position = self._field_positions[field_id] = len(self._fields)
            self._fields.append(field_id)
        return position


cdef int lay_out_rows(list kept, uint32_t block_count, rows, strata_leaf *out) except -1:
    edges = np.arange(block_count + 1, dtype=np.uint64) << np.uint64(16)
    starts = np.searchsorted(rows, edges).astype(np.uint32)
    out.rows = <const uint32_t *>pin(kept, np.ascontiguousarray(rows, dtype=np.uint32))
    out.row_start = <const uint32_t *>pin(kept, starts)
    return 0
