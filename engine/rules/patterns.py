"""Conditions that differ in their literals alone: read and bound without parser and binder.

Whoever looks for an audience asks the same questions again with other values. What a plain
condition means but for its values follows from what is left of it without them, its pattern:
1. A text is taken apart into its literals and the rest, and the rest at `and` into conditions.
2. The first condition of a pattern goes through parser and binder. What they make of it, and how it
   is written in canonical form, is kept where its literals stand in both as they are.
3. A later one gets its own literals put there.
Conditions that compare an attribute with numbers or strings have a pattern; a text with anything
else in it, or with a literal that is written in an unusual way, is left to the parser.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from engine.model.definitions import TAG, Attribute, Model
from engine.rules import tree
from engine.rules.bound import (
    AttributeSource,
    BoundAnd,
    BoundCategory,
    BoundCompare,
    BoundExpr,
    BoundNot,
    BoundSet,
    Linear,
    LinearTerm,
    Op,
    StringTest,
)
from engine.rules.canonical import format_expression
from engine.rules.known_texts import ReadText

__all__ = ["Patterns"]

# Patterns kept, some 2 KB each; beyond, all are found anew.
_MOST_PATTERNS = 2048
_LONGEST = 1 << 12

# Strings and numbers as lexis.py cuts them, where no quoted name and no comment is in the text.
_LITERAL = re.compile(
    r"('[^']*+(?:''[^']*+)*+'|(?<![\w.])[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9]+)?\w*)"
)
# A number as most people write it.
_NUMBER = re.compile(r"(0|[1-9][0-9]{0,17})(?:\.([0-9]{1,18}))?")
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
# Where a literal was. What stands at this place of a text otherwise is refused by the lexer.
_GAP = "\0"
_AND = re.compile(r"\s+and\s+", re.IGNORECASE)
_BETWEEN = re.compile(r"\sbetween\s*\0$", re.IGNORECASE)
_CONDITION = re.compile(
    r"""(?:not\s+)?[^\W\d]\w*
    (?:\s*(?:=|!=|<>|<=|>=|<|>)\s*\0
    |\s+between\s*\0\s*and\s*\0
    |\s+(?:not\s+)?in\s*\(\s*\0(?:\s*,\s*\0)*\s*\))""",
    re.IGNORECASE | re.VERBOSE,
)

# Reads and binds a text, or raises what is wrong with it.
Bind = Callable[[str], tuple[tree.Expr, BoundExpr]]
# A condition with some literals for its own; None where one is written in an unusual way.
_Fill = Callable[[Sequence[str]], BoundExpr | None]


@dataclass(frozen=True, slots=True)
class _Pattern:
    """What is the same of all conditions of a pattern: how they are bound, the text around the
    literals in canonical form, the attribute they read, and how many literals they have."""

    fill: _Fill
    around: tuple[str, ...]
    attribute: Attribute
    literal_count: int

    def canonical(self, literals: Sequence[str]) -> str:
        """The canonical form with these literals."""
        pieces = [self.around[0]]
        for literal, text in zip(literals, self.around[1:], strict=True):
            pieces.append(_written(literal))
            pieces.append(text)
        return "".join(pieces)


class Patterns:
    """The patterns of one model. Safe to use from any thread: two may find one at once."""

    def __init__(self, model: Model) -> None:
        self._model = model
        # None: conditions of this pattern are not the same but for their literals.
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
        written: list[str] = []
        attributes: dict[str, None] = {}
        at = 0
        for condition in _conditions(_GAP.join(parts[0::2]).strip()):
            end = at + condition.count(_GAP)
            own = literals[at:end]
            at = end
            pattern = self._known.get(condition)
            if pattern is None:
                pattern = self._found(condition, own, bind)
            item = None if pattern is None else pattern.fill(own)
            if pattern is None or item is None:
                return None
            items.append(item)
            written.append(pattern.canonical(own))
            if not pattern.attribute.history:
                attributes[pattern.attribute.name] = None
        whole = items[0] if len(items) == 1 else BoundAnd(tuple(items), None)
        return ReadText(whole, " and ".join(written), {}, tuple(attributes))

    def _found(self, condition: str, literals: Sequence[str], bind: Bind) -> _Pattern | None:
        if condition in self._known or not _CONDITION.fullmatch(condition):
            return None
        whole = _filled(condition.split(_GAP), literals)
        parsed, bound = bind(whole)
        pattern = self._pattern_of(format_expression(parsed), bound, literals)
        if len(self._known) >= _MOST_PATTERNS:
            self._known.clear()
        self._known[condition] = pattern
        return pattern

    def _pattern_of(
        self, canonical: str, bound: BoundExpr, literals: Sequence[str]
    ) -> _Pattern | None:
        negated = isinstance(bound, BoundNot)
        inner = bound.item if isinstance(bound, BoundNot) else bound
        made = _strings_fill(inner) or _number_fill(inner) or _between_fill(inner)
        parts = _LITERAL.split(canonical)
        if (
            made is None
            or not self._is_plain(made[1])
            or parts[1::2] != list(map(_written, literals))
        ):
            return None
        fill, attribute = made
        pattern = _Pattern(
            _negated(fill) if negated else fill, tuple(parts[0::2]), attribute, len(literals)
        )
        # What it was found from is the first thing that it has to say right.
        again = pattern.fill(literals)
        return pattern if again is not None and _alike(again, bound) else None

    def _is_plain(self, attribute: Attribute) -> bool:
        """Whether what an attribute is compared with does not change how it is read."""
        by_rules = attribute.name == TAG and self._model.tag_rules
        return not (attribute.computed or attribute.needs or attribute.history or by_rules)


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


# ------------------------------------------------------------------------------ literals


def _strings(literals: Sequence[str]) -> StringTest | None:
    """Different strings, as what one of is asked for."""
    values = frozenset([text[1:-1].replace("''", "'") for text in literals if text[0] == "'"])
    return StringTest("in", values) if len(values) == len(literals) else None


def _written(literal: str) -> str:
    """A literal in canonical form: a string, or a number that `_less` reads."""
    if "." not in literal or literal[0] == "'":
        return literal
    return literal.rstrip("0").rstrip(".")


def _less(text: str) -> Fraction | None:
    """The value of a number that is taken away, where it is written plainly."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    whole, part = found.groups()
    if part is None:
        return Fraction(-int(whole))
    return Fraction(-int(whole + part), 10 ** len(part))


