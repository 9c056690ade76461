# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Aggregates over the chunks of one type of one block; fold_block.h has the loops.

This door makes its arrays anew at each call: it is for tests, benchmarks and few questions. Who
asks for every block keeps the arrays and clears what was touched (folds.h).
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc

import numpy as np

from engine.events.asking import Aggregate, Answer, Fold

from engine.events.chunks cimport (
    STRATA_EVENT_FLOATS,
    STRATA_EVENT_PROPERTY,
    STRATA_EVENT_TEXTS,
    STRATA_EVENT_TIME,
    Chunks,
    strata_chunk,
    strata_event_column,
    strata_find_event_column,
)
from engine.events.where cimport (
    STRATA_WHERE_AND,
    STRATA_WHERE_DEPTH,
    STRATA_WHERE_NOT,
    strata_first_stretch,
    strata_kernels,
    strata_next_stretch,
    strata_pick_count,
    strata_pick_events,
    strata_pick_kernels,
    strata_picks,
    strata_stretch,
    strata_where,
    strata_where_scratch,
)

cdef extern from "engine/events/fold_block.h" nogil:
    ctypedef struct strata_valued_part:
        const strata_chunk *chunk
        const strata_event_column *column
        const uint32_t *ranks

    ctypedef struct strata_fold:
        uint32_t kind
        uint32_t role
        uint32_t property
        uint32_t day_count
        uint64_t *marks
        void *values
        uint32_t *carry
        const int64_t *starts
        void *slots
        uint32_t slot_count
        uint32_t *events
        const strata_valued_part *parts

    ctypedef struct strata_event_scan:
        const strata_kernels *kernels
        const strata_chunk **chunks
        uint32_t chunk_count
        uint32_t first_part
        int64_t start "from"
        int64_t end "to"
        const strata_where *nodes
        uint32_t node_count
        strata_where_scratch *scratch

    const uint32_t STRATA_NO_EVENT
    uint32_t strata_slots_for(uint64_t event_count) noexcept
    size_t strata_slot_bytes(uint32_t kind) noexcept
    uint64_t strata_events_within(const strata_event_scan *scan) noexcept
    void strata_fold_block(
        const strata_event_scan *scan, const strata_fold *folds, uint32_t fold_count
    ) noexcept
    void strata_read_ends(
        const strata_valued_part *parts, const uint64_t *mask, const uint32_t *events,
        int64_t *values
    ) noexcept
    int64_t strata_ordered_double(int64_t bits) noexcept

    ctypedef int strata_event_sum

    int strata_sums_fit(
        const strata_event_column *column, uint64_t event_count, strata_event_sum *reach
    ) noexcept
    void strata_count_bits(const uint64_t *mask, uint64_t *bits, uint32_t *counts) noexcept
    void strata_clear_u8(const uint64_t *mask, uint8_t *values) noexcept
    void strata_clear_u16(const uint64_t *mask, uint16_t *values) noexcept
    void strata_clear_u32(const uint64_t *mask, uint32_t *values) noexcept
    void strata_clear_i64(const uint64_t *mask, int64_t *values) noexcept
    void strata_clear_i128(const uint64_t *mask, strata_event_sum *values) noexcept
    void strata_clear_least(const uint64_t *mask, int64_t *values) noexcept
    void strata_clear_greatest(const uint64_t *mask, int64_t *values) noexcept
    void strata_clear_events(const uint64_t *mask, uint32_t *values) noexcept

__all__ = ["aggregate", "clear", "days", "pick", "sums_fit", "window_size"]

# Days are bits of a row.
cdef enum:
    DAYS_AT_ONCE = 64

cdef dict START = {
    Fold.COUNT_U8: (np.uint8, 0),
    Fold.COUNT_U16: (np.uint16, 0),
    Fold.COUNT_U32: (np.uint32, 0),
    Fold.SUM_U32: (np.uint32, 0),
    Fold.SUM_I64: (np.int64, 0),
    Fold.SUM_I128: (np.int64, 0),
    Fold.LEAST: (np.int64, np.iinfo(np.int64).max),
    Fold.GREATEST: (np.int64, np.iinfo(np.int64).min),
    Fold.BITS: (np.uint64, 0),
    Fold.DAYS: (np.uint64, 0),
    Fold.DISTINCT: (np.uint32, 0),
    Fold.FIRST: (np.int64, np.iinfo(np.int64).max),
    Fold.LAST: (np.int64, np.iinfo(np.int64).min),
}


