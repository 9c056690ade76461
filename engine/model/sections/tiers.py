"""`tiers`: names for where a profile stands, by stages, by cells or by shares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from engine.model.plain import CELLS, FixedCut, Metrics, Stage, Tier, Top
from engine.model.sections.declared import Declared
from engine.model.shape import Fault, Shape, did_you_mean
from engine.model.written import Amount, Duration, Name, Percent, Points, Text, choice

__all__ = ["TierShape", "build", "check"]

_KINDS = ("stages", "rfm", "rfe", "top")
_CUTS = ("mean", "median", "quintile")

Method = Annotated[Literal["mean", "median", "quintile"], BeforeValidator(choice(*_CUTS))]
Cell = Annotated[str, BeforeValidator(choice(*CELLS))]


class StageShape(Shape):
    """A stage: the first whose `when` holds wins."""

    name: Name
    when: Text


class CutShape(Shape):
    """Where low ends: one method for the three metrics, or a fixed cut for each.

    In the file the method stands alone; written out it is the key `method`.
    """

    short_key = "method"

    method: Method | None = None
    recency: Duration | None = None
    frequency: Amount | None = None
    monetary: Amount | None = None
    engagement: Amount | None = None


class RfmShape(Shape):
    """Recency, frequency and money."""

    recency: Text
    frequency: Text
    monetary: Text
    cut: CutShape
    cells: dict[Cell, Name] = Field(default_factory=dict)


class RfeShape(Shape):
    """Recency, frequency and a weighted sum of events."""

    recency: Text
    frequency: Text
    engagement: dict[Name, Points] = Field(min_length=1)
    in_last: Duration | None = None
    cut: CutShape
    cells: dict[Cell, Name] = Field(default_factory=dict)


class TopShape(Shape):
    """Shares from the top down, by the order of a value."""

    by: Text
    shares: dict[Name, Percent] = Field(min_length=1)


class TierShape(Shape):
    """A tier: one of stages, rfm, rfe and top."""

    stages: tuple[StageShape, ...] | None = None
    rfm: RfmShape | None = None
    rfe: RfeShape | None = None
    top: TopShape | None = None
    default: Name | None = None


def check(name: str, shape: TierShape, declared: Declared) -> Iterator[Fault]:
    """Faults of one tier beyond its shape."""
    path = ("tiers", name)
    yield from shape.one_of(path, "a tier", *_KINDS)
    if shape.stages is not None:
        yield from _stage_faults((*path, "stages"), shape.stages)
    if shape.top is not None:
        yield from _top_faults((*path, "top"), shape.top, shape.default)
    for kind in shape.written("rfm", "rfe") if shape.default is not None else ():
        hint = "profiles without its recency are in no cell"
        yield Fault((*path, "default"), f"a tier by {kind} has no default", hint)
    if shape.rfm is not None:
        yield from _cut_faults((*path, "rfm", "cut"), shape.rfm.cut, "monetary")
        yield from _cell_faults((*path, "rfm", "cells"), shape.rfm.cells)
    if shape.rfe is not None:
        yield from _cut_faults((*path, "rfe", "cut"), shape.rfe.cut, "engagement")
        yield from _cell_faults((*path, "rfe", "cells"), shape.rfe.cells)
        yield from _engagement_faults((*path, "rfe", "engagement"), shape.rfe.engagement, declared)


def _stage_faults(path: tuple[str | int, ...], stages: tuple[StageShape, ...]) -> Iterator[Fault]:
    if not stages:
        yield Fault(path, "expected at least one stage")
    seen: set[str] = set()
    for at, stage in enumerate(stages):
        if stage.name in seen:
            hint = "join the two with `or`"
            yield Fault((*path, at, "name"), f"the stage '{stage.name}' stands twice", hint)
        seen.add(stage.name)


def _top_faults(path: tuple[str | int, ...], top: TopShape, default: str | None) -> Iterator[Fault]:
    total = sum(top.shares.values())
    if total > 100:
        yield Fault((*path, "shares"), f"the shares add up to {total}%, more than 100%")
    if default in top.shares:
        yield Fault((*path[:-1], "default"), f"'{default}' is the name of a share", "rename one")


def _cut_faults(path: tuple[str | int, ...], cut: CutShape, third: str) -> Iterator[Fault]:
    metrics = ("recency", "frequency", third)
    written = cut.written("recency", "frequency", "monetary", "engagement")
    if cut.method is not None:
        for key in written:
            yield Fault((*path, key), f"the cut is {cut.method} already", "remove one of them")
        return
    for key in metrics:
        if key not in written:
            yield Fault(path, f"a fixed cut needs `{key}`", f"all of {', '.join(metrics)}")
    for key in written:
        if key not in metrics:
            yield Fault((*path, key), f"this tier has no `{key}`", f"write `{third}`")


def _cell_faults(path: tuple[str | int, ...], renamed: dict[str, str]) -> Iterator[Fault]:
    owner: dict[str, str] = {}
    for cell, name in {**CELLS, **renamed}.items():
        if name in owner:
            at = cell if cell in renamed else owner[name]
            yield Fault((*path, at), f"'{name}' names two cells, {owner[name]} and {cell}")
        owner.setdefault(name, cell)


def _engagement_faults(
    path: tuple[str | int, ...], weights: Iterable[str], declared: Declared
) -> Iterator[Fault]:
    counted: dict[str, str] = {}
    for name in weights:
        if name not in declared.events and name not in declared.groups:
            hint = did_you_mean(name, [*declared.events, *declared.groups])
            yield Fault((*path, name), f"unknown event '{name}'", hint)
        for event in declared.groups.get(name) or (name,):
            if event in counted:
                told = f"'{event}' is weighed twice, by '{counted[event]}' and by '{name}'"
                yield Fault((*path, name), told)
            counted.setdefault(event, name)


def build(shape: TierShape) -> Tier:
    """The tier as plain data."""
    tier: Tier = {}
    if shape.stages is not None:
        tier["stages"] = tuple(Stage(name=one.name, when=one.when) for one in shape.stages)
    if shape.rfm is not None:
        tier["rfm"] = _build_metrics(shape.rfm)
    if shape.rfe is not None:
        tier["rfe"] = _build_metrics(shape.rfe)
    if shape.top is not None:
        tier["top"] = Top(by=shape.top.by, shares=dict(shape.top.shares))
    if shape.default is not None:
        tier["default"] = shape.default
    return tier


def _build_metrics(shape: RfmShape | RfeShape) -> Metrics:
    metrics: Metrics = {
        "recency": shape.recency,
        "frequency": shape.frequency,
        "cut": _build_cut(shape.cut),
        "cells": {**CELLS, **shape.cells},
    }
    if isinstance(shape, RfmShape):
        metrics["monetary"] = shape.monetary
    else:
        metrics["engagement"] = dict(shape.engagement)
        if shape.in_last is not None:
            metrics["in_last_us"] = shape.in_last
    return metrics


def _build_cut(shape: CutShape) -> Literal["mean", "median", "quintile"] | FixedCut:
    if shape.method is not None:
        return shape.method
    assert shape.recency is not None and shape.frequency is not None
    cut: FixedCut = {"recency_us": shape.recency, "frequency": shape.frequency}
    if shape.monetary is not None:
        cut["monetary"] = shape.monetary
    if shape.engagement is not None:
        cut["engagement"] = shape.engagement
    return cut
