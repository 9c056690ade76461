"""Where a command's answers come from: a store that it opens, or a server."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from strata.cli.options import WrongUsage
from strata.client import Client

__all__ = ["Place", "place", "session"]


@dataclass(frozen=True, slots=True)
class Place:
    """Either a store's folder or a server's address."""

    store: Path | None = None
    server: str | None = None


def place(store: Path | None, server: str | None, *, needed: bool = True) -> Place:
    """What the options say, else what STRATA_STORE or STRATA_SERVER say.

    Wrong usage where both are given; where neither is, too, if a place is `needed`.
    """
    if store is None and server is None:
        named = os.environ.get("STRATA_STORE")
        store = Path(named) if named else None
        server = os.environ.get("STRATA_SERVER") or None
    if store is not None and server is not None:
        raise WrongUsage("give --store or --server (or its variable), not both")
    if needed and store is None and server is None:
        raise WrongUsage("give --store DIR to open a store, or --server HOST:PORT")
    return Place(store, server)


@contextlib.contextmanager
def session(where: Place, *, writes: bool = False, creates: bool = False) -> Iterator[Client]:
    """A client of the place. A store is opened for writing only where the command writes.

    `creates`: a store that is not there is made, and removed again if the command fails.
    """
    with contextlib.ExitStack() as stack:
        if where.server is not None:
            yield stack.enter_context(Client(where.server))
            return
        assert where.store is not None, "place() promises one of the two"
        from strata.cli import embedded

        with embedded.engine_failures():
            database = stack.enter_context(
                embedded.opened(where.store, writes=writes, creates=creates)
            )
        yield stack.enter_context(Client(transport=embedded.EmbeddedTransport(database)))
