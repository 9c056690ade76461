"""What edits of the model do to the cuts of tiers, and what keeps them."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from engine.errors import InputInvalid, NotFound, StoreCorrupt
from engine.live.change import Cause
from engine.live.tier_cuts import TIER_CUTS, Refreshes
from engine.store.lock import LOCK_FILE
from tests.moving_worlds import DAY_US, START_US
from tests.tiered import TIERS, Customers, TieredDatabase

SPENT = "spent: {{top: {{by: {}, shares: {{first: 30%, second: 30%}}}}, default: rest}}\n"
ONE = "tiers:\n  " + SPENT.format("count(order)")
OTHER = "tiers:\n  " + SPENT.format("sum(order.amount)")
MEMBERS = {"best": "tier('spent') = 'first'"}


@pytest.fixture
def live(tmp_path: Path) -> Iterator[TieredDatabase]:
    database = TieredDatabase(tmp_path / "store", {}, now_us=START_US)
    database.apply({}, tiers="")
    database.send(*Customers().updates(random.Random(3), START_US, 30))
    yield database
    database.close()


def refreshes(live: TieredDatabase) -> Refreshes:
    with live.database._store.snapshot() as snapshot:
        return Refreshes.load(snapshot)


def test_an_apply_cuts_what_is_new_and_what_is_defined_anew(live: TieredDatabase) -> None:
    assert refreshes(live) == Refreshes()
    live.go(START_US + DAY_US)
    live.apply(MEMBERS, tiers=ONE)
    first = refreshes(live).of_tiers["spent"]
    assert [at_us for at_us, _ in first] == [START_US + DAY_US]
    # Another edit leaves them, and so does the same model.
    live.go(START_US + 2 * DAY_US)
    live.send(*Customers().updates(random.Random(4), live.now_us, 30))
    live.apply({**MEMBERS, "all": "true"}, tiers=ONE)
    live.apply({**MEMBERS, "all": "true"}, tiers=ONE)
    assert refreshes(live).of_tiers["spent"] == first
    live.agree(whole_feed=False)
    # The same by another value is another tier.
    live.apply(MEMBERS, tiers=OTHER)
    ((at_us, cuts),) = refreshes(live).of_tiers["spent"]
    assert at_us == live.now_us and cuts != first[0][1]
    live.agree(whole_feed=False)
    live.apply({}, tiers="")
    assert refreshes(live) == Refreshes()
    with live.database._store.snapshot() as snapshot:
        assert snapshot.meta_mark(TIER_CUTS) is None


def test_a_plan_is_what_an_apply_does(live: TieredDatabase) -> None:
    """Events at this very moment count; the cuts of the plan are those of the apply."""
    files = {"model.yaml": _files(live, MEMBERS, ONE)}
    live.send({"member": "late", "order": {"time": live.now_us, "amount": 100}})
    planned = live.database.plan_model(files)
    assert refreshes(live) == Refreshes()
    applied = live.database.apply_model(files)
    assert planned.changes == applied.changes
    (change,) = [one for one in applied.changes if one.definition == "segments.best"]
    assert change.new_size == live.count("best") > 0
    # A third of the profiles that order most, whoever else has as many with them.
    counts = sorted(
        (
            live.database.count(f"count(order) = {n}", as_of_us=live.now_us).count,
            n,
        )
        for n in range(40)
    )
    (first, _) = refreshes(live).of_tiers["spent"][-1][1]
    assert first is not None
    at_least = sum(count for count, n in counts if n >= first)
    above = sum(count for count, n in counts if n > first)
    profiles = live.database.profile_count
    assert above < Fraction(30, 100) * profiles <= at_least


def test_what_happens_at_the_instant_of_the_cuts_counts(live: TieredDatabase) -> None:
    live.send(*({"member": f"n{n}", "order": {"time": live.now_us}} for n in range(60)))
    live.apply({}, tiers="tiers:\n  " + SPENT.format("last(order)"))
    ((at_us, cuts),) = refreshes(live).of_tiers["spent"]
    assert at_us == live.now_us and cuts[0] == live.now_us


def test_a_refresh_is_told_with_its_cause(live: TieredDatabase) -> None:
    live.apply(MEMBERS, tiers=ONE)
    best = live.count("best")
    live.send(
        *({"member": f"n{n}", "order": {"time": live.now_us, "amount": 1}} for n in range(50))
    )
    live.send(
        *({"member": f"n{n}", "order": {"time": live.now_us, "amount": 1}} for n in range(50))
    )
    (told,) = live.database.tiers.refresh(["spent"])
    sizes = {size.name: (size.before, size.after) for size in told.sizes}
    assert sizes["first"][1] == live.count("best") != best
    moved = {cause for cause, *_ in live.entries()}
    assert Cause.REFRESH in moved
    entered = sum(cause == Cause.REFRESH and what == "+best" for cause, what, *_ in live.entries())
    left = sum(cause == Cause.REFRESH and what == "-best" for cause, what, *_ in live.entries())
    before = sizes["first"][0]
    assert before is not None and before + entered - left == sizes["first"][1]
    told_of = {what for cause, what, *_ in live.entries() if cause == Cause.REFRESH}
    assert any(what.startswith("tiers.spent: first -> ") for what in told_of)
    live.agree()


def test_a_refresh_that_was_cut_in_two(
    live: TieredDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash between its two commits: opening makes the second, and tells it as a refresh."""
    live.apply(MEMBERS, tiers=ONE)
    for _ in range(3):
        live.send(*({"member": f"n{n}", "order": {"time": live.now_us}} for n in range(50)))
    live.agree()
    told = len(live.entries())
    copy = tmp_path / "copy"

    def copy_between(name: str) -> None:
        if name == "barrier.after_commit":
            shutil.copytree(live.path, copy, ignore=shutil.ignore_patterns(LOCK_FILE))

    with monkeypatch.context() as patched:
        patched.setattr("engine.live.live_store.failpoint", copy_between)
        live.database.tiers.refresh()
    expected = live.entries()
    assert {cause for cause, *_ in expected[told:]} == {Cause.REFRESH}
    again = TieredDatabase(copy, now_us=live.now_us)
    try:
        assert refreshes(again) == refreshes(live)
        assert again.entries() == expected
        again.agree()
    finally:
        again.close()


