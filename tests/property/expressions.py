"""Random expressions over the attributes of the tests' model, and random profiles for them.

Every expression binds. Values of both lean on the same few borders, so that comparisons
often meet equal sides, and instants lie near midnight and near changes of clocks.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from engine.rules import tree

__all__ = ["NOWS_US", "PROFILES", "SEGMENT_NAMES", "ZONES", "expressions"]

# Clocks of the last three have changed at midnight, over a whole day, and at two o'clock.
ZONES = ("Asia/Shanghai", "America/Sao_Paulo", "Pacific/Apia", "Europe/London")
SEGMENT_NAMES = ("one", "two")

WORDS = ("", "a", "ab", "b", "ba", "制造业", "造")
INTS = (-(2**63), -1, 0, 1, 2, 3, 2**53, 2**53 + 1, 2**63 - 1)
DECIMALS = ("0", "0.01", "0.1", "0.3", "1", "2.5", "-2.5", "9007199254740993", "99999999.999")
FLOATS = (0.0, 0.1, 0.3, 0.1 + 0.2, 1.0, -2.5, 2.0**53, 1e308, -1e308, 5e-324)
DAYS = (
    date(1, 1, 1),
    date(1970, 1, 1),
    date(2011, 12, 29),
    date(2011, 12, 30),
    date(2011, 12, 31),
    date(2018, 11, 3),
    date(2018, 11, 4),
    date(2026, 3, 29),
    date(9999, 12, 31),
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Midnights of Greenwich, Shanghai and São Paulo, and instants a hair beside them.
INSTANTS = tuple(
    datetime(day.year, day.month, day.day, hour, tzinfo=UTC) + timedelta(microseconds=beside)
    for day in DAYS[1:-1]
    for hour in (0, 3, 10, 16)
    for beside in (-1, 0, 1)
)
NOWS_US = tuple((instant - EPOCH) // timedelta(microseconds=1) for instant in INSTANTS)

maybe = st.sampled_from


def _optional(*values: object) -> st.SearchStrategy[object]:
    return st.none() | maybe(values)


SETS = st.frozensets(maybe(WORDS), max_size=3)
PROFILES = st.fixed_dictionaries(
    {
        "city": _optional(*WORDS),
        "region": _optional(*WORDS),
        "age": _optional(*INTS),
        "size": _optional(*INTS),
        "rev": st.none() | maybe(DECIMALS[:-1]).map(Decimal),
        "cost": st.none() | maybe(DECIMALS).map(Decimal),
        "weight": _optional(*FLOATS),
        "height": _optional(*FLOATS),
        "joined": _optional(*INSTANTS),
        "seen": _optional(*INSTANTS),
        "born": _optional(*DAYS),
        "due": _optional(*DAYS),
        "vip": _optional(True, False),
        "listed": _optional(True, False),
        "remark": _optional(*WORDS),
        "interests": SETS,
        "tag": SETS,
    }
)

# ------------------------------------------------------------------------------ literals


def _number(value: Decimal | int | float) -> tree.Number:
    return tree.Number(Decimal(str(value)))


def _local_us(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1)


numbers = maybe([*INTS, *map(Decimal, DECIMALS), 0.3, -0.1]).map(_number)
texts = maybe(WORDS).map(tree.Text)
bools = st.booleans().map(tree.Bool)
dates = maybe(DAYS).map(lambda day: tree.Date(day.toordinal() - date(1970, 1, 1).toordinal()))
times = st.builds(
    tree.Time, maybe(INSTANTS).map(_local_us), maybe([None, 0, 28_800, -10_800, 46_800])
)
durations = st.builds(
    tree.Duration, maybe([1, 2, 3, 24]), maybe(["second", "minute", "hour", "day", "week"])
)

# -------------------------------------------------------------------------------- values


def _names(*names: str) -> st.SearchStrategy[tree.Name]:
    return maybe(names).map(tree.Name)


def _sum(*terms: tuple[int, tree.Number | None, tree.Atom]) -> tree.Sum:
    return tree.Sum(tuple(tree.Term(*term) for term in terms))


factors = st.none() | maybe([0, 1, 2, -1, 0.5, Decimal("0.1")]).map(_number)
# Only the first factor may have its own sign.
later_factors = st.none() | maybe([0, 1, 2, 0.5, Decimal("0.1")]).map(_number)
signs = maybe([1, -1])

exact_atoms = (
    _names("age", "size", "rev", "cost")
    | numbers
    | maybe(["s", "t"]).map(lambda salt: tree.Call("bucket", salt))
)
float_atoms = exact_atoms | _names("weight", "height")


def _sums(atoms: st.SearchStrategy[tree.Atom]) -> st.SearchStrategy[tree.Sum]:
    first = st.tuples(st.just(1), factors, atoms)
    rest = st.lists(st.tuples(signs, later_factors, atoms), min_size=1, max_size=3)
    return st.builds(lambda head, tail: _sum(head, *tail), first, rest)


exact = exact_atoms | _sums(exact_atoms)
number_values = exact | float_atoms | _sums(float_atoms)

days = _names("born", "due") | dates
moments = _names("joined", "seen") | times | st.just(tree.Now())
shifted = st.builds(
    lambda point, sign, factor, length: _sum((1, None, point), (sign, factor, length)),
    moments | days,
    signs,
    later_factors,
    durations,
)
shifted_first = st.builds(
    lambda length, point: _sum((1, None, length), (1, None, point)), durations, moments | days
)
instants = moments | shifted | shifted_first
points = moments | days
lengths = (
    durations
    | st.builds(lambda left, right: _sum((1, None, left), (-1, None, right)), points, points)
    | st.builds(
        lambda left, right, sign, length: _sum(
            (1, None, left), (-1, None, right), (sign, None, length)
        ),
        points,
        points,
        signs,
        durations,
    )
)

# ---------------------------------------------------------------------------- predicates

equalities = maybe(["=", "!="])
orders = maybe(["<", "<=", ">", ">="])
operators = equalities | orders
hows = maybe(["contains", "starts with", "ends with"])
needles = maybe(WORDS)


def _ordered(values: st.SearchStrategy[tree.Value]) -> st.SearchStrategy[tree.Expr]:
    return st.builds(tree.Compare, values, operators, values) | st.builds(
        tree.Between, values, values, values, st.booleans()
    )


def _listed(
    values: st.SearchStrategy[tree.Value], literals: st.SearchStrategy[tree.Literal]
) -> st.SearchStrategy[tree.Expr]:
    some = st.lists(literals, min_size=1, max_size=3).map(tuple)
    return st.builds(tree.In, values, some, st.booleans())


categories = _names("city", "region")
sets = _names("tag", "interests")
flags = _names("vip", "listed") | bools
some_texts = st.lists(texts, min_size=1, max_size=3).map(tuple)
anything = st.one_of(
    number_values, instants, days, lengths, categories, sets, flags, texts, _names("remark")
)

predicates = st.one_of(
    _ordered(number_values),
    _listed(number_values, numbers),
    _ordered(instants),
    _ordered(days),
    _ordered(lengths),
    _listed(moments, times),
    _listed(days, dates),
    st.builds(tree.Compare, instants, orders, days),
    st.builds(tree.Compare, days, orders, instants),
    st.builds(tree.Compare, categories | texts, equalities, categories | texts),
    _listed(categories | texts, texts),
    st.builds(tree.Compare, sets, st.just("="), texts),
    st.builds(tree.Compare, texts, st.just("="), sets),
    st.builds(tree.In, sets, some_texts),
    st.builds(tree.HasAll, sets, some_texts),
    st.builds(tree.Match, sets, hows, needles),
    st.builds(tree.Match, categories | _names("remark") | texts, hows, needles, st.booleans()),
    st.builds(tree.Compare, flags, equalities, flags),
    _listed(flags, bools),
    flags.map(tree.Truth),
    st.builds(tree.Presence, anything, st.booleans()),
    maybe(["here", "there"]).map(tree.ListOf),
)


@st.composite
def predicate(draw: st.DrawFn) -> tree.Expr:
    """One of the predicates; named, because the full description fills pages."""
    return draw(predicates)


def expressions(*, segments: bool = True) -> st.SearchStrategy[tree.Expr]:
    """Expressions of a few levels; with `segments`, over the names of SEGMENT_NAMES too."""
    leaves = predicate()
    if segments:
        leaves |= maybe(SEGMENT_NAMES).map(tree.Segment)
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            inner.map(tree.Not),
            st.lists(inner, min_size=2, max_size=3).map(lambda items: tree.And(tuple(items))),
            st.lists(inner, min_size=2, max_size=3).map(lambda items: tree.Or(tuple(items))),
        ),
        max_leaves=6,
    )
