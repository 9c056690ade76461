"""`strata verify`, `strata checkpoint` and `strata stats`."""

from __future__ import annotations

import dataclasses

import typer

from strata.cli import show
from strata.cli.options import Json, ServerAt, StoreAt
from strata.cli.plain import command
from strata.cli.session import place, session
from strata.cli.waiting import waiting

__all__ = ["checkpoint", "stats", "verify"]


@command
def verify(store: StoreAt = None, server: ServerAt = None, as_json: Json = False) -> None:
    """Read every stored record and check it."""
    with session(place(store, server)) as client, waiting("Verifying"):
        verified = client.verify()
    if as_json:
        show.json_line(dataclasses.asdict(verified))
    else:
        typer.echo(
            f"{verified.record_count:,} records with {verified.payload_bytes:,} bytes read,"
            f" {len(verified.faults):,} faults found"
        )
        for fault in verified.faults:
            typer.echo(fault)
    if verified.faults:
        raise typer.Exit(1)


@command
def checkpoint(store: StoreAt = None, server: ServerAt = None, as_json: Json = False) -> None:
    """Save everything that is visible, so that opening the store has nothing to replay."""
    with session(place(store, server), writes=True) as client, waiting("Saving"):
        version = client.checkpoint()
    if as_json:
        show.json_line({"data_version": version})
    else:
        typer.echo(f"saved up to data version {version}")


@command
def stats(store: StoreAt = None, server: ServerAt = None, as_json: Json = False) -> None:
    """Show sizes and counts."""
    with session(place(store, server)) as client:
        found = client.stats()
    if as_json:
        show.json_line(found)
        return
    for line in show.figures(found):
        typer.echo(line)
