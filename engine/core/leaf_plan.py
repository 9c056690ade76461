"""Bound predicates as leaves over stored integers, codes and rows.

What depends on the data is settled here: strings become dictionary codes, `now` the instant
asked for, decimals their unscaled integers, list names row numbers. A predicate that the
dictionaries decide alone becomes true or false.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.core import operations as ops
from engine.core.number_plan import NumberPlanner
from engine.errors import NotYet
from engine.rules import bound
from engine.store.snapshot import Snapshot

__all__ = ["LeafPlanner", "ListMembers"]


@dataclass(frozen=True, slots=True)
class ListMembers:
    """Profiles that own an identifier of an uploaded list: sorted rows, uint32; and how many
    identifiers nobody owns yet."""

    rows: NDArray[np.uint32]
    waiting: int


class LeafPlanner:
    """Plans predicates against one snapshot at one instant.

    `list_members` finds an uploaded list by name (NotFound where there is none). `lists` and
    `attributes` collect the names that the predicates planned so far have read.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        numbers: NumberPlanner,
        list_members: Callable[[str], ListMembers],
    ) -> None:
        self.lists: dict[str, ListMembers] = {}
        self._rows: dict[str, ops.RowsLeaf] = {}
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
            case bound.BoundCategory(attribute=attribute, test=test, negated=negated):
                return self._category(attribute.name, test, negated)
            case bound.BoundCategoryPair(left=left, right=right, negated=negated):
                return self._category_pair(left.name, right.name, negated)
            case bound.BoundBool(attribute=attribute, wanted=wanted):
                return ops.SetLeaf(self._field(attribute.name), (2 if wanted else 1,))
            case bound.BoundSet(attribute=attribute, test=test):
                codes = self._passing(self._field(attribute.name), test)
                return ops.SetLeaf(self._field(attribute.name), tuple(codes)) if codes else False
            case bound.BoundText(attribute=attribute, how=how, needle=needle, negated=negated):
                return ops.TextLeaf(self._field(attribute.name), how, needle.encode(), negated)
            case bound.BoundPresence(attribute=attribute):
                return self._presence(attribute.name, attribute.type)
            case bound.BoundList(name=name):
                return self._list(name)
            case bound.BoundLater(construct=construct):
                raise NotYet(f"{construct} can be written and checked, and not evaluated yet.")
            case _:
                raise AssertionError(f"no leaf for {type(item).__name__}")

    def _field(self, attribute: str) -> int:
        return int(self._snapshot.fields[attribute].id)

    def _passing(self, field: int, test: bound.StringTest) -> list[int]:
        """Codes of the values that pass, in order."""
        dictionary = self._snapshot.dictionary(field)
        if test.how == "in":
            codes = {dictionary.code(value) for value in test.values}
            return sorted(codes - {0})
        (needle,) = test.values
        passes = _STRING_TESTS[test.how]
        return [code for code, value in enumerate(dictionary.values, 1) if passes(value, needle)]

    def _category(self, attribute: str, test: bound.StringTest, negated: bool) -> ops.LeafLogic:
        field = self._field(attribute)
        count = len(self._snapshot.dictionary(field).values)
        hits = np.zeros(count + 1, dtype=bool)
        hits[self._passing(field, test)] = True
        if negated:
            hits = ~hits
            hits[0] = False
        return _codes_leaf(field, hits)

    def _category_pair(self, left: str, right: str, negated: bool) -> ops.LeafLogic:
        left_field, right_field = self._field(left), self._field(right)
        values = self._snapshot.dictionary(left_field).values
        right_codes = self._snapshot.dictionary(right_field)
        codes = np.zeros(len(values) + 1, dtype=np.uint32)
        codes[1:] = [right_codes.code(value) for value in values]
        return ops.CodePairLeaf(left_field, right_field, codes.tobytes(), negated)

    def _presence(self, attribute: str, type_: str) -> ops.LeafLogic:
        field = self._field(attribute)
        if type_ in ("set", "bool"):
            return ops.SetLeaf(field, (0,))
        if type_ == "category":
            hits = np.ones(len(self._snapshot.dictionary(field).values) + 1, dtype=bool)
            hits[0] = False
            return _codes_leaf(field, hits)
        return ops.PresentLeaf(field, is_text=type_ == "text")

    def _list(self, name: str) -> ops.LeafLogic:
        if name not in self.lists:
            self.lists[name] = self._list_members(name)
            self._rows[name] = ops.RowsLeaf(self.lists[name].rows)
        return self._rows[name] if len(self.lists[name].rows) else False


_STRING_TESTS: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda value, needle: needle in value,
    "starts with": lambda value, needle: value.startswith(needle),
    "ends with": lambda value, needle: value.endswith(needle),
}


def _codes_leaf(field: int, hits: NDArray[np.bool_]) -> ops.LeafLogic:
    """Leaf for the codes whose element is True; element 0 is False."""
    codes = np.flatnonzero(hits)
    if not len(codes):
        return False
    padded = np.zeros(-(-len(hits) // 64) * 64, dtype=bool)
    padded[: len(hits)] = hits
    lowest, highest = int(codes[0]), int(codes[-1])
    return ops.CodesLeaf(
        field,
        np.packbits(padded, bitorder="little").tobytes(),
        lowest,
        highest,
        contiguous=highest - lowest + 1 == len(codes),
    )