cdef class _Scan:
    """A window and a `where` over chunks, in C; keeps what it points to."""

    cdef strata_event_scan scan
    cdef strata_where *nodes
    cdef strata_where_scratch *scratch
    cdef object kept

    def __cinit__(self, Chunks chunks not None, int64_t start, int64_t end, where, str table):
        cdef uint32_t i
        cdef const uint64_t[::1] members
        cdef const uint8_t[::1] needle
        self.kept = (chunks, where)
        self.scan.kernels = strata_pick_kernels(table.encode())
        if self.scan.kernels == NULL:
            raise KeyError(table)
        self.scan.chunks, self.scan.chunk_count = chunks.chunks, chunks.chunk_count
        self.scan.start, self.scan.end = start, end
        self.scratch = <strata_where_scratch *>malloc(sizeof(strata_where_scratch))
        self.nodes = <strata_where *>calloc(len(where) + 1, sizeof(strata_where))
        if self.nodes == NULL or self.scratch == NULL:
            raise MemoryError
        self.scan.nodes, self.scan.node_count = self.nodes, <uint32_t>len(where)
        self.scan.scratch = self.scratch
        _assert_fits(where)
        for i, node in enumerate(where):
            self.nodes[i].kind, self.nodes[i].property = node.kind, node.property
            self.nodes[i].low, self.nodes[i].high = node.low, node.high
            self.nodes[i].low_float, self.nodes[i].high_float = node.low_float, node.high_float
            self.nodes[i].how, self.nodes[i].needle_length = node.how, <uint32_t>len(node.needle)
            if node.members is not None:
                members = node.members
                self.nodes[i].members = &members[0]
            if node.needle:
                needle = node.needle
                self.nodes[i].needle = &needle[0]

    def __dealloc__(self):
        free(self.nodes)
        free(self.scratch)


cdef int _assert_fits(where) except -1:
    """That nodes in postfix order leave one answer and never wait deeper than there is room."""
    cdef int depth = 0
    for node in where:
        if node.kind < STRATA_WHERE_AND:
            depth += 1
        elif node.kind < STRATA_WHERE_NOT:
            depth -= 1
        assert 1 <= depth <= STRATA_WHERE_DEPTH, "nodes that are not in postfix order"
    assert depth == 1 or not where, "nodes that are not in postfix order"
    return 0


def pick(Chunks chunks not None, int64_t start, int64_t end, where=(), *, str table=""):
    """The events of the window [start, end) that the nodes hold for: bool[n] for each chunk."""
    cdef _Scan scan = _Scan(chunks, start, end, where, table)
    cdef strata_picks picks
    cdef strata_stretch stretch
    cdef uint32_t i, j
    cdef uint8_t[::1] held
    cdef list found = []
    for i in range(chunks.chunk_count):
        bits = np.zeros(chunks.chunks[i].event_count, np.uint8)
        held = bits
        if strata_pick_events(
            scan.scan.kernels, chunks.chunks[i], start, end, scan.nodes, scan.scan.node_count,
            scan.scratch, &picks,
        ):
            strata_first_stretch(&picks, &stretch)
            while strata_next_stretch(chunks.chunks[i], &picks, &stretch):
                for j in range(stretch.count):
                    held[stretch.events[j] if stretch.events != NULL else stretch.first + j] += 1
            assert strata_pick_count(&picks) == bits.sum()
        assert bits.size == 0 or bits.max() <= 1, "each event once"
        found.append(bits.view(np.bool_))
    return found


def window_size(Chunks chunks not None, int64_t start, int64_t end):
    """How many events are within [start, end), at most; exactly where chunks are sorted."""
    cdef _Scan scan = _Scan(chunks, start, end, (), "")
    return strata_events_within(&scan.scan)


