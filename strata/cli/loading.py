"""`strata load`: files into the store, with progress."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from strata.cli import show
from strata.cli.options import Json, ServerAt, StoreAt, WrongUsage
from strata.cli.plain import command
from strata.cli.session import place

__all__ = ["load"]


@command
def load(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...")],
    source: Annotated[
        str, typer.Option("--source", metavar="NAME", help="A source that the model declares.")
    ],
    refused: Annotated[
        Path | None,
        typer.Option("--refused", metavar="FILE", help="Write refused records here."),
    ] = None,
    store: StoreAt = None,
    server: ServerAt = None,
    as_json: Json = False,
) -> None:
    """Load files of one source: CSV, JSONL or Parquet, plain or compressed."""
    where = place(store, server)
    if where.store is None:
        raise WrongUsage("load opens the store itself in this version: give --store DIR")
    from loaders import load as load_files
    from strata.cli import embedded
    from strata.cli.progress import progress

    with (
        embedded.engine_failures(),
        embedded.opened(where.store, writes=True, creates=False) as database,
        progress("Loading") as tell,
    ):
        summary = load_files(database, source, files, progress=tell, refused=refused)
    if as_json:
        show.json_line(dataclasses.asdict(summary))
        return
    typer.echo(str(summary))
