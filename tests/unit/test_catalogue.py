"""Every rule of the catalogue holds for profiles just inside of it, and not for those just outside.

The profiles of all rules of a model are in one store, written as a CRM writes them. What is asked
is asked of an instant to come, so that events can be dated up to it to the microsecond.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from strata.cli.embedded import EmbeddedTransport, opened
from strata.client import Client
from tests import catalogue_b2b, catalogue_retail
from tests.catalogue import Row
from tests.example_models import KINDS, example_files

ROWS = {"b2b_wechat": catalogue_b2b.ROWS, "retail": catalogue_retail.ROWS}
CASES = [(model, place) for model, rows in ROWS.items() for place in range(len(rows))]


class Example:
    """An example model in a store of its own, with the profiles of its rows."""

    def __init__(self, client: Client, model: str) -> None:
        self._client = client
        self._kind = KINDS[model]
        self.as_of = datetime.now(UTC) + timedelta(hours=1)
        client.apply_model(example_files(model))
        updates = [
            update
            for place, row in enumerate(ROWS[model])
            for side, people in (("in", row.inside), ("out", row.outside))
            for number, person in enumerate(people)
            for update in person.updates(self._kind, name(place, side, number), self.as_of)
        ]
        ack = client.ingest_batch(updates, source="crm")
        assert not ack.refused
        self._offset = ack.offset

    def members(self, expression: str) -> set[str]:
        """Names of those for whom an expression holds."""
        found = self._client.members(
            expression, identifier_kind=self._kind, as_of=self.as_of, min_offset=self._offset
        )
        return set(found.entries())


def name(place: int, side: str, number: int) -> str:
    """What a profile is called."""
    return f"{place}-{side}-{number}"


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Example]]:
    folder = tmp_path_factory.mktemp("catalogue")
    with (
        opened(folder / "b2b_wechat", writes=True, creates=True) as companies,
        opened(folder / "retail", writes=True, creates=True) as shop,
        Client(transport=EmbeddedTransport(companies)) as first,
        Client(transport=EmbeddedTransport(shop)) as second,
    ):
        yield {"b2b_wechat": Example(first, "b2b_wechat"), "retail": Example(second, "retail")}


@pytest.mark.parametrize(("model", "place"), CASES)
def test_a_rule_holds_just_inside_and_not_just_outside(
    examples: dict[str, Example], model: str, place: int
) -> None:
    row: Row = ROWS[model][place]
    found = examples[model].members(row.asks)
    inside = {name(place, "in", number) for number in range(len(row.inside))}
    outside = {name(place, "out", number) for number in range(len(row.outside))}
    assert inside, "a row without anybody inside shows nothing"
    assert inside - found == set(), f"{row.number} {row.says}: they are outside"
    assert outside & found == set(), f"{row.number} {row.says}: they are inside"
