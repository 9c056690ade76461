# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""A text of the language cut at its literals: what is left without them, and they.

`engine.rules.patterns` cuts every text that has patterns; this cuts those that are written as most
people do, in the same places, and leaves the others to it.
"""

from libc.stdint cimport uint32_t

__all__ = ["cut_text", "joined"]

# Digits of the longest number: it is below 2^60.
cdef Py_ssize_t MOST_DIGITS = 18
cdef Py_ssize_t LONGEST = 1 << 12


cdef inline bint is_digit(Py_UCS4 c) noexcept:
    return c'0' <= c <= c'9'


cdef inline bint goes_on(Py_UCS4 c) noexcept:
    """Whether a character next to a digit may make something else of it than a number."""
    return (is_digit(c) or c'a' <= c <= c'z' or c'A' <= c <= c'Z' or c == c'_' or c == c'.'
            or <uint32_t>c >= 128)


cdef inline bint is_left(Py_UCS4 c, Py_UCS4 before) noexcept:
    """Whether a text with this character behind another is left: a quoted name, a comment, NUL, or
    half a character."""
    return (c == c'"' or <uint32_t>c == 0 or 0xD800 <= <uint32_t>c <= 0xDFFF
            or (c == c'-' and before == c'-'))


cdef Py_ssize_t string_end(str text, Py_ssize_t at) except -2:
    """Behind the string that begins at a place; -1 where it is to be left."""
    cdef Py_ssize_t i, length = len(text)
    cdef Py_UCS4 c
    for i in range(at + 1, length):
        c = text[i]
        if c == c"'":
            return -1 if i + 1 < length and text[i + 1] == c"'" else i + 1
        if is_left(c, text[i - 1]):
            return -1
    return -1


cdef Py_ssize_t number_end(str text, Py_ssize_t at) except -2:
    """The same of a number."""
    cdef Py_ssize_t i = at, point = -1, length = len(text)
    while i < length and goes_on(text[i]):
        if text[i] == c'.' and point < 0 and i > at:
            point = i
        elif not is_digit(text[i]):
            return -1
        i += 1
    if i - at > MOST_DIGITS or point == i - 1:
        return -1
    if text[at] == c'0' and (i if point < 0 else point) > at + 1:
        return -1
    return i


def cut_text(str text):
    """The text with a NUL for each literal, and the literals as they are written.

    None where it is long, has a comment or a quoted name in it, or a literal that is written in an
    unusual way: a string with a quote in it, a number with an exponent or with many digits.
    """
    cdef Py_ssize_t i = 0, start = 0, end, length = len(text)
    cdef Py_UCS4 c, before = 0
    cdef list pieces = [], literals = []
    if length > LONGEST:
        return None
    while i < length:
        c = text[i]
        if c == c"'":
            end = string_end(text, i)
        elif is_digit(c) and <uint32_t>before < 128 and not goes_on(before):
            end = number_end(text, i)
        else:
            if is_left(c, before) or (is_digit(c) and <uint32_t>before >= 128):
                return None
            before = c
            i += 1
            continue
        if end < 0:
            return None
        pieces.append(text[start:i])
        literals.append(text[i:end])
        before = text[end - 1]
        i = start = end
    pieces.append(text[start:])
    return "\0".join(pieces), literals


def joined(tuple around, list literals):
    """The text around some literals, one more than they, with them in it, in canonical form: as they
    were cut, and numbers without zeros at their end."""
    cdef Py_ssize_t i, end
    cdef str literal
    cdef list pieces = [around[0]]
    for i in range(len(literals)):
        literal = <str>literals[i]
        end = len(literal)
        if literal[0] != c"'" and c"." in literal:
            while literal[end - 1] == c"0":
                end -= 1
            if literal[end - 1] == c".":
                end -= 1
            literal = literal[:end]
        pieces.append(literal)
        pieces.append(around[i + 1])
    return "".join(pieces)
