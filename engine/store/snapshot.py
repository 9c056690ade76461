"""Snapshots: one state of the store, for as long as somebody reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Self

from engine.bitmaps import Buffer
from engine.bitmaps.containers import BLOCK_ROWS
from engine.columns.zone import Zone
from engine.events.chains import Chains
from engine.events.one_row import events_of_row
from engine.store.addresses import PartTable
from engine.store.catalog import LIVE, Catalog, segment_field
from engine.store.dictionary import Dictionary, DictionaryTable
from engine.store.overlay import HeapPayload
from engine.store.pins import Pin
from engine.store.places import event_places_of, places_of
from engine.store.reading import State
from engine.store.records import PayloadKind, RecordName, RecordType
from engine.store.version import Version

__all__ = ["Snapshot"]


class _SegmentCounts(Mapping[str, int]):
    """Name of a kept segment -> how many profiles are in it, as one version has it."""

    __slots__ = ("_version",)

    def __init__(self, version: Version) -> None:
        self._version = version

    def __getitem__(self, name: str) -> int:
        return self._version.member_counts[self._version.state.catalog[segment_field(name)].id]

    def __iter__(self) -> Iterator[str]:
        prefix = segment_field("")
        catalog = self._version.state.catalog
        return (name.removeprefix(prefix) for name in catalog if name.startswith(prefix))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Snapshot:
    """A consistent state of the store; cheap, and shared with others of its data version.

    Close it when done: while it is open, the pages that it sees cannot be used again, and memory
    that it sees is copied before it is changed. What it handed out (payloads, part tables) can
    still be read after that, but says something else then.

    One that has no pin does not hold back anybody; see Store.glance.
    """

    __slots__ = ("_pin", "_version")

    def __init__(self, version: Version, pin: Pin | None = None) -> None:
        self._version: Version | None = version
        self._pin = pin

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
        pin, self._pin = self._pin, None
        if pin is not None:
            pin.release()

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
        """Sequence of the last record of the log that this state contains; 0 for a new store."""
        return self.version.data_version

    @property
    def row_count(self) -> int:
        """Rows ever given out."""
        return self.version.row_count

    @property
    def live_count(self) -> int:
        """Rows alive."""
        return self.version.member_counts[LIVE.id]

    @property
    def segment_counts(self) -> Mapping[str, int]:
        """Name of a kept segment -> how many profiles are in it."""
        return _SegmentCounts(self.version)

    @property
    def block_count(self) -> int:
        """Blocks of 65,536 rows."""
        return self.version.block_count

    @property
    def model_version(self) -> int:
        """How often the model changed; 0 for none yet."""
        return self._state.root.model_version

    @property
    def model_files(self) -> Mapping[str, str]:
        """File name -> YAML text, as it was applied."""
        return MappingProxyType(dict(self._state.model))

    @property
    def attached(self) -> object:
        """What `Store.attach` gave when this state was first seen; None without."""
        return self.version.attached

    @property
    def fields(self) -> Catalog:
        """Name -> Field."""
        return self._state.catalog

    def zone(self, field_id: int, block: int) -> Zone | None:
        """The zone map of a field in a block; None where the block has nothing of it."""
        return self.version.zone(field_id, block)

    def payloads(self, field_id: int, block: int) -> list[memoryview]:
        """The verified parts of a field in a block, read-only; empty where there is none."""
        return self.version.payloads(field_id, block)

    def stored_payloads(self, field_id: int, block: int) -> Sequence[Buffer]:
        """The parts of a field in a block as they are stored, or will be when it is saved: equal
        bytes for equal contents."""
        heap = self.version.overlay.get(field_id, block)
        if heap is None or heap.kept:
            return self.payloads(field_id, block)
        return heap.encode().parts

    def on_heap(self, field_id: int, block: int) -> HeapPayload | None:
        """What is in memory of a field of a block, for who writes it; None where all of it is as
        it is stored."""
        return self.version.overlay.get(field_id, block)

    def addresses(self, field_id: int) -> PartTable:
        """Where all parts of a field are, verified; made once per data version."""
        return self.version.table(field_id)

    def places(self, field_ids: tuple[int, ...], block: int) -> list[tuple[int, ...]]:
        """Where the parts of some fields are in one block, verified, for who reads a row of it: the
        addresses of each, none where the block has nothing of it. Good while this is open."""
        return places_of(self.version, field_ids, block)

    def events_of_row(
        self, field_ids: tuple[int, ...], row: int, numbers: tuple[tuple[int, ...], ...]
    ) -> Sequence[Any]:
        """The events of some types that a row has, see `engine.events.one_row`; `numbers` are those
        of the properties wanted of each."""
        block, in_block = divmod(row, BLOCK_ROWS)
        version = self.version
        if block >= version.block_count:
            return [None] * len(field_ids)
        places = event_places_of(version, field_ids, block)
        chains: dict[int, tuple[Chains, int]] = {}
        for deep in places.deep:
            known = version.lineage.row_chains.of(deep, block, places.addresses[deep.place])
            if known is not None:
                chains[deep.place] = known
        return events_of_row(places.addresses, in_block, numbers, chains)

    def events_at_hand(
        self,
        field_ids: tuple[int, ...],
        row: int,
        numbers: tuple[tuple[int, ...], ...],
        most: int,
    ) -> Sequence[Any] | None:
        """The same where it takes microseconds: None where the places of the block were not looked
        up in this state yet, where a type has many chunks, or the row more than `most` events."""
        block, in_block = divmod(row, BLOCK_ROWS)
        places = self.version.event_places.get((field_ids, block))
        if places is None or places.deep:
            return None
        return events_of_row(places.addresses, in_block, numbers, None, most)

    def has_places(self, field_ids: tuple[int, ...], block: int) -> bool:
        """Whether `places` was asked for the same in this state already, and only looks it up."""
        return (field_ids, block) in self.version.places

    def dictionary(self, field_id: int) -> Dictionary:
        """The strings of a category or set (GIVERS: of all givers); empty where there are none."""
        version = self.version
        state = version.state
        listing = state.dictionaries.get(field_id)
        table = version.lineage.dictionary(version.view, state, field_id)
        return Dictionary(table, 0 if listing is None else listing.value_count)

    def dictionary_table(self, field_id: int) -> DictionaryTable:
        """The same with the strings of later states: for codes that this one has given out."""
        version = self.version
        return version.lineage.dictionary(version.view, version.state, field_id)

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

    def meta_mark(self, name: str) -> object:
        """What is equal for two states exactly if they have the same record under a name, whose
        bytes are not read; None where there is none."""
        return self._state.metas.get(name)

    def meta_names(self, prefix: str = "") -> list[str]:
        """Names of the named records that begin with a prefix, sorted."""
        return sorted(name for name in self._state.metas if name.startswith(prefix))
