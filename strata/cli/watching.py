"""`strata watch`: who enters and leaves, whose bands, tiers and tags change, and for whom there is
something to do, as it happens."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated

import typer

from strata.answers import Value
from strata.cli import show
from strata.cli.options import Json, ServerAt, StoreAt, WrongUsage
from strata.cli.plain import command
from strata.cli.session import place, session
from strata.watching import Change, ToDo, Watch, WatchCompacted, WatchMessage
from strata.watching import watch as begin

__all__ = ["watch"]


@command
def watch(
    segments: Annotated[list[str] | None, typer.Argument(metavar="[SEGMENT]...")] = None,
    scores: Annotated[
        list[str] | None, typer.Option("--score", help="Changes of this score's band.")
    ] = None,
    tiers: Annotated[list[str] | None, typer.Option("--tier", help="Changes of this tier.")] = None,
    tags: Annotated[
        list[str] | None, typer.Option("--tag", help="Who gets and loses this tag.")
    ] = None,
    actions: Annotated[
        list[str] | None, typer.Option("--action", help="For whom this action asks something.")
    ] = None,
    points: Annotated[
        list[str] | None, typer.Option("--points", help="Each change of this score's points.")
    ] = None,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Begin with the oldest change that is kept.")
    ] = False,
    token: Annotated[
        str | None,
        typer.Option("--from", metavar="TOKEN", help="Go on where another watch ended."),
    ] = None,
    ids: Annotated[
        str, typer.Option("--ids", metavar="KIND", help="Identifiers of this kind, or uid.")
    ] = "uid",
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", help="Wait for changes to come.")
    ] = True,
    store: StoreAt = None,
    server: ServerAt = None,
    as_json: Json = False,
) -> None:
    """Follow segments, bands, points, tiers, tags and actions: a line for each change. Ctrl-C ends
    it."""
    if from_start and token is not None:
        raise WrongUsage("give --from-start or --from TOKEN, not both")
    where = place(store, server)
    if where.store is not None:
        # Nobody writes to a store that this command has open, so there is nothing to wait for.
        follow = False
    if not follow and not from_start and token is None:
        raise WrongUsage("say where to begin: --from-start or --from TOKEN")
    with session(where) as client:
        kind = "" if ids == "uid" else ids
        with begin(
            client,
            segments or (),
            scores=scores or (),
            tiers=tiers or (),
            tags=tags or (),
            actions=actions or (),
            points=points or (),
            resume_token=token,
            from_oldest=from_start,
            identifier_kind=kind,
        ) as watching:
            _print(watching, follow, as_json, kind)


def _print(watching: Watch, follow: bool, as_json: bool, kind: str) -> None:
    """Prints messages until the watch ends, and says how to go on from there."""
    try:
        for message in watching:
            for change in message.changes:
                if as_json:
                    show.json_line(_change_json(change, kind))
                else:
                    typer.echo(_change_line(change, kind))
            if as_json:
                show.json_line(_token_json(message))
            if message.caught_up and not follow:
                break
    except WatchCompacted as error:
        error.add_note(f"The oldest change that is kept: --from {error.resume_token}")
        raise
    finally:
        if watching.resume_token is not None and not as_json:
            typer.echo(f"to go on from here: --from {watching.resume_token}", err=True)


def _change_line(change: Change, kind: str) -> str:
    """One entry for people. A profile without identifiers of the kind is shown by its uid."""
    name = change.definition.partition(".")[2]
    sides = change.old_value, change.new_value
    step = "entered" if change.new_value else "left   "
    if change.definition.startswith("tags.") and not isinstance(change.new_value, bool):
        # Of a rule whose tags properties name: one side is the tag, the other none.
        name = str(change.new_value or change.old_value)
    elif not isinstance(change.new_value, bool):
        step = " -> ".join(map(_shown, sides))
    whom = " ".join(change.identifiers) or (f"uid:{change.uid}" if kind else change.uid)
    if change.to_do is not None:
        step = " ".join(_asked(change.to_do))
    return f"{show.instant(change.instant)}  {step}  {name}  {whom}  ({change.cause})"


def _shown(side: Value) -> str:
    """A name, or points without zeros at their end."""
    if isinstance(side, Decimal):
        text = f"{side:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return str(side or "-")


def _asked(to_do: ToDo) -> Iterator[str]:
    yield to_do.do
    if to_do.owner is not None:
        yield f"by {to_do.owner}"
    if to_do.due is not None:
        yield f"until {show.instant(to_do.due)}"
    if to_do.event is not None:
        yield f"for {to_do.event.type} of {show.instant(to_do.event.time)}"


def _to_do_json(to_do: ToDo) -> dict[str, object]:
    """What an action asks for, as one object; `event` where it asks for each."""
    shown: dict[str, object] = {
        "do": to_do.do,
        "owner": to_do.owner,
        "due": None if to_do.due is None else show.instant(to_do.due),
        "send": {name: show.json_value(given) for name, given in to_do.send.items()},
        "evidence": list(to_do.evidence),
    }
    if to_do.event is not None:
        shown["event"] = show.event_json(to_do.event)
    return shown


def _change_json(change: Change, kind: str) -> dict[str, object]:
    """One entry as one object; `identifiers` where a kind was asked for."""
    shown: dict[str, object] = {
        "definition": change.definition,
        "definition_version": change.definition_version,
        "uid": change.uid,
        "from": show.json_value(change.old_value),
        "to": show.json_value(change.new_value),
        "cause": change.cause,
        "instant": show.instant(change.instant),
        "sequence": change.sequence,
        "ordinal": change.ordinal,
    }
    if kind:
        shown["identifiers"] = list(change.identifiers)
    if change.to_do is not None:
        shown["to_do"] = _to_do_json(change.to_do)
    return shown


def _token_json(message: WatchMessage) -> dict[str, object]:
    """The token behind the entries above, once they are handled."""
    return {"resume_token": message.resume_token, "caught_up": message.caught_up}
