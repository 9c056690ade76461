"""Manifests: what a block holds, record by record.

LMDB has no checksums, and a flipped bit can make a key vanish without any error. So each
block has one record that lists the others: a record that is listed and not found is damage,
never an empty field. The zone map stands here too, so that opening a store and passing over
a block read nothing else.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.columns.zone import Zone
from engine.store.catalog import FieldKind
from engine.store.records import Expected, PayloadKind

__all__ = ["ENTRY", "Manifest", "entries_of", "zone_of"]

# One record of a block. `parts` is what its header says; of events 0. The zone stands in the
# entry of part 0 and is that of the whole field; minimum and maximum are int64, or the bits of a
# double where zone_kind is 2.
ENTRY = np.dtype(
    [
        ("field", "<u4"),
        ("part", "<u2"),
        ("parts", "<u2"),
        ("length", "<u4"),
        ("crc", "<u4"),
        ("sequence", "<u8"),
        ("present_count", "<u4"),
        ("zone_kind", "u1"),
        ("payload_kind", "u1"),
        ("reserved", "<u2"),
        ("minimum", "<i8"),
        ("maximum", "<i8"),
    ]
)
assert ENTRY.itemsize == 48

# The same for `struct`, which takes a fraction of the time: up to the bounds, and these.
_ENTRY = struct.Struct("<IHHIIQIBBH")
_INTS, _FLOATS = struct.Struct("<qq"), struct.Struct("<dd")
_NO_ZONE = bytes(_INTS.size)
assert _ENTRY.size + _INTS.size == ENTRY.itemsize

_HEAD = np.dtype([("block", "<u4"), ("entry_count", "<u4"), ("sequence", "<u8")])

# Parts of these come and go by themselves: the headers of the others do not say how many there are.
_UNCOUNTED = frozenset({PayloadKind.FIELD_DATA + FieldKind.EVENTS})

_NO_BOUNDS, _INT_BOUNDS, _FLOAT_BOUNDS = 0, 1, 2


def entries_of(
    field: int, kind: int, records: Iterable[tuple[int, int, int]], zone: Zone
) -> NDArray[np.void]:
    """Entries of one field of a block from (length, crc, sequence) of its parts, in order."""
    rows = list(records)
    parts = 0 if kind in _UNCOUNTED else len(rows)
    # Of the first part; the others have no zone.
    described, bounds = (zone.present_count, _NO_BOUNDS), _NO_ZONE
    if isinstance(zone.minimum, float) or isinstance(zone.maximum, float):
        described = zone.present_count, _FLOAT_BOUNDS
        bounds = _FLOATS.pack(zone.minimum, zone.maximum)
    elif zone.minimum is not None:
        described = zone.present_count, _INT_BOUNDS
        bounds = _INTS.pack(zone.minimum, zone.maximum)
    packed = bytearray()
    for part, (length, crc, sequence) in enumerate(rows):
        packed += _ENTRY.pack(field, part, parts, length, crc, sequence, *described, kind, 0)
        packed += bounds
        described, bounds = (0, _NO_BOUNDS), _NO_ZONE
    return np.frombuffer(packed, ENTRY)


def zone_of(entry: Any) -> Zone:
    """The zone that the entry of part 0 holds."""
    kind = int(entry["zone_kind"])
    present = int(entry["present_count"])
    if kind == _NO_BOUNDS:
        return Zone(present, None, None)
    low, high = entry["minimum"], entry["maximum"]
    if kind == _FLOAT_BOUNDS:
        return Zone(present, float(low.view("<f8")), float(high.view("<f8")))
    return Zone(present, int(low), int(high))


class Manifest:
    """The listing of one block: `entries` (dtype ENTRY) sorted by field, then part.

    `sequence` is that of the last record of the log that the block has absorbed. `expected` is
    what the directory lists for the manifest's own record; set once, when it is read or written.
    `places` has what was found of the records, by field (engine.store.places): states share the
    manifests of blocks that are the same in them, and what these list lies where it lay.
    """

    __slots__ = ("_fields", "block", "entries", "expected", "places", "sequence")

    def __init__(
        self, block: int, entries: NDArray[np.void] | None = None, sequence: int = 0
    ) -> None:
        self.block = block
        self.sequence = sequence
        self.expected = Expected(0, 0, 0)
        self.entries = np.zeros(0, ENTRY) if entries is None else entries
        self.places: dict[int, Any] = {}
        # The field of each entry, once one was looked for.
        self._fields: list[int] | None = None

    def pack(self) -> bytes:
        """The payload of the manifest's record."""
        head = np.zeros(1, _HEAD)
        head["block"] = self.block
        head["entry_count"] = len(self.entries)
        head["sequence"] = self.sequence
        return head.tobytes() + self.entries.tobytes()

    @classmethod
    def unpack(cls, block: int, payload: memoryview) -> Manifest | None:
        """Read a payload; None where it is not a manifest of this block."""
        if len(payload) < _HEAD.itemsize:
            return None
        head = np.frombuffer(payload, _HEAD, 1)[0]
        size = _HEAD.itemsize + int(head["entry_count"]) * ENTRY.itemsize
        if int(head["block"]) != block or size != len(payload):
            return None
        # Copied as bytes: numpy copies records field by field.
        entries = np.frombuffer(bytes(payload), ENTRY, offset=_HEAD.itemsize)
        return cls(block, entries, int(head["sequence"]))

    def field(self, field: int) -> NDArray[np.void]:
        """Entries of one field, part by part; empty where the block has none of it."""
        if self._fields is None:
            self._fields = self.entries["field"].tolist()
        first = bisect_left(self._fields, field)
        return self.entries[first : bisect_right(self._fields, field, first)]

    def replace(
        self, changed: Mapping[int, NDArray[np.void] | None], sequence: int | None = None
    ) -> Manifest:
        """This listing with the entries of some fields replaced, or removed where None."""
        kept = self.entries[~np.isin(self.entries["field"], list(changed))]
        parts = [kept, *(entries for entries in changed.values() if entries is not None)]
        # As bytes: numpy looks at the type of each record array that it joins.
        joined = np.frombuffer(b"".join(part.tobytes() for part in parts), ENTRY)
        ordered = joined[np.argsort(joined["field"], kind="stable")]
        return Manifest(self.block, ordered, self.sequence if sequence is None else sequence)
