"""Hypothesis strategies that make every tree the language can write.

Trees are well formed as text would make them: flat chains, normalised numbers, at most one
`where` around anything. They mean nothing to a model: names are anything that can be quoted.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, get_args

from hypothesis import strategies as st

from engine.limits import LONGEST_DURATION_DAYS, NUMBER_DIGITS
from engine.rules import tree

__all__ = ["expressions", "literals", "names", "steps_with_windows", "texts", "values", "windows"]

# Names that are keywords somewhere, need quotes, or look like other tokens.
_TRICKY_NAMES = (
    *("count", "date", "time", "score", "first", "last", "days", "sum", "list", "segment"),
    *("this", "week", "calendar", "ago", "since", "missing", "all", "with", "today", "to"),
    *("and", "Or", "NOT", "in", "any", "now", "true", "no", "within", "行业", "größe", "_x"),
    *("any-other", "a b", 'say "hi"', "it's", "1st", "x²", "a.b", "--", "\n", "）", "in last"),
)
_UNIT_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}
_CALENDAR_MOST = {
    "day": LONGEST_DURATION_DAYS,
    "week": LONGEST_DURATION_DAYS // 7,
    "month": 12_000,
    "quarter": 4_000,
    "year": 1_000,
}
# 0001-01-01 and 9999-12-31 in days from 1970-01-01.
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
_STEP_FUNCTIONS = ("count", "days", "first", "last")
_PROPERTY_FUNCTIONS = ("sum", "avg", "min", "max", "distinct", "first_value", "last_value")

_Tree = st.SearchStrategy[Any]
_PARTS: dict[str, _Tree] = {}


@st.composite
def _part(draw: st.DrawFn, name: str) -> Any:
    return draw(_PARTS[name])


def _named(name: str, strategy: _Tree) -> _Tree:
    """The same strategy under a name, so that the texts of those made of it stay short."""
    _PARTS[name] = strategy
    return _part(name)


names: st.SearchStrategy[str] = st.sampled_from(_TRICKY_NAMES) | st.text(min_size=1, max_size=6)
texts: st.SearchStrategy[str] = st.sampled_from(["", "'", "''", "a'b", "\\", "制造业"]) | st.text(
    max_size=6
)


# --------------------------------------------------------------------------- literals


def _normalised(digits: int, scale: int, sign: int) -> Decimal:
    """The decimal digits x 10**-scale as the tree wants it."""
    while scale and digits % 10 == 0:
        digits, scale = digits // 10, scale - 1
    if not digits:
        return Decimal(0)
    return Decimal((sign, tuple(map(int, str(digits))), -scale))


_digits = st.integers(0, 120) | st.integers(0, 10**NUMBER_DIGITS - 1)
_scales = st.integers(0, NUMBER_DIGITS)
_unsigned = st.builds(tree.Number, st.builds(_normalised, _digits, _scales, st.just(0)))
_numbers = st.builds(tree.Number, st.builds(_normalised, _digits, _scales, st.integers(0, 1)))
_booleans = st.builds(tree.Bool, st.booleans())
_dates = st.builds(tree.Date, st.integers(_FIRST_DAY, _LAST_DAY))
_times = st.builds(
    tree.Time,
    st.integers(_FIRST_DAY * 86_400_000_000, (_LAST_DAY + 1) * 86_400_000_000 - 1)
    | st.integers(0, 1_000_000).map(lambda s: s * 1_000_000),
    st.none() | st.sampled_from([0, 28_800, -3_600]) | st.integers(-86_399, 86_399),
)
literals: _Tree = _named(
    "literals", st.builds(tree.Text, texts) | _numbers | _booleans | _dates | _times
)
_unsigned_literals = _named(
    "unsigned literals", st.builds(tree.Text, texts) | _unsigned | _booleans | _dates | _times
)


def _durations_of(unit: tree.Unit) -> _Tree:
    most = LONGEST_DURATION_DAYS * 86_400 // _UNIT_SECONDS[unit]
    amounts = st.integers(1, 3) | st.integers(1, most) | st.just(most)
    return st.builds(tree.Duration, amounts, st.just(unit))


_durations = _named("durations", st.sampled_from(get_args(tree.Unit)).flatmap(_durations_of))


# ------------------------------------------------------------------ events and windows

_selectors = st.builds(tree.AnyEvent) | st.builds(
    tree.Selector, st.lists(names, min_size=1, max_size=3).map(tuple)
)
_properties = st.builds(
    tree.Property,
    st.builds(tree.AnyEvent) | st.builds(tree.Selector, st.tuples(names)),
    names,
)
_instants = st.builds(tree.Instant, _dates | _times | st.builds(tree.Now)) | st.builds(
    tree.Instant, st.builds(tree.Now), st.sampled_from([-1, 1]), _durations
)


def _calendar_windows(unit: tree.CalendarUnit) -> _Tree:
    kinds = st.sampled_from(["in_last_calendar", "calendar_ago"])
    counts = st.integers(1, 3) | st.just(_CALENDAR_MOST[unit])
    return st.builds(tree.Window, kinds, count=counts, unit=st.just(unit))


_calendar_units = st.sampled_from(get_args(tree.CalendarUnit))
windows: _Tree = _named(
    "windows",
    st.one_of(
        st.builds(tree.Window, st.just("in_last"), length=_durations),
        st.builds(tree.Window, st.just("between_ago"), start=_durations, end=_durations),
        st.builds(tree.Window, st.just("since"), from_=_instants),
        st.builds(tree.Window, st.just("before"), to=_instants),
        st.builds(tree.Window, st.just("from_to"), from_=_instants, to=_instants),
        _calendar_units.flatmap(_calendar_windows),
        st.builds(tree.Window, st.sampled_from(["today", "yesterday"])),
        st.builds(tree.Window, st.just("this"), unit=_calendar_units),
    ),
)


def _steps(where: _Tree) -> _Tree:
    return st.builds(tree.Step, _selectors, where)


def _aggregates(where: _Tree) -> _Tree:
    maybe_window = st.none() | windows
    return st.builds(
        tree.Aggregate, st.sampled_from(_STEP_FUNCTIONS), step=_steps(where), window=maybe_window
    ) | st.builds(
        tree.Aggregate,
        st.sampled_from(_PROPERTY_FUNCTIONS),
        property=_properties,
        where=where,
        window=maybe_window,
    )


# ----------------------------------------------------------------------------- values


def _values(where: _Tree) -> _Tree:
    plain = st.one_of(
        st.builds(tree.Name, names),
        _durations,
        st.builds(tree.Now),
        st.builds(tree.Call, st.sampled_from(["score", "band", "tier", "bucket"]), texts),
        _aggregates(where),
    )
    later_atoms = plain | _unsigned_literals
    first = st.one_of(
        st.builds(tree.Term, st.just(1), st.none(), plain | literals),
        st.builds(tree.Term, st.just(1), _numbers, later_atoms),
    )
    later = st.builds(tree.Term, st.sampled_from([-1, 1]), st.none() | _unsigned, later_atoms)
    terms = st.tuples(first, st.lists(later, max_size=2)).map(lambda t: (t[0], *t[1]))
    sums = terms.filter(lambda t: len(t) > 1 or t[0].factor is not None)
    return plain | literals | st.builds(tree.Sum, sums)


# -------------------------------------------------------------------------- conditions


def _predicates(where: _Tree, values_name: str) -> _Tree:
    values = _named(values_name, _values(where))
    negated = st.booleans()
    several = st.lists(literals, min_size=1, max_size=4).map(tuple)
    link = st.builds(tree.Link, _steps(where), _durations, st.booleans())
    return st.one_of(
        st.builds(tree.Truth, st.builds(tree.Name, names) | _booleans),
        st.builds(tree.Compare, values, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), values),
        st.builds(tree.Between, values, values, values, negated),
        st.builds(tree.In, values, several, negated),
        st.builds(tree.HasAll, values, several),
        st.builds(tree.Presence, values, st.booleans()),
        st.builds(
            tree.Match,
            values,
            st.sampled_from(["contains", "starts with", "ends with"]),
            texts,
            negated,
        ),
        st.builds(tree.Segment, texts),
        st.builds(tree.ListOf, texts),
        st.builds(tree.Consent, texts, st.none() | texts),
        st.builds(
            tree.Sequence,
            _steps(where),
            st.lists(link, min_size=1, max_size=2).map(tuple),
            st.none() | windows,
        ),
    )


def _chain(kind: type[tree.And] | type[tree.Or], items: list[Any]) -> tree.Expr:
    flat: list[tree.Expr] = []
    for item in items:
        flat.extend(item.items if isinstance(item, kind) else [item])
    return kind(tuple(flat))


def _logic(predicates: _Tree) -> _Tree:
    kinds = st.sampled_from([tree.And, tree.Or])
    return st.recursive(
        predicates,
        lambda inner: (
            st.builds(_chain, kinds, st.lists(inner, min_size=2, max_size=3))
            | st.builds(tree.Not, inner)
        ),
        max_leaves=6,
    )


_inner = _named("inner", _logic(_predicates(st.none(), "inner values")))
_where = st.none() | _inner

values: _Tree = _named("values", _values(_where))
steps_with_windows: _Tree = st.tuples(_steps(_where), st.none() | windows)
_expressions = _named("expressions", _logic(_predicates(_where, "outer values")))


def expressions() -> st.SearchStrategy[tree.Expr]:
    """Any expression: every kind of node, window and literal."""
    return _expressions
