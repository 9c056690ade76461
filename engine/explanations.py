"""Explanations: why one profile satisfies an expression or not."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

from engine.audience import Audience
from engine.explaining.cards import Card, asked_of, card_of
from engine.explaining.explain import Explanation, explain
from engine.explaining.of_store import as_one_profile, read_one
from engine.explaining.outline import Outline, outline
from engine.explaining.reading import Reading
from engine.identity.digests import UNKNOWN
from engine.identity.of_snapshot import identities_of
from engine.identity.owners import rows_of
from engine.live.log_clock import clock_of
from engine.live.profiles import ProfileRecord
from engine.rules import tree
from engine.rules.bind import Binder
from engine.rules.known_texts import KnownText
from engine.store.snapshot import Snapshot

__all__ = ["Explanations", "ProfileCard"]

# Outlines kept of one model: those of the expressions that a screen of profiles is explained by.
_KEPT = 256

_outlines: WeakKeyDictionary[Binder, dict[str, Outline]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class ProfileCard:
    """A profile as it is stored, and what the rules of the model say of it now."""

    record: ProfileRecord
    card: Card


class Explanations:
    """Explains expressions over the snapshots of one store. Safe to share between threads."""

    def __init__(
        self,
        snapshot: Callable[[], AbstractContextManager[Snapshot]],
        audience: Callable[[Snapshot, int | None, None], Audience],
    ) -> None:
        self._snapshot = snapshot
        self._audience = audience

    def explain(
        self,
        identifier: tuple[str, str],
        expression: str | tree.Expr,
        *,
        as_of_us: int | None = None,
        where: str = "",
    ) -> Explanation | None:
        """Why the owner of (kind, value) satisfies an expression at an instant (None: now), or not;
        None where nobody owns it. `where` names the expression in errors. Raises
        ExpressionInvalid, InputInvalid, NotYet."""
        with self._snapshot() as snapshot:
            audience = self._audience(snapshot, as_of_us, None)
            binder = audience.binder
            (row,) = rows_of(identities_of(snapshot), binder.model, [identifier]).tolist()
            known = audience.read(expression, where)
            if row == UNKNOWN:
                return None
            asked = _outline(known, binder)
            latest_us = audience.latest_us
            profile = read_one(snapshot, binder.model, row, asked.types, asked.lists, latest_us)
            if profile is None:
                return None
            reading = Reading(profile, audience.as_of_us)
            found = explain(asked, reading, binder.model)
            today = audience.today(known)
            return replace(found, data_version=snapshot.data_version, read_as_of_today=today)

    def card(self, snapshot: Snapshot, binder: Binder, record: ProfileRecord, now_us: int) -> Card:
        """What the model says of a profile now. Raises NotYet."""
        asked = asked_of(binder)
        if not (asked.scores or asked.names or asked.tags or asked.named):
            return Card()
        latest_us = max(now_us, clock_of(snapshot))
        profile = as_one_profile(
            snapshot, binder.model, record, asked.types, asked.lists, latest_us
        )
        return card_of(asked, binder, Reading(profile, now_us))


def _outline(known: KnownText, binder: Binder) -> Outline:
    kept = _outlines.setdefault(binder, {})
    found = kept.get(known.canonical)
    if found is None:
        if len(kept) >= _KEPT:
            kept.clear()
        found = kept[known.canonical] = outline(known.expression, known.bound, binder)
    return found
