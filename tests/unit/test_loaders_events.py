"""Sources of events: columns as events, what is refused, and what a second load does."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import loaders
from engine.database import Database
from engine.errors import InputInvalid, ModelInvalid
from tests.event_stores import stored_events

MODEL = """\
time_zone: Asia/Shanghai
identifiers: {{member: , phone: }}
attributes: {{city: category}}
events:
  order:
    properties:
      amount: {{type: decimal, scale: 2}}
      channel: category
      pieces: int
      rate: float
      paid: bool
      due: date
      shipped: time
      note: text
sources:
  orders: {{event: order, identify: {{member: customer, phone: mobile}}, time: at, {more}}}
  people: {{identify: {{member: customer}}, attributes: {{city: city}}}}
"""
ALL = (
    "properties: {amount: total, channel: channel, pieces: pieces, rate: rate, paid: paid, "
    "due: due, shipped: shipped, note: note}"
)
# 2026-01-01T00:00 in Shanghai.
NEW_YEAR = 1_767_196_800_000_000
HOUR = 3_600_000_000


class Orders:
    """A store with one source of orders, and what tests ask of it."""

    def __init__(self, folder: Path, more: str = ALL) -> None:
        self.folder = folder
        self.database = Database.create(folder / "store")
        self.database.apply_model({"model.yaml": MODEL.format(more=more)})

    def load(self, path: Path, source: str = "orders") -> loaders.LoadSummary:
        return loaders.load(self.database, source, [path], refused=self.folder / "refused.csv")

    def load_text(self, text: str, name: str = "orders.csv") -> loaders.LoadSummary:
        path = self.folder / name
        path.write_text(text, encoding="utf-8", newline="")
        return self.load(path)

    def refused(self) -> list[tuple[int, str]]:
        with (self.folder / "refused.csv").open(encoding="utf-8", newline="") as file:
            return [(int(row["line"]), row["reason"]) for row in csv.DictReader(file)]

    def stored(self) -> list[tuple[int, int, dict[str, Any]]]:
        return stored_events(self.database._store, "order")


@pytest.fixture
def orders(tmp_path: Path) -> Iterator[Orders]:
    made = Orders(tmp_path)
    with made.database:
        yield made


HEADER = "customer,mobile,at,total,channel,pieces,rate,paid,due,shipped,note\n"
FULL = "m1,138,2026-01-01 00:00:00,12.345,web,7,0.5,是,2026/1/2,2026-01-01T00:00:00Z,hello\n"
EVENT = {
    "amount": 1235,
    "channel": "web",
    "pieces": 7,
    "rate": 0.5,
    "paid": True,
    "due": 20_455,
    "shipped": NEW_YEAR + 8 * HOUR,
    "note": "hello",
}


def test_every_type_from_csv(orders: Orders) -> None:
    summary = orders.load_text(HEADER + FULL + "m2,,2026-01-01T00:00:00+00:00,,,,,,,,\n")
    assert orders.stored() == [(0, NEW_YEAR, EVENT), (1, NEW_YEAR + 8 * HOUR, {})]
    assert (summary.accepted, summary.refused, summary.created) == (2, 0, 2)
    assert (summary.events_added, summary.events_replaced, summary.events_unchanged) == (2, 0, 0)
    assert str(summary).endswith(
        "2 profiles are new, 2 changed. 2 events are new, 0 took the place of one with their id, "
        "0 were there already."
    )


def test_the_same_from_json_lines_and_parquet(tmp_path: Path) -> None:
    names = HEADER.strip().split(",")
    record = dict(zip(names, FULL.strip().split(","), strict=True))
    for kind in ("jsonl", "parquet"):
        (tmp_path / kind).mkdir()
        made = Orders(tmp_path / kind)
        path = tmp_path / f"orders.{kind}"
        if kind == "jsonl":
            path.write_text(json.dumps(record) + "\n", encoding="utf-8")
        else:
            pq.write_table(pa.table({name: [cell] for name, cell in record.items()}), path)
        with made.database:
            made.load(path)
            assert made.stored() == [(0, NEW_YEAR, EVENT)]


def test_typed_columns_of_parquet(orders: Orders) -> None:
    at = pa.array([NEW_YEAR // 1000, NEW_YEAR // 1000 + 1], pa.timestamp("ms", "UTC"))
    table = pa.table(
        {
            "customer": pa.array([1.0, 2.0]),
            "mobile": pa.array([None, "138"]),
            "at": at,
            "total": pa.array([12.345, None]),
            "channel": pa.array(["web", None]).dictionary_encode(),
            "pieces": pa.array([7, None]),
            "rate": pa.array([0.5, None]),
            "paid": pa.array([True, None]),
            "due": pa.array([20_455, None], pa.date32()),
            "shipped": at,
            "note": pa.array(["hello", None], pa.large_string()),
        }
    )
    pq.write_table(table, orders.folder / "o.parquet")
    orders.load(orders.folder / "o.parquet")
    first, second = orders.stored()
    assert first == (0, NEW_YEAR, EVENT | {"shipped": NEW_YEAR})
    assert second == (1, NEW_YEAR + 1000, {"shipped": NEW_YEAR + 1000})
    assert orders.database.profiles([("member", "2")])[0] is not None


@pytest.mark.parametrize(
    ("more", "instant"),
    [("", NEW_YEAR), (", time_zone: UTC", NEW_YEAR + 8 * HOUR)],
)
def test_times_without_a_zone_are_those_of_the_source_or_the_model(
    tmp_path: Path, more: str, instant: int
) -> None:
    made = Orders(tmp_path, "properties: {shipped: shipped}" + more)
    with made.database:
        made.load_text("customer,mobile,at,shipped\na,,2026-01-01 00:00,2026-01-01\n")
        assert made.stored() == [(0, instant, {"shipped": instant})]


def test_what_is_refused_is_told_and_the_rest_is_loaded(orders: Orders) -> None:
    bad = [
        ",,2026-01-01,1,,,,,,,\n",
        "m1,,,1,,,,,,,\n",
        "m1,,yesterday,1,,,,,,,\n",
        "m1,,2999-01-01,1,,,,,,,\n",
        "m1,,2026-01-01,many,,,,,,,\n",
        "m1,,2026-01-01,1,,,nan,,,,\n",
        "m1,,2026-01-01\n",
    ]
    summary = orders.load_text(HEADER + FULL + "".join(bad) + FULL)
    assert (summary.accepted, summary.refused, summary.created) == (2, 7, 1)
    assert orders.refused() == [
        (3, "no identifier"),
        (4, "order has no time"),
        (5, "column at: 'yesterday' is not a time such as 2026-11-01 08:30:00"),
        (6, "the time of order, 2998-12-31T16:00:00+00:00, is more than a day ahead of the clock"),
        (7, "column total: 'many' is not a number"),
        (8, "column rate: nan is refused: no value can be infinite or not a number"),
        (9, "has 3 fields, and the header has 11"),
    ]
    assert orders.stored() == [(0, NEW_YEAR, EVENT)] * 2


def test_a_column_that_is_not_there_stops_the_load(orders: Orders) -> None:
    with pytest.raises(InputInvalid, match="has no column at, which source orders reads"):
        orders.load_text("customer,mobile,total\na,,1\n")
    assert orders.stored() == []


# -------------------------------------------------------------------------------- ids


IDS = "id: [number, line], properties: {amount: total}"
LINES = "customer,mobile,at,number,line,total\n"


def test_a_second_load_with_ids_changes_nothing_and_says_so(tmp_path: Path) -> None:
    made = Orders(tmp_path, IDS)
    text = LINES + "a,,2026-01-01,7,1,5\na,,2026-01-01,7,2,5\nb,,2026-01-02,71,,5\n"
    with made.database:
        first = made.load_text(text)
        assert (first.events_added, first.blocks_written > 0) == (3, True)
        again = made.load_text(text)
        assert (again.events_added, again.events_unchanged, again.blocks_written) == (0, 3, 0)
        assert again.data_version == first.data_version
        corrected = made.load_text(LINES + "a,,2026-01-01,7,2.0,6\n")
        assert (corrected.events_added, corrected.events_replaced) == (0, 1)
        assert [cells["amount"] for _, _, cells in made.stored()] == [500, 600, 500]


def test_parts_of_an_id_do_not_run_together(tmp_path: Path) -> None:
    made = Orders(tmp_path, IDS)
    with made.database:
        rows = ["a,,2026-01-01,1,11,1", "a,,2026-01-01,11,1,1", "a,,2026-01-01,111,,1"]
        summary = made.load_text(LINES + "\n".join(rows) + "\n")
        assert summary.events_added == 3


def test_a_record_without_its_id_is_refused(tmp_path: Path) -> None:
    made = Orders(tmp_path, IDS)
    with made.database:
        summary = made.load_text(LINES + 'a,,2026-01-01, ,,1\na,,2026-01-01,"1\x1f1",1,1\n')
        assert summary.accepted == 0
        assert made.refused() == [
            (2, "column number and line: the id is empty"),
            (3, "column number and line: an id has no control characters"),
        ]


def test_without_ids_a_second_load_adds_again(orders: Orders) -> None:
    assert orders.load_text(HEADER + FULL).events_added == 1
    summary = orders.load_text(HEADER + FULL)
    assert (summary.events_added, summary.profiles_changed, summary.created) == (1, 1, 0)
    assert len(orders.stored()) == 2


def test_a_query_shapes_events(tmp_path: Path) -> None:
    query = "select *, price * n as total from input where n > 0"
    made = Orders(tmp_path, f'properties: {{amount: total}}, query: "{query}"')
    with made.database:
        made.load_text("customer,mobile,at,price,n\na,,2026-01-01,2.5,2\na,,2026-01-01,1,0\n")
        assert made.stored() == [(0, NEW_YEAR, {"amount": 500})]


def test_a_load_of_profiles_says_nothing_of_events(orders: Orders) -> None:
    path = orders.folder / "people.csv"
    path.write_text("customer,city\nm1,x\n", encoding="utf-8")
    summary = orders.load(path, "people")
    assert (summary.events_added, "events" in str(summary)) == (None, False)
    orders.load_text(HEADER + FULL)
    (record,) = orders.database.profiles([("phone", "138")])
    assert record is not None and record.attributes == {"city": "x"}


# -------------------------------------------------------------------------- model edits


def edited(old: str, new: str) -> dict[str, str]:
    text = MODEL.format(more=ALL)
    assert old in text
    return {"model.yaml": text.replace(old, new)}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("scale: 2", "scale: 3", "events.order.properties.amount: the type changes"),
        ("pieces: int", "other: int", "events.order.properties.pieces: the key is gone"),
        ("  order:", "  purchase:", "events.order: the key is gone"),
    ],
)
def test_an_edit_that_would_lose_events_is_refused(
    orders: Orders, old: str, new: str, told: str
) -> None:
    files = edited(old, new)
    files["model.yaml"] = (
        files["model.yaml"].split("  orders:")[0] + "  people: {identify: {member: customer}}\n"
    )
    orders.load_text(HEADER + FULL)
    with pytest.raises(ModelInvalid, match=told):
        orders.database.apply_model(files)
    assert orders.stored() == [(0, NEW_YEAR, EVENT)]


def test_what_no_event_has_may_change_and_go(orders: Orders) -> None:
    orders.load_text(HEADER + "m1,,2026-01-01,1,,,,,,,\n")
    for old, new in (("pieces: int", "pieces: category"), ("rate: float", "rate: int")):
        orders.database.apply_model(edited(old, new))
    assert orders.stored() == [(0, NEW_YEAR, {"amount": 100})]
    orders.database.apply_model(edited("sources:", "  ping:\nsources:"))
    figures = orders.database.stats()
    assert (figures["events"], figures["events.order"], figures["events.ping"]) == (1, 1, 0)
    size = figures["events.order.stored_bytes"]
    assert figures["event_bytes"] == size > 0
    orders.database.apply_model(edited("sources:", "sources:"))
    assert "events.ping" not in orders.database.stats()
    assert orders.database.verify().faults == ()
