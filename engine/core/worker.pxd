"""Worker, as the loops that use one see it."""

from engine.core.aggregates cimport AggregateColumns
from engine.core.control cimport Control
from engine.core.nodes cimport context
from engine.core.program cimport Program


cdef class Worker:
    cdef context c
    cdef Program program
    cdef Control control
    cdef AggregateColumns columns
    cdef object counts        # int64, as many as it was made for
    cdef object node_counts   # int64 by node, where every node is counted

    cdef int start(self, Control control) except -1
