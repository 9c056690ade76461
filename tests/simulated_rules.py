"""Random rules for segments that are kept: the grammar over attributes, `now`, events, scores,
lists and other segments, with windows of some days, so that much changes within weeks."""

from __future__ import annotations

import random
from collections.abc import Mapping

from tests.moving_events import READS_AND_ORDERS
from tests.moving_worlds import INSTANTS_AND_DAYS, PEOPLE, SOURCES

__all__ = ["MODEL_HEAD", "random_rule"]

_MORE_ATTRIBUTES = """\
  spent: {{type: decimal, scale: 2}}
  rating: {{type: float}}
  vip: {{type: bool}}
  stage: {{type: category}}
  remark: {{type: text}}
  likes: {{type: set}}
"""
_GROUPS_AND_SCORES = """\
event_groups: {{all: [read, order]}}
scores:
  heat:
    rules:
    - {{when: "size > 4", points: 8}}
    - {{when: "joined > now - 2 days or seen is missing", points: 5.5}}
    - {{when: "count(order in last 36 hours) > 0", points: -3}}
    - {{each: "read where page = 'p' in last 3 days", points: 4, at_most: 6}}
    - {{each: "any in last 2 weeks", points: 10, at_most: 25}}
    floor: 0
    ceiling: 30
  deep:
    rules:
    - {{when: "score('heat') >= 8", points: 1}}
    - {{each: "order where pieces > 1 in last 2 days", points: -0.5}}
"""
MODEL_HEAD = (
    PEOPLE + INSTANTS_AND_DAYS + _MORE_ATTRIBUTES + READS_AND_ORDERS + _GROUPS_AND_SCORES + SOURCES
)

_COMPARES = ("=", "!=", "<", "<=", ">", ">=")
_ORDERS = ("<", "<=", ">", ">=")
_OF_FEES = ("sum", "avg", "min", "max", "first_value", "last_value", "distinct")
_LENGTHS = ("90 seconds", "1 hour", "36 hours", "1 day", "2 days", "3 days", "1 week", "2 weeks")
_UNITS = ("day", "week", "month", "quarter", "year")


def random_rule(chance: random.Random, others: Mapping[str, str], *, depth: int = 2) -> str:
    """The text of a rule; it may name `others`."""
    if depth and chance.random() < 0.5:
        parts = [random_rule(chance, others, depth=depth - 1) for _ in range(chance.choice((2, 3)))]
        joined = f" {chance.choice(('and', 'or'))} ".join(f"({part})" for part in parts)
        return f"not ({joined})" if chance.random() < 0.2 else joined
    if others and chance.random() < 0.12:
        return f"segment('{chance.choice(sorted(others))}')"
    leaf = chance.choices(_LEAVES, (10, 4, 3, 1, 2))[0]
    text = leaf(chance)
    return f"not ({text})" if chance.random() < 0.15 else text


def _of_attributes(chance: random.Random) -> str:
    pick = chance.choice
    return pick(
        (
            f"size {pick(_COMPARES)} {chance.randrange(10)}",
            f"spent {pick(_ORDERS)} 2 * size - 1.5",
            f"rating between 0.1 and {pick(('0.3', '2.5'))}",
            "vip",
            f"stage {pick(('=', '!='))} '{pick('xyz')}'",
            f"stage in ('x', '{pick('yz')}')",
            f"remark {pick(('contains', 'starts with', 'ends with'))} 'b'",
            f"likes = '{pick('pq')}'",
            "likes has all ('p', 'q')",
            f"{pick(('size', 'likes', 'seen', 'remark'))} is {pick(('missing', 'present'))}",
            "born < renewal",
            "joined != seen",
            "list('invited')",
            f"bucket('salt') < {pick((2_500, 5_000))}",
        )
    )


def _of_now(chance: random.Random) -> str:
    pick = chance.choice
    a, b = chance.sample(("joined", "seen"), 2)
    return pick(
        (
            f"{a} {pick(_COMPARES)} now - {pick(_LENGTHS)}",
            f"{a} {pick(_ORDERS)} now",
            f"renewal {pick(_ORDERS)} now + {pick(_LENGTHS)}",
            f"now - {a} {pick(_ORDERS)} {pick(_LENGTHS)}",
            f"now - {a} {pick(_ORDERS)} {b} - now",
            f"born - now {pick(_ORDERS)} {a} - {b}",
            f"now - {a} {pick(('', 'not '))}between 1 hour and {pick(_LENGTHS[3:])}",
        )
    )


