"""What a store that was closed, or killed, has to do before it is as it was.

1. Take the saved state: each block as of the record of the log that it says.
2. Give all identifiers of the log to their owners again, each by its record: what is stored of
   them does not say since when they have one.
3. Replay the log: positions take every record, a block only those that are newer than it. Segments
   are judged again for the rows that a record wrote; what entered and left is new to the feed only
   after the record up to which the feed is complete. Ticks of the clock are carried out again in
   the same way, block by block. Where nobody asks what was between them, records are carried out
   as one (engine.live.joined_records).
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from functools import partial

from engine.errors import StoreCorrupt
from engine.identity.live import LiveIdentities
from engine.live.applier import Applier
from engine.live.committing import Logged, with_rows
from engine.live.histories import history_in
from engine.live.joined_records import JoinRules, RecordJoiner
from engine.live.log_entry import LogEntry, Mark, unpack_entry
from engine.live.log_record import unpack_update
from engine.live.model_in_force import ModelInForce
from engine.live.position_table import PositionTable
from engine.store.store import Store

__all__ = ["replay_log"]


def replay_log(
    store: Store,
    applier: Applier,
    identities: LiveIdentities,
    positions: PositionTable,
    in_force: ModelInForce | None,
    *,
    most: int | None = None,
    one_by_one: bool = False,
) -> int:
    """Brings the visible state to the end of the log, or by `most` records forward; returns how
    many were replayed. Carried out `one_by_one` they are visible up to the one that fails.

    Raises StoreCorrupt for a record that is damaged or cannot be read.
    """
    root = store.root
    absorbed = [manifest.sequence for manifest in store.glance().version.state.manifests]
    through = 0 if one_by_one else root.feed_through
    if not store.log().last:
        # Whoever only reads need not know which segments are kept.
        return 0
    joiner = RecordJoiner(absorbed, _rules(store, in_force, through))

    def carry_out() -> None:
        if (joined := joiner.joined()) is not None:
            applier.apply(joined.logged, in_force, with_feed=False, first=joined.first)

    _replay_identities(store, identities)
    count = 0
    for logged, mark in itertools.islice(_records(store), most):
        sequence = logged.sequence
        joins = applier.lagging.lag is None and joiner.takes(logged)
        if not joins:
            carry_out()
            joins = applier.lagging.lag is None and joiner.takes(logged)
        if mark is not None:
            positions.replay(mark, sequence)
        if joins:
            joiner.take(logged)
            count += 1
            continue

        def absorbs(block: int, sequence: int = sequence) -> bool:
            return block >= len(absorbed) or absorbed[block] < sequence

        applier.apply(logged, in_force, absorbs, with_feed=sequence > root.feed_through)
        count += 1
    carry_out()
    return count


def _rules(store: Store, in_force: ModelInForce | None, through: int) -> JoinRules:
    """Which of the records up to one may be carried out as one."""
    fields = store.glance().fields
    listed = [fields[name] for name in fields]
    dated = frozenset(one.id for one in listed if history_in(fields, one) is not None)
    if in_force is None:
        return JoinRules(through, one_instant=False, dated=dated)
    segments = in_force.segments
    if segments.has_facts:
        through = 0
    return JoinRules(through, one_instant=bool(segments.moving), dated=dated)


def _records(store: Store) -> Iterator[tuple[Logged, Mark | None]]:
    """The records of the log, ticks in slices with the rows of the batches behind them."""
    waiting: list[tuple[Logged, Mark | None]] = []
    for logged, mark in map(partial(_read, store), store.log().read()):
        if logged.is_tick and waiting:
            yield from _brought_up(waiting)
            waiting = []
        if logged.step is None and not waiting:
            yield logged, mark
        else:
            waiting.append((logged, mark))
    yield from _brought_up(waiting)


def _brought_up(
    waiting: Sequence[tuple[Logged, Mark | None]],
) -> Iterator[tuple[Logged, Mark | None]]:
    """A tick in slices and what follows up to the next tick; or nothing."""
    for logged, mark in waiting:
        rest = [one for one, _ in waiting[1:]]
        yield (with_rows(logged, rest) if logged.step is not None else logged), mark


def _read(store: Store, record: tuple[int, bytes]) -> tuple[Logged, Mark | None]:
    """A record, and how far its partition is with it."""
    sequence, payload = record
    try:
        entry = unpack_entry(payload)
        if isinstance(entry, LogEntry):
            update = unpack_update(entry.update) if entry.update else None
            return Logged(sequence, entry.instant_us, update), entry.mark
    except ValueError as error:
        raise StoreCorrupt(
            f"Record {sequence:,} of the log at {store.path} cannot be read ({error}). "
            "Restore the store from a backup."
        ) from error
    if entry is None:
        return Logged(sequence, 0, None), None
    return Logged(sequence, entry.instant_us, None, entry.before_us, entry.step), None


def _replay_identities(store: Store, identities: LiveIdentities) -> None:
    """Gives the identifiers of the log to their owners again, up to a record that cannot be read:
    carrying it out will say so."""
    with contextlib.suppress(StoreCorrupt):
        for logged, _ in map(partial(_read, store), store.log().read()):
            if logged.update is not None:
                update, sequence = logged.update, logged.sequence
                identities.add(update.uid_digests, update.new_rows, sequence)
                for links in update.identifiers:
                    identities.add(links.digests, links.rows, sequence)
