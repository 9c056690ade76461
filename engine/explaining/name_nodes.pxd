"""See name_nodes.pyx."""

from engine.explaining.reading cimport Reading


cdef class Name:
    cdef object of(self, Reading reading)
