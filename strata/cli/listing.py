"""`strata list`: the members of an audience, as lines, CSV, Parquet, JSON or a bitmap."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from strata.answers import Frozen
from strata.cli.member_files import write_members
from strata.cli.options import (
    PROFILES_MOST,
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

__all__ = ["Format", "list_members"]


class Format(StrEnum):
    """How a member list is written."""

    LINES = "lines"
    CSV = "csv"
    PARQUET = "parquet"
    ROARING = "roaring"


@command
def list_members(
    expression: Annotated[str | None, typer.Argument(metavar="EXPR")] = None,
    frozen: Annotated[
        str | None,
        typer.Option("--frozen", metavar="NAME", help="List a frozen audience instead."),
    ] = None,
    skip: Annotated[
        int | None,
        typer.Option(
            "--skip", min=0, max=PROFILES_MOST, help="With --frozen: the place to begin at."
        ),
    ] = None,
    take: Annotated[
        int | None,
        typer.Option("--take", min=1, max=PROFILES_MOST, help="With --frozen: so many places."),
    ] = None,
    ids: Annotated[
        str, typer.Option("--ids", metavar="KIND", help="Identifiers of this kind, or uid.")
    ] = "uid",
    attributes: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="ATTRIBUTE", help="An attribute to list; repeatable."),
    ] = None,
    limit: Limit = None,
    salt: Salt = "",
    order_by: Annotated[
        str | None,
        typer.Option(
            "--order-by", metavar="VALUE", help="An attribute or another value: the least first."
        ),
    ] = None,
    descending: Annotated[bool, typer.Option("--descending", help="The greatest first.")] = False,
    form: Annotated[Format, typer.Option("--format", help="How to write them.")] = Format.LINES,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write here.")
    ] = None,
    as_of: AsOf = None,
    store: StoreAt = None,
    server: ServerAt = None,
    as_json: Json = False,
) -> None:
    """List the profiles for which an expression holds, or those of a frozen audience."""
    names = attributes or []
    _check(form, names, output, as_json)
    if frozen is None and expression is not None:
        audience: str | Frozen = expression
        if skip is not None or take is not None:
            raise WrongUsage("--skip and --take are for --frozen NAME, whose members stay")
    elif frozen is not None and expression is None:
        audience = Frozen(frozen)
    else:
        raise WrongUsage("give an expression, or --frozen NAME")
    page = None if skip is None and take is None else (skip or 0, take or PROFILES_MOST)
    roaring = form is Format.ROARING
    with (
        session(place(store, server)) as client,
        about(audience=expression or "", order_by=order_by or ""),
    ):
        moment = read_instant(as_of, lambda: client.model().time_zone)
        with waiting("Evaluating"):
            members = client.members(
                audience,
                form="roaring" if roaring else "uids" if ids == "uid" else "identifiers",
                identifier_kind="" if roaring or ids == "uid" else ids,
                attributes=names,
                as_of=moment,
                limit=limit,
                salt=salt,
                order_by=order_by,
                descending=descending,
                page=page,
            )
        try:
            write_members(members, "json" if as_json else form.value, ids, names, output)
        finally:
            members.close()
    header = members.header
    if header.gone:
        typer.echo(f"{header.gone:,} who were frozen are no profiles any more", err=True)
    if header.read_as_of_today:
        typer.echo(f"as it is today: {', '.join(header.read_as_of_today)}", err=True)
    if sys.stderr.isatty():
        typer.echo(f"{header.listed:,} of {header.matched:,} profiles listed", err=True)


def _check(form: Format, attributes: list[str], output: Path | None, as_json: bool) -> None:
    """Refuses options that do not go together."""
    if as_json and form is not Format.LINES:
        raise WrongUsage("--json is a format of its own; leave out --format")
    if attributes and form is Format.LINES and not as_json:
        raise WrongUsage("--with needs --json, --format csv or --format parquet")
    if attributes and form is Format.ROARING:
        raise WrongUsage("a bitmap has no room for --with")
    binary = form in (Format.PARQUET, Format.ROARING)
    if binary and output is None and (form is Format.PARQUET or sys.stdout.isatty()):
        raise WrongUsage(f"--format {form.value} needs a file: -o FILE")
