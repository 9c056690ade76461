"""`strata profile`."""

from __future__ import annotations

from typing import Annotated

import typer

from strata.answers import Profile
from strata.cli import show
from strata.cli.options import Json, ServerAt, StoreAt, read_identifier
from strata.cli.plain import command
from strata.cli.session import place, session

__all__ = ["profile"]


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
