"""Questions by their form: the answer, or the fault, is that of the long way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.audience import CountResult
from engine.database import Database
from engine.errors import ExpressionInvalid
from tests.worlds import World

WORLD = World(seed=3, rows=66_000)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with WORLD.fill(tmp_path_factory.mktemp("world") / "store") as database:
        yield database


Answer = tuple[object, ...]


def said(result: CountResult) -> Answer:
    return (
        result.expression,
        result.count,
        result.data_version,
        result.waiting,
        result.read_as_of_today,
        result.notes,
        result.nodes,
        result.groups,
    )


def long_way(database: Database, text: str, group_by: str | None = None) -> Answer:
    """What parser, binder and planner make of a text."""
    try:
        with database._store.snapshot() as snapshot:
            audience = database._audience(snapshot, None, None)
            audience.add(text)
            if group_by is not None:
                return said(audience.count_by(group_by))
            return said(audience.counts()[0])
    except ExpressionInvalid as error:
        return error.issues


def asked(database: Database, text: str, group_by: str | None = None) -> Answer:
    try:
        return said(database.count(text, group_by=group_by))
    except ExpressionInvalid as error:
        return error.issues


STRINGS = st.sampled_from(
    ["c0", "c1", "c2", "c3", "c17", "k5", "k699", "s4097", "half", "rare", "run", "everyone",
     "dense", "nobody_else", "nobody", "", "It's", "--", "ä"]
).map(lambda text: "'" + text.replace("'", "''") + "'")  # fmt: skip
NUMBERS = st.one_of(
    st.sampled_from(
        [
            "0",
            "1",
            "7",
            "8",
            "007",
            "1.",
            "1e3",
            "1_0",
            ".5",
            "9" * 17,
            "9" * 18,
            "9" * 19,
            "9223372036854775807",
            "4611686018427387904.0",
            "0.5",
            "0.000001",
        ]
    ),
    st.integers(0, 40_000).map(str),
    st.decimals(0, 300, places=3).map(str),
    st.decimals(0, 1, places=16).map("{:f}".format),
)
LITERALS = st.one_of(STRINGS, NUMBERS)
OPERATORS = st.sampled_from(["=", "!=", "<>", "<", "<=", ">", ">="])
OF_STRINGS = st.sampled_from(["city", "town", "code", "serial", "interests", "tag"])
OF_NUMBERS = st.sampled_from(
    ["level", "constant", "points", "wide", "huge", "price", "cost", "exact"]
)
NAMES = st.one_of(OF_STRINGS, OF_NUMBERS, st.sampled_from(["weight", "vip", "signed", "nobody"]))
# An `@` is the place of a string, an `#` that of a number, a `?` that of anything.
CONDITIONS = st.one_of(
    st.tuples(OF_STRINGS, st.sampled_from([" = @", " != @", " <> @"])),
    st.tuples(OF_STRINGS, st.sampled_from([" in (@, @)", " not in (@,@)", " in ( @ )"])),
    st.tuples(OF_NUMBERS, st.just(" "), OPERATORS, st.just(" #")),
    st.tuples(OF_NUMBERS, st.sampled_from([" between # and #", " BETWEEN #\n AND #"])),
    st.tuples(NAMES, st.just(" "), OPERATORS, st.just("?")),
).map("".join)
FORMS = st.lists(
    st.tuples(st.sampled_from(["", "", "not ", "NOT  ", "("]), CONDITIONS).map("".join),
    min_size=1,
    max_size=4,
).flatmap(lambda parts: st.sampled_from([" and ", " AND\n", " or "]).map(lambda by: by.join(parts)))


@st.composite
def same_forms(draw: st.DrawFn) -> list[str]:
    """Texts that are the same but for their literals."""
    form = draw(FORMS)
    texts = []
    for _ in range(draw(st.integers(3, 7))):
        kinds = {"@": STRINGS, "#": NUMBERS, "?": LITERALS}
        texts.append("".join(draw(kinds[c]) if c in kinds else c for c in form))
    return texts


@given(same_forms(), st.sampled_from([None, None, "city", "town", "serial", "vip", "active"]))
def test_whatever_differs_in_literals_is_answered_as_the_long_way_does(
    database: Database, texts: list[str], group_by: str | None
) -> None:
    for text in texts:
        assert asked(database, text, group_by) == long_way(database, text, group_by), text


@pytest.mark.parametrize("operator", ["=", "!=", "<", "<=", ">", ">="])
@pytest.mark.parametrize(("name", "numbers"), [
    ("price", ["0", "0.01", "0.015", "0.5", "13.37", "199.99", "200", "9" * 16]),
    ("exact", ["0", "0.5", "1", "4.611686018427387904", "4.7", "9.3", "0." + "1" * 17]),
    ("points", ["0", "0.5", "29999", "29999.5", "30000"]),
])  # fmt: skip
def test_numbers_are_solved_as_the_long_way_does(
    database: Database, name: str, operator: str, numbers: list[str]
) -> None:
    for number in (*numbers, *numbers):
        text = f"not {name} {operator} {number}"
        assert asked(database, text) == long_way(database, text)