def _window(chance: random.Random) -> str:
    pick = chance.choice
    shorter, longer = sorted(chance.sample(range(len(_LENGTHS)), 2))
    count = pick((1, 2, 3))
    plural = "s" if count > 1 else ""
    return pick(
        (
            "",
            f" in last {pick(_LENGTHS)}",
            f" in last {pick(_LENGTHS)}",
            f" between {_LENGTHS[longer]} and {_LENGTHS[shorter]} ago",
            f" since now - {pick(_LENGTHS)}",
            f" before now - {pick(_LENGTHS)}",
            f" from now - {_LENGTHS[longer]} to now - {_LENGTHS[shorter]}",
            f" since date '2025-10-{pick((20, 25, 26, 27))}'",
            " from date '2025-10-24' to date '2025-10-27'",
            f" in last {count} calendar {pick(_UNITS[:3])}{plural}",
            f" {count} calendar {pick(_UNITS[:3])}{plural} ago",
            f" this {pick(_UNITS)}",
            " today",
            " yesterday",
        )
    )


def _step(chance: random.Random) -> str:
    pick = chance.choice
    return pick(
        (
            "read",
            "order",
            "all",
            "any",
            "read, order",
            f"read where page = '{pick('pqr')}'",
            "order where pieces > 2 and not (paid)",
            "order where amount >= 10.55 or note is missing",
            f"order where rate {pick(_ORDERS)} 0.2",
            "order where due > date '2025-10-25'",
            "all where page is missing",
        )
    )


def _of_events(chance: random.Random) -> str:
    pick = chance.choice

    def whole(function: str) -> str:
        return f"{function}({_step(chance)}{_window(chance)})"

    def of(function: str, name: str) -> str:
        where = pick(("", "", " where pieces > 1", " where note contains 'b'"))
        return f"{function}(order.{name}{where}{_window(chance)})"

    def number() -> str:
        return pick(
            (
                whole("count"),
                whole("days"),
                of("sum", "amount"),
                of("sum", "pieces"),
                of(pick(("min", "max", "avg", "first_value", "last_value")), "amount"),
                f"{pick(_OF_FEES)}(any.fee{_window(chance)})",
                of("distinct", pick(("amount", "note", "paid", "rate", "due"))),
                f"distinct(read.page{_window(chance)})",
            )
        )

    def moment() -> str:
        return pick((whole("first"), whole("last"), of(pick(("min", "max")), "due"), "seen"))

    return pick(
        (
            lambda: f"{whole('count')} {pick(_COMPARES)} {chance.randrange(4)}",
            lambda: f"{number()} {pick(_COMPARES)} {pick(('0', '2', '10.55', '40'))}",
            lambda: f"{number()} {pick(_ORDERS)} {pick(('', '0.5 * '))}{number()}",
            lambda: f"{number()} - {number()} {pick(_ORDERS)} size",
            lambda: f"{number()} {pick(('', 'not '))}in (0, 1, 3)",
            lambda: f"{number()} is {pick(('missing', 'present'))}",
            lambda: f"{whole(pick(('first', 'last')))} {pick(_ORDERS)} now - {pick(_LENGTHS)}",
            lambda: f"{moment()} {pick(_ORDERS)} {whole(pick(('first', 'last')))}",
            lambda: f"{whole('last')} - {whole('first')} {pick(_ORDERS)} {pick(_LENGTHS)}",
            lambda: f"{of(pick(('first_value', 'last_value')), 'paid')} = true",
            lambda: f"{of(pick(('first_value', 'last_value')), 'note')} contains 'b'",
            lambda: f"last_value(read.page{_window(chance)}) in ('p', 'q')",
            lambda: f"{of(pick(('min', 'max', 'last_value')), 'rate')} {pick(_ORDERS)} 0.2",
            lambda: f"{of(pick(('min', 'max')), 'due')} {pick(_ORDERS)} now",
        )
    )()


def _of_sequence(chance: random.Random) -> str:
    text = _step(chance)
    silent = 0
    for _ in range(chance.choice((1, 1, 2))):
        absent = chance.random() < 0.4
        place = chance.randrange(2, 5) if absent else chance.randrange(silent + 1, 7)
        silent = max(silent, place) if absent else 0
        text += f" then {'no ' if absent else ''}{_step(chance)} within {_LENGTHS[place]}"
    return f"sequence({text})"


def _of_scores(chance: random.Random) -> str:
    pick = chance.choice
    return pick(
        (
            f"score('heat') {pick(_ORDERS)} {pick(('6', '8', '13.5', '20'))}",
            f"score('deep') {pick(_COMPARES)} {pick(('0', '1', '0.5'))}",
            "score('heat') - 4 * score('deep') > count(read in last 2 days)",
            f"score('heat') {pick(_ORDERS)} size",
            f"10 * rating {pick(_ORDERS)} score('heat')",
        )
    )


_LEAVES = _of_events, _of_now, _of_attributes, _of_sequence, _of_scores
