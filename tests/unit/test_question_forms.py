"""Questions by their form: which have one, and what ends it."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine import question_forms
from engine.audience import CountResult
from engine.core.control import Control
from engine.database import Database
from engine.errors import Cancelled, DeadlineExceeded, ExpressionInvalid, InputInvalid, NotFound
from engine.question_forms import QuestionForms
from engine.rules.patterns import Patterns
from tests.live_databases import LiveDatabase, model_files


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveDatabase]:
    made = LiveDatabase(tmp_path / "store", {})
    made.send(
        {"member": "a", "size": 5, "city": "京", "spent": 150, "+likes": ["x", "y"]},
        {"member": "b", "size": 50, "city": "津", "spent": 225, "+likes": ["x"]},
        {"member": "c", "size": 500, "city": "京"},
    )
    yield made
    made.database.close()


def known(database: Database, text: str, group_by: str | None = None) -> CountResult | None:
    """The answer by the form alone."""
    with database._store.snapshot() as snapshot:
        binder = database._require_binder(snapshot)
        return database._forms.count(text, snapshot, binder, None, lambda: 7, group_by)


def known_count(database: Database, text: str, count: int) -> bool:
    """Whether a text has so many, the long way or not, and by the form if that answers."""
    found = known(database, text)
    asked = database.count(text).count
    return asked == count and (found is None or found.count == count)


def learnt(database: Database, text: str, group_by: str | None = None) -> None:
    for _ in range(2):
        database.count(text, group_by=group_by)


FORMS = [
    ("size >= 6", "size >= 60", 1),
    ("size < 50.5", "size < 500", 2),
    ("spent = 1", "spent = 2.250", 1),
    ("size between 1 and 2", "size between 5 and 50", 2),
    ("not size != 1", "not size != 50", 1),
    ("city = '京'", "city = '津'", 1),
    ("city != '京'", "city != '津'", 2),
    ("city not in ('京')", "city not in ('津')", 2),
    ("likes in ('x', 'y')", "likes in ('y', 'x')", 2),
    ("not likes = 'x' and city = '津'", "not likes = 'y' and city = '京'", 1),
]


@pytest.mark.parametrize(("first", "second", "count"), FORMS)
def test_the_third_question_of_a_form_needs_no_plan(
    live: LiveDatabase, first: str, second: str, count: int
) -> None:
    database = live.database
    for _ in range(2):
        assert known(database, second) is None
        database.count(first)
    found = known(database, second)
    assert found is not None
    asked = database.count(second)
    assert (found.expression, found.count) == (asked.expression, asked.count)
    assert (found.count, found.as_of_us) == (count, 7)


WITHOUT = [
    "size > 5 or size < 3",
    "size + 1 > 5",
    "rate > 5",
    "likes is present",
    "remark contains 'x'",
    "size > 5 and rate > 0.5",
    " and ".join(f"size > {i}" for i in range(4)),
]


@pytest.mark.parametrize("text", WITHOUT)
def test_what_is_more_than_some_constants_is_planned(live: LiveDatabase, text: str) -> None:
    for _ in range(3):
        live.database.count(text)
        assert known(live.database, text) is None


LITERALS = [
    ("city = '京'", "city = '穗'"),
    ("city = '京'", "city = 5"),
    ("size = 5", "size = '5'"),
    ("size = 5", "size = 5.5"),
    ("size between 5 and 6", "size between 6 and 5"),
    ("size >= 5", f"size >= {'9' * 18}0"),
    ("spent >= 5", f"spent >= {'9' * 18}"),
    ("likes in ('x', 'y')", "likes in ('x', 'x')"),
    ("city not in ('京', '沪')", "city not in ('京', '津')"),
]


@pytest.mark.parametrize(("first", "second"), LITERALS)
def test_a_literal_that_changes_more_than_a_constant_goes_the_long_way(
    live: LiveDatabase, first: str, second: str
) -> None:
    learnt(live.database, first)
    assert known(live.database, second) is None


def test_faults_have_their_places(live: LiveDatabase) -> None:
    learnt(live.database, "size = 5 and city = '京'")
    with pytest.raises(ExpressionInvalid) as caught:
        live.database.count("size = 5 and city = 7")
    assert (caught.value.issues[0].line, caught.value.issues[0].column) == (1, 21)


def test_what_is_written_is_counted_and_new_values_are_known(live: LiveDatabase) -> None:
    database = live.database
    learnt(database, "city = '京'")
    learnt(database, "city != '京'")
    for number in range(300):
        live.send({"member": f"n{number}", "city": f"new{number}"})
        assert known_count(database, "city = '京'", 2)
        if number < 50:
            assert known_count(database, f"city = 'new{number}'", 1)
            assert known_count(database, "city != '京'", number + 2)
    assert database.count("city = 'new299'").count == 1
    # Beyond the room that was left for new values, the form is planned anew.
    database.count("city = 'new299'")
    assert known_count(database, "city = 'new299'", 1)


def test_groups_are_counted_by_the_form(live: LiveDatabase) -> None:
    database = live.database
    learnt(database, "size >= 6", "city")
    assert known(database, "size >= 6") is None
    live.send({"member": "d", "size": 70}, {"member": "e", "size": 7, "city": "穗"})
    found = known(database, "size >= 7", "city")
    assert found is not None and found.count == 4
    assert found.groups == {None: 1, "京": 1, "津": 1, "穗": 1}
    assert list(found.groups) == [None, "京", "津", "穗"]
    assert database.count("size >= 1000", group_by="city").groups == {}


def test_names_that_are_no_attribute_to_group_by_have_no_form(live: LiveDatabase) -> None:
    database = live.database
    for name, error in (("cty", NotFound), ("size", InputInvalid)):
        for _ in range(3):
            with pytest.raises(error):
                database.count("size >= 6", group_by=name)
            assert known(database, "size >= 6", name) is None


def test_programs_that_have_no_room_for_new_values_go(
    live: LiveDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(question_forms, "_MOST_PROGRAMS", 1)
    database = live.database
    for round_ in range(3):
        learnt(database, "city = '京'")
        learnt(database, "size = 5", "city")
        assert known(database, "city = '津'") is not None
        live.send(*({"member": f"{round_}-{i}", "city": f"{round_}-{i}"} for i in range(400)))
        assert known(database, f"city = '{round_}-399'") is None
        live.send({"member": f"{round_}-0", "size": 5})
        found = database.count("size = 5", group_by="city")
        assert found.groups is not None and found.groups[f"{round_}-0"] == 1


def test_another_model_has_its_own_forms(live: LiveDatabase) -> None:
    database = live.database
    learnt(database, "size >= 6")
    files = model_files({})
    (name, text), *_ = files.items()
    database.apply_model({name: text.replace("size: {type: int}", "size: {type: int, label: S}")})
    assert known(database, "size >= 6") is None
    learnt(database, "size >= 6")
    assert known(database, "size >= 7") is not None


def test_no_more_forms_are_kept_than_there_is_room_for(
    live: LiveDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(question_forms, "_MOST_FORMS", 3)
    database = live.database
    for blanks in range(8):
        text = f"size{' ' * blanks}> 5"
        learnt(database, text)
        assert known(database, text) is not None
        assert len(database._forms._known.forms) <= 3


def test_what_is_asked_once_or_has_no_form_takes_the_place_of_none(
    live: LiveDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(question_forms, "_MOST_FORMS", 2)
    monkeypatch.setattr(question_forms, "_MOST_SEEN", 2)
    database = live.database
    learnt(database, "size > 5")
    for blanks in range(1, 8):
        database.count(f"size{' ' * blanks}> 5")
        database.count("rate > 5")
        assert known(database, "size > 5") is not None


def test_a_part_that_is_refused_by_itself_refuses_no_answer(
    live: LiveDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ExpressionInvalid

    monkeypatch.setattr(Patterns, "read", refuse)
    learnt(live.database, "size > 5")
    assert known(live.database, "size > 5") is None


def test_no_state_of_the_store_is_held(live: LiveDatabase) -> None:
    database = live.database
    learnt(database, "size >= 6")
    assert known(database, "size >= 7") is not None
    with database._store.snapshot() as snapshot:
        version = weakref.ref(snapshot.version)
    live.sizes(("d", 1))
    gc.collect()
    assert version() is None


def test_many_at_once_have_a_program_each(live: LiveDatabase) -> None:
    database = live.database
    counts = {0: 3, 6: 2, 60: 1, 600: 0}
    begin = threading.Barrier(4)

    def ask(least: int) -> None:
        begin.wait()
        for _ in range(200):
            assert database.count(f"size >= {least}").count == counts[least]

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(ask, least) for least in counts]:
            done.result()
    form = database._forms._known.forms["size >= \0", None]
    assert form is not None and 1 <= len(form.idle) <= 8


def test_a_stopped_count_leaves_its_program_for_others(live: LiveDatabase) -> None:
    database = live.database
    learnt(database, "size >= 6")
    gone = Control()
    gone.cancel()
    for _ in range(2):
        with pytest.raises(Cancelled):
            database.count("size >= 7", control=gone)
        with pytest.raises(DeadlineExceeded):
            database.count("size >= 7", control=Control(1))
        assert database.count("size >= 7").count == 2
        assert known(database, "size >= 7") is not None


def test_instants_and_nodes_go_the_long_way(
    live: LiveDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = live.database
    learnt(database, "size >= 6")
    monkeypatch.setattr(QuestionForms, "count", lambda *_: pytest.fail("asked for its form"))
    assert database.count("size >= 7", as_of_us=1).read_as_of_today == ("size",)
    assert database.count("size >= 7", nodes=True).nodes is not None
