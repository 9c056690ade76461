# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The chunks of one type of one block as the loops in C see them: a table of addresses."""

from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport calloc, free

import numpy as np

from engine.events.tail cimport TailVersion

__all__ = ["Chunks"]


cdef class Chunks:
    """Chunks by address, kept alive: stored parts, in place, and versions of tails.

    Parts have passed a checksum or `check_events`; nothing is checked here. One that does not
    begin at a multiple of 8 is copied. `addresses` are those of parts that stand before them, which
    the caller keeps alive.
    """

    def __cinit__(self, parts, addresses=()):
        cdef uint32_t i, before = <uint32_t>len(addresses)
        cdef const uint8_t[::1] view
        self.parts = [part if isinstance(part, TailVersion) else _placed(part) for part in parts]
        self.chunk_count = before + <uint32_t>len(self.parts)
        self.chunks = <const strata_chunk **>calloc(self.chunk_count + 1, sizeof(strata_chunk *))
        if self.chunks == NULL:
            raise MemoryError
        for i in range(before):
            self.chunks[i] = <const strata_chunk *><size_t>addresses[i]
        for i in range(<uint32_t>len(self.parts)):
            if isinstance(self.parts[i], TailVersion):
                self.chunks[before + i] = (<TailVersion>self.parts[i]).head
            else:
                view = self.parts[i]
                self.chunks[before + i] = <const strata_chunk *>&view[0]

    def __dealloc__(self):
        free(<void *>self.chunks)

    def __len__(self):
        return self.chunk_count


cdef object _placed(part):
    cdef const uint8_t[::1] view = part
    if (<size_t>&view[0]) % 8 == 0:
        return part
    return np.frombuffer(part, np.uint8).copy()