cdef class _Folded:
    """One aggregate in C, and its arrays."""

    cdef strata_fold fold
    cdef void *slots
    cdef strata_valued_part *parts
    cdef uint32_t kind  # of the column
    cdef uint32_t carry
    cdef object asked, marks, values, events, kept

    def __cinit__(self, asked, _Scan scan not None):
        cdef uint64_t[::1] marks
        cdef uint32_t[::1] events
        cdef const int64_t[::1] starts
        cdef uint8_t[::1] values
        self.asked = asked
        self.fold.kind = asked.fold
        self.fold.carry = &self.carry
        self.fold.property = asked.property or 0
        if asked.property is not None:
            self.fold.role = STRATA_EVENT_PROPERTY
        elif asked.fold > Fold.COUNT_U32:
            self.fold.role = STRATA_EVENT_TIME
        self.marks = np.zeros(1024, np.uint64)
        marks = self.marks
        self.fold.marks = &marks[0]
        if asked.fold in START:
            dtype, start = START[asked.fold]
            halves = 2 if asked.fold == Fold.SUM_I128 else 1
            self.values = np.full((65536, halves), start, dtype).squeeze()
            values = self.values.reshape(-1).view(np.uint8)
            self.fold.values = &values[0]
        if asked.starts is not None:
            starts = asked.starts
            assert starts[0] <= scan.scan.start and scan.scan.end <= starts[starts.shape[0] - 1]
            assert 2 <= starts.shape[0] <= 65
            self.fold.starts, self.fold.day_count = &starts[0], <uint32_t>starts.shape[0] - 1
        if asked.fold >= Fold.FIRST:
            self.events = np.full(65536, STRATA_NO_EVENT, np.uint32)
            events = self.events
            self.fold.events = &events[0]
        self._place_parts(scan)
        if asked.fold == Fold.DISTINCT:
            self.fold.slot_count = strata_slots_for(strata_events_within(&scan.scan))
            self.slots = calloc(self.fold.slot_count, strata_slot_bytes(self.kind))
            if self.slots == NULL:
                raise MemoryError
            self.fold.slots = self.slots

    def __dealloc__(self):
        free(self.parts)
        free(self.slots)

    cdef int _place_parts(self, _Scan scan) except -1:
        cdef uint32_t i
        cdef const uint32_t[::1] ranks
        self.parts = <strata_valued_part *>calloc(
            scan.scan.chunk_count + 1, sizeof(strata_valued_part)
        )
        if self.parts == NULL:
            raise MemoryError
        for i in range(scan.scan.chunk_count):
            self.parts[i].chunk = scan.scan.chunks[i]
            if self.fold.role:
                self.parts[i].column = strata_find_event_column(
                    scan.scan.chunks[i], self.fold.role, self.fold.property
                )
            if self.asked.ranks is not None:
                ranks = self.asked.ranks
                self.parts[i].ranks = &ranks[0]
            if self.parts[i].column != NULL:
                self.kind = self.parts[i].column.kind
        self.fold.parts = self.parts
        return 0

    cdef object answer(self):
        cdef const uint64_t[::1] marks = self.marks
        cdef const uint32_t[::1] events
        cdef int64_t[::1] values
        cdef int i
        if self.asked.fold >= Fold.FIRST:
            if self.kind == STRATA_EVENT_TEXTS:
                return Answer(self.marks, None, self.events)
            events, values = self.events, self.values
            strata_read_ends(self.parts, &marks[0], &events[0], &values[0])
            if self.kind == STRATA_EVENT_FLOATS:
                return Answer(self.marks, self.values.view(np.float64), self.events)
            return Answer(self.marks, self.values, self.events)
        if self.asked.fold in (Fold.LEAST, Fold.GREATEST) and self.kind == STRATA_EVENT_FLOATS:
            values = self.values
            for i in range(65536):
                values[i] = strata_ordered_double(values[i])
            return Answer(self.marks, self.values.view(np.float64))
        return Answer(self.marks, self.values, carried=self.carry != 0)


