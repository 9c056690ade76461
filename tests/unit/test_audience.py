"""Questions to a store: what an answer says beside the number, and how it is stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from engine.audience import Audience, Threads
from engine.core import evaluate
from engine.core.control import Control
from engine.database import Database
from engine.errors import Cancelled, DeadlineExceeded, ExpressionInvalid, InputInvalid, NotFound
from engine.rules.parse import parse
from tests.worlds import NOW_US, World

WORLD = World(seed=2, rows=66_000)
# Row by row, and long enough for any deadline to pass within the first block.
SLOW = " and ".join(f"points + wide + huge > {-(10**30) - i}" for i in range(2000))


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with WORLD.fill(tmp_path_factory.mktemp("world") / "store") as database:
        yield database


def fault(database: Database, expression: str) -> tuple[str, int, int]:
    """Message, line and column of the refusal of an expression."""
    with pytest.raises(ExpressionInvalid) as caught:
        database.count(expression)
    (issue,) = caught.value.issues
    return issue.message, issue.line, issue.column


def test_nodes_in_pre_order(database: Database) -> None:
    """Logic has its word, a predicate its text; a part said twice has its count twice."""
    result = database.count("points > 0 and not (vip or points > 0)", nodes=True)
    assert result.nodes is not None
    assert [(node.depth, node.text) for node in result.nodes] == [
        (0, "and"), (1, "points > 0"), (1, "not"), (2, "or"), (3, "vip"), (3, "points > 0"),
    ]  # fmt: skip
    counts = [node.count for node in result.nodes]
    assert counts[1] == counts[5] == database.count("points > 0").count
    assert counts[2] == WORLD.rows - counts[3]
    assert result.count == counts[0] == 0


def test_unknown_list_has_its_place(database: Database) -> None:
    assert fault(database, "vip\nand list('sme')") == ("there is no list named 'sme'", 2, 5)


def test_unknown_name_has_its_place_in_a_text_and_none_in_a_tree(database: Database) -> None:
    message, line, column = fault(database, "vip and\n\n  (cty = 'c1')")
    assert (message, line, column) == ("there is no attribute named 'cty'", 3, 4)
    with pytest.raises(ExpressionInvalid) as caught:
        database.count(parse("vip and\n\n  (cty = 'c1')"))
    assert (caught.value.issues[0].line, caught.value.issues[0].column) == (0, 0)


def test_mismatch_of_literals_is_placed_at_the_wrong_one(database: Database) -> None:
    assert fault(database, "1 in (1, 'a')")[1:] == (1, 10)


def test_faults_of_many_name_the_expression(database: Database) -> None:
    for wrong in ("cty = 1", "city ="):
        with pytest.raises(ExpressionInvalid) as caught:
            database.count_many(["vip", wrong])
        assert caught.value.issues[0].where == "expressions[1]"


def test_what_is_read_as_of_today_is_named_when_the_instant_moves(database: Database) -> None:
    text = "points > 0 and list('some') and segment('rich')"
    assert database.count(text).read_as_of_today == ()
    moved = database.count(text, as_of_us=NOW_US, group_by="city")
    assert set(moved.read_as_of_today) == {"points", "price", "city", "list('some')"}
    with database.members("vip", as_of_us=NOW_US, order_by="level") as members:
        assert members.read_as_of_today == ("vip", "level")
    assert moved.waiting == 2


def test_grouping_by_what_has_no_groups(database: Database) -> None:
    with pytest.raises(InputInvalid, match="points is of type int"):
        database.count("vip", group_by="points")
    with pytest.raises(NotFound, match="Did you mean city"):
        database.count("vip", group_by="citty")


def test_deadline_passes_within_a_block(database: Database) -> None:
    with pytest.raises(DeadlineExceeded):
        database.count(SLOW, control=Control(time.monotonic_ns() + 1_000_000))


def test_cancelled_from_another_thread(database: Database) -> None:
    control = Control()
    timer = threading.Timer(0.2, control.cancel)
    timer.start()
    with pytest.raises(Cancelled):
        for _ in range(1000):
            database.count(SLOW, control=control)
    timer.join()


def test_a_busy_pool_holds_nobody_up(database: Database) -> None:
    """A question is answered by its own thread while the others are taken."""
    free = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(free.wait)
        with database._store.snapshot() as snapshot:
            binder = database._binder_of(snapshot)
            assert binder is not None
            audience = Audience(snapshot, binder, threads=Threads(pool, 2))
            audience.add("true")
            answers: list[int] = []
            asking = threading.Thread(target=lambda: answers.append(audience.counts()[0].count))
            asking.start()
            asking.join(timeout=60)
            free.set()
            asking.join()
    assert answers == [WORLD.rows]


def test_an_interrupted_question_leaves_no_thread_behind(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever breaks off while other threads work has them stopped, and waits for their end."""
    control, is_free = Control(), threading.Event()
    helpers: list[Future[Any]] = []

    class Held(ThreadPoolExecutor):
        """Runs nothing before the question is broken off."""

        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            helper = super().submit(lambda: (is_free.wait(), fn(*args, **kwargs)))
            helpers.append(helper)
            while not helper.running():
                time.sleep(0.001)
            return helper

    def interrupted(*_: object) -> Any:
        threading.Timer(0.2, is_free.set).start()
        raise KeyboardInterrupt

    with Held(1) as pool, database._store.snapshot() as snapshot:
        binder = database._binder_of(snapshot)
        assert binder is not None
        audience = Audience(snapshot, binder, threads=Threads(pool, 2), control=control)
        audience.add("true")
        monkeypatch.setattr(evaluate, "_ALONE_US", 0)
        monkeypatch.setattr(Future, "result", interrupted)
        with pytest.raises(KeyboardInterrupt):
            audience.counts()
        assert [helper.done() for helper in helpers] == [True]
        with pytest.raises(Cancelled):
            control.check()


