"""The nearest known name, for messages that end in "did you mean ...?"."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

__all__ = ["nearest"]

# The share of characters that must agree: `containss` finds `contains` and `indutry` finds
# `industry`, while short names that merely share a letter do not find each other.
_LEAST_LIKENESS = 0.6

# A longer "name" is not a slip of the keyboard, and comparing it would take long.
_LONGEST_NAME = 100


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name` regardless of case, or None where none is like it.

    Of equally near names the first wins. `name` itself is never the answer.
    """
    if not name or len(name) > _LONGEST_NAME:
        return None
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(name.casefold())
    best: str | None = None
    best_likeness = 0.0
    for candidate in known:
        if candidate == name or len(candidate) > _LONGEST_NAME:
            continue
        matcher.set_seq1(candidate.casefold())
        threshold = max(best_likeness, _LEAST_LIKENESS)
        if matcher.real_quick_ratio() < threshold or matcher.quick_ratio() < threshold:
            continue
        likeness = matcher.ratio()
        if likeness >= _LEAST_LIKENESS and likeness > best_likeness:
            best, best_likeness = candidate, likeness
    return best
