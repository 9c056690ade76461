# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The open end of the events of one type of one block, in memory; tail.h has the loops.

A tail grows by copying: to twice the room, or for a property that it has not seen. Versions keep
the memory that they were made over.
"""

from cpython.buffer cimport PyBuffer_FillInfo
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

import numpy as np

from engine.events import head as heads
from engine.events.decode import decode_columns
from engine.events.events import Codes, Floats, Ints, Texts

from engine.events.chunks cimport (
    STRATA_CHUNK_EVENTS,
    STRATA_EVENT_CODES,
    STRATA_EVENT_DIGESTS,
    STRATA_EVENT_FLOATS,
    STRATA_EVENT_ID,
    STRATA_EVENT_INTS,
    STRATA_EVENT_ORIGIN,
    STRATA_EVENT_PROPERTY,
    STRATA_EVENT_ROW,
    STRATA_EVENT_TEXTS,
    STRATA_EVENT_TIME,
    strata_chunk,
    strata_event_column,
)

cdef extern from "stdlib.h" nogil:
    int posix_memalign(void **memory, size_t alignment, size_t size)

__all__ = ["EventColumns", "Tail", "TailVersion"]

cdef enum:
    ALIGNMENT = 64
    LEAST_CAPACITY = 64
    LEAST_TEXT_BYTES = 1024

cdef dict KINDS = {
    Ints: STRATA_EVENT_INTS,
    Floats: STRATA_EVENT_FLOATS,
    Codes: STRATA_EVENT_CODES,
    Texts: STRATA_EVENT_TEXTS,
}


cdef class TailMemory:
    """Zeroed bytes that begin at a multiple of 64; read-only through the buffer protocol."""

    def __cinit__(self, size_t size):
        cdef void *start = NULL
        if posix_memalign(&start, ALIGNMENT, size):
            raise MemoryError
        memset(start, 0, size)
        self.start, self.size = <uint8_t *>start, size

    def __dealloc__(self):
        free(self.start)

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self.start, <Py_ssize_t>self.size, 1, flags)


cdef class TailVersion:
    """The events that a tail had at one moment, at least one, whatever is added later.

    It is read as a chunk is, at its `address`, a multiple of 64, for as long as it lives. Versions
    with one `origin` are of one tail: a later one begins with the events of an earlier one.
    """

    def __dealloc__(self):
        free(self.head)

    def __len__(self):
        return self.head.event_count

    @property
    def address(self):
        """Where the head is in memory."""
        return <size_t>self.head

    @property
    def size(self):
        """Bytes of its head."""
        return self.head.size

    @property
    def nbytes(self):
        """Bytes of the memory behind it, which it shares with other versions."""
        return self.memory.size

    def head_bytes(self):
        """Its head and descriptions of columns, whose offsets count from other memory."""
        return (<const char *>self.head)[:self.head.size]

    def events(self):
        """The events, in the order in which they came."""
        packed = self.head_bytes()
        found = heads.read_head(packed)
        return decode_columns(memoryview(self.memory), found, heads.read_columns(packed, found))


cdef class EventColumns:
    """Events of one type without ids, laid out so that stretches of them can be added to tails."""

    def __cinit__(self, events):
        cdef strata_event_source *source
        cdef const int64_t[::1] numbers
        cdef const double[::1] floats
        cdef const uint32_t[::1] codes
        cdef const uint8_t[::1] present, data
        assert events.origins is None, "what identified them is kept by nobody yet"
        self.events, self.kept = events, []
        self.rows = np.ascontiguousarray(events.rows)
        self.times = np.ascontiguousarray(events.times)
        self.source_count = <uint32_t>len(events.properties)
        self.sources = <strata_event_source *>calloc(
            self.source_count + 1, sizeof(strata_event_source)
        )
        if self.sources == NULL:
            raise MemoryError
        if not len(events):
            return
        for i, (number, values) in enumerate(events.properties.items()):
            source = &self.sources[<Py_ssize_t>i]
            source.property, source.kind = number, KINDS[type(values)]
            if source.kind == STRATA_EVENT_CODES:
                codes = np.ascontiguousarray(values.codes)
                source.values = &codes[0]
                self.kept.append(codes)
                continue
            if source.kind == STRATA_EVENT_TEXTS:
                numbers, data = values.strings.offsets, values.strings.data
                source.values, source.data = &numbers[0], &data[0] if data.shape[0] else NULL
                self.kept += [numbers, data]
            elif source.kind == STRATA_EVENT_INTS:
                numbers = np.ascontiguousarray(values.values)
                source.values = &numbers[0]
                self.kept.append(numbers)
            else:
                floats = np.ascontiguousarray(values.values)
                source.values = &floats[0]
                self.kept.append(floats)
            present = np.ascontiguousarray(values.present).view(np.uint8)
            source.present = &present[0]
            self.kept.append(present)

    def __dealloc__(self):
        free(self.sources)

    def __len__(self):
        return self.rows.shape[0]


cdef class Tail:
    """Events of one type of one block, to which more are added; at most CHUNK_EVENTS.

    Written by one thread at a time; its versions may be read by others meanwhile.
    """

    def __cinit__(self):
        memset(&self.tail, 0, sizeof(self.tail))
        self.tail.is_sorted = 1
        self._latest = None
        self.origin = object()
        self._place_columns(
            [
                (STRATA_EVENT_ROW, 0, STRATA_EVENT_INTS, 0),
                (STRATA_EVENT_TIME, 0, STRATA_EVENT_INTS, 0),
            ],
            LEAST_CAPACITY,
        )

    def __dealloc__(self):
        free(self.tail.columns)

    def __len__(self):
        return self.tail.count

    def version(self):
        """The events so far, which are at least one."""
        cdef TailVersion made
        cdef size_t size
        assert self.tail.count, "a version has events"
        if self._latest is None:
            made = TailVersion.__new__(TailVersion)
            size = sizeof(strata_chunk) + (
                strata_tail_columns_in_use(&self.tail) * sizeof(strata_event_column)
            )
            if posix_memalign(<void **>&made.head, ALIGNMENT, size):
                made.head = NULL
                raise MemoryError
            memset(made.head, 0, size)
            strata_tail_write_head(&self.tail, made.head)
            made.memory = self.memory
            made.origin = self.origin
            self._latest = made
        return self._latest

    def add(self, events):
        """Adds events after those that are there.

        Programmer errors: more than CHUNK_EVENTS together, a property of another kind than
        before, or more than CHUNK_COLUMNS columns.
        """
        cdef uint32_t count = <uint32_t>len(events)
        assert self.tail.count + count <= STRATA_CHUNK_EVENTS, "a tail that should be sealed"
        if count == 0:
            return
        self._latest = None
        self._make_room(events, count)
        cdef const uint16_t[::1] rows = np.ascontiguousarray(events.rows)
        cdef const int64_t[::1] times = np.ascontiguousarray(events.times)
        strata_tail_put_rows(&self.tail, &rows[0], count)
        strata_tail_put_times(&self.tail, &times[0], count)
        cdef uint32_t c
        for c in range(2, self.tail.column_count):
            self._put(c, events, count)
        strata_tail_advance(&self.tail, count)

    def add_stretch(self, EventColumns columns not None, uint32_t start, uint32_t count):
        """The same with some events that stand one behind the other in columns, at least one."""
        assert start + count <= len(columns)
        assert self.tail.count + count <= STRATA_CHUNK_EVENTS, "a tail that should be sealed"
        self._latest = None
        if not strata_tail_takes(&self.tail, columns.sources, columns.source_count, start, count):
            self._make_room(columns.events.take(slice(start, start + count)), count)
        strata_tail_put_rows(&self.tail, &columns.rows[start], count)
        strata_tail_put_times(&self.tail, &columns.times[start], count)
        strata_tail_put_columns(
            &self.tail, columns.sources, columns.source_count, start, count
        )
        strata_tail_advance(&self.tail, count)

    cdef int _put(self, uint32_t c, events, uint32_t count) except -1:
        cdef const strata_event_column *head = &self.tail.columns[c].head
        cdef const int64_t[::1] numbers
        cdef const double[::1] floats
        cdef const uint32_t[::1] codes
        cdef const uint64_t[::1] digests
        cdef const uint8_t[::1] present, data
        if head.role == STRATA_EVENT_ID:
            if events.ids is not None:
                digests = np.ascontiguousarray(events.ids)
                strata_tail_put_digests(&self.tail, c, &digests[0], count)
            return 0
        if head.role == STRATA_EVENT_ORIGIN:
            if events.origins is not None:
                codes = np.ascontiguousarray(events.origins)
                strata_tail_put_codes(&self.tail, c, &codes[0], count)
            return 0
        values = events.properties.get(head.property)
        if values is None:
            strata_tail_put_missing(&self.tail, c, count)
        elif head.kind == STRATA_EVENT_CODES:
            codes = np.ascontiguousarray(values.codes)
            strata_tail_put_codes(&self.tail, c, &codes[0], count)
        elif head.kind == STRATA_EVENT_TEXTS:
            numbers = values.strings.offsets
            data = values.strings.data
            present = values.strings.valid.view(np.uint8)
            strata_tail_put_texts(
                &self.tail, c, &numbers[0], &data[0] if data.shape[0] else NULL, &present[0], count
            )
        else:
            present = np.ascontiguousarray(values.present).view(np.uint8)
            if head.kind == STRATA_EVENT_INTS:
                numbers = np.ascontiguousarray(values.values)
                strata_tail_put_ints(&self.tail, c, &numbers[0], &present[0], count)
            else:
                floats = np.ascontiguousarray(values.values)
                strata_tail_put_floats(&self.tail, c, &floats[0], &present[0], count)
        return 0

    cdef int _make_room(self, events, uint32_t count) except -1:
        """Places the columns anew where a column is lacking, or room."""
        cdef strata_tail_column *column
        cdef uint32_t c, capacity = self.tail.capacity
        cdef dict known = {}
        for c in range(self.tail.column_count):
            column = &self.tail.columns[c]
            known[column.head.role, column.head.property] = (column.head.kind, column.byte_room)
        wanted = dict(known)
        if events.ids is not None:
            wanted.setdefault((STRATA_EVENT_ID, 0), (STRATA_EVENT_DIGESTS, 0))
        if events.origins is not None:
            wanted.setdefault((STRATA_EVENT_ORIGIN, 0), (STRATA_EVENT_CODES, 0))
        for number, values in events.properties.items():
            key, kind, room = (STRATA_EVENT_PROPERTY, number), KINDS[type(values)], 0
            before, room = wanted.get(key, (kind, 0))
            assert before == kind, "a property of another kind"
            if kind == STRATA_EVENT_TEXTS:
                room = self._text_room(number, room, int(values.strings.lengths().sum()))
            wanted[key] = (kind, room)
        while capacity < self.tail.count + count:
            capacity *= 2
        if wanted == known and capacity == self.tail.capacity:
            return 0
        assert len(wanted) <= heads.CHUNK_COLUMNS, "more properties than a chunk has columns"
        columns = [(*key, kind, room) for key, (kind, room) in sorted(wanted.items())]
        return self._place_columns(columns, capacity)

    cdef object _text_room(self, number, room, added):
        cdef uint32_t c
        needed = added
        for c in range(self.tail.column_count):
            if self.tail.columns[c].head.role == STRATA_EVENT_PROPERTY:
                if self.tail.columns[c].head.property == number:
                    needed += self.tail.columns[c].head.byte_count
        room = max(room, LEAST_TEXT_BYTES)
        while room < needed:
            room *= 2
        return room

    cdef int _place_columns(self, columns, uint32_t capacity) except -1:
        """Moves what there is into memory of its own with these columns, ascending by key:
        (role, property, kind, room for texts)."""
        cdef strata_tail made
        cdef strata_tail_column *column
        cdef uint32_t c, old
        made = self.tail
        made.capacity = capacity
        made.column_count = <uint32_t>len(columns)
        made.columns = <strata_tail_column *>calloc(
            max(made.column_count, 1), sizeof(strata_tail_column)
        )
        if made.columns == NULL:
            raise MemoryError
        old = 0
        for c in range(made.column_count):
            column = &made.columns[c]
            role, number, kind, room = columns[c]
            if (
                old < self.tail.column_count and self.tail.columns[old].head.role == role
                and self.tail.columns[old].head.property == number
            ):
                column.head = self.tail.columns[old].head
                old += 1
            else:
                column.head.role, column.head.property, column.head.kind = role, number, kind
                column.head.width = <uint8_t>strata_tail_width(role, kind)
                column.head.step = 1
                if kind == STRATA_EVENT_INTS and role != STRATA_EVENT_ROW:
                    column.head.base = -(<int64_t>1 << 62) * 2
            column.byte_room = room
        memory = TailMemory(strata_tail_place(&made))
        made.memory = (<TailMemory>memory).start
        strata_tail_copy(&self.tail, &made)
        free(self.tail.columns)
        self.tail = made
        self.memory = memory
        return 0
