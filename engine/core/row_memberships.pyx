# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""RowMemberships: what each row is in, side by side, beside the containers that readers see.

A block is turned when rows of it are first judged; from then on its bits follow what the judge
says of who enters and leaves. The loops are in row_memberships.h.
"""

from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memset

import numpy as np

from engine.core.structures cimport STRATA_BLOCK_ROWS, strata_field

__all__ = ["RowMemberships"]


cdef extern from "engine/core/row_memberships.h" nogil:
    enum:
        STRATA_SPACED_WORDS

    void strata_turn_block(
        const strata_field *fields, const int32_t *stored, uint32_t first, uint32_t count,
        uint32_t block, uint32_t words, uint64_t *masks, uint64_t *out) noexcept


# Blocks get their memory together. numpy asks for huge pages where an array has 4 MiB and more:
# with small ones, nearly every row that is looked at would also wait for the table of pages.
BLOCKS_AT_A_TIME = 32


cdef class RowMemberships:
    """The memberships of rows, `count` of them in the order in which a judge has its roots.

    They are right as long as nothing but what was said by it changes a membership, and all of that
    is carried out; else `clear` them.
    """

    def __cinit__(self):
        memset(&self.of, 0, sizeof(strata_row_memberships))

    def __init__(self, uint32_t count):
        self._count = count
        self.of.words = (count + 63) // 64
        self._memory, self._room = [], []
        self._masks = <uint64_t *>calloc(64 * STRATA_SPACED_WORDS, sizeof(uint64_t))
        if self._masks == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.of.blocks)
        free(self._masks)

    @staticmethod
    def size_of(count, block_count):
        """Bytes of so many memberships over so many blocks, all of them turned."""
        return (count + 63) // 64 * 8 * STRATA_BLOCK_ROWS * block_count

    def clear(self):
        """Forget all; what is judged next is read from the containers again."""
        free(self.of.blocks)
        self.of.blocks, self.of.block_count = NULL, 0
        self._memory, self._room = [], []

    cdef int turn(
            self, const strata_field *fields, const int32_t *stored, uint32_t block) except -1:
        """Has the words of a block, which fields[stored[i]] are turned into where they were
        not."""
        cdef uint32_t first, count
        cdef uint64_t *out
        self._grow(block + 1)
        if self.of.blocks[block] != NULL:
            return 0
        out = <uint64_t *><size_t>self._take()
        for first in range(0, self._count, 64):
            count = self._count - first if self._count - first < 64 else 64
            strata_turn_block(
                fields, stored, first, count, block, self.of.words, self._masks, out)
        self.of.blocks[block] = out
        return 0

    def _take(self):
        """Address of the words of one block, all of them 0."""
        size = self.of.words * STRATA_BLOCK_ROWS
        if not self._room:
            memory = np.zeros(BLOCKS_AT_A_TIME * size, np.uint64)
            self._memory.append(memory)
            self._room = [
                memory.ctypes.data + 8 * size * i for i in reversed(range(BLOCKS_AT_A_TIME))
            ]
        return self._room.pop()

    def _grow(self, uint32_t block_count):
        cdef uint32_t block
        cdef uint64_t **grown
        if block_count <= self.of.block_count:
            return
        grown = <uint64_t **>realloc(self.of.blocks, block_count * sizeof(uint64_t *))
        if grown == NULL:
            raise MemoryError
        for block in range(self.of.block_count, block_count):
            grown[block] = NULL
        self.of.blocks, self.of.block_count = grown, block_count
