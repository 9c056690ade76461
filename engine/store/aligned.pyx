# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Memory for payloads that kernels read: it begins at a multiple of 64."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from libc.stdlib cimport free
from libc.string cimport memcpy

cdef extern from "stdlib.h" nogil:
    int posix_memalign(void **memory, size_t alignment, size_t size)

__all__ = ["ALIGNMENT", "AlignedBytes"]

cdef enum:
    _ALIGNMENT = 64

ALIGNMENT = _ALIGNMENT


cdef class AlignedBytes:
    """A read-only copy of some bytes, at an `address` that is a multiple of `ALIGNMENT`.

    Readable through the buffer protocol for as long as it lives.
    """

    cdef void *_memory
    cdef Py_ssize_t _size

    def __cinit__(self, payload):
        cdef Py_buffer source
        PyObject_GetBuffer(payload, &source, PyBUF_SIMPLE)
        try:
            # An address is wanted for an empty payload too.
            if posix_memalign(&self._memory, _ALIGNMENT, max(source.len, 1)):
                self._memory = NULL
                raise MemoryError
            memcpy(self._memory, source.buf, source.len)
            self._size = source.len
        finally:
            PyBuffer_Release(&source)

    def __dealloc__(self):
        free(self._memory)

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self._memory, self._size, 1, flags)

    def __len__(self):
        return self._size

    @property
    def address(self):
        """Where the first byte is in memory."""
        return <size_t>self._memory
