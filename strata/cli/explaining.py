"""`strata explain`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from strata.cli import show
from strata.cli.options import AsOf, Json, ServerAt, StoreAt, read_identifier, read_instant
from strata.cli.plain import about, command
from strata.cli.session import place, session
from strata.explaining import (
    AttributeChange,
    Change,
    EventChange,
    ExplainedNode,
    Explanation,
    ListChange,
    Way,
)
from strata.explaining import explain as ask

__all__ = ["explain"]


@command
def explain(
    identifier: Annotated[str, typer.Argument(metavar="KIND:VALUE")],
    expression: Annotated[str, typer.Argument(metavar="EXPR")],
    as_of: AsOf = None,
    store: StoreAt = None,
    server: ServerAt = None,
    as_json: Json = False,
) -> None:
    """Explain why an expression holds for a profile, or what is missing."""
    kind, value = read_identifier(identifier)
    with session(place(store, server)) as client, about(expression=expression):
        moment = read_instant(as_of, lambda: client.model().time_zone)
        found = ask(client, kind, value, expression, as_of=moment)
    if as_json:
        show.json_line(_json(found))
        return
    for line in found.text.split("\n"):
        typer.echo(_coloured(line))
    typer.echo(f"as of {show.instant(found.as_of)}")
    if found.read_as_of_today:
        typer.echo(f"as it is today: {', '.join(found.read_as_of_today)}")


def _coloured(line: str) -> str:
    """A line with its mark in green or red, where there are colours."""
    head, mark, rest = line.partition("✓")
    if not head.strip() and mark:
        return head + typer.style(mark, fg="green") + rest
    head, mark, rest = line.partition("✗")
    if not head.strip() and mark:
        return head + typer.style(mark, fg="red") + rest
    return line


def _json(found: Explanation) -> dict[str, Any]:
    return {
        "uid": found.uid,
        "expression": found.expression,
        "truth": found.truth,
        "as_of": show.instant(found.as_of),
        "data_version": found.data_version,
        "nodes": [_node(node) for node in found.nodes],
        "text": found.text,
        "read_as_of_today": list(found.read_as_of_today),
    }


def _node(node: ExplainedNode) -> dict[str, Any]:
    return {
        "text": node.text,
        "depth": node.depth,
        "parent": node.parent,
        "truth": node.truth,
        "values": [
            {
                "text": one.text,
                "value": show.json_value(one.value),
                "events": [
                    {
                        "type": event.type,
                        "time": show.instant(event.time),
                        "value": show.json_value(event.value),
                    }
                    for event in one.events
                ],
                "left_out": one.left_out,
            }
            for one in node.values
        ],
        "steps": [
            {
                "text": step.text,
                "done": step.done,
                "time": None if step.time is None else show.instant(step.time),
            }
            for step in node.steps
        ],
        "owned": [f"{kind}:{value}" for kind, value in node.owned],
        "ledgers": [show.ledger_json(one) for one in node.ledgers],
        "in_the_way": node.in_the_way,
        "ways": [_way(way) for way in node.ways],
        "turns_at": None if node.turns_at is None else show.instant(node.turns_at),
        "turn_unknown": node.turn_unknown,
    }


def _way(way: Way) -> dict[str, Any]:
    return {
        "text": way.text,
        "at": show.instant(way.at),
        "before": None if way.before is None else show.instant(way.before),
        "changes": [_change(change) for change in way.changes],
    }


def _change(change: Change) -> dict[str, Any]:
    match change:
        case AttributeChange():
            value, before = show.json_value(change.value), show.json_value(change.before)
            return {"attribute": change.name, "value": value, "before": before}
        case EventChange():
            return {
                "events": list(change.types),
                "count": change.count,
                "by": show.json_value(change.by),
                "properties": {k: show.json_value(v) for k, v in change.properties.items()},
                "distinct": change.distinct or None,
                "first": show.instant(change.first),
                "last": show.instant(change.last),
            }
        case ListChange():
            return {"list": change.name, "in_list": change.in_list}
        case _:
            return {"wait_until": show.instant(change)}
