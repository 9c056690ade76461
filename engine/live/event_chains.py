"""Chains of the events of blocks, kept from one record of the log to the next.

Whoever looks at few rows of many blocks would read the row of every event of these blocks to find
theirs; by chains (engine.events.chains) they read their own. Chains of a type of a block are made
when they are first asked for. Later the chunks of the block tell whether they still say all: chunks
that are stored are known by what the manifest says of them, those on the heap by what they are, and
a tail by where it comes from, of which only what was added since is chained. The times of a tail
are looked through in the same way (engine.events.time_ranges).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.events.chains import Chains
from engine.events.chunks import Chunks
from engine.events.row_events import RowEvents
from engine.events.tail import TailVersion
from engine.events.time_ranges import TimeGroups
from engine.limits import ROW_CHAINS_BYTES
from engine.store.addresses import PartTable
from engine.store.events_payload import EventsPayload
from engine.store.overlay import HeapPayload
from engine.store.snapshot import Snapshot

__all__ = ["EventChains", "Gathered"]

_BLOCK_BITS = 16
# Of more rows of a block, a scan of all rows takes less.
_MOST_ROWS = 1 << 14


@dataclass(slots=True, eq=False)
class _Known:
    """The chains of a block; what they were made of, and of which payload and manifest that is
    known."""

    chains: Chains
    sealed: tuple[object, ...]
    tail: object
    payload: HeapPayload | None
    stored: bytes
    manifest: object
    groups: TimeGroups | None = None

    def goes_on(self, payload: HeapPayload | None, manifest: object) -> bool:
        """Whether a payload has nothing but more events in the same tail, as far as that is seen
        at once."""
        known = self.payload
        return (
            isinstance(payload, EventsPayload)
            and isinstance(known, EventsPayload)
            and payload.tail is not None
            and payload.tail.origin is self.tail
            and payload.kept == known.kept
            and (manifest is self.manifest or not payload.kept)
            and _same(payload.sealed, known.sealed)
        )

    def extend(self, tail: TailVersion) -> None:
        """Takes in what a later version of the tail has more."""
        self.chains.extend_tail(tail.address)
        assert self.groups is not None
        self.groups.extend(tail.address)


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """Chains that were found to say all of a state, by block, and the addresses of its parts."""

    addresses: NDArray[np.uint64]
    chains: dict[int, Chains | None]


@dataclass(frozen=True, slots=True)
class Gathered:
    """What chains had of some rows, and the stretches of rows, [first, end), that they cannot say:
    blocks of which too many rows were asked, or for whose chains there is no room."""

    events: RowEvents
    left: list[tuple[int, int, int]]


class EventChains:
    """For one thread, which sees states of the store in their order."""

    def __init__(self) -> None:
        self._known: dict[int, dict[int, _Known]] = {}
        self._seen: dict[int, _Seen] = {}
        self._bytes = 0

    def gather(self, snapshot: Snapshot, field_id: int, rows: NDArray[np.uint32]) -> Gathered:
        """The events of a type that some rows have, which ascend."""
        of_rows = rows >> np.uint32(_BLOCK_BITS)
        firsts = np.flatnonzero(np.append(True, of_rows[1:] != of_rows[:-1])[: len(rows)])
        blocks, starts = of_rows[firsts], np.append(firsts, len(rows))
        table = snapshot.addresses(field_id)
        most = np.diff(starts) > _MOST_ROWS
        chains = self._serving(snapshot, table, field_id, blocks.tolist(), most.tolist())
        found = RowEvents()
        found.gather(chains, rows, starts, blocks, table.first_part, table.address)
        left = [
            (int(blocks[i]), int(starts[i]), int(starts[i + 1]))
            for i, serves in enumerate(chains)
            if serves is None
        ]
        return Gathered(found, left)

    def time_groups(
        self, snapshot: Snapshot, field_id: int, blocks: NDArray[np.uint32]
    ) -> list[TimeGroups | None]:
        """The bounds of the times of the open tail of each block, None where it has none."""
        table, asked = snapshot.addresses(field_id), blocks.tolist()
        self._serving(snapshot, table, field_id, asked, [False] * len(asked))
        known = self._known.get(field_id, {})
        return [known[block].groups if block in known else None for block in asked]

    def _serving(
        self,
        snapshot: Snapshot,
        table: PartTable,
        field_id: int,
        blocks: Sequence[int],
        passed_over: Sequence[bool],
    ) -> list[Chains | None]:
        """The chains of some blocks, None of those that are passed over and where there are
        none."""
        seen = self._seen.get(field_id)
        # A state in which anything of the type lies elsewhere has other addresses.
        if seen is None or seen.addresses is not table.address:
            seen = self._seen[field_id] = _Seen(table.address, {})
        chains, block_count = seen.chains, snapshot.block_count
        found: list[Chains | None] = []
        for block, is_out in zip(blocks, passed_over, strict=True):
            if is_out or block >= block_count:
                found.append(None)
                continue
            if block not in chains:
                chains[block] = self._of(snapshot, table, field_id, block)
            found.append(chains[block])
        return found

    def _of(self, snapshot: Snapshot, table: PartTable, field_id: int, block: int) -> Chains | None:
        """The chains of a block as a snapshot has it; None where there is no room for them."""
        blocks = self._known.setdefault(field_id, {})
        known = blocks.get(block)
        payload = snapshot.on_heap(field_id, block)
        if known is not None and payload is not None and known.payload is payload:
            return known.chains
        manifest = _manifest(snapshot, block)
        if known is not None and known.goes_on(payload, manifest):
            assert isinstance(payload, EventsPayload) and payload.tail is not None
            known.extend(payload.tail)
            known.payload = payload
            return known.chains
        sealed, tail, stored = _made_of(snapshot, field_id, block, payload)
        if known is not None and known.stored == stored and _same(known.sealed, sealed):
            origin = None if tail is None else tail.origin
            if known.tail is origin:
                if tail is not None:
                    known.extend(tail)
                known.payload, known.manifest = payload, manifest
                return known.chains
        if known is not None:
            self._bytes -= known.chains.nbytes
            del blocks[block]
        if self._bytes > ROW_CHAINS_BYTES:
            return None
        chains = Chains(_chunks(table, block))
        self._bytes += chains.nbytes
        origin = None if tail is None else tail.origin
        groups = None if tail is None else TimeGroups(tail.address)
        blocks[block] = _Known(chains, sealed, origin, payload, stored, manifest, groups)
        return chains


def _made_of(
    snapshot: Snapshot, field_id: int, block: int, payload: HeapPayload | None
) -> tuple[tuple[object, ...], TailVersion | None, bytes]:
    """What the chunks of a block are: those on the heap, the tail, and what a manifest says of
    those that are stored."""
    if payload is not None and not isinstance(payload, EventsPayload):
        return (payload,), None, b""
    stored = snapshot.version.stored(field_id, block)
    sealed: tuple[object, ...] = ()
    tail = None
    if payload is not None:
        stored, tail = stored[: payload.kept], payload.tail
        sealed = tuple(chunk.part for chunk in payload.sealed)
    # What stands beside these in an entry may change while the chunk stays as it is.
    told = b"".join(stored[name].tobytes() for name in ("sequence", "crc", "length"))
    return sealed, tail, told


def _manifest(snapshot: Snapshot, block: int) -> object:
    """What is listed of a block on the disk: the same object as long as it says the same."""
    manifests = snapshot.version.state.manifests
    return manifests[block] if block < len(manifests) else None


def _same(some: tuple[object, ...], others: tuple[object, ...]) -> bool:
    if not some:
        return not others
    return len(some) == len(others) and all(a is b for a, b in zip(some, others, strict=True))


def _chunks(table: PartTable, block: int) -> Chunks:
    parts = table.address[table.first_part[block] : table.first_part[block + 1]]
    return Chunks([], parts.tolist())
