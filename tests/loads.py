"""A store with a small model of every attribute type, and batches written as dictionaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from engine.columns.strings import Strings
from engine.identity.digests import UNKNOWN
from engine.identity.index import IdentityIndex
from engine.identity.owners import rows_of
from engine.live.batch import (
    Bools,
    Column,
    Floats,
    Ints,
    LoadOutcome,
    ProfileBatch,
    SetColumn,
    Texts,
)
from engine.live.bulk_load import BulkLoad
from engine.live.profiles import ProfileRecord, read_profiles
from engine.live.schema import change_fields
from engine.model.definitions import Attribute, Identifier, Model, Source
from engine.store.store import Store

__all__ = ["ERASE", "MODEL", "SOURCE", "batch_of", "load", "new_store", "profile"]

MODEL = Model(
    time_zone=ZoneInfo("Asia/Shanghai"),
    identifiers={
        "member": Identifier("member", 0, per_profile=1),
        "phone": Identifier("phone", 1, per_profile=2, blocked=frozenset({"", "000"})),
        "mail": Identifier("mail", 2),
    },
    attributes={
        "city": Attribute("city", "category"),
        "size": Attribute("size", "int"),
        "revenue": Attribute("revenue", "decimal", scale=2),
        "rate": Attribute("rate", "float"),
        "listed": Attribute("listed", "bool"),
        "born": Attribute("born", "date"),
        "joined": Attribute("joined", "time"),
        "remark": Attribute("remark", "text"),
        "likes": Attribute("likes", "set"),
        "tag": Attribute("tag", "set"),
    },
)
SOURCE = Source("crm", {"member": "member", "phone": "phone", "mail": "mail"})

# A cell that erases.
ERASE = object()


def new_store(path: Path, model: Model = MODEL) -> Store:
    """An empty store with the fields of a model."""
    store = Store.create(path)
    with store.write() as writer:
        change_fields(writer, model)
    return store


def batch_of(updates: Sequence[Mapping[str, Any]], model: Model = MODEL) -> ProfileBatch:
    """One update for each dictionary: identifier kinds, attribute names and `by` to values.

    A name that no update has is no column of the batch. Ints may stand for decimals (without
    their point), dates and times.
    """
    names = {name for update in updates for name in update}

    def cells(name: str) -> list[Any]:
        return [update.get(name) for update in updates]

    attributes = {}
    sets = {}
    for name, attribute in model.attributes.items():
        if name in names and attribute.type == "set":
            sets[name] = _set_column(cells(name))
        elif name in names:
            attributes[name] = _column(attribute, cells(name))
    return ProfileBatch(
        count=len(updates),
        identifiers={k: Strings.from_list(cells(k)) for k in model.identifiers if k in names},
        attributes=attributes,
        sets=sets,
        giver=Strings.from_list(cells("by")) if "by" in names else None,
    )


def load(
    store: Store,
    *batches: Sequence[Mapping[str, Any]],
    source: Source = SOURCE,
    model: Model = MODEL,
) -> tuple[LoadOutcome, list[tuple[int, str]]]:
    """Loads batches of updates; returns the outcome and the refusals of all batches."""
    refused = []
    with BulkLoad(store, model, source) as bulk:
        for batch in batches:
            refused += bulk.add(batch_of(batch, model)).refused
        return bulk.finish(), refused


def profile(store: Store, kind: str, value: str, model: Model = MODEL) -> ProfileRecord | None:
    """The profile that owns an identifier now."""
    with store.snapshot() as snapshot:
        (row,) = rows_of(IdentityIndex(snapshot), model, [(kind, value)]).tolist()
        assert row == UNKNOWN or row < snapshot.row_count
        return read_profiles(snapshot, model, [row])[0]


def _set_column(cells: list[Any]) -> SetColumn:
    sizes = [len(cell) if isinstance(cell, (list, tuple)) else 0 for cell in cells]
    values = [value for cell in cells if isinstance(cell, (list, tuple)) for value in cell]
    offsets = np.append(np.int64(0), np.cumsum(sizes, dtype=np.int64))
    return SetColumn(offsets, Strings.from_list(values), _erasing(cells))


def _column(attribute: Attribute, cells: list[Any]) -> Column:
    erasing = _erasing(cells)
    kept = [None if cell is ERASE else cell for cell in cells]
    if attribute.type in ("category", "text"):
        return Texts(Strings.from_list(kept), erasing)
    valid = np.array([cell is not None for cell in kept])
    if attribute.type == "float":
        return Floats(np.array([cell or 0.0 for cell in kept], np.float64), valid, erasing)
    if attribute.type == "bool":
        return Bools(np.array([bool(cell) for cell in kept]), valid, erasing)
    return Ints(np.array([_stored(attribute, cell) for cell in kept], np.int64), valid, erasing)


def _stored(attribute: Attribute, cell: Any) -> int:
    if cell is None:
        return 0
    if isinstance(cell, Decimal):
        return int(cell.scaleb(attribute.scale))
    if isinstance(cell, datetime):
        delta = cell - datetime(1970, 1, 1, tzinfo=UTC)
        return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
    if isinstance(cell, date):
        return cell.toordinal() - date(1970, 1, 1).toordinal()
    return int(cell)


def _erasing(cells: list[Any]) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
    erasing = np.array([cell is ERASE for cell in cells])
    return erasing if erasing.any() else None
