"""`strata load`: files into the store, with progress.

A store that nobody serves is opened, and takes all of the files or nothing. To a server the records
are sent, batch by batch; the same command goes on where a load that broke off ended.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strata.cli import show
from strata.cli.options import Json, ServerAt, StoreAt, WrongUsage
from strata.cli.plain import command
from strata.cli.session import place
from strata.errors import StrataError

if TYPE_CHECKING:
    from strata.answers import BatchAck
    from strata.cli.progress import Tell
    from strata.client import Client

__all__ = ["load"]

# What ends a load half way, and is no fault of what is loaded.
BROKEN_OFF = {
    "CANCELLED",
    "INTERNAL",
    "OVERLOADED",
    "RESOURCE_EXHAUSTED",
    "SHUTTING_DOWN",
    "STORE_UNWRITABLE",
    "UNAVAILABLE",
    "UNKNOWN",
}


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
    anew: Annotated[
        bool,
        typer.Option(
            "--anew",
            help="With --server: forget where a load of these files broke off.",
        ),
    ] = False,
    store: StoreAt = None,
    server: ServerAt = None,
    as_json: Json = False,
) -> None:
    """Load files of one source: CSV, JSONL or Parquet, plain or compressed."""
    where = place(store, server)
    from strata.cli.progress import progress

    with progress("Loading") as tell:
        if where.store is not None:
            if anew:
                raise WrongUsage("--anew belongs to a load into a server, with --server")
            sentence, data = _loaded(where.store, source, files, refused, tell)
        else:
            assert where.server is not None, "place() promises one of the two"
            sentence, data = _sent(where.server, source, files, refused, tell, anew)
    if as_json:
        show.json_line(data)
        return
    typer.echo(sentence)


def _loaded(
    store: Path, source: str, files: list[Path], refused: Path | None, tell: Tell
) -> tuple[str, dict[str, Any]]:
    """Loads into a store that nobody else has open; the summary as a sentence and as data."""
    from loaders import load as load_files
    from strata.cli import embedded

    with (
        embedded.engine_failures(),
        embedded.opened(store, writes=True, creates=False) as database,
    ):
        summary = load_files(database, source, files, progress=tell, refused=refused)
        return str(summary), dataclasses.asdict(summary)


def _sent(
    server: str, source: str, files: list[Path], refused: Path | None, tell: Tell, anew: bool
) -> tuple[str, dict[str, Any]]:
    """The same into a store that is being served."""
    from engine.database import Database
    from loaders.sending import send
    from strata.cli import embedded
    from strata.client import Client
    from strata.ingesting import Ingestor

    with Client(server) as client:
        given = client.model().files

        def opened(partition: str, on_ack: Callable[[BatchAck], None]) -> Ingestor:
            return Ingestor(client, source, partition=partition, on_ack=on_ack)

        try:
            with embedded.engine_failures():
                model = Database.check_model(given)
                summary = send(
                    model, source, files, server, opened, progress=tell, refused=refused, anew=anew
                )
            _wait_visible(client, summary.data_version)
            return str(summary), dataclasses.asdict(summary)
        except StrataError as error:
            if error.reason not in BROKEN_OFF:
                raise
            told = f"{error} What was loaded so far stays; the same command goes on from there."
            raise StrataError(error.reason, told) from None


def _wait_visible(client: Client, offset: int) -> None:
    """Waits until a count would contain what was loaded, as it does after a load into a store."""
    while True:
        try:
            client.count("false", min_offset=offset)
            return
        except StrataError as error:
            # The server has much to apply yet; it gives up on a read after some seconds.
            if error.reason != "DEADLINE_EXCEEDED":
                raise
