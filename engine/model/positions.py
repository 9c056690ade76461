"""Where each key of a model stood: in which file, on which line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.errors import Issue

__all__ = ["KeyPath", "Positions", "key_text"]

# Keys from the root down; the entries of a list are numbered from 0.
KeyPath = tuple[str | int, ...]


def key_text(path: KeyPath) -> str:
    """A key path as people read it: `scores.lead.rules[0].points`.

    A name that holds anything but letters, digits, `_` and `-` stands in double quotes.
    """
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        plain = part.replace("_", "a").replace("-", "a").isalnum()
        text += ("." if text else "") + (part if plain else f'"{part}"')
    return text


class Positions(Mapping[KeyPath, tuple[str, int]]):
    """Maps a key path such as `("segments", "high_value")` to its file and line (from 1).

    A path that is not in the text, because the key is missing or was written in a short
    form, answers with the nearest key around it; nothing around it is `("", 0)`.
    """

    def __init__(self, places: Mapping[KeyPath, tuple[str, int]] | None = None) -> None:
        self._places = dict(places or {})

    def __getitem__(self, path: KeyPath) -> tuple[str, int]:
        for length in range(len(path), -1, -1):
            place = self._places.get(tuple(path[:length]))
            if place is not None:
                return place
        return ("", 0)

    def __contains__(self, path: object) -> bool:
        return path in self._places

    def __iter__(self) -> Iterator[KeyPath]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def issue(self, path: KeyPath, message: str, hint: str = "", *, column: int = 0) -> Issue:
        """A fault at that key, with its file, line and key filled in."""
        file, line = self[path]
        where = ", ".join(part for part in (file, key_text(path)) if part)
        return Issue(message=message, where=where, line=line, column=column, hint=hint)
