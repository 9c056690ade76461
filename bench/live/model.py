"""The model of the live benchmark: the people, and as many segments as asked for."""

from __future__ import annotations

import numpy as np

from bench.data.model import HEAD
from bench.data.people import INDUSTRIES, REGIONS, STAGES, TAGS, TITLES

__all__ = ["attribute_segments", "model_text"]


def model_text(segment_count: int) -> str:
    """The model file."""
    return f"{HEAD}segments:\n{attribute_segments(segment_count)}"


def attribute_segments(segment_count: int, seed: int = 1) -> str:
    """Lines of segments that combine two to four conditions on attributes and tags."""
    rng = np.random.default_rng(seed)
    lines = []
    for number in range(segment_count):
        conditions = rng.permutation(8)[: int(rng.integers(2, 5))]
        joined = " and ".join(_condition(rng, int(kind)) for kind in conditions)
        lines.append(f'  s{number:03}: "{joined}"\n')
    return "".join(lines)


def _condition(rng: np.random.Generator, kind: int) -> str:
    def some(values: tuple[str, ...], count: int) -> str:
        return ", ".join(f"'{value}'" for value in rng.choice(values, count, replace=False))

    match kind:
        case 0:
            return f"industry in ({some(INDUSTRIES, 3)})"
        case 1:
            return f"region in ({some(REGIONS, 5)})"
        case 2:
            return f"title in ({some(TITLES, 2)})"
        case 3:
            return f"stage in ({some(STAGES, 2)})"
        case 4:
            return f"age between {rng.integers(18, 40)} and {rng.integers(41, 80)}"
        case 5:
            return f"company_size >= {rng.integers(5, 500)}"
        case 6:
            return f"revenue >= {rng.integers(50, 5000)}.00"
        case _:
            return f"not tag = {some(TAGS, 1)}"
