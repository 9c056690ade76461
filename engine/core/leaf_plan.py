"""Bound predicates as leaves over stored integers, codes and rows.

What depends on the data is settled here: strings become dictionary codes, `now` the instant
asked for, decimals their unscaled integers, list names row numbers. A predicate that the
dictionaries decide alone becomes true or false, and so does one about an attribute that the
snapshot has no field for: nobody has it.

A plan may be kept for later states of the store. What it took from the dictionaries is noted
(`Lookup`), and category leaves say beforehand what is so of codes that are not given out yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.core import operations as ops
from engine.core.kernels import LEAST_MEMBERS
from engine.core.number_plan import NumberPlanner, attribute_field
from engine.core.sequence_plan import plan_sequence
from engine.errors import NotYet
from engine.model.definitions import Attribute
from engine.rules import bound
from engine.rules.bound_events import BoundAggregate, BoundSequence
from engine.store.dictionary import Dictionary
from engine.store.snapshot import Snapshot

__all__ = ["LeafPlanner", "ListMembers", "Lookup"]


@dataclass(frozen=True, slots=True)
class ListMembers:
    """Profiles that own an identifier of an uploaded list: sorted rows, uint32; and how many
    identifiers nobody owns yet."""

    rows: NDArray[np.uint32]
    waiting: int


@dataclass(slots=True)
class Lookup:
    """What leaves took from one dictionary, when it had `count` values.

    The leaves are right for codes up to `room`, as long as no value beyond `count` passes one
    of `tests`; `whole`: they hold for no more values than there were.
    """

    count: int
    room: int
    tests: set[bound.StringTest] = field(default_factory=set)
    whole: bool = False

    def still_right(self, dictionary: Dictionary) -> bool:
        """Whether the leaves hold for a later state of the dictionary; notes its count if so."""
        count = len(dictionary)
        if count == self.count:
            return True
        if self.whole or count > self.room:
            return False
        strings = dictionary.strings.slice(self.count, count)
        if any(test.passes(value) for value in strings.to_list() for test in self.tests if value):
            return False
        self.count = count
        return True


class LeafPlanner:
    """Plans predicates against one snapshot at one instant.

    `list_members` finds an uploaded list by name (NotFound where there is none). `lists`
    collects the lists that the predicates planned so far have read, `row_leaves` their leaves,
    and `lookups` what they took from dictionaries, by field number. Category leaves are made
    for `spare_codes` more codes than are given out.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        numbers: NumberPlanner,
        list_members: Callable[[str], ListMembers],
        spare_codes: int = 0,
    ) -> None:
        self.lists: dict[str, ListMembers] = {}
        self.row_leaves: dict[str, ops.RowsLeaf] = {}
        self.lookups: dict[int, Lookup] = {}
        self._dictionaries: dict[int, tuple[Dictionary, Lookup]] = {}
        self._spare_codes = spare_codes
        self._snapshot = snapshot
        self._numbers = numbers
        self._list_members = list_members

    def plan(self, item: bound.BoundExpr) -> ops.LeafLogic:
        """The leaf of a predicate that is not logic. Raises NotYet where it has no evaluator."""
        match item:
            case bound.BoundCompare(form=form, op=op):
                return self._numbers.compare(form, op)
            case bound.BoundIn(form=form, values=values, negated=negated):
                return self._numbers.among(form, values, negated)
            case bound.BoundFloatCompare(left=left, op=op, right=right):
                return self._numbers.compare_floats(left, op, right)
            case bound.BoundFloatIn(value=value, values=values, negated=negated):
                return self._numbers.among_floats(value, values, negated)
            case bound.BoundCategory(read=read, test=test, negated=negated):
                return self._category(read, test, negated)
            case bound.BoundCategoryPair(left=left, right=right, negated=negated):
                return self._category_pair(left, right, negated)
            case bound.BoundBool(read=read, wanted=wanted):
                number = self._field(read)
                return number is not None and ops.SetLeaf(number, (2 if wanted else 1,))
            case bound.BoundSet(attribute=attribute, test=test):
                number = self._field(attribute)
                codes = [] if number is None else self._passing(number, test)
                return ops.SetLeaf(number, tuple(codes)) if number and codes else False
            case bound.BoundText(read=read, how=how, needle=needle, negated=negated):
                number = self._field(read)
                return number is not None and ops.TextLeaf(number, how, needle.encode(), negated)
            case bound.BoundPresence(read=Attribute() as attribute):
                return self._presence(attribute)
            case bound.BoundPresence(read=BoundAggregate(function="latest") as latest):
                return self._presence(latest)
            case bound.BoundPresence(read=BoundAggregate() as aggregate):
                return self._numbers.events.present(aggregate)
            case bound.BoundList(name=name):
                return self._list(name)
            case bound.BoundLater(construct=construct):
                raise NotYet(f"{construct} can be written and checked, and not evaluated yet.")
            case BoundSequence():
                return plan_sequence(item, self._numbers.events)
            case _:
                raise AssertionError(f"logic is not a leaf: {item}")

    @property
    def numbers(self) -> NumberPlanner:
        """What plans the numbers that leaves compare."""
        return self._numbers

    @property
    def columns(self) -> list[ops.Column]:
        """What the leaves read beside stored fields: see `Plan`."""
        return self._numbers.columns

    def _field(self, read: bound.Read) -> int | None:
        if isinstance(read, Attribute):
            return attribute_field(self._snapshot, read)
        return self._numbers.events.field(read)

    def _codes(self, read: bound.Read) -> tuple[int, int] | None:
        """The field of a category, and that whose dictionary has its strings; None where nobody
        has it."""
        number = self._field(read)
        source = number
        if isinstance(read, BoundAggregate):
            source = self._numbers.events.dictionary(read)
        return None if number is None or source is None else (number, source)

    def _lookup(self, number: int) -> tuple[Dictionary, Lookup]:
        found = self._dictionaries.get(number)
        if found is None:
            dictionary = self._snapshot.dictionary(number)
            count = len(dictionary)
            lookup = self.lookups.setdefault(number, Lookup(count, count + self._spare_codes))
            found = self._dictionaries[number] = dictionary, lookup
        return found

    def _passing(self, number: int, test: bound.StringTest) -> list[int]:
        """Codes of the values that pass, in order."""
        dictionary, lookup = self._lookup(number)
        lookup.tests.add(test)
        if test.how == "in":
            return sorted(dictionary.codes_of(test.values))
        values = enumerate(dictionary.values, 1)
        return [code for code, value in values if test.passes(value)]

    def _category(self, read: bound.Read, test: bound.StringTest, negated: bool) -> ops.LeafLogic:
        places = self._codes(read)
        if places is None:
            return False
        number, source = places
        room = self._lookup(source)[1].room
        codes = self._passing(source, test)
        if not negated and len(codes) <= _FEW_CODES:
            return _few_codes_leaf(number, codes, room)
        hits = np.zeros(room + 1, dtype=bool)
        hits[codes] = True
        if negated:
            hits = ~hits
            hits[0] = False
        return _codes_leaf(number, hits)

    def _category_pair(self, left: bound.Read, right: bound.Read, negated: bool) -> ops.LeafLogic:
        left_places, right_places = self._codes(left), self._codes(right)
        if left_places is None or right_places is None:
            return False
        left_field, right_field = left_places[0], right_places[0]
        dictionary, lookup = self._lookup(left_places[1])
        right_codes, right_lookup = self._lookup(right_places[1])
        lookup.whole = right_lookup.whole = True
        codes = np.zeros(len(dictionary) + 1, dtype=np.uint32)
        codes[1:] = right_codes.codes(dictionary.strings)
        return ops.CodePairLeaf(left_field, right_field, codes.tobytes(), negated)

    def _presence(self, read: bound.Read) -> ops.LeafLogic:
        number = self._field(read)
        if number is None:
            return False
        if read.type in ("set", "bool"):
            return ops.SetLeaf(number, (0,))
        if read.type == "category":
            places = self._codes(read)
            if places is None:
                return False
            hits = np.ones(self._lookup(places[1])[1].room + 1, dtype=bool)
            hits[0] = False
            return _codes_leaf(number, hits)
        return ops.PresentLeaf(number, is_text=read.type == "text")

    def _list(self, name: str) -> ops.LeafLogic:
        if name not in self.lists:
            self.lists[name] = self._list_members(name)
            self.row_leaves[name] = ops.RowsLeaf(self.lists[name].rows)
        return self.row_leaves[name]