def aggregate(
    Chunks chunks not None, asked, int64_t start, int64_t end, where=(), *, str table="",
):
    """An `Answer` for each `Aggregate` over the events of [start, end) that the nodes hold for.

    `table` names the table of kernels; KeyError where this processor has no such table.
    """
    cdef _Scan scan = _Scan(chunks, start, end, where, table)
    cdef list made = [_Folded(one, scan) for one in asked]
    cdef uint32_t fold_count = <uint32_t>len(made), i
    cdef strata_fold *folds = <strata_fold *>calloc(fold_count + 1, sizeof(strata_fold))
    if folds == NULL:
        raise MemoryError
    for i in range(fold_count):
        folds[i] = (<_Folded>made[i]).fold
    with nogil:
        strata_fold_block(&scan.scan, folds, fold_count)
    free(folds)
    return [(<_Folded>one).answer() for one in made]


def days(
    Chunks chunks not None, const int64_t[::1] starts not None, int64_t start, int64_t end,
    where=(), *, str table="",
):
    """How many different days each row has events of [start, end) on: uint32[65536].

    `starts` int64[n + 1]: the first instants of the days around the window, and of the day after
    them, ascending.
    """
    counts = np.zeros(65536, np.uint32)
    cdef uint32_t[::1] to = counts
    cdef const uint64_t[::1] marks
    cdef uint64_t[::1] bits
    cdef Py_ssize_t day, last = starts.shape[0] - 1
    assert start >= end or (starts[0] <= start and end <= starts[last])
    for day in range(0, last, DAYS_AT_ONCE):
        group = np.asarray(starts[day:day + DAYS_AT_ONCE + 1])
        first, stop = max(start, group[0]), min(end, group[len(group) - 1])
        if first < stop:
            asked = [Aggregate(Fold.DAYS, starts=group)]
            (answer,) = aggregate(chunks, asked, first, stop, where, table=table)
            marks, bits = answer.marks, answer.values
            strata_count_bits(&marks[0], &bits[0], &to[0])
    return counts


def sums_fit(Chunks chunks not None, uint32_t number, uint64_t event_count):
    """Whether no sum of `event_count` values of a property in each chunk can leave 64 bits."""
    cdef strata_event_sum reach = 0
    cdef const strata_event_column *column
    cdef uint32_t i
    cdef bint fit = True
    for i in range(chunks.chunk_count):
        column = strata_find_event_column(chunks.chunks[i], STRATA_EVENT_PROPERTY, number)
        if column != NULL:
            fit = strata_sums_fit(column, event_count, &reach)
    return fit


def clear(fold, const uint64_t[::1] marks not None, values not None, events=None):
    """Brings values of a fold, which begin at a multiple of 16, back to where they begin, in the
    64 rows of each word that has a mark; and `events` of FIRST and LAST."""
    cdef uint8_t[::1] at = values.reshape(-1).view(np.uint8)
    cdef uint32_t[::1] references
    assert marks.shape[0] == 1024 and len(values) == 65536 and (<size_t>&at[0]) % 16 == 0
    if events is not None:
        references = events
        strata_clear_events(&marks[0], &references[0])
    if fold == Fold.COUNT_U8:
        strata_clear_u8(&marks[0], &at[0])
    elif fold == Fold.COUNT_U16:
        strata_clear_u16(&marks[0], <uint16_t *>&at[0])
    elif fold in (Fold.COUNT_U32, Fold.SUM_U32, Fold.DISTINCT):
        strata_clear_u32(&marks[0], <uint32_t *>&at[0])
    elif fold in (Fold.SUM_I64, Fold.BITS, Fold.DAYS):
        strata_clear_i64(&marks[0], <int64_t *>&at[0])
    elif fold == Fold.SUM_I128:
        strata_clear_i128(&marks[0], <strata_event_sum *>&at[0])
    elif fold in (Fold.LEAST, Fold.FIRST):
        strata_clear_least(&marks[0], <int64_t *>&at[0])
    else:
        strata_clear_greatest(&marks[0], <int64_t *>&at[0])
