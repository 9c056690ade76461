"""Every construct of the language stands in tests by name: at least twice, in whatever text of a
test parses as an expression."""

from __future__ import annotations

import ast
import dataclasses
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import get_args

from engine.errors import ExpressionInvalid
from engine.rules import tree
from engine.rules.parse import parse

TESTS = Path(__file__).parents[1]
LEAST = 2
FUNCTIONS = (
    "count", "days", "first", "last", "sum", "avg", "min", "max", "distinct", "first_value",
    "last_value",
)  # fmt: skip
WINDOWS = (
    "in_last", "in_last_calendar", "calendar_ago", "between_ago", "since", "before", "from_to",
    "today", "yesterday", "this",
)  # fmt: skip
UNITS = get_args(tree.CalendarUnit)
REQUIRED = frozenset(
    {
        *(f"Compare {op}" for op in ("=", "!=", "<", "<=", ">", ">=")),
        *(f"{name} {negated}" for name in ("Between", "In") for negated in (False, True)),
        *(
            f"Match {how} {negated}"
            for how in ("contains", "starts with", "ends with")
            for negated in (False, True)
        ),
        *(f"Presence {present}" for present in (False, True)),
        *("And", "Or", "Not", "HasAll", "Truth", "Segment", "ListOf", "Consent", "Sequence"),
        *("Sum", "Number", "Text", "Bool", "Date", "Time", "Duration", "Now", "Property"),
        *("AnyEvent", "Selector", "Selector of many", "where", "link", "link of absence"),
        *(f"call {name}" for name in ("score", "band", "tier", "bucket")),
        *(f"aggregate {name}" for name in FUNCTIONS),
        *(f"window {kind}" for kind in WINDOWS),
        *(f"{kind} {unit}" for kind in ("in_last_calendar", "calendar_ago") for unit in UNITS),
        *(f"this {unit}" for unit in UNITS),
        *(f"duration {unit}" for unit in ("second", "minute", "hour", "day", "week")),
    }
)


@cache
def _met() -> Counter[str]:
    found: Counter[str] = Counter()
    for path in sorted(TESTS.rglob("*.py")):
        if path == Path(__file__):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.update(set(_constructs_of(node.value)))
    return found


def _constructs_of(text: str) -> Iterator[str]:
    if len(text) > 2_000 or not any(sign in text for sign in " ("):
        return
    try:
        root = parse(text)
    except ExpressionInvalid:
        return
    waiting: list[object] = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, tuple):
            waiting.extend(node)
        elif dataclasses.is_dataclass(node):
            yield from _names(node)
            waiting.extend(getattr(node, field.name) for field in dataclasses.fields(node))


def _names(node: object) -> Iterator[str]:
    name = type(node).__name__
    match node:
        case tree.Compare(op=op):
            yield f"{name} {op}"
        case tree.Match(how=how, negated=negated):
            yield f"{name} {how} {negated}"
        case tree.In(negated=negated) | tree.Between(negated=negated):
            yield f"{name} {negated}"
        case tree.Presence(present=present):
            yield f"{name} {present}"
        case tree.Call(function=function):
            yield f"call {function}"
        case tree.Aggregate(function=function, where=where):
            yield f"aggregate {function}"
            yield "where" if where is not None else name
        case tree.Step(where=where) if where is not None:
            yield "where"
        case tree.Window(kind=kind, unit=unit):
            yield f"window {kind}"
            yield f"{kind} {unit}"
        case tree.Duration(unit=unit):
            yield from (name, f"duration {unit}")
        case tree.Link(absent=absent):
            yield "link of absence" if absent else "link"
        case tree.Selector(names=names) if len(names) > 1:
            yield from (name, "Selector of many")
        case _:
            yield name


def test_every_construct_is_in_tests() -> None:
    met = _met()
    missing = {name: met[name] for name in sorted(REQUIRED) if met[name] < LEAST}
    assert not missing, f"constructs that fewer than {LEAST} tests name: {missing}"
