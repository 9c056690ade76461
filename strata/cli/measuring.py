"""`strata distribution`, `strata summarize` and `strata funnel`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Annotated, Any

import typer

from strata.answers import Value
from strata.cli import show
from strata.cli.options import AsOf, Json, ServerAt, StoreAt, WrongUsage, read_instant
from strata.cli.plain import about, command
from strata.cli.session import place, session
from strata.cli.waiting import waiting
from strata.measuring import Distribution, Funnel, Kind, Measured, Summary, Totals
from strata.measuring import distribution as ask_distribution
from strata.measuring import funnel as ask_funnel
from strata.measuring import summarize as ask_summary

__all__ = ["distribution", "funnel", "summarize"]

BORDERS_MOST = 10_000

Of = Annotated[
    str | None, typer.Option("--of", metavar="EXPR", help="The audience; everybody without.")
]


@command
def distribution(
    value: Annotated[str, typer.Argument(metavar="VALUE")],
    of: Of = None,
    bins: Annotated[
        int | None,
        typer.Option("--bins", min=1, max=BORDERS_MOST, help="At most N bins of equal width."),
    ] = None,
    quantiles: Annotated[
        int | None,
        typer.Option("--quantiles", min=1, max=BORDERS_MOST, help="At most N equally full bins."),
    ] = None,
    edges: Annotated[
        str | None,
        typer.Option("--edges", metavar="A,B,...", help="Bins between these values."),
    ] = None,
    at_least: Annotated[
        str | None,
        typer.Option("--thresholds", metavar="A,B,...", help="How many have at least these."),
    ] = None,
    at_most: Annotated[
        str | None,
        typer.Option("--at-most", metavar="A,B,...", help="How many have at most these."),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option("--top", min=1, max=BORDERS_MOST, help="Of a category or set: the first N."),
    ] = None,
    as_of: AsOf = None,
    store: StoreAt = None,
    server: ServerAt = None,
    as_json: Json = False,
) -> None:
    """Show how a value is distributed over an audience."""
    ways = (bins, quantiles, edges, at_least, at_most, top)
    if sum(way is not None for way in ways) > 1:
        raise WrongUsage("give one of --bins, --quantiles, --edges, --thresholds, --at-most, --top")
    borders = None if edges is None else _listed(edges)
    listed = at_least if at_least is not None else at_most
    thresholds = None if listed is None else _listed(listed)
    texts = about(value=value, audience=of or "", edges=borders or (), thresholds=thresholds or ())
    with session(place(store, server)) as client, texts:
        moment = read_instant(as_of, lambda: client.model().time_zone)
        with waiting("Measuring"):
            answer = ask_distribution(
                client,
                value,
                of,
                bins=bins,
                quantiles=quantiles,
                edges=borders,
                thresholds=thresholds,
                at_most=at_most is not None,
                top=top,
                as_of=moment,
            )
    if as_json:
        show.json_line(_distribution_json(answer))
        return
    _say_measured(answer.measured)
    sign = "<=" if at_most is not None else ">="
    for line in show.bars(_bars(answer, sign)):
        typer.echo(line)


@command
def summarize(
    value: Annotated[str, typer.Argument(metavar="VALUE")],
    of: Of = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="ATTRIBUTE", help="Also for each of its values.")
    ] = None,
    mean_places: Annotated[
        int | None, typer.Option("--places", min=0, max=38, help="Digits of a mean; 6 without.")
    ] = None,
    as_of: AsOf = None,
    store: StoreAt = None,
    server: ServerAt = None,
    as_json: Json = False,
) -> None:
    """Sum up a value over an audience: count, sum, mean, least, greatest."""
    with session(place(store, server)) as client, about(value=value, audience=of or ""):
        moment = read_instant(as_of, lambda: client.model().time_zone)
        with waiting("Measuring"):
            answer = ask_summary(
                client, value, of, group_by=by, mean_places=mean_places, as_of=moment
            )
    if as_json:
        show.json_line(_summary_json(answer, with_groups=by is not None))
        return
    _say_measured(answer.measured)
    for line in _table(answer, by):
        typer.echo(line)


@command
def funnel(
    sequence: Annotated[str, typer.Argument(metavar="SEQUENCE")],
    of: Of = None,
    as_of: AsOf = None,
    store: StoreAt = None,
    server: ServerAt = None,
    as_json: Json = False,
) -> None:
    """Count who reached each step of a sequence: "sequence(visit then order within 7 days)"."""
    with session(place(store, server)) as client, about(sequence=sequence, audience=of or ""):
        moment = read_instant(as_of, lambda: client.model().time_zone)
        with waiting("Measuring"):
            answer = ask_funnel(client, sequence, of, as_of=moment)
    if as_json:
        show.json_line(_funnel_json(answer))
        return
    typer.echo(_head(answer))
    steps = [("(audience)", answer.count), *((one.step, one.count) for one in answer.steps)]
    for line in show.bars(steps):
        typer.echo(line)


# -------------------------------------------------------------------------------- text


def _listed(text: str) -> list[str]:
    """The parts between commas; values of the language have none but in strings."""
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise WrongUsage(f"{text!r} is no list of values; write 10,20,50")
    return parts


def _head(answer: Measured | Funnel) -> str:
    told = f"{answer.count:,} profiles   {answer.elapsed_us / 1000:,.3f} ms"
    told += f"   as of {show.instant(answer.as_of)}"
    if answer.waiting:
        told += f"\n{answer.waiting:,} uploaded identifiers have no profile yet"
    if answer.read_as_of_today:
        told += f"\nas it is today: {', '.join(answer.read_as_of_today)}"
    for note in answer.notes:
        told += f"\n{note}"
    return told


def _say_measured(measured: Measured) -> None:
    typer.echo(_head(measured))
    typer.echo(f"{measured.value}: {measured.present:,} have it")


def _bars(answer: Distribution, sign: str) -> Iterator[tuple[str, int]]:
    measured = answer.measured
    kind = measured.kind
    if answer.below:
        yield f"below {_text(answer.bins[0].low, kind)}", answer.below
    for one in answer.bins:
        end = f"{_text(one.high, kind)})" if one.high is not None else "..."
        yield f"[{_text(one.low, kind)}, {end}", one.count
    if answer.above:
        yield f"{_text(answer.bins[-1].high, kind)} and above", answer.above
    for at in answer.thresholds:
        yield f"{sign} {_text(at.threshold, kind)}", at.count
    for named in answer.values:
        yield named.value, named.count
    if answer.other_values:
        yield f"({answer.other_values:,} others)", answer.other_count
    if measured.present < measured.count:
        yield "(missing)", measured.count - measured.present


def _table(answer: Summary, by: str | None) -> Iterator[str]:
    kind = answer.measured.kind
    heads = ("profiles", "have it", "sum", "mean", "min", "max")
    lines = [("(all)", answer.totals)]
    lines += [("(missing)" if name is None else name, one) for name, one in answer.groups]
    cells = [_cells(one, kind) for _, one in lines]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    names = [name for name, _ in lines] + [by or ""]
    for name, texts in [
        (by or "", heads),
        *((n, c) for (n, _), c in zip(lines, cells, strict=True)),
    ]:
        aligned = (f"{text:>{width}}" for text, width in zip(texts, widths, strict=True))
        yield f"{show.padded(name, names)}  {'  '.join(aligned)}"


def _cells(totals: Totals, kind: Kind) -> tuple[str, ...]:
    values = (totals.sum, totals.mean, totals.min, totals.max)
    counts = (f"{totals.count:,}", f"{totals.present:,}")
    return (*counts, *("" if one is None else _text(one, kind) for one in values))


def _text(given: Value, kind: Kind) -> str:
    """A value for people: numbers with commas, durations in days and a clock."""
    if isinstance(given, Decimal):
        return _duration(given) if kind == "duration" else f"{given:,f}"
    return show.text_value(given)


def _duration(seconds: Decimal) -> str:
    days, rest = divmod(abs(seconds), 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, rest = divmod(rest, 60)
    whole, point, part = f"{rest:f}".partition(".")
    part = part.rstrip("0")
    clock = f"{int(hours):02}:{int(minutes):02}:{int(whole):02}{point if part else ''}{part}"
    word = "day" if days == 1 else "days"
    return f"{'-' if seconds < 0 else ''}{int(days):,} {word} {clock}"


# -------------------------------------------------------------------------------- JSON


def _json(given: Value) -> Any:
    """A value; a float that is too large for JSON is null."""
    return None if isinstance(given, float) and math.isinf(given) else show.json_value(given)


def _measured_json(measured: Measured) -> dict[str, Any]:
    return {
        "value": measured.value,
        "kind": measured.kind,
        "expression": measured.expression,
        "count": measured.count,
        "present": measured.present,
        **_when_json(measured),
    }


def _when_json(answer: Measured | Funnel) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "as_of": show.instant(answer.as_of),
        "elapsed_ms": answer.elapsed_us / 1000,
        "data_version": answer.data_version,
    }
    if answer.waiting:
        shown["waiting"] = answer.waiting
    if answer.read_as_of_today:
        shown["read_as_of_today"] = list(answer.read_as_of_today)
    if answer.notes:
        shown["notes"] = list(answer.notes)
    return shown


def _distribution_json(answer: Distribution) -> dict[str, Any]:
    shown = _measured_json(answer.measured)
    if answer.thresholds:
        shown["thresholds"] = [
            {"threshold": _json(one.threshold), "count": one.count} for one in answer.thresholds
        ]
    elif answer.measured.kind in ("category", "set", "bool"):
        shown["values"] = [{"value": one.value, "count": one.count} for one in answer.values]
        shown["other_values"] = answer.other_values
        shown["other_count"] = answer.other_count
    else:
        shown["bins"] = [
            {"low": _json(one.low), "high": _json(one.high), "count": one.count}
            for one in answer.bins
        ]
        shown["below"] = answer.below
        shown["above"] = answer.above
    return shown


def _summary_json(answer: Summary, *, with_groups: bool) -> dict[str, Any]:
    shown = _measured_json(answer.measured)
    shown |= _totals_json(answer.totals)
    shown["mean_places"] = answer.mean_places
    if with_groups:
        shown["groups"] = [
            {"group": name, "count": one.count, "present": one.present, **_totals_json(one)}
            for name, one in answer.groups
        ]
    return shown


def _totals_json(totals: Totals) -> dict[str, Any]:
    named: Sequence[tuple[str, Value]] = (
        ("sum", totals.sum),
        ("mean", totals.mean),
        ("min", totals.min),
        ("max", totals.max),
    )
    return {name: _json(one) for name, one in named}


def _funnel_json(answer: Funnel) -> dict[str, Any]:
    return {
        "sequence": answer.sequence,
        "expression": answer.expression,
        "count": answer.count,
        "steps": [{"step": one.step, "count": one.count} for one in answer.steps],
        **_when_json(answer),
    }
