# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Aggregates, sequences and scores: laid out for a plan, and made into columns by each thread.

1. An AggregateLayout has the aggregates of a plan in C. What they take from a state of the store,
   the days of a window and the order of strings, is made anew for the next state.
2. AggregateColumns is the memory of one thread: a column for each aggregate and what they share
   while they are folded, and the table of fields in which leaves find them.
3. A column is filled when a leaf that reads it is first looked at in a block (aggregates.h); one
   of a score by engine.core.scores, since its rules are nodes.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy
from posix.mman cimport (
    MAP_ANONYMOUS,
    MAP_FAILED,
    MAP_PRIVATE,
    PROT_READ,
    PROT_WRITE,
    mmap,
    munmap,
)

import numpy as np

from engine.core import operations
from engine.core.event_tables import days_of, ranks

from engine.core.score_layout cimport lay_out_score, strata_score, strata_score_rule
from engine.core.structures cimport strata_field, strata_kernels
from engine.core.where_nodes cimport WhereNodes
from engine.events.chunks cimport (
    STRATA_EVENT_CODES,
    STRATA_EVENT_FLOATS,
    STRATA_EVENT_INTS,
    STRATA_EVENT_TEXTS,
)
from engine.events.where cimport strata_where, strata_where_scratch

__all__ = ["AggregateColumns", "AggregateLayout"]


cdef extern from "engine/core/aggregates.h" nogil:
    enum:
        STRATA_BLOCK_ROWS
        STRATA_BITSET_BYTES
        STRATA_AGGREGATE_MARK
        STRATA_AGGREGATE_FEW
        STRATA_AGGREGATE_COUNT
        STRATA_AGGREGATE_DAYS
        STRATA_AGGREGATE_DISTINCT
        STRATA_AGGREGATE_WORTH
        STRATA_AGGREGATE_SCORE
        STRATA_AGGREGATE_SUM
        STRATA_AGGREGATE_LEAST
        STRATA_AGGREGATE_GREATEST
        STRATA_AGGREGATE_FIRST
        STRATA_AGGREGATE_LAST
        STRATA_AGGREGATE_LATEST
        STRATA_AGGREGATE_PAIR
        STRATA_AGGREGATE_VALUES
        STRATA_AGGREGATE_SUMS
        STRATA_AGGREGATE_TEXTS

    const uint32_t STRATA_NO_EVENT
    const int64_t STRATA_NO_LEAST
    const int64_t STRATA_NO_GREATEST

    ctypedef struct strata_valued_part:
        pass

    ctypedef struct strata_step:
        uint32_t set
        int absent
        int64_t within_us

    ctypedef struct strata_event_set:
        pass

    ctypedef struct strata_typed_events:
        pass

    ctypedef struct strata_sequence_scratch:
        pass

    void strata_free_sequence_scratch(strata_sequence_scratch *scratch) noexcept

    ctypedef struct strata_followed:
        const strata_step *steps
        uint32_t step_count
        uint32_t set_count
        const uint32_t *set_sources
        int64_t first_to
        int64_t now

    ctypedef struct strata_event_source:
        int32_t field
        uint32_t property
        const strata_where *nodes
        uint32_t node_count
        int64_t kept_from
        int64_t factor

    ctypedef struct strata_asked_pair:
        uint32_t least
        int64_t low
        int64_t high

    ctypedef struct strata_aggregate:
        uint32_t function
        uint32_t kind
        int is_bool
        int is_scaled
        int32_t field
        int64_t start "from"
        int64_t end "to"
        const strata_event_source *sources
        uint32_t source_count
        uint32_t day_count
        const int64_t *starts
        const uint8_t *repeated
        const uint32_t *ranks
        const int64_t *worth
        uint32_t worth_count
        int64_t now
        const strata_score *score
        const strata_followed *followed
        strata_asked_pair asked

    ctypedef struct strata_aggregate_column:
        uint8_t *memory
        uint8_t *raw
        size_t size
        int is_filled
        uint64_t *marks

    ctypedef struct strata_scoring:
        uint32_t width

    ctypedef struct strata_aggregates:
        const strata_kernels *kernels
        const strata_field *fields
        const strata_aggregate *aggregates
        strata_aggregate_column *columns
        uint64_t **address
        uint32_t count
        strata_where_scratch *where_scratch
        strata_where *nodes
        int64_t *least
        int64_t *greatest
        uint32_t *events
        uint64_t *bits
        uint8_t *slots
        strata_valued_part *parts
        uint8_t *halves
        strata_sequence_scratch *sequence_scratch
        strata_event_set *sets
        strata_typed_events *typed
        strata_scoring scoring

    void strata_open_aggregates(
        strata_aggregates *all, uint32_t block, const uint64_t *live, uint32_t live_count,
        int is_restricted) noexcept
    int strata_fill_aggregate(strata_aggregates *all, uint32_t number) noexcept
    uint64_t strata_aggregate_outlook(
        const strata_aggregates *all, const strata_aggregate *what) noexcept
    void strata_begin_score(strata_aggregates *all, uint32_t number) noexcept
    void strata_score_when(
        strata_aggregates *all, uint32_t number, int64_t points, const uint64_t *mask) noexcept
    void *strata_score_lanes(strata_aggregates *all, uint32_t number) noexcept
    void strata_score_each(
        strata_aggregates *all, uint32_t number, const strata_score_rule *rule) noexcept
    void strata_end_score(strata_aggregates *all, uint32_t number) noexcept
    int64_t strata_score_row_each(
        const strata_aggregates *all, const strata_score_rule *rule, uint32_t row) noexcept
    void strata_put_scores(
        strata_aggregates *all, uint32_t number, const uint16_t *rows, const uint16_t *at,
        uint32_t count, const int64_t *sums) noexcept


