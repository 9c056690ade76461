# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Stopping an evaluation from outside: a caller that went away, a deadline that passed."""

from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from engine.errors import Cancelled, DeadlineExceeded

__all__ = ["Control"]


cdef class Control:
    """A switch that every thread of an evaluation looks at before each block, and in between
    while it tests rows one by one.

    `deadline_ns` is an instant of the monotonic clock (`time.monotonic_ns`), None for no
    deadline. `cancel()` may be called from any thread, any number of times.
    """

    def __init__(self, deadline_ns=None):
        self.switch.deadline_ns = 0 if deadline_ns is None else max(1, deadline_ns)
        self.switch.cancelled = 0

    def cancel(self):
        """Make the evaluation end at its next block, with `Cancelled`."""
        self.switch.cancelled = 1

    def check(self):
        """Raise `Cancelled` or `DeadlineExceeded` where one of them holds."""
        raise_stopped(stop_reason(&self.switch))


cdef int stop_reason(const stop_switch *switch) noexcept nogil:
    cdef timespec now
    if switch.cancelled:
        return CANCELLED
    if switch.deadline_ns:
        clock_gettime(CLOCK_MONOTONIC, &now)
        if <long long>now.tv_sec * 1000000000 + now.tv_nsec >= switch.deadline_ns:
            return LATE
    return GO_ON


cdef int raise_stopped(int reason) except -1:
    if reason == CANCELLED:
        raise Cancelled("The caller went away before the answer was ready.")
    if reason == LATE:
        raise DeadlineExceeded(
            "The deadline passed before the answer was ready; allow more time or narrow the question."
        )
    if reason == NO_MEMORY:
        raise MemoryError
    return 0
