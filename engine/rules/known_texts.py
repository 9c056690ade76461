"""Expressions that were asked for before, read and bound.

Dashboards and campaigns ask the same texts again and again. What a text means follows from the
model alone, so it is kept with the binder of that model; counts are never kept.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

from engine.rules import bound, tree

__all__ = ["KnownText", "KnownTexts", "ReadText"]

# Trees take some 60 bytes for each byte of their text: at most 8 MB for all texts together.
_ALL_CHARACTERS = 1 << 17
_LONGEST = 1 << 12


@dataclass(frozen=True, slots=True)
class ReadText:
    """What a text means by the model, its canonical form, and the lists (each with a node that
    names it) and attributes without history that it reads."""

    bound: bound.BoundExpr
    canonical: str
    lists: dict[str, tree.Expr | None]
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KnownText(ReadText):
    """A text as it was read, with the tree that it is bound from."""

    expression: tree.Expr


class KnownTexts:
    """The texts asked for last. Safe to use from any thread."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._known: OrderedDict[str, KnownText] = OrderedDict()
        self._characters = 0

    def get(self, text: str) -> KnownText | None:
        """The text as it was read before; None where it was not, or long ago."""
        with self._guard:
            found = self._known.get(text)
            if found is not None:
                self._known.move_to_end(text)
            return found

    def put(self, text: str, known: KnownText) -> None:
        """Keeps a text, and lets go of those asked for longest ago where it takes too much."""
        if len(text) > _LONGEST:
            return
        with self._guard:
            if text not in self._known:
                self._characters += len(text)
            self._known[text] = known
            while self._characters > _ALL_CHARACTERS:
                self._characters -= len(self._known.popitem(last=False)[0])
