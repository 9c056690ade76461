"""Questions written as rules."""

from __future__ import annotations

from tests.differential.questions import (
    All,
    Any,
    Between,
    Bucket,
    Column,
    Compare,
    Constant,
    Day,
    Flag,
    HasAll,
    In,
    Instant,
    Listed,
    Match,
    Mean,
    Named,
    Not,
    Now,
    Number,
    Present,
    Question,
    Span,
    Sum,
    Truth,
    Value,
    Word,
)

__all__ = ["rule"]


def rule(question: Question) -> str:
    """The text of a question; brackets stand around every condition with parts."""
    match question:
        case Not(item):
            return f"not {_bracketed(item)}"
        case All(items):
            return " and ".join([_bracketed(item) for item in items])
        case Any(items):
            return " or ".join([_bracketed(item) for item in items])
        case Compare(left, op, right):
            return f"{_value(left)} {op} {_value(right)}"
        case Between(value, low, high, negated):
            ends = f"between {_value(low)} and {_value(high)}"
            return f"{_value(value)} {_no(negated)}{ends}"
        case In(value, choices, negated):
            inside = ", ".join([_value(choice) for choice in choices])
            return f"{_value(value)} {_no(negated)}in ({inside})"
        case HasAll(column, words):
            inside = ", ".join([_quoted(word) for word in words])
            return f"{_value(column)} has all ({inside})"
        case Match(column, how, part, negated):
            return f"{_value(column)} {_no(negated)}{how} {_quoted(part)}"
        case Present(value, present):
            return f"{_value(value)} is {'present' if present else 'missing'}"
        case Flag(column):
            return _value(column)
        case Constant(value):
            return str(value).lower()
        case Mean(written, _, _, op, right):
            return f"{written} {op} {_value(right)}"
        case Named(name):
            return f"segment({_quoted(name)})"
        case Listed(name):
            return f"list({_quoted(name)})"


def _bracketed(item: Question) -> str:
    return f"({rule(item)})" if isinstance(item, All | Any) else rule(item)


def _no(negated: bool) -> str:
    return "not " if negated else ""


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _value(value: Value) -> str:
    match value:
        case Sum(terms):
            text = ""
            for place, term in enumerate(terms):
                factor = "" if term.factor is None else f"{term.factor.written} * "
                sign = (" + " if term.sign > 0 else " - ") if place else ""
                text += f"{sign}{factor}{_value(term.atom)}"
            return text
        case Column():
            return value.written
        case Number(_, written):
            return written
        case Word(text):
            return _quoted(text)
        case Truth(truth):
            return str(truth).lower()
        case Day(day):
            return f"date '{day.isoformat()}'"
        case Instant(_, written):
            return f"time '{written}'"
        case Span(amount, unit):
            return f"{amount} {unit}{'s' if amount > 1 else ''}"
        case Now():
            return "now"
        case Bucket(salt):
            return f"bucket({_quoted(salt)})"
