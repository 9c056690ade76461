"""See value_nodes.pyx."""

from libc.stdint cimport int64_t

from engine.explaining.event_lines cimport EventLine
from engine.explaining.reading cimport Given, Reading, Selection, Span


cdef class GivenEach(Given):
    cdef Selection selection
    cdef Span span
    cdef object points
    cdef object at_most
    cdef object half_life_us
    cdef tuple worth

    cdef EventLine counted(self, Reading reading, Py_ssize_t *first, Py_ssize_t *end)
    cdef object worth_of(self, Reading reading, int64_t time_us)
    cdef object sum(self, Reading reading, EventLine line, Py_ssize_t first, Py_ssize_t end)
    cdef object bounded(self, object uncapped)
