"""How answers look: as JSON for scripts, as text for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import typer
from rich.cells import cell_len

from strata.answers import (
    CountAnswer,
    DefinitionChange,
    GroupCount,
    NodeCount,
    Profile,
    ProfileEvent,
    ScoreLedger,
    Value,
)
from strata.coming import NextChange
from strata.json_values import instant, json_value

__all__ = [
    "bars",
    "change",
    "change_json",
    "count_json",
    "definition_changes",
    "event_json",
    "events",
    "figures",
    "groups",
    "instant",
    "json_line",
    "json_value",
    "ledger_json",
    "nodes",
    "padded",
    "profile_json",
    "text_value",
    "width",
]

BAR_CELLS = 32


def json_line(given: Any) -> None:
    """Prints one JSON value on one line."""
    typer.echo(json.dumps(given, ensure_ascii=False))


def text_value(given: Value) -> str:
    """A value as one cell of text: a set joined by `|`, missing as nothing."""
    match given:
        case None:
            return ""
        case bool():
            return "true" if given else "false"
        case tuple():
            return "|".join(given)
        case _:
            return str(json_value(given))


def count_json(answer: CountAnswer, *, with_nodes: bool, with_groups: bool) -> dict[str, Any]:
    """The object that scripts rely on."""
    shown: dict[str, Any] = {
        "expression": answer.expression,
        "count": answer.count,
        "as_of": instant(answer.as_of),
        "elapsed_ms": answer.elapsed_us / 1000,
        "data_version": answer.data_version,
    }
    if answer.gone:
        shown["gone"] = answer.gone
    if answer.waiting:
        shown["waiting"] = answer.waiting
    if answer.read_as_of_today:
        shown["read_as_of_today"] = list(answer.read_as_of_today)
    if answer.notes:
        shown["notes"] = list(answer.notes)
    if with_nodes:
        shown["nodes"] = [
            {"text": node.text, "depth": node.depth, "count": node.count} for node in answer.nodes
        ]
    if with_groups:
        shown["groups"] = [{"value": one.value, "count": one.count} for one in answer.groups]
    return shown


def profile_json(profile: Profile) -> dict[str, Any]:
    """A profile as one object."""
    identifiers: dict[str, list[str]] = {}
    for kind, value in profile.identifiers:
        identifiers.setdefault(kind, []).append(value)
    then: dict[str, Any] = {}
    if profile.as_of is not None:
        then = {
            "as_of": instant(profile.as_of),
            "read_as_of_today": list(profile.read_as_of_today),
        }
    return {
        "uid": profile.uid,
        "identifiers": identifiers,
        "attributes": {name: json_value(value) for name, value in profile.attributes.items()},
        "tags": list(profile.tags),
        "segments": list(profile.segments),
        "recent_events": [event_json(event) for event in profile.recent_events],
        "scores": [ledger_json(one) for one in profile.scores],
        "tiers": dict(profile.tiers),
        "notes": dict(profile.notes),
        **then,
    }


def ledger_json(ledger: ScoreLedger) -> dict[str, Any]:
    """A score with its ledger as one object; points are text, so that they stay exact."""
    return {
        "score": ledger.score,
        "points": f"{ledger.points:f}",
        "band": ledger.band or None,
        "lines": [
            {
                "kind": line.kind,
                "points": f"{line.points:f}",
                "rule": line.rule,
                "text": line.text,
                "uncapped": None if line.uncapped is None else f"{line.uncapped:f}",
                "events": [
                    {
                        "type": event.type,
                        "time": instant(event.time),
                        "points": None if event.points is None else f"{event.points:f}",
                    }
                    for event in line.events
                ],
                "left_out": line.left_out,
            }
            for line in ledger.lines
        ],
    }


def event_json(event: ProfileEvent) -> dict[str, Any]:
    """An event as one object."""
    return {
        "type": event.type,
        "time": instant(event.time),
        "properties": {name: json_value(value) for name, value in event.properties.items()},
    }


def events(listed: Sequence[ProfileEvent]) -> Iterator[str]:
    """A table of events, one line each: time, type, and what it says."""
    types = [event.type for event in listed]
    for event in listed:
        said = (f"{name}={_quoted(value)}" for name, value in event.properties.items())
        line = f"{instant(event.time)}  {padded(event.type, types)}  {' '.join(said)}"
        yield line.rstrip()


def _quoted(given: Value) -> str:
    """A value as one word, in quotes where it would not be one."""
    text = text_value(given)
    plain = text and text.isprintable() and not set(text) & set(' "')
    return text if plain else json.dumps(text, ensure_ascii=False)


def change(coming: NextChange) -> str:
    """A line for who enters or leaves a segment, and when."""
    step = "enters" if coming.entered else "leaves"
    return f"{instant(coming.at)}  {step}  {coming.segment}"


def change_json(coming: NextChange) -> dict[str, Any]:
    """The same as one object."""
    return {
        "segment": coming.segment,
        "entered": coming.entered,
        "at": instant(coming.at),
        "uid": coming.uid,
    }


def nodes(counted: Sequence[NodeCount]) -> Iterator[str]:
    """A tree, one line per node, with the counts in a column before it."""
    width = max((len(f"{node.count:,}") for node in counted), default=0)
    # Whether a further sibling follows, for each depth on the way to the node.
    open_below: list[bool] = []
    for index, node in enumerate(counted):
        later = (one.depth for one in counted[index + 1 :] if one.depth <= node.depth)
        follows = next(later, -1) == node.depth
        del open_below[node.depth :]
        guides = "".join("│  " if more else "   " for more in open_below[1:])
        elbow = "" if node.depth == 0 else "├─ " if follows else "└─ "
        open_below.append(follows)
        yield f"{node.count:>{width},}  {guides}{elbow}{node.text}"


def groups(counted: Sequence[GroupCount]) -> Iterator[str]:
    """A table of groups with bars, one line each; the group of the missing is in brackets."""
    yield from bars(("(missing)" if one.value is None else one.value, one.count) for one in counted)


def bars(counted: Iterable[tuple[str, int]]) -> Iterator[str]:
    """A table of names and counts with bars, one line each."""
    lines = list(counted)
    names = [name for name, _ in lines]
    most = max((count for _, count in lines), default=0)
    digits = len(f"{most:,}")
    for name, count in lines:
        bar = "█" * -(-count * BAR_CELLS // most) if count else ""
        yield f"{padded(name, names)}  {count:>{digits},}  {bar}".rstrip()


def padded(name: str, names: Sequence[str]) -> str:
    """A name, filled up to the width of the widest of `names` on a terminal."""
    return name + " " * (max(map(cell_len, names)) - cell_len(name))


def width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return cell_len(text)


def figures(named: Mapping[str, int]) -> Iterator[str]:
    """Names and numbers, one pair per line, aligned."""
    names = max(map(len, named), default=0)
    digits = max((len(f"{value:,}") for value in named.values()), default=0)
    for name, value in named.items():
        yield f"{name:<{names}}  {value:>{digits},}"


def definition_changes(changes: Sequence[DefinitionChange]) -> Iterator[str]:
    """A table of definitions: sizes before and after, who joins and who leaves."""
    if not changes:
        return
    names = [change.definition for change in changes]
    heads = ("before", "after", "join", "leave")
    cells = [
        (f"{one.old_size:,}", f"{one.new_size:,}", f"+{one.joiners:,}", f"-{one.leavers:,}")
        for one in changes
    ]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]

    def row(name: str, texts: Sequence[str]) -> str:
        aligned = (f"{text:>{width}}" for text, width in zip(texts, widths, strict=True))
        return f"{padded(name, names)}  {'  '.join(aligned)}"

    yield row("", heads)
    for change, texts in zip(changes, cells, strict=True):
        yield row(change.definition, texts) + ("" if change.kept else "  (not kept)")
