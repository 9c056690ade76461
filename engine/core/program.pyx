# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""A plan laid out in C for one snapshot.

1. Every field that a leaf names gets a place in a table of part addresses; `rebind` fills
   that table anew for the next state of the store, and the rest stays.
2. Leaves become structures that point into arrays kept alive here.
3. Nodes keep their order; a node read by several others gets a memo slot, as far as they go,
   so that a shared part is evaluated once a block.
"""

import os

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

import numpy as np

from engine.core import operations
from engine.core.kernels import tables as kernel_tables
from engine.errors import InputInvalid
from engine.store.catalog import LIVE, UIDS

from engine.core.structures cimport (
    STRATA_LEAF_BUCKET,
    STRATA_LEAF_CODE_PAIR,
    STRATA_LEAF_CODES,
    STRATA_LEAF_FLOAT,
    STRATA_LEAF_FLOAT_IN,
    STRATA_LEAF_FLOAT_RANGE,
    STRATA_LEAF_INT_IN,
    STRATA_LEAF_INT_RANGE,
    STRATA_LEAF_LINEAR,
    STRATA_LEAF_LINEAR_IN,
    STRATA_LEAF_PRESENT,
    STRATA_LEAF_ROWS,
    STRATA_LEAF_SET,
    STRATA_LEAF_TEXT,
    strata_field,
    strata_float_term,
    strata_int128_of,
    strata_leaf,
    strata_pick_kernels,
    strata_side,
    strata_source,
    strata_term,
    strata_wide,
)

__all__ = ["Program"]

cdef dict COMPARES = {"=": 0, "!=": 1, "<": 2, "<=": 3, ">": 4, ">=": 5}
cdef dict HOWS = {"contains": 0, "starts with": 1, "ends with": 2}
cdef dict KINDS = {
    "false": NODE_FALSE,
    "true": NODE_TRUE,
    "leaf": NODE_LEAF,
    "and": NODE_AND,
    "or": NODE_OR,
    "not": NODE_NOT,
}

# A sum whose parts stay below this never leaves 128 bits, whatever order it is added in.
NARROW_LIMIT = 1 << 126
# Beyond this, a quotient is not rounded to a double in 128 bits.
NARROW_DENOMINATOR_LIMIT = 1 << 60


# Masks of shared nodes that one thread keeps while it works on a block: 8 MiB. Nodes beyond
# that are evaluated again for each reader.
MEMO_SLOTS = 1024


cdef class Program:
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
        self._kept = []
        self._tables = []
        self._arrays = []
        self._row_leaves = []
        self._fields = []
        self._field_positions = {}
        self._lay_out_nodes(plan.nodes, roots)
        self._lay_out_leaves([node.leaf for node in plan.nodes if node.kind == "leaf"])
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
        tables = list(map(snapshot.addresses, self._fields))
        arrays = list(self._arrays)
        kept = []
        for i, table in enumerate(tables):
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

    def __dealloc__(self):
        free(self.nodes)
        free(self.leaves)
        free(self.children)
        free(self.fields)

    @property
    def kernel_name(self):
        """Name of the kernels that this program runs on."""
        return self.kernels.name.decode()

    def _lay_out_nodes(self, list nodes, roots):
        cdef int32_t i, leaf = 0, child = 0
        readers = [0] * len(nodes)
        heights = [0] * len(nodes)
        for node in nodes:
            for c in node.children:
                readers[c] += 1
        child_count = sum(readers)
        for root in set(roots):
            readers[root] += 1
        self.node_count = <int32_t>len(nodes)
        self.child_count = <int32_t>child_count
        self.nodes = <program_node *>calloc(max(1, self.node_count), sizeof(program_node))
        self.children = <int32_t *>calloc(max(1, self.child_count), sizeof(int32_t))
        if self.nodes == NULL or self.children == NULL:
            raise MemoryError
        for i in range(self.node_count):
            node = nodes[i]
            heights[i] = 1 + max((heights[c] for c in node.children), default=0)
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
        self.depth = max(heights, default=1)

    def _give_memos(self, list nodes, list readers):
        """Gives nodes with several readers a place for their mask, logic first: what stands
        below it is then not evaluated again either."""
        shared = [i for i in range(len(nodes)) if readers[i] > 1]
        shared.sort(key=lambda i: nodes[i].kind == "leaf")
        self.memo_count = <int32_t>min(len(shared), MEMO_SLOTS)
        for slot, i in enumerate(shared[:MEMO_SLOTS]):
            self.nodes[<int32_t>i].memo = slot

    def _lay_out_leaves(self, list leaves):
        cdef int32_t i
        self.leaves = <strata_leaf *>calloc(max(1, self.leaf_count), sizeof(strata_leaf))
        if self.leaves == NULL:
            raise MemoryError
        for i in range(self.leaf_count):
            lay_out_leaf(self, leaves[i], &self.leaves[i])
            if type(leaves[i]) is operations.RowsLeaf:
                self._row_leaves.append((i, leaves[i]))

    cdef int32_t field_position(self, int field_id) except -1:
        """Place of a field in the table; a new one for a field not seen before."""
        position = self._field_positions.get(field_id)
        if position is None:
            position = self._field_positions[field_id] = len(self._fields)
            self._fields.append(field_id)
        return position

    cdef const void *keep(self, array) except? NULL:
        """Address of the first byte of an array or of bytes; they live as long as the program."""
        return pin(self._kept, array)


cdef const void *pin(list kept, array) except? NULL:
    """Address of the first byte of an array or of bytes, which live as long as `kept` has them."""
    cdef Py_buffer view
    if not len(array):
        array = bytes(1)
    kept.append(array)
    PyObject_GetBuffer(array, &view, PyBUF_SIMPLE)
    PyBuffer_Release(&view)  # `kept` has the array: nobody makes it longer or shorter
    return view.buf


cdef int lay_out_leaf(Program program, leaf, strata_leaf *out) except -1:
    kind = type(leaf)
    if kind is operations.LinearLeaf:
        return lay_out_linear(program, leaf, out)
    if kind is operations.LinearInLeaf:
        return lay_out_linear_in(program, leaf, out)
    if kind is operations.FloatLeaf:
        out.op = STRATA_LEAF_FLOAT
        out.compare = COMPARES[leaf.compare]
        lay_out_side(program, leaf.left, &out.left)
        return lay_out_side(program, leaf.right, &out.right)
    if kind is operations.FloatInLeaf:
        out.op = STRATA_LEAF_FLOAT_IN
        out.negated = leaf.negated
        out.doubles = <const double *>program.keep(np.array(leaf.values, dtype=np.float64))
        out.double_count = <uint32_t>len(leaf.values)
        return lay_out_side(program, leaf.left, &out.left)
    if kind is operations.BucketLeaf:
        out.op = STRATA_LEAF_BUCKET
        out.seed = leaf.seed
        out.low, out.high, out.negated = leaf.low, leaf.high, leaf.negated
        return 0
    if kind is operations.RowsLeaf:
        out.op = STRATA_LEAF_ROWS
        out.field = 0
        return 0
    if kind is operations.CodePairLeaf:
        out.op = STRATA_LEAF_CODE_PAIR
        out.field = program.field_position(leaf.left)
        out.field2 = program.field_position(leaf.right)
        out.negated = leaf.negated
        out.codes = <const uint32_t *>program.keep(leaf.codes)
        return 0
    out.field = program.field_position(leaf.field)
    if kind is operations.SetLeaf:
        out.op = STRATA_LEAF_SET
        out.codes = <const uint32_t *>program.keep(np.array(leaf.codes, dtype=np.uint32))
        out.code_count = <uint32_t>len(leaf.codes)
    elif kind is operations.CodesLeaf:
        out.op = STRATA_LEAF_CODES
        out.members = <const uint64_t *>program.keep(leaf.members)
        out.lowest_code, out.highest_code = leaf.lowest, leaf.highest
        out.contiguous = leaf.contiguous
        out.code_count = int.from_bytes(leaf.members, "little").bit_count()
    elif kind is operations.PresentLeaf:
        out.op = STRATA_LEAF_PRESENT
        out.how = leaf.is_text
    elif kind is operations.IntRangeLeaf:
        out.op = STRATA_LEAF_INT_RANGE
        out.low, out.high, out.negated = leaf.low, leaf.high, leaf.negated
    elif kind is operations.IntInLeaf:
        out.op = STRATA_LEAF_INT_IN
        out.ints = <const int64_t *>program.keep(np.array(leaf.values, dtype=np.int64))
        out.int_count = <uint32_t>len(leaf.values)
        out.negated = leaf.negated
    elif kind is operations.FloatRangeLeaf:
        out.op = STRATA_LEAF_FLOAT_RANGE
        out.float_low, out.float_high, out.negated = leaf.low, leaf.high, leaf.negated
    else:
        assert kind is operations.TextLeaf, kind
        out.op = STRATA_LEAF_TEXT
        out.how = HOWS[leaf.how]
        out.needle = <const uint8_t *>program.keep(leaf.needle)
        out.needle_length = <uint32_t>len(leaf.needle)
        out.negated = leaf.negated
    return 0


cdef int lay_out_rows(list kept, uint32_t block_count, rows, strata_leaf *out) except -1:
    edges = np.arange(block_count + 1, dtype=np.uint64) << np.uint64(16)
    starts = np.searchsorted(rows, edges).astype(np.uint32)
    out.rows = <const uint32_t *>pin(kept, np.ascontiguousarray(rows, dtype=np.uint32))
    out.row_start = <const uint32_t *>pin(kept, starts)
    return 0


def needs_wide(constant, summands):
    """Whether `constant + sum of factor * value` can leave 128 bits."""
    return abs(constant) + sum(abs(s.factor) << 63 for s in summands) >= NARROW_LIMIT


cdef int lay_out_linear(Program program, leaf, strata_leaf *out) except -1:
    out.op = STRATA_LEAF_LINEAR
    out.compare = COMPARES[leaf.compare]
    out.wide = needs_wide(leaf.constant, leaf.summands)
    out.term_count = <uint32_t>len(leaf.summands)
    out.terms = lay_out_terms(program, leaf.summands, out.wide)
    if out.wide:
        set_wide(&out.wide_constant, leaf.constant)
    else:
        out.constant = strata_int128_of(leaf.constant >> 64, leaf.constant & MASK64)
    return 0


cdef int lay_out_linear_in(Program program, leaf, strata_leaf *out) except -1:
    cdef uint32_t i
    memory = np.zeros(max(1, len(leaf.targets)) * sizeof(strata_wide), dtype=np.uint8)
    cdef strata_wide *targets = <strata_wide *>program.keep(memory)
    out.op = STRATA_LEAF_LINEAR_IN
    out.negated = leaf.negated
    out.term_count = <uint32_t>len(leaf.summands)
    out.terms = lay_out_terms(program, leaf.summands, True)
    out.target_count = <uint32_t>len(leaf.targets)
    for i in range(out.target_count):
        set_wide(&targets[i], leaf.targets[i])
    out.targets = targets
    return 0


cdef object MASK64 = (1 << 64) - 1


cdef int set_wide(strata_wide *out, number) except -1:
    cdef int i
    assert -(1 << 511) <= number < 1 << 511
    for i in range(8):
        out.limb[i] = (number >> (64 * i)) & MASK64
    return 0


cdef const strata_term *lay_out_terms(Program program, summands, bint wide) except NULL:
    cdef uint32_t i
    memory = np.zeros(max(1, len(summands)) * sizeof(strata_term) + 16, dtype=np.uint8)
    # 128-bit integers need 16-byte alignment, which numpy does not promise.
    cdef uint64_t address = (<uint64_t>program.keep(memory) + 15) & ~<uint64_t>15
    cdef strata_term *terms = <strata_term *>address
    for i in range(<uint32_t>len(summands)):
        lay_out_source(program, summands[i].number, &terms[i].source)
        factor = summands[i].factor
        if wide:
            set_wide(&terms[i].wide, factor)
        else:
            terms[i].factor = strata_int128_of(factor >> 64, factor & MASK64)
    return terms


cdef int lay_out_source(Program program, number, strata_source *out) except -1:
    kind = type(number)
    out.denominator = 1
    if kind is operations.BucketNumber:
        out.kind = 3
        out.seed = number.seed
        return 0
    out.field = program.field_position(number.field)
    if kind is operations.ColumnNumber:
        out.kind = 0
        out.denominator = number.denominator
    elif kind is operations.FloatNumber:
        out.kind = 1
    else:
        assert kind is operations.DayNumber, kind
        starts = np.frombuffer(number.starts, dtype=np.int64)
        out.kind = 2
        out.first_day = number.first_day
        out.day_count = <int64_t>len(starts)
        out.day_start = <const int64_t *>program.keep(starts)
    return 0


cdef int lay_out_side(Program program, side, strata_side *out) except -1:
    cdef uint32_t i
    cdef strata_float_term *terms
    if not side.floats:
        out.count = <uint32_t>len(side.exact)
        out.wide = (
            needs_wide(side.constant, side.exact) or side.denominator >= NARROW_DENOMINATOR_LIMIT
        )
        out.terms = lay_out_terms(program, side.exact, out.wide)
        if out.wide:
            set_wide(&out.wide_constant, side.constant)
            set_wide(&out.wide_denominator, side.denominator)
        else:
            out.constant = strata_int128_of(side.constant >> 64, side.constant & MASK64)
            out.denominator = side.denominator
        return 0
    memory = np.zeros(len(side.floats) * sizeof(strata_float_term), dtype=np.uint8)
    terms = <strata_float_term *>program.keep(memory)
    out.float_terms = terms
    out.float_count = <uint32_t>len(side.floats)
    for i in range(out.float_count):
        summand = side.floats[i]
        terms[i].sign = summand.sign
        terms[i].has_factor = summand.factor is not None
        terms[i].factor = summand.factor or 0.0
        terms[i].is_literal = isinstance(summand.number, float)
        if terms[i].is_literal:
            terms[i].literal = summand.number
        else:
            lay_out_source(program, summand.number, &terms[i].source)
    return 0
