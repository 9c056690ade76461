"""Bands, tiers and tags by rule: what stands for them when bound is what the contract says.

Random tiers, random rules for tags and random conditions on both; a profile is judged by the bound
tree and by the reference evaluator, which knows names and not what they are substituted with.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.definitions import Model
from engine.model.hidden_events import ON, tag_fact, tag_places, tag_values
from engine.model.plain import CELLS, TagRule, Tier, tier_names
from engine.rules.bind import Binder
from engine.rules.derived_tags import name_pieces, ways
from engine.rules.parse import parse, parse_step, parse_value
from engine.rules.reference import ReferenceContext, evaluate
from engine.rules.reference_events import EventTypes, ReferenceEvent
from engine.rules.reference_tiers import ReferenceTagRule, ReferenceTier
from tests.property.bound_evaluator import BoundEvaluation
from tests.unit.bind_model import ATTRIBUTES, model

TYPES = {name: attribute.type for name, attribute in ATTRIBUTES.items()}
EVENT_TYPES = EventTypes(
    {
        name: {key: one.type for key, one in event.properties.items()}
        for name, event in model().events.items()
    },
    model().event_groups,
)
NOW_US = 1_780_000_000_000_000
HOUR_US = 3_600_000_000

WORDS = ("a", "b", "ab", "ba", "aa", "-", "a-b", "p", "pa", "")
PLAIN_TAGS = ("a", "ab", "b-a", "pa")
NAMED_TAGS = ("p{sku}", "{sku}b", "a{sku}-", "{sku}{channel}", "{sku}a{sku}", "{sku}-{channel}b")
STEPS = (
    "order",
    "order where gift",
    "order in last 3 hours",
    "order where pieces > 1 since now - 5 hours",
)
CONDITIONS = (
    "age > {n}", "vip", "size <= age", "city = '{w}'", "count(order) >= {n}", "rev is missing",
    "count(visit in last {h} hours) = 0", "not listed", "last(order) < now - {h} hours",
)  # fmt: skip


def conditions(chance: random.Random, *others: str) -> str:
    """One or two conditions, the `others` among those that they are drawn from."""
    drawn = [chance.choice((*CONDITIONS, *others)) for _ in range(chance.randrange(1, 3))]
    joined = chance.choice((" and ", " or ")).join(drawn)
    for place, value in (("n", chance.randrange(4)), ("h", chance.randrange(1, 5))):
        joined = joined.replace(f"{{{place}}}", str(value))
    return joined.replace("{w}", chance.choice(WORDS))


def random_tier(chance: random.Random, *others: str) -> tuple[Tier, tuple[Fraction | None, ...]]:
    """A tier of any kind, and cuts for it."""
    kind = chance.choice(("stages", "rfm", "rfe", "top", "fixed"))
    if kind == "stages":
        names = chance.sample(["new", "old", "lost", "won", "gone"], chance.randrange(1, 5))
        tier: Tier = {
            "stages": tuple({"name": name, "when": conditions(chance, *others)} for name in names)
        }
        if chance.random() < 0.5:
            tier["default"] = chance.choice(("rest", names[0]))
        return tier, ()
    if kind == "top":
        by = chance.choice(("count(order)", "age", "weight", "sum(order.amount)", "joined"))
        shares = {name: Decimal(20) for name in ("core", "near", "far")[: chance.randrange(1, 4)]}
        cuts = sorted((cut(chance, by) for _ in shares), reverse=True)
        top: Tier = {"top": {"by": by, "shares": shares}}
        if chance.random() < 0.5:
            top["default"] = "rest"
        return top, tuple(cuts)
    recency = chance.choice(("last(order)", "joined", "due", "last(content)"))
    names = {**CELLS, "HHH": "best"}
    method: Any = "mean"
    cuts_given: tuple[Fraction | None, ...] = (
        chance.choice((None, cut(chance, recency))),
        chance.choice((None, Fraction(chance.randrange(-1, 5), 2))),
        chance.choice((None, Fraction(0), Fraction(chance.randrange(-3, 9), 3))),
    )
    if kind == "rfe":
        weights = {"visit": Decimal(1), "download": Decimal("2.5"), "order": Decimal(-1)}
        return {
            "rfe": {
                "recency": recency, "frequency": "days(content)", "engagement": weights,
                "in_last_us": 4 * HOUR_US, "cut": method, "cells": names,
            }
        }, cuts_given  # fmt: skip
    if kind == "fixed":
        age_us = chance.randrange(1, 6) * HOUR_US
        method = {"recency_us": age_us, "frequency": Decimal(2), "monetary": Decimal("1.5")}
        cuts_given = (None, Fraction(2), Fraction(3, 2))
    money = chance.choice(("sum(order.amount)", "avg(order.amount)", "rev", "rev + 2 * cost"))
    return {
        "rfm": {
            "recency": recency, "frequency": "count(order in last 4 hours)", "monetary": money,
            "cut": method, "cells": names,
        }
    }, cuts_given  # fmt: skip


def cut(chance: random.Random, value: str) -> Fraction:
    """A cut that some values are above of, some below, and some at."""
    if value == "due":
        return NOW_US - Fraction(chance.randrange(72) * HOUR_US)
    if value in ("last(order)", "joined", "last(content)"):
        return NOW_US - Fraction(chance.randrange(0, 16) * HOUR_US, 3)
    return Fraction(chance.randrange(-1, 9), 2)


def as_reference(tier: Tier, cuts: Sequence[Fraction | None]) -> ReferenceTier:
    """The same tier for the reference."""
    default = tier.get("default")
    if "stages" in tier:
        stages = [(one["name"], parse(one["when"])) for one in tier["stages"]]
        return ReferenceTier(stages=stages, default=default)
    if "top" in tier:
        by, shares = parse_value(tier["top"]["by"]), tuple(tier["top"]["shares"])
        return ReferenceTier(shares=shares, by=by, cuts=cuts, default=default)
    metrics = tier.get("rfm") or tier["rfe"]
    if "monetary" in metrics:
        third = metrics["monetary"]
    else:
        assert "in_last_us" in metrics
        window = f"in last {metrics['in_last_us'] // HOUR_US} hours"
        third = " + ".join(
            f"{weight} * count({event} {window})"
            for event, weight in metrics["engagement"].items()
            if weight >= 0
        )
        third += f" - 1 * count(order {window})"
    texts = (metrics["recency"], metrics["frequency"], third)
    fixed = metrics["cut"]
    return ReferenceTier(
        cells=metrics["cells"],
        metrics=[parse_value(text) for text in texts],
        age_us=None if isinstance(fixed, str) else fixed["recency_us"],
        cuts=cuts,
    )


def random_rules(chance: random.Random) -> tuple[TagRule, ...]:
    """Rules for tags, live and sticky, some of which read the tags of rules before them."""
    rules: list[TagRule] = []
    for tag in chance.sample(PLAIN_TAGS, chance.randrange(0, 4)):
        others = [f"tag = '{rule['tag']}'" for rule in rules if "when" in rule]
        keep: Any = chance.choice(("live", "live", "sticky"))
        rules.append({"tag": tag, "when": conditions(chance, *others), "keep": keep})
    for tag in chance.sample(NAMED_TAGS, chance.randrange(0, 3)):
        rules.append({"tag": tag, "each": chance.choice(STEPS), "keep": "live"})
    chance.shuffle(rules)
    if chance.random() < 0.3:
        rules.append({"tag": "s{sku}{channel}", "each": "order", "keep": "sticky"})
    return tuple(rules)


def rule_as_reference(rule: TagRule) -> ReferenceTagRule:
    """The same rule for the reference."""
    if "when" in rule:
        return ReferenceTagRule(rule["tag"], rule["keep"] == "sticky", when=parse(rule["when"]))
    step, window = parse_step(rule["each"])
    return ReferenceTagRule(rule["tag"], rule["keep"] == "sticky", each=step, window=window)


def random_condition(chance: random.Random, with_: Model) -> str:
    """A condition on a tier or on tags."""
    names = [(name, tier_names(tier)) for name, tier in with_.tiers.items()]
    tier, choices = chance.choice(names)
    some = chance.sample(choices, chance.randrange(1, len(choices) + 1))
    among = ", ".join(f"'{name}'" for name in some)
    word = chance.choice((*WORDS, *PLAIN_TAGS, "pab", "aba", "sab", "a-b", "abab", "bab"))
    other = chance.choice(names)[0]
    sticky_named = any(rule["tag"].startswith("s{") for rule in with_.tag_rules)
    of_tiers = (
        f"tier('{tier}') = '{some[0]}'", f"tier('{tier}') != '{some[0]}'",
        f"tier('{tier}') in ({among})", f"tier('{tier}') not in ({among})",
        f"'{some[0]}' = tier('{tier}')", f"tier('{tier}') is missing",
        f"tier('{tier}') is present", f"tier('{tier}') contains '{some[0][-1]}'",
        f"tier('{tier}') not starts with 'ne'", f"tier('{tier}') ends with '{some[0][1:]}'",
        f"tier('{tier}') = tier('{other}')", f"tier('{tier}') != tier('{other}')",
        f"tier('{tier}') = city", f"city != tier('{tier}')",
    )  # fmt: skip
    of_tags = (
        f"tag = '{word}'", f"'{word}' = tag", f"tag in ('{word}', 'ab')",
        f"tag has all ('{word}', 'a')",
    )  # fmt: skip
    of_more_tags = (
        f"tag contains '{word}'", f"tag starts with '{word}'", f"tag ends with '{word}'",
        "tag is missing", "tag is present",
    )  # fmt: skip
    drawn = chance.choice((*of_tiers, *of_tags, *of_tags, *(() if sticky_named else of_more_tags)))
    return chance.choice(("{}", "not {}", "{} and age > 1", "{} or vip")).format(drawn)


def random_events(chance: random.Random, rules: Sequence[TagRule]) -> list[ReferenceEvent]:
    """What a profile did, and what was found of its facts."""
    found = []
    for _ in range(chance.randrange(0, 7)):
        kind = chance.choice(("order", "order", "visit", "download"))
        at_us = NOW_US - chance.randrange(0, 7) * HOUR_US + chance.choice((-1, 0, 0))
        values: dict[str, Any] = {}
        if kind == "order":
            values = {
                "sku": chance.choice(WORDS), "channel": chance.choice(WORDS),
                "gift": chance.random() < 0.5, "pieces": chance.randrange(3),
                "amount": Decimal(chance.randrange(4)),
            }  # fmt: skip
            values = {key: value for key, value in values.items() if chance.random() < 0.8}
        found.append(ReferenceEvent(kind, at_us, values))
    for rule in rules:
        if rule["keep"] == "sticky":
            for _ in range(chance.randrange(0, 4)):
                at_us = NOW_US - chance.randrange(-1, 4) * HOUR_US
                on = {ON.name: chance.random() < 0.6}
                places = {place: chance.choice("ab") for place in tag_places(rule["tag"])}
                name = f":fact:{tag_fact(rule['tag'])}"
                found.append(ReferenceEvent(name, at_us, {**on, **places}))
    return found


def sticky_tags(events: Sequence[ReferenceEvent], rules: Sequence[TagRule]) -> set[str]:
    """The tags whose facts hold: by each value the last that was found, `on` before `off`."""
    found = set()
    for rule in rules:
        name = f":fact:{tag_fact(rule['tag'])}"
        last: dict[str, tuple[int, bool]] = {}
        for event in events:
            if event.type == name and event.time_us <= NOW_US:
                tag = rule["tag"]
                for place in tag_places(tag):
                    tag = tag.replace("{" + place + "}", event.properties[place])
                last[tag] = max(
                    last.get(tag, (0, False)), (event.time_us, event.properties[ON.name])
                )
        found |= {tag for tag, (_, on) in last.items() if on}
    return found


def random_profile(chance: random.Random) -> dict[str, Any]:
    """Attributes that the conditions read, some of them missing."""
    now = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=NOW_US)
    values: dict[str, Any] = {
        "age": chance.randrange(4), "size": chance.randrange(4), "vip": chance.random() < 0.5,
        "listed": chance.random() < 0.5, "rev": Decimal(chance.randrange(-2, 5)) / 2,
        "cost": Decimal(chance.randrange(3)), "weight": chance.randrange(0, 9) / 2,
        "city": chance.choice(("best", "new", "rest", "core", "a")),
        "joined": now - timedelta(hours=chance.randrange(6), microseconds=chance.randrange(2)),
        "due": (now - timedelta(days=chance.randrange(3))).date(),
        "tag": set(chance.sample(("a", "ab", "zz", "s-", "sab"), chance.randrange(3))),
    }  # fmt: skip
    return {key: value for key, value in values.items() if chance.random() < 0.8}


@settings(max_examples=settings.default.max_examples * 5)
@given(seed=st.integers(0, 2**32))
def test_what_is_bound_is_what_is_meant(seed: int) -> None:
    chance = random.Random(seed)
    rules = random_rules(chance)
    plain = [f"tag = '{rule['tag']}'" for rule in rules if "when" in rule]
    first, first_cuts = random_tier(chance, *plain)
    second, second_cuts = random_tier(chance, *plain, "tier('first') is missing")
    made = replace(
        model("Asia/Shanghai"), tiers={"first": first, "second": second}, tag_rules=rules
    )
    binder = Binder(made, cuts={"first": first_cuts, "second": second_cuts})
    context = ReferenceContext(
        TYPES,
        ZoneInfo("Asia/Shanghai"),
        NOW_US,
        events=EVENT_TYPES,
        tiers={
            "first": as_reference(first, first_cuts),
            "second": as_reference(second, second_cuts),
        },
        tag_rules=[rule_as_reference(rule) for rule in rules],
    )
    texts = [random_condition(chance, made) for _ in range(8)]
    bound = [binder.bind(parse(text), text) for text in texts]
    for _ in range(4):
        profile, events = random_profile(chance), random_events(chance, rules)
        facts = sticky_tags(events, rules)
        judge = BoundEvaluation(profile, made.time_zone, NOW_US, events=events)
        for text, expression in zip(texts, bound, strict=True):
            expected = evaluate(parse(text), profile, context, events=events, sticky_tags=facts)
            assert judge.holds(expression) == expected, (text, made.tiers, rules, profile, events)


@settings(max_examples=settings.default.max_examples * 3)
@given(seed=st.integers(0, 2**32))
def test_the_names_of_a_tier_partition(seed: int) -> None:
    """Everybody has one name, or none where the tier is missing."""
    chance = random.Random(seed)
    tier, cuts = random_tier(chance)
    made = replace(model(), tiers={"t": tier}, tag_rules=())
    binder = Binder(made, cuts={"t": cuts})
    named = [binder.bind(parse(f"tier('t') = '{name}'")) for name in tier_names(tier)]
    missing = binder.bind(parse("tier('t') is missing"))
    for _ in range(20):
        judge = BoundEvaluation(
            random_profile(chance), made.time_zone, NOW_US, events=random_events(chance, ())
        )
        assert sum(judge.holds(one) for one in (*named, missing)) == 1


@given(
    st.sampled_from((*NAMED_TAGS, "x{sku}yx{channel}y", "{sku}")),
    st.text("abxy-", max_size=4),
    st.sampled_from(("in", "contains", "starts with", "ends with")),
    st.text("abxy-", min_size=1, max_size=3),
    st.text("abxy-", min_size=1, max_size=3),
)
def test_ways_are_all_the_values_that_pass(
    tag: str, text: str, how: Any, sku: str, channel: str
) -> None:
    """A name passes a match exactly when its values pass one of the ways."""
    values = {"sku": sku, "channel": channel}
    name = re.sub(r"\{(\w+)\}", lambda place: values[place[1]], tag)
    tests: dict[str, Any] = {
        "is": lambda value, needle: value == needle,
        "contains": lambda value, needle: needle in value,
        "starts with": lambda value, needle: value.startswith(needle),
        "ends with": lambda value, needle: value.endswith(needle),
    }
    passed = any(
        all(tests[one](values[place], needle) for place, one, needle in way)
        for way in ways(name_pieces(tag), how, text)
    )
    assert passed == tests["is" if how == "in" else how](name, text)
    if how == "in":
        by_values = {tuple(values[place] for place in tag_places(tag))}
        assert passed == bool(by_values & set(tag_values(tag, text)))
