"""What expressions become when bound."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction as F
from typing import Any

import pytest

from engine.model.definitions import Attribute, AttributeType
from engine.rules import tree
from engine.rules.bind import bind, bind_value
from engine.rules.bound import (
    AggregateSource,
    AttributeSource,
    BoundAnd,
    BoundBool,
    BoundCategory,
    BoundCategoryPair,
    BoundCompare,
    BoundConstant,
    BoundExpr,
    BoundFloatCompare,
    BoundFloatIn,
    BoundIn,
    BoundLater,
    BoundList,
    BoundNot,
    BoundOr,
    BoundPresence,
    BoundSegment,
    BoundSet,
    BoundText,
    BucketSource,
    DateStartSource,
    FloatTerm,
    FloatValue,
    Linear,
    LinearTerm,
    ScoreSource,
    StringTest,
)
from engine.rules.bound_events import BoundAggregate, BoundEvents, BoundLink, BoundSequence
from engine.rules.bound_scores import BoundScore
from engine.rules.parse import parse, parse_value
from tests.unit.bind_model import ATTRIBUTES, model

DAY_US = 86_400_000_000


def attribute(name: str) -> AttributeSource:
    return AttributeSource(ATTRIBUTES[name])


def form(*terms: tuple[int | F, Any], constant: int | F = 0, now: int = 0) -> Linear:
    """A linear form; a source may be the name of an attribute."""
    return Linear(
        tuple(
            LinearTerm(F(factor), attribute(source) if isinstance(source, str) else source)
            for factor, source in terms
        ),
        F(constant),
        now,
    )


def exactly(*words: str) -> StringTest:
    return StringTest("in", frozenset(words))


def without_nodes(bound: BoundExpr) -> BoundExpr:
    """The same without the tree nodes, which other tests look at."""
    match bound:
        case BoundAnd(items):
            return BoundAnd(tuple(without_nodes(item) for item in items), None)
        case BoundOr(items):
            return BoundOr(tuple(without_nodes(item) for item in items), None)
        case BoundNot(item):
            return BoundNot(without_nodes(item), None)
        case BoundSegment(name, body):
            return BoundSegment(name, without_nodes(body), None)
        case _:
            return replace(bound, node=None)


def bound_of(text: str) -> BoundExpr:
    return without_nodes(bind(parse(text), model(), text=text))


CITY, REGION, VIP, LISTED, REMARK, TAG = (
    ATTRIBUTES[name] for name in ("city", "region", "vip", "listed", "remark", "tag")
)
PRESENT = {name: BoundPresence(ATTRIBUTES[name], None) for name in ATTRIBUTES}


def of_order(
    function: Any,
    type_: AttributeType,
    prop: Attribute | None = None,
    *,
    window: tree.Window | None = None,
) -> BoundAggregate:
    """An aggregate over all orders."""
    return BoundAggregate(function, BoundEvents(("order",)), type_, prop, window)


AVERAGE = of_order("avg", "decimal", Attribute("amount", "decimal"))
LATEST_DAY = of_order("max", "date", Attribute("day", "date"))
LAST_MONTH = tree.Window("in_last", length=tree.Duration(30, "day"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", BoundConstant(True, None)),
        ("false", BoundConstant(False, None)),
        ("vip", BoundBool(VIP, True, None)),
        ("vip = false", BoundBool(VIP, False, None)),
        ("vip != true", BoundBool(VIP, False, None)),
        ("true = vip", BoundBool(VIP, True, None)),
        ("vip in (true)", BoundBool(VIP, True, None)),
        ("vip not in (true)", BoundBool(VIP, False, None)),
        ("vip in (true, false)", PRESENT["vip"]),
        ("vip not in (true, false)", BoundConstant(False, None)),
        ("true = false", BoundConstant(False, None)),
        ("true != false", BoundConstant(True, None)),
        (
            "vip != listed",
            BoundOr(
                (
                    BoundAnd((BoundBool(VIP, True, None), BoundBool(LISTED, False, None)), None),
                    BoundAnd((BoundBool(VIP, False, None), BoundBool(LISTED, True, None)), None),
                ),
                None,
            ),
        ),
        ("city = 'a'", BoundCategory(CITY, exactly("a"), False, None)),
        ("'a' = city", BoundCategory(CITY, exactly("a"), False, None)),
        ("city <> 'a'", BoundCategory(CITY, exactly("a"), True, None)),
        ("city not in ('a', 'b', 'a')", BoundCategory(CITY, exactly("a", "b"), True, None)),
        (
            "city not ends with 'a'",
            BoundCategory(CITY, StringTest("ends with", frozenset({"a"})), True, None),
        ),
        ("city = region", BoundCategoryPair(CITY, REGION, False, None)),
        ("city != region", BoundCategoryPair(CITY, REGION, True, None)),
        ("'a' = 'a'", BoundConstant(True, None)),
        ("'a' not in ('b')", BoundConstant(True, None)),
        ("'abc' starts with 'ab'", BoundConstant(True, None)),
        ("'abc' not contains 'b'", BoundConstant(False, None)),
        ("remark not contains 'x'", BoundText(REMARK, "contains", "x", True, None)),
        ("tag = 'x'", BoundSet(TAG, exactly("x"), None)),
        ("'x' = tag", BoundSet(TAG, exactly("x"), None)),
        ("tag in ('x', 'y')", BoundSet(TAG, exactly("x", "y"), None)),
        ("tag has all ('x')", BoundSet(TAG, exactly("x"), None)),
        (
            "tag has all ('x', 'y', 'x')",
            BoundAnd((BoundSet(TAG, exactly("x"), None), BoundSet(TAG, exactly("y"), None)), None),
        ),
        ("tag contains 'x'", BoundSet(TAG, StringTest("contains", frozenset({"x"})), None)),
        ("tag is missing", BoundNot(PRESENT["tag"], None)),
        ("city is not missing", PRESENT["city"]),
        ("now is present", BoundConstant(True, None)),
        ("3 is missing", BoundConstant(False, None)),
        ("bucket('s') is present", BoundConstant(True, None)),
        ("age + size is present", BoundAnd((PRESENT["age"], PRESENT["size"]), None)),
        ("age - age is missing", BoundNot(PRESENT["age"], None)),
        ("weight + 2 * age is present", BoundAnd((PRESENT["weight"], PRESENT["age"]), None)),
        ("list('x')", BoundList("x", None)),
        ("not vip", BoundNot(BoundBool(VIP, True, None), None)),
        ("consent('marketing', 'sms')", BoundLater("consent", None)),
        (
            "sequence(visit then order within 1 day)",
            BoundSequence(
                BoundEvents(("visit",)),
                (BoundLink(BoundEvents(("order",)), DAY_US),),
                None,
                None,
            ),
        ),
        (
            "first_value(order.gift) = true",
            BoundBool(of_order("first_value", "bool", Attribute("gift", "bool")), True, None),
        ),
        (
            "last_value(order.sku) = city",
            BoundCategoryPair(
                of_order("last_value", "category", Attribute("sku", "category")), CITY, False, None
            ),
        ),
        (
            "last_value(order.note) contains 'x'",
            BoundText(
                of_order("last_value", "text", Attribute("note", "text")),
                "contains",
                "x",
                False,
                None,
            ),
        ),
        ("count(order) is present", BoundConstant(True, None)),
        ("avg(order.amount) is missing", BoundNot(BoundPresence(AVERAGE, None), None)),
    ],
)
def test_logic_strings_and_booleans(text: str, expected: BoundExpr) -> None:
    assert bound_of(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("age > 3", (form((1, "age"), constant=-3), ">")),
        ("3 > age", (form((-1, "age"), constant=3), ">")),
        ("rev = 0.10", (form((1, "rev"), constant=F(-1, 10)), "=")),
        ("age = 3.5", (form((1, "age"), constant=F(-7, 2)), "=")),
        ("1 < 2", (form(constant=-1), "<")),
        # One term for a source, at the place where it first stood, even when it cancels out.
        (
            "2 * age + size - age >= 0.5 * rev",
            (form((1, "age"), (1, "size"), (F(-1, 2), "rev")), ">="),
        ),
        ("age - age = 0", (form((0, "age")), "=")),
        ("0 * age = 0", (form((0, "age")), "=")),
        ("age != size", (form((1, "age"), (-1, "size")), "!=")),
        (
            "count(order in last 30 days) < 0.5 * score('lead')",
            (
                form(
                    (1, AggregateSource(of_order("count", "int", window=LAST_MONTH))),
                    (F(-1, 2), ScoreSource("lead", BoundScore("lead", ()))),
                ),
                "<",
            ),
        ),
        ("bucket('s') < 10", (form((1, BucketSource("s")), constant=-10), "<")),
        ("joined < now - 7 days", (form((1, "joined"), constant=7 * DAY_US, now=-1), "<")),
        ("now - joined > 30 days", (form((-1, "joined"), constant=-30 * DAY_US, now=1), ">")),
        (
            "2 * 30 days < seen - joined",
            (form((-1, "seen"), (1, "joined"), constant=60 * DAY_US), "<"),
        ),
        ("1 day + joined <= seen", (form((1, "joined"), (-1, "seen"), constant=DAY_US), "<=")),
        # Midnight in Shanghai is 16:00 in Greenwich, the day before.
        (
            "joined >= date '1970-01-02'",
            (form((1, "joined"), constant=-16 * 3_600_000_000), ">="),
        ),
        (
            "joined = time '1970-01-01T08:00:01'",
            (form((1, "joined"), constant=-1_000_000), "="),
        ),
        (
            "joined = time '1970-01-01T00:00:00.000001-00:01'",
            (form((1, "joined"), constant=-60_000_001), "="),
        ),
        ("born = date '1970-01-02'", (form((1, "born"), constant=-1), "=")),
        ("born < due", (form((1, "born"), (-1, "due")), "<")),
        ("born < now", (form((1, DateStartSource(ATTRIBUTES["born"])), now=-1), "<")),
        (
            "due + 1 day > born",
            (
                form(
                    (1, DateStartSource(ATTRIBUTES["due"])),
                    (-1, DateStartSource(ATTRIBUTES["born"])),
                    constant=DAY_US,
                ),
                ">",
            ),
        ),
        (
            "due - born > 2 days",
            (form((DAY_US, "due"), (-DAY_US, "born"), constant=-2 * DAY_US), ">"),
        ),
        (
            "max(order.day) > now",
            (
                form((1, AggregateSource(LATEST_DAY, day_start=True)), now=-1),
                ">",
            ),
        ),
    ],
)
def test_exact_comparisons(text: str, expected: tuple[Linear, str]) -> None:
    assert bound_of(text) == BoundCompare(expected[0], expected[1], None)  # type: ignore[arg-type]


def test_exact_forms_are_exact_where_doubles_are_not() -> None:
    bound = bound_of("rev + 9007199254740993 > 0.1 * cost")
    assert bound == BoundCompare(
        form((1, "rev"), (F(-1, 10), "cost"), constant=2**53 + 1), ">", None
    )


WEIGHT, HEIGHT = attribute("weight"), attribute("height")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "weight > 0.1",
            BoundFloatCompare(
                FloatValue((FloatTerm(1, None, WEIGHT),)),
                ">",
                FloatValue(exact=form(constant=F(1, 10))),
                None,
            ),
        ),
        (
            "age + 1 = 0.1 * weight - 2 * 3 + height - age",
            BoundFloatCompare(
                FloatValue(exact=form((1, "age"), constant=1)),
                "=",
                FloatValue(
                    (
                        FloatTerm(1, 0.1, WEIGHT),
                        FloatTerm(-1, 2.0, 3.0),
                        FloatTerm(1, None, HEIGHT),
                        FloatTerm(-1, None, attribute("age")),
                    )
                ),
                None,
            ),
        ),
        (
            "weight not in (0.1, 3)",
            BoundFloatIn(
                FloatValue((FloatTerm(1, None, WEIGHT),)), frozenset({0.1, 3.0}), True, None
            ),
        ),
        (
            "age in (1, 2.5, -3)",
            BoundIn(form((1, "age")), frozenset({F(1), F(5, 2), F(-3)}), False, None),
        ),
        (
            "born not in (date '1970-01-03')",
            BoundIn(form((1, "born")), frozenset({F(2)}), True, None),
        ),
        (
            "seen in (time '1970-01-01T00:00:00Z')",
            BoundIn(form((1, "seen")), frozenset({F(0)}), False, None),
        ),
        (
            "age between 1 and size",
            BoundAnd(
                (
                    BoundCompare(form((1, "age"), constant=-1), ">=", None),
                    BoundCompare(form((1, "age"), (-1, "size")), "<=", None),
                ),
                None,
            ),
        ),
        (
            "age not between 1 and 5",
            BoundOr(
                (
                    BoundCompare(form((1, "age"), constant=-1), "<", None),
                    BoundCompare(form((1, "age"), constant=-5), ">", None),
                ),
                None,
            ),
        ),
        (
            # `age < 1` alone would hold where size is missing.
            "age not between 1 and size",
            BoundAnd(
                (
                    PRESENT["age"],
                    PRESENT["size"],
                    BoundOr(
                        (
                            BoundCompare(form((1, "age"), constant=-1), "<", None),
                            BoundCompare(form((1, "age"), (-1, "size")), ">", None),
                        ),
                        None,
                    ),
                ),
                None,
            ),
        ),
    ],
)
def test_floats_lists_and_ranges(text: str, expected: BoundExpr) -> None:
    assert bound_of(text) == expected


def test_only_the_outermost_node_carries_its_tree_node() -> None:
    text = "age not between 1 and size or tag has all ('x', 'y') or city is missing"
    expr = parse(text)
    bound = bind(expr, model(), text=text)
    assert isinstance(bound, BoundOr) and isinstance(expr, tree.Or)
    assert bound.node is expr
    for item, node in zip(bound.items, expr.items, strict=True):
        assert item.node is node
        inner = item.items if isinstance(item, BoundAnd) else (item.item,)  # type: ignore[union-attr]
        assert {part.node for part in inner} == {None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("city", CITY),
        ("tag", TAG),
        ("vip", VIP),
        ("age", form((1, "age"))),
        ("2 * age - 3", form((2, "age"), constant=-3)),
        ("born", form((1, "born"))),
        ("weight", FloatValue((FloatTerm(1, None, WEIGHT),))),
        ("band('lead')", BoundLater("band", None)),
    ],
)
def test_values(text: str, expected: Linear | FloatValue | Attribute | BoundLater) -> None:
    assert bind_value(parse_value(text), model(), text=text) == expected


def test_segments_of_the_model_stand_in_place() -> None:
    adults = BoundSegment("adults", BoundCompare(form((1, "age"), constant=-18), ">=", None), None)
    assert bound_of("segment('local')") == BoundSegment(
        "local", BoundAnd((adults, BoundCategory(CITY, exactly("x"), False, None)), None), None
    )


def test_given_segments_come_before_those_of_the_model() -> None:
    bound = bind(parse("segment('adults')"), model(), segments={"adults": parse("vip")})
    assert without_nodes(bound) == BoundSegment("adults", BoundBool(VIP, True, None), None)
