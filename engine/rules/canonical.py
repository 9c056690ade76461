"""Tree to its one canonical text.

`parse(format_expression(tree)) == tree`, and formatting what was parsed from a canonical text
gives that text again. Keywords are in lower case, brackets stand only where the tree needs
them, names are quoted only where they must be, numbers are written without exponent.

Each node writes itself as a short list of texts and inner nodes; a work list takes the place
of recursion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from engine.rules import tree
from engine.rules.literals import (
    write_date,
    write_duration,
    write_name,
    write_number,
    write_text,
    write_time,
)

__all__ = ["format_expression", "format_step", "format_value"]


class _Open(NamedTuple):
    """A node yet to be written.

    `guarded`: a `between ... ago` window follows, and after a bare boolean its `between`
    would begin a comparison. So a boolean at the very end of this node needs brackets.
    """

    node: Any
    guarded: bool = False


_Parts = list[str | _Open]


def format_expression(expr: tree.Expr) -> str:
    """The canonical text of an expression, or of any expression inside one."""
    return _written([_Open(expr)])


def format_value(value: tree.Value) -> str:
    """The canonical text of a value that stands alone."""
    return _written([_Open(value)])


def format_step(step: tree.Step, window: tree.Window | None) -> str:
    """The canonical text of a step that stands alone, with its window."""
    return _written(_step(step, window))


def _written(parts: _Parts) -> str:
    texts: list[str] = []
    work = parts[::-1]
    while work:
        part = work.pop()
        if isinstance(part, str):
            texts.append(part)
        else:
            write = _WRITERS[type(part.node)]
            work.extend(reversed(write(part.node, part.guarded)))
    return "".join(texts)


def _joined(separator: str, items: Iterable[_Open]) -> _Parts:
    parts: _Parts = []
    for item in items:
        if parts:
            parts.append(separator)
        parts.append(item)
    return parts


# ------------------------------------------------------------------------------ logic


def _chain(word: str, items: tuple[tree.Expr, ...], guarded: bool) -> _Parts:
    last = len(items) - 1
    parts: _Parts = []
    for index, item in enumerate(items):
        if index:
            parts.append(f" {word} ")
        if word == "and" and isinstance(item, tree.Or):
            parts += ["(", _Open(item), ")"]
        else:
            parts.append(_Open(item, guarded and index == last))
    return parts


def _not(node: tree.Not, guarded: bool) -> _Parts:
    if isinstance(node.item, tree.And | tree.Or):
        return ["not (", _Open(node.item), ")"]
    return ["not ", _Open(node.item, guarded)]


def _truth(node: tree.Truth, guarded: bool) -> _Parts:
    return ["(", _Open(node.value), ")"] if guarded else [_Open(node.value)]


# ------------------------------------------------------------------------- predicates


def _between(node: tree.Between, _: bool) -> _Parts:
    word = " not between " if node.negated else " between "
    return [_Open(node.value), word, _Open(node.low), " and ", _Open(node.high)]


def _literals(literals: tuple[tree.Literal, ...]) -> _Parts:
    return ["(", *_joined(", ", map(_Open, literals)), ")"]


def _in(node: tree.In, _: bool) -> _Parts:
    return [_Open(node.value), " not in " if node.negated else " in ", *_literals(node.literals)]


def _match(node: tree.Match, _: bool) -> _Parts:
    word = f"not {node.how}" if node.negated else node.how
    return [_Open(node.value), f" {word} {write_text(node.text)}"]


def _consent(node: tree.Consent, _: bool) -> _Parts:
    channel = "" if node.channel is None else f", {write_text(node.channel)}"
    return [f"consent({write_text(node.purpose)}{channel})"]


def _sequence(node: tree.Sequence, _: bool) -> _Parts:
    parts: _Parts = ["sequence(", *_step(node.first)]
    for link in node.links:
        parts += [" then no " if link.absent else " then ", *_step(link.step)]
        parts += [" within ", _Open(link.within)]
    return [*parts, *_window_after(node.window), ")"]


# ----------------------------------------------------------------------------- values


def _sum(node: tree.Sum, _: bool) -> _Parts:
    parts: _Parts = []
    for index, term in enumerate(node.terms):
        if index:
            parts.append(" - " if term.sign < 0 else " + ")
        if term.factor is not None:
            parts.append(f"{write_number(term.factor.value)} * ")
        parts.append(_Open(term.atom))
    return parts


def _aggregate(node: tree.Aggregate, _: bool) -> _Parts:
    if node.step is not None:
        return [f"{node.function}(", *_step(node.step, node.window), ")"]
    assert node.property is not None, "an aggregate has a step or a property"
    prop = f"{_selector(node.property.events)}.{write_name(node.property.property)}"
    tail = [*_where(node.where, node.window), *_window_after(node.window)]
    return [f"{node.function}({prop}", *tail, ")"]


# ------------------------------------------------------------------- events and windows


def _selector(events: tree.Selector | tree.AnyEvent) -> str:
    if isinstance(events, tree.AnyEvent):
        return "any"
    return ", ".join(map(write_name, events.names))


def _step(step: tree.Step, window: tree.Window | None = None) -> _Parts:
    return [_selector(step.selector), *_where(step.where, window), *_window_after(window)]


def _where(where: tree.Expr | None, window: tree.Window | None) -> _Parts:
    if where is None:
        return []
    return [" where ", _Open(where, window is not None and window.kind == "between_ago")]


def _window_after(window: tree.Window | None) -> _Parts:
    return [] if window is None else [" ", _Open(window)]


def _window(node: tree.Window, _: bool) -> _Parts:
    match node.kind:
        case "in_last":
            return ["in last ", _Open(node.length)]
        case "between_ago":
            return ["between ", _Open(node.start), " and ", _Open(node.end), " ago"]
        case "since":
            return ["since ", _Open(node.from_)]
        case "before":
            return ["before ", _Open(node.to)]
        case "from_to":
            return ["from ", _Open(node.from_), " to ", _Open(node.to)]
        case "in_last_calendar":
            return [f"in last {_calendar(node)}"]
        case "calendar_ago":
            return [f"{_calendar(node)} ago"]
        case "this":
            return [f"this {node.unit}"]
    return [node.kind]


def _calendar(node: tree.Window) -> str:
    assert node.count is not None and node.unit is not None, "a calendar window has both"
    return write_duration(node.count, f"calendar {node.unit}")


def _instant(node: tree.Instant, _: bool) -> _Parts:
    if node.shift is None:
        return [_Open(node.at)]
    return [_Open(node.at), " - " if node.sign < 0 else " + ", _Open(node.shift)]


_Writer = Callable[[Any, bool], _Parts]

_WRITERS: dict[type, _Writer] = {
    tree.And: lambda node, guarded: _chain("and", node.items, guarded),
    tree.Or: lambda node, guarded: _chain("or", node.items, guarded),
    tree.Not: _not,
    tree.Truth: _truth,
    tree.Compare: lambda node, _: [_Open(node.left), f" {node.op} ", _Open(node.right)],
    tree.Between: _between,
    tree.In: _in,
    tree.HasAll: lambda node, _: [_Open(node.value), " has all ", *_literals(node.literals)],
    tree.Presence: lambda node, _: [
        _Open(node.value),
        " is present" if node.present else " is missing",
    ],
    tree.Match: _match,
    tree.Segment: lambda node, _: [f"segment({write_text(node.name)})"],
    tree.ListOf: lambda node, _: [f"list({write_text(node.name)})"],
    tree.Consent: _consent,
    tree.Sequence: _sequence,
    tree.Sum: _sum,
    tree.Name: lambda node, _: [write_name(node.name)],
    tree.Now: lambda node, _: ["now"],
    tree.Call: lambda node, _: [f"{node.function}({write_text(node.argument)})"],
    tree.Aggregate: _aggregate,
    tree.Text: lambda node, _: [write_text(node.value)],
    tree.Number: lambda node, _: [write_number(node.value)],
    tree.Bool: lambda node, _: ["true" if node.value else "false"],
    tree.Date: lambda node, _: [f"date '{write_date(node.days)}'"],
    tree.Time: lambda node, _: [f"time '{write_time(node.local_us, node.offset_s)}'"],
    tree.Duration: lambda node, _: [write_duration(node.amount, node.unit)],
    tree.Window: _window,
    tree.Instant: _instant,
}
