"""Stored segments after single changes: what is judged, what is noticed, and what is not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np
import pytest

from engine.audience import Audience, stored_count
from engine.columns.strings import Strings
from engine.identity.of_snapshot import identities_of
from engine.live import segment_plan
from engine.live.batch import ProfileBatch
from engine.live.bulk_load import BulkLoad
from engine.live.change import Touched
from engine.live.lists import prepare_list, upload_list
from engine.live.profiles import read_profiles
from engine.live.segments import StoredSegments
from engine.rules.bind import Binder
from engine.rules.parse import parse
from engine.store.catalog import Catalog, FieldKind, identifier_field, segment_field
from tests.stored_segments import NOBODY, KeptWorld
from tests.worlds import World

SEGMENTS = {
    "rich": "price > 50 or points >= 1000",
    "poor": "not segment('rich')",
    "local": "city in ('c1', 'c2', 'later') and segment('rich')",
    "elsewhere": "city != 'c1'",
    "named": "city is present",
    "keen": "tag contains 'green'",
    "listed": "list('some')",
    "signed up": "signed < joined",
    "recent": "joined > now - 30 days",
    "rest": "not vip",
}
ROWS = 66_000


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeptWorld]:
    # In world 1 every attribute that is read here has values.
    world = World(seed=1, rows=ROWS)
    yield KeptWorld(tmp_path_factory.mktemp("kept") / "store", world, SEGMENTS)


def test_what_is_kept_and_why_not(kept: KeptWorld) -> None:
    assert kept.segments.not_kept == {}
    assert list(kept.segments.stored) == list(SEGMENTS)
    assert kept.segments.moving == ("recent",)
    assert kept.segments.reading_list("some") == ("listed",)
    assert kept.segments.reading_list("other") == ()


def test_only_readers_of_what_is_written_are_judged(kept: KeptWorld) -> None:
    """Through segments too; rows that do not change make no transition."""
    with kept.store.snapshot() as snapshot:
        fields = snapshot.fields
    rows = np.array([3, 70, 65_999], np.uint32)

    def evaluated(*names: str) -> int:
        with kept.store.snapshot() as snapshot:
            touched = Touched(NOBODY, {fields[name].id: rows for name in names})
            change = kept.segments.update(snapshot, touched)
        assert not change.transitions and not len(change.moves.rows)
        assert not change.count_deltas
        return change.rows_evaluated

    assert evaluated("vip") == 3  # rest
    assert evaluated("price") == 9  # rich, poor, local
    assert evaluated("price", "points") == 9
    assert evaluated("city") == 9  # local, elsewhere, named
    assert evaluated(identifier_field("member")) == 3  # listed
    assert evaluated("remark") == 0
    assert evaluated(":live") == 3 * 10
    with kept.store.snapshot() as snapshot:
        created = kept.segments.update(snapshot, Touched(rows, {fields["city"].id: rows}))
    assert created.rows_evaluated == 3 * 10


def test_one_cell_moves_those_it_must(kept: KeptWorld) -> None:
    kept.update(kept.write({"price": {9: None}, "points": {9: 0}, "city": {9: "c1"}}))
    change = kept.update(kept.write({"price": {9: 100_00}}))
    moved = {t.definition: (t.entered.tolist(), t.left.tolist()) for t in change.transitions}
    assert moved == {
        "segments.rich": ([9], []),
        "segments.poor": ([], [9]),
        "segments.local": ([9], []),
    }
    assert change.count_deltas == {"rich": 1, "poor": -1, "local": 1}


def _plans(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the plans that are made from now on."""
    made: list[int] = []
    plan = segment_plan.SegmentPlan.__init__

    def counted(self: Any, *args: Any, **named: Any) -> None:
        if named.get("kept", True):
            made.append(1)
        plan(self, *args, **named)

    monkeypatch.setattr(segment_plan.SegmentPlan, "__init__", counted)
    return made


