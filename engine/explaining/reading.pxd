"""See reading.pyx."""

from libc.stdint cimport int64_t

from engine.explaining.event_lines cimport EventLine


cdef class Asked:
    cdef readonly dict attributes
    cdef readonly object profile
    cdef readonly int64_t now_us


cdef class EventView(Asked):
    pass


cdef class Truth:
    cdef bint of(self, Asked asked) except -1


cdef class Number:
    cdef object of(self, Asked asked)


cdef class Span:
    cdef readonly object window
    cdef int kind
    cdef int64_t start_back_us
    cdef int64_t end_back_us
    cdef tuple known

    cdef int bounds(self, Reading reading, int64_t *from_us, int64_t *to_us) except -1
    cdef int stretch(
        self, Reading reading, EventLine line, Py_ssize_t *first, Py_ssize_t *end
    ) except -1


cdef class Selection:
    cdef readonly object events
    cdef readonly object read
    cdef readonly bint moves
    cdef tuple types
    cdef Truth passes


cdef class Given:
    cdef object of(self, Reading reading)


cdef class Reading(Asked):
    cdef readonly object closures
    cdef readonly dict truths
    cdef readonly dict values
    cdef readonly dict courses
    cdef readonly dict points_ahead
    cdef readonly dict known_points
    cdef dict events
    cdef dict lines
    cdef dict lines_now
    cdef dict forms
    cdef object day

    cpdef object points(self, object score)
    cdef EventLine line_of(self, Selection selection)
    cdef EventLine selected(self, Selection selection)
