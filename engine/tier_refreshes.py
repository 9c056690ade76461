"""Refreshes of tiers: their cuts worked out anew from all profiles, and put in force.

Cuts follow from the data of one instant, and stay until the next refresh, so that nobody changes
places because somebody else spent more. A refresh is an edit: the cuts are stored with their
instant beside those before them, and the members of segments that say something else by them are
found anew, with cause `refresh`. A tier that a model brings, or defines anew, is refreshed with its
apply. Where nobody is found that it could be cut by, nothing is put in force.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from engine.audience import Audience, Threads
from engine.binders import Binders
from engine.core.control import Control
from engine.errors import InputInvalid, NotFound, about_field
from engine.live.change import Cause
from engine.live.schema import segment_versions
from engine.live.segment_edits import differences
from engine.live.segments import StoredSegments
from engine.live.staged import Staged
from engine.live.tier_cuts import TIER_CUTS
from engine.measuring.tier_cuts import tier_cuts
from engine.measuring.value import Kind
from engine.model.cuts import Cuts, needs_cuts
from engine.model.definitions import Model
from engine.model.plain import Tier, tier_names
from engine.nearest import nearest
from engine.rules import tree
from engine.rules.bind import Binder
from engine.rules.parse import parse_value
from engine.store.snapshot import Snapshot
from engine.store.store import Writer

if TYPE_CHECKING:
    from engine.live.live_store import LiveStore

__all__ = [
    "CellSize",
    "FreshCuts",
    "TierCut",
    "TierRefresh",
    "TierRefreshes",
    "fresh_cuts",
    "named_in_tier",
]


@dataclass(frozen=True, slots=True)
class TierCut:
    """The least value that is high in a metric, or in a share: `value` in the units of its kind
    (`number`, `float`, `date` in days, `time` and `duration` in microseconds); None where nobody
    reaches it."""

    metric: str
    kind: Kind
    value: Fraction | None


@dataclass(frozen=True, slots=True)
class CellSize:
    """How many profiles have a name before and after; `before` is None where no cuts were."""

    name: str
    before: int | None
    after: int


@dataclass(frozen=True, slots=True)
class TierRefresh:
    """What a refresh did to one tier, at an instant (microseconds from 1970)."""

    tier: str
    instant_us: int
    cuts: tuple[TierCut, ...]
    sizes: tuple[CellSize, ...]


@dataclass(frozen=True, slots=True)
class FreshCuts:
    """Cuts by tier, and the tiers whose population is nobody."""

    cuts: Cuts
    of_nobody: frozenset[str]


class TierRefreshes:
    """Refreshes of one store. Safe to share between threads."""

    def __init__(
        self, live: LiveStore, binders: Binders, threads: Threads, now: Callable[[], int]
    ) -> None:
        self._live = live
        self._binders = binders
        self._threads = threads
        self._now = now

    def refresh(self, names: Sequence[str] = ()) -> list[TierRefresh]:
        """Works out the cuts of some tiers, or of all that have cuts from the data, and puts them
        in force. Raises NotFound, InputInvalid; nothing is changed then."""
        refreshed: list[TierRefresh] = []

        def stage(writer: Writer) -> Staged:
            snapshot = writer.snapshot
            before = self._binders.of(snapshot)
            if before is None:
                raise InputInvalid(
                    "The store has no model yet; apply one first (strata apply MODEL)."
                )
            model, now_us = before.model, self._now()
            chosen = _chosen(model, names)
            refreshes = self._binders.refreshes(snapshot)
            fresh = fresh_cuts(model, snapshot, before.cuts, chosen, now_us, self._threads)
            cuts = fresh.cuts
            refreshes = refreshes.adding(cuts, now_us, fresh.of_nobody)
            after = Binder(model, cuts=refreshes.at())
            for name in chosen:
                sizes = self._sizes(name, snapshot, before, after, now_us)
                told = tuple(_told(name, after, cuts))
                refreshed.append(TierRefresh(name, now_us, told, sizes))
            if chosen:
                writer.put_meta(TIER_CUTS, refreshes.pack())
            versions = segment_versions(snapshot.fields)
            old, new = (
                StoredSegments(model, binder, snapshot.fields, versions)
                for binder in (before, after)
            )
            return Staged([name for name in differences(old, new) if name in new.stored])

        self._live.edit(stage, cause=Cause.REFRESH)
        return refreshed

    def _sizes(
        self, tier: str, snapshot: Snapshot, before: Binder, after: Binder, now_us: int
    ) -> tuple[CellSize, ...]:
        names = tier_names(before.model.tiers[tier])
        counted: list[list[int | None]] = []
        for binder in (before, after):
            if tier not in binder.cuts:
                counted.append([None] * len(names))
                continue
            audience = Audience(snapshot, binder, as_of_us=now_us, threads=self._threads)
            for name in names:
                audience.add(named_in_tier(tier, name))
            counted.append([result.count for result in audience.counts()])
        return tuple(
            CellSize(name, one, other or 0)
            for name, one, other in zip(names, *counted, strict=True)
        )


def fresh_cuts(
    model: Model,
    snapshot: Snapshot,
    known: Cuts,
    names: Sequence[str],
    now_us: int,
    threads: Threads,
    control: Control | None = None,
) -> FreshCuts:
    """The cuts of some tiers by the data of a state at an instant. A tier that depends on another
    of them is cut by the new cuts of that; of the rest, and of those that found nobody, those
    `known` are in force."""
    cuts, in_force, of_nobody = {}, dict(known), set()
    for name in Binder(model, cuts=in_force).tiers_through(names):
        if name in names:
            binder = Binder(model, cuts=in_force)
            tier: Tier = model.tiers[name]
            audience = Audience(snapshot, binder, as_of_us=now_us, threads=threads, control=control)
            audience.add(_population(tier))
            values = [audience.quantity(metric) for metric in binder.metrics(name)]
            found = tier_cuts(tier, [(one, audience.reading(one.leaf)) for one in values])
            cuts[name] = found
            # Of somebody a share has a value, and so have a mean and a median; fifths need not.
            if set(found) == {None} and ("top" in tier or not audience.counts()[0].count):
                of_nobody.add(name)
                in_force.setdefault(name, ())
            else:
                in_force[name] = found
    return FreshCuts({name: cuts[name] for name in names}, frozenset(of_nobody))


def named_in_tier(tier: str, name: str) -> tree.Expr:
    """`tier('tier') = 'name'`."""
    return tree.Compare(tree.Call("tier", tier), "=", tree.Text(name))


def _population(tier: Tier) -> tree.Expr:
    """Those whose values a tier is cut by."""
    metrics = tier.get("rfm") or tier.get("rfe")
    if metrics is None:
        return tree.Truth(tree.Bool(True))
    return tree.Presence(parse_value(metrics["recency"]), True)


def _chosen(model: Model, names: Sequence[str]) -> list[str]:
    """The tiers to refresh, each once, in the order of the model."""
    cut = [name for name, tier in model.tiers.items() if needs_cuts(tier)]
    for name in names:
        if name not in model.tiers:
            close = nearest(name, model.tiers)
            hint = f" Did you mean '{close}'?" if close else ""
            raise about_field(NotFound, "tiers", f"There is no tier named '{name}'.{hint}")
        if name not in cut:
            message = (
                f"The tier '{name}' has no cuts to work out: its stages or its fixed cut say all."
            )
            raise about_field(InputInvalid, "tiers", message)
    return [name for name in cut if name in names] if names else cut


def _told(name: str, binder: Binder, cuts: Cuts) -> list[TierCut]:
    tier: Tier = binder.model.tiers[name]
    kinds = [metric.kind for metric in binder.metrics(name)]
    if "top" in tier:
        metrics = list(tier["top"]["shares"])
        kinds *= len(metrics)
    else:
        metrics = ["recency", "frequency", "monetary" if "rfm" in tier else "engagement"]
    return [
        TierCut(metric, kind, cut)
        for metric, kind, cut in zip(metrics, kinds, cuts[name], strict=True)
    ]
