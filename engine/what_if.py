"""What if a score were another: its bands before and after, without applying anything.

A part of the score is named by its key path below the score, `rules[2].points` or `bands.hot`, and
the model is read again with it. Both scores are then evaluated over everything in one pass. A band
with `hold` is held by whoever has it now and would not fall below what holds it: so the answer is
that of an apply, which judges latches anew and clears nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from engine.audience import Threads
from engine.binders import Binders
from engine.core import evaluate
from engine.core.control import Control
from engine.errors import InputInvalid, Issue, ModelInvalid, NotFound
from engine.live.segment_plan import SegmentPlan
from engine.model.definitions import Model
from engine.model.hidden_events import band_fact, fact_events
from engine.model.load import load_model
from engine.model.merge import plain_data
from engine.model.yaml_tree import read_yaml
from engine.nearest import nearest
from engine.rules import bound, tree
from engine.rules.bind import Binder
from engine.rules.bound_facts import fact_holds
from engine.rules.check import check_expressions
from engine.store.snapshot import Snapshot

__all__ = ["BandChange", "WhatIf", "WhatIfAnswer"]

_STEP = re.compile(r'\.?([^\W\d]\w*)|\.?"([^"]+)"|\[([0-9]{1,4})\]')


@dataclass(frozen=True, slots=True)
class BandChange:
    """What becomes of a band: its lower bound (None where there is no such band), its size, how
    many profiles would come into it and how many would leave it."""

    band: str
    old_bound: Decimal | None
    new_bound: Decimal | None
    old_size: int
    new_size: int
    joiners: int
    leavers: int


@dataclass(frozen=True, slots=True)
class WhatIfAnswer:
    """The bands of a score, highest first by the new bounds, those that would be gone last; and
    how many profiles would be in another band, or in none, than they are in."""

    score: str
    as_of_us: int
    data_version: int
    bands: tuple[BandChange, ...]
    moved: int


class WhatIf:
    """Tries scores over the snapshots of one store. Safe to share between threads."""

    def __init__(
        self,
        snapshot: Callable[[], AbstractContextManager[Snapshot]],
        binder_of: Callable[[Snapshot], Binder],
        binders: Binders,
        threads: Threads,
        now: Callable[[], int],
    ) -> None:
        self._snapshot = snapshot
        self._binder_of = binder_of
        self._binders = binders
        self._threads = threads
        self._now = now

    def ask(
        self, score: str, settings: Sequence[tuple[str, str]], control: Control | None = None
    ) -> WhatIfAnswer:
        """What becomes of the bands of a score with some (path, YAML) set in it.

        Raises NotFound for a score that is not there, InputInvalid for paths that name nothing and
        values that do not fit, NotYet.
        """
        with self._snapshot() as snapshot:
            binder = self._binder_of(snapshot)
            old = binder.model
            if score not in old.scores:
                close = nearest(score, old.scores)
                hint = f" Did you mean {close}?" if close else ""
                raise NotFound(f"There is no score {score}.{hint}")
            new = _changed(old, score, settings)
            now_us = self._now()
            cuts = self._binders.refreshes(snapshot).at()
            names = [*reversed([*new.bands(score)])]
            names += [band for band in reversed([*old.bands(score)]) if band not in names]
            bodies = dict(_before(binder, score))
            before = _Masks(snapshot, old, bodies, now_us, self._threads, control)
            bodies = dict(_after(Binder(new, cuts=cuts), score))
            after = _Masks(snapshot, new, bodies, now_us, self._threads, control)
            stayed = sum(_size(before[band] & after[band]) for band in names)
            # Of those who are in a band now, and of those who are in none.
            moved = _size(before.anywhere) - stayed + _size(after.anywhere & ~before.anywhere)
            changes = tuple(
                BandChange(
                    band,
                    old.bands(score).get(band),
                    new.bands(score).get(band),
                    _size(before[band]),
                    _size(after[band]),
                    _size(after[band] & ~before[band]),
                    _size(before[band] & ~after[band]),
                )
                for band in names
            )
            return WhatIfAnswer(score, now_us, snapshot.data_version, changes, moved)


class _Masks:
    """Who is in which band: uint64 (blocks, 1024) by name."""

    def __init__(
        self,
        snapshot: Snapshot,
        model: Model,
        bodies: Mapping[str, bound.BoundExpr],
        now_us: int,
        threads: Threads,
        control: Control | None,
    ) -> None:
        self.anywhere = np.zeros((snapshot.block_count, 1024), np.uint64)
        self._nobody = self.anywhere.copy()
        self._of: dict[str, Any] = {}
        if bodies:
            plan = SegmentPlan(snapshot, model, bodies, now_us=now_us, kept=False)
            masks, _ = evaluate.many_masks(
                plan.program, plan.roots, control=control, pool=threads.pool, threads=threads.count
            )
            self._of = dict(zip(bodies, masks, strict=True))
        for mask in self._of.values():
            self.anywhere |= mask

    def __getitem__(self, band: str) -> Any:
        return self._of.get(band, self._nobody)


def _before(binder: Binder, score: str) -> list[tuple[str, bound.BoundExpr]]:
    call = tree.Call("band", score)
    return [
        (band, binder.bind(tree.Compare(call, "=", tree.Text(band))))
        for band in binder.model.bands(score)
    ]


def _after(binder: Binder, score: str) -> list[tuple[str, bound.BoundExpr]]:
    """The highest band whose latch would be on."""
    model, call = binder.model, tree.Call("score", score)
    facts = fact_events(model)
    found: list[tuple[str, bound.BoundExpr]] = []
    higher: list[bound.BoundExpr] = []
    for band, least in reversed([*model.bands(score).items()]):
        latch = binder.bind(tree.Compare(call, ">=", tree.Number(least)))
        hold = model.scores[score]["hold"].get(band)
        if hold is not None:
            holds = binder.bind(tree.Compare(call, ">=", tree.Number(hold)))
            held = fact_holds(facts[band_fact(score, band)])
            latch = bound.BoundOr((latch, bound.BoundAnd((held, holds), None)), None)
        others = tuple(bound.BoundNot(one, None) for one in higher)
        found.append((band, bound.BoundAnd((latch, *others), None) if others else latch))
        higher.append(latch)
    return found


def _size(masks: Any) -> int:
    return int(np.bitwise_count(masks).sum())


# ------------------------------------------------------------------------------- settings


def _changed(model: Model, score: str, settings: Sequence[tuple[str, str]]) -> Model:
    """The model with some parts of a score set to something else."""

    def change(data: dict[str, Any]) -> None:
        for path, text in settings:
            _set(data["scores"][score], path, _value(path, text))

    try:
        changed, positions = load_model(model.text, change)
        issues = check_expressions(changed, positions)
        if issues:
            raise ModelInvalid(*issues)
    except ModelInvalid as error:
        told = "; ".join(
            f"{issue.where}: {issue.message}" + (f" ({issue.hint})" if issue.hint else "")
            for issue in error.issues
        )
        raise _wrong(f"the score makes no sense so: {told}") from None
    return changed


def _value(path: str, text: str) -> Any:
    root, issues = read_yaml("value", f"value: {text}")
    if root is None or issues:
        raise _wrong(f"{path} cannot be set to {text!r}: it is no YAML")
    return plain_data(root).get("value")


def _set(score: Any, path: str, value: Any) -> None:
    steps = _steps(path)
    at = score
    for place, step in enumerate(steps):
        where = path_text(steps[:place]) or "a score"
        last = place == len(steps) - 1
        if isinstance(step, int):
            if not isinstance(at, list):
                raise _wrong(f"{path}: {where} is no list, so nothing in it has a number")
            if step >= len(at):
                raise _wrong(f"{path}: {where} has {len(at)}, [0] to [{len(at) - 1}]")
        elif not isinstance(at, dict):
            raise _wrong(f"{path}: {where} has no parts with names")
        elif step not in at and not last:
            if place or step not in ("bands", "hold"):
                close = nearest(step, at)
                hint = f"; did you mean {close}?" if close else ""
                raise _wrong(f"{path}: {where} has no {step}{hint}")
            at[step] = {}
        if last:
            at[step] = value
        else:
            at = at[step]


def _steps(path: str) -> list[str | int]:
    steps: list[str | int] = []
    at = 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None or (at == 0 and path[0] == "."):
            break
        name, quoted, number = match.groups()
        steps.append(int(number) if number is not None else name or quoted)
        at = match.end()
    if not steps or at < len(path):
        raise _wrong(f"{path!r} is no path in a score; write rules[2].points or bands.hot")
    return steps


def path_text(steps: Sequence[str | int]) -> str:
    """Steps of a path as they are written."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return text.removeprefix(".")


def _wrong(message: str) -> InputInvalid:
    return InputInvalid(f"{message}.", issues=(Issue(message, where="settings"),))
