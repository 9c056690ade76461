"""Events in memory: the arrays that chunks are made from and read back to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.columns import strings
from engine.columns.strings import Strings

__all__ = ["Codes", "Events", "Floats", "Ints", "Places", "Property", "Texts", "concat"]

# Some of n events: indices in the order wanted, bool[n], or a slice in steps of one.
Places = NDArray[Any] | slice


@dataclass(frozen=True, slots=True, eq=False)
class Ints:
    """An int, decimal (unscaled), date (days) or time (microseconds) of each event.

    values: int64[n], 0 where missing; present: bool[n].
    """

    values: NDArray[np.int64]
    present: NDArray[np.bool_]

    def take(self, places: Places) -> Ints:
        """Those of the events at `places`."""
        return Ints(self.values[places], self.present[places])


@dataclass(frozen=True, slots=True, eq=False)
class Floats:
    """A finite double of each event.

    values: float64[n], 0.0 where missing; present: bool[n].
    """

    values: NDArray[np.float64]
    present: NDArray[np.bool_]

    def take(self, places: Places) -> Floats:
        """Those of the events at `places`."""
        return Floats(self.values[places], self.present[places])


@dataclass(frozen=True, slots=True, eq=False)
class Codes:
    """A category or bool of each event. codes: uint32[n], 0 where missing."""

    codes: NDArray[np.uint32]

    @property
    def present(self) -> NDArray[np.bool_]:
        """bool[n]: which events have one."""
        held: NDArray[np.bool_] = self.codes != 0
        return held

    def take(self, places: Places) -> Codes:
        """Those of the events at `places`."""
        return Codes(self.codes[places])


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """A text of each event."""

    strings: Strings

    @property
    def present(self) -> NDArray[np.bool_]:
        """bool[n]: which events have one."""
        return self.strings.valid

    def take(self, places: Places) -> Texts:
        """Those of the events at `places`."""
        if isinstance(places, slice):
            return Texts(self.strings.slice(*places.indices(len(self.strings))[:2]))
        indices = np.flatnonzero(places) if places.dtype == np.bool_ else places
        return Texts(self.strings.take(indices))


Property = Ints | Floats | Codes | Texts


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """n events of one type of one block, in any order.

    rows: uint16[n]; times: int64[n], microseconds. ids: uint64[n], digests of the ids that
    sources gave, 0 for none; origins: uint32[n], codes from 1 of what identified them, 0 for
    unknown; None stands for zeros. properties: by number; one that is not there is missing on
    every event.
    """

    rows: NDArray[np.uint16]
    times: NDArray[np.int64]
    ids: NDArray[np.uint64] | None = None
    origins: NDArray[np.uint32] | None = None
    properties: Mapping[int, Property] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert self.rows.dtype == np.uint16 and self.times.dtype == np.int64
        assert self.ids is None or self.ids.dtype == np.uint64
        assert self.origins is None or self.origins.dtype == np.uint32
        present = [values.present for values in self.properties.values()]
        given = [self.times, self.ids, self.origins, *present]
        assert all(len(column) == len(self.rows) for column in given if column is not None)

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, places: Places) -> Events:
        """The events at `places`: see `Places`."""
        return Events(
            self.rows[places],
            self.times[places],
            None if self.ids is None else self.ids[places],
            None if self.origins is None else self.origins[places],
            {number: values.take(places) for number, values in self.properties.items()},
        )


def concat(pieces: Sequence[Events]) -> Events:
    """All events of the pieces, at least one, in order."""
    if len(pieces) == 1:
        return pieces[0]
    numbers = sorted({number for piece in pieces for number in piece.properties})
    return Events(
        np.concatenate([piece.rows for piece in pieces]),
        np.concatenate([piece.times for piece in pieces]),
        _concat_codes([piece.ids for piece in pieces], pieces, np.uint64),
        _concat_codes([piece.origins for piece in pieces], pieces, np.uint32),
        {number: _concat_property(number, pieces) for number in numbers},
    )


def _concat_codes(columns: Sequence[Any], pieces: Sequence[Events], dtype: Any) -> Any:
    """None where no piece has any."""
    if all(column is None for column in columns):
        return None
    filled = [
        np.zeros(len(piece), dtype) if column is None else column
        for column, piece in zip(columns, pieces, strict=True)
    ]
    return np.concatenate(filled)


def _concat_property(number: int, pieces: Sequence[Events]) -> Property:
    held = [piece.properties.get(number) for piece in pieces]
    like = next(values for values in held if values is not None)
    assert all(values is None or type(values) is type(like) for values in held), "one type each"
    full: list[Any] = [
        _missing(like, len(piece)) if values is None else values
        for values, piece in zip(held, pieces, strict=True)
    ]
    if isinstance(like, Codes):
        return Codes(np.concatenate([values.codes for values in full]))
    if isinstance(like, Texts):
        return Texts(strings.concat([values.strings for values in full]))
    joined = (np.concatenate([getattr(v, name) for v in full]) for name in ("values", "present"))
    return type(like)(*joined)


def _missing(like: Property, count: int) -> Property:
    if isinstance(like, Codes):
        return Codes(np.zeros(count, np.uint32))
    if isinstance(like, Texts):
        return Texts(Strings.missing(count))
    return type(like)(np.zeros(count, like.values.dtype), np.zeros(count, np.bool_))
