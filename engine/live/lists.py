"""Uploaded lists of identifiers, which rules name as `list('name')`.

A list keeps the identifiers as they were uploaded, not the profiles: an identifier that
nobody owns yet waits, and matches from the moment that somebody does.

Bytes, little-endian. `list/<name>`: uint32 version, uint32 count, then the kind in UTF-8.
`list-values/<name>`: uint32 length[count], then the bytes of the values, UTF-8.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.columns.strings import Strings, factorize
from engine.errors import InputInvalid, NotFound, StoreCorrupt
from engine.identity.digests import UNKNOWN
from engine.identity.owners import check_kind, owners
from engine.identity.view import UID, Identities
from engine.limits import IDENTIFIER_BYTES, LIST_NAME_BYTES, LIST_VALUES
from engine.model.definitions import Model
from engine.nearest import nearest
from engine.store.snapshot import Snapshot
from engine.store.writer import Writer

__all__ = [
    "ListInfo",
    "ListOutcome",
    "ListUpload",
    "delete_list",
    "entries_of",
    "list_names",
    "list_rows",
    "prepare_list",
    "read_list",
    "upload_list",
]

_VERSION = 1
_INFO = struct.Struct("<II")
_INFO_PREFIX = "list/"
_VALUES_PREFIX = "list-values/"


@dataclass(frozen=True, slots=True)
class ListInfo:
    """A list: its name, the kind of its identifiers and how many different ones it has."""

    name: str
    kind: str
    size: int


@dataclass(frozen=True, slots=True)
class ListUpload:
    """A list to be: `values` are its identifiers, each once. `ignored` entries of the upload
    were empty, blocked by the model, or no possible identifier."""

    name: str
    kind: str
    values: Strings
    ignored: int


@dataclass(frozen=True, slots=True)
class ListOutcome:
    """What became of an upload.

    `size` different identifiers are in the list; `known` of them have an owner, `waiting`
    have none. `ignored` as in ListUpload.
    """

    size: int
    known: int
    waiting: int
    ignored: int


def prepare_list(model: Model, name: str, kind: str, values: Strings) -> ListUpload:
    """Checks an upload, before anybody has to wait for it to be written.

    Raises InputInvalid for a name that cannot be one, an unknown kind, or too many values.
    """
    _check_name(name)
    check_kind(model, kind)
    kept = _usable(model, kind, values)
    distinct, _ = factorize(values.take(kept))
    if len(distinct) > LIST_VALUES:
        raise InputInvalid(
            f"list {name} has {len(distinct):,} different identifiers; a list takes "
            f"{LIST_VALUES:,} at most. Split it."
        )
    return ListUpload(name, kind, distinct, len(values) - len(kept))


def upload_list(
    writer: Writer, identities: Identities, model: Model, upload: ListUpload
) -> ListOutcome:
    """Makes a list, or replaces the one of that name; `identities` say who of it is known.

    Raises InputInvalid where its kind has left the model since it was prepared.
    """
    rows = owners(identities, model, upload.kind, upload.values)
    size = len(upload.values)
    info = _INFO.pack(_VERSION, size) + upload.kind.encode()
    writer.put_meta(_INFO_PREFIX + upload.name, info)
    writer.put_meta(_VALUES_PREFIX + upload.name, _values_bytes(upload.values))
    known = int(np.count_nonzero(rows != UNKNOWN))
    return ListOutcome(size, known, size - known, upload.ignored)


def list_names(snapshot: Snapshot) -> list[ListInfo]:
    """All lists, by name."""
    prefix = len(_INFO_PREFIX)
    return [_info(snapshot, stored[prefix:]) for stored in snapshot.meta_names(_INFO_PREFIX)]


def read_list(snapshot: Snapshot, name: str) -> tuple[ListInfo, Strings]:
    """A list and its identifiers. Raises NotFound."""
    info = _info(snapshot, name)
    stored = snapshot.meta(_VALUES_PREFIX + name)
    if stored is None or len(stored) < 4 * info.size:
        raise StoreCorrupt(f"the identifiers of list {name} are missing or cut short")
    lengths = np.frombuffer(stored, "<u4", info.size)
    offsets = np.append(np.int64(0), np.cumsum(lengths, dtype=np.int64))
    data = np.frombuffer(stored, np.uint8, -1, lengths.nbytes)
    if int(offsets[-1]) != len(data):
        raise StoreCorrupt(f"the identifiers of list {name} have the wrong size")
    return info, Strings.from_buffers(offsets, data, None)


def list_rows(
    snapshot: Snapshot, identities: Identities, model: Model, name: str
) -> tuple[NDArray[np.uint32], int]:
    """The rows that own an identifier of a list, sorted, and how many identifiers wait.

    Raises NotFound.
    """
    info, values = read_list(snapshot, name)
    if info.kind != UID and info.kind not in model.identifiers:
        # The kind has left the model: all its identifiers wait for it to come back.
        return np.zeros(0, np.uint32), info.size
    rows = owners(identities, model, info.kind, values)
    owned = rows != UNKNOWN
    return np.unique(rows[owned]), int(np.count_nonzero(~owned))


def entries_of(
    snapshot: Snapshot, model: Model, name: str, identifiers: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Those of the identifiers (kind, value) of one profile that a list has. Raises NotFound.

    Like `list_rows` it passes over a kind that has left the model, and values that it blocks.
    """
    info, values = read_list(snapshot, name)
    declared = model.identifiers.get(info.kind)
    if declared is None and info.kind != UID:
        return []
    found = []
    lengths = values.lengths()
    for kind, value in identifiers:
        # The digits of a uid may be written in capitals, too.
        case = np.uint8(0x20 if declared is None else 0)
        encoded = np.frombuffer(value.encode(), np.uint8) | case
        if kind != info.kind or (declared is not None and value in declared.blocked):
            continue
        alike = np.flatnonzero(lengths == len(encoded))
        # Byte by byte, so that of many of one length few are looked at twice.
        starts = values.offsets[alike]
        for place, byte in enumerate(encoded.tolist()):
            starts = starts[(values.data[starts + place] | case) == byte]
        if len(starts):
            found.append((kind, value))
    return found


