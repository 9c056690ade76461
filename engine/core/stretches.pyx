# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Stretch: the truth of nodes for at most 4,096 rows, whatever blocks they lie in.

Truth is one bit for each row of the stretch, as the block evaluator has one for each of a block,
so what several roots share is found once.
1. A node is asked of the rows that still matter, and remembers for which rows it knows.
2. Children read from columns alone come first: they are run over the whole stretch, each column
   gathered once.
3. What is dear (sets, texts, sums, lists) is asked of the rows that are left, row by row; what is
   folded from events, block by block.
4. A score is a sum for each row, known for some as the truth of nodes is: its conditions are asked
   as nodes are, its events folded block by block.
"""

from libc.stdint cimport INT64_MAX, INT64_MIN, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from engine.core.aggregates cimport fill_columns, given_to, open_columns, put_scores, score_of
from engine.core.control cimport NO_MEMORY
from engine.core.nodes cimport context, trailing_zeros
from engine.core.program cimport (
    NODE_AND,
    NODE_LEAF,
    NODE_NOT,
    NODE_TRUE,
    Program,
    program_node,
)
from engine.core.score_layout cimport strata_score
from engine.core.structures cimport (
    STRATA_BLOCK_WORDS,
    strata_field,
    strata_leaf,
    strata_leaf_test,
    strata_mask_set_rows,
    strata_reader,
)

__all__ = ["Stretch"]


cdef extern from "engine/core/leaf_rows.h" nogil:
    void strata_pack_hits(
        const uint8_t *hits, const uint64_t *mask, uint32_t words, uint64_t *bits) noexcept
    void strata_code_hits(
        const strata_field *field, const uint32_t *codes, uint32_t code_count,
        const strata_selection *some, uint32_t words, uint8_t *hits) noexcept
    void strata_gather(
        const strata_field *field, const strata_selection *all, uint32_t words, uint8_t *hits,
        strata_gathered *out) noexcept
    int strata_flat_columns(const strata_leaf *leaf) noexcept
    void strata_flat_leaf(
        const strata_leaf *leaf, const strata_gathered *column, const strata_gathered *other,
        const uint64_t *needed, uint32_t words, uint64_t *bits) noexcept
    void strata_picked_leaf(
        strata_reader *reader, const strata_leaf *leaf, const strata_selection *some,
        uint32_t words, uint8_t *hits) noexcept


cdef uint32_t[1] MEMBERS     # code 0, of a membership and of the live rows


cdef class Stretch:
    """The memory in which one thread asks the nodes of a program about rows."""

    def __cinit__(self):
        memset(&self.s, 0, sizeof(stretch))

    def __init__(self, Program program):
        cdef size_t nodes = max(1, program.node_count)
        cdef size_t fields = max(1, len(program._fields))
        cdef size_t words = STRATA_STRETCH_WORDS
        cdef size_t slots
        self.s.block_count = program.block_count
        self.s.there = <uint64_t *>calloc(2 * words, 8)
        self.s.known = <uint64_t *>calloc(nodes * words, 8)
        self.s.truth = <uint64_t *>calloc(nodes * words, 8)
        self.s.levels = <uint64_t *>calloc(<size_t>(program.depth + 1) * 2 * words, 8)
        self.s.dear = <uint8_t *>calloc(nodes, 1)
        self.s.slots = <int32_t *>calloc(fields, 4)
        self.s.all = <strata_selection *>calloc(2, sizeof(strata_selection))
        self.s.hits = <uint8_t *>calloc(STRATA_STRETCH_ROWS, 1)
        if (self.s.there == NULL or self.s.known == NULL or self.s.truth == NULL
                or self.s.levels == NULL or self.s.dear == NULL or self.s.slots == NULL
                or self.s.all == NULL or self.s.hits == NULL):
            raise MemoryError
        self.s.live, self.s.few = self.s.there + words, self.s.all + 1
        sort_nodes(program, &self.s)
        self.s.score_slots = <int32_t *>calloc(program.aggregates.count + 1, 4)
        if self.s.score_slots == NULL:
            raise MemoryError
        place_scores(program, &self.s)
        slots = max(1, self.s.score_count)
        self.s.summed = <uint64_t *>calloc(slots * words, 8)
        self.s.sums = <int64_t *>calloc(slots * STRATA_STRETCH_ROWS, 8)
        if self.s.summed == NULL or self.s.sums == NULL:
            raise MemoryError
        slots = max(1, self.s.slot_count)
        self.s.is_gathered = <uint8_t *>calloc(slots, 1)
        self.s.gathered = <strata_gathered *>calloc(slots, sizeof(strata_gathered))
        if self.s.is_gathered == NULL or self.s.gathered == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.s.there)
        free(self.s.known)
        free(self.s.truth)
        free(self.s.levels)
        free(self.s.dear)
        free(self.s.slots)
        free(self.s.is_gathered)
        free(self.s.gathered)
        free(self.s.all)
        free(self.s.hits)
        free(self.s.score_slots)
        free(self.s.summed)
        free(self.s.sums)


cdef int sort_nodes(Program program, stretch *s) except -1:
    """Which nodes are dear, and where each column that a leaf is read from is gathered."""
    cdef const strata_leaf *leaf
    cdef const program_node *node
    cdef int32_t n, i, columns
    for n in range(<int32_t>len(program._fields)):
        s.slots[n] = -1
    for n in range(program.node_count):
        node = &program.nodes[n]
        if node.kind == NODE_LEAF:
            leaf = &program.leaves[node.leaf]
            columns = strata_flat_columns(leaf)
            columns = 0 if leaf.column_count else columns
            s.dear[n] = columns == 0
            for field in (leaf.field, leaf.field2)[:columns]:
                if s.slots[<int32_t>field] < 0:
                    s.slots[<int32_t>field] = s.slot_count
                    s.slot_count += 1
        for i in range(node.first_child, node.first_child + node.child_count):
            s.dear[n] |= s.dear[program.children[i]]
    return 0


cdef int place_scores(Program program, stretch *s) except -1:
    """Which columns are scores, and where their sums stand."""
    cdef int32_t i
    for i in range(program.aggregates.count):
        s.score_slots[i] = -1
        if program.aggregates.is_score(i):
            s.score_slots[i] = s.score_count
            s.score_count += 1
    return 0


cdef void open_stretch(
        context *c, stretch *s, const uint32_t *rows, uint32_t count) noexcept nogil:
    """Takes up `count` rows from `rows` on."""
    cdef int32_t n
    cdef uint32_t r
    s.rows = rows
    s.count, s.words = count, (count + 63) // 64
    memset(s.is_gathered, 0, s.slot_count)
    for n in range(c.node_count):
        memset(known_of(s, n), 0, 8 * s.words)
    for n in range(s.score_count):
        memset(summed_of(s, n), 0, 8 * s.words)
    memset(s.there, 0, 8 * s.words)
    for r in range(count):
        s.there[r >> 6] |= <uint64_t>(rows[r] >> 16 < s.block_count) << (r & 63)
    strata_select(rows, s.there, s.words, s.all)
    held_rows(c, s, c.live_field, s.all, s.there, s.live)


cdef void held_rows(
        context *c, stretch *s, int32_t field, const strata_selection *some, const uint64_t *mask,
        uint64_t *out) noexcept nogil:
    """The rows of a selection, which are those of a mask, that the rows of a field hold."""
    strata_code_hits(&c.reader.fields[field], MEMBERS, 1, some, s.words, s.hits)
    strata_pack_hits(s.hits, mask, s.words, out)


cdef const uint64_t *ask(
        context *c, stretch *s, int32_t node_id, const uint64_t *needed) noexcept nogil:
    """The bits of the rows in which a node holds, right for those that are set in `needed`."""
    learn(c, s, node_id, needed, 0)
    return truth_of(s, node_id)


cdef inline uint64_t *known_of(stretch *s, int32_t node_id) noexcept nogil:
    return s.known + <size_t>node_id * STRATA_STRETCH_WORDS


cdef inline uint64_t *truth_of(stretch *s, int32_t node_id) noexcept nogil:
    return s.truth + <size_t>node_id * STRATA_STRETCH_WORDS


cdef inline uint64_t *summed_of(stretch *s, int32_t slot) noexcept nogil:
    return s.summed + <size_t>slot * STRATA_STRETCH_WORDS


cdef void learn(
        context *c, stretch *s, int32_t node_id, const uint64_t *needed,
        int32_t level) noexcept nogil:
    """Has a node know its truth in the rows needed; levels from `level` on are free to use."""
    cdef const program_node *node = &c.nodes[node_id]
    cdef uint64_t *known = known_of(s, node_id)
    cdef uint64_t *lacking = s.levels + <size_t>level * 2 * STRATA_STRETCH_WORDS
    cdef uint64_t any_row = 0
    cdef uint32_t w
    for w in range(s.words):
        lacking[w] = needed[w] & ~known[w]
        any_row |= lacking[w]
    if any_row == 0:
        return
    if node.kind == NODE_LEAF:
        learn_leaf(c, s, node_id, lacking, level)
    else:
        learn_branch(c, s, node_id, lacking, level)
    for w in range(s.words):
        known[w] |= lacking[w]


cdef void learn_branch(
        context *c, stretch *s, int32_t node_id, const uint64_t *lacking,
        int32_t level) noexcept nogil:
    """The truth of a node that is no leaf in the rows lacking."""
    cdef const program_node *node = &c.nodes[node_id]
    cdef uint64_t *out = truth_of(s, node_id)
    cdef uint64_t *undecided = s.levels + (<size_t>level * 2 + 1) * STRATA_STRETCH_WORDS
    cdef const uint64_t *of_child
    cdef uint64_t any_row = 1, flip
    cdef int32_t i, child
    cdef uint32_t w
    cdef uint8_t dear
    for w in range(s.words):
        undecided[w] = lacking[w]
    # Whatever its children leave undecided is in an `and`, and is not in an `or`; a `not` asks as
    # an `or` of one does, and so does what has no children.
    flip = 0 if node.kind == NODE_AND else ~<uint64_t>0
    for dear in range(2):
        for i in range(node.first_child, node.first_child + node.child_count):
            child = c.children[i]
            if s.dear[child] != dear or any_row == 0:
                continue
            learn(c, s, child, undecided, level + 1)
            of_child = truth_of(s, child)
            any_row = 0
            for w in range(s.words):
                undecided[w] &= of_child[w] ^ flip
                any_row |= undecided[w]
    if node.kind == NODE_AND or node.kind == NODE_NOT or node.kind == NODE_TRUE:
        flip = 0
    for w in range(s.words):
        out[w] = (out[w] & ~lacking[w]) | ((undecided[w] ^ flip) & lacking[w])


cdef void learn_leaf(
        context *c, stretch *s, int32_t node_id, uint64_t *lacking, int32_t level) noexcept nogil:
    """The truth of a leaf in the rows lacking; adds the rows that are found on the way."""
    cdef const strata_leaf *leaf = &c.leaves[c.nodes[node_id].leaf]
    cdef const strata_gathered *column
    cdef const strata_gathered *other
    cdef uint64_t *out = truth_of(s, node_id)
    cdef uint32_t w
    if not s.dear[node_id]:
        column = column_of(c, s, leaf.field)
        other = column_of(c, s, leaf.field2) if strata_flat_columns(leaf) == 2 else NULL
        strata_flat_leaf(leaf, column, other, lacking, s.words, out)
        for w in range(s.words):
            if lacking[w]:
                lacking[w] = ~<uint64_t>0
        return
    if s.score_count:
        for w in range(leaf.column_count):
            learn_score(c, s, leaf.columns[w], lacking, level + 1)
    strata_select(s.rows, lacking, s.words, s.few)
    if leaf.column_count:
        learn_folded(c, s, leaf)
    else:
        strata_picked_leaf(&c.reader, leaf, s.few, s.words, s.hits)
    for w in range(s.words):
        if lacking[w]:
            out[w] = (out[w] & ~lacking[w]) | (strata_pack64(s.hits + 64 * w) & lacking[w])


cdef void learn_folded(context *c, stretch *s, const strata_leaf *leaf) noexcept nogil:
    """s.hits = whether a leaf over columns that are folded from events holds, for the few rows.
    Block by block: only the events of those rows are folded."""
    cdef const strata_run *run
    cdef uint32_t k, i
    for k in range(s.few.run_count):
        run = &s.few.runs[k]
        open_run(c, s, run)
        for i in range(leaf.column_count if s.score_count else 0):
            put_sums(c, s, leaf.columns[i], run)
        if not fill_columns(c.columns, leaf.columns, leaf.column_count):
            c.stopped = NO_MEMORY
            return
        for i in range(run.first, run.last):
            s.hits[s.few.at[i]] = strata_leaf_test(&c.reader, leaf, s.few.row[i]) != 0


cdef void open_run(context *c, stretch *s, const strata_run *run) noexcept nogil:
    """Opens the block of a run of the few rows, for these alone."""
    memset(c.reader.live, 0, 8 * STRATA_BLOCK_WORDS)
    strata_mask_set_rows(c.reader.live, s.few.row + run.first, run.last - run.first)
    c.reader.block = run.block
    c.reader.live_count = run.last - run.first
    open_columns(c.columns, run.block, c.reader.live, c.reader.live_count, 1)


cdef void put_sums(
        context *c, stretch *s, int32_t number, const strata_run *run) noexcept nogil:
    """Has the sums of a run in the column of a score, if it is one."""
    cdef int32_t slot = s.score_slots[number]
    if slot >= 0:
        put_scores(
            c.columns, number, s.few.row + run.first, s.few.at + run.first, run.last - run.first,
            s.sums + <size_t>slot * STRATA_STRETCH_ROWS)


cdef void learn_score(
        context *c, stretch *s, int32_t number, const uint64_t *needed,
        int32_t level) noexcept nogil:
    """Has the sums of a score for the rows needed, if a column is one; `level` as for `learn`."""
    cdef int32_t slot = s.score_slots[number]
    cdef uint64_t *lacking = s.levels + <size_t>level * 2 * STRATA_STRETCH_WORDS
    cdef uint64_t any_row = 0
    cdef uint64_t *summed
    cdef int64_t *sums
    cdef const strata_score *score
    cdef uint32_t w, i
    if slot < 0:
        return
    score = score_of(c.columns, number)
    summed, sums = summed_of(s, slot), s.sums + <size_t>slot * STRATA_STRETCH_ROWS
    for w in range(s.words):
        lacking[w] = needed[w] & ~summed[w]
        any_row |= lacking[w]
        summed[w] |= lacking[w]
    if any_row == 0:
        return
    add_to_sums(lacking, NULL, s.words, 0, sums)
    for i in range(score.rule_count):
        if score.rules[i].node >= 0:
            learn(c, s, score.rules[i].node, lacking, level + 1)
            add_to_sums(
                lacking, truth_of(s, score.rules[i].node), s.words, score.rules[i].points, sums)
    if score.counted_count:
        add_counted(c, s, score, lacking, sums)
    bound_sums(lacking, s.words, score.floor, score.ceiling, sums)


cdef void add_to_sums(
        const uint64_t *rows, const uint64_t *truth, uint32_t words, int64_t points,
        int64_t *sums) noexcept nogil:
    """Adds points to those rows that a node holds for; with NULL for the truth, begins at 0."""
    cdef uint64_t word
    cdef uint32_t w, r
    for w in range(words):
        word = rows[w] & truth[w] if truth != NULL else rows[w]
        while word:
            r = 64 * w + trailing_zeros(word)
            word &= word - 1
            sums[r] = sums[r] + points if truth != NULL else 0


cdef void add_counted(
        context *c, stretch *s, const strata_score *score, const uint64_t *lacking,
        int64_t *sums) noexcept nogil:
    """Adds what `each` rules give to the rows lacking, whose events are folded block by block."""
    cdef const strata_run *run
    cdef uint32_t k, i, r
    strata_select(s.rows, lacking, s.words, s.few)
    for k in range(s.few.run_count):
        run = &s.few.runs[k]
        open_run(c, s, run)
        if not fill_columns(c.columns, score.counted, score.counted_count):
            c.stopped = NO_MEMORY
            return
        for r in range(score.rule_count):
            if score.rules[r].node < 0:
                for i in range(run.first, run.last):
                    sums[s.few.at[i]] += given_to(c.columns, score.rules + r, s.few.row[i])


cdef void bound_sums(
        const uint64_t *rows, uint32_t words, int64_t floor, int64_t ceiling,
        int64_t *sums) noexcept nogil:
    cdef uint64_t word
    cdef uint32_t w, r
    if floor == INT64_MIN and ceiling == INT64_MAX:
        return
    for w in range(words):
        word = rows[w]
        while word:
            r = 64 * w + trailing_zeros(word)
            word &= word - 1
            sums[r] = min(max(sums[r], floor), ceiling)


cdef const strata_gathered *column_of(context *c, stretch *s, int32_t field) noexcept nogil:
    """A column, gathered when it is first asked for."""
    cdef int32_t slot = s.slots[field]
    if not s.is_gathered[slot]:
        s.is_gathered[slot] = 1
        strata_gather(&c.reader.fields[field], s.all, s.words, s.hits, &s.gathered[slot])
    return &s.gathered[slot]