def test_cuts_of_an_instant(live: TieredDatabase) -> None:
    kept = Refreshes({"t": ((10, (Fraction(1),)), (20, (Fraction(2),)), (30, (None,)))})
    for at_us, cut in ((5, 1), (10, 1), (19, 1), (20, 2), (29, 2), (30, None), (99, None)):
        assert kept.at(at_us) == {"t": (cut,)}, at_us
    assert kept.at() == {"t": (None,)}
    # A clock that went back.
    assert kept.adding({"t": (Fraction(7, 3),)}, 20).of_tiers["t"] == (
        (10, (Fraction(1),)),
        (20, (Fraction(7, 3),)),
    )


def test_nobody_has_a_cell_before_somebody_was_found(tmp_path: Path) -> None:
    """Neither of an apply to an empty store nor of a refresh, before a refresh had somebody."""
    live = TieredDatabase(tmp_path / "empty", {}, now_us=START_US)
    try:
        live.apply({"valued": "tier('mean') in ('重要价值', '重要保持')"}, tiers=TIERS)
        live.go(START_US + DAY_US)
        live.database.tiers.refresh()
        customers, chance = Customers(), random.Random(8)
        live.send(*customers.updates(chance, live.now_us, 40))
        assert set(refreshes(live).at().values()) == {()}
        # So nobody has a cell yet, however much was bought, and everybody is in a default.
        for text in (
            "tier('mean') is present",
            "tier('quintile') != '重要价值'",
            "tier('dear') = 'first'",
            "tier('top') in ('core', 'near')",
            "segment('valued')",
        ):
            assert live.database.count(text).count == 0, text
        assert live.database.count("tier('top') = 'rest'").count == len(customers.events)
        (card,) = live.database.cards([("member", next(iter(customers.events)))])
        assert card is not None
        assert not {"mean", "quintile"} & set(card.card.tiers)
        live.go(START_US + 2 * DAY_US)
        live.database.tiers.refresh()
        kept = refreshes(live)
        for at_us in (START_US - DAY_US, START_US, START_US + DAY_US, None):
            assert kept.at(at_us) == kept.at()
            assert kept.instant_of("mean", at_us) == START_US + 2 * DAY_US
        assert (
            live.count("valued")
            == live.database.count("tier('mean') in ('重要价值', '重要保持')").count
        )
        assert live.count("valued") > 0
        live.apply({}, tiers="")
        assert refreshes(live) == Refreshes()
    finally:
        live.close()


