"""What is so of an audience beside its size: totals of a value, its distribution, a funnel.

    from strata.measuring import distribution, summarize

    summarize(client, "revenue", "city = 'Oslo'", group_by="stage").totals.mean
    distribution(client, "now - joined", edges=["0 * 1 day", "30 days", "365 days"]).bins

Answers are exact; see the contract (`proto/strata/v1/measure.proto`) for what each number means.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from strata import messages
from strata.answers import Value
from strata.v1 import audience_pb2, measure_pb2

if TYPE_CHECKING:
    from strata.client import Client

__all__ = [
    "AtThreshold",
    "Bin",
    "Distribution",
    "Funnel",
    "FunnelStep",
    "Kind",
    "Measured",
    "Summary",
    "Totals",
    "ValueCount",
    "distribution",
    "funnel",
    "summarize",
]

Kind = Literal["number", "float", "date", "time", "duration", "category", "set", "bool"]


@dataclass(frozen=True, slots=True)
class Measured:
    """Which value was measured, over whom, and when.

    `count` profiles are in the audience, `present` of them have the value. `kind` says how values
    are given: numbers and durations (in seconds) as Decimal, floats as float, dates, times in UTC.
    """

    expression: str
    value: str
    kind: Kind
    count: int
    present: int
    as_of: datetime.datetime
    data_version: int
    elapsed_us: int
    waiting: int = 0
    read_as_of_today: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bin:
    """How many values are at least `low` and below `high` (None: without an end)."""

    low: Value
    high: Value
    count: int


@dataclass(frozen=True, slots=True)
class AtThreshold:
    """How many values are at least, or at most, a threshold."""

    threshold: Value
    count: int


@dataclass(frozen=True, slots=True)
class ValueCount:
    """How many profiles have a value of a category or bool, or an element of a set."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class Distribution:
    """How a value is distributed: `bins`, with what is `below` and `above` them, or counts at
    `thresholds`; or the most frequent `values`, and how many others there are and have."""

    measured: Measured
    bins: tuple[Bin, ...] = ()
    below: int = 0
    above: int = 0
    thresholds: tuple[AtThreshold, ...] = ()
    values: tuple[ValueCount, ...] = ()
    other_values: int = 0
    other_count: int = 0


@dataclass(frozen=True, slots=True)
class Totals:
    """Totals of a value over `count` profiles, of which `present` have it; None where there is
    none."""

    count: int
    present: int
    sum: Value
    mean: Value
    min: Value
    max: Value


@dataclass(frozen=True, slots=True)
class Summary:
    """Totals over an audience, and those of its groups: pairs of a value (None: without one) and
    its totals. Means of numbers and durations are rounded to `mean_places` digits."""

    measured: Measured
    totals: Totals
    groups: tuple[tuple[str | None, Totals], ...]
    mean_places: int


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """A step as the sequence has it, and how many profiles reached it."""

    step: str
    count: int


@dataclass(frozen=True, slots=True)
class Funnel:
    """How far the `count` profiles of an audience came in a sequence."""

    sequence: str
    expression: str
    count: int
    steps: tuple[FunnelStep, ...]
    as_of: datetime.datetime
    data_version: int
    elapsed_us: int
    waiting: int = 0
    read_as_of_today: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


# ------------------------------------------------------------------------------- calls


