# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Which band or tier a profile has, as nodes that are asked of a reading: see names.py."""

from engine.explaining.reading cimport Reading, Truth

__all__ = ["Cells", "Ladder", "Name"]


cdef class Name:
    """A name, of several; None where the profile has none."""

    def __call__(self, Reading reading not None):
        """The name of the profile of a reading."""
        return self.of(reading)

    cdef object of(self, Reading reading):
        raise NotImplementedError


cdef class Ladder(Name):
    """The first name that is reached, each with what it follows from."""

    cdef list steps

    def __init__(self, names, through):
        self.steps = [
            (name, <Truth?>item)
            for name, reached in zip(names, through, strict=True)
            for item in reached
        ]

    cdef object of(self, Reading reading):
        for name, item in self.steps:
            if (<Truth>item).of(reading):
                return name
        return None


cdef class Cells(Name):
    """A name for each combination of what is high, for whom counts."""

    cdef object names
    cdef Truth counts
    cdef list high

    def __init__(self, names, Truth counts not None, list high not None):
        self.names = names
        self.counts = counts
        self.high = high

    cdef object of(self, Reading reading):
        if not self.counts.of(reading):
            return None
        return self.names["".join(["H" if (<Truth?>one).of(reading) else "L" for one in self.high])]
