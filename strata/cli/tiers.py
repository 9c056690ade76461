"""`strata refresh` and `strata flow`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from strata.cli import show
from strata.cli.options import Json, ServerAt, StoreAt, read_instant
from strata.cli.plain import command
from strata.cli.session import place, session
from strata.cli.waiting import waiting
from strata.tiers import Flow, TierCut, TierRefresh
from strata.tiers import flow as ask_flow
from strata.tiers import refresh as ask_refresh

__all__ = ["flow", "refresh"]

_NONE = "(none)"


@command
def refresh(
    tiers: Annotated[list[str] | None, typer.Argument(metavar="[TIER]...")] = None,
    store: StoreAt = None,
    server: ServerAt = None,
    as_json: Json = False,
) -> None:
    """Work out the cuts of tiers anew and put them in force; of all tiers where none is named."""
    with session(place(store, server), writes=True) as client, waiting("Refreshing"):
        refreshed = ask_refresh(client, tiers or ())
    if as_json:
        show.json_line([_refresh_json(one) for one in refreshed])
        return
    if not refreshed:
        typer.echo("No tier has cuts to work out.")
    for one in refreshed:
        for line in _refreshed(one):
            typer.echo(line)


def _refreshed(one: TierRefresh) -> Iterator[str]:
    yield f"{one.tier}   as of {show.instant(one.instant)}"
    metrics = [cut.metric for cut in one.cuts]
    for cut in one.cuts:
        yield f"  {show.padded(cut.metric, metrics)}  {_cut_text(cut)}"
    names = [size.name for size in one.sizes]
    cells = [
        ("" if size.before is None else f"{size.before:,}", f"{size.after:,}") for size in one.sizes
    ]
    yield from _table(names, ("before", "after"), cells)


def _cut_text(cut: TierCut) -> str:
    return "nobody reaches it" if cut.exact is None else f"from {show.text_value(cut.value)}"


def _table(
    names: Sequence[str], heads: Sequence[str], cells: Sequence[Sequence[str]]
) -> Iterator[str]:
    """Lines of names with cells under heads, to the right."""
    widths = [max(map(show.width, column)) for column in zip(heads, *cells, strict=True)]
    for name, texts in [("", heads), *zip(names, cells, strict=True)]:
        aligned = (
            " " * (width - show.width(text)) + text
            for text, width in zip(texts, widths, strict=True)
        )
        yield f"  {show.padded(name, names)}  {'  '.join(aligned)}"


def _refresh_json(one: TierRefresh) -> dict[str, Any]:
    return {
        "tier": one.tier,
        "instant": show.instant(one.instant),
        "cuts": [
            {
                "metric": cut.metric,
                "kind": cut.kind,
                "value": show.json_value(cut.value),
                "exact": None if cut.exact is None else str(cut.exact),
            }
            for cut in one.cuts
        ],
        "sizes": [dataclasses.asdict(size) for size in one.sizes],
    }


@command
def flow(
    tier: Annotated[str, typer.Argument(metavar="TIER")],
    from_: Annotated[str, typer.Option("--from", metavar="INSTANT", help="The earlier instant.")],
    to: Annotated[
        str | None, typer.Option("--to", metavar="INSTANT", help="The later one; now without.")
    ] = None,
    store: StoreAt = None,
    server: ServerAt = None,
    as_json: Json = False,
) -> None:
    """Count how profiles moved between the names of a tier from one instant to another."""
    with session(place(store, server)) as client:
        earlier = read_instant(from_, lambda: client.model().time_zone, "--from")
        later = read_instant(to, lambda: client.model().time_zone, "--to")
        assert earlier is not None, "it is given"
        with waiting("Counting"):
            found = ask_flow(client, tier, from_=earlier, to=later)
    if as_json:
        show.json_line(_flow_json(found))
        return
    typer.echo(
        f"{found.tier}   {show.instant(found.from_)} (down) to {show.instant(found.to)} (across)"
        f"   {found.elapsed_us / 1000:,.3f} ms"
    )
    places = (*found.names, None)
    heads = [_NONE if name is None else name for name in places]
    cells = [[f"{found.counts[before, after]:,}" for after in places] for before in places]
    for line in _table(heads, heads, cells):
        typer.echo(line)


def _flow_json(found: Flow) -> dict[str, Any]:
    return {
        "tier": found.tier,
        "from": show.instant(found.from_),
        "to": show.instant(found.to),
        "data_version": found.data_version,
        "elapsed_ms": found.elapsed_us / 1000,
        "flows": [
            {"from": before, "to": after, "count": count}
            for (before, after), count in found.counts.items()
            if count
        ],
    }
