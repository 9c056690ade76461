"""Plots as SVG text: bars on a logarithmic scale, and lines over two of them.

Colours are CSS variables of the page, so that a plot can be read in light and in dark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Bar", "Line", "bars", "lines"]

WIDTH = 820
LABEL_WIDTH = 250
VALUE_WIDTH = 150
BAR_HEIGHT, BAR_STEP = 16, 21
PLOT_HEIGHT = 300
MARGIN_LEFT, MARGIN_BOTTOM, MARGIN_TOP, MARGIN_RIGHT = 64, 44, 14, 150
COLOURS = 7


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: its name, its value, the text beside it, and whether it is ours."""

    name: str
    value: float
    text: str
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """Points (x, y) under a name, in the order of x; dashed where it is a limit."""

    name: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False


def bars(rows: Sequence[Bar], unit: str, *, limit: float | None = None) -> str:
    """Horizontal bars of one group; `limit` is drawn across them."""
    values = [row.value for row in rows] + ([limit] if limit else [])
    low, high = _decades(values)
    height = BAR_STEP * len(rows) + 34
    span = WIDTH - LABEL_WIDTH - VALUE_WIDTH

    def place(value: float) -> float:
        return LABEL_WIDTH + span * (math.log10(value) - low) / (high - low)

    parts = [_start(WIDTH, height)]
    for power in range(low, high + 1):
        x = place(10.0**power)
        parts.append(_grid(x, 0, x, height - 30))
        parts.append(_text(x, height - 14, f"{_short(10.0**power)} {unit}", "middle", "axis"))
    for number, row in enumerate(rows):
        y = number * BAR_STEP + 2
        kind = "ours" if row.ours else "theirs"
        width = max(place(row.value) - LABEL_WIDTH, 1)
        parts.append(_text(LABEL_WIDTH - 8, y + 12, row.name, "end", "name"))
        parts.append(
            f'<rect class="{kind}" x="{LABEL_WIDTH}" y="{y}" width="{width:.1f}"'
            f' height="{BAR_HEIGHT}" rx="2"/>'
        )
        parts.append(_text(LABEL_WIDTH + width + 6, y + 12, row.text, "start", "value"))
    if limit:
        parts.append(
            f'<line class="limit" x1="{place(limit):.1f}" y1="0" x2="{place(limit):.1f}"'
            f' y2="{height - 30}"/>'
        )
    return "".join([*parts, "</svg>"])


def lines(series: Sequence[Line], x_name: str, y_name: str) -> str:
    """Lines over two logarithmic scales."""
    xs = [x for line in series for x, _ in line.points]
    ys = [y for line in series for _, y in line.points]
    left, right = _decades(xs)
    low, high = _decades(ys)
    height = PLOT_HEIGHT + MARGIN_TOP + MARGIN_BOTTOM
    span = WIDTH - MARGIN_LEFT - MARGIN_RIGHT

    def x_place(value: float) -> float:
        return MARGIN_LEFT + span * (math.log10(value) - left) / (right - left)

    def y_place(value: float) -> float:
        return MARGIN_TOP + PLOT_HEIGHT * (high - math.log10(value)) / (high - low)

    bottom = MARGIN_TOP + PLOT_HEIGHT
    parts = [_start(WIDTH, height)]
    for power in range(left, right + 1):
        x = x_place(10.0**power)
        parts.append(_grid(x, MARGIN_TOP, x, bottom))
        parts.append(_text(x, bottom + 16, _short(10.0**power), "middle", "axis"))
    for power in range(low, high + 1):
        y = y_place(10.0**power)
        parts.append(_grid(MARGIN_LEFT, y, MARGIN_LEFT + span, y))
        parts.append(_text(MARGIN_LEFT - 6, y + 4, _short(10.0**power), "end", "axis"))
    parts.append(_text(MARGIN_LEFT + span / 2, bottom + 36, x_name, "middle", "axis"))
    parts.append(_text(4, MARGIN_TOP - 3, y_name, "start", "axis"))
    taken: list[float] = []
    for number, line in enumerate(series):
        kind = f"line c{number % COLOURS}" + (" dashed" if line.dashed else "")
        path = " ".join(f"{x_place(x):.1f},{y_place(y):.1f}" for x, y in line.points)
        parts.append(f'<polyline class="{kind}" points="{path}"/>')
        parts += [
            f'<circle class="dot c{number % COLOURS}" cx="{x_place(x):.1f}" cy="{y_place(y):.1f}"'
            ' r="3"/>'
            for x, y in line.points
            if not line.dashed
        ]
        last_x, last_y = line.points[-1]
        beside = _free(y_place(last_y) + 4, taken)
        taken.append(beside)
        parts.append(
            _text(x_place(last_x) + 8, beside, line.name, "start", f"name n{number % COLOURS}")
        )
    return "".join([*parts, "</svg>"])


def _free(y: float, taken: Sequence[float], step: float = 13) -> float:
    """The nearest place at or below y at which no other name stands."""
    while any(abs(y - other) < step for other in taken):
        y += 1
    return y


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low = math.floor(math.log10(min(values)))
    high = math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _short(value: float) -> str:
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:g}"


def _start(width: float, height: float) -> str:
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img">'


def _grid(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="grid" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, anchor: str, kind: str) -> str:
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
    )
