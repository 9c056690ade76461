"""Control, as the evaluator's loops see it."""

cdef enum:
    GO_ON = 0
    CANCELLED = 1
    LATE = 2
    NO_MEMORY = 3


ctypedef struct stop_switch:
    volatile int cancelled
    long long deadline_ns    # of the monotonic clock, 0 for none


cdef class Control:
    cdef stop_switch switch


# GO_ON, CANCELLED or LATE; NO_MEMORY is said by whoever meets it.
cdef int stop_reason(const stop_switch *switch) noexcept nogil


cdef int raise_stopped(int reason) except -1
