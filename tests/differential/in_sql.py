"""Questions written as SQL conditions over the table of the oracle.

Every predicate is wrapped, `coalesce(..., false)`: two-valued logic, where a predicate on a
missing value is false and NOT turns that round. Instants and spans are whole microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
    Term,
    Truth,
    Value,
    Word,
)

__all__ = ["Sql"]

_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}
_PARTS = {"contains": "contains", "starts with": "starts_with", "ends with": "ends_with"}
_ATOM_KINDS = {
    Number: "exact", Bucket: "exact", Word: "word", Truth: "bool", Day: "day",
    Instant: "instant", Now: "instant", Span: "span",
}  # fmt: skip
_COLUMN_KINDS = {
    "int": "exact", "decimal": "exact", "float": "double", "date": "day", "time": "instant",
    "category": "word", "text": "word", "bool": "bool", "set": "set",
}  # fmt: skip


@dataclass(frozen=True)
class Sql:
    """Writes conditions for one instant; `segments` and `lists` are conditions by name."""

    now_us: int
    segments: Mapping[str, str]
    lists: Mapping[str, str]

    def where(self, question: Question) -> str:
        """The condition of a question."""
        match question:
            case Not(item):
                return f"(NOT {self.where(item)})"
            case All(items):
                return "(" + " AND ".join([self.where(item) for item in items]) + ")"
            case Any(items):
                return "(" + " OR ".join([self.where(item) for item in items]) + ")"
            case Constant(value):
                return str(value).lower()
            case Named(name):
                return self.segments[name]
            case Listed(name):
                return self.lists[name]
            case Present(value, present):
                return self._there(value) if present else f"(NOT {self._there(value)})"
            case _:
                return f"coalesce({self._predicate(question)}, false)"

    def _predicate(self, question: Question) -> str:
        match question:
            case Flag(column):
                return _name(column)
            case Compare(left, op, right):
                return self._compared(left, op, right)
            case Between(value, low, high, False):
                return f"{self._compared(value, '>=', low)} AND {self._compared(value, '<=', high)}"
            case Between(value, low, high, True):
                outside = f"{self._compared(value, '<', low)} OR {self._compared(value, '>', high)}"
                there = " AND ".join([self._there(part) for part in (value, low, high)])
                return f"{there} AND ({outside})"
            case In(value, choices, negated):
                return self._among(value, choices, negated)
            case Mean(_, total, many, op, right):
                scaled = f"{self._value(right)} * {_name(many)}"
                return f"{_name(many)} > 0 AND {_name(total)} {op} {scaled}"
            case HasAll(column, words):
                listed = ", ".join([_quoted(word) for word in words])
                return f"list_has_all({_name(column)}, [{listed}])"
            case Match(column, how, part, negated):
                if column.kind == "set":
                    test = f"lambda label: {_PARTS[how]}(label, {_quoted(part)})"
                    return f"len(list_filter({_name(column)}, {test})) > 0"
                no = "NOT " if negated else ""
                return f"{no}{_PARTS[how]}({_name(column)}, {_quoted(part)})"
        raise AssertionError(question)

    def _among(self, value: Value, choices: tuple[Value, ...], negated: bool) -> str:
        if _kind(value) == "set":
            listed = ", ".join([self._value(choice) for choice in choices])
            return f"list_has_any({self._value(value)}, [{listed}])"
        doubled = _kind(value) == "double"
        listed = ", ".join([self._value(choice, doubled=doubled) for choice in choices])
        return f"{self._value(value)} {'NOT ' if negated else ''}IN ({listed})"

    def _compared(self, left: Value, op: str, right: Value) -> str:
        kinds = {_kind(left), _kind(right)}
        if "set" in kinds:
            labels, word = (left, right) if _kind(left) == "set" else (right, left)
            return f"list_contains({self._value(labels)}, {self._value(word)})"
        doubled, moved = "double" in kinds, kinds == {"day", "instant"}
        a, b = [self._value(side, doubled=doubled, moved=moved) for side in (left, right)]
        return f"({a} {op} {b})"

    def _there(self, value: Value) -> str:
        atoms = [term.atom for term in value.terms] if isinstance(value, Sum) else [value]
        columns = [atom for atom in atoms if isinstance(atom, Column)]
        there = [
            f"coalesce(len({_name(c)}), 0) > 0" if c.kind == "set" else f"{_name(c)} IS NOT NULL"
            for c in columns
        ]
        return "(" + " AND ".join(there or ["true"]) + ")"

    # ---------------------------------------------------------------------- values

    def _value(self, value: Value, *, doubled: bool = False, moved: bool = False) -> str:
        """A value; `doubled` as a double, `moved` a day as its first instant."""
        if isinstance(value, Sum):
            if _kind(value) == "double":
                return self._summed([self._double_term(term) for term in value.terms], value)
            text = self._exact_sum(value)
        else:
            text = self._atom(value)
        if moved and _kind(value) == "day":
            return self._started(value)
        return f"CAST({text} AS DOUBLE)" if doubled and _kind(value) == "exact" else text

    def _double_term(self, term: Term) -> str:
        atom = self._value(term.atom, doubled=True)
        if term.factor is None:
            return atom
        return f"(CAST({_plain(term.factor)} AS DOUBLE) * {atom})"

    def _exact_sum(self, value: Sum) -> str:
        terms, written = list(value.terms), []
        if [_kind(term.atom) for term in terms[:2]] == ["day", "day"]:
            # A day less a day is so many times 24 hours, whatever the clocks did between.
            first, second = [self._atom(term.atom) for term in terms[:2]]
            written.append(f"(({first} - {second}) * {86_400 * 1_000_000})")
            terms = terms[2:]
        for term in terms:
            is_day = _kind(term.atom) == "day"
            atom = self._started(term.atom) if is_day else self._atom(term.atom)
            written.append(atom if term.factor is None else f"({_plain(term.factor)} * {atom})")
        return self._summed(written, value)

    @staticmethod
    def _summed(written: list[str], value: Sum) -> str:
        later = value.terms[1 - len(written) :] if len(written) > 1 else ()
        signs = ["", *(" + " if term.sign > 0 else " - " for term in later)]
        return "(" + "".join([s + w for s, w in zip(signs, written, strict=True)]) + ")"

    def _started(self, day: Value) -> str:
        return f"epoch_us(day_start({self._atom(day)}))"

    def _atom(self, atom: Value) -> str:
        match atom:
            case Column():
                return f"epoch_us({_name(atom)})" if atom.kind == "time" else _name(atom)
            case Number():
                return _plain(atom)
            case Word(text):
                return _quoted(text)
            case Truth(truth):
                return str(truth).lower()
            case Day(day):
                return f"DATE '{day.isoformat()}'"
            case Instant(us):
                return f"{us}"
            case Span(amount, unit):
                return f"CAST({amount * _SECONDS[unit] * 1_000_000} AS BIGINT)"
            case Now():
                return f"{self.now_us}"
            case Bucket(salt):
                return f'"bucket {salt}"'
        raise AssertionError(atom)


def _name(column: Column) -> str:
    return f'"{column.name}"'


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _plain(number: Number) -> str:
    text = format(number.value, "f")
    return f"({text})" if text.startswith("-") else text


def _kind(value: Value) -> str:
    """exact, double, day, instant, span, word, bool or set."""
    if isinstance(value, Column):
        return _COLUMN_KINDS[value.kind]
    if not isinstance(value, Sum):
        return _ATOM_KINDS[type(value)]
    kinds = [_kind(term.atom) for term in value.terms]
    if "double" in kinds or "exact" in kinds:
        return "double" if "double" in kinds else "exact"
    # An instant less an instant is a span; whatever a span is added to stays what it is.
    points = sum(term.sign for term in value.terms if _kind(term.atom) != "span")
    return "instant" if points else "span"
