"""Reading the feed: who entered and left what, from any place that is still kept.

1. A place is a `FeedPosition` inside the engine and a resume token outside. It is about all
   entries, whatever a reader wants to see of them, so it stays good for other definitions.
2. A step of reading takes the records from the store, skips what is not wanted, and ends after
   so many entries, records or bytes. So a reader holds one step in memory, and a thread for
   one step, however far behind it is.
3. Each record names the one before it. A reader that finds another one there than it has read
   knows that records in between are gone: they are no longer kept (`FeedCompacted`), or the
   store is damaged.

A record that is larger than a step is kept, packed, for the next one.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.errors import InputInvalid, StoreCorrupt
from engine.limits import FEED_KEPT_BYTES, FEED_STEP_BYTES, FEED_STEP_ENTRIES, FEED_STEP_RECORDS
from engine.live.change import Cause
from engine.live.clock_record import VERSIONS as CLOCK_VERSIONS
from engine.live.clock_record import ClockEntries, ClockRun
from engine.live.feed_record import EntryRun, FeedEntries
from engine.live.moved_key import FeedKey, NamedEvent, read_key
from engine.live.resume_token import FeedPosition, pack_token, unpack_token
from engine.store.snapshot import Snapshot

__all__ = [
    "ACTIONS",
    "FeedChunk",
    "FeedCompacted",
    "FeedRun",
    "FeedSource",
    "FeedStore",
    "replay_feed",
    "side_of",
]

# What the key paths of actions begin with.
ACTIONS = "actions."

Wanted = Callable[[str], bool]
Entries = FeedEntries | ClockEntries


class FeedStore(Protocol):
    """What the feed needs of a store. Sequences are those of the log."""

    @property
    def feed_first(self) -> int:
        """The oldest feed record that is kept; 0 where there is none."""

    @property
    def feed_last(self) -> int:
        """The newest feed record; 0 where there is none. The newest one is always kept, so that
        0 says that there has never been any."""

    @property
    def feed_through(self) -> int:
        """The newest log record whose feed is complete: every feed record up to it is stored."""

    def feed_records(self, after: int) -> Iterator[tuple[int, bytes]]:
        """(sequence, bytes) of the records kept whose sequence is greater, ascending."""


class FeedCompacted(Exception):
    """What was asked for is no longer kept; `oldest` is where reading may begin."""

    def __init__(self, oldest: FeedPosition) -> None:
        super().__init__(f"the feed is kept from {oldest} on")
        self.oldest = oldest


@dataclass(frozen=True, slots=True)
class FeedRun:
    """Entries of one record that differ in their profile alone.

    `rows` uint32 (n,) are in the order of the entries; the first has the number
    `first_ordinal`. `entered` says whether they entered or left; where the definition has one of
    several names for a profile, they went from the name `old` to `new`, '' being none. Of a tag
    that properties name one side is it, and the other none. `points` are thousandths before and
    after, of a score that tells them; `event` is what an action asks something for.
    """

    definition: str
    version: int
    entered: bool
    cause: Cause
    instant_us: int
    sequence: int
    first_ordinal: int
    rows: NDArray[np.uint32]
    old: str | None = None
    new: str | None = None
    points: tuple[int | None, int | None] | None = None
    event: NamedEvent | None = None


@dataclass(frozen=True, slots=True)
class FeedChunk:
    """One step of reading: what was found, where to go on, and whether that was all there is."""

    runs: tuple[FeedRun, ...]
    end: FeedPosition
    caught_up: bool


class FeedSource:
    """The feed of one open store. Safe to share between threads.

    `snapshot` gives the state of the store, and `glance` the same without waiting for anybody or
    holding anybody up: for uids and identifiers, which are never written in place.
    """

    def __init__(
        self,
        store: FeedStore,
        snapshot: Callable[[], Snapshot],
        glance: Callable[[], Snapshot],
    ) -> None:
        self._store = store
        self.snapshot = snapshot
        self.glance = glance
        self._guard = threading.Lock()
        self._kept: OrderedDict[int, Entries] = OrderedDict()
        with glance() as now:
            self._uid = now.store_uid

    @property
    def reach(self) -> int:
        """No record beyond this sequence can be read yet: it grows when there is news, and only
        then. A position whose sequence is greater has nothing to read."""
        return min(self._store.feed_last, self._store.feed_through)

    # --------------------------------------------------------------------------- places

    def newest(self) -> FeedPosition:
        """Behind everything that is in the feed now."""
        return FeedPosition(self._store.feed_through + 1)

    def oldest(self) -> FeedPosition:
        """Before the oldest entry that is kept."""
        return FeedPosition(self._store.feed_first or 1)

    def after(self, data_version: int) -> FeedPosition:
        """Behind what a data version contains. InputInvalid for one that is yet to come."""
        self._refuse_ahead(data_version, f"The store has no data version {data_version} yet")
        return FeedPosition(data_version + 1)

    def token(self, position: FeedPosition) -> str:
        """The resume token of a position."""
        return pack_token(self._uid, position)

    def position(self, token: str) -> FeedPosition:
        """The position of a token. InputInvalid for a text that is none, and for a token of
        another store or of a later state of this one."""
        position = unpack_token(self._uid, token)
        self._refuse_ahead(position.sequence - 1, "The resume token is ahead of the store")
        return position

    def _refuse_ahead(self, data_version: int, what: str) -> None:
        with self.glance() as now:
            if data_version > max(now.data_version, self._store.feed_through):
                raise InputInvalid(
                    f"{what}, which is at {now.data_version}. Perhaps an older copy of the store"
                    " was put back; begin anew."
                )

    # -------------------------------------------------------------------------- reading

    def read(
        self, position: FeedPosition, wanted: Wanted, most: int = FEED_STEP_ENTRIES
    ) -> FeedChunk:
        """The next step from a position: at most `most` entries of definitions that are `wanted`,
        by their key path, or, of those with names, by one of the names too (`side_of`).

        Raises FeedCompacted; StoreCorrupt where a stored record cannot be used.
        """
        assert most > 0
        # Read first: records up to here are stored, later ones perhaps not all of them.
        through = self._store.feed_through
        runs: list[FeedRun] = []
        records = scanned = 0
        with closing(self._records(position, through)) as found:
            for entries in found:
                at = position.ordinal if entries.sequence == position.sequence else 0
                if at > entries.count:
                    raise InputInvalid("The resume token names an entry that is not there.")
                for run in _runs(entries, at, wanted, most):
                    runs.append(run)
                    most -= len(run.rows)
                records += 1
                scanned += entries.size
                seen = runs[-1].first_ordinal + len(runs[-1].rows) if not most else entries.count
                if seen < entries.count:
                    self._keep(entries)
                    inside = FeedPosition(entries.sequence, seen)
                    return FeedChunk(tuple(runs), inside, caught_up=False)
                if not most or records >= FEED_STEP_RECORDS or scanned >= FEED_STEP_BYTES:
                    behind = FeedPosition(entries.sequence + 1)
                    return FeedChunk(tuple(runs), behind, caught_up=entries.sequence >= through)
        return FeedChunk(tuple(runs), max(position, FeedPosition(through + 1)), caught_up=True)

    def _records(self, position: FeedPosition, through: int) -> Generator[Entries, None, None]:
        """The records from a position on, up to `through`, each the one after the one before."""
        before = position.sequence - 1
        with self._guard:
            half_read = self._kept.get(position.sequence) if position.ordinal else None
        if half_read is not None:
            yield half_read
            before = half_read.sequence
        begun = half_read is not None
        with closing(_closable(self._store.feed_records(before))) as stored:
            for sequence, data in stored:
                if sequence > through:
                    return
                entries = _parsed(sequence, data)
                in_order = entries.previous == before if begun else entries.previous <= before
                if not in_order:
                    raise self._lost(before, entries)
                yield entries
                before, begun = sequence, True

    def _lost(self, before: int, entries: Entries) -> FeedCompacted | StoreCorrupt:
        """Why the record after `before` is not there."""
        oldest = self.oldest()
        if before < oldest.sequence - 1:
            return FeedCompacted(oldest)
        return StoreCorrupt(
            f"The feed has a record {entries.sequence} that follows {entries.previous}, which is"
            f" not there; restore the store from a copy."
        )

    def _keep(self, entries: Entries) -> None:
        """Holds a record that was read in part, and lets older ones go."""
        with self._guard:
            self._kept[entries.sequence] = entries
            self._kept.move_to_end(entries.sequence)
            held = sum(one.size for one in self._kept.values())
            while held > FEED_KEPT_BYTES and len(self._kept) > 1:
                held -= self._kept.popitem(last=False)[1].size


def _runs(entries: Entries, at: int, wanted: Wanted, most: int) -> Iterator[FeedRun]:
    """At most `most` wanted entries of a record from entry `at` on."""
    for run in entries.runs_from(at):
        if not most:
            return
        start = max(at - run.first_ordinal, 0)
        key = _told(entries, run)
        if start >= run.count or not _wants(wanted, key):
            continue
        old, new = key.names or (None, None)
        rows = _rows(entries, run, start, start + most)
        yield FeedRun(
            definition=key.path,
            version=run.version,
            entered=run.entered,
            old=old,
            new=new,
            points=key.points,
            event=key.event,
            cause=entries.cause,
            instant_us=run.instant_us,
            sequence=entries.sequence,
            first_ordinal=run.first_ordinal + start,
            rows=rows,
        )
        most -= len(rows)


def _wants(wanted: Wanted, key: FeedKey) -> bool:
    if wanted(key.path):
        return True
    return any(name and wanted(side_of(key.path, name)) for name in key.names or ())


def _rows(entries: Entries, run: EntryRun | ClockRun, start: int, stop: int) -> NDArray[np.uint32]:
    try:
        return run.rows(start, stop)
    except ValueError as error:
        raise _unreadable(entries.sequence, error) from error


def _told(entries: Entries, run: EntryRun | ClockRun) -> FeedKey:
    try:
        return read_key(run.definition)
    except ValueError as error:
        raise _unreadable(entries.sequence, error) from error


def _parsed(sequence: int, data: bytes) -> Entries:
    try:
        of_clock = int.from_bytes(data[:2], "little") in CLOCK_VERSIONS
        entries = ClockEntries(data) if of_clock else FeedEntries(data)
        if entries.sequence != sequence:
            raise ValueError(f"it says that it is record {entries.sequence}")
    except ValueError as error:
        raise _unreadable(sequence, error) from error
    return entries


def _unreadable(sequence: int, error: ValueError) -> StoreCorrupt:
    return StoreCorrupt(
        f"Record {sequence} of the feed cannot be read ({error}); restore the store from a copy."
    )


def _closable(records: Iterator[tuple[int, bytes]]) -> Generator[tuple[int, bytes], None, None]:
    """As a generator: an iterator of the store may or may not have something to close."""
    yield from records


def replay_feed(source: FeedSource) -> dict[str, NDArray[np.uint32]]:
    """Who is in each definition by the feed alone, as sorted rows; empty definitions left out, and
    actions, which nobody leaves.
    Where a definition gives names, who has which: by the key path, ` = ` and the name.

    For a feed of which nothing has been dropped yet. StoreCorrupt where somebody enters who is
    in already, or leaves who is not: an entry is missing, or is there twice.
    """
    members: dict[str, NDArray[np.uint32]] = {}
    position, caught_up = source.oldest(), False
    while not caught_up:
        chunk = source.read(position, lambda key: not key.startswith(ACTIONS))
        for run in chunk.runs:
            for key, entered in _sides(run) if run.points is None else ():
                held = members.get(key, np.zeros(0, np.uint32))
                if np.isin(run.rows, held).any() if entered else not np.isin(run.rows, held).all():
                    raise StoreCorrupt(
                        f"Record {run.sequence} of the feed does not fit those before it: {key}."
                    )
                joined = np.union1d(held, run.rows) if entered else np.setdiff1d(held, run.rows)
                members[key] = joined.astype(np.uint32)
        position, caught_up = chunk.end, chunk.caught_up
    return {definition: rows for definition, rows in members.items() if len(rows)}


def side_of(key: str, name: str) -> str:
    """How one name of a key path is asked for, where profiles go from one name to another."""
    return f"{key} = {name}"


def _sides(run: FeedRun) -> Iterator[tuple[str, bool]]:
    """What the profiles of a run leave and enter."""
    if run.old is None:
        yield run.definition, run.entered
    for name, entered in ((run.old, False), (run.new, True)):
        if name:
            yield side_of(run.definition, name), entered
