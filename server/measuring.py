"""Measures of audiences between the wire and the engine."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING

from engine.errors import InputInvalid
from engine.limits import MEASURED_BORDERS
from engine.measures import Cut, Edges, EqualBins, Quantiles, Thresholds, Top
from engine.rules import tree
from server import convert
from strata.v1 import audience_pb2, measure_pb2, value_pb2

if TYPE_CHECKING:
    from engine.audience import CountResult
    from engine.measures import Distribution, Funnel, Summary
    from engine.measuring.totals import Total
    from engine.measuring.value import Kind, Measure, Value

__all__ = ["among", "cut", "distribution", "funnel", "mean_places", "summary"]

MEAN_PLACES = 6
MEAN_PLACES_MOST = 38
SECOND_US = 1_000_000
EPOCH = datetime.date(1970, 1, 1)
LEAST_US = convert.LEAST_S * SECOND_US
MOST_US = (convert.MOST_S + 1) * SECOND_US - 1

KINDS: Mapping[Kind, measure_pb2.ValueKind] = MappingProxyType(
    {
        "number": measure_pb2.VALUE_KIND_NUMBER,
        "float": measure_pb2.VALUE_KIND_FLOAT,
        "date": measure_pb2.VALUE_KIND_DATE,
        "time": measure_pb2.VALUE_KIND_TIME,
        "duration": measure_pb2.VALUE_KIND_DURATION,
        "category": measure_pb2.VALUE_KIND_CATEGORY,
        "set": measure_pb2.VALUE_KIND_SET,
        "bool": measure_pb2.VALUE_KIND_BOOL,
    }
)


# ---------------------------------------------------------------------------- requests


def among(
    request: audience_pb2.DistributionRequest
    | audience_pb2.SummarizeRequest
    | audience_pb2.FunnelRequest,
) -> str | tree.Expr | None:
    """The audience of a request; None is everybody."""
    if not request.HasField("audience"):
        return None
    return convert.definition(request.audience, "audience")


def cut(request: audience_pb2.DistributionRequest) -> Cut | None:
    """How a distribution is to be cut; None where nothing is said."""
    form = request.WhichOneof("cut")
    if form is None:
        return None
    if form == "edges":
        edges = request.edges.edges
        _check(form, len(edges), "has {} entries", 2)
        return Edges(tuple(edges))
    if form == "thresholds":
        thresholds = request.thresholds.thresholds
        _check(form, len(thresholds), "has {} entries", 1)
        return Thresholds(tuple(thresholds), "<=" if request.thresholds.at_most else ">=")
    count: int = getattr(request, form)
    _check(form, count, "is {}", 1)
    if form == "top":
        return Top(count)
    return EqualBins(count) if form == "bins" else Quantiles(count)


def _check(field: str, count: int, what: str, least: int) -> None:
    if not least <= count <= MEASURED_BORDERS:
        raise convert.invalid(field, what.format(count), f"give {least} to {MEASURED_BORDERS:,}")


def mean_places(request: audience_pb2.SummarizeRequest) -> int:
    """Digits after the point of means."""
    if not request.HasField("mean_places"):
        return MEAN_PLACES
    if request.mean_places > MEAN_PLACES_MOST:
        hint = f"give at most {MEAN_PLACES_MOST}"
        raise convert.invalid("mean_places", f"is {request.mean_places}", hint)
    return request.mean_places


# ----------------------------------------------------------------------------- answers


def distribution(found: Distribution) -> measure_pb2.DistributionResponse:
    """The message of a distribution."""
    response = measure_pb2.DistributionResponse(
        measured=_measured(found.answer, found.value, found.present),
        thresholds=[
            measure_pb2.AtThreshold(threshold=_exactly(one.at, found.value), count=one.count)
            for one in found.thresholds
        ],
        values=[measure_pb2.Frequent(value=one.value, count=one.count) for one in found.values],
        other_values=found.other_values,
        other_count=found.other_count,
    )
    if found.histogram is not None:
        response.below, response.above = found.histogram.below, found.histogram.above
        for one in found.histogram.bins:
            response.bins.add(
                low=_exactly(one.low, found.value),
                high=_exactly(one.high, found.value, is_end=True),
                count=one.count,
            )
    return response


def summary(found: Summary, places: int) -> measure_pb2.SummarizeResponse:
    """The message of a summary, whose means have so many digits after the point."""
    groups = found.groups or {}
    ranked = sorted(
        groups.items(), key=lambda item: (item[0] is None, -item[1].count, item[0] or "")
    )
    return measure_pb2.SummarizeResponse(
        measured=_measured(found.answer, found.value, found.total.present),
        totals=_totals(found.total, found.value, places),
        groups=[
            measure_pb2.GroupTotals(value=name, totals=_totals(one, found.value, places))
            for name, one in ranked
        ],
        mean_places=places,
    )


def funnel(found: Funnel) -> measure_pb2.FunnelResponse:
    """The message of a funnel."""
    response = measure_pb2.FunnelResponse(
        sequence=found.sequence,
        expression=found.answer.expression,
        count=found.answer.count,
        steps=[measure_pb2.FunnelStep(step=one.step, count=one.count) for one in found.steps],
        as_of=convert.timestamp(found.answer.as_of_us),
        data_version=found.answer.data_version,
        waiting=found.answer.waiting,
        read_as_of_today=found.answer.read_as_of_today,
        notes=found.answer.notes,
    )
    response.elapsed.FromMicroseconds(found.answer.elapsed_us)
    return response


def _measured(answer: CountResult, value: Value, present: int) -> measure_pb2.Measured:
    measured = measure_pb2.Measured(
        expression=answer.expression,
        value=value.text,
        kind=KINDS[value.kind],
        count=answer.count,
        present=present,
        as_of=convert.timestamp(answer.as_of_us),
        data_version=answer.data_version,
        waiting=answer.waiting,
        read_as_of_today=answer.read_as_of_today,
        notes=answer.notes,
    )
    measured.elapsed.FromMicroseconds(answer.elapsed_us)
    return measured


def _totals(total: Total, value: Value, places: int) -> measure_pb2.Totals:
    found = measure_pb2.Totals(count=total.count, present=total.present)
    for name, measure in (("sum", total.sum), ("min", total.least), ("max", total.greatest)):
        if measure is not None:
            getattr(found, name).CopyFrom(_exactly(measure, value, places))
    if total.mean is not None:
        found.mean.CopyFrom(_mean(total.mean, value, places))
    return found


def _exactly(
    measure: Measure, value: Value, places: int = MEAN_PLACES, *, is_end: bool = False
) -> value_pb2.Value:
    """A measure in as many digits as it needs: those that every value has, at least. A number with
    averages in it that has no end is rounded to `places`. An `is_end` that no date or time reaches
    is missing."""
    match value.kind:
        case "number":
            assert isinstance(measure, Fraction), "numbers are exact"
            ends = not value.is_ratio or 10**MEAN_PLACES_MOST % measure.denominator == 0
            more = _digits(measure.denominator) if ends else places
            digits = max(_digits(value.scale), more)
            return value_pb2.Value(decimal_value=_rounded(measure, digits))
        case "duration":
            digits = _digits(value.scale * SECOND_US)
            return value_pb2.Value(duration_value=_seconds(measure, digits))
        case _:
            return _plain(measure, value, is_end=is_end)


def told_value(exact: Fraction, kind: str) -> value_pb2.Value:
    """A value of a kind; a number or duration that has no end, or a long one, with MEAN_PLACES
    digits after the point."""
    match kind:
        case "number":
            more = 10**MEAN_PLACES % exact.denominator
            digits = MEAN_PLACES if more else _digits(exact.denominator)
            return value_pb2.Value(decimal_value=_rounded(exact, digits))
        case "duration":
            return value_pb2.Value(duration_value=_seconds(exact, MEAN_PLACES))
        case "float":
            return value_pb2.Value(float_value=float(exact))
        case "date":
            day = _half_away(exact) + EPOCH.toordinal()
            return value_pb2.Value(date_value=datetime.date.fromordinal(day).isoformat())
        case _:
            return value_pb2.Value(time_value=convert.timestamp(_half_away(exact)))


def _mean(measure: Measure, value: Value, places: int) -> value_pb2.Value:
    match value.kind:
        case "number":
            assert isinstance(measure, Fraction), "numbers are exact"
            return value_pb2.Value(decimal_value=_rounded(measure, places))
        case "duration":
            return value_pb2.Value(duration_value=_seconds(measure, places))
        case _:
            return _plain(measure, value)


def _plain(measure: Measure, value: Value, *, is_end: bool = False) -> value_pb2.Value:
    if isinstance(measure, float):
        return value_pb2.Value(float_value=measure)
    whole = _half_away(measure)
    if value.kind == "date":
        day = whole + EPOCH.toordinal()
        if 1 <= day <= datetime.date.max.toordinal():
            return value_pb2.Value(date_value=datetime.date.fromordinal(day).isoformat())
    elif LEAST_US <= whole <= MOST_US:
        return value_pb2.Value(time_value=convert.timestamp(whole))
    if is_end:
        return value_pb2.Value()
    raise InputInvalid(
        f"Some values of {value.text} lie outside of the years 1 to 9999, where they cannot be "
        "told; leave those profiles out of the audience."
    )


def _seconds(microseconds: Measure, digits: int) -> str:
    assert isinstance(microseconds, Fraction), "durations are exact"
    return _rounded(microseconds / SECOND_US, digits)


def _digits(denominator: int) -> int:
    """Digits after the point that whole numbers of 1 / denominator need; it has no prime factors
    but 2 and 5."""
    digits = 0
    while 10**digits % denominator:
        digits += 1
    return digits


def _half_away(exact: Fraction) -> int:
    size = abs(exact)
    whole = (2 * size.numerator + size.denominator) // (2 * size.denominator)
    return whole if exact >= 0 else -whole


def _rounded(exact: Fraction, digits: int) -> str:
    """A number in plain notation with so many digits after the point, half away from zero."""
    whole = _half_away(exact * 10**digits)
    text = f"{abs(whole):0{digits + 1}d}"
    cut_at = len(text) - digits
    sign = "-" if whole < 0 else ""
    return f"{sign}{text[:cut_at]}" + (f".{text[cut_at:]}" if digits else "")
