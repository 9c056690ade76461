"""The directory: from the one root record to the checksum of everything else.

    root -> sections -> manifests, named records, dictionary pages -> (manifests) -> fields

The root lists the sections of the directory, and these list all other records. Sections are
kept apart so that a commit rewrites only those that it changes: the manifests of 1,024
blocks stand in one, and so do 128 named records.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from engine.store.records import Expected

__all__ = [
    "MANIFESTS_PER_SECTION",
    "DictionaryListing",
    "MetaListing",
    "Root",
    "Section",
    "pack_dictionaries",
    "pack_expected",
    "pack_metas",
    "pack_model",
    "unpack_dictionaries",
    "unpack_expected",
    "unpack_metas",
    "unpack_model",
]

MANIFESTS_PER_SECTION = 1024


class Section(IntEnum):
    """Numbers of the directory's sections; manifests take MANIFESTS and up, 1,024 in each, which is
    64 at most; named records take NAMED and up. METAS has all of them in stores of layout 2."""

    CATALOG = 1
    METAS = 2
    DICTIONARIES = 3
    MODEL = 4
    MANIFESTS = 16
    NAMED = 1024


_ROOT = struct.Struct("<16sQQIIIIQQQQQ8s")
_ROOT_SECTION = struct.Struct("<IIIIQ")
_COUNT = struct.Struct("<II")
_META = struct.Struct("<IHH")
_PART = struct.Struct("<IIQ")
_DICTIONARY = struct.Struct("<II")
_EXPECTED = np.dtype([("length", "<u4"), ("crc", "<u4"), ("sequence", "<u8")])


@dataclass(frozen=True, slots=True)
class Root:
    """What the root record says. `row_count` counts the rows of the blocks that are saved.

    `data_version` is the sequence of the last record of the log; the records from `log_first`
    to it are kept (none where `log_first` is one more). `commit` counts commits. The feed's
    records are from `feed_first` to `feed_last`, not all numbers between (both 0: none), and
    complete for every record of the log up to `feed_through`. `next_meta` is the number that
    the next named record gets; numbers are not used again.
    """

    store_uid: bytes
    data_version: int = 0
    row_count: int = 0
    live_count: int = 0
    model_version: int = 0
    next_meta: int = 1
    commit: int = 0
    log_first: int = 1
    feed_first: int = 0
    feed_last: int = 0
    feed_through: int = 0
    sections: tuple[tuple[int, Expected], ...] = ()

    def pack(self) -> bytes:
        """The payload of the root record."""
        head = _ROOT.pack(
            self.store_uid,
            self.data_version,
            self.live_count,
            self.row_count,
            self.model_version,
            self.next_meta,
            len(self.sections),
            self.commit,
            self.log_first,
            self.feed_first,
            self.feed_last,
            self.feed_through,
            bytes(8),
        )
        return head + b"".join(
            _ROOT_SECTION.pack(number, expected.length, expected.crc, 0, expected.sequence)
            for number, expected in self.sections
        )

    @classmethod
    def unpack(cls, payload: memoryview) -> Root:
        """Read a root payload; struct.error or ValueError on anything else."""
        head = _ROOT.unpack_from(payload)
        uid, version, live, rows, model, meta, count, commit, log, first, last, through, _ = head
        if len(payload) != _ROOT.size + count * _ROOT_SECTION.size:
            raise ValueError("a root of another length")
        sections = tuple(
            (number, Expected(length, crc, sequence))
            for number, length, crc, _, sequence in _ROOT_SECTION.iter_unpack(payload[_ROOT.size :])
        )
        return cls(
            uid, version, rows, live, model, meta, commit, log, first, last, through, sections
        )


@dataclass(frozen=True, slots=True)
class MetaListing:
    """A named record: its number and what its parts must be."""

    id: int
    parts: tuple[Expected, ...]


@dataclass(frozen=True, slots=True)
class DictionaryListing:
    """A dictionary: how many values it has and what its pages must be."""

    value_count: int
    pages: tuple[Expected, ...]


def pack_expected(rows: Sequence[Expected]) -> bytes:
    """A listing of records: 16 bytes each."""
    return np.array([tuple(row) for row in rows], _EXPECTED).tobytes()


def unpack_expected(payload: memoryview) -> list[Expected]:
    """Read what `pack_expected` wrote; ValueError on anything else."""
    return [Expected(*row) for row in np.frombuffer(payload, _EXPECTED).tolist()]


def pack_metas(metas: Mapping[str, MetaListing]) -> bytes:
    """A section of named records, sorted by name."""
    out = [_COUNT.pack(len(metas), 0)]
    for name, meta in sorted(metas.items()):
        text = name.encode()
        out.append(_META.pack(meta.id, len(meta.parts), len(text)))
        out.append(text)
        out.extend(_PART.pack(*part) for part in meta.parts)
    return b"".join(out)


def unpack_metas(payload: memoryview) -> dict[str, MetaListing]:
    """Read what `pack_metas` wrote; struct.error or ValueError on anything else."""
    count, _ = _COUNT.unpack_from(payload)
    at = _COUNT.size
    metas: dict[str, MetaListing] = {}
    for _ in range(count):
        number, parts, name_size = _META.unpack_from(payload, at)
        at += _META.size
        name = bytes(payload[at : at + name_size]).decode()
        at += name_size
        end = at + parts * _PART.size
        listed = tuple(Expected(*part) for part in _PART.iter_unpack(payload[at:end]))
        if len(listed) != parts:
            raise ValueError("a listing that is cut short")
        metas[name] = MetaListing(number, listed)
        at = end
    return metas


def pack_dictionaries(dictionaries: Mapping[int, DictionaryListing]) -> bytes:
    """The section of dictionaries, sorted by number."""
    out = [_COUNT.pack(len(dictionaries), 0)]
    for number, listing in sorted(dictionaries.items()):
        out.append(_COUNT.pack(number, listing.value_count))
        out.append(_DICTIONARY.pack(len(listing.pages), 0))
        out.append(pack_expected(listing.pages))
    return b"".join(out)


def unpack_dictionaries(payload: memoryview) -> dict[int, DictionaryListing]:
    """Read what `pack_dictionaries` wrote; struct.error or ValueError on anything else."""
    count, _ = _COUNT.unpack_from(payload)
    at = _COUNT.size
    listings: dict[int, DictionaryListing] = {}
    for _ in range(count):
        number, value_count = _COUNT.unpack_from(payload, at)
        page_count, _ = _DICTIONARY.unpack_from(payload, at + _COUNT.size)
        at += _COUNT.size + _DICTIONARY.size
        end = at + page_count * _EXPECTED.itemsize
        pages = tuple(unpack_expected(payload[at:end]))
        listings[number] = DictionaryListing(value_count, pages)
        at = end
    return listings


def pack_model(files: Mapping[str, str]) -> bytes:
    """The section of the model: its files as they were given, JSON."""
    return json.dumps(dict(files), ensure_ascii=False, separators=(",", ":")).encode()


def unpack_model(payload: bytes) -> dict[str, str]:
    """Read what `pack_model` wrote; ValueError on anything else."""
    files = json.loads(payload)
    return {str(name): str(text) for name, text in files.items()}
