"""What `python -m bench.identity` measures, each part with its answers checked."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.identity.entries import digests_of, texts_of
from engine.columns.hashing import siphash128_many
from engine.identity.digests import UNKNOWN
from engine.identity.index import IdentityIndex
from engine.identity.live import LiveIdentities
from engine.identity.of_snapshot import identities_of
from engine.identity.replay import KindColumn
from engine.identity.resolve import resolve
from engine.model.definitions import Identifier
from engine.store.drafts import Drafts
from engine.store.store import Store

__all__ = ["Figures", "measure"]

# Rows of one batch of a load, as the loaders cut them.
LOAD_BATCH = 65_536
# Entries that a live store has got and not yet saved.
DELTA_ENTRIES = 1_000_000
# New profiles of a record of the log, and what a group commit may save of the index.
RECORD_ROWS = 5_000
SLICE_BYTES = 4 << 20


@dataclass
class Figures:
    """Names of figures to values, and a number that all answers went into."""

    values: dict[str, float] = field(default_factory=dict)
    answers: int = 0

    def note(self, name: str, value: float) -> None:
        """One figure."""
        self.values[name] = float(f"{value:.4g}")

    def note_memory(self, when: str) -> None:
        """What the process has in memory now, MiB: anonymous, of files, and the most so far."""
        status = Path(f"/proc/{os.getpid()}/status").read_text().splitlines()
        names = {"RssAnon": "anonymous", "RssFile": "mapped", "VmHWM": "most resident"}
        for head, *rest in (line.split() for line in status):
            if head[:-1] in names:
                self.note(f"{when}: {names[head[:-1]]}, MiB", int(rest[0]) / 1024)

    def saw(self, rows: NDArray[np.uint32]) -> None:
        """Takes rows into the number of the answers."""
        weights = np.arange(1, len(rows) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        total = int((rows.astype(np.uint64) * weights).sum(dtype=np.uint64))
        self.answers = (self.answers * 31 + total) % (1 << 64)


def measure(folder: Path, entries: int, sizes: tuple[int, ...], repetitions: int) -> Figures:
    """Makes an index of so many entries in a store of its own, or takes the one in `folder`,
    and measures it."""
    figures = Figures()
    path = folder / f"identity-{entries}"
    if not path.exists():
        with Store.create(path) as store:
            _load(store, entries, figures)
        figures.note_memory("load")
    figures.note("bytes in the file per entry", (path / "data.mdb").stat().st_size / entries)
    _texts(figures, min(entries, 1_000_000), repetitions)
    _resolving(figures, repetitions)
    begun = time.thread_time()
    with Store.open(path) as store:
        figures.note("open, ms", (time.thread_time() - begun) * 1e3)
        _look_up(store, entries, sizes, repetitions, figures)
        _stream(store, entries, min(40, max(2, entries // RECORD_ROWS)), figures)
    return figures


def _load(store: Store, entries: int, figures: Figures) -> None:
    """What a bulk load does: runs on the disk, shards written ahead, and one write."""
    finding = adding = 0.0
    drafts = Drafts(store, lambda: None)
    with store.snapshot() as snapshot:
        index = IdentityIndex(snapshot, drafts=drafts)
        for first in range(0, entries, LOAD_BATCH):
            numbers = np.arange(first, min(first + LOAD_BATCH, entries))
            digests = digests_of(numbers)
            begun = time.thread_time()
            found = index.find(digests)
            found_at = time.thread_time()
            index.add(digests, numbers.astype(np.uint32))
            adding += time.thread_time() - found_at
            finding += found_at - begun
            assert (found == UNKNOWN).all()
    # Shards are written on another thread.
    begun = time.process_time()
    index.write_ahead()
    saved_at = time.process_time()
    with store.write() as writer:
        drafts.hand_over(writer)
        index.save(writer)
    done = time.process_time()
    index.close()
    drafts.drop()
    for name, seconds in (
        ("finding", finding),
        ("adding", adding),
        ("saving", saved_at - begun),
        ("commit", done - saved_at),
        ("in all", finding + adding + done - begun),
    ):
        figures.note(f"load: {name}, ns per entry", seconds / entries * 1e9)


def _texts(figures: Figures, count: int, repetitions: int) -> None:
    texts = texts_of(np.arange(count))
    seconds = _median(lambda: siphash128_many(texts, bytes(16), 7), repetitions)
    figures.note("digesting texts, M/s", count / seconds / 1e6)


def _resolving(figures: Figures, repetitions: int) -> None:
    """A batch in which everybody is new, with two kinds of identifiers."""
    numbers = np.random.default_rng(1).permutation(LOAD_BATCH)
    texts = texts_of(numbers)
    columns = []
    for kind in range(2):
        digests = siphash128_many(texts, bytes(16), kind)
        unknown = np.full(LOAD_BATCH, UNKNOWN, np.uint32)
        columns.append(
            KindColumn(Identifier(str(kind), kind), texts, texts.valid, digests, unknown)
        )

    def run() -> NDArray[np.uint32]:
        return resolve(columns, texts.valid, 0, lambda _, rows: np.zeros(len(rows), np.int64)).rows

    figures.saw(run())
    seconds = _median(run, repetitions)
    figures.note("resolving new profiles, ns each", seconds / LOAD_BATCH * 1e9)


def _look_up(
    store: Store, entries: int, sizes: tuple[int, ...], repetitions: int, figures: Figures
) -> None:
    """Random batches, each drawn anew, through a snapshot and with a delta before it."""
    rng = np.random.default_rng(2)
    with store.snapshot() as snapshot:
        begun = time.thread_time()
        view = identities_of(snapshot)
        figures.note("attach, ms", (time.thread_time() - begun) * 1e3)
        begun = time.thread_time()
        view.find(digests_of(rng.integers(0, entries, 1)))
        figures.note("first look-up, ms", (time.thread_time() - begun) * 1e3)
        # Every shard is checked and touched once.
        every = digests_of(rng.integers(0, entries, min(entries, 1_000_000)))
        begun = time.thread_time()
        view.find(every)
        figures.note(
            "look-ups that touch every shard first, ms", (time.thread_time() - begun) * 1e3
        )
        figures.note_memory("snapshot")
        _batches("snapshot", view.find, entries, sizes, repetitions, rng, figures)
        live = LiveIdentities.load(snapshot)
        added = min(DELTA_ENTRIES, entries)
        for first in range(0, added, RECORD_ROWS):
            numbers = np.arange(entries + first, entries + min(first + RECORD_ROWS, added))
            live.add(digests_of(numbers), numbers.astype(np.uint32), 1 + first // RECORD_ROWS)
        live.find(every)
        figures.note("delta: bytes per entry", live.state.delta.nbytes / added)
        figures.note_memory("delta")
        _batches("delta", live.find, entries + added, sizes, repetitions, rng, figures)


def _batches(
    name: str,
    find: Callable[[NDArray[np.uint64]], NDArray[np.uint32]],
    entries: int,
    sizes: tuple[int, ...],
    repetitions: int,
    rng: np.random.Generator,
    figures: Figures,
) -> None:
    for size in sizes:
        for what in ("hits", "misses"):
            times = []
            for _ in range(max(repetitions, min(200, 500_000 // size))):
                numbers = rng.integers(0, entries, size) + (1 << 40) * (what == "misses")
                digests = digests_of(numbers)
                begun = time.thread_time()
                rows = find(digests)
                times.append(time.thread_time() - begun)
                wanted = numbers if what == "hits" else np.full(size, UNKNOWN)
                assert (rows == wanted).all()
                figures.saw(rows)
            figures.note(f"{name}: {what} of {size:,}, M/s", size / np.median(times) / 1e6)


def _stream(store: Store, entries: int, records: int, figures: Figures) -> None:
    """New profiles record by record, each with a slice, as group commits save them."""
    with store.snapshot() as snapshot:
        live = LiveIdentities.load(snapshot)
    # As a store that has been open for a while: every shard was touched.
    live.find(digests_of(np.random.default_rng(3).integers(0, entries, min(entries, 1_000_000))))
    sequence = store.root.data_version
    before = live.find(digests_of(np.arange(entries, entries + 1)))[0] == UNKNOWN
    first = entries if before else entries + (1 << 41) + sequence * RECORD_ROWS
    adding = slicing = committing = 0.0
    given = 0
    for record in range(records):
        numbers = np.arange(first, first + RECORD_ROWS) + record * RECORD_ROWS
        digests, rows = digests_of(numbers), (numbers % (1 << 31)).astype(np.uint32)
        begun = time.thread_time()
        live.find(digests)
        live.add(digests, rows, sequence + record + 1)
        added_at = time.thread_time()
        with store.write() as writer:
            given += live.save_slice(writer, SLICE_BYTES)
            sliced_at = time.thread_time()
        with store.snapshot() as snapshot:
            live.saved(snapshot)
        live.settle(sequence + record + 1)
        adding += added_at - begun
        slicing += sliced_at - added_at
        committing += time.thread_time() - sliced_at
        assert (live.find(digests) == rows).all()
    figures.note(
        "stream: finding and adding, us per new profile", adding / records / RECORD_ROWS * 1e6
    )
    figures.note("stream: making a slice of 4 MiB, ms", slicing / records * 1e3)
    figures.note("stream: commit of a slice, ms", committing / records * 1e3)
    figures.note("stream: MiB of a slice", given / records / (1 << 20))


def _median(run: Callable[[], object], repetitions: int) -> float:
    times = []
    for _ in range(repetitions):
        begun = time.thread_time()
        run()
        times.append(time.thread_time() - begun)
    return float(np.median(times))
