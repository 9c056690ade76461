"""Options that many commands take, and how they are read."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

__all__ = [
    "PROFILES_MOST",
    "AsOf",
    "Json",
    "Limit",
    "Salt",
    "ServerAt",
    "StoreAt",
    "WrongUsage",
    "read_identifier",
    "read_instant",
]


# No store ever has as many profiles, so no larger number of them means anything.
PROFILES_MOST = 1 << 32


class WrongUsage(typer.BadParameter):
    """A command line that makes no sense; the message says what to write."""

    def format_message(self) -> str:
        """The message alone, without the name of a parameter before it."""
        return self.message


StoreAt = Annotated[
    Path | None,
    typer.Option("--store", metavar="DIR", help="Open this store. [env: STRATA_STORE]"),
]
ServerAt = Annotated[
    str | None,
    typer.Option("--server", metavar="HOST:PORT", help="Ask this server. [env: STRATA_SERVER]"),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="INSTANT",
        help="Ask for another instant: a date or a time, in the model's zone unless it has one.",
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(
        "--limit",
        min=1,
        max=PROFILES_MOST,
        help="At most so many profiles, at random without --order-by.",
    ),
]
Salt = Annotated[str, typer.Option("--salt", help="What draws those of --limit.")]


def read_instant(
    text: str | None, zone: Callable[[], str], option: str = "--as-of"
) -> datetime.datetime | None:
    """The instant that an option means. `zone` is asked where the text has none.

    A date is its first instant; a local time in a gap moves forward by the gap, in a fold it
    is the earlier.
    """
    if text is None:
        return None
    try:
        moment = datetime.datetime.fromisoformat(text.strip())
    except ValueError:
        raise WrongUsage(
            f"{option}: {text!r} is no instant; write 2026-11-01 or 2026-11-01T08:00:00+08:00"
        ) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=ZoneInfo(zone()))


def read_identifier(text: str) -> tuple[str, str]:
    """Kind and value of `kind:value`."""
    kind, colon, value = text.partition(":")
    if not colon or not kind or not value:
        raise WrongUsage(f"{text!r} is no identifier; write kind:value, such as phone:13800000000")
    return kind, value