def distribution(
    client: Client,
    value: str,
    expression: str | None = None,
    *,
    bins: int | None = None,
    quantiles: int | None = None,
    edges: Sequence[str] | None = None,
    thresholds: Sequence[str] | None = None,
    at_most: bool = False,
    top: int | None = None,
    as_of: datetime.datetime | None = None,
    min_offset: int = 0,
) -> Distribution:
    """How a value is distributed over an audience (None: everybody).

    At most one of `bins` (of equal width), `quantiles`, `edges`, `thresholds` (counts of values
    that are at least those, or `at_most`) and `top` is given. Raises StrataError; ValueError where
    several are given.
    """
    asked: dict[str, int | audience_pb2.Edges | audience_pb2.Thresholds] = {}
    if bins is not None:
        asked["bins"] = bins
    if quantiles is not None:
        asked["quantiles"] = quantiles
    if edges is not None:
        asked["edges"] = audience_pb2.Edges(edges=edges)
    if thresholds is not None:
        asked["thresholds"] = audience_pb2.Thresholds(thresholds=thresholds, at_most=at_most)
    if top is not None:
        asked["top"] = top
    if len(asked) > 1:
        raise ValueError(f"a distribution is cut in one way, not by {' and '.join(asked)}")
    response = client.transport.one(
        "/strata.v1.AudienceService/Distribution",
        audience_pb2.DistributionRequest(
            audience=_audience(expression),
            value=value,
            as_of=messages.timestamp(as_of),
            min_offset=min_offset,
            **asked,  # type: ignore[arg-type]
        ),
        measure_pb2.DistributionResponse,
    )
    return Distribution(
        measured=_measured(response.measured),
        bins=tuple(
            Bin(messages.value(one.low), messages.value(one.high), one.count)
            for one in response.bins
        ),
        below=response.below,
        above=response.above,
        thresholds=tuple(
            AtThreshold(messages.value(one.threshold), one.count) for one in response.thresholds
        ),
        values=tuple(ValueCount(one.value, one.count) for one in response.values),
        other_values=response.other_values,
        other_count=response.other_count,
    )


def summarize(
    client: Client,
    value: str,
    expression: str | None = None,
    *,
    group_by: str | None = None,
    mean_places: int | None = None,
    as_of: datetime.datetime | None = None,
    min_offset: int = 0,
) -> Summary:
    """Count, sum, mean, least and greatest of a value over an audience (None: everybody), and of
    the groups of a category or bool attribute. Raises StrataError."""
    response = client.transport.one(
        "/strata.v1.AudienceService/Summarize",
        audience_pb2.SummarizeRequest(
            audience=_audience(expression),
            value=value,
            group_by=group_by or "",
            mean_places=mean_places,
            as_of=messages.timestamp(as_of),
            min_offset=min_offset,
        ),
        measure_pb2.SummarizeResponse,
    )
    return Summary(
        measured=_measured(response.measured),
        totals=_totals(response.totals),
        groups=tuple(
            (one.value if one.HasField("value") else None, _totals(one.totals))
            for one in response.groups
        ),
        mean_places=response.mean_places,
    )


def funnel(
    client: Client,
    sequence: str,
    expression: str | None = None,
    *,
    as_of: datetime.datetime | None = None,
    min_offset: int = 0,
) -> Funnel:
    """How many profiles of an audience (None: everybody) reached each step of `sequence(...)`.
    Raises StrataError."""
    response = client.transport.one(
        "/strata.v1.AudienceService/Funnel",
        audience_pb2.FunnelRequest(
            sequence=sequence,
            audience=_audience(expression),
            as_of=messages.timestamp(as_of),
            min_offset=min_offset,
        ),
        measure_pb2.FunnelResponse,
    )
    return Funnel(
        sequence=response.sequence,
        expression=response.expression,
        count=response.count,
        steps=tuple(FunnelStep(one.step, one.count) for one in response.steps),
        as_of=messages.instant(response.as_of),
        data_version=response.data_version,
        elapsed_us=response.elapsed.ToMicroseconds(),
        waiting=response.waiting,
        read_as_of_today=tuple(response.read_as_of_today),
        notes=tuple(response.notes),
    )


def _audience(expression: str | None) -> audience_pb2.Audience | None:
    return None if expression is None else audience_pb2.Audience(expression=expression)


def _measured(message: measure_pb2.Measured) -> Measured:
    name = measure_pb2.ValueKind.Name(message.kind).removeprefix("VALUE_KIND_").lower()
    kind: Kind = name  # type: ignore[assignment]
    return Measured(
        expression=message.expression,
        value=message.value,
        kind=kind,
        count=message.count,
        present=message.present,
        as_of=messages.instant(message.as_of),
        data_version=message.data_version,
        elapsed_us=message.elapsed.ToMicroseconds(),
        waiting=message.waiting,
        read_as_of_today=tuple(message.read_as_of_today),
        notes=tuple(message.notes),
    )


def _totals(message: measure_pb2.Totals) -> Totals:
    return Totals(
        count=message.count,
        present=message.present,
        sum=messages.value(message.sum),
        mean=messages.value(message.mean),
        min=messages.value(message.min),
        max=messages.value(message.max),
    )
