"""Snapshots: one state of the store, for as long as somebody reads it."""

from __future__ import annotations

import struct
import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import Self

from engine.columns.zone import Zone
from engine.store.addresses import PartTable, build_part_table
from engine.store.catalog import Catalog
from engine.store.dictionary import Dictionary, DictionaryTable, unpack_page
from engine.store.environment import damaged
from engine.store.manifest import zone_of
from engine.store.reading import State, View
from engine.store.records import PayloadKind, RecordName, RecordType

__all__ = ["Lineage", "Snapshot", "Version"]


class Lineage:
    """The dictionaries that all states of one open store share, loaded at first use."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._tables: dict[int, DictionaryTable] = {}

    def dictionary(self, view: View, state: State, number: int) -> DictionaryTable:
        """The table of a dictionary; it has at least the values of `state`."""
        with self._guard:
            table = self._tables.get(number)
            if table is None:
                table = self._tables[number] = _load_dictionary(view, state, number)
            return table


def _load_dictionary(view: View, state: State, number: int) -> DictionaryTable:
    listing = state.dictionaries.get(number)
    table = DictionaryTable()
    if listing is None:
        return table
    for page, expected in enumerate(listing.pages):
        name = RecordName(RecordType.DICTIONARY, number, page)
        payload = view.read(name, PayloadKind.DICTIONARY, 1, expected)
        try:
            values = unpack_page(payload, len(table) + 1)
            table.add(values)
            table.page_counts.append(len(values))
        except (ValueError, struct.error) as error:
            raise damaged(view.path, f"{name} cannot be read ({error})") from error
    if len(table) != listing.value_count:
        raise damaged(
            view.path, f"dictionary {number} has {len(table)} values of {listing.value_count}"
        )
    return table


class Version:
    """One data version in use: its state, its transaction, and what was made of them so far.

    It goes when the last snapshot, view of bytes and part table of it has gone, and its
    transaction with it.
    """

    def __init__(
        self, view: View, state: State, lineage: Lineage, earlier: Version | None = None
    ) -> None:
        self.view = view
        self.state = state
        self.lineage = lineage
        self._guard = threading.Lock()
        self._tables: dict[int, PartTable] = {}
        self._earlier = {} if earlier is None else earlier.tables_without_view()

    def table(self, field_id: int) -> PartTable:
        """The part table of a field, built once."""
        with self._guard:
            found = self._tables.get(field_id)
            if found is None:
                earlier = self._earlier.get(field_id)
                found = build_part_table(self.view, self.state, field_id, earlier)
                self._tables[field_id] = found
                self._earlier.pop(field_id, None)
            return found

    def tables_without_view(self) -> dict[int, PartTable]:
        """The latest tables known of each field, for the version that comes next."""
        with self._guard:
            built = {number: table.without_view() for number, table in self._tables.items()}
            return {**self._earlier, **built}


class Snapshot:
    """A consistent state of the store; cheap, and shared with others of its data version.

    Close it when done: while it is open, the pages that it sees cannot be used again. What
    it handed out (payloads, part tables) stays good after that, and keeps them as long.
    """

    __slots__ = ("_version",)

    def __init__(self, version: Version) -> None:
        self._version: Version | None = version

    @property
    def version(self) -> Version:
        """The state behind it, for other rooms of the store."""
        assert self._version is not None, "the snapshot is closed"
        return self._version

    @property
    def _state(self) -> State:
        return self.version.state

    def close(self) -> None:
        """Let go; harmless when done before."""
        self._version = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def store_uid(self) -> bytes:
        """16 random bytes that the store was born with."""
        return self._state.root.store_uid

    @property
    def data_version(self) -> int:
        """Number of the last commit that this state contains; 0 for a new store."""
        return self._state.root.data_version

    @property
    def row_count(self) -> int:
        """Rows ever given out."""
        return self._state.root.row_count

    @property
    def live_count(self) -> int:
        """Rows alive."""
        return self._state.root.live_count

    @property
    def block_count(self) -> int:
        """Blocks of 65,536 rows."""
        return len(self._state.manifests)

    @property
    def model_version(self) -> int:
        """How often the model changed; 0 for none yet."""
        return self._state.root.model_version

    @property
    def model_files(self) -> Mapping[str, str]:
        """File name -> YAML text, as it was applied."""
        return MappingProxyType(dict(self._state.model))

    @property
    def fields(self) -> Catalog:
        """Name -> Field."""
        return self._state.catalog

    def zone(self, field_id: int, block: int) -> Zone | None:
        """The zone map of a field in a block; None where the block has nothing of it."""
        entries = self._state.manifests[block].field(field_id)
        return zone_of(entries[0]) if len(entries) else None

    def payloads(self, field_id: int, block: int) -> list[memoryview]:
        """The verified parts of a field in a block, read-only; empty where there is none."""
        view = self.version.view
        entries = self._state.manifests[block].field(field_id)
        return [view.read_entry(block, entry) for entry in entries]

    def addresses(self, field_id: int) -> PartTable:
        """Where all parts of a field are, verified; made once per data version."""
        return self.version.table(field_id)

    def dictionary(self, field_id: int) -> Dictionary:
        """The strings of a category or set (GIVERS: of all givers); empty where there are none."""
        state = self._state
        listing = state.dictionaries.get(field_id)
        table = self.version.lineage.dictionary(self.version.view, state, field_id)
        return Dictionary(table, 0 if listing is None else listing.value_count)

    def meta(self, name: str) -> bytes | None:
        """A named record, verified; None where there is none."""
        listing = self._state.metas.get(name)
        if listing is None:
            return None
        view = self.version.view
        return b"".join(
            view.read(
                RecordName(RecordType.META, listing.id, 0, part),
                PayloadKind.META,
                len(listing.parts),
                expected,
            )
            for part, expected in enumerate(listing.parts)
        )

    def meta_names(self, prefix: str = "") -> list[str]:
        """Names of the named records that begin with a prefix, sorted."""
        return sorted(name for name in self._state.metas if name.startswith(prefix))