def test_more_shared_parts_than_memory_is_kept_for(database: Database) -> None:
    """1,500 conditions, each read by two expressions, count as they do alone."""
    parts = [f"points > {i}" for i in range(1500)]
    texts = [" or ".join(parts), " and ".join(parts)]
    together = database.count_many(texts)
    assert [one.count for one in together] == [
        database.count("points > 0").count,
        database.count("points > 1499").count,
    ]
    by_nodes = database.count_many(texts, nodes=True)
    for result in by_nodes:
        assert result.nodes is not None
        counts = [node.count for node in result.nodes[1:]]
        assert counts[0] == database.count("points > 0").count
        assert counts[-1] == database.count("points > 1499").count
        assert counts == sorted(counts, reverse=True)


def test_members_in_every_form(database: Database) -> None:
    """Rows, identifiers, uids and tables are of the same profiles, in the same order."""
    with database.members("vip or tag = 'rare'") as members:
        names = [name for chunk in members.identifiers("member") for name in chunk]
        assert names == [f"m{row}" for row in members.rows.tolist()]
        uids = b"".join(members.uids())
        assert uids == b"".join(table.uids for table in members.table(None, []))
        records = database.profiles([("member", name) for name in names])
        assert uids == b"".join(record.uid for record in records if record is not None)
        assert members.count == members.matched == len(names)


@pytest.mark.parametrize("name", ["points", "weight", "exact", "joined", "birthday"])
@pytest.mark.parametrize("descending", [False, True])
def test_members_in_order(database: Database, name: str, descending: bool) -> None:
    """By value, equal ones by row, those without a value last."""
    values, present = WORLD.columns[name]
    rows = sorted(
        range(WORLD.rows),
        key=lambda row: (
            not present[row],
            (-values[row] if descending else values[row]) if present[row] else 0,
            row,
        ),
    )
    with database.members("true", limit=500, order_by=name, descending=descending) as members:
        assert members.rows.tolist() == rows[:500]
        assert (members.count, members.matched) == (500, WORLD.rows)


def test_random_members_stay_the_same(database: Database) -> None:
    """The same salt chooses the same; a larger limit keeps them; another salt does not."""

    def chosen(limit: int, salt: str) -> set[int]:
        with database.members("points > 0", limit=limit, salt=salt) as members:
            assert sorted(members.rows.tolist()) == members.rows.tolist()
            return set(members.rows.tolist())

    assert chosen(100, "a") == chosen(100, "a")
    assert chosen(100, "a") < chosen(200, "a")
    assert chosen(100, "a") != chosen(100, "b")
    assert chosen(0, "a") == set()
    with pytest.raises(InputInvalid):
        chosen(-1, "a")
