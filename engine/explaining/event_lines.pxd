"""See event_lines.pyx."""

from libc.stdint cimport int64_t

# What an aggregate asks of a stretch.
cdef enum Function:
    COUNT = 1
    DAYS
    DISTINCT
    SUM
    FIRST
    LAST
    FIRST_VALUE
    LAST_VALUE
    MIN
    MAX
    AVG

cdef Function function_of(str name) except? COUNT


cdef class EventLine:
    cdef readonly list events
    cdef readonly list values
    cdef readonly list times
    cdef object zone
    cdef list totals

    cdef Py_ssize_t before(self, int64_t time_us, Py_ssize_t first)
    cdef object of(self, Function function, Py_ssize_t first, Py_ssize_t end)
    cdef object sum(self, Py_ssize_t first, Py_ssize_t end)
