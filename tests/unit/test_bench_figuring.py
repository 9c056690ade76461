"""What is worked out of times: intervals, verdicts, the least that has to be read."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.bandwidth import bytes_read, floor_us, read_bandwidth
from bench.compare import Compared, interval, verdict
from bench.data.people import tag_share
from bench.questions import QUESTIONS, AnyOf, Between, Draw, Has
from bench.report.plots import Bar, Line, bars, lines


@pytest.mark.parametrize(("count", "k"), [(6, 1), (9, 2), (15, 4), (25, 8), (40, 14)])
def test_intervals_are_those_of_the_tables(count: int, k: int) -> None:
    """k from the tables of the sign test at 5%, two-sided."""
    values = np.random.default_rng(count).permutation(count) + 1.0
    assert interval(values.tolist()) == (k, count - k + 1)
    below = sum(math.comb(count, hits) for hits in range(k)) / 2**count
    assert 2 * below <= 0.05


def test_an_interval_holds_the_median_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(400):
        low, high = interval(np.exp(rng.normal(0, 1, 25)).tolist())
        held += low <= 1 <= high
    assert held > 370


def test_few_values_have_no_interval() -> None:
    with pytest.raises(ValueError, match="six"):
        interval([1.0] * 5)


def _compared(low: float, high: float, again: Compared | None = None) -> Compared:
    return Compared("Q1", 1, 1.0, 1.0, (low + high) / 2, low, high, again)


@pytest.mark.parametrize(
    ("low", "high", "again", "word"),
    [
        (1.10, 1.20, (1.05, 1.30), "regression"),
        (1.10, 1.20, (1.02, 1.30), "unconfirmed"),
        (1.10, 1.20, (0.80, 0.90), "unconfirmed"),
        (0.80, 0.90, (0.80, 0.90), "gain"),
        (0.99, 1.50, None, "no difference"),
        (1.01, 1.02, None, "no difference"),
    ],
)
def test_only_what_is_confirmed_is_said(
    low: float, high: float, again: tuple[float, float] | None, word: str
) -> None:
    second = None if again is None else _compared(*again)
    assert verdict(_compared(low, high, second)) == word


def test_what_has_to_be_read() -> None:
    rows = 1_000_000
    dense = Draw(((Has("newsletter"), Has("webinar"), Has("newsletter", wanted=False)),))
    assert bytes_read(dense, rows) == 2 * rows // 8
    column = Draw(((AnyOf("industry", ("教育",)), Between("revenue", 1)),))
    assert bytes_read(column, rows) == 5 * rows
    assert bytes_read(Draw(column.audiences, group_by="region"), rows) == 6 * rows
    rare = Draw(((Has("campaign-30"), AnyOf("industry", ("教育",)), Between("age", 1, 2)),))
    members = tag_share(39) * rows
    assert bytes_read(rare, rows) == round(members * (2 + 64 + 64))
    for question in QUESTIONS.values():
        assert bytes_read(question.drawn(1, 1), rows) > 0


def test_the_floor_is_taken_at_the_fitting_amount() -> None:
    points = [
        {"threads": 1, "bytes": 1e6, "bytes_a_second": 2e9},
        {"threads": 1, "bytes": 1e8, "bytes_a_second": 1e9},
        {"threads": 2, "bytes": 1e6, "bytes_a_second": 4e9},
    ]
    assert floor_us(1_000_000, 1, points) == pytest.approx(500)
    assert floor_us(2_000_000, 1, points) == pytest.approx(2_000)
    assert floor_us(200_000_000, 1, points) == pytest.approx(200_000)
    assert floor_us(1_000_000, 2, points) == pytest.approx(250)


def test_bandwidth_is_measured() -> None:
    points = read_bandwidth((1, 2), largest=1 << 20)
    assert [(one["threads"], one["bytes"]) for one in points] == [(1, 1 << 20), (2, 1 << 20)]
    assert all(one["bytes_a_second"] > 0 for one in points)


def test_plots_place_values_on_their_scale() -> None:
    plot = bars([Bar("a", 1.0, "one"), Bar("b", 10.0, "ten"), Bar("c", 100.0, "<&>")], "ms")
    widths = [float(part.split('"')[0]) for part in plot.split('width="')[2:]]
    assert widths[0] == 1.0 and widths[2] == pytest.approx(2 * widths[1], abs=0.2)
    assert "&lt;&amp;&gt;" in plot
    drawn = lines([Line("x", [(1, 1), (10, 10)]), Line("y", [(10, 10)])], "people", "ns")
    assert drawn.count("<polyline") == 2 and drawn.count("<circle") == 3
