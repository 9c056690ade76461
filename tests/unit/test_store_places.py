"""Places of one block's fields, found by several readers at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.database import Database
from engine.store import places
from engine.store.addresses import located
from tests.live_databases import LiveDatabase


def test_readers_that_come_at_once_take_what_one_has_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Addresses are those of the copies that are kept, whoever was first."""
    live = LiveDatabase(tmp_path / "store", {})
    live.sizes(("a", 20), ("b", 3))
    live.database.close()
    with (
        Database.open(tmp_path / "store") as database,
        database._store.snapshot() as snapshot,
    ):
        field_id = snapshot.fields["size"].id
        within: list[Any] = []

        def another_comes_between(*asked: Any) -> Any:
            found = located(*asked)
            if not within:
                within.append(None)
                within[0] = places.places_of(snapshot.version, (field_id,), 0)
            return found

        monkeypatch.setattr(places, "located", another_comes_between)
        (mine,) = places.places_of(snapshot.version, (field_id,), 0)
        kept = snapshot.version.state.manifests[0].places[field_id]
        assert mine == kept.addresses == within[0][0]
        # A value as small as these is copied, or the test would show nothing.
        assert [copy.address for copy in kept.copies] == list(mine)
