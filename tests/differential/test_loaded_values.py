"""What was loaded is what DuckDB finds in the lines, attribute by attribute."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.differential.questions import KINDS
from tests.differential.shop import Shop


def test_every_customer_has_the_values_of_the_lines(shop: Shop) -> None:
    shapes = {"set": 'list_sort("{}")', "time": 'epoch_us("{}")'}
    columns = [shapes.get(kind, '"{}"').format(name) for name, kind in KINDS.items()]
    rows = shop.oracle.rows(
        f"SELECT CAST(customer AS VARCHAR), {', '.join(columns)} FROM customers ORDER BY 1"
    )
    records = shop.database.profiles([("customer", row[0]) for row in rows])
    faults = []
    for (customer, *wanted), record in zip(rows, records, strict=True):
        assert record is not None, customer
        for (name, kind), value in zip(KINDS.items(), wanted, strict=True):
            found: Any = record.attributes.get(name)
            if isinstance(found, datetime):
                found = round(found.timestamp()) * 1_000_000
            elif kind == "set":
                found, value = sorted(found or []), value or []
            if found != value:
                faults.append(f"{customer} {name}: {found!r}, DuckDB has {value!r}")
    assert not faults, "\n".join(faults[:20])
    assert len(rows) == shop.database.profile_count


def test_values_are_there_and_missing(shop: Shop) -> None:
    """Every type has a column with gaps, or questions about missing values would ask nothing."""
    gaps = {
        kind
        for name, kind in KINDS.items()
        if 0 < shop.oracle.counts([f'coalesce(len("{name}"), 0) > 0' if kind == "set"
                                   else f'"{name}" IS NOT NULL'])[0] < shop.customer_count
    }  # fmt: skip
    assert gaps == set(KINDS.values())
