"""Tags that rules give, bound: a condition on tags is one on what gives them.

A value is in the set `tag` while somebody gave it, a live rule gives it, or the fact of a sticky
rule holds. So `tag = 'x'` is what is stored, or what the rule for `x` asks, or that its fact holds.
A rule with `each` gives the tags `a{p}b` of the values that p has in its events: `tag = 'a1b'` asks
for an event where p is '1', and `tag contains '1b'` for one where p ends with '1', or contains
'1b'. Of a sticky rule it asks that more such facts have begun than ended. What the conditions of a
match come to for the places of such a name is worked out piece by piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Literal

from engine.model.definitions import Attribute, EventProperty, Model
from engine.model.hidden_events import fact_event, tag_fact, tag_values
from engine.model.plain import TagRule
from engine.model.sections.tag_rules import PLACE
from engine.rules.aggregates import bind_step
from engine.rules.bound import (
    AggregateSource,
    BoundAnd,
    BoundCategory,
    BoundCompare,
    BoundExpr,
    BoundOr,
    Linear,
    LinearTerm,
    StringTest,
)
from engine.rules.bound_events import BoundAggregate, BoundEvents
from engine.rules.bound_facts import fact_holds, some_fact_holds
from engine.rules.names import ModelScope
from engine.rules.parse import parse_step

__all__ = ["given_by_rules", "name_pieces", "ways"]

How = Literal["is", "contains", "starts with", "ends with"]
# What one way to pass asks of the places of a name: (place, how, text). A place without a
# condition only has to have a value.
Way = tuple[tuple[str, How, str], ...]
# A name in pieces: (whether it is a place, its text or the name of the property).
Pieces = tuple[tuple[bool, str], ...]


def given_by_rules(
    test: StringTest,
    model: Model,
    live: Callable[[str], BoundExpr],
    scope: Callable[[str], ModelScope],
) -> tuple[BoundExpr, ...]:
    """Who has a tag that passes from the rules of a model, one condition for each that may give
    one. `live(tag)` is what the rule of a live tag asks; `scope(text)` that of a step."""
    found: list[BoundExpr] = []
    for rule in model.tag_rules:
        if "each" in rule:
            found += _given_by_each(test, rule, scope)
        elif not test.passes(rule["tag"]):
            continue
        elif rule["keep"] == "live":
            found.append(live(rule["tag"]))
        else:
            found.append(fact_holds(fact_event(tag_fact(rule["tag"]))))
    return tuple(found)


def _given_by_each(
    test: StringTest, rule: TagRule, scope: Callable[[str], ModelScope]
) -> list[BoundExpr]:
    pieces = name_pieces(rule["tag"])
    places = dict.fromkeys(text for is_place, text in pieces if is_place)
    found = list(
        dict.fromkeys(way for text in sorted(test.values) for way in ways(pieces, test.how, text))
    )
    if not found:
        return []
    if rule["keep"] == "sticky":
        # Each has an end of its own, so each is a fact of its own.
        declared = {place: EventProperty(place, "category") for place in places}
        fact = fact_event(tag_fact(rule["tag"]), declared)
        if test.how != "in":
            return [some_fact_holds(fact, _of_ways(found, places))]
        named = [values for name in sorted(test.values) for values in tag_values(rule["tag"], name)]
        return [fact_holds(fact, dict(zip(places, values, strict=True))) for values in named]
    step, window = parse_step(rule["each"])
    events = bind_step(step, scope(rule["each"]))
    of_name = _of_ways(found, places)
    where = of_name if events.where is None else BoundAnd((events.where, of_name), None)
    counted = BoundAggregate("count", BoundEvents(events.types, where), "int", window=window)
    form = Linear((LinearTerm(Fraction(1), AggregateSource(counted)),), Fraction(-1))
    return [BoundCompare(form, ">=", None)]


def _of_ways(found: Sequence[Way], places: dict[str, None]) -> BoundExpr:
    """The events that give a tag in any of some ways."""
    if len(places) == 1 and all(len(way) == 1 and way[0][1] == "is" for way in found):
        # One look at the place for all values.
        ((place, _, _),) = found[0]
        values = frozenset(way[0][2] for way in found)
        return BoundCategory(_property(place), StringTest("in", values), False, None)
    items = tuple(_of_way(way, places) for way in found)
    return items[0] if len(items) == 1 else BoundOr(items, None)


def _of_way(way: Way, places: dict[str, None]) -> BoundExpr:
    items: list[BoundExpr] = []
    for place, how, text in way:
        tested = StringTest("in" if how == "is" else how, frozenset({text}))
        items.append(BoundCategory(_property(place), tested, False, None))
    named = {place for place, _, _ in way}
    # A name has no holes: every place has a value, and an empty one is none.
    empty = StringTest("in", frozenset({""}))
    items += [
        BoundCategory(_property(place), empty, True, None) for place in places if place not in named
    ]
    return items[0] if len(items) == 1 else BoundAnd(tuple(items), None)


def _property(place: str) -> Attribute:
    return Attribute(place, "category")


# ------------------------------------------------------------------------------ matching


def name_pieces(tag: str) -> Pieces:
    """A name with places, taken apart: texts and places by turns."""
    found = [(at % 2 == 1, text) for at, text in enumerate(PLACE.split(tag))]
    return tuple(piece for piece in found if piece[0] or piece[1])


def ways(
    pieces: Pieces, how: Literal["in", "contains", "starts with", "ends with"], text: str
) -> Iterator[Way]:
    """The ways in which values of the places make a name that is a text, contains it, or begins
    or ends with it. A place that stands twice has one value."""
    found: Iterator[Way]
    if not text and how != "in":
        yield ()
        return
    match how:
        case "in":
            found = _beginnings(pieces, text, whole=True)
        case "starts with":
            found = _beginnings(pieces, text)
        case "ends with":
            turned = tuple(
                (is_place, one if is_place else one[::-1]) for is_place, one in pieces[::-1]
            )
            found = map(_turned, _beginnings(turned, text[::-1]))
        case "contains":
            found = _within(pieces, text)
    for way in found:
        yield tuple(sorted(set(way)))


def _beginnings(pieces: Pieces, text: str, *, whole: bool = False) -> Iterator[Way]:
    """The ways in which a name begins with a text, or is one."""
    if not pieces:
        if not text:
            yield ()
        return
    if not text and not whole:
        yield ()
        return
    (is_place, piece), rest = pieces[0], pieces[1:]
    if not is_place:
        if text.startswith(piece):
            yield from _beginnings(rest, text[len(piece) :], whole=whole)
        elif not whole and piece.startswith(text):
            yield ()
        return
    if not whole:
        yield ((piece, "starts with", text),)
    for size in range(1, len(text) + whole):
        for way in _beginnings(rest, text[size:], whole=whole):
            yield ((piece, "is", text[:size]), *way)


def _within(pieces: Pieces, text: str) -> Iterator[Way]:
    """The ways in which a name contains a text: it begins in one of the pieces."""
    for at, (is_place, piece) in enumerate(pieces):
        rest = pieces[at + 1 :]
        if not is_place:
            for start in range(len(piece)):
                yield from _beginnings(((False, piece[start:]), *rest), text)
            continue
        yield ((piece, "contains", text),)
        for size in range(1, len(text)):
            for way in _beginnings(rest, text[size:]):
                yield ((piece, "ends with", text[:size]), *way)


def _turned(way: Way) -> Way:
    """A way found from the end, with texts the right way round."""
    turned: dict[How, How] = {"is": "is", "starts with": "ends with"}
    return tuple((place, turned[how], text[::-1]) for place, how, text in way)
