"""Feeds for tests: records in memory behind the seams that the engine's feed reads through."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.actions import Actions
from engine.columns.strings import Strings
from engine.columns.uids import encode_uids
from engine.columns.values import encode_values
from engine.core.control import Control
from engine.live.change import Cause, Transition
from engine.live.feed import FeedSource
from engine.live.feed_record import FeedRecord, pack_feed_record
from engine.live.watermark import Watermark
from engine.model.definitions import Identifier, Model, Segment
from engine.store.catalog import UIDS, Field, FieldKind, identifier_field

__all__ = [
    "NOW_US",
    "STORE_UID",
    "FakeFeedStore",
    "FakeSnapshot",
    "WatchedStore",
    "rows_of",
    "transition",
    "uid",
]

NOW_US = 1_700_000_000_123_456
STORE_UID = bytes(range(100, 116))
BLOCK_ROWS = 65_536


def rows_of(rows: Iterable[int]) -> NDArray[np.uint32]:
    return np.array(sorted(rows), np.uint32)


def transition(
    name: str, entered: Iterable[int] = (), left: Iterable[int] = (), version: int = 1
) -> Transition:
    return Transition(f"segments.{name}", version, rows_of(entered), rows_of(left))


def uid(row: int) -> bytes:
    """The uid of a row in every FakeSnapshot."""
    return b"\x01" * 8 + row.to_bytes(8, "big")


class FakeFeedStore:
    """Feed records by sequence. `through` moves with `add` and `quiet`; `drop` is retention."""

    def __init__(self) -> None:
        self.records: dict[int, bytes] = {}
        self.feed_through = 0
        self.newest = 0
        self.calls = 0

    @property
    def feed_first(self) -> int:
        return min(self.records, default=0)

    @property
    def feed_last(self) -> int:
        return self.newest

    def feed_records(self, after: int) -> Iterator[tuple[int, bytes]]:
        self.calls += 1
        records = dict(self.records)
        return iter([(key, records[key]) for key in sorted(records) if key > after])

    def add(
        self, sequence: int, *transitions: Transition, cause: Cause = Cause.UPDATE
    ) -> FeedRecord:
        """The record of a sequence; those before it change nothing."""
        assert sequence > self.feed_through
        record = FeedRecord(sequence, self.newest, NOW_US + sequence, cause, transitions)
        self.records[sequence] = pack_feed_record(record)
        self.newest = self.feed_through = sequence
        return record

    def quiet(self, sequence: int) -> None:
        """The log went on to a sequence, and nobody entered or left anything."""
        self.feed_through = max(self.feed_through, sequence)

    def drop(self, before: int) -> None:
        """Keeps what is not older than `before`, and the newest in any case."""
        self.records = {
            key: data for key, data in self.records.items() if key >= before or key == self.newest
        }


class FakeSnapshot:
    """Rows with uids, and every third with a phone, over any number of blocks."""

    def __init__(self, data_version: int, blocks: int) -> None:
        self.store_uid = STORE_UID
        self.data_version = data_version
        self.block_count = blocks
        self.row_count = blocks * BLOCK_ROWS
        self.fields = {identifier_field("phone"): Field(7, ":id:phone", FieldKind.VALUES)}

    def __enter__(self) -> FakeSnapshot:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def payloads(self, field: int, block: int) -> Any:
        return _payloads(field, block)

    def addresses(self, field: int) -> Any:
        return _addresses(field, self.block_count)


def _payloads(field: int, block: int, made: dict[tuple[int, int], Any] = {}) -> Any:  # noqa: B006
    if (field, block) not in made:
        first = block * BLOCK_ROWS
        if field == UIDS.id:
            uids = np.ones((BLOCK_ROWS, 16), np.uint8)
            numbers = np.arange(first, first + BLOCK_ROWS, dtype=">u8")
            uids[:, 8:] = numbers.view(np.uint8).reshape(-1, 8)
            made[field, block] = encode_uids(uids).parts
        else:
            owners = np.arange(0, BLOCK_ROWS, 3, dtype=np.uint16)
            phones = Strings.from_list([f"phone-{first + row}" for row in owners.tolist()])
            made[field, block] = encode_values(owners, phones).parts
    return made[field, block]


@dataclass(frozen=True)
class _Parts:
    first_part: Any
    address: Any


@functools.cache
def _addresses(field: int, blocks: int) -> _Parts:
    parts = [[np.frombuffer(one, np.uint8) for one in _payloads(field, b)] for b in range(blocks)]
    ends = np.cumsum([0, *map(len, parts)], dtype=np.uint32)
    addresses = [one.ctypes.data for block in parts for one in block]
    return _Parts(ends, np.array(addresses, np.uint64))


class WatchedStore:
    """A database as watches see it: segments gold, silver and lapsed, of which lapsed is not
    kept, over a FakeFeedStore."""

    def __init__(self, blocks: int = 1) -> None:
        self.store = FakeFeedStore()
        self.blocks = blocks
        self.signal = Watermark(0)
        self.listeners = 0
        self.changed = threading.Condition()
        self.feed = FeedSource(self.store, self._snapshot, self._snapshot)  # type: ignore[arg-type]
        self.actions = Actions(lambda _: _model([]), None, None)  # type: ignore[arg-type]
        segments = [Segment(name, "true") for name in ("gold", "silver", "lapsed")]
        self.model: Model | None = _model(segments)

    def _snapshot(self) -> FakeSnapshot:
        return FakeSnapshot(self.store.feed_through, self.blocks)

    def untold_definitions(self) -> Mapping[str, str]:
        return {"tiers.stage": "its cuts are not known"}

    def unkept_segments(self) -> Mapping[str, str]:
        return {"lapsed": "it depends on the time of asking"}

    def wait_feed(self, after_sequence: int, control: Control | None, timeout_s: float) -> int:
        return self.signal.wait(after_sequence, control, timeout_s)

    def add_feed_listener(self, listener: Callable[[], None]) -> Callable[[], None]:
        remove = self.signal.add_listener(listener)
        with self.changed:
            self.listeners += 1
            self.changed.notify_all()

        def removed() -> None:
            remove()
            with self.changed:
                self.listeners -= 1
                self.changed.notify_all()

        return removed

    def wait_listeners(self, count: int, timeout_s: float = 30) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: self.listeners == count, timeout_s)

    def add(self, sequence: int, *transitions: Transition, **given: Any) -> None:
        self.store.add(sequence, *transitions, **given)
        self.signal.advance(sequence)

    def quiet(self, sequence: int) -> None:
        self.store.quiet(sequence)
        self.signal.advance(sequence)

    def close(self) -> None:
        """Nothing is held."""


def _model(segments: list[Segment]) -> Any:
    class Shape:
        pass

    shape: Any = Shape()
    shape.segments = {segment.name: segment for segment in segments}
    shape.identifiers = {"phone": Identifier("phone", 0)}
    shape.scores, shape.tiers, shape.actions = {"lead": {}}, {"stage": {}}, {}
    shape.tag_rules = ({"tag": "VIP", "when": "true"}, {"tag": "saw {x}", "each": "see"})
    return shape
