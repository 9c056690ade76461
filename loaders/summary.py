"""What a load says of itself: while it runs, and at its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loaders.pieces import Piece

__all__ = ["LoadProgress", "LoadSummary", "share_done"]

# Told after every chunk: records read so far, and the share of the input that is (0 to 1;
# None where it cannot be known).
LoadProgress = Callable[[int, float | None], None]


@dataclass(frozen=True, slots=True)
class LoadSummary:
    """What a load did. `refused_file` is None where no record was refused.

    `events_added`, `events_replaced` and `events_unchanged` are None for a source of profiles; see
    LoadOutcome. A load that was sent to a server does not know them, nor `profiles_changed` and
    `blocks_written`; of `unanswered` records it knows that the server has dealt with them, but not
    whether it took them, because a load before it was killed before it had the answer.
    """

    source: str
    files: tuple[str, ...]
    accepted: int
    refused: int
    created: int
    profiles_changed: int | None
    blocks_written: int | None
    blocked_identifiers: int
    data_version: int
    seconds: float
    refused_file: str | None
    events_added: int | None = None
    events_replaced: int | None = None
    events_unchanged: int | None = None
    unanswered: int = 0

    def __str__(self) -> str:
        rate = round((self.accepted + self.refused) / max(self.seconds, 1e-9))
        text = (
            f"{self.accepted:,} records accepted, {self.refused:,} refused, in "
            f"{self.seconds:.1f} s ({rate:,} a second). {self.created:,} profiles are new"
        )
        changed = self.profiles_changed
        text += "." if changed is None else f", {changed:,} changed."
        if self.events_added is not None:
            text += (
                f" {self.events_added:,} events are new, {self.events_replaced:,} took the place "
                f"of one with their id, {self.events_unchanged:,} were there already."
            )
        if self.unanswered:
            text += (
                f" The server had dealt with {self.unanswered:,} records more when the load before "
                "this broke off; which of them it refused is not known."
            )
        if self.blocked_identifiers:
            text += f" {self.blocked_identifiers:,} blocked identifiers were passed over."
        if self.refused_file:
            text += f" The refused records and the reasons are in {self.refused_file}."
        return text


def share_done(piece: Piece, number: int, readers: int) -> float | None:
    """Which share of the input has been read with a piece of the reader of that number, from 0;
    None where its size is not known."""
    if not piece.reader.total:
        return None
    return (number + piece.done / piece.reader.total) / readers
