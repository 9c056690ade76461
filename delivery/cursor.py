"""How far an endpoint has been served: a small file, replaced as a whole.

It holds the token of the place where reading begins, and the last change behind it that has been
dealt with: delivered, or put among the dead letters. It is written after that, so a kill between
the two delivers again what was delivered last, and loses nothing.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from delivery.durable import replace_file
from delivery.failures import DeliveryRefused

__all__ = ["START", "Cursor", "CursorFile"]

# In place of a token: the oldest change that is kept.
START = ""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A resume token or START, and (sequence, ordinal) of the last change dealt with behind it;
    (-1, -1) for none."""

    token: str
    done: tuple[int, int] = (-1, -1)


class CursorFile:
    """The cursor of one endpoint, in a folder."""

    def __init__(self, folder: Path, endpoint: str) -> None:
        self._path = folder / f"{endpoint}.cursor"
        self._lock = folder / f"{endpoint}.lock"

    def load(self) -> Cursor | None:
        """The cursor; None before the first. DeliveryRefused where the file is damaged."""
        try:
            held = json.loads(self._path.read_text(encoding="utf-8"))
            sequence, ordinal = held["done"]
            return Cursor(str(held["token"]), (int(sequence), int(ordinal)))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise DeliveryRefused(
                f"The cursor {self._path} cannot be read ({error}). Put back a copy of it; or"
                " remove it, and begin anew, with --from-start or without."
            ) from None

    def save(self, cursor: Cursor) -> None:
        """Stores a cursor; durable when this returns."""
        replace_file(self._path, json.dumps({"token": cursor.token, "done": cursor.done}) + "\n")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keeps other senders away from the endpoint; DeliveryRefused where one is there."""
        with self._lock.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise DeliveryRefused(
                    f"Another sender holds {self._lock}: an endpoint is served by one at a time, so"
                    " that it gets changes in their order. Stop that one first."
                ) from None
            yield
