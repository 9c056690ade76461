# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Fields of blocks in memory that their owner writes in place: what all kinds of them share.

hot.h says what a hot payload is and when it may be written. Everyone else reads it through the
buffer protocol or by its address. What writes is single-threaded, and no reader runs meanwhile.
"""

from cpython.buffer cimport PyBuffer_FillInfo
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset

cdef extern from "stdlib.h" nogil:
    int posix_memalign(void **memory, size_t alignment, size_t size)

__all__ = ["HotBlock", "HotField"]

cdef enum:
    ALIGNMENT = 64


cdef class _Memory:
    """Zeroed bytes that begin at a multiple of 64; read-only through the buffer protocol."""

    cdef uint8_t *start
    cdef size_t size

    def __cinit__(self, size_t size):
        cdef void *start = NULL
        if posix_memalign(&start, ALIGNMENT, max(size, <size_t>1)):
            raise MemoryError
        memset(start, 0, size)
        self.start, self.size = <uint8_t *>start, size

    def __dealloc__(self):
        free(self.start)

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self.start, <Py_ssize_t>self.size, 1, flags)


cdef class HotBlock:
    """One field of one block, written in place by its owner alone.

    `parts` are read-only views of its payload and `addresses` where they begin, multiples of 64.
    `born` is the record of the log from which on the memory belongs to the newest version
    alone, `sequence` the last record that changed it.
    """

    def __dealloc__(self):
        free(self.hot.parts)
        free(self.hot.lengths)

    cdef int place(self, sizes) except -1:
        cdef uint32_t count = <uint32_t>len(sizes), p
        cdef size_t at = 0
        cdef _Memory memory
        assert self.hot.parts == NULL, "a block is placed once"
        self.hot.parts = <uint8_t **>malloc((count + 1) * sizeof(uint8_t *))
        self.hot.lengths = <uint32_t *>malloc((count + 1) * sizeof(uint32_t))
        if self.hot.parts == NULL or self.hot.lengths == NULL:
            raise MemoryError
        starts = []
        for size in sizes:
            starts.append(at)
            at += (<size_t>size + ALIGNMENT - 1) & ~<size_t>(ALIGNMENT - 1)
        memory = _Memory(at)
        whole = memoryview(memory)
        views, addresses = [], []
        for p in range(count):
            self.hot.parts[p] = memory.start + <size_t>starts[p]
            self.hot.lengths[p] = sizes[p]
            views.append(whole[starts[p]:starts[p] + sizes[p]])
            addresses.append(<size_t>self.hot.parts[p])
        self.hot.part_count = count
        self.parts, self.addresses = tuple(views), tuple(addresses)
        return 0

    @property
    def born(self):
        """The record of the log from which on the memory belongs to the newest version alone."""
        return self.hot.born

    @born.setter
    def born(self, uint64_t record):
        self.hot.born = record

    @property
    def sequence(self):
        """The last record of the log that changed it."""
        return self.hot.sequence

    @sequence.setter
    def sequence(self, uint64_t record):
        self.hot.sequence = record

    @property
    def kept(self):
        """How many parts stand before these as they are stored: none."""
        return 0

    @property
    def lengths(self):
        """Bytes at each of the addresses."""
        return tuple([self.hot.lengths[p] for p in range(self.hot.part_count)])

    @property
    def held_bytes(self):
        """Bytes of memory."""
        return sum(self.lengths)

    @property
    def zone(self):
        """The zone: an exact count, and bounds that hold every value but may be wider."""
        raise NotImplementedError

    def encode(self):
        """The same contents as the codec stores them, with an exact zone."""
        raise NotImplementedError


cdef class HotField:
    """The hot blocks of one field, by block number; the base of those of each kind."""

    def __cinit__(self, *_):
        self._owners = []

    def __dealloc__(self):
        free(self.hot.blocks)

    cdef HotBlock make_block(self, parts):
        raise NotImplementedError

    def get(self, uint32_t block):
        """The hot block of this number, None where it is not hot."""
        return self._owners[block] if block < self.hot.block_count else None

    def heat(self, uint32_t block, parts, uint64_t born, uint64_t sequence):
        """Make a block hot, with what `parts` have: any valid payload of the field, hot or not,
        or none where the block has nothing of it. Replaces what was hot; returns the HotBlock."""
        cdef HotBlock made = self.make_block(parts)
        made.hot.born, made.hot.sequence = born, sequence
        self._grow(<size_t>block + 1)
        self._owners[block] = made
        self.hot.blocks[block] = &made.hot
        return made

    def renew(self, uint32_t block, uint64_t born):
        """Give a hot block memory of its own, with the same contents; returns the new HotBlock."""
        cdef HotBlock old = self._owners[block]
        cdef HotBlock made = type(old).__new__(type(old))
        cdef uint32_t last = old.hot.part_count - 1
        made.place([old.hot.lengths[p] for p in range(old.hot.part_count)])
        # The parts stand one after the other, with the same gaps.
        memcpy(
            made.hot.parts[0],
            old.hot.parts[0],
            <size_t>(old.hot.parts[last] - old.hot.parts[0]) + old.hot.lengths[last],
        )
        made.hot.low, made.hot.high = old.hot.low, old.hot.high
        made.hot.born, made.hot.sequence = born, old.hot.sequence
        self._owners[block] = made
        self.hot.blocks[block] = &made.hot
        return made

    def forget(self, uint32_t block):
        """The block is no longer hot; whoever still has its HotBlock can go on reading it."""
        if block < self.hot.block_count:
            self.hot.blocks[block] = NULL
            self._owners[block] = None

    def blocks(self):
        """The numbers of the hot blocks, ascending."""
        cdef uint32_t block
        return [block for block in range(self.hot.block_count) if self.hot.blocks[block] != NULL]

    cdef int _grow(self, size_t count) except -1:
        """Slots for at least `count` blocks."""
        cdef size_t room = self._room
        cdef void *moved
        if count > room:
            room = max(count, 2 * room, <size_t>16)
            moved = realloc(self.hot.blocks, room * sizeof(strata_hot *))
            if moved == NULL:
                raise MemoryError
            self.hot.blocks = <strata_hot **>moved
            self._room = room
        while self.hot.block_count < count:
            self._owners.append(None)
            self.hot.blocks[self.hot.block_count] = NULL
            self.hot.block_count += 1
        return 0
