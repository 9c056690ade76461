"""`strata profile` and `strata events`."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from strata.answers import Profile, ProfileEvent
from strata.cli import show
from strata.cli.options import AsOf, Json, ServerAt, StoreAt, read_identifier, read_instant
from strata.cli.plain import command
from strata.cli.session import place, session

__all__ = ["events", "profile"]

# Without --limit; whoever has more did most of them long ago.
EVENTS_DEFAULT = 100
EVENTS_MOST = 1 << 32
PAGE_MOST = 1000


@command
def profile(
    identifier: Annotated[str, typer.Argument(metavar="KIND:VALUE")],
    store: StoreAt = None,
    server: ServerAt = None,
    as_json: Json = False,
) -> None:
    """Show one profile."""
    kind, value = read_identifier(identifier)
    with session(place(store, server)) as client:
        found = client.profile(kind, value)
    if as_json:
        show.json_line(show.profile_json(found))
        return
    for name, text in _rows(found):
        typer.echo(f"{name}  {text}")
    if found.recent_events:
        typer.echo("\nits last events:")
        for line in show.events(found.recent_events):
            typer.echo(line)


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


def _rows(found: Profile) -> list[tuple[str, str]]:
    """What to show, the names padded to one width."""
    rows = [("uid", found.uid)]
    rows += [(kind, value) for kind, value in found.identifiers]
    rows += [(name, show.text_value(value)) for name, value in found.attributes.items()]
    if found.tags:
        rows.append(("tag", " | ".join(found.tags)))
    if found.segments:
        rows.append(("segment", " | ".join(found.segments)))
    return [(show.padded(name, [name for name, _ in rows]), text) for name, text in rows]
