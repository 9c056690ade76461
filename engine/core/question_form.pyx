# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""A program whose literals are put in anew each time it is asked.

1. `engine.question_forms` plans a question once, with leaves that have room for literals.
2. `QuestionForm.put` brings the literals of another question of that form into them: strings are
   looked up, numbers are solved for the stored integer. Where a literal would change more than the
   constants of a leaf, as a string that nobody has does, it says no.
3. `count` runs the program with the memory that it ran with before.
"""

from libc.stdint cimport INT64_MAX, INT64_MIN, int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

import weakref

from engine.core.evaluate import Counting
from engine.core.kernels import LEAST_MEMBERS

from engine.core.program cimport Program
from engine.core.structures cimport strata_leaf

__all__ = ["CODES", "MOST_LITERALS", "RANGE", "SET", "QuestionForm", "room_for"]

# What a slot is: codes of a category, codes of a set, a range of numbers.
CODES, SET, RANGE = range(3)
# Literals of one slot.
MOST_LITERALS = 64
# Values that are given out without planning anew, as far as the memory goes: a few, and an eighth.
cdef uint32_t MORE_VALUES = 64
# Stored integers beyond are left to `engine.core.solve`.
cdef int64_t FARTHEST = 1 << 62
cdef enum:
    ENDS = 2
    LITERALS = 64
    IS_CODES = 0
    IS_SET = 1

cdef dict OPERATORS = {"=": 0, "!=": 1, "<": 2, "<=": 3, ">": 4, ">=": 5}
cdef int64_t POWERS[19]


cdef int64_t _power = 1
cdef int _exponent
for _exponent in range(19):
    POWERS[_exponent] = _power
    if _exponent < 18:
        _power *= 10


cdef struct slot:
    # Where some literals go.
    int kind
    int32_t field
    int32_t literal_count
    int32_t scale             # of a range: stored integers are so many tens times the number
    int32_t ops[ENDS]         # of a range, of each literal
    int negated               # of codes: all others that are given out
    uint32_t room             # of codes: the greatest that there is room for
    size_t words              # of `members`
    uint64_t *members
    uint32_t *codes


cdef class QuestionForm:
    """See the head of this file. For one thread at a time.

    `program` has one root and one leaf for each slot, in order. A slot is (kind, field number,
    literals, scale, operators, negated). `tables` are the dictionaries of the slots of strings (None
    for others); of codes there is room for as many values as `room_for` says of their sizes.
    `groups` are, of a program with a group field, its number, the greatest code that there is a
    count for, and whether it is a bool. `is_outgrown` once a dictionary has more values than there
    is room for: it is of no use any more.
    """

    cdef Program program
    cdef object counting
    cdef object bound_to
    cdef uint32_t bound_blocks
    cdef slot *slots
    cdef Py_ssize_t slot_count
    cdef tuple tables
    cdef object group_field
    cdef uint32_t group_room
    cdef readonly bint is_outgrown

    def __cinit__(self):
        self.slots = NULL

    def __init__(self, Program program, int root, slots, tables, groups=None):
        cdef Py_ssize_t i
        cdef slot *one
        self.program = program
        self.slot_count = len(slots)
        self.tables = tuple(tables)
        self.slots = <slot *>calloc(self.slot_count, sizeof(slot))
        if self.slots == NULL:
            raise MemoryError
        for i in range(self.slot_count):
            one = &self.slots[i]
            one.kind, one.field, one.literal_count, one.scale, operators, one.negated = slots[i]
            for place, operator in enumerate(operators):
                one.ops[<int>place] = OPERATORS[operator]
            self.lay_out(one, &program.leaves[i], 0 if tables[i] is None else len(tables[i]))
        self.group_field, self.group_room, is_bool = groups or (None, 0, False)
        self.counting = Counting(program, root, groups and self.group_room + 1, is_bool)
        self.bound_to = None
        program.let_go()

    cdef int lay_out(self, slot *one, strata_leaf *leaf, uint32_t value_count) except -1:
        """Gives a leaf memory that may be written to."""
        one.codes = <uint32_t *>calloc(LITERALS, sizeof(uint32_t))
        if one.kind == IS_CODES:
            one.room = room_for(value_count)
            one.words = max(<size_t>LEAST_MEMBERS, <size_t>one.room + 64) // 64
            one.members = <uint64_t *>calloc(one.words, 8)
            leaf.members = one.members
        elif one.kind == IS_SET:
            leaf.codes = one.codes
        if one.codes == NULL or (one.kind == IS_CODES and one.members == NULL):
            raise MemoryError
        return 0

    def __dealloc__(self):
        cdef Py_ssize_t i
        for i in range(self.slot_count if self.slots != NULL else 0):
            free(self.slots[i].codes)
            free(self.slots[i].members)
        free(self.slots)

    def put(self, snapshot, list literals):
        """Puts literals in, as `cut_text` cuts them, for a snapshot; whether that does."""
        cdef Py_ssize_t i, at = 0
        cdef slot *one
        cdef strata_leaf *leaf
        state = snapshot.version.state
        if self.group_field is not None and given_codes(state, self.group_field) > self.group_room:
            self.is_outgrown = True
            return False
        for i in range(self.slot_count):
            one = &self.slots[i]
            leaf = &self.program.leaves[i]
            if one.kind == IS_CODES or one.kind == IS_SET:
                if not self.put_strings(one, leaf, self.tables[i], state, literals, at):
                    return False
            elif not put_range(one, leaf, literals, at):
                return False
            at += one.literal_count
        return True

    cdef bint put_strings(self, slot *one, strata_leaf *leaf, table, state, list literals,
                          Py_ssize_t at) except -1:
        cdef int32_t i, k, count = 0
        cdef uint32_t code, given = given_codes(state, one.field)
        cdef str literal
        if one.kind == IS_CODES and given > one.room:
            self.is_outgrown = True
            return False
        for i in range(one.literal_count):
            literal = <str>literals[at + i]
            if literal[0] != c"'":
                return False
            code = table.code(literal[1:len(literal) - 1])
            if not 0 < code <= given:
                return False
            # Ascending, as leaves have them; the same twice is said otherwise.
            k = count
            while k > 0 and one.codes[k - 1] >= code:
                if one.codes[k - 1] == code:
                    return False
                one.codes[k] = one.codes[k - 1]
                k -= 1
            one.codes[k] = code
            count += 1
        leaf.code_count = count
        return one.kind == IS_SET or put_members(one, leaf, given)

    def count(self, snapshot, control, pool, int threads):
        """How many profiles there are, int64 of one, or of each code of the group field and before
        them of none; good until the next count. Raises Cancelled, DeadlineExceeded."""
        version = snapshot.version
        if self.bound_to is not None and self.bound_to() is version:
            # Tables of one version stay, so what the fields point into is what it was.
            self.program.block_count = self.bound_blocks
        else:
            self.bound_to = None
            self.program.rebind(snapshot)
            self.bound_blocks = self.program.block_count
            self.bound_to = weakref.ref(version)
        try:
            return self.counting.run(control, pool, threads)
        finally:
            self.program.let_go()


cdef uint32_t given_codes(state, field) except? 0xFFFFFFFF:
    """How many codes a state has given out of a dictionary."""
    listing = state.dictionaries.get(field)
    return 0 if listing is None else listing.value_count


def room_for(uint32_t value_count):
    """The greatest code to have room for where so many are given out."""
    return value_count + value_count // 8 + MORE_VALUES


cdef bint put_members(slot *one, strata_leaf *leaf, uint32_t given) noexcept:
    """Sets the bits of the codes of a slot, or of all others up to `given`."""
    cdef uint32_t i, count = leaf.code_count
    memset(one.members, 0xFF if one.negated else 0, one.words * 8)
    if not one.negated:
        for i in range(count):
            one.members[one.codes[i] >> 6] |= <uint64_t>1 << (one.codes[i] & 63)
        leaf.lowest_code, leaf.highest_code = one.codes[0], one.codes[count - 1]
        leaf.contiguous = leaf.highest_code - leaf.lowest_code + 1 == count
        return True
    one.members[0] &= ~<uint64_t>1
    for i in range(count):
        one.members[one.codes[i] >> 6] &= ~(<uint64_t>1 << (one.codes[i] & 63))
    for i in range(given + 1, <uint32_t>(one.words * 64)):
        one.members[i >> 6] &= ~(<uint64_t>1 << (i & 63))
    if count == given:
        return False
    leaf.code_count = given - count
    leaf.lowest_code, leaf.highest_code = 1, given
    for i in range(count):
        leaf.lowest_code += one.codes[i] == leaf.lowest_code
    for i in range(count):
        leaf.highest_code -= one.codes[count - 1 - i] == leaf.highest_code
    leaf.contiguous = leaf.highest_code - leaf.lowest_code + 1 == leaf.code_count
    return True


cdef bint put_range(slot *one, strata_leaf *leaf, list literals, Py_ssize_t at) except -1:
    """Solves each comparison of a slot for the stored integer; the range is where all hold."""
    cdef int64_t low = INT64_MIN, high = INT64_MAX, floor
    cdef bint rest
    cdef int32_t i, op
    for i in range(one.literal_count):
        if not stored(<str>literals[at + i], one.scale, &floor, &rest):
            return False
        op = one.ops[i]
        if op <= 1:
            if rest:
                return False
            low, high = max(low, floor), min(high, floor)
        elif op == 2:
            high = min(high, floor if rest else floor - 1)
        elif op == 3:
            high = min(high, floor)
        elif op == 4:
            low = max(low, floor + 1)
        else:
            low = max(low, floor + 1 if rest else floor)
    if low > high:
        return False
    leaf.low, leaf.high, leaf.negated = low, high, one.ops[0] == 1
    return True


cdef bint stored(str literal, int32_t scale, int64_t *floor, bint *rest) noexcept:
    """The greatest integer that is not more than a number times ten to the `scale`, and whether it
    is less; False where that is far out, or it is no number."""
    cdef int64_t digits = 0, power
    cdef Py_ssize_t i, point = -1, length = len(literal)
    cdef int32_t exponent
    if literal[0] == c"'":
        return False
    for i in range(length):
        if literal[i] == c'.':
            point = i
        else:
            digits = digits * 10 + (<int64_t>literal[i] - <int64_t>c'0')
    exponent = scale if point < 0 else scale - <int32_t>(length - 1 - point)
    power = POWERS[abs(exponent)]
    if exponent >= 0:
        if digits > FARTHEST // power:
            return False
        floor[0], rest[0] = digits * power, False
    else:
        floor[0], rest[0] = digits // power, digits % power != 0
    return True
