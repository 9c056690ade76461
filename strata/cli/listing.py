"""`strata list`: the members of an audience, as lines, CSV, Parquet, JSON or a bitmap."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from strata.cli.member_files import write_members
from strata.cli.options import AsOf, Json, ServerAt, StoreAt, WrongUsage, read_instant
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
    expression: Annotated[str, typer.Argument(metavar="EXPR")],
    ids: Annotated[
        str, typer.Option("--ids", metavar="KIND", help="Identifiers of this kind, or uid.")
    ] = "uid",
    attributes: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="ATTRIBUTE", help="An attribute to list; repeatable."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="At most so many profiles.")
    ] = None,
    salt: Annotated[str, typer.Option("--salt", help="What draws those of --limit.")] = "",
    order_by: Annotated[
        str | None, typer.Option("--order-by", metavar="ATTRIBUTE", help="The least first.")
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
    """List the profiles for which an expression holds."""
    names = attributes or []
    _check(form, names, output, as_json)
    roaring = form is Format.ROARING
    with session(place(store, server)) as client, about(expression):
        moment = read_instant(as_of, lambda: client.model().time_zone)
        with waiting("Evaluating"):
            members = client.members(
                expression,
                form="roaring" if roaring else "uids" if ids == "uid" else "identifiers",
                identifier_kind="" if roaring or ids == "uid" else ids,
                attributes=names,
                as_of=moment,
                limit=limit,
                salt=salt,
                order_by=order_by,
                descending=descending,
            )
        try:
            write_members(members, "json" if as_json else form.value, ids, names, output)
        finally:
            members.close()
    if sys.stderr.isatty():
        header = members.header
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
