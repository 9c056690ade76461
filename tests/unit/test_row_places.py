"""Rows and their places among others, close together and far apart."""

from __future__ import annotations

import numpy as np
import pytest

from engine.live.row_places import places_among, union_of_rows


@pytest.mark.parametrize("reach", [1, 40, 3_000, 1 << 32])
def test_tables_say_what_searches_say(reach: int) -> None:
    chance = np.random.default_rng(reach)
    pieces = [chance.integers(0, reach, n, dtype=np.uint32) for n in (0, 1, 90)]
    pieces.append(np.array([reach - 1], np.uint32))
    rows = union_of_rows(pieces)
    assert rows.dtype == np.uint32
    assert rows.tolist() == sorted({row for piece in pieces for row in piece.tolist()})
    wanted = np.concatenate(pieces)
    assert rows[places_among(rows, wanted)].tolist() == wanted.tolist()
    assert places_among(rows, wanted[:1]).tolist() == [rows.tolist().index(wanted[0])]
    assert not len(places_among(rows, wanted[:0]))
