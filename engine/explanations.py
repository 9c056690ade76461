"""Explanations: why one profile satisfies an expression or not, and where it stands."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from weakref import WeakKeyDictionary

from engine.audience import Audience
from engine.explaining.explain import Explanation, explain
from engine.explaining.known_closures import KnownClosures
from engine.explaining.of_store import as_it_was, as_one_profile
from engine.explaining.outline import Outline, Reads, outline
from engine.explaining.reading import Reading
from engine.explaining.score_questions import ScoreQuestion
from engine.explaining.subjects import Nodes, Question, Subject
from engine.explaining.tag_questions import TagQuestion
from engine.explaining.tier_questions import TierQuestion
from engine.identity.digests import UNKNOWN
from engine.identity.of_snapshot import identities_of
from engine.identity.owners import row_of
from engine.live.profiles import ProfileRecord, read_profile
from engine.live.row_events import RowEvents
from engine.live.tag_givers import givers_of_tag
from engine.live.tier_cuts import Refreshes
from engine.rules import tree
from engine.rules.bind import Binder
from engine.rules.known_texts import KnownText
from engine.store.snapshot import Snapshot

__all__ = ["Explanations"]

# Outlines and questions kept of one model: those that a screen of profiles is explained by.
_KEPT = 256

_outlines: WeakKeyDictionary[Binder, dict[str, Outline]] = WeakKeyDictionary()
_questions: WeakKeyDictionary[Binder, dict[tuple[Subject, int | None], Question]] = (
    WeakKeyDictionary()
)


class Explanations:
    """Explains expressions over the snapshots of one store. Safe to share between threads."""

    def __init__(
        self,
        snapshot: Callable[[], AbstractContextManager[Snapshot]],
        audience: Callable[[Snapshot, int | None, None], Audience],
        refreshes: Callable[[Snapshot], Refreshes],
        closures: KnownClosures,
    ) -> None:
        self._snapshot = snapshot
        self._audience = audience
        self._refreshes = refreshes
        self._closures = closures

    def explain(
        self,
        identifier: tuple[str, str],
        asked: str | tree.Expr | Subject,
        *,
        as_of_us: int | None = None,
        where: str = "",
        with_ways: bool = True,
    ) -> Explanation | None:
        """Why the owner of (kind, value) satisfies an expression at an instant (None: now), or not,
        or where it stands; None where nobody owns it. `where` names what is asked in errors, and
        `with_ways` says whether it is asked what would help. Raises ExpressionInvalid,
        InputInvalid, NotYet."""
        with self._snapshot() as snapshot:
            audience = self._audience(snapshot, as_of_us, None)
            binder = audience.binder
            if isinstance(asked, Subject):
                question = self._question(asked, binder, snapshot, as_of_us, where)
                reads = question.reads
            else:
                known = audience.read(asked, where)
                nodes = _outline(known, binder)
                reads = nodes.reads
            row = row_of(identities_of(snapshot), binder.model, *identifier)
            found = self._read(row, audience, snapshot, reads, as_of_us)
            if found is None:
                return None
            record, reading = found
            if isinstance(asked, Subject):
                givers = givers_of_tag(snapshot, record.row, asked.name)
                all_nodes = Nodes(reading, binder.model, with_ways=with_ways)
                standing = question.stand(all_nodes, givers if asked.kind == "tag" else ())
                made = Explanation(
                    record.uid,
                    asked.text,
                    reading.now_us,
                    reading.profile.zone,
                    tuple(all_nodes.all),
                    with_ways=with_ways,
                    standing=standing,
                )
            else:
                made = explain(nodes, reading, binder.model, with_ways=with_ways)
            today = audience.today(reads)
            return replace(made, data_version=snapshot.data_version, read_as_of_today=today)

    def of_row(
        self, snapshot: Snapshot, row: int, expression: str, as_of_us: int
    ) -> Explanation | None:
        """The same of one row, without what would help; None where it is not alive."""
        audience = self._audience(snapshot, as_of_us, None)
        binder = audience.binder
        nodes = _outline(audience.read(expression), binder)
        found = self._read(row, audience, snapshot, nodes.reads, as_of_us)
        return None if found is None else explain(nodes, found[1], binder.model, with_ways=False)

    def _read(
        self, row: int, audience: Audience, snapshot: Snapshot, reads: Reads, as_of_us: int | None
    ) -> tuple[ProfileRecord, Reading] | None:
        """The profile of a row as it was at an instant; None where there is none."""
        model = audience.binder.model
        events = RowEvents(snapshot, model, row)
        record = None if row == UNKNOWN else read_profile(snapshot, model, row)
        if record is None:
            return None
        latest_us = audience.latest_us
        profile = as_one_profile(
            snapshot, model, record, reads.types, reads.lists, latest_us, events
        )
        if as_of_us is not None:
            profile = as_it_was(profile, snapshot, model, row, as_of_us)
        return record, Reading(profile, audience.as_of_us, self._closures.of(audience.binder))

    def _question(
        self, asked: Subject, binder: Binder, snapshot: Snapshot, as_of_us: int | None, where: str
    ) -> Question:
        kept = _questions.setdefault(binder, {})
        refreshed_us = None
        if asked.kind == "tier":
            # Equal cuts may be those of another refresh.
            refreshed_us = self._refreshes(snapshot).instant_of(asked.name, as_of_us)
        found = kept.get((asked, refreshed_us))
        if found is None:
            match asked.kind:
                case "tier":
                    found = TierQuestion(asked.name, binder, where, refreshed_us)
                case "tag":
                    found = TagQuestion(asked.name, binder)
                case _:
                    found = ScoreQuestion(asked.name, binder, where)
            if len(kept) >= _KEPT:
                kept.clear()
            kept[asked, refreshed_us] = found
        return found


def _outline(known: KnownText, binder: Binder) -> Outline:
    kept = _outlines.setdefault(binder, {})
    found = kept.get(known.canonical)
    if found is None:
        if len(kept) >= _KEPT:
            kept.clear()
        found = kept[known.canonical] = outline(known.expression, known.bound, binder)
    return found
