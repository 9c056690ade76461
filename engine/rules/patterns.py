"""Conditions that differ in their literals alone: read and bound without parser and binder.

Whoever looks for an audience asks the same questions again with other values. What a plain
condition means but for its values follows from what is left of it without them, its pattern:
1. A text is taken apart into its literals and the rest, and the rest at `and` into conditions.
2. The first condition of a pattern goes through parser and binder. What they make of it, and how it
   is written in canonical form, is kept where its literals stand in both as they are.
3. A later one gets its own literals put there.
Conditions that compare an attribute with numbers or strings have a pattern, and so have those that
compare what events come to, in a window that is a duration, or a score, with a number. A text with
anything else in it, or with a literal that is written in an unusual way, is left to the parser.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.model.definitions import TAG, Attribute, Model
from engine.rules import tree
from engine.rules.bound import BoundAnd, BoundExpr
from engine.rules.canonical import format_expression
from engine.rules.filled_conditions import (
    Fill,
    fill_of,
    is_amount,
    is_plain,
    says_the_same,
    written,
)
from engine.rules.known_texts import ReadText
from engine.rules.names_read import names_read

__all__ = ["Patterns"]

# Patterns kept, some 2 KB each; beyond, all are found anew.
_MOST_PATTERNS = 2048
_LONGEST = 1 << 12

# Strings and numbers as lexis.py cuts them, where no quoted name and no comment is in the text.
_LITERAL = re.compile(
    r"('[^']*+(?:''[^']*+)*+'|(?<![\w.])[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9]+)?\w*)"
)
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
# Where a literal was. What stands at this place of a text otherwise is refused by the lexer.
_GAP = "\0"
_AND = re.compile(r"\s+and\s+", re.IGNORECASE)
_BETWEEN = re.compile(r"\sbetween\s*\0$", re.IGNORECASE)
_COMPARED = r"\s*(?:=|!=|<>|<=|>=|<|>)\s*\0"
_CONDITION = re.compile(
    rf"""(?:not\s+)?[^\W\d]\w*
    (?:{_COMPARED}
    |\s+between\s*\0\s*and\s*\0
    |\s+(?:not\s+)?in\s*\(\s*\0(?:\s*,\s*\0)*\s*\))""",
    re.IGNORECASE | re.VERBOSE,
)
_OF_EVENTS = re.compile(
    rf"""(?:not\s+)?(?:count|days|distinct|sum|avg|min|max)
    \s*\(\s*[^\W\d]\w*(?:\s*\.\s*[^\W\d]\w*)?(?:\s+in\s+last\s*\0\s*[a-z]+)?\s*\)
    {_COMPARED}""",
    re.IGNORECASE | re.VERBOSE,
)
_OF_A_SCORE = re.compile(rf"(?:not\s+)?score\s*\(\s*\0\s*\){_COMPARED}", re.IGNORECASE)

# Reads and binds a text, or raises what is wrong with it.
Bind = Callable[[str], tuple[tree.Expr, BoundExpr]]


@dataclass(frozen=True, slots=True)
class _Pattern:
    """What is the same of all conditions of a pattern: how they are bound, the text around the
    literals in canonical form, and the attributes they read."""

    fill: Fill
    around: tuple[str, ...]
    attributes: tuple[str, ...]

    def canonical(self, literals: Sequence[str]) -> str:
        """The canonical form with these literals."""
        pieces = [self.around[0]]
        for literal, text in zip(literals, self.around[1:], strict=True):
            pieces.append(written(literal))
            pieces.append(text)
        return "".join(pieces)


class Patterns:
    """The patterns of one model. Safe to use from any thread: two may find one at once."""

    def __init__(self, model: Model) -> None:
        self._model = model
        # None: conditions of this pattern are not the same but for their literals. Of a score the
        # pattern has the name too, since that is what says which it is.
        self._known: dict[str, _Pattern | None] = {}

    def read(self, text: str, bind: Bind) -> ReadText | None:
        """What a text says; None where that is for the parser to find out.

        `bind` is asked about the first condition of a pattern. What it raises has places in that
        condition: the text itself is to be read then.
        """
        if len(text) > _LONGEST or "--" in text or '"' in text or _GAP in text:
            return None
        if not text.isascii() and _HALF_CHARACTER.search(text):
            return None
        parts = _LITERAL.split(text)
        literals = parts[1::2]
        items: list[BoundExpr] = []
        texts: list[str] = []
        attributes: dict[str, None] = {}
        at = 0
        conditions = _conditions(_GAP.join(parts[0::2]).strip())
        for condition in conditions:
            end = at + condition.count(_GAP)
            own = literals[at:end]
            at = end
            pattern = self._known.get(condition)
            if pattern is None and _OF_A_SCORE.fullmatch(condition):
                if len(conditions) > 1:
                    return None  # the binder bounds what many of them come to together
                pattern = self._known_or_found(f"{condition}{own[0]}", condition, own, bind)
            elif pattern is None:
                pattern = self._known_or_found(condition, condition, own, bind)
            item = None if pattern is None else pattern.fill(own)
            if pattern is None or item is None:
                return None
            items.append(item)
            texts.append(pattern.canonical(own))
            attributes |= dict.fromkeys(pattern.attributes)
        whole = items[0] if len(items) == 1 else BoundAnd(tuple(items), None)
        return ReadText(whole, " and ".join(texts), {}, tuple(attributes))

    def _known_or_found(
        self, name: str, condition: str, literals: Sequence[str], bind: Bind
    ) -> _Pattern | None:
        if name in self._known or not _may_have_a_pattern(condition, literals):
            return self._known.get(name)
        parsed, bound = bind(_filled(condition.split(_GAP), literals))
        pattern = self._pattern_of(condition, format_expression(parsed), bound, literals)
        if len(self._known) >= _MOST_PATTERNS:
            self._known.clear()
        self._known[name] = pattern
        return pattern

    def _pattern_of(
        self, condition: str, canonical: str, bound: BoundExpr, literals: Sequence[str]
    ) -> _Pattern | None:
        of_attribute = _CONDITION.fullmatch(condition) is not None
        made = fill_of(bound, of_attribute)
        parts = _LITERAL.split(canonical)
        lists, attributes = names_read(bound)
        if made is None or lists or parts[1::2] != list(map(written, literals)):
            return None
        fill, attribute = made
        if attribute is not None and not self._is_plain(attribute):
            return None
        # What it was found from is the first thing that it has to say right.
        again = fill(literals)
        if again is None or not says_the_same(again, bound):
            return None
        return _Pattern(fill, tuple(parts[0::2]), attributes)

    def _is_plain(self, attribute: Attribute) -> bool:
        """Whether what an attribute is compared with does not change how it is read."""
        by_rules = attribute.name == TAG and self._model.tag_rules
        return not (attribute.computed or attribute.needs or attribute.history or by_rules)


def _may_have_a_pattern(condition: str, literals: Sequence[str]) -> bool:
    """Whether a condition has the form of those with patterns, and literals that tell."""
    if not all(map(is_plain, literals)):
        return False
    if _OF_EVENTS.fullmatch(condition):
        return len(literals) == 1 or is_amount(literals[0])
    return bool(_CONDITION.fullmatch(condition) or _OF_A_SCORE.fullmatch(condition))


def _conditions(pattern: str) -> list[str]:
    """What `and` joins; that of `between` does not."""
    conditions: list[str] = []
    for piece in _AND.split(pattern):
        if conditions and _BETWEEN.search(conditions[-1]):
            conditions[-1] = f"{conditions[-1]} and {piece}"
        else:
            conditions.append(piece)
    return conditions


def _filled(around: Sequence[str], literals: Sequence[str]) -> str:
    ends = (*literals, "")
    return "".join(text + literal for text, literal in zip(around, ends, strict=True))
