"""From the cells of a batch, by name, to cells of fields, by number: one class for both writers.

Strings of categories and sets become codes, givers too. Nothing here knows what the cells are
laid over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.columns.coded import CodedStrings
from engine.columns.strings import Strings
from engine.live.batch import Column, ProfileBatch, SetColumn, Texts
from engine.live.mentions import stretches
from engine.live.update import ADD, NO_TIME, REMOVE, REPLACE, SetCells, TextCells, VectorCells
from engine.model.definitions import Attribute, Model
from engine.store.catalog import GIVERS, Field, giver_field

__all__ = ["Intern", "ResolvedCells", "resolve_cells"]

# (number of a dictionary, n strings) -> codes uint32 (n,) from 1, 0 where missing; new strings
# get codes. Raises InputInvalid where the dictionary would grow beyond its limit.
Intern = Callable[[int, Strings], NDArray[np.uint32]]


class ResolvedCells(NamedTuple):
    """All cells of the accepted updates of a batch."""

    vectors: tuple[VectorCells, ...]
    texts: tuple[TextCells, ...]
    sets: tuple[SetCells, ...]


class _Pieces(NamedTuple):
    """Mentions of one mode: of which accepted update each is, how many values it names, and
    all those values."""

    of_update: NDArray[np.intp]
    sizes: NDArray[np.int64]
    values: Strings | CodedStrings


def resolve_cells(
    batch: ProfileBatch,
    at: NDArray[np.intp],  # the accepted updates
    rows: NDArray[np.uint32],  # their profiles
    giver: str,  # who gives set values where an update does not say it
    model: Model,
    fields: Mapping[str, Field],
    intern: Intern,
) -> ResolvedCells:
    """The cells of the accepted updates, in their order."""
    vectors, texts = [], []
    for name, column in batch.attributes.items():
        cells = _column_cells(
            model.attributes[name], fields[name], column, at, rows, batch.times, intern
        )
        if isinstance(cells, TextCells):
            texts.append(cells)
        elif cells is not None:
            vectors.append(cells)
    named = dict.fromkeys((*batch.sets, *batch.removed, *batch.added))
    if not named:
        return ResolvedCells(tuple(vectors), tuple(texts), ())
    givers = _giver_codes(batch.giver, giver, at, intern)
    sets = [_set_cells(batch, name, at, rows, givers, fields, intern) for name in named]
    return ResolvedCells(
        tuple(vectors), tuple(texts), tuple(cells for cells in sets if len(cells.rows))
    )


def _column_cells(
    attribute: Attribute,
    field: Field,
    column: Column,
    at: NDArray[np.intp],
    rows: NDArray[np.uint32],
    times: NDArray[np.int64] | None,
    intern: Intern,
) -> VectorCells | TextCells | None:
    """The cells of a column that do something; None where there are none."""
    valid = column.values.valid if isinstance(column, Texts) else column.valid
    acting = _only(valid, at) if column.unset is None else _only(valid | column.unset, at)
    if not acting.all():
        at, rows = at[acting], rows[acting]
    if not len(at):
        return None
    brought = None if times is None else _only(times, at)
    if brought is not None and (brought == NO_TIME).all():
        brought = None
    present = _only(valid, at)
    if not isinstance(column, Texts):
        return VectorCells(field.id, rows, _only(column.values, at), present, brought)
    if attribute.type == "text":
        return TextCells(field.id, rows, _plain(column.values.take(at)), brought)
    strings = column.values if len(at) == len(valid) else column.values.take(at)
    return VectorCells(field.id, rows, _interned(intern, field.id, strings), present, brought)


def _plain(strings: Strings | CodedStrings) -> Strings:
    return strings.plain() if isinstance(strings, CodedStrings) else strings


def _interned(intern: Intern, number: int, strings: Strings | CodedStrings) -> NDArray[np.uint32]:
    if isinstance(strings, CodedStrings):
        return strings.interned(partial(intern, number))
    return intern(number, strings)


def _only(cells: NDArray[Any], at: NDArray[np.intp]) -> NDArray[Any]:
    """The cells at ascending places; not copied where these are all."""
    return cells if len(at) == len(cells) else cells[at]


def _set_cells(
    batch: ProfileBatch,
    name: str,
    at: NDArray[np.intp],
    rows: NDArray[np.uint32],
    givers: NDArray[np.uint32],
    fields: Mapping[str, Field],
    intern: Intern,
) -> SetCells:
    """All mentions of one set: within one update replace, then remove, then add."""
    pieces, modes = [], []
    for mode, columns in ((REPLACE, batch.sets), (REMOVE, batch.removed), (ADD, batch.added)):
        if name in columns:
            pieces.append(_mentioned(columns[name], at))
            modes.append(np.full(len(pieces[-1].of_update), mode, np.uint8))
    field_id = fields[name].id
    of_update = np.concatenate([piece.of_update for piece in pieces])
    sizes = np.concatenate([piece.sizes for piece in pieces])
    codes = np.concatenate([_interned(intern, field_id, piece.values) for piece in pieces])
    if len(pieces) == 1:
        # In order already, as each update has one mention.
        return SetCells(
            field_id,
            fields[giver_field(name)].id,
            rows if len(of_update) == len(rows) else rows[of_update],
            givers if len(of_update) == len(givers) else givers[of_update],
            np.append(np.int64(0), np.cumsum(sizes)),
            codes,
            modes[0],
        )
    starts = np.cumsum(sizes) - sizes
    order = np.argsort(of_update, kind="stable")
    of_update, sizes = of_update[order], sizes[order]
    return SetCells(
        field_id,
        fields[giver_field(name)].id,
        rows[of_update],
        givers[of_update],
        np.append(np.int64(0), np.cumsum(sizes)),
        codes[stretches(starts[order], sizes)],
        np.concatenate(modes)[order],
    )


def _mentioned(cells: SetColumn, at: NDArray[np.intp]) -> _Pieces:
    sizes = _only(np.diff(cells.offsets), at)
    acting = sizes > 0 if cells.unset is None else (sizes > 0) | _only(cells.unset, at)
    of_update = np.flatnonzero(acting)
    sizes = sizes[acting]
    values = cells.values
    if int(sizes.sum()) < len(values):
        values = values.take(stretches(cells.offsets[at[of_update]], sizes))
    return _Pieces(of_update, sizes, values)


def _giver_codes(
    named: Strings | None, giver: str, at: NDArray[np.intp], intern: Intern
) -> NDArray[np.uint32]:
    (own,) = intern(GIVERS, Strings.from_list([giver]))
    if named is None:
        return np.full(len(at), own, np.uint32)
    codes = intern(GIVERS, named.take(np.where(named.lengths()[at] > 0, at, -1)))
    codes[codes == 0] = own
    return codes