def test_fifths_of_equal_values_are_of_somebody(tmp_path: Path) -> None:
    live = TieredDatabase(tmp_path / "one", {}, now_us=START_US)
    try:
        live.apply({}, tiers="")
        live.send({"member": "m", "order": {"time": START_US, "amount": 1}})
        live.apply({}, tiers=TIERS)
        found = refreshes(live)
        assert set(found.at()["quintile"]) == {None}
        # Nobody has what `dear` asks for.
        assert found.at()["dear"] == ()
    finally:
        live.close()


def test_a_refresh_of_nobody_leaves_the_cuts_before_it() -> None:
    kept = Refreshes().adding({"t": (None,), "u": (Fraction(1),)}, 10, ["t"])
    assert kept.at(3) == kept.at(30) == {"t": (), "u": (Fraction(1),)}
    assert kept.adding({"u": (None,)}, 20, ["u"]) == kept
    assert kept.adding({"t": (None,)}, 20).at(3) == {"t": (None,), "u": (Fraction(1),)}


def test_a_record_that_cannot_be_read_is_corruption(live: TieredDatabase) -> None:
    class Broken:
        def __init__(self, packed: bytes) -> None:
            self.packed = packed

        def meta(self, name: str) -> bytes:
            return self.packed

    for packed in (b"", b"[]", b'{"t": 3}', b'{"t": [[1, ["1/0"]]]}', b'{"t": [[1, ["x"]]]}'):
        with pytest.raises(StoreCorrupt, match="the cuts of tiers cannot be read"):
            Refreshes.load(Broken(packed))  # type: ignore[arg-type]
    kept = Refreshes({"层": ((9, (None, None)), (10, (Fraction(-1, 3), None))), "无": ()})
    assert Refreshes.load(Broken(kept.pack())) == kept  # type: ignore[arg-type]
    # A refresh of nobody, as earlier versions of this program have kept it.
    older = Refreshes.load(Broken(b'{"t": [[9, [null], true], [10, ["2"]]]}'))  # type: ignore[arg-type]
    assert older == Refreshes({"t": ((10, (Fraction(2),)),)})


def test_what_cannot_be_refreshed(live: TieredDatabase) -> None:
    version = live.database.data_version
    live.apply({}, tiers=TIERS)
    applied = live.database.data_version
    assert applied > version
    with pytest.raises(NotFound, match="Did you mean 'mean'"):
        live.database.tiers.refresh(["maen"])
    with pytest.raises(InputInvalid, match="'fixed' has no cuts to work out"):
        live.database.tiers.refresh(["mean", "fixed"])
    assert live.database.data_version == applied


def _files(live: TieredDatabase, segments: dict[str, str], tiers: str) -> str:
    """The text of a model, as `apply` puts it in force."""
    found: list[str] = []

    class Catching:
        def apply_model(self, files: dict[str, str]) -> None:
            found.append(files["model.yaml"])

    database, live.database = live.database, Catching()  # type: ignore[assignment]
    try:
        live.apply(segments, tiers=tiers)
    finally:
        live.database = database
    return found[0]
