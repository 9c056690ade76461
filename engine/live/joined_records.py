"""Records of the log that can be carried out as one.

A batch may say several things about one row, and what they come down to is settled before anything
is written. So the batches of some records, one behind the other, do what a single one would do; but
it takes a fraction of the time, because what is done once for each block is done less often. That
does not hold where somebody asks what the state was between two of them:

1. The feed tells who enters and leaves with each record, so it must have them already.
2. Facts follow from what happens to a definition, and are kept.
3. Where something moves with the clock, all of them must be of one instant, and no block may lag.
4. Events, and attributes with history, whose changes are events at the instant of their record, are
   left to be carried out one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.columns import strings
from engine.limits import JOINED_CELLS
from engine.live.committing import Logged
from engine.live.mentions import join_mentions, mentions_of
from engine.live.update import (
    NO_TIME,
    LinkedIdentifiers,
    ProfileUpdate,
    SetCells,
    TextCells,
    VectorCells,
)

__all__ = ["JoinRules", "Joined", "RecordJoiner"]


class _Cells(Protocol):
    """What all sections of an update have."""

    @property
    def field_id(self) -> int: ...

    @property
    def rows(self) -> NDArray[np.uint32]: ...


_C = TypeVar("_C", bound=_Cells)


@dataclass(frozen=True, slots=True)
class Joined:
    """What records from `first` to that of `logged` come to, all that blocks have of them left
    out."""

    first: int
    logged: Logged


@dataclass(frozen=True, slots=True)
class JoinRules:
    """What the state says about records that are joined: `through` is the last that the feed has,
    `one_instant` whether something moves with the clock, `dated` the attributes with history."""

    through: int
    one_instant: bool
    dated: frozenset[int]


class RecordJoiner:
    """Records that are carried out together, one group after the other.

    `absorbed` int64 (blocks,) has of each block the last record that its saved form has; blocks
    behind have none.
    """

    def __init__(self, absorbed: Sequence[int], rules: JoinRules) -> None:
        self._absorbed = np.array([*absorbed, 0], np.int64)
        self._rules = rules
        self._records: list[Logged] = []
        self._cells = 0

    def takes(self, logged: Logged) -> bool:
        """Whether a record can be carried out with those taken, if there are some."""
        update = logged.update
        if update is None or logged.is_tick or logged.sequence > self._rules.through:
            return False
        fields = [cells.field_id for cells in update.vectors]
        fields += [cells.field_id for cells in update.texts]
        if update.events or not self._rules.dated.isdisjoint(fields):
            return False
        if not self._records:
            return not len(update.uids) or self._creates(update, logged.sequence)
        first, last = self._records[0], self._records[-1]
        assert last.update is not None
        return (
            self._cells + _cells(update) <= JOINED_CELLS
            and (first.instant_us == logged.instant_us or not self._rules.one_instant)
            and update.first_new == last.update.row_count
            and (not len(update.uids) or self._creates(update, first.sequence))
        )

    def take(self, logged: Logged) -> None:
        """A record that can be carried out with those taken."""
        assert logged.update is not None
        self._records.append(logged)
        self._cells += _cells(logged.update)

    def joined(self) -> Joined | None:
        """What was taken, as one; None where nothing was. The next group begins."""
        if not self._records:
            return None
        records, self._records, self._cells = self._records, [], 0
        update = _joined([self._left(logged) for logged in records])
        return Joined(records[0].sequence, replace(records[-1], update=update))

    def _creates(self, update: ProfileUpdate, since: int) -> bool:
        """Whether no block of new profiles has any of the records from one on."""
        return bool((self._last(update.new_rows) < since).all())

    def _last(self, rows: NDArray[np.uint32]) -> NDArray[np.int64]:
        """The last record that the block of each row has."""
        last: NDArray[np.int64] = self._absorbed[np.minimum(rows >> 16, len(self._absorbed) - 1)]
        return last

    def _left(self, logged: Logged) -> ProfileUpdate:
        """A record without what is in blocks that have it."""
        update, sequence = logged.update, logged.sequence
        assert update is not None

        def left(cells: _C, some: Callable[[_C, NDArray[np.intp]], _C]) -> _C:
            takes = self._last(cells.rows) < sequence
            return cells if takes.all() else some(cells, np.flatnonzero(takes))

        return replace(
            update,
            identifiers=tuple(left(links, _some_links) for links in update.identifiers),
            vectors=tuple(left(cells, _some_vector) for cells in update.vectors),
            texts=tuple(left(cells, _some_texts) for cells in update.texts),
            sets=tuple(left(cells, _some_mentions) for cells in update.sets),
        )


def _cells(update: ProfileUpdate) -> int:
    sections: Sequence[_Cells] = (
        *update.identifiers,
        *update.vectors,
        *update.texts,
        *update.sets,
    )
    return sum(len(section.rows) for section in sections)


# ------------------------------------------------------------------------------ some of one


def _some_links(links: LinkedIdentifiers, at: NDArray[np.intp]) -> LinkedIdentifiers:
    return replace(
        links, rows=links.rows[at], values=links.values.take(at), digests=links.digests[at]
    )


def _some_vector(cells: VectorCells, at: NDArray[np.intp]) -> VectorCells:
    times = None if cells.times is None else cells.times[at]
    return VectorCells(cells.field_id, cells.rows[at], cells.values[at], cells.present[at], times)


def _some_texts(cells: TextCells, at: NDArray[np.intp]) -> TextCells:
    times = None if cells.times is None else cells.times[at]
    return TextCells(cells.field_id, cells.rows[at], cells.values.take(at), times)


def _some_mentions(cells: SetCells, at: NDArray[np.intp]) -> SetCells:
    return SetCells(cells.field_id, cells.giver_field_id, *mentions_of(cells).take(at))


# --------------------------------------------------------------------- one behind the other


def _joined(updates: Sequence[ProfileUpdate]) -> ProfileUpdate:
    return ProfileUpdate(
        updates[0].first_new,
        np.concatenate([update.uids for update in updates]),
        np.concatenate([update.uid_digests for update in updates]),
        tuple(map(_joined_links, _by_field(update.identifiers for update in updates))),
        tuple(map(_joined_vectors, _by_field(update.vectors for update in updates))),
        tuple(map(_joined_texts, _by_field(update.texts for update in updates))),
        tuple(map(_joined_mentions, _by_field(update.sets for update in updates))),
    )


def _by_field(sections: Iterable[Sequence[_C]]) -> Iterable[list[_C]]:
    """The sections of each field, in their order; those without a cell are left out."""
    found: dict[int, list[_C]] = {}
    for of_update in sections:
        for cells in of_update:
            if len(cells.rows):
                found.setdefault(cells.field_id, []).append(cells)
    return found.values()


def _joined_links(pieces: Sequence[LinkedIdentifiers]) -> LinkedIdentifiers:
    return LinkedIdentifiers(
        pieces[0].field_id,
        _rows(pieces),
        strings.concat([piece.values for piece in pieces]),
        np.concatenate([piece.digests for piece in pieces]),
    )


def _joined_vectors(pieces: Sequence[VectorCells]) -> VectorCells:
    return VectorCells(
        pieces[0].field_id,
        _rows(pieces),
        np.concatenate([piece.values for piece in pieces]),
        np.concatenate([piece.present for piece in pieces]),
        _times(pieces),
    )


def _joined_texts(pieces: Sequence[TextCells]) -> TextCells:
    texts = strings.concat([piece.values for piece in pieces])
    return TextCells(pieces[0].field_id, _rows(pieces), texts, _times(pieces))


def _joined_mentions(pieces: Sequence[SetCells]) -> SetCells:
    mentions = join_mentions([mentions_of(piece) for piece in pieces])
    return SetCells(pieces[0].field_id, pieces[0].giver_field_id, *mentions)


def _rows(pieces: Sequence[_Cells]) -> NDArray[np.uint32]:
    return np.concatenate([piece.rows for piece in pieces])


def _times(pieces: Sequence[VectorCells] | Sequence[TextCells]) -> NDArray[np.int64] | None:
    """The event times of all cells, None where none has one."""
    if all(piece.times is None for piece in pieces):
        return None
    return np.concatenate(
        [
            np.full(len(piece.rows), NO_TIME) if piece.times is None else piece.times
            for piece in pieces
        ]
    )