# Memory of a column from which on it is not taken from the heap.
cdef size_t MAPPED_BYTES = 1 << 17
# To evaluate a condition of a score is taken to cost as much as folding so many events.
cdef uint64_t RULE_EVENTS = 4096  # cost

cdef dict FUNCTIONS = {
    "mark": STRATA_AGGREGATE_MARK,
    "few": STRATA_AGGREGATE_FEW,
    "count": STRATA_AGGREGATE_COUNT,
    "days": STRATA_AGGREGATE_DAYS,
    "distinct": STRATA_AGGREGATE_DISTINCT,
    "worth": STRATA_AGGREGATE_WORTH,
    "sum": STRATA_AGGREGATE_SUM,
    "first": STRATA_AGGREGATE_LEAST,
    "min": STRATA_AGGREGATE_LEAST,
    "last": STRATA_AGGREGATE_GREATEST,
    "max": STRATA_AGGREGATE_GREATEST,
    "first_value": STRATA_AGGREGATE_FIRST,
    "last_value": STRATA_AGGREGATE_LAST,
    "latest": STRATA_AGGREGATE_LATEST,
}
cdef dict KINDS = {
    "int": STRATA_EVENT_INTS,
    "float": STRATA_EVENT_FLOATS,
    "category": STRATA_EVENT_CODES,
    "bool": STRATA_EVENT_CODES,
    "text": STRATA_EVENT_TEXTS,
}


cdef const uint8_t *pin(list kept, array) except? NULL:
    """Address of an array or of bytes, which live as long as `kept` has them."""
    cdef const uint8_t[::1] view
    as_bytes = np.frombuffer(array, np.uint8) if len(array) else np.zeros(1, np.uint8)
    kept.append((array, as_bytes))
    view = as_bytes
    return &view[0]


cdef uint8_t *room_for(list kept, size_t size) except? NULL:
    """Zeros at a multiple of 64, which live as long as `kept` has them."""
    memory = np.zeros(size + 64, np.uint8)
    cdef uint8_t[::1] view = memory
    kept.append(memory)
    return <uint8_t *>((<size_t>&view[0] + 63) & ~<size_t>63)


