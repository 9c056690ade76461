"""See profile_event.pyx."""


cdef class ProfileEvent:
    cdef readonly str type
    cdef readonly object time_us
    cdef readonly object properties
