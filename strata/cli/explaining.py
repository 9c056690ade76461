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
from strata.standings import FoundValue, ScoreStanding, Standing, TagStanding, TierStanding

__all__ = ["explain"]


@command
def explain(
    identifier: Annotated[str, typer.Argument(metavar="KIND:VALUE")],
    expression: Annotated[str | None, typer.Argument(metavar="[EXPR]")] = None,
    score: Annotated[
        str | None, typer.Option("--score", metavar="NAME", help="Explain a score.")
    ] = None,
    band: Annotated[
        str | None, typer.Option("--band", metavar="SCORE", help="Explain the band of a score.")
    ] = None,
    tier: Annotated[
        str | None, typer.Option("--tier", metavar="NAME", help="Explain a tier.")
    ] = None,
    tag: Annotated[str | None, typer.Option("--tag", metavar="TAG", help="Explain a tag.")] = None,
    ways: Annotated[bool, typer.Option(help="Say what would help.")] = True,
    as_of: AsOf = None,
    store: StoreAt = None,
    server: ServerAt = None,
    as_json: Json = False,
) -> None:
    """Explain why an expression holds for a profile, or what is missing; or a score, band, tier or
    tag."""
    kind, value = read_identifier(identifier)
    if sum(one is not None for one in (expression, score, band, tier, tag)) != 1:
        raise typer.BadParameter("give one of EXPR, --score, --band, --tier and --tag")
    with session(place(store, server)) as client, about(expression=expression or ""):
        moment = read_instant(as_of, lambda: client.model().time_zone)
        found = ask(
            client,
            kind,
            value,
            expression,
            score=score,
            band=band,
            tier=tier,
            tag=tag,
            as_of=moment,
            ways=ways,
        )
        zone = None if as_json else client.model().time_zone
    if as_json:
        show.json_line(_json(found))
        return
    for line in found.text.split("\n"):
        typer.echo(_coloured(line))
    typer.echo(f"as of {show.instant(found.as_of)}; times above are those of {zone}")
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
        "standing": _standing(found.standing),
    }


def _standing(found: Standing | None) -> dict[str, Any] | None:
    match found:
        case ScoreStanding():
            return {
                **show.ledger_json(found.ledger),
                "bands": [
                    {
                        "name": one.name,
                        "bound": f"{one.bound:f}",
                        "left_below": f"{one.left_below:f}",
                        "on": one.on,
                        "since": None if one.since is None else show.instant(one.since),
                    }
                    for one in found.bands
                ],
                "next_band": found.next_band or None,
                "missing": None if found.missing is None else f"{found.missing:f}",
                "ways": [
                    {**_way(one.way), "gains": {str(k): f"{v:f}" for k, v in one.gains.items()}}
                    for one in found.ways
                ],
            }
        case TierStanding():
            return {
                "tier": found.tier,
                "name": found.name or None,
                "stages": [
                    {
                        "name": one.name,
                        "reached": one.reached,
                        "node": one.node,
                        "cut": show.json_value(one.cut),
                    }
                    for one in found.stages
                ],
                "metrics": [
                    {
                        "metric": one.metric,
                        **_value(one.found),
                        "cut": show.json_value(one.cut),
                        "high": one.high,
                    }
                    for one in found.metrics
                ],
                "cell": found.cell or None,
                "refreshed": None if found.refreshed is None else show.instant(found.refreshed),
            }
        case TagStanding():
            return {
                "tag": found.tag,
                "has": found.has,
                "givers": list(found.givers),
                "rules": [
                    {
                        "tag": one.tag,
                        "sticky": one.sticky,
                        "gives": one.gives,
                        "node": one.node,
                        "since": None if one.since is None else show.instant(one.since),
                    }
                    for one in found.rules
                ],
            }
        case _:
            return None


def _node(node: ExplainedNode) -> dict[str, Any]:
    return {
        "text": node.text,
        "depth": node.depth,
        "parent": node.parent,
        "truth": node.truth,
        "values": [_value(one) for one in node.values],
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


def _value(one: FoundValue) -> dict[str, Any]:
    return {
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