cdef class AggregateLayout:
    """The columns of a plan (`Column`) as aggregates in C.

    `position` gives the place of a field among those of the program; column i is field -1 - i.
    `before` has, by column of a score, those of the scores that it needs.
    """

    def __cinit__(self, columns, position, before):
        self._columns = list(columns)
        self._kept, self._tables = [], []
        self.count = <int32_t>len(self._columns)
        self.aggregates = calloc(max(1, self.count), sizeof(strata_aggregate))
        if self.aggregates == NULL:
            raise MemoryError
        self.node_room = 2
        for number, column in enumerate(self._columns):
            if type(column) is operations.SequenceColumn:
                lay_out_sequence(self, number, column, position)
            elif type(column) is operations.PairColumn:
                lay_out_pair(self, number, column, position)
            elif type(column) is operations.ScoreColumn:
                place_score(self, number, column, position, before.get(number, ()))
            else:
                lay_out(self, number, column, position)

    def __dealloc__(self):
        free(self.aggregates)

    cdef bint is_score(self, int32_t number):
        return (<strata_aggregate *>self.aggregates)[number].function == STRATA_AGGREGATE_SCORE

    def bind(self, snapshot):
        """Takes from a state of the store the days of windows and the order of strings."""
        cdef strata_aggregate *out
        cdef Py_ssize_t number
        tables = []
        for number, column in enumerate(self._columns):
            out = <strata_aggregate *>self.aggregates + number
            if type(column) is not operations.EventColumn:
                continue
            if column.function == "days":
                starts, repeated = days_of(column, snapshot)
                out.day_count = <uint32_t>len(repeated)
                out.starts = <const int64_t *>pin(tables, starts)
                out.repeated = <const uint8_t *>pin(tables, repeated)
            if column.dictionary:
                order = ranks(snapshot, column.dictionary)
                out.ranks = <const uint32_t *>pin(tables, order)
        # The old tables are let go last: nothing points into them any more.
        self._tables = tables


