"""Builds nodes of the tree, one method per rule of grammar.lark.

The parser calls a method as soon as its rule is complete, with the parts in order: tokens,
and what the methods of inner rules gave (None for an optional part that is not there). So a
tree is built from its leaves without recursion. Methods keep no state. They raise Misread
for what the grammar cannot say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

from lark import Token

from engine.rules import literals, tree
from engine.rules.misread import Misread
from engine.rules.tree import Span

__all__ = ["Builder"]

_T = TypeVar("_T")

# The parts of a rule: tokens, nodes, and None.
_Parts = list[Any]


def _spanning(first: Any, last: Any) -> Span:
    """From the start of one part to the end of another."""
    return Span(_start(first), _end(last))


def _start(part: Any) -> int:
    start = part.start_pos if isinstance(part, Token) else part.span.start
    assert isinstance(start, int), "every token has its place"
    return start


def _end(part: Any) -> int:
    end = part.end_pos if isinstance(part, Token) else part.span.end
    assert isinstance(end, int), "every token has its place"
    return end


def _misread(first: Any, last: Any, message: str, hint: str = "") -> Misread:
    span = _spanning(first, last)
    return Misread(span.start, span.end, message, hint)


def _read(read: Callable[[str], _T], token: Token) -> _T:
    try:
        return read(token)
    except ValueError as error:
        raise _misread(token, token, str(error)) from None


def _unsigned(token: Token) -> tree.Number:
    return tree.Number(literals.read_number(token), span=_spanning(token, token))


def _signed(minus: Token, token: Token) -> tree.Number:
    value = literals.read_number(token)
    # `-0` is 0: zero has no sign.
    value = value.copy_negate() if value else value
    return tree.Number(value, span=_spanning(minus, token))


class _Logic:
    def any_of(self, items: _Parts) -> tree.Or:
        return tree.Or(_flat(tree.Or, items), span=_spanning(items[0], items[-1]))

    def all_of(self, items: _Parts) -> tree.And:
        return tree.And(_flat(tree.And, items), span=_spanning(items[0], items[-1]))

    def negation(self, parts: _Parts) -> tree.Not:
        mark, item = parts
        return tree.Not(item, span=_spanning(mark, item))

    def bracketed(self, parts: _Parts) -> tree.Expr:
        opening, item, closing = parts
        widened: tree.Expr = replace(item, span=_spanning(opening, closing))
        return widened


def _flat(kind: type[tree.And] | type[tree.Or], items: _Parts) -> tuple[tree.Expr, ...]:
    """Items of a chain, with those of bracketed chains of the same kind in their place."""
    flat: list[tree.Expr] = []
    for item in items:
        if isinstance(item, kind):
            flat.extend(item.items)
        else:
            flat.append(item)
    return tuple(flat)


class _Predicates:
    def compare(self, parts: _Parts) -> tree.Compare:
        left, sign, right = parts
        op = "!=" if sign == "<>" else str(sign)
        return tree.Compare(left, op, right, span=_spanning(left, right))  # type: ignore[arg-type]

    def between(self, parts: _Parts) -> tree.Between:
        value, negated, _, low, high = parts
        span = _spanning(value, high)
        return tree.Between(value, low, high, negated is not None, span=span)

    def contained(self, parts: _Parts) -> tree.In:
        value, negated, _, items, closing = parts
        return tree.In(value, items, negated is not None, span=_spanning(value, closing))

    def presence(self, parts: _Parts) -> tree.Presence:
        value, negated, word = parts
        present = (word.type == "PRESENT") != (negated is not None)
        return tree.Presence(value, present, span=_spanning(value, word))

    def match(self, parts: _Parts) -> tree.Match:
        value, negated, word, text = parts
        how = {"CONTAINS": "contains", "STARTS": "starts with", "ENDS": "ends with"}[word.type]
        return tree.Match(
            value,
            how,  # type: ignore[arg-type]
            str(text),
            negated is not None,
            span=_spanning(value, text),
        )

    def has_all(self, parts: _Parts) -> tree.HasAll:
        value, _, items, closing = parts
        return tree.HasAll(value, items, span=_spanning(value, closing))

    def truth(self, parts: _Parts) -> tree.Truth:
        (value,) = parts
        if not isinstance(value, tree.Name | tree.Bool):
            raise _misread(
                value, value, "a condition is expected, and this is a value", _hint_for(value)
            )
        return tree.Truth(value, span=value.span)

    def segment(self, parts: _Parts) -> tree.Segment:
        word, _, name, closing = parts
        return tree.Segment(str(name), span=_spanning(word, closing))

    def list_of(self, parts: _Parts) -> tree.ListOf:
        word, _, name, closing = parts
        return tree.ListOf(str(name), span=_spanning(word, closing))

    def consent(self, parts: _Parts) -> tree.Consent:
        word, _, purpose, channel, closing = parts
        on = None if channel is None else str(channel)
        return tree.Consent(str(purpose), on, span=_spanning(word, closing))

    def sequence(self, parts: _Parts) -> tree.Sequence:
        word, _, first, *links, window, closing = parts
        return tree.Sequence(first, tuple(links), window, span=_spanning(word, closing))

    def link(self, parts: _Parts) -> tree.Link:
        word, absent, step, within = parts
        return tree.Link(step, within, absent is not None, span=_spanning(word, within))


def _hint_for(value: tree.Value) -> str:
    if isinstance(value, tree.Aggregate):
        return "compare it, as in `count(order) >= 1`; a window stands inside its brackets"
    if isinstance(value, tree.Sum):
        return "compare it, as in `x + 1 > 2`; brackets stand around conditions, not values"
    if isinstance(value, tree.Text | tree.Number):
        return "compare something with it, as in `x = 1`, or with several, as in `x in (1, 2)`"
    return "compare it with another value, as in `x = 1`"


class _Literals:
    def literals(self, parts: _Parts) -> tuple[tree.Literal, ...]:
        return tuple(parts)

    def text(self, parts: _Parts) -> tree.Text:
        (token,) = parts
        return tree.Text(str(token), span=_spanning(token, token))

    def number(self, parts: _Parts) -> tree.Number:
        return _unsigned(parts[0])

    def negative(self, parts: _Parts) -> tree.Number:
        minus, token = parts
        return _signed(minus, token)

    def boolean(self, parts: _Parts) -> tree.Bool:
        (token,) = parts
        return tree.Bool(token == "true", span=_spanning(token, token))

    def date(self, parts: _Parts) -> tree.Date:
        word, text = parts
        return tree.Date(_read(literals.read_date, text), span=_spanning(word, text))

    def time(self, parts: _Parts) -> tree.Time:
        word, text = parts
        local_us, offset_s = _read(literals.read_time, text)
        return tree.Time(local_us, offset_s, span=_spanning(word, text))

    def duration(self, parts: _Parts) -> tree.Duration:
        number, word = parts
        unit: Any = word.removesuffix("s")
        amount = _checked(number, word, literals.check_duration, unit)
        return tree.Duration(amount, unit, span=_spanning(number, word))


def _checked(number: Token, word: Token, check: Callable[[Decimal, Any], int], unit: Any) -> int:
    try:
        return check(literals.read_number(number), unit)
    except ValueError as error:
        raise _misread(number, word, str(error)) from None


class _Values:
    def sum_of(self, parts: _Parts) -> tree.Sum:
        head, *rest = parts
        if not isinstance(head, tree.Term):
            head = tree.Term(1, None, head, span=head.span)
        return tree.Sum((head, *rest), span=_spanning(head, parts[-1]))

    def product(self, parts: _Parts) -> tree.Sum:
        (term,) = parts
        return tree.Sum((term,), span=term.span)

    def scaled(self, parts: _Parts) -> tree.Term:
        number, atom = parts
        return tree.Term(1, _unsigned(number), atom, span=_spanning(number, atom))

    def negative_scaled(self, parts: _Parts) -> tree.Term:
        minus, number, atom = parts
        return tree.Term(1, _signed(minus, number), atom, span=_spanning(minus, atom))

    def addition(self, parts: _Parts) -> tree.Term:
        mark, operand = parts
        sign = -1 if mark.type == "MINUS" else 1
        span = _spanning(mark, operand)
        if isinstance(operand, tree.Term):
            return tree.Term(sign, operand.factor, operand.atom, span=span)
        return tree.Term(sign, None, operand, span=span)

    def name(self, parts: _Parts) -> tree.Name:
        (token,) = parts
        return tree.Name(str(token), span=_spanning(token, token))

    def now(self, parts: _Parts) -> tree.Now:
        return tree.Now(span=_spanning(parts[0], parts[0]))

    def call(self, parts: _Parts) -> tree.Call:
        word, _, argument, closing = parts
        function: Any = str(word)
        return tree.Call(function, str(argument), span=_spanning(word, closing))

    def step_aggregate(self, parts: _Parts) -> tree.Aggregate:
        word, _, step, window, closing = parts
        function: Any = str(word)
        span = _spanning(word, closing)
        return tree.Aggregate(function, step=step, window=window, span=span)

    def property_aggregate(self, parts: _Parts) -> tree.Aggregate:
        word, _, prop, where, window, closing = parts
        function: Any = str(word)
        span = _spanning(word, closing)
        return tree.Aggregate(function, property=prop, where=where, window=window, span=span)


class _Events:
    def step_only(self, parts: _Parts) -> tuple[tree.Step, tree.Window | None]:
        step, window = parts
        return step, window

    def step(self, parts: _Parts) -> tree.Step:
        selector, where = parts
        return tree.Step(selector, where, span=_spanning(selector, where or selector))

    def selector(self, names: _Parts) -> tree.Selector:
        return tree.Selector(tuple(map(str, names)), span=_spanning(names[0], names[-1]))

    def any_event(self, parts: _Parts) -> tree.AnyEvent:
        return tree.AnyEvent(span=_spanning(parts[0], parts[0]))

    def property(self, parts: _Parts) -> tree.Property:
        events, name = parts
        place = _spanning(events, events)
        selector: tree.Selector | tree.AnyEvent
        if events.type == "ANY":
            selector = tree.AnyEvent(span=place)
        else:
            selector = tree.Selector((str(events),), span=place)
        return tree.Property(selector, str(name), span=_spanning(events, name))


class _Windows:
    def in_last(self, parts: _Parts) -> tree.Window:
        word, length = parts
        return tree.Window("in_last", length=length, span=_spanning(word, length))

    def in_last_calendar(self, parts: _Parts) -> tree.Window:
        word, number, unit = parts
        return _calendar("in_last_calendar", number, unit, _spanning(word, unit))

    def calendar_ago(self, parts: _Parts) -> tree.Window:
        number, unit, ago = parts
        return _calendar("calendar_ago", number, unit, _spanning(number, ago))

    def between_ago(self, parts: _Parts) -> tree.Window:
        word, start, end, ago = parts
        return tree.Window("between_ago", start=start, end=end, span=_spanning(word, ago))

    def since(self, parts: _Parts) -> tree.Window:
        word, instant = parts
        return tree.Window("since", from_=instant, span=_spanning(word, instant))

    def before(self, parts: _Parts) -> tree.Window:
        word, instant = parts
        return tree.Window("before", to=instant, span=_spanning(word, instant))

    def from_to(self, parts: _Parts) -> tree.Window:
        word, start, end = parts
        return tree.Window("from_to", from_=start, to=end, span=_spanning(word, end))

    def today(self, parts: _Parts) -> tree.Window:
        return tree.Window("today", span=_spanning(parts[0], parts[0]))

    def yesterday(self, parts: _Parts) -> tree.Window:
        return tree.Window("yesterday", span=_spanning(parts[0], parts[0]))

    def this(self, parts: _Parts) -> tree.Window:
        word, unit = parts
        named: Any = str(unit)
        return tree.Window("this", unit=named, span=_spanning(word, unit))

    def fixed_instant(self, parts: _Parts) -> tree.Instant:
        (at,) = parts
        return tree.Instant(at, span=at.span)

    def now_instant(self, parts: _Parts) -> tree.Instant:
        place = _spanning(parts[0], parts[0])
        return tree.Instant(tree.Now(span=place), span=place)

    def moved_instant(self, parts: _Parts) -> tree.Instant:
        word, mark, shift = parts
        sign = -1 if mark.type == "MINUS" else 1
        now = tree.Now(span=_spanning(word, word))
        return tree.Instant(now, sign, shift, span=_spanning(word, shift))


def _calendar(kind: Any, number: Token, word: Token, span: Span) -> tree.Window:
    unit: Any = word.removesuffix("s")
    count = _checked(number, word, literals.check_calendar_count, unit)
    return tree.Window(kind, count=count, unit=unit, span=span)


class Builder(_Logic, _Predicates, _Literals, _Values, _Events, _Windows):
    """The methods of every rule, for lark to call as rules complete."""
