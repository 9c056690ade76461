"""`strata profile` and `strata events`."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from typing import Annotated

import typer

from strata.answers import Profile, ProfileEvent, ScoreLedger
from strata.cli import show
from strata.cli.options import AsOf, Json, ServerAt, StoreAt, read_identifier, read_instant
from strata.cli.plain import command
from strata.cli.session import place, session
from strata.coming import next_change

__all__ = ["events", "profile"]

# Without --limit; whoever has more did most of them long ago.
EVENTS_DEFAULT = 100
EVENTS_MOST = 1 << 32
PAGE_MOST = 1000
# Of a card: what a seller takes in at a glance.
REASONS_SHOWN = 5
CHANGES_SHOWN = 5


@command
def profile(
    identifier: Annotated[str, typer.Argument(metavar="KIND:VALUE")],
    as_of: AsOf = None,
    store: StoreAt = None,
    server: ServerAt = None,
    as_json: Json = False,
) -> None:
    """Show one profile: who it is, where it stands and why, what it did, and what comes next."""
    kind, value = read_identifier(identifier)
    with session(place(store, server)) as client:
        instant = read_instant(as_of, lambda: client.model().time_zone)
        found = client.profile(kind, value, as_of=instant)
        coming = next_change(client, kind, value, as_of=instant)
    if as_json:
        ahead = [show.change_json(one) for one in coming]
        show.json_line({**show.profile_json(found), "next_changes": ahead})
        return
    for name, text in _rows(found):
        typer.echo(f"{name}  {text}")
    for ledger in found.scores:
        for line in _score(ledger):
            typer.echo(line)
    for about, reason in found.notes.items():
        typer.echo(f"\nleft out: {about}: {reason}")
    if coming:
        typer.echo("\nby time alone:")
        for one in coming[:CHANGES_SHOWN]:
            typer.echo(show.change(one))
    if found.recent_events:
        typer.echo("\nits last events:")
        for line in show.events(found.recent_events):
            typer.echo(line)
    if found.as_of is not None:
        typer.echo(f"\nas of {show.instant(found.as_of)}")
    if found.read_as_of_today:
        typer.echo(f"as it is today: {', '.join(found.read_as_of_today)}")


@command
def events(
    identifier: Annotated[str, typer.Argument(metavar="KIND:VALUE")],
    types: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="TYPE", help="Events of this type; repeatable."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="INSTANT", help="From this instant on.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="INSTANT", help="Before this instant.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            min=1,
            max=EVENTS_MOST,
            help=f"At most so many, the latest; {EVENTS_DEFAULT} without.",
        ),
    ] = None,
    as_of: AsOf = None,
    store: StoreAt = None,
    server: ServerAt = None,
    as_json: Json = False,
) -> None:
    """List what one profile did, the latest first."""
    kind, value = read_identifier(identifier)
    wanted = limit or EVENTS_DEFAULT
    with session(place(store, server)) as client:

        def zone() -> str:
            return client.model().time_zone

        found = client.events(
            kind,
            value,
            types=types or [],
            since=read_instant(since, zone, "--since"),
            until=read_instant(until, zone, "--until"),
            as_of=read_instant(as_of, zone),
            page_size=min(wanted, PAGE_MOST),
        )
        # A page at a time, so that any number of them fits.
        first = list(islice(found, min(wanted, PAGE_MOST)))
        shown = len(first)
        while first:
            _print(first, as_json)
            first = list(islice(found, min(wanted - shown, PAGE_MOST)))
            shown += len(first)
        if limit is None and next(found, None) is not None:
            typer.echo(f"the latest {shown}; --limit N lists more", err=True)


def _print(page: list[ProfileEvent], as_json: bool) -> None:
    if as_json:
        for event in page:
            show.json_line(show.event_json(event))
    else:
        for line in show.events(page):
            typer.echo(line)


def _score(ledger: ScoreLedger) -> Iterator[str]:
    """The reasons of a score that count most, one line each."""
    counting = sorted((one for one in ledger.lines if one.points), key=lambda one: -abs(one.points))
    if counting:
        yield f"\nwhy {ledger.score} is {ledger.points:f}:"
    points = [f"{one.points:+f}" for one in counting[:REASONS_SHOWN]]
    for one, text in zip(counting, points, strict=False):
        yield f"{text:>{max(map(len, points))}}  {one.text or one.kind}"
    if len(counting) > REASONS_SHOWN:
        rest = sum((one.points for one in counting[REASONS_SHOWN:]), Decimal(0))
        yield f"{rest:+f}  ({len(counting) - REASONS_SHOWN} more)"


def _rows(found: Profile) -> list[tuple[str, str]]:
    """What to show, the names padded to one width."""
    rows = [("uid", found.uid)]
    rows += [(kind, value) for kind, value in found.identifiers]
    rows += [(name, show.text_value(value)) for name, value in found.attributes.items()]
    if found.tags:
        rows.append(("tag", " | ".join(found.tags)))
    rows += [(tier, name) for tier, name in found.tiers.items()]
    rows += [
        (one.score, f"{one.points:f}" + (f"  {one.band}" if one.band else ""))
        for one in found.scores
    ]
    if found.segments:
        rows.append(("segment", " | ".join(found.segments)))
    return [(show.padded(name, [name for name, _ in rows]), text) for name, text in rows]