# Up to so many codes are set bit by bit, which takes less than the calls for arrays of them.
_FEW_CODES = 32


def _few_codes_leaf(field: int, codes: list[int], room: int) -> ops.LeafLogic:
    """The same leaf for few codes, which ascend, of at most `room`."""
    if not codes:
        return False
    members = bytearray(max(LEAST_MEMBERS, room + 64) // 64 * 8)
    for code in codes:
        members[code >> 3] |= 1 << (code & 7)
    lowest, highest = codes[0], codes[-1]
    contiguous = highest - lowest + 1 == len(codes)
    return ops.CodesLeaf(field, bytes(members), lowest, highest, contiguous)


def _codes_leaf(field: int, hits: NDArray[np.bool_]) -> ops.LeafLogic:
    """Leaf for the codes whose element is True; element 0 is False."""
    codes = np.flatnonzero(hits)
    if not len(codes):
        return False
    padded = np.zeros(max(LEAST_MEMBERS, -(-len(hits) // 64) * 64), dtype=bool)
    padded[: len(hits)] = hits
    lowest, highest = int(codes[0]), int(codes[-1])
    return ops.CodesLeaf(
        field,
        np.packbits(padded, bitorder="little").tobytes(),
        lowest,
        highest,
        contiguous=highest - lowest + 1 == len(codes),
    )
