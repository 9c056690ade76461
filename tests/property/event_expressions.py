"""Random conditions on events of the tests' model, and random events for them.

Times lie on the borders of windows and a microsecond beside them; several events share an instant.
Not every expression binds: a window may be empty, a sequence impossible.
"""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal

from hypothesis import strategies as st

from engine.rules import tree
from engine.rules.reference_events import EventTypes, ReferenceEvent
from tests.property.expressions import DAYS, DECIMALS, FLOATS, INSTANTS, INTS, WORDS
from tests.unit.bind_model import model

__all__ = [
    "EVENT_TYPES",
    "aggregates",
    "dense_events",
    "event_among",
    "event_expressions",
    "events_at",
    "short_sequence",
    "steps",
    "windows",
]

EVENT_TYPES = EventTypes(
    {
        name: {key: prop.type for key, prop in event.properties.items()}
        for name, event in model().events.items()
    },
    model().event_groups,
)
maybe = st.sampled_from
_KINDS = ["order", "visit", "download"]

# ------------------------------------------------------------------------------- events

VALUES = {
    "amount": maybe(DECIMALS[:-1]).map(Decimal),
    "sku": maybe(WORDS),
    "channel": maybe(WORDS),
    "day": maybe(DAYS),
    "load": maybe(FLOATS),
    "gift": st.booleans(),
    "pieces": maybe(INTS),
    "note": maybe(WORDS),
    "paid": maybe(INSTANTS),
    "page": maybe(WORDS),
    "asset": maybe(WORDS),
}
# Of each type with the digits that it declares; some are equal across types, and the largest are
# beyond 64 bits in the unit of the finest.
FEES = {
    "order": ("1", "0.5", "-3.25", "10", "0", "9999999999999999.99", "-9999999999999999"),
    "visit": ("1", "-3", "10", "0", "999999999999999999", "-9999999999999999"),
    "download": ("1", "0.5", "-3.25", "0.0001", "10", "99999999999999.9999"),
}
# How long before the instant asked, in microseconds: on borders and beside them.
_AGES_US = [
    sum(timedelta(**age) // timedelta(microseconds=1) for age in [{unit: many}]) + beside
    for unit, many in (
        ("seconds", 0), ("seconds", 1), ("hours", 1), ("hours", 3), ("days", 1), ("days", 2),
        ("days", 3), ("weeks", 1), ("days", 31), ("days", 366),
    )
    for beside in (-1, 0, 1)
]  # fmt: skip


@st.composite
def event_among(draw: st.DrawFn, times_us: list[int]) -> ReferenceEvent:
    """An event at one of these instants."""
    kind = draw(maybe(["order", "order", "visit", "visit", "download", "register"]))
    names = [name for name in EVENT_TYPES.properties[kind] if draw(st.booleans())]
    values = {name: draw(VALUES[name]) for name in names if name in VALUES}
    if kind == "visit":
        # Declared as an int there.
        values.pop("amount", None)
    if kind in FEES and draw(st.booleans()):
        values["fee"] = Decimal(draw(maybe(FEES[kind])))
    return ReferenceEvent(kind, draw(maybe(times_us)), values)


def events_at(now_us: int) -> st.SearchStrategy[list[ReferenceEvent]]:
    """The events of a profile, in any order; many at one instant."""
    times = st.lists(maybe(_AGES_US).map(lambda age_us: now_us - age_us), min_size=1, max_size=3)
    return times.flatmap(lambda times_us: st.lists(event_among(times_us), max_size=8))


# ----------------------------------------------------------------------------- windows

durations = st.builds(
    tree.Duration, maybe([1, 2, 3]), maybe(["second", "minute", "hour", "day", "week"])
)
units = maybe(["day", "week", "month", "quarter", "year"])
dates = maybe(DAYS[1:-1]).map(lambda day: tree.Date((day - DAYS[1]).days))
borders = st.one_of(
    dates.map(tree.Instant),
    st.just(tree.Instant(tree.Now())),
    st.builds(lambda sign, shift: tree.Instant(tree.Now(), sign, shift), maybe([1, -1]), durations),
)
windows = st.one_of(
    st.none(),
    durations.map(lambda length: tree.Window("in_last", length=length)),
    st.builds(lambda a, b: tree.Window("between_ago", start=a, end=b), durations, durations),
    borders.map(lambda border: tree.Window("since", from_=border)),
    borders.map(lambda border: tree.Window("before", to=border)),
    st.builds(lambda a, b: tree.Window("from_to", from_=a, to=b), borders, borders),
    st.builds(
        lambda kind, count, unit: tree.Window(kind, count=count, unit=unit),
        maybe(["in_last_calendar", "calendar_ago"]),
        maybe([1, 2, 3]),
        units,
    ),
    units.map(lambda unit: tree.Window("this", unit=unit)),
    maybe(["today", "yesterday"]).map(tree.Window),
)

# ------------------------------------------------------------------------------ values

selectors = st.one_of(
    maybe([("order",), ("visit",), ("content",), ("order", "visit"), ("register", "content")]).map(
        tree.Selector
    ),
    st.just(tree.AnyEvent()),
)
orders = st.just(tree.Selector(("order",)))


def _number(value: Decimal | int | float) -> tree.Number:
    return tree.Number(Decimal(str(value)))


compares = maybe(["=", "!=", "<", "<=", ">", ">="])
_about_pages: list[tree.Expr] = [
    tree.Compare(tree.Name("page"), "=", tree.Text("a")),
    tree.Match(tree.Name("page"), "starts with", "a"),
    tree.Presence(tree.Name("page"), False),
]
_about_orders: list[tree.Expr] = [
    tree.Compare(tree.Name("amount"), ">=", tree.Number(Decimal("0.3"))),
    tree.In(tree.Name("sku"), (tree.Text("a"), tree.Text("b")), True),
    tree.Truth(tree.Name("gift")),
    tree.Not(tree.Truth(tree.Name("gift"))),
    tree.Compare(tree.Name("pieces"), "<", tree.Number(Decimal(3))),
    tree.Compare(tree.Name("paid"), "<", tree.Now()),
    tree.Compare(tree.Name("sku"), "=", tree.Name("channel")),
]
page_wheres = st.none() | maybe(_about_pages)
order_wheres = st.none() | maybe([*_about_orders, tree.And((_about_orders[0], _about_orders[1]))])


def _where(selector: tree.Selector | tree.AnyEvent) -> st.SearchStrategy[tree.Expr | None]:
    if selector == tree.Selector(("order",)):
        return order_wheres
    if selector == tree.Selector(("register", "content")) or selector == tree.AnyEvent():
        return page_wheres
    return page_wheres if "visit" in getattr(selector, "names", ()) else st.none()


@st.composite
def steps(draw: st.DrawFn) -> tree.Step:
    """Events with a condition on properties that they have."""
    selector = draw(selectors)
    return tree.Step(selector, draw(_where(selector)))


@st.composite
def of_steps(draw: st.DrawFn, *functions: str) -> tree.Aggregate:
    """An aggregate over whole events."""
    return tree.Aggregate(draw(maybe(functions)), step=draw(steps()), window=draw(windows))


@st.composite
def of_orders(draw: st.DrawFn, functions: list[str], properties: list[str]) -> tree.Aggregate:
    """An aggregate over a property of orders."""
    found = tree.Property(draw(orders), draw(maybe(properties)))
    where, window = draw(order_wheres), draw(windows)
    return tree.Aggregate(draw(maybe(functions)), property=found, where=where, window=window)


@st.composite
def of_fees(draw: st.DrawFn, functions: list[str]) -> tree.Aggregate:
    """An aggregate over a decimal that types declare with different numbers of digits."""
    groups = [tree.Selector(("content",)), tree.Selector(("download",))]
    selector = draw(maybe([tree.AnyEvent(), tree.AnyEvent(), *groups]))
    where = draw(_where(selector))
    found, window = tree.Property(selector, "fee"), draw(windows)
    return tree.Aggregate(draw(maybe(functions)), property=found, where=where, window=window)


EITHER_END = ["first_value", "last_value"]
ENDS = [*EITHER_END, "min", "max"]
VALUED = ["amount", "sku", "day", "load", "gift", "pieces", "note", "paid"]
numbers = st.one_of(
    of_steps("count", "days"),
    of_orders(["sum", "avg", *ENDS], ["amount", "pieces"]),
    of_orders(["distinct"], VALUED),
    of_fees(["sum", "avg", "distinct", *ENDS]),
    of_orders(ENDS, ["load"]),
    maybe([*INTS, *map(Decimal, DECIMALS), 0.3]).map(_number),
    maybe(["age", "rev", "weight"]).map(tree.Name),
)
aggregates = st.one_of(
    of_steps("count", "days", "first", "last"),
    of_orders(["sum", "avg", *ENDS], ["amount", "pieces"]),
    of_orders(["distinct", *EITHER_END], VALUED),
    of_fees(["sum", "avg", "distinct", *ENDS]),
    of_orders(ENDS, ["load", "day", "paid"]),
)
moments = st.one_of(
    of_steps("first", "last"), of_orders(ENDS, ["paid", "day"]), st.just(tree.Now())
)
factors = maybe([0, 2, 0.5]).map(_number)


def _sum(left: tree.Atom, sign: int, factor: tree.Number | None, right: tree.Atom) -> tree.Sum:
    return tree.Sum((tree.Term(1, None, left), tree.Term(sign, factor, right)))


sums = st.builds(_sum, numbers, maybe([1, -1]), st.none() | factors, numbers)

links = st.lists(
    st.builds(tree.Link, steps(), durations, st.booleans()), min_size=1, max_size=3
).map(tuple)
predicates = st.one_of(
    st.builds(tree.Compare, numbers, compares, numbers | sums),
    st.builds(tree.Between, numbers, numbers, numbers, st.booleans()),
    st.builds(tree.Compare, moments, maybe(["<", ">="]), moments),
    st.builds(
        tree.Match,
        of_orders(EITHER_END, ["sku", "note"]),
        maybe(["contains", "ends with"]),
        maybe(WORDS),
        st.booleans(),
    ),
    st.builds(
        tree.Compare,
        of_orders(EITHER_END, ["sku", "channel"]),
        maybe(["=", "!="]),
        maybe(WORDS).map(tree.Text) | st.just(tree.Name("city")),
    ),
    st.builds(
        tree.Compare, of_orders(EITHER_END, ["gift"]), maybe(["=", "!="]), st.just(tree.Bool(True))
    ),
    st.builds(tree.Presence, numbers | moments | of_orders(EITHER_END, VALUED), st.booleans()),
    st.builds(tree.Sequence, steps(), links, windows),
)


# ---------------------------------------------------------------------------- sequences


def short_sequence(chance: random.Random) -> tree.Sequence:
    """A sequence of seconds."""

    def step() -> tree.Step:
        return tree.Step(tree.Selector(tuple(chance.sample(_KINDS, chance.choice([1, 1, 2])))))

    def seconds() -> tree.Duration:
        return tree.Duration(chance.choice([1, 1, 2, 3]), "second")

    links = tuple(
        tree.Link(step(), seconds(), chance.random() < 0.5) for _ in range(chance.choice([1, 2, 3]))
    )
    window = tree.Window("in_last", length=tree.Duration(chance.choice([3, 4, 5]), "second"))
    return tree.Sequence(step(), links, window if chance.random() < 0.3 else None)


def dense_events(chance: random.Random) -> list[ReferenceEvent]:
    """Events every half second, so that nearly every border is met."""
    return [
        ReferenceEvent(chance.choice(_KINDS), chance.randrange(13) * 500_000)
        for _ in range(chance.randrange(8))
    ]


@st.composite
def event_expressions(draw: st.DrawFn) -> tree.Expr:
    """One condition on events; named, because the full description fills pages."""
    return draw(predicates)
