"""`strata whatif`: a score with other weights, without applying it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from strata.cli import show
from strata.cli.options import Json, ServerAt, StoreAt, WrongUsage
from strata.cli.plain import command
from strata.cli.session import place, session
from strata.cli.waiting import waiting
from strata.what_if import WhatIf
from strata.what_if import what_if as ask

__all__ = ["whatif"]


@command
def whatif(
    score: Annotated[str, typer.Argument(metavar="SCORE")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="As in rules[2].points=40, bands.hot=60."),
    ] = None,
    store: StoreAt = None,
    server: ServerAt = None,
    as_json: Json = False,
) -> None:
    """Show what would become of a score's bands with parts of it set otherwise. Changes nothing."""
    chosen = dict(map(_setting, settings or ()))
    if len(chosen) < len(settings or ()):
        raise WrongUsage("a --set stands there twice")
    with session(place(store, server)) as client, waiting("Trying"):
        found = ask(client, score, chosen)
    if as_json:
        show.json_line(_as_json(found))
        return
    for line in _told(found):
        typer.echo(line)


def _setting(text: str) -> tuple[str, str]:
    path, sign, value = text.partition("=")
    if not sign or not path.strip():
        raise WrongUsage(f"--set {text}: write PATH=VALUE, as in rules[2].points=40")
    return path.strip(), value.strip()


def _told(found: WhatIf) -> Iterator[str]:
    yield f"{found.score}   as of {show.instant(found.as_of)}   {found.moved:,} would move"
    rows: list[Sequence[str]] = [("", "from", "before", "after", "join", "leave")]
    for one in found.bands:
        bound = f"{one.new_bound:f}" if one.new_bound is not None else "gone"
        if one.old_bound != one.new_bound:
            bound = (
                f"{one.old_bound:f} -> {bound}" if one.old_bound is not None else f"new: {bound}"
            )
        sizes = f"{one.old_size:,}", f"{one.new_size:,}"
        rows.append((one.band, bound, *sizes, f"+{one.joiners:,}", f"-{one.leavers:,}"))
    widths = [max(map(show.width, column)) for column in zip(*rows, strict=True)]
    for name, *cells in rows:
        aligned = (
            " " * (width - show.width(text)) + text
            for text, width in zip(cells, widths[1:], strict=True)
        )
        yield f"  {name}{' ' * (widths[0] - show.width(name))}  {'  '.join(aligned)}"


def _as_json(found: WhatIf) -> dict[str, object]:
    return {
        "score": found.score,
        "as_of": show.instant(found.as_of),
        "data_version": found.data_version,
        "moved": found.moved,
        "bands": [
            {
                "band": one.band,
                "from": show.json_value(one.old_bound),
                "to": show.json_value(one.new_bound),
                "before": one.old_size,
                "after": one.new_size,
                "join": one.joiners,
                "leave": one.leavers,
            }
            for one in found.bands
        ],
    }
