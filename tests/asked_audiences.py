"""What an audience was asked, held against the rows that a naive reading says."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from engine.audience import Audience
from engine.core import evaluate

__all__ = ["agree"]


def agree(
    audience: Audience, asked: Sequence[Any], rows_of: Sequence[Collection[int]], rows: list[int]
) -> None:
    """Masks, counts, counts of nodes and the truth of single rows are those of `rows_of`.

    `asked` names what was added to the audience, in its order, where something differs; `rows` are
    those that are asked one by one, ascending."""
    roots = [question.root for question in audience._questions]
    masks, counts = evaluate.many_masks(audience._program(roots), roots)
    by_node = audience.counts(nodes=True)
    # All of them, and few enough that the events of one block are asked of single rows.
    by_row, of_few = audience.test_rows(rows), audience.test_rows(rows[3:5])
    for at, (name, found) in enumerate(zip(asked, rows_of, strict=True)):
        wanted = set(found)
        bits = np.unpackbits(masks[at].view(np.uint8).reshape(-1), bitorder="little")
        assert set(np.flatnonzero(bits).tolist()) == wanted, name
        assert counts[at] == by_node[at].count == len(wanted), name
        assert {row for row, held in zip(rows, by_row[at], strict=True) if held} == wanted, name
        assert of_few[at] == [row in wanted for row in rows[3:5]], name
