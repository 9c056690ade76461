"""Explanations: why one profile satisfies an expression or not."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from weakref import WeakKeyDictionary

from engine.audience import Audience
from engine.explaining.explain import Explanation, explain
from engine.explaining.of_store import read_one
from engine.explaining.outline import Outline, outline
from engine.explaining.reading import Reading
from engine.explaining.ways import Ways
from engine.identity.digests import UNKNOWN
from engine.identity.of_snapshot import identities_of
from engine.identity.owners import rows_of
from engine.rules import tree
from engine.rules.bind import Binder
from engine.rules.known_texts import KnownText
from engine.store.snapshot import Snapshot

__all__ = ["Explanations"]

# Outlines kept of one model: those of the expressions that a screen of profiles is explained by.
_KEPT = 256

_outlines: WeakKeyDictionary[Binder, dict[str, Outline]] = WeakKeyDictionary()


class Explanations:
    """Explains expressions over the snapshots of one store. Safe to share between threads."""

    def __init__(
        self,
        snapshot: Callable[[], AbstractContextManager[Snapshot]],
        audience: Callable[[Snapshot, int | None, None], Audience],
        binder: Callable[[Snapshot], Binder],
    ) -> None:
        self._snapshot = snapshot
        self._audience = audience
        self._binder = binder

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
            binder = self._binder(snapshot)
            (row,) = rows_of(identities_of(snapshot), binder.model, [identifier]).tolist()
            audience = self._audience(snapshot, as_of_us, None)
            known = audience.read(expression, where)
            if row == UNKNOWN:
                return None
            asked = _outline(known, binder)
            profile = read_one(snapshot, binder.model, row, [asked], audience.latest_us)
            if profile is None:
                return None
            reading = Reading(profile, audience.as_of_us)
            found = explain(asked, reading, Ways(binder.model))
            today = audience.today(known)
            return replace(found, data_version=snapshot.data_version, read_as_of_today=today)


def _outline(known: KnownText, binder: Binder) -> Outline:
    kept = _outlines.setdefault(binder, {})
    found = kept.get(known.canonical)
    if found is None:
        if len(kept) >= _KEPT:
            kept.clear()
        found = kept[known.canonical] = outline(known.expression, known.bound, binder)
    return found
