"""Changes that were given up, kept with the reason until somebody has them tried again.

1. A change is appended to `NAME.dead.jsonl` before the cursor passes it.
2. A retry takes the file away under another name, `NAME.retry.jsonl`, so that a sender that is
   at work can begin a new one; what fails again is appended to that.
3. The file that was taken is removed at the end. A retry that is killed leaves it, and the next one
   begins with it: so a change may be delivered twice, and is never lost.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delivery.durable import append_lines, replace_file

__all__ = ["DeadLetter", "DeadLetters"]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A change as it was to be delivered, and why it was not: the reason in words, after how many
    attempts, and when the last of them was (seconds from 1970)."""

    change: dict[str, Any]
    reason: str
    attempts: int
    at_s: int


class DeadLetters:
    """The dead letters of one endpoint, in a folder."""

    def __init__(self, folder: Path, endpoint: str) -> None:
        self._path = folder / f"{endpoint}.dead.jsonl"
        self._taken = folder / f"{endpoint}.retry.jsonl"
        self._lock = folder / f"{endpoint}.dead.lock"

    def add(self, letters: Sequence[DeadLetter]) -> None:
        """Appends letters; durable when this returns."""
        with self._alone():
            append_lines(self._path, [_line(one) for one in letters])

    def all(self) -> list[DeadLetter]:
        """Every letter that is kept, those of an unfinished retry first."""
        return [*_read(self._taken), *_read(self._path)]

    @contextmanager
    def taken(self) -> Iterator[list[DeadLetter]]:
        """The letters to try again. Those that fail are to be added again before the end, with
        which all of these are removed; an exception keeps them."""
        with self._alone():
            # Of a change that stands there twice, after a retry that was killed, the latest.
            letters = list({one.change["id"]: one for one in self.all()}.values())
            # First the copy, then the original goes: a kill between the two leaves both.
            replace_file(self._taken, "".join(f"{_line(one)}\n" for one in letters))
            self._path.unlink(missing_ok=True)
        yield letters
        self._taken.unlink(missing_ok=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody adds while somebody takes."""
        with self._lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _line(letter: DeadLetter) -> str:
    shown = {
        "id": letter.change["id"],
        "reason": letter.reason,
        "attempts": letter.attempts,
        "at": letter.at_s,
        "change": letter.change,
    }
    return json.dumps(shown, ensure_ascii=False)


def _read(path: Path) -> list[DeadLetter]:
    """The letters of a file; a line that a kill has torn is passed over: the cursor had not passed
    its change either."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    letters = []
    for line in lines:
        try:
            held = json.loads(line)
            letters.append(DeadLetter(held["change"], held["reason"], held["attempts"], held["at"]))
        except (ValueError, KeyError, TypeError):
            continue
    return letters
