"""`strata next`."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from strata.cli import show
from strata.cli.options import (
    AsOf,
    Json,
    ServerAt,
    StoreAt,
    WrongUsage,
    read_identifier,
    read_instant,
)
from strata.cli.plain import command
from strata.cli.session import place, session
from strata.cli.waiting import waiting
from strata.coming import ComingChanges, NextChange, next_change, next_changes

__all__ = ["coming"]

LISTED, LISTED_MOST = 20, 10_000
DURATION = re.compile(r"\s*(\d{1,12})\s*(second|minute|hour|day|week)s?\s*")
YEARS_MOST = datetime.timedelta(days=366_000)


@command
def coming(
    segments: Annotated[list[str] | None, typer.Argument(metavar="[SEGMENT]...")] = None,
    within: Annotated[
        str | None,
        typer.Option("--in", metavar="DURATION", help="How far to look ahead; 24 hours without."),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option("--profile", metavar="KIND:VALUE", help="The next changes of one profile."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=0, max=LISTED_MOST, help=f"List so many; {LISTED} without."),
    ] = None,
    as_of: AsOf = None,
    store: StoreAt = None,
    server: ServerAt = None,
    as_json: Json = False,
) -> None:
    """Tell who enters and leaves segments by time alone, if no data changes."""
    if profile is not None and (within is not None or limit is not None):
        raise WrongUsage("--profile tells every next change; it goes without --in and --limit")
    owner = None if profile is None else read_identifier(profile)
    ahead = _duration(within or "24 hours")
    names = segments or ()
    with session(place(store, server)) as client:
        moment = read_instant(as_of, lambda: client.model().time_zone)
        with waiting("Looking ahead"):
            if owner is not None:
                found = next_change(client, *owner, names, as_of=moment)
            else:
                most = LISTED if limit is None else limit
                answer = next_changes(client, ahead, names, as_of=moment, limit=most)
    if as_json:
        of_profile = owner is not None
        show.json_line(
            {"changes": [*map(show.change_json, found)]} if of_profile else _json(answer)
        )
    elif owner is not None:
        _say_of_profile(found)
    else:
        _say(answer)


def _duration(text: str) -> datetime.timedelta:
    found = DURATION.fullmatch(text)
    if found is None:
        raise WrongUsage(f"--in: {text!r} is no duration; write 24 hours, 90 minutes or 7 days")
    try:
        length = datetime.timedelta(**{f"{found[2]}s": int(found[1])})
    except OverflowError:
        length = datetime.timedelta.max
    if length > YEARS_MOST:
        raise WrongUsage(f"--in: {text!r} is too far; look ahead by at most 366,000 days")
    return length


def _say_of_profile(found: Sequence[NextChange]) -> None:
    for one in found:
        typer.echo(show.change(one))
    if not found:
        typer.echo("time alone changes nothing")


def _say(answer: ComingChanges) -> None:
    typer.echo(
        f"{answer.count:,} changes   after {show.instant(answer.as_of)}"
        f"   up to {show.instant(answer.until)}"
    )
    names = [one.segment for one in answer.segments]
    for one in answer.segments:
        typer.echo(
            f"{show.padded(one.segment, names)}  {one.entering:,} enter  {one.leaving:,} leave"
        )
    for change in answer.changes:
        typer.echo(f"{show.change(change)}  {change.uid}")
    more = answer.count - len(answer.changes)
    if answer.changes and more:
        typer.echo(f"(and {more:,} more)")


def _json(answer: ComingChanges) -> dict[str, Any]:
    return {
        "as_of": show.instant(answer.as_of),
        "until": show.instant(answer.until),
        "data_version": answer.data_version,
        "count": answer.count,
        "segments": [
            {"segment": one.segment, "entering": one.entering, "leaving": one.leaving}
            for one in answer.segments
        ],
        "changes": [show.change_json(one) for one in answer.changes],
    }
