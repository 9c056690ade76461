"""One profile's events found by chains: what a scan of every chunk finds, whatever was stored,
taken away or saved meanwhile, and in states of the store that are older than the chains."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.events.chains import Chains
from engine.events.chunks import Chunks
from engine.events.encode import encode_events
from engine.events.one_row import events_of_row
from engine.store import places, row_chains
from engine.store.aligned import AlignedBytes
from engine.store.catalog import event_field, property_field
from engine.store.places import places_of
from engine.store.row_chains import Deep, RowChains
from engine.store.snapshot import Snapshot
from tests.event_stores import event_batch
from tests.live_databases import LiveDatabase, model_files
from tests.made_events import made_events

MEMBERS = 6
EVENTS = "events:\n  visit: {properties: {page: category}}\n  ping: {}\n"
NOW_US = 1_760_000_000_000_000


@pytest.fixture
def shallow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of five events, and blocks that are deep with three."""
    monkeypatch.setattr("engine.store.open_events.SEALED_EVENTS", 5)
    for module in (places, row_chains):
        monkeypatch.setattr(module, "DEEP_CHUNKS", 3)
    monkeypatch.setattr(row_chains, "READS_BEFORE_CHAINS", 2)


@pytest.fixture
def live(tmp_path: Path, shallow: None) -> Iterator[LiveDatabase]:
    live = LiveDatabase(tmp_path / "store", {})
    files = model_files({})
    live.database.apply_model({"model.yaml": files["model.yaml"] + EVENTS})
    live.sizes(*((f"m{number}", number) for number in range(MEMBERS)))
    yield live
    live.database.close()


def visits(
    live: LiveDatabase, drawn: random.Random, count: int = 7, *, with_ids: float = 0.5
) -> None:
    """Some events; some with ids that came before, some taken away."""
    model = live.database.model
    assert model is not None
    updates = []
    for _ in range(count):
        member = drawn.randrange(MEMBERS)
        event: dict[str, object] = {
            "time": NOW_US + drawn.randrange(50),
            "page": drawn.choice("abc"),
        }
        if drawn.random() < with_ids:
            event["id"] = f"{member}-{drawn.randrange(30)}"
            event["gone"] = drawn.random() < 0.2
        updates.append({"member": f"m{member}", "visit": event})
    batch = event_batch(updates, model)
    live.database.wait_visible(live.database.ingest(batch, source="s").offset)


def compared(snapshot: Snapshot) -> int:
    """How many events all rows have, by chains and by scans alike."""
    fields = snapshot.fields
    ids = fields[event_field("visit")].id, fields[event_field("ping")].id
    pages = (fields[property_field("page", "category", 0)].id,)
    count = 0
    for row in range(MEMBERS):
        scanned = events_of_row(places_of(snapshot.version, ids, 0), row, (pages, ()))
        assert snapshot.events_of_row(ids, row, (pages, ())) == scanned
        is_deep = bool(snapshot.version.event_places[ids, 0].deep)
        at_hand = snapshot.events_at_hand(ids, row, (pages, ()), len(scanned[0] or ()))
        assert at_hand == (None if is_deep else scanned)
        count += len(scanned[0] or ())
    return count


@pytest.mark.parametrize("seed", range(6))
def test_chains_find_what_scans_find(live: LiveDatabase, seed: int) -> None:
    drawn = random.Random(seed)
    visits(live, drawn, 40)
    older: list[Snapshot] = []
    for _ in range(25):
        visits(live, drawn)
        if drawn.random() < 0.5:
            live.database.checkpoint()
        if drawn.random() < 0.2:
            older.append(live.database._store.snapshot())
        for _ in range(2):
            with live.database._store.snapshot() as snapshot:
                assert compared(snapshot)
            for kept in older:
                assert compared(kept)
    figures = live.database.stats()
    assert figures["row_chains_bytes"] > 0
    for kept in older:
        kept.close()


def test_chunks_are_not_scanned_once_they_are_chained(live: LiveDatabase) -> None:
    visits(live, random.Random(1), 60, with_ids=0)
    assert live.database.stats()["deep_chunks_scanned"] == 0
    for _ in range(5):
        live.database.profiles([("member", "m1")], recent_events=3)
    first = live.database.stats()
    assert first["deep_chunks_scanned"] == 12, "one scan of all that are sealed, then chains"
    # What was chained is not looked through again because there is more.
    visits(live, random.Random(2), 9, with_ids=0)
    live.database.profiles([("member", "m2")], recent_events=3)
    second = live.database.stats()
    assert 1 <= second["deep_chunks_scanned"] - first["deep_chunks_scanned"] <= 2
    assert second["row_chains_bytes"] == first["row_chains_bytes"]


def test_what_was_used_longest_ago_goes(shallow: None, monkeypatch: pytest.MonkeyPatch) -> None:
    events = made_events(100, np.random.default_rng(3), rows=9)
    placed = [AlignedBytes(part) for part in encode_events(events)] * 3
    addresses = tuple(part.address for part in placed)
    deep = Deep(0, 7, 3, bytes(range(72)))
    size = Chains(Chunks([], addresses)).nbytes
    monkeypatch.setattr(row_chains, "READ_CHAINS_BYTES", 2 * size)
    kept = RowChains()
    for block in (0, 1, 0, 2, 0, 1):
        for _ in range(2):
            kept.of(deep, block, addresses)
        assert kept.of(deep, block, addresses) is not None
        assert kept.figures["row_chains_bytes"] <= 2 * size
    before = kept.figures["deep_chunks_scanned"]
    assert kept.of(deep, 0, addresses) and kept.of(deep, 1, addresses)
    assert kept.figures["deep_chunks_scanned"] == before
    assert kept.of(deep, 2, addresses) is None, "it was used before those two"
    # Chunks that are others are not taken for those that are chained.
    assert kept.of(deep._replace(told=bytes(72)), 0, addresses) is None
    half = deep._replace(chunks=3, told=deep.told[:48] + bytes(24))
    found = kept.of(half, 1, addresses)
    assert found is not None and found[1] == 2


def test_while_one_makes_chains_others_scan(shallow: None, monkeypatch: pytest.MonkeyPatch) -> None:
    events = made_events(50, np.random.default_rng(3), rows=9)
    placed = [AlignedBytes(part) for part in encode_events(events)] * 3
    addresses = tuple(part.address for part in placed)
    deep = Deep(0, 7, 3, bytes(range(72)))
    kept = RowChains()
    begun, go_on = threading.Event(), threading.Event()

    def slow(chunks: Chunks) -> Chains:
        begun.set()
        assert go_on.wait(10)
        return Chains(chunks)

    monkeypatch.setattr(row_chains, "Chains", slow)
    assert kept.of(deep, 0, addresses) is None
    maker = threading.Thread(target=kept.of, args=(deep, 0, addresses))
    maker.start()
    assert begun.wait(10)
    assert kept.of(deep, 0, addresses) is None
    go_on.set()
    maker.join()
    assert kept.of(deep, 0, addresses) is not None