def test_a_new_value_that_a_segment_names_is_noticed(
    kept: KeptWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.update(kept.write({"price": {11: 100_00}, "city": {11: "c9"}}))
    made = _plans(monkeypatch)
    kept.update(kept.write({"city": {11: "nobody names it"}}))
    kept.update(kept.write({"tag": {11: ["nor this"]}}))
    assert len(made) == 0
    change = kept.update(kept.write({"city": {11: "later"}}))
    assert len(made) == 1
    assert [t.definition for t in change.transitions] == ["segments.local"]
    change = kept.update(kept.write({"tag": {11: ["evergreen"]}}))
    assert len(made) == 2
    assert [t.entered.tolist() for t in change.transitions] == [[11]]
    kept.update(kept.write({"city": {11: "c9"}}))
    assert len(made) == 2


def test_more_new_values_than_there_is_room_for(
    kept: KeptWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment_plan, "SPARE_CODES", 3)
    kept.segments.forget_lists()
    made = _plans(monkeypatch)
    rows = range(20, 30)
    for row in rows:
        kept.update(kept.write({"city": {row: f"new {row}"}}))
    assert 2 <= len(made) < len(rows)
    assert set(rows) <= set(kept.members("elsewhere")) & set(kept.members("named"))


def test_a_day_beyond_the_table_is_noticed(
    kept: KeptWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Days near those there are need no new plan; the year 9999 and the year 1 do."""
    joined = 1_700_000_000_000_000
    kept.update(kept.write({"joined": {40: joined, 41: joined}}))
    made = _plans(monkeypatch)
    kept.update(kept.write({"signed": {40: 20_510}}))
    assert not made
    day = date(9999, 12, 31).toordinal() - date(1970, 1, 1).toordinal()
    kept.update(kept.write({"signed": {40: day, 41: 1 - date(1970, 1, 1).toordinal()}}))
    assert len(made) == 1
    members = set(kept.members("signed up"))
    assert 41 in members and 40 not in members


def test_an_identifier_finds_its_owner(kept: KeptWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """`stranger` is in the list and waits; a new profile brings it."""
    kept.update(kept.write({"price": {1: 0}}))
    made = _plans(monkeypatch)
    with kept.store.snapshot() as snapshot:
        row = snapshot.row_count
    source = kept.model.sources["world"]
    batch = ProfileBatch(2, {"member": Strings.from_list(["stranger", "nobody asked for"])}, {}, {})
    with BulkLoad(kept.store, kept.model, source) as load:
        load.add(batch)
        load.finish()
    created = np.array([row, row + 1], np.uint32)
    with kept.store.snapshot() as snapshot:
        field = snapshot.fields[identifier_field("member")].id
    change = kept.update(Touched(created, {field: created}))
    assert not made
    entered = {t.definition: t.entered.tolist() for t in change.transitions}
    assert entered["segments.listed"] == [row]
    assert entered["segments.poor"] == entered["segments.rest"] == [row, row + 1]


def test_a_profile_that_dies_leaves_everything(kept: KeptWorld) -> None:
    kept.update(kept.write({"price": {50: 100_00}, "vip": {}}))
    change = kept.update(kept.write(kept.death(50)))
    assert {t.definition for t in change.transitions} >= {"segments.rich", "segments.rest"}
    assert all(t.left.tolist() == [50] and not len(t.entered) for t in change.transitions)


def test_an_upload_is_refreshed(kept: KeptWorld) -> None:
    values = Strings.from_list(["m1", "m2", "stranger"])
    upload = prepare_list(kept.model, "some", "member", values)
    with kept.store.write() as writer:
        upload_list(writer, identities_of(writer.snapshot), kept.model, upload)
    kept.segments.forget_lists()
    with kept.store.snapshot() as snapshot:
        change = kept.segments.refresh(snapshot, kept.segments.reading_list("some"))
        kept.put(change)
    (transition,) = change.transitions
    assert set(transition.entered.tolist()) == {1, 2}
    assert set(kept.members("listed")) >= {1, 2}
    assert 7 not in kept.members("listed")
    # What is linked from now on is held against the new list.
    kept.update(kept.write({"price": {2: 0}}))


def test_segments_of_one_profile(kept: KeptWorld) -> None:
    with kept.store.snapshot() as snapshot:
        rows = [1, 2, 9, 65_535, 65_536]
        for row, record in zip(
            rows, read_profiles(snapshot, kept.segments.model, rows), strict=True
        ):
            assert record is not None
            assert record.segments == [n for n in kept.segments.stored if row in kept.members(n)]


def test_a_stored_segment_is_read_in_place_of_its_definition(kept: KeptWorld) -> None:
    """Now: from its members. At another instant, and for lists: by its definition."""
    binder = Binder(kept.segments.model)
    with kept.store.snapshot() as snapshot:
        field = snapshot.fields[segment_field("rich")].id

        def fields_read(text: str, **named: Any) -> set[int]:
            audience = Audience(snapshot, binder, **named)
            audience.add(text)
            leaves = (node.leaf for node in audience._planner.plan.nodes)
            return {getattr(leaf, "field", -1) for leaf in leaves if leaf is not None}

        price, city = snapshot.fields["price"].id, snapshot.fields["city"].id
        assert fields_read("segment('rich') and price > 3") == {field, price}
        assert fields_read("segment('poor')") == {snapshot.fields[segment_field("poor")].id}
        assert price in fields_read("segment('poor') and city = 'c1'", as_of_us=1)
        assert fields_read("segment('listed')") == {-1}
        audience = Audience(snapshot, binder)
        audience.add("not segment('local') and segment('listed')")
        (result,) = audience.counts(nodes=True)
        apart = Audience(snapshot, binder, as_of_us=1)
        apart.add("not segment('local') and segment('listed')")
        (expected,) = apart.counts(nodes=True)
        assert result.nodes == expected.nodes and result.waiting == expected.waiting == 0
        assert city


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ("segment('rich')", "rich"),
        ("  SEGMENT ( 'signed up' )\n", "signed up"),
        (parse("segment('rich')"), "rich"),
        ("segment('rich') and vip", None),
        ("not segment('rich')", None),
        ("segment('listed')", None),
        ("segment('recent')", None),
        ("segment('it''s')", "it's"),
        (parse("vip"), None),
    ],
    ids=["bare", "spaced", "tree", "and", "not", "list", "moving", "quote", "other tree"],
)
def test_count_from_a_counter(kept: KeptWorld, expression: Any, name: str | None) -> None:
    model = kept.segments.model
    if name == "it's":
        segments = {**model.segments, "it's": model.segments["rich"]}
        model = type(model)(**{**_fields(model), "segments": segments})
    counts = {segment: 7 for segment in model.segments if segment != "recent"}
    with kept.store.snapshot() as snapshot:
        binder = Binder(model)
        assert stored_count(snapshot, binder, expression, None, 5) is None
        result = stored_count(snapshot, binder, expression, counts, 5)
        if name is None:
            assert result is None
            return
        assert result is not None
        audience = Audience(snapshot, binder)
        audience.add(expression)
        (expected,) = audience.counts()
        assert (result.expression, result.count) == (expected.expression, 7)
        assert (result.nodes, result.groups, result.waiting) == (None, None, 0)
        assert result.data_version == expected.data_version and result.as_of_us == 5


def _fields(model: Any) -> dict[str, Any]:
    return {name: getattr(model, name) for name in model.__dataclass_fields__}


def test_a_store_without_members_yet(kept: KeptWorld) -> None:
    """Segments without a field are kept in name only, and an update has nothing to do."""
    with kept.store.snapshot() as snapshot:
        bare = [f for f in snapshot.fields.values() if f.kind != FieldKind.MEMBERSHIP]
        catalog = Catalog(bare, snapshot.fields.next_id)
        segments = StoredSegments(kept.model, Binder(kept.model), catalog)
        assert segments.kept == kept.segments.kept and segments.stored == ()
        change = segments.update(snapshot, Touched(np.arange(3, dtype=np.uint32), {}))
        assert change.rows_evaluated == 0 and not change.transitions
