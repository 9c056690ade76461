# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The conditions of a bound tree as nodes that are asked of a reading: see closures.py, which makes
them, and reading.pyx."""

from cpython.object cimport Py_EQ, Py_GE, Py_GT, Py_LE, Py_LT, Py_NE, PyObject_RichCompare

from engine.explaining.reading cimport Asked, Number, Reading, Truth

from engine.errors import NotYet

__all__ = [
    "Among",
    "CompareNumbers",
    "Constant",
    "Flag",
    "InList",
    "Joined",
    "JoinedInFull",
    "Not",
    "Pair",
    "Path",
    "Present",
    "Refused",
    "Remembered",
    "SetAny",
    "SetPasses",
    "TextPasses",
]

_OPERATORS = {"=": Py_EQ, "!=": Py_NE, "<": Py_LT, "<=": Py_LE, ">": Py_GT, ">=": Py_GE}


cdef class Joined(Truth):
    """All of some conditions, or any; left as soon as it is decided."""

    cdef tuple parts
    cdef bint is_and

    def __init__(self, parts, bint is_and):
        self.parts = tuple(parts)
        self.is_and = is_and

    cdef bint of(self, Asked asked) except -1:
        for part in self.parts:
            if (<Truth>part).of(asked) != self.is_and:
                return not self.is_and
        return self.is_and


cdef class JoinedInFull(Joined):
    """The same where a part has no evaluator, which is said whatever the others come to."""

    cdef bint of(self, Asked asked) except -1:
        cdef bint found = self.is_and
        for part in self.parts:
            if self.is_and:
                found = (<Truth>part).of(asked) and found
            else:
                found = (<Truth>part).of(asked) or found
        return found


cdef class Not(Truth):
    """The opposite of a condition."""

    cdef Truth item

    def __init__(self, Truth item not None):
        self.item = item

    cdef bint of(self, Asked asked) except -1:
        return not self.item.of(asked)


cdef class Remembered(Truth):
    """A definition that several may mention, asked once of a reading, under a place there."""

    cdef object place
    cdef Truth item

    def __init__(self, place, Truth item not None):
        self.place = place
        self.item = item

    cdef bint of(self, Asked asked) except -1:
        cdef Reading reading = <Reading?>asked
        known = reading.truths.get(self.place)
        if known is None:
            known = reading.truths[self.place] = self.item.of(asked)
        return known is True


cdef class Constant(Truth):
    """True or false."""

    cdef bint truth

    def __init__(self, bint truth):
        self.truth = truth

    cdef bint of(self, Asked asked) except -1:
        return self.truth


cdef class Refused(Truth):
    """What has no evaluator."""

    cdef object construct

    def __init__(self, str construct not None):
        self.construct = construct

    cdef bint of(self, Asked asked) except -1:
        raise NotYet(f"{self.construct} can be written and checked, and not evaluated yet.")


cdef class InList(Truth):
    """Whether the profile is in an uploaded list."""

    cdef object name

    def __init__(self, str name not None):
        self.name = name

    cdef bint of(self, Asked asked) except -1:
        return self.name in asked.profile.owned


cdef class Path(Truth):
    """Whether the profile went all the way of a sequence; `first` has the number of the events of
    its first step."""

    cdef object sequence
    cdef Number first

    def __init__(self, sequence, Number first not None):
        self.sequence = sequence
        self.first = first

    cdef bint of(self, Asked asked) except -1:
        if not self.first.of(asked):
            return False
        return asked_path(<Reading?>asked, self.sequence)


cdef bint asked_path(Reading reading, sequence) except -1:
    return reading.path(sequence).holds


# ------------------------------------------------------------------------------- values


cdef class CompareNumbers(Truth):
    """One value against another; false where one is missing."""

    cdef Number left, right
    cdef object limit
    cdef int operator

    def __init__(self, Number left not None, str op, right):
        """`right` is a Number or a constant."""
        self.left = left
        self.operator = _OPERATORS[op]
        if isinstance(right, Number):
            self.right = right
        else:
            self.limit = right

    cdef bint of(self, Asked asked) except -1:
        found = self.left.of(asked)
        if found is None:
            return False
        if self.right is None:
            return PyObject_RichCompare(found, self.limit, self.operator) is True
        other = self.right.of(asked)
        return other is not None and PyObject_RichCompare(found, other, self.operator) is True


cdef class Among(Truth):
    """Whether a value is one of some, or, negated, is none of them; false where it is missing."""

    cdef Number value
    cdef object values
    cdef bint negated

    def __init__(self, Number value not None, values, bint negated):
        self.value = value
        self.values = frozenset(values)
        self.negated = negated

    cdef bint of(self, Asked asked) except -1:
        found = self.value.of(asked)
        return found is not None and (found in self.values) != self.negated


# ------------------------------------------------------------------------- what is read


cdef class Present(Truth):
    """Whether there is a value."""

    cdef Number read

    def __init__(self, Number read not None):
        self.read = read

    cdef bint of(self, Asked asked) except -1:
        return self.read.of(asked) is not None


cdef class Flag(Truth):
    """Whether a bool is this one."""

    cdef Number read
    cdef object wanted

    def __init__(self, Number read not None, bint wanted):
        self.read = read
        self.wanted = wanted

    cdef bint of(self, Asked asked) except -1:
        return self.read.of(asked) is self.wanted


cdef class TextPasses(Truth):
    """Whether a string passes a test, or, negated, is there and does not."""

    cdef Number read
    cdef object test
    cdef bint negated

    def __init__(self, Number read not None, test, bint negated):
        self.read = read
        self.test = test
        self.negated = negated

    cdef bint of(self, Asked asked) except -1:
        text = self.read.of(asked)
        return text is not None and self.test.passes(text) != self.negated


cdef class Pair(Truth):
    """Whether two strings are there and the same, or, negated, are there and are not."""

    cdef Number left, right
    cdef bint negated

    def __init__(self, Number left not None, Number right not None, bint negated):
        self.left = left
        self.right = right
        self.negated = negated

    cdef bint of(self, Asked asked) except -1:
        one, other = self.left.of(asked), self.right.of(asked)
        return one is not None and other is not None and (one == other) != self.negated


cdef class SetAny(Truth):
    """Whether a set has one of some values."""

    cdef Number read
    cdef object values

    def __init__(self, Number read not None, values):
        self.read = read
        self.values = values

    cdef bint of(self, Asked asked) except -1:
        elements = self.read.of(asked)
        return elements is not None and not self.values.isdisjoint(elements)


cdef class SetPasses(Truth):
    """Whether an element of a set passes a test."""

    cdef Number read
    cdef object test

    def __init__(self, Number read not None, test):
        self.read = read
        self.test = test

    cdef bint of(self, Asked asked) except -1:
        elements = self.read.of(asked)
        if elements is not None:
            for one in elements:
                if self.test.passes(one):
                    return True
        return False
