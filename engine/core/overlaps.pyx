# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""OverlapBlocks: how large audiences are and how many are in any two of them, block by block.

For one block every root is evaluated once and its mask kept; then each pair of masks is joined and
counted by one kernel, without anything being written. Of a pair of which one is nobody, or
everybody, the masks are not looked at. Nothing touches a Python object within a block.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

import numpy as np

from engine.core.control cimport GO_ON, Control, raise_stopped, stop_reason
from engine.core.nodes cimport A_MASK, context, open_block, outcome, run_root
from engine.core.program cimport Program
from engine.core.structures cimport STRATA_ALL, STRATA_BLOCK_WORDS, STRATA_NONE
from engine.core.worker cimport Worker

__all__ = ["OverlapBlocks"]

cdef size_t MASK_BYTES = STRATA_BLOCK_WORDS * 8


cdef class OverlapBlocks:
    """One thread's counts over the blocks that it reads.

    `counts` is int64 of shape (roots, roots): [i, i] the size of root i, and for i < j [i, j] how
    many are in both; below the diagonal it is 0. The masks of a block take 8 KiB a root.
    """

    cdef Worker worker
    cdef readonly object counts
    cdef int32_t[::1] roots
    cdef int64_t[:, ::1] both
    cdef uint64_t[:, ::1] masks
    cdef uint32_t[::1] rows          # of each root, in the open block
    cdef uint8_t[::1] is_all         # it holds for every live row of the open block

    def __init__(self, Program program, roots, Control control not None):
        count = len(roots)
        assert count, "an overlap is one of roots"
        self.worker = Worker(program, control, 1)
        self.roots = np.ascontiguousarray(roots, dtype=np.int32)
        self.counts = np.zeros((count, count), np.int64)
        self.both = self.counts
        self.masks = np.empty((count, STRATA_BLOCK_WORDS), np.uint64)
        self.rows = np.empty(count, np.uint32)
        self.is_all = np.empty(count, np.uint8)

    def read(self, uint32_t block):
        """Adds a block to the counts. Raises Cancelled and DeadlineExceeded as the control says."""
        cdef int reason
        with nogil:
            reason = self.read_block(block)
        raise_stopped(reason)

    cdef int read_block(self, uint32_t block) noexcept nogil:
        cdef context *c = &self.worker.c
        cdef int32_t i, count = <int32_t>self.roots.shape[0]
        cdef outcome found
        c.stopped = stop_reason(c.switch_)
        if c.stopped != GO_ON or not open_block(c, block):
            return c.stopped
        for i in range(count):
            found = run_root(c, self.roots[i], A_MASK)
            if c.stopped != GO_ON:
                return c.stopped
            self.is_all[i] = found.state == STRATA_ALL
            self.rows[i] = 0 if found.state == STRATA_NONE else found.rows
            # The next root is evaluated where this one's mask lies.
            if self.rows[i] and not self.is_all[i]:
                memcpy(&self.masks[i, 0], found.mask, MASK_BYTES)
        for i in range(count):
            c.stopped = stop_reason(c.switch_)
            if c.stopped != GO_ON:
                return c.stopped
            self.add_pairs(c, i)
        return GO_ON

    cdef void add_pairs(self, context *c, int32_t i) noexcept nogil:
        """Adds the size of root i and what it has in common with those after it."""
        cdef const uint64_t *terms[2]
        cdef uint64_t[2] flips
        cdef int32_t j
        self.both[i, i] += self.rows[i]
        if not self.rows[i]:
            return
        flips[0] = flips[1] = 0
        terms[0] = &self.masks[i, 0]
        for j in range(i + 1, <int32_t>self.roots.shape[0]):
            if not self.rows[j]:
                continue
            if self.is_all[i]:
                self.both[i, j] += self.rows[j]
            elif self.is_all[j]:
                self.both[i, j] += self.rows[i]
            else:
                terms[1] = &self.masks[j, 0]
                self.both[i, j] += c.reader.kernels.mask_join(terms, flips, 2, NULL)