# -------------------------------------------------------------------------------- making


def _strings_fill(item: BoundExpr) -> tuple[_Fill, Attribute] | None:
    """Strings that an attribute is one of, or has one of."""
    if isinstance(item, BoundCategory) and isinstance(item.read, Attribute):
        attribute, negated, is_set = item.read, item.negated, False
    elif isinstance(item, BoundSet):
        attribute, negated, is_set = item.attribute, False, True
    else:
        return None

    def fill(literals: Sequence[str]) -> BoundExpr | None:
        test = _strings(literals)
        if test is None:
            return None
        if is_set:
            return BoundSet(attribute, test, None)
        return BoundCategory(attribute, test, negated, None)

    return fill, attribute


def _compared(item: BoundExpr) -> tuple[Attribute, tuple[LinearTerm, ...], Op] | None:
    """The attribute that an exact comparison with a literal reads."""
    if not isinstance(item, BoundCompare) or len(item.form.terms) != 1 or item.form.now_factor:
        return None
    source = item.form.terms[0].source
    if not isinstance(source, AttributeSource) or source.attribute.type not in ("int", "decimal"):
        return None
    return source.attribute, item.form.terms, item.op


def _number_fill(item: BoundExpr) -> tuple[_Fill, Attribute] | None:
    compared = _compared(item)
    if compared is None:
        return None
    attribute, terms, op = compared

    def fill(literals: Sequence[str]) -> BoundExpr | None:
        less = _less(literals[0])
        return None if less is None else BoundCompare(Linear(terms, less), op, None)

    return fill, attribute


def _between_fill(item: BoundExpr) -> tuple[_Fill, Attribute] | None:
    if not isinstance(item, BoundAnd) or len(item.items) != 2:
        return None
    ends = [_number_fill(part) for part in item.items]
    (low, attribute), (high, _) = (end or (None, None) for end in ends)
    if low is None or high is None or attribute is None:
        return None
    first, last = low, high

    def fill(literals: Sequence[str]) -> BoundExpr | None:
        at_least, at_most = first(literals[:1]), last(literals[1:])
        if at_least is None or at_most is None:
            return None
        return BoundAnd((at_least, at_most), None)

    return fill, attribute


def _negated(fill: _Fill) -> _Fill:
    def filled(literals: Sequence[str]) -> BoundExpr | None:
        item = fill(literals)
        return None if item is None else BoundNot(item, None)

    return filled


def _alike(one: BoundExpr, other: BoundExpr) -> bool:
    """Whether two bound trees of a condition say the same, whatever they came from."""
    if isinstance(one, BoundNot) and isinstance(other, BoundNot):
        return _alike(one.item, other.item)
    if isinstance(one, BoundAnd) and isinstance(other, BoundAnd):
        return len(one.items) == len(other.items) and all(map(_alike, one.items, other.items))
    match one, other:
        case BoundCompare(), BoundCompare():
            return (one.form, one.op) == (other.form, other.op)
        case BoundCategory(), BoundCategory():
            mine, theirs = (one.read, one.negated), (other.read, other.negated)
            return one.test == other.test and mine == theirs
        case BoundSet(), BoundSet():
            return (one.attribute, one.test) == (other.attribute, other.test)
        case _:
            return False
