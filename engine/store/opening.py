"""From the root record to a State: the directory and every manifest, nothing of any field."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from engine.errors import StoreCorrupt, StoreVersionUnsupported
from engine.store.catalog import Catalog
from engine.store.directory import (
    MANIFESTS_PER_SECTION,
    Root,
    Section,
    unpack_dictionaries,
    unpack_expected,
    unpack_metas,
    unpack_model,
)
from engine.store.environment import ReadTransaction, damaged
from engine.store.manifest import Manifest
from engine.store.named import NamedRecords
from engine.store.reading import State, View, block_count_of
from engine.store.records import (
    HEADER_BYTES,
    LAYOUT_VERSION,
    READABLE_VERSIONS,
    Expected,
    PayloadKind,
    RecordName,
    RecordType,
    key_of,
    layout_version_of,
)

__all__ = ["load_state"]

ROOT = RecordName(RecordType.ROOT)

_T = TypeVar("_T")


def load_state(view: View) -> State:
    """What the transaction of a view sees.

    Raises StoreVersionUnsupported and StoreCorrupt.
    """
    root = _load_root(view)
    sections = {number: _section(view, number, expected) for number, expected in root.sections}
    state = State(
        root=root,
        catalog=_parsed(view, "catalog", lambda: Catalog.unpack(bytes(sections[Section.CATALOG]))),
        model=_parsed(view, "model", lambda: unpack_model(bytes(sections[Section.MODEL]))),
        metas=_parsed(view, "named records", lambda: _named_records(sections)),
        dictionaries=_parsed(
            view, "dictionaries", lambda: unpack_dictionaries(sections[Section.DICTIONARIES])
        ),
        manifests=tuple(_load_manifests(view, root, sections)),
    )
    view.catalog = state.catalog
    return state


def check_version(view_path: object, transaction: ReadTransaction) -> None:
    """Raise where the root record is missing or of another layout version."""
    value = transaction.get(key_of(ROOT))
    version = None if value is None else layout_version_of(value)
    if version is None:
        raise StoreCorrupt(
            f"The store at {view_path} cannot be read: its file has no root record of a store. "
            "Restore it from a backup, or check that this is a store's folder."
        )
    if version not in READABLE_VERSIONS:
        raise StoreVersionUnsupported(
            f"The store at {view_path} has layout version {version}, and this program reads "
            f"version {LAYOUT_VERSION}. Use the program version that wrote it."
        )


def _load_root(view: View) -> Root:
    check_version(view.path, view.transaction)
    value = view.locate(ROOT, PayloadKind.ROOT, 1, None)
    payload = value[HEADER_BYTES:]
    crc = int.from_bytes(value[36:40], "little")
    view.check(ROOT, value, Expected(len(payload), crc, 0))
    return _parsed(view, "root record", lambda: Root.unpack(payload))


def _section(view: View, number: int, expected: Expected) -> memoryview:
    name = RecordName(RecordType.SECTION, number)
    return view.read(name, PayloadKind.SECTION, 1, expected)


def _named_records(sections: dict[int, memoryview]) -> NamedRecords:
    """All named records; ValueError or struct.error where they make no sense."""
    if Section.METAS in sections:
        return NamedRecords.of(unpack_metas(sections[Section.METAS]))
    pages = [number for number in sections if number >= Section.NAMED]
    return NamedRecords({n - Section.NAMED: unpack_metas(sections[n]) for n in pages})


def _load_manifests(view: View, root: Root, sections: dict[int, memoryview]) -> list[Manifest]:
    manifests: list[Manifest] = []
    block_count = block_count_of(root.row_count)
    for first in range(0, block_count, MANIFESTS_PER_SECTION):
        number = Section.MANIFESTS + first // MANIFESTS_PER_SECTION
        if number not in sections:
            raise damaged(view.path, f"section {number} of the directory is not listed")
        listing = _parsed(view, "manifests", partial(unpack_expected, sections[number]))
        manifests.extend(_manifest(view, first + i, expected) for i, expected in enumerate(listing))
    if len(manifests) != block_count:
        raise damaged(view.path, f"{len(manifests)} manifests are listed for {block_count} blocks")
    return manifests


def _manifest(view: View, block: int, expected: Expected) -> Manifest:
    name = RecordName(RecordType.MANIFEST, block=block)
    value = view.locate(name, PayloadKind.MANIFEST, 1, expected)
    manifest = Manifest.unpack(block, view.check(name, value, expected))
    if manifest is None:
        raise damaged(view.path, f"{name} does not list its block")
    manifest.expected = expected
    return manifest


def _parsed(view: View, what: str, read: Callable[[], _T]) -> _T:
    """Sections are checksummed; this is for bytes that were wrong when they were written."""
    try:
        return read()
    except (ValueError, KeyError, TypeError, struct.error) as error:
        raise damaged(view.path, f"the {what} cannot be read ({error})") from error