cdef int lay_out(AggregateLayout self, int32_t number, column, position) except -1:
    cdef strata_aggregate *out = <strata_aggregate *>self.aggregates + number
    out.function = FUNCTIONS[column.function]
    out.kind = KINDS[column.kind]
    out.is_bool = column.kind == "bool" and out.function >= STRATA_AGGREGATE_FIRST
    out.field = position(-1 - number)
    out.start, out.end = column.from_us, column.to_us
    if column.function == "worth":
        out.worth = <const int64_t *>pin(self._kept, column.worth)
        out.worth_count = <uint32_t>(len(column.worth) // 8)
        out.now = column.now_us
    return lay_out_sources(self, out, column.sources, position)


cdef int place_score(
        AggregateLayout self, int32_t number, column, position, before) except -1:
    cdef strata_aggregate *out = <strata_aggregate *>self.aggregates + number
    out.function, out.kind = STRATA_AGGREGATE_SCORE, STRATA_EVENT_INTS
    out.field = position(-1 - number)
    out.score = lay_out_score(self._kept, column, before)
    return 0


cdef int lay_out_pair(AggregateLayout self, int32_t number, column, position) except -1:
    cdef strata_aggregate *out = <strata_aggregate *>self.aggregates + number
    out.function, out.kind = STRATA_AGGREGATE_PAIR, STRATA_EVENT_INTS
    out.field = position(-1 - number)
    out.start, out.end = column.from_us, column.to_us
    out.asked.least, out.asked.low, out.asked.high = column.least, column.low, column.high
    return lay_out_sources(self, out, column.sources, position)


cdef int lay_out_sequence(AggregateLayout self, int32_t number, column, position) except -1:
    """A mark, whose sources are those of all sets."""
    cdef strata_aggregate *out = <strata_aggregate *>self.aggregates + number
    cdef strata_followed *followed = <strata_followed *>room_for(
        self._kept, sizeof(strata_followed))
    cdef strata_step *steps = <strata_step *>room_for(
        self._kept, len(column.steps) * sizeof(strata_step))
    cdef Py_ssize_t i
    for i, step in enumerate(column.steps):
        steps[i].set, steps[i].within_us, steps[i].absent = (
            step.events, step.within_us, step.absent)
    ends = np.cumsum([0, *map(len, column.sets)], dtype=np.uint32)
    followed.steps, followed.step_count = steps, <uint32_t>len(column.steps)
    followed.set_sources = <const uint32_t *>pin(self._kept, ends)
    followed.set_count = <uint32_t>len(column.sets)
    followed.first_to, followed.now = column.to_us, column.now_us
    out.function, out.kind, out.followed = STRATA_AGGREGATE_MARK, STRATA_EVENT_INTS, followed
    out.field = position(-1 - number)
    # About as many events are read as there are from the first step on.
    out.start, out.end = column.from_us, column.now_us
    self.set_room = max(self.set_room, followed.set_count)
    self.source_room = max(self.source_room, <uint32_t>sum(map(len, column.sets)))
    return lay_out_sources(self, out, [one for some in column.sets for one in some], position)


cdef int lay_out_sources(
    AggregateLayout self, strata_aggregate *out, found, position
) except -1:
    cdef strata_event_source *sources
    cdef WhereNodes nodes
    cdef Py_ssize_t i
    sources = <strata_event_source *>room_for(
        self._kept, max(1, len(found)) * sizeof(strata_event_source))
    out.sources, out.source_count = sources, <uint32_t>len(found)
    for i, source in enumerate(found):
        sources[i].field = position(source.field)
        sources[i].property = source.property
        sources[i].kept_from = source.kept_from_us
        sources[i].factor = source.factor
        out.is_scaled |= source.factor != 1
        nodes = WhereNodes(source.where)
        self._kept.append(nodes)
        sources[i].nodes, sources[i].node_count = nodes.nodes, nodes.node_count
        self.node_room = max(self.node_room, sources[i].node_count + 2)
    return 0


cdef size_t memory_for(const strata_aggregate *what) noexcept:
    """Bytes of a column."""
    if what.function <= STRATA_AGGREGATE_FEW:
        return STRATA_AGGREGATE_VALUES + STRATA_BLOCK_ROWS
    if what.is_bool:
        return STRATA_AGGREGATE_VALUES + 2 * STRATA_BITSET_BYTES
    if what.kind == STRATA_EVENT_TEXTS and what.function >= STRATA_AGGREGATE_FIRST:
        return STRATA_AGGREGATE_TEXTS
    if what.function == STRATA_AGGREGATE_PAIR:
        return STRATA_AGGREGATE_VALUES + 4 * STRATA_BLOCK_ROWS
    if what.function == STRATA_AGGREGATE_SUM or what.is_scaled:
        return STRATA_AGGREGATE_SUMS + 16 * STRATA_BLOCK_ROWS
    return STRATA_AGGREGATE_VALUES + 8 * STRATA_BLOCK_ROWS


cdef int is_mapped(const strata_aggregate *what) noexcept:
    """Whether a column is asked of the system: it comes as zeros, and what no width needs is never
    touched, where the heap would have to clear what it had before. Texts grow on the heap."""
    return what.kind != STRATA_EVENT_TEXTS and memory_for(what) > MAPPED_BYTES


cdef class AggregateColumns:
    """The columns of one thread, in blocks 0 to `block_count` - 1 of a program.

    `fields` (address of strata_field), `field_count` of them, are those of the program: the
    columns get their places in a copy, which leaves are to read from.
    """

    def __cinit__(self):
        self.all = NULL
        self.fields = NULL

    def __init__(self, AggregateLayout layout, size_t kernels, size_t fields,
                 size_t field_count, uint32_t block_count):
        cdef strata_aggregates *all
        cdef strata_field *copied
        cdef const uint32_t *first_part
        cdef size_t i
        self._layout, self._kept = layout, []
        self.all = calloc(1, sizeof(strata_aggregates))
        self.fields = malloc((field_count + 1) * sizeof(strata_field))
        if self.all == NULL or self.fields == NULL:
            raise MemoryError
        all, copied = <strata_aggregates *>self.all, <strata_field *>self.fields
        memcpy(copied, <void *>fields, field_count * sizeof(strata_field))
        all.kernels = <const strata_kernels *>kernels
        all.fields = copied
        all.aggregates = <const strata_aggregate *>layout.aggregates
        all.where_scratch = <strata_where_scratch *>malloc(sizeof(strata_where_scratch))
        all.nodes = <strata_where *>room_for(self._kept, layout.node_room * sizeof(strata_where))
        all.columns = <strata_aggregate_column *>calloc(
            layout.count + 1, sizeof(strata_aggregate_column))
        all.address = <uint64_t **>calloc(layout.count + 1, sizeof(uint64_t *))
        if all.where_scratch == NULL or all.columns == NULL or all.address == NULL:
            raise MemoryError
        if layout.set_room:
            all.sequence_scratch = <strata_sequence_scratch *>calloc(
                1, sizeof(strata_sequence_scratch))
            all.sets = <strata_event_set *>room_for(
                self._kept, layout.set_room * sizeof(strata_event_set))
            all.typed = <strata_typed_events *>room_for(
                self._kept, max(1, layout.source_room) * sizeof(strata_typed_events))
            if all.sequence_scratch == NULL:
                raise MemoryError
        all.count = <uint32_t>layout.count
        first_part = <const uint32_t *>pin(self._kept, np.arange(block_count + 1, dtype=np.uint32))
        for i in range(all.count):
            place(self, &all.aggregates[i], &all.columns[i])
            table = np.full(max(1, block_count), <size_t>all.columns[i].memory, np.uint64)
            all.address[i] = <uint64_t *>pin(self._kept, table)
            copied[all.aggregates[i].field].first_part = first_part
            copied[all.aggregates[i].field].address = all.address[i]

    def __dealloc__(self):
        cdef strata_aggregates *all = <strata_aggregates *>self.all
        cdef uint32_t i
        if all != NULL:
            for i in range(all.count):
                if all.columns[i].raw != NULL and is_mapped(&all.aggregates[i]):
                    munmap(all.columns[i].raw, all.columns[i].size + 64)
                else:
                    free(all.columns[i].raw)
            free(all.where_scratch)
            free(all.columns)
            free(all.address)
            free(all.slots)
            free(all.parts)
            free(all.halves)
            if all.sequence_scratch != NULL:
                strata_free_sequence_scratch(all.sequence_scratch)
            free(all.sequence_scratch)
        free(self.all)
        free(self.fields)


cdef const uint8_t *start_values(list kept, dtype, value) except? NULL:
    return pin(kept, np.full(STRATA_BLOCK_ROWS, value, dtype))


cdef int place(
        AggregateColumns self, const strata_aggregate *what,
        strata_aggregate_column *column) except -1:
    cdef strata_aggregates *all = <strata_aggregates *>self.all
    column.size = memory_for(what)
    if is_mapped(what):
        column.raw = <uint8_t *>mmap(
            NULL, column.size + 64, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        if <void *>column.raw == MAP_FAILED:
            column.raw = NULL
    else:
        column.raw = <uint8_t *>calloc(1, column.size + 64)
    if column.raw == NULL:
        raise MemoryError
    column.memory = column.raw
    if what.kind != STRATA_EVENT_TEXTS or what.function < STRATA_AGGREGATE_FIRST:
        column.memory = <uint8_t *>((<size_t>column.raw + 63) & ~<size_t>63)
    column.marks = <uint64_t *>room_for(self._kept, STRATA_BITSET_BYTES)
    if what.function == STRATA_AGGREGATE_DAYS and all.bits == NULL:
        all.bits = <uint64_t *>room_for(self._kept, 8 * STRATA_BLOCK_ROWS)
    if what.function in (STRATA_AGGREGATE_LEAST, STRATA_AGGREGATE_FIRST):
        if all.least == NULL:
            all.least = <int64_t *>start_values(self._kept, np.int64, STRATA_NO_LEAST)
    if what.function in (
            STRATA_AGGREGATE_GREATEST, STRATA_AGGREGATE_LAST, STRATA_AGGREGATE_LATEST):
        if all.greatest == NULL:
            all.greatest = <int64_t *>start_values(self._kept, np.int64, STRATA_NO_GREATEST)
    if (what.function >= STRATA_AGGREGATE_FIRST and what.function != STRATA_AGGREGATE_PAIR
            and all.events == NULL):
        all.events = <uint32_t *>start_values(self._kept, np.uint32, STRATA_NO_EVENT)
    return 0


cdef void open_columns(
        void *columns, uint32_t block, const uint64_t *live, uint32_t live_count,
        int is_restricted) noexcept nogil:
    strata_open_aggregates(
        <strata_aggregates *>columns, block, live, live_count, is_restricted)


cdef int are_filled(void *columns, const int32_t *numbers, uint32_t count) noexcept nogil:
    cdef uint32_t i
    for i in range(count):
        if not (<strata_aggregates *>columns).columns[numbers[i]].is_filled:
            return 0
    return 1


cdef int fill_columns(void *columns, const int32_t *numbers, uint32_t count) noexcept nogil:
    cdef uint32_t i
    for i in range(count):
        if not strata_fill_aggregate(<strata_aggregates *>columns, numbers[i]):
            return 0
    return 1


cdef uint64_t events_ahead(void *columns, const int32_t *numbers, uint32_t count) noexcept nogil:
    cdef strata_aggregates *all = <strata_aggregates *>columns
    cdef const strata_score *score
    cdef uint64_t events = 0
    cdef uint32_t i
    for i in range(count):
        if all.columns[numbers[i]].is_filled:
            continue
        events += strata_aggregate_outlook(all, &all.aggregates[numbers[i]])
        score = all.aggregates[numbers[i]].score
        if score != NULL:
            events += RULE_EVENTS * score.rule_count
            events += events_ahead(columns, score.counted, score.counted_count)
    return events


cdef const strata_score *score_of(void *columns, int32_t number) noexcept nogil:
    return (<strata_aggregates *>columns).aggregates[number].score


cdef void begin_score(void *columns, int32_t number) noexcept nogil:
    strata_begin_score(<strata_aggregates *>columns, number)


cdef void add_when(
        void *columns, int32_t number, int64_t points, const uint64_t *mask) noexcept nogil:
    strata_score_when(<strata_aggregates *>columns, number, points, mask)


cdef int has_byte_lanes(void *columns) noexcept nogil:
    return (<strata_aggregates *>columns).scoring.width == 1


cdef void *lanes_of(void *columns, int32_t number) noexcept nogil:
    return strata_score_lanes(<strata_aggregates *>columns, number)


cdef void add_each(void *columns, int32_t number, const strata_score_rule *rule) noexcept nogil:
    strata_score_each(<strata_aggregates *>columns, number, rule)


cdef void end_score(void *columns, int32_t number) noexcept nogil:
    strata_end_score(<strata_aggregates *>columns, number)


cdef int64_t given_to(
        void *columns, const strata_score_rule *rule, uint32_t row) noexcept nogil:
    return strata_score_row_each(<const strata_aggregates *>columns, rule, row)


cdef void put_scores(
        void *columns, int32_t number, const uint16_t *rows, const uint16_t *at, uint32_t count,
        const int64_t *sums) noexcept nogil:
    strata_put_scores(<strata_aggregates *>columns, number, rows, at, count, sums)
