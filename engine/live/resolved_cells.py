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

__all__ = ["Intern", "ResolvedCells", "interned", "only_at", "plain_strings", "resolve_cells"]

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
    acting = only_at(valid, at) if column.unset is None else only_at(valid | column.unset, at)
    if not acting.all():
        at, rows = at[acting], rows[acting]
    if not len(at):
        return None
    brought = None if times is None else only_at(times, at)
    if brought is not None and (brought == NO_TIME).all():
        brought = None
    present = only_at(valid, at)
    if not isinstance(column, Texts):
        return VectorCells(field.id, rows, only_at(column.values, at), present, brought)
    if attribute.type == "text":
        return TextCells(field.id, rows, plain_strings(column.values.take(at)), brought)
    strings = column.values if len(at) == len(valid) else column.values.take(at)
    return VectorCells(field.id, rows, interned(intern, field.id, strings), present, brought)


def plain_strings(strings: Strings | CodedStrings) -> Strings:
    """The strings, written out."""
    return strings.plain() if isinstance(strings, CodedStrings) else strings


def interned(intern: Intern, number: int, strings: Strings | CodedStrings) -> NDArray[np.uint32]:
    """Codes of strings in a dictionary; see Intern."""
    if isinstance(strings, CodedStrings):
        return strings.interned(partial(intern, number))
    return intern(number, strings)


def only_at(cells: NDArray[Any], at: NDArray[np.intp]) -> NDArray[Any]:
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
    codes = np.concatenate([interned(intern, field_id, piece.values) for piece in pieces])
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
    sizes = only_at(np.diff(cells.offsets), at)
    acting = sizes > 0 if cells.unset is None else (sizes > 0) | only_at(cells.unset, at)
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