def delete_list(writer: Writer, name: str) -> None:
    """Removes a list. Raises NotFound."""
    _info(writer.snapshot, name)
    writer.delete_meta(_INFO_PREFIX + name)
    writer.delete_meta(_VALUES_PREFIX + name)


def _check_name(name: str) -> None:
    if not name or name != name.strip() or any(ord(c) < 0x20 or ord(c) == 0x7F for c in name):
        raise InputInvalid(
            f"{name!r} cannot be the name of a list: a name has no control characters, and no "
            "blanks around it"
        )
    if len(name.encode()) > LIST_NAME_BYTES:
        raise InputInvalid(f"the name of a list has at most {LIST_NAME_BYTES} bytes")


def _usable(model: Model, kind: str, values: Strings) -> NDArray[np.intp]:
    """Which entries can identify somebody."""
    lengths = values.lengths()
    usable = (lengths > 0) & (lengths <= IDENTIFIER_BYTES)
    identifier = model.identifiers.get(kind)
    if identifier is not None and identifier.blocked:
        distinct, places = factorize(values)
        blocked = [text in identifier.blocked for text in distinct.to_list()]
        usable &= ~np.append(np.array(blocked, np.bool_), False)[places]
    return np.flatnonzero(usable)


def _values_bytes(values: Strings) -> bytes:
    packed = values.compact()
    return packed.lengths().astype("<u4").tobytes() + packed.data.tobytes()


def _info(snapshot: Snapshot, name: str) -> ListInfo:
    stored = snapshot.meta(_INFO_PREFIX + name)
    if stored is None:
        known = [entry[len(_INFO_PREFIX) :] for entry in snapshot.meta_names(_INFO_PREFIX)]
        close = nearest(name, known)
        hint = f" Did you mean {close}?" if close else " Upload it first."
        raise NotFound(f"there is no list {name}.{hint}")
    version, count = _INFO.unpack_from(stored)
    if version != _VERSION:
        raise StoreCorrupt(f"list {name} has a record of another version")
    return ListInfo(name, stored[_INFO.size :].decode(), count)
