"""Identifiers and attributes of a batch of rows, read by column.

Decoding a block's column costs the same for one row as for all of them, so each is decoded once
for a batch, and what is made of its cells is made in one go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.bitmaps.containers import BLOCK_ROWS
from engine.columns.bools import decode_bools
from engine.columns.codes import decode_codes
from engine.columns.floats import decode_floats
from engine.columns.ints import decode_ints
from engine.columns.sets import decode_set_pairs
from engine.columns.strings import Strings, concat
from engine.columns.texts import decode_texts
from engine.columns.values import decode_values
from engine.listing.batches import Batch, Stretch
from engine.live.stored_values import AttributeValue
from engine.store.catalog import Field, FieldKind
from engine.store.snapshot import Snapshot

__all__ = ["attribute_cells", "owned_identifiers"]

# Fewer rows than this are looked for one by one; more, and all rows of the block are counted.
_FEW_ROWS = 1024

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def owned_identifiers(
    snapshot: Snapshot, field_id: int, batch: Batch
) -> tuple[Strings, NDArray[np.intp]]:
    """All identifiers of a kind that the rows of a batch own, in the order of the rows, and for
    each the place of its row in the batch."""
    pieces, owners = [], []
    for stretch in batch.stretches:
        parts = snapshot.payloads(field_id, stretch.block)
        if parts:
            rows, values = decode_values(parts)
            first, counts = _stretches_of(rows, stretch.inside)
            starts = np.repeat(first - (np.cumsum(counts) - counts), counts)
            pieces.append(values.take(starts + np.arange(len(starts))))
            owners.append(np.repeat(stretch.places, counts))
    if not pieces:
        return Strings.missing(0), np.zeros(0, np.intp)
    if len(pieces) == 1:
        return pieces[0], owners[0]
    places = np.concatenate(owners)
    order = np.argsort(places, kind="stable")
    return concat(pieces).take(order), places[order]


def _stretches_of(
    owners: NDArray[np.uint16], inside: NDArray[np.uint16]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """For each of some rows where its entries begin among sorted owners, and how many it has."""
    if len(inside) < _FEW_ROWS:
        first = np.searchsorted(owners, inside, side="left")
        return first, np.searchsorted(owners, inside, side="right") - first
    counts = np.bincount(owners, minlength=BLOCK_ROWS)
    return (np.cumsum(counts) - counts)[inside], counts[inside]


def attribute_cells(
    snapshot: Snapshot, field: Field | None, batch: Batch
) -> list[AttributeValue | None]:
    """The values of an attribute in the rows of a batch; None where missing, and everywhere
    without a field. Typed as in ProfileRecord."""
    cells: Any = np.empty(batch.row_count, object)
    if field is not None:
        read = _READERS[field.kind]
        for stretch in batch.stretches:
            parts = snapshot.payloads(field.id, stretch.block)
            if parts:
                found = np.empty(len(stretch.inside), object)
                found[:] = read(snapshot, field, parts, stretch)
                cells[stretch.places] = found
    return cells.tolist()  # type: ignore[no-any-return]


def _stored(stretch: Stretch, count: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Where the rows of a stretch are among `count` stored ones, and which are at all."""
    inside = stretch.inside.astype(np.intp)
    known = inside < count
    return np.where(known, inside, 0), known


def _cells(values: list[Any], present: NDArray[np.bool_]) -> list[Any]:
    """The values, None where not present."""
    if present.all():
        return values
    return [value if has else None for value, has in zip(values, present.tolist(), strict=True)]


def _ints(snapshot: Snapshot, field: Field, parts: Sequence[Buffer], stretch: Stretch) -> list[Any]:
    values, present = decode_ints(parts)
    at, known = _stored(stretch, len(values))
    distinct, places = np.unique(values[at], return_inverse=True)
    made = list(map(_made(field), distinct.tolist()))
    return _cells([made[place] for place in places.tolist()], known & present[at])


def _made(field: Field) -> Callable[[int], AttributeValue]:
    """What makes the value of an int, decimal, date or time of the integer that is stored."""
    match field.type:
        case "decimal":
            return lambda number: Decimal(number).scaleb(-field.scale)
        case "date":
            return lambda number: date.fromordinal(_EPOCH_DAY + number)
        case "time":
            return lambda number: _EPOCH + timedelta(microseconds=number)
        case _:
            return int


def _floats(
    snapshot: Snapshot, field: Field, parts: Sequence[Buffer], stretch: Stretch
) -> list[Any]:
    values, present = decode_floats(parts)
    at, known = _stored(stretch, len(values))
    return _cells(values[at].tolist(), known & present[at])


def _bools(
    snapshot: Snapshot, field: Field, parts: Sequence[Buffer], stretch: Stretch
) -> list[Any]:
    values, present = decode_bools(parts)
    return _cells(values[stretch.inside].tolist(), present[stretch.inside])


def _texts(
    snapshot: Snapshot, field: Field, parts: Sequence[Buffer], stretch: Stretch
) -> list[Any]:
    texts = decode_texts(parts)
    at, known = _stored(stretch, len(texts))
    return texts.take(np.where(known, at, -1)).to_list()


def _codes(
    snapshot: Snapshot, field: Field, parts: Sequence[Buffer], stretch: Stretch
) -> list[Any]:
    codes = decode_codes(parts)
    at, known = _stored(stretch, len(codes))
    distinct, places = np.unique(codes[at] * known, return_inverse=True)
    value = snapshot.dictionary(field.id).value
    made = [value(code) if code else None for code in distinct.tolist()]
    return [made[place] for place in places.tolist()]


def _sets(snapshot: Snapshot, field: Field, parts: Sequence[Buffer], stretch: Stretch) -> list[Any]:
    rows, codes = decode_set_pairs(parts)
    asked = np.zeros(BLOCK_ROWS, np.bool_)
    asked[stretch.inside] = True
    wanted = asked[rows]
    rows, codes = rows[wanted], codes[wanted]
    distinct, places = np.unique(codes, return_inverse=True)
    value = snapshot.dictionary(field.id).value
    texts = [value(code) for code in distinct.tolist()]
    # In the order of their values, so that each row's come sorted.
    rank = np.empty(len(texts), np.intp)
    rank[sorted(range(len(texts)), key=texts.__getitem__)] = np.arange(len(texts))
    order = np.lexsort((rank[places], rows))
    names = [texts[place] for place in places[order].tolist()]
    first, counts = _stretches_of(rows[order], stretch.inside)
    return [
        names[start:end] or None
        for start, end in zip(first.tolist(), (first + counts).tolist(), strict=True)
    ]


_READERS: dict[FieldKind, Callable[[Snapshot, Field, Sequence[Buffer], Stretch], list[Any]]] = {
    FieldKind.INTS: _ints,
    FieldKind.FLOATS: _floats,
    FieldKind.BOOL: _bools,
    FieldKind.TEXTS: _texts,
    FieldKind.CODES: _codes,
    FieldKind.SET: _sets,
}
