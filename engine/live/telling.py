"""How the feed tells what happens to definitions.

Of a segment or a tag it tells who enters and who leaves. A score has several bands and a tier
several names, of which a profile has at most one: who leaves one and enters another at one instant
has made one change, told under the name of the score or tier with what it was and what it has
become, '' for none. In the stored feed both stand behind that name (`engine.live.moved_key`). Of an
action it tells who enters: that is when there is something to do.

What is told is in the order of the model, and numbered so that it is the same however many steps
time takes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.live.change import Flips, Numbered, Transition
from engine.live.definitions import NOBODY, Definition, GoneName
from engine.live.flip_order import FlipRun, in_order
from engine.live.flip_outcome import Passed
from engine.live.kept_level import Moved
from engine.live.moved_key import moved_key

__all__ = ["Telling"]

# Numbers of definitions, or values; instants; rows; whether they entered.
_Columns = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint32], NDArray[np.bool_]]

_NOBODY = np.zeros(0, np.uint32)
_NOTHING: _Columns = (np.zeros(0, np.int64), np.zeros(0, np.int64), _NOBODY, np.zeros(0, np.bool_))


@dataclass(slots=True)
class _Names:
    """A key path with names: how they are told, and the number of the first change.

    A change is numbered by its old and new name, of which 0 is none.
    """

    key: str
    version: int = 0
    first: int = 0
    names: list[str] = field(default_factory=lambda: [""])
    of_definition: dict[str, int] = field(default_factory=dict)

    def take(self, definition: Definition, version: int) -> None:
        self.of_definition[definition.name] = len(self.names)
        self.names.append(definition.value or "")
        self.version = max(self.version, version)

    def told(self, change: int) -> tuple[str, int]:
        old, new = divmod(change, len(self.names))
        return moved_key(self.key, self.names[old], self.names[new]), self.version


class _Told:
    """What is told under each number, see change.Numbered."""

    def __init__(self, alone: Mapping[int, tuple[str, int]], groups: Sequence[_Names]) -> None:
        self._alone = alone
        self._groups = groups
        self._firsts = [group.first for group in groups]

    def __getitem__(self, number: int) -> tuple[str, int]:
        if number in self._alone:
            return self._alone[number]
        group = self._groups[bisect_right(self._firsts, number) - 1]
        return group.told(number - group.first)


class Telling:
    """The definitions of one model version; `version_of` numbers each by its name.

    `definitions[number]` is the key path and the version that the feed tells, for `count` numbers.
    """

    def __init__(self, definitions: Iterable[Definition], version_of: Callable[[str], int]) -> None:
        self._numbers: dict[str, int] = {}
        self._actions: set[str] = set()
        groups: dict[str, _Names] = {}
        alone: dict[int, tuple[str, int]] = {}
        known = list(definitions)
        self._known, self._version_of = known, version_of
        for definition in known:
            if definition.value is not None:
                group = groups.setdefault(definition.told, _Names(definition.told))
                group.take(definition, version_of(definition.name))
        free = 0
        for definition in known:
            if definition.value is not None:
                group = groups[definition.told]
                if group.of_definition[definition.name] == 1:
                    group.first = free
                    free += len(group.names) ** 2
            elif definition.told:
                self._numbers[definition.name] = free
                alone[free] = definition.told, version_of(definition.name)
                if definition.is_action:
                    self._actions.add(definition.name)
                free += 1
        self._groups = list(groups.values())
        self.count = free
        self.definitions: Numbered = _Told(alone, self._groups)

    def with_gone(self, gone: Iterable[GoneName]) -> Telling:
        """The same with names that the model no longer has."""
        more = [Definition(one.name, NOBODY, one.told, one.value) for one in gone]
        return Telling([*self._known, *more], self._version_of) if more else self

    def transitions(self, moved: Moved) -> tuple[Transition, ...]:
        """Who enters and leaves at one instant."""
        found = {}
        for name, number in self._numbers.items():
            entered, left = moved.get(name, (_NOBODY, _NOBODY))
            if name in self._actions:
                left = left[:0]
            if len(entered) or len(left):
                found[number] = Transition(*self.definitions[number], entered, left)
        for group in self._groups:
            pieces = [
                (np.full(len(rows), value), np.zeros(len(rows), np.int64), rows,
                 np.full(len(rows), entered))
                for name, value in group.of_definition.items() if name in moved
                for entered, rows in zip((True, False), moved[name], strict=True)
            ]  # fmt: skip
            changes, _, rows, _ = _changes(group, pieces)
            for number in np.unique(changes).tolist():
                chosen = rows[changes == number]
                found[number] = Transition(*self.definitions[number], chosen, rows[:0])
        return tuple(found[number] for number in sorted(found))

    def flips(self, passed: Sequence[tuple[Passed, Sequence[str]]]) -> Flips:
        """Who enters and leaves as time passes, of several levels with the names of what moves
        there; numbers are places in `definitions`."""
        asked = [
            (outcome.single, names, _occur(outcome.single, names)) for outcome, names in passed
        ]
        pieces = [self._alone(*one) for one in asked]
        for group in self._groups:
            of_group = [_chosen(*one, group.of_definition) for one in asked]
            of_group += [
                (np.full(len(rows), number), np.full(len(rows), at), rows, np.full(len(rows), side))
                for at, number, side, rows in _runs_of(passed, group.of_definition)
            ]
            pieces.append(_changes(group, of_group))
        numbers, instants, rows, entered = _joined(pieces)
        acting = {self._numbers[name] for name in self._actions}
        runs = [
            run
            for run in _runs_of(passed, self._numbers)
            if run.entered or run.definition not in acting
        ]
        return in_order(Flips(instants, numbers.astype(np.uint32), rows, entered), runs)

    def _alone(self, flips: Flips, names: Sequence[str], occur: NDArray[np.bool_]) -> _Columns:
        """The flips of what is told by itself."""
        numbers, instants, rows, entered = _chosen(flips, names, occur, self._numbers)
        if not self._actions:
            return numbers, instants, rows, entered
        actions = [self._numbers[name] for name in self._actions]
        told = entered | ~np.isin(numbers, actions)
        return numbers[told], instants[told], rows[told], entered[told]


def _occur(flips: Flips, names: Sequence[str]) -> NDArray[np.bool_]:
    """Which of the names flips are about."""
    found: NDArray[np.bool_] = np.bincount(flips.definitions, minlength=len(names)) > 0
    return found


def _chosen(
    flips: Flips, names: Sequence[str], occur: NDArray[np.bool_], numbers: Mapping[str, int]
) -> _Columns:
    """Those flips whose definitions have a number; `occur` says of each whether it has flips."""
    number_of = np.array([numbers.get(name, -1) for name in names], np.int64)
    if not (number_of[occur] >= 0).any():
        return _NOTHING
    found = number_of[flips.definitions]
    if (number_of[occur] >= 0).all():
        return found, flips.instants, flips.rows, flips.entered
    mine = found >= 0
    return found[mine], flips.instants[mine], flips.rows[mine], flips.entered[mine]


def _runs_of(
    passed: Sequence[tuple[Passed, Sequence[str]]], numbers: Mapping[str, int]
) -> list[FlipRun]:
    """The runs of those definitions that have a number, which stands for them."""
    return [
        run._replace(definition=numbers[names[run.definition]])
        for outcome, names in passed
        for run in outcome.runs
        if names[run.definition] in numbers
    ]


def _joined(pieces: Sequence[_Columns]) -> _Columns:
    some = [piece for piece in pieces if len(piece[0])]
    if len(some) == 1:
        return some[0]
    numbers, instants, rows, entered = (
        np.concatenate(column) for column in zip(_NOTHING, *pieces, strict=True)
    )
    return numbers, instants, rows, entered


def _changes(group: _Names, pieces: Sequence[_Columns]) -> _Columns:
    """Names that rows get and lose, as changes from one to another: of each row and instant one,
    in order of rows."""
    values, instants, rows, entered = _joined(pieces)
    if not len(rows):
        return values, instants, rows, entered
    order = np.lexsort((instants, rows))
    values, instants, rows, entered = values[order], instants[order], rows[order], entered[order]
    fresh = np.ones(len(rows), np.bool_)
    fresh[1:] = (rows[1:] != rows[:-1]) | (instants[1:] != instants[:-1])
    place = np.cumsum(fresh) - 1
    old, new = np.zeros((2, int(np.count_nonzero(fresh))), np.int64)
    old[place[~entered]] = values[~entered]
    new[place[entered]] = values[entered]
    numbers = group.first + old * len(group.names) + new
    return numbers, instants[fresh], rows[fresh], np.ones(len(numbers), np.bool_)
