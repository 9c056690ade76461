"""`strata lists`: uploaded lists of identifiers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from strata.answers import UploadedList
from strata.cli import show
from strata.cli.options import Json, ServerAt, StoreAt, WrongUsage
from strata.cli.plain import command
from strata.cli.session import place, session
from strata.cli.waiting import waiting

__all__ = ["app"]

app = typer.Typer(help="Uploaded lists of identifiers.", rich_markup_mode=None)


@app.callback(invoke_without_command=True)
@command
def lists(
    context: typer.Context, store: StoreAt = None, server: ServerAt = None, as_json: Json = False
) -> None:
    """Show the lists there are."""
    if context.invoked_subcommand is not None:
        if store is not None or server is not None or as_json:
            raise WrongUsage("options of a subcommand stand behind it")
        return
    with session(place(store, server)) as client:
        found = client.lists()
    if as_json:
        for one in found:
            show.json_line(dataclasses.asdict(one))
        return
    names = [one.name for one in found]
    for one in found:
        typer.echo(f"{show.padded(one.name, names)}  {_told(one)}")


@app.command()
@command
def upload(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="One identifier per line.")],
    ids: Annotated[str, typer.Option("--ids", metavar="KIND", help="The identifiers' kind.")],
    store: StoreAt = None,
    server: ServerAt = None,
    as_json: Json = False,
) -> None:
    """Store a list, in place of any list of that name."""
    with session(place(store, server), writes=True) as client, waiting("Uploading"):
        stored = client.upload_list(name, ids, _values(file))
    if as_json:
        show.json_line(dataclasses.asdict(stored))
    else:
        typer.echo(f"{stored.name}  {_told(stored)}")


@app.command()
@command
def delete(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    store: StoreAt = None,
    server: ServerAt = None,
) -> None:
    """Remove a list."""
    with session(place(store, server), writes=True) as client:
        client.delete_list(name)


def _told(one: UploadedList) -> str:
    return (
        f"{one.size:,} identifiers ({one.identifier_kind}), {one.known:,} known,"
        f" {one.waiting:,} waiting"
    )


def _values(file: Path) -> Iterator[str]:
    """The identifiers of a file, without the white space around them."""
    try:
        with file.open(encoding="utf-8-sig") as lines:
            for line in lines:
                if value := line.strip():
                    yield value
    except UnicodeDecodeError:
        raise WrongUsage(f"{file} is not UTF-8 text") from None
