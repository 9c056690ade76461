"""Bound conditions with places for literals: what a pattern (`engine.rules.patterns`) is made of.

A fill is what the binder made of one condition, with others of its literals put where its own
stood. It says None of a literal that is written in an unusual way, and everything that could
depend on the value of a literal is left to the binder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fractions import Fraction

from engine.model.definitions import Attribute
from engine.rules import tree
from engine.rules.bound import (
    AggregateSource,
    AttributeSource,
    BoundAnd,
    BoundCategory,
    BoundCompare,
    BoundExpr,
    BoundNot,
    BoundSet,
    Linear,
    LinearTerm,
    ScoreSource,
    StringTest,
)
from engine.rules.bound_events import BoundAggregate

__all__ = ["Fill", "fill_of", "is_amount", "is_plain", "says_the_same", "written"]

# A condition with some literals for its own; None where one is written in an unusual way.
Fill = Callable[[Sequence[str]], BoundExpr | None]

# A number as most people write it.
_NUMBER = re.compile(r"(0|[1-9][0-9]{0,17})(?:\.([0-9]{1,18}))?")
# How many units a duration has: one is written otherwise, and more may be too long for one.
_AMOUNT = re.compile(r"[2-9]|[1-9][0-9]{1,3}")


def fill_of(bound: BoundExpr, of_attribute: bool) -> tuple[Fill, Attribute | None] | None:
    """What puts literals into a condition that compares an attribute, or, not `of_attribute`, what
    events come to or a score; and that attribute. None where a literal decides more than itself."""
    if isinstance(bound, BoundNot):
        inner = fill_of(bound.item, of_attribute)
        return None if inner is None else (_negated(inner[0]), inner[1])
    if not of_attribute:
        fill = _aggregate_fill(bound) or _score_fill(bound)
        return None if fill is None else (fill, None)
    return _strings_fill(bound) or _number_fill(bound) or _between_fill(bound)


def _strings(literals: Sequence[str]) -> StringTest | None:
    """Different strings, as what one of is asked for."""
    values = frozenset([text[1:-1].replace("''", "'") for text in literals if text[0] == "'"])
    return StringTest("in", values) if len(values) == len(literals) else None


def written(literal: str) -> str:
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


def is_plain(literal: str) -> bool:
    """Whether a literal is a string, or a number that is written plainly."""
    return literal[0] == "'" or _NUMBER.fullmatch(literal) is not None


def is_amount(literal: str) -> bool:
    """Whether a literal is what a duration has of its unit, in the plural."""
    return _AMOUNT.fullmatch(literal) is not None


# -------------------------------------------------------------------------------- making


def _strings_fill(item: BoundExpr) -> tuple[Fill, Attribute] | None:
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


def _compared(item: BoundExpr) -> BoundCompare | None:
    """An exact comparison of one source with a literal."""
    if not isinstance(item, BoundCompare) or len(item.form.terms) != 1 or item.form.now_factor:
        return None
    return item


def _number_fill(item: BoundExpr) -> tuple[Fill, Attribute] | None:
    compared = _compared(item)
    if compared is None:
        return None
    terms, op = compared.form.terms, compared.op
    source = terms[0].source
    if not isinstance(source, AttributeSource) or source.attribute.type not in ("int", "decimal"):
        return None

    def fill(literals: Sequence[str]) -> BoundExpr | None:
        less = _less(literals[0])
        return None if less is None else BoundCompare(Linear(terms, less), op, None)

    return fill, source.attribute


def _score_fill(item: BoundExpr) -> Fill | None:
    """A score: the name is the first literal, and the same."""
    compared = _compared(item)
    if compared is None or not isinstance(compared.form.terms[0].source, ScoreSource):
        return None
    terms, op = compared.form.terms, compared.op

    def fill(literals: Sequence[str]) -> BoundExpr | None:
        less = _less(literals[1])
        return None if less is None else BoundCompare(Linear(terms, less), op, None)

    return fill


def _aggregate_fill(item: BoundExpr) -> Fill | None:
    """A number that events come to: how long its window is, if it has one, and what it is compared
    with."""
    compared = _compared(item)
    if compared is None:
        return None
    ((factor, source),) = ((term.factor, term.source) for term in compared.form.terms)
    if not isinstance(source, AggregateSource) or source.aggregate.type not in ("int", "decimal"):
        return None
    made, terms, op = source.aggregate, compared.form.terms, compared.op
    if made.window is None:

        def fill(literals: Sequence[str]) -> BoundExpr | None:
            less = _less(literals[0])
            return None if less is None else BoundCompare(Linear(terms, less), op, None)

        return fill
    if made.window.kind != "in_last" or made.window.length is None:
        return None
    unit = made.window.length.unit

    def fill_window(literals: Sequence[str]) -> BoundExpr | None:
        less = _less(literals[1])
        if less is None or not is_amount(literals[0]):
            return None
        window = tree.Window("in_last", length=tree.Duration(int(literals[0]), unit))
        asked = BoundAggregate(made.function, made.events, made.type, made.property, window)
        term = LinearTerm(factor, AggregateSource(asked))
        return BoundCompare(Linear((term,), less), op, None)

    return fill_window


def _between_fill(item: BoundExpr) -> tuple[Fill, Attribute] | None:
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


def _negated(fill: Fill) -> Fill:
    def filled(literals: Sequence[str]) -> BoundExpr | None:
        item = fill(literals)
        return None if item is None else BoundNot(item, None)

    return filled


def says_the_same(one: BoundExpr, other: BoundExpr) -> bool:
    """Whether two bound trees of a condition say the same, whatever they came from."""
    if isinstance(one, BoundNot) and isinstance(other, BoundNot):
        return says_the_same(one.item, other.item)
    if isinstance(one, BoundAnd) and isinstance(other, BoundAnd):
        return len(one.items) == len(other.items) and all(
            map(says_the_same, one.items, other.items)
        )
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
