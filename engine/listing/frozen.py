"""Frozen audiences: the members of an expression as of one moment, kept under a name.

What is kept are rows, and where they came from. A row is never given to another profile, so the
members can be listed for as long as the audience is kept, whatever becomes of their attributes;
those who are no profiles any more are left out of a list, and counted. Whoever brings in another
numbering of rows has to carry frozen audiences over to it, and to raise ROW_EPOCH.

Bytes. `frozen/<name>`: JSON, the fields of Frozen by their names without the name, and `version`.
`frozen-rows/<name>`: the rows as a portable roaring bitmap.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps.portable import blocks_of_portable
from engine.errors import AlreadyExists, InputInvalid, NotFound, StoreCorrupt, about_field
from engine.limits import FROZEN_AUDIENCES, FROZEN_BY_BYTES, LIST_NAME_BYTES
from engine.nearest import nearest
from engine.store.snapshot import Snapshot
from engine.store.writer import Writer

__all__ = [
    "ROW_EPOCH",
    "Frozen",
    "Page",
    "check_freezing",
    "drop_expired",
    "drop_frozen",
    "frozen_audiences",
    "frozen_masks",
    "page_of_masks",
    "put_frozen",
    "read_frozen",
]

# The numbering of rows. Rows have never been given out again, so there is one.
ROW_EPOCH = 1

_VERSION = 1
_INFO_PREFIX = "frozen/"
_ROWS_PREFIX = "frozen-rows/"
_DAMAGED = "frozen audience {} cannot be read ({})"


@dataclass(frozen=True, slots=True)
class Frozen:
    """A frozen audience, without its members. Instants are microseconds from 1970-01-01T00:00Z.

    `expression` is the canonical text, which held for `matched` profiles at `as_of_us` in the
    data of `data_version` and the model of `model_version`; `count` of them are kept, chosen by
    `limit`, `salt`, `order_by` and `descending` (no limit: all). `made_by` is who froze it, as
    they said; it is gone from `expires_at_us` on (None: never). `waiting` and `read_as_of_today`
    as in an answer to a count.
    """

    name: str
    expression: str
    as_of_us: int
    data_version: int
    model_version: int
    matched: int
    count: int
    made_at_us: int
    made_by: str = ""
    expires_at_us: int | None = None
    limit: int | None = None
    salt: str = ""
    order_by: str | None = None
    descending: bool = False
    waiting: int = 0
    read_as_of_today: tuple[str, ...] = ()
    row_epoch: int = ROW_EPOCH

    def is_over(self, now_us: int) -> bool:
        """Whether it has expired."""
        return self.expires_at_us is not None and self.expires_at_us <= now_us


@dataclass(frozen=True, slots=True)
class Page:
    """Members `first` to `first + size - 1` of a frozen audience, in row order from 0. Places
    count all that were frozen, so a page never shifts."""

    first: int
    size: int


def check_freezing(name: str, made_by: str, expires_at_us: int | None, now_us: int) -> None:
    """Refuses what cannot be said of a frozen audience: InputInvalid."""
    if not name or name != name.strip() or any(ord(c) < 0x20 or ord(c) == 0x7F for c in name):
        message = (
            f"{name!r} cannot be the name of a frozen audience: a name has no control "
            "characters, and no blanks around it"
        )
        raise about_field(InputInvalid, "name", message)
    if len(name.encode()) > LIST_NAME_BYTES:
        message = f"the name of a frozen audience has at most {LIST_NAME_BYTES} bytes"
        raise about_field(InputInvalid, "name", message)
    if len(made_by.encode()) > FROZEN_BY_BYTES:
        message = f"who froze an audience is said in at most {FROZEN_BY_BYTES} bytes"
        raise about_field(InputInvalid, "made_by", message)
    if expires_at_us is not None and expires_at_us <= now_us:
        message = f"{name} would have expired before it was made; name a later instant"
        raise about_field(InputInvalid, "expires_at", message)


def put_frozen(writer: Writer, frozen: Frozen, bitmap: bytes) -> None:
    """Stores an audience with its rows, a portable bitmap. Raises AlreadyExists, InputInvalid."""
    if writer.meta(_INFO_PREFIX + frozen.name) is not None:
        raise already_there(frozen.name)
    count = len(writer.snapshot.meta_names(_INFO_PREFIX))
    if count >= FROZEN_AUDIENCES:
        raise InputInvalid(
            f"there are {count:,} frozen audiences, which is the most; drop some of them"
        )
    said = dataclasses.asdict(frozen)
    del said["name"]
    info = json.dumps({"version": _VERSION, **said}, ensure_ascii=False, separators=(",", ":"))
    writer.put_meta(_INFO_PREFIX + frozen.name, info.encode())
    writer.put_meta(_ROWS_PREFIX + frozen.name, bitmap)


def already_there(name: str) -> AlreadyExists:
    """The refusal to freeze under a name that is taken."""
    return AlreadyExists(
        f"There is a frozen audience {name} already, and it stays as it is. Drop it first, or "
        "choose another name."
    )


def drop_frozen(writer: Writer, name: str, now_us: int) -> None:
    """Removes an audience. Raises NotFound."""
    read_frozen(writer.snapshot, name, now_us)
    _delete(writer, name)


def drop_expired(writer: Writer, now_us: int) -> None:
    """Removes what has expired, to make room."""
    for frozen in _all(writer.snapshot):
        if frozen.is_over(now_us):
            _delete(writer, frozen.name)


def _delete(writer: Writer, name: str) -> None:
    writer.delete_meta(_INFO_PREFIX + name)
    writer.delete_meta(_ROWS_PREFIX + name)


def frozen_audiences(snapshot: Snapshot, now_us: int) -> list[Frozen]:
    """All that have not expired, by name."""
    return [frozen for frozen in _all(snapshot) if not frozen.is_over(now_us)]


def read_frozen(snapshot: Snapshot, name: str, now_us: int, field: str = "") -> Frozen:
    """The audience of a name. Raises NotFound, also for one that has expired; `field` is where the
    name stood, '' in what the call is about."""
    stored = snapshot.meta(_INFO_PREFIX + name)
    frozen = None if stored is None else _unpacked(name, stored)
    if frozen is not None and frozen.is_over(now_us):
        raise about_field(NotFound, field, f"The frozen audience {name} has expired.")
    if frozen is None:
        close = nearest(name, (one.name for one in frozen_audiences(snapshot, now_us)))
        hint = f" Did you mean {close}?" if close else ""
        raise about_field(NotFound, field, f"There is no frozen audience {name}.{hint}")
    return frozen


def frozen_masks(snapshot: Snapshot, frozen: Frozen) -> NDArray[np.uint64]:
    """Its rows, uint64 (blocks of the snapshot, 1024), whether they are alive or not. Raises
    StoreCorrupt."""
    stored = snapshot.meta(_ROWS_PREFIX + frozen.name)
    if stored is None:
        raise StoreCorrupt(_DAMAGED.format(frozen.name, "its rows are missing"))
    if frozen.row_epoch != ROW_EPOCH:
        raise StoreCorrupt(_DAMAGED.format(frozen.name, "its rows are numbered in another way"))
    masks = np.zeros((snapshot.block_count, 1024), np.uint64)
    try:
        for block, mask in blocks_of_portable(stored):
            masks[block] = mask
    except (InputInvalid, IndexError) as error:
        raise StoreCorrupt(_DAMAGED.format(frozen.name, error)) from None
    if int(np.bitwise_count(masks).sum()) != frozen.count:
        raise StoreCorrupt(_DAMAGED.format(frozen.name, "it has another number of rows"))
    return masks


def page_of_masks(masks: NDArray[np.uint64], page: Page) -> NDArray[np.uint64]:
    """The masks of the rows of uint64 (blocks, 1024) that are on a page."""
    ends = np.cumsum(np.bitwise_count(masks).sum(axis=1, dtype=np.int64))
    kept = np.zeros_like(masks)
    last = page.first + page.size
    for block in np.flatnonzero((ends > page.first) & masks.any(axis=1)).tolist():
        begin = int(ends[block - 1]) if block else 0
        if begin >= last:
            break
        bits = np.unpackbits(masks[block].view(np.uint8), bitorder="little")
        rows = np.flatnonzero(bits)
        bits[rows[: max(page.first - begin, 0)]] = 0
        bits[rows[last - begin :]] = 0
        kept[block] = np.packbits(bits, bitorder="little").view(np.uint64)
    return kept


def _all(snapshot: Snapshot) -> Iterator[Frozen]:
    for stored_as in snapshot.meta_names(_INFO_PREFIX):
        stored = snapshot.meta(stored_as)
        assert stored is not None, "a name that is listed"
        yield _unpacked(stored_as.removeprefix(_INFO_PREFIX), stored)


def _unpacked(name: str, stored: bytes) -> Frozen:
    try:
        said: dict[str, Any] = json.loads(stored)
        if said.pop("version") != _VERSION:
            raise StoreCorrupt(_DAMAGED.format(name, "it is of another version"))
        said["read_as_of_today"] = tuple(said["read_as_of_today"])
        return Frozen(name=name, **said)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreCorrupt(_DAMAGED.format(name, error)) from None
