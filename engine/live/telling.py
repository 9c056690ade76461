"""How the feed tells what happens to definitions: in the order of the model, each in its form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from engine.live.change import Flips, Transition
from engine.live.definitions import Definition, key_of
from engine.live.flip_outcome import Passed
from engine.live.kept_level import Moved

__all__ = ["Telling"]


class Telling:
    """The definitions of one model version; `version_of` numbers each by its name."""

    def __init__(self, definitions: Iterable[Definition], version_of: Callable[[str], int]) -> None:
        told = [definition.name for definition in definitions if definition.is_told]
        self._numbers = {name: number for number, name in enumerate(told)}
        self.definitions = [(key_of(name), version_of(name)) for name in told]

    def transitions(self, moved: Moved) -> tuple[Transition, ...]:
        """Who enters and leaves at one instant."""
        return tuple(
            Transition(*self.definitions[self._numbers[name]], *moved[name])
            for name in sorted(self._numbers.keys() & moved.keys(), key=self._numbers.__getitem__)
        )

    def flips(self, passed: Sequence[tuple[Passed, Sequence[str]]]) -> Flips:
        """Who enters and leaves as time passes, of several levels with the names of what moves
        there; numbers are places in `definitions`."""
        columns: list[list[np.ndarray]] = [[], [], [], []]
        for outcome, names in passed:
            flips = outcome.flips
            number_of = np.array([self._numbers.get(name, -1) for name in names], np.int64)
            numbers = number_of[flips.definitions]
            told = numbers >= 0
            for column, values in zip(
                columns, (flips.instants, numbers, flips.rows, flips.entered), strict=True
            ):
                column.append(values[told])
        instants, numbers, rows, entered = (np.concatenate(column) for column in columns)
        order = np.lexsort((rows, ~entered, numbers, instants))
        return Flips(instants[order], numbers[order].astype(np.uint32), rows[order], entered[order])
