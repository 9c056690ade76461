"""Control, as the evaluator's loops see it."""

cdef enum:
    GO_ON = 0
    CANCELLED = 1
    LATE = 2


cdef class Control:
    cdef volatile int cancelled
    cdef long long deadline_ns
    cdef int stopped(self) noexcept nogil


cdef int raise_stopped(int reason) except -1
