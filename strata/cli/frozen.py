"""`strata freeze` and `strata frozen`: audiences kept as they were."""

from __future__ import annotations

import dataclasses
import getpass
from typing import Annotated, Any

import typer

from strata.answers import Frozen, FrozenAudience
from strata.cli import show
from strata.cli.options import (
    AsOf,
    Json,
    Limit,
    Salt,
    ServerAt,
    StoreAt,
    WrongUsage,
    read_instant,
)
from strata.cli.plain import about, command
from strata.cli.session import place, session
from strata.cli.waiting import waiting

__all__ = ["app", "freeze"]

app = typer.Typer(help="Audiences kept as they were.", rich_markup_mode=None)


@command
def freeze(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    expression: Annotated[str, typer.Argument(metavar="EXPR")],
    limit: Limit = None,
    salt: Salt = "",
    order_by: Annotated[
        str | None,
        typer.Option("--order-by", metavar="VALUE", help="With --limit: keep the least."),
    ] = None,
    descending: Annotated[bool, typer.Option("--descending", help="Keep the greatest.")] = False,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="INSTANT", help="When it expires; never without."),
    ] = None,
    made_by: Annotated[
        str | None, typer.Option("--by", metavar="WHO", help="Who freezes it; you without.")
    ] = None,
    as_of: AsOf = None,
    store: StoreAt = None,
    server: ServerAt = None,
    as_json: Json = False,
) -> None:
    """Keep the members of an expression under a name, as they are now."""
    texts = about(audience=expression, order_by=order_by or "")
    with session(place(store, server), writes=True) as client, texts:

        def zone() -> str:
            return client.model().time_zone

        moment = read_instant(as_of, zone)
        expiry = read_instant(until, zone, "--until")
        with waiting("Evaluating"):
            frozen = client.freeze(
                name,
                expression,
                as_of=moment,
                limit=limit,
                salt=salt,
                order_by=order_by,
                descending=descending,
                made_by=_user() if made_by is None else made_by,
                expires_at=expiry,
            )
    if as_json:
        show.json_line(_json(frozen))
    else:
        typer.echo(f"{frozen.name}  {_told(frozen)}")


@app.callback(invoke_without_command=True)
@command
def frozen(
    context: typer.Context, store: StoreAt = None, server: ServerAt = None, as_json: Json = False
) -> None:
    """Show the frozen audiences there are."""
    if context.invoked_subcommand is not None:
        if store is not None or server is not None or as_json:
            raise WrongUsage("options of a subcommand stand behind it")
        return
    with session(place(store, server)) as client:
        found = client.frozen_audiences()
    names = [one.name for one in found]
    for one in found:
        if as_json:
            show.json_line(_json(one))
        else:
            typer.echo(f"{show.padded(one.name, names)}  {_told(one)}")


@app.command("show")
@command
def show_one(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    store: StoreAt = None,
    server: ServerAt = None,
    as_json: Json = False,
) -> None:
    """Describe a frozen audience."""
    with session(place(store, server)) as client:
        found = client.frozen(name)
    if as_json:
        show.json_line(_json(found))
        return
    typer.echo(f"{found.name}  {_told(found)}")
    for label, text in _details(found):
        typer.echo(f"  {label:<15}{text}")


@app.command()
@command
def drop(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    store: StoreAt = None,
    server: ServerAt = None,
) -> None:
    """Remove a frozen audience."""
    with session(place(store, server), writes=True) as client:
        client.drop_frozen(name)


@app.command()
@command
def compare(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    other: Annotated[str | None, typer.Argument(metavar="OTHER")] = None,
    expression: Annotated[
        str | None,
        typer.Option("--with", metavar="EXPR", help="Compare with an expression, as of now."),
    ] = None,
    as_of: AsOf = None,
    store: StoreAt = None,
    server: ServerAt = None,
    as_json: Json = False,
) -> None:
    """Compare a frozen audience with another, or with an expression."""
    if (other is None) == (expression is None):
        raise WrongUsage("give the name of another frozen audience, or --with EXPR")
    right: str | Frozen = Frozen(other) if other is not None else expression or ""
    with session(place(store, server)) as client, about(expression or ""):
        moment = read_instant(as_of, lambda: client.model().time_zone)
        with waiting("Comparing"):
            found = client.compare(Frozen(name), right, as_of=moment)
    if as_json:
        shown: dict[str, Any] = dataclasses.asdict(found)
        show.json_line({**shown, "as_of": show.instant(found.as_of)})
        return
    figures = {
        name: found.left,
        other or expression or "": found.right,
        "in both": found.both,
        "only in the first": found.left - found.both,
        "only in the second": found.right - found.both,
    }
    for line in show.figures(figures):
        typer.echo(line)


def _user() -> str:
    """Who runs the command, as the system says; nothing where it does not know."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _told(one: FrozenAudience) -> str:
    gone = f" ({one.gone:,} of them gone)" if one.gone else ""
    until = f", until {show.instant(one.expires_at)}" if one.expires_at else ""
    return f"{one.count:,} profiles{gone} as of {show.instant(one.as_of)}{until}  {one.expression}"


def _details(one: FrozenAudience) -> list[tuple[str, str]]:
    details = [
        ("matched", f"{one.matched:,}"),
        ("data version", f"{one.data_version}"),
        ("model version", f"{one.model_version}"),
        ("frozen", f"{show.instant(one.made_at)}{f' by {one.made_by}' if one.made_by else ''}"),
    ]
    if one.limit is not None:
        way = f"the {'greatest' if one.descending else 'least'} by {one.order_by}"
        drawn = f"at random, salt {one.salt!r}"
        details.append(("limit", f"{one.limit:,}, {way if one.order_by else drawn}"))
    if one.waiting:
        details.append(("waiting", f"{one.waiting:,} uploaded identifiers had no profile"))
    if one.read_as_of_today:
        details.append(("as it was", ", ".join(one.read_as_of_today)))
    return details


def _json(one: FrozenAudience) -> dict[str, Any]:
    shown = dataclasses.asdict(one)
    for key in ("as_of", "made_at", "expires_at"):
        moment = shown[key]
        shown[key] = None if moment is None else show.instant(moment)
    return shown
