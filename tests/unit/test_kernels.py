"""Every kernel of masks and columns, of every table, against its naive twin, on words, borders and
random values; and exact arithmetic against Python's. Lists and groups: test_kernel_rows.py."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.bitmaps import containers
from engine.core import kernels

TABLES = kernels.tables()
INTEGERS = (np.uint8, np.uint16, np.uint32, np.uint64)
NUMBERS = (*INTEGERS, np.float64)
CODES = INTEGERS[:3]
Words = NDArray[np.uint64]


def naive_words(hits: NDArray[np.bool_]) -> Words:
    """Bit i % 64 of word i / 64 for each hit, one by one."""
    words = [0] * (len(hits) // 64)
    for i, hit in enumerate(hits.tolist()):
        words[i // 64] |= int(hit) << (i % 64)
    return np.array(words, dtype=np.uint64)


def naive_count(mask: Words) -> int:
    """Bits set, word by word."""
    return sum(int(word).bit_count() for word in mask.tolist())


def masks(words: int = 1024) -> list[Words]:
    """Empty, full, one bit at either end, alternating, random, and random with empty words."""
    rng = np.random.default_rng(1)
    first, last = np.zeros(words, np.uint64), np.zeros(words, np.uint64)
    first[0], last[-1] = 1, 1 << 63
    half = rng.integers(0, 2**64, words, dtype=np.uint64)
    return [
        np.zeros(words, np.uint64),
        np.full(words, 2**64 - 1, np.uint64),
        first,
        last,
        np.full(words, 0x5555555555555555, np.uint64),
        half,
        half * (rng.random(words) < 0.5).astype(np.uint64),
    ]


@pytest.mark.parametrize("table", TABLES)
def test_mask_algebra(table: str) -> None:
    """And, or, and-not and count, bit by bit."""
    for a, b in itertools.product(masks(), repeat=2):
        for name, expected in (("and", a & b), ("or", a | b), ("and_not", a & ~b)):
            result = a.copy()
            assert kernels.combine(table, name, result, b) == naive_count(expected)
            assert (result == expected).all(), name
        assert kernels.combine(table, "count", a, b) == naive_count(a)


@pytest.mark.parametrize("table", TABLES)
def test_mask_of_one_row(table: str) -> None:
    """Each word and each bit is counted once, whatever lane of a register it lies in."""
    for row in range(0, 65_536, 63):
        mask = np.zeros(1024, np.uint64)
        mask[row // 64] = 1 << row % 64
        assert kernels.combine(table, "count", mask, mask) == 1
        assert kernels.join(table, [mask], [True]) == 65_535


@pytest.mark.parametrize("table", TABLES)
def test_join(table: str) -> None:
    """Terms and their complements, counted, into an array and into one of the terms."""
    pick = random.Random(1)
    for _ in range(100):
        terms = [pick.choice(masks()) for _ in range(pick.randint(1, 5))]
        flips = [pick.random() < 0.4 for _ in terms]
        expected = np.full(1024, 2**64 - 1, np.uint64)
        for term, flip in zip(terms, flips, strict=True):
            expected &= ~term if flip else term
        count = naive_count(expected)
        assert kernels.join(table, terms, flips) == count
        out = np.zeros(1024, np.uint64)
        assert kernels.join(table, terms, flips, out) == count
        assert (out == expected).all()
        terms[-1] = terms[-1].copy()
        assert kernels.join(table, terms, flips, terms[-1]) == count
        assert (terms[-1] == expected).all()


@pytest.mark.parametrize("table", TABLES)
def test_join_any(table: str) -> None:
    """Groups of terms and their complements, counted, into an array and into one of the terms."""
    pick = random.Random(3)
    for _ in range(100):
        groups = [
            [pick.choice(masks()) for _ in range(pick.randint(1, 5))]
            for _ in range(pick.randint(1, 3))
        ]
        flips = [pick.random() < 0.4 for _ in groups]
        expected = np.full(1024, 2**64 - 1, np.uint64)
        for terms, flip in zip(groups, flips, strict=True):
            any_term = np.bitwise_or.reduce(terms)
            expected &= ~any_term if flip else any_term
        count = naive_count(expected)
        assert kernels.join_any(table, groups, flips) == count
        out = np.zeros(1024, np.uint64)
        assert kernels.join_any(table, groups, flips, out) == count
        assert (out == expected).all()
        groups[-1][0] = groups[-1][0].copy()
        assert kernels.join_any(table, groups, flips, groups[-1][0]) == count
        assert (groups[-1][0] == expected).all()


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("words", [1, 7, 8, 9, 1023, 1024])
def test_code_masks(table: str, words: int) -> None:
    """The mask of each code; nothing is written behind the words of the values."""
    rng = np.random.default_rng(words)
    for count in (1, 15, 16, 50):
        values = rng.integers(0, count + 2, 64 * words).astype(np.uint8)
        out = np.full((count, 1032), 7, np.uint64)
        kernels.code_masks(table, values, out)
        check_codes(values, out)


def check_codes(values: NDArray[np.uint8], out: NDArray[np.uint64]) -> None:
    words = len(values) // 64
    for code in range(1, len(out) + 1):
        expected = np.packbits(values == code, bitorder="little").view(np.uint64)
        assert (out[code - 1, :words] == expected).all()
        assert (out[code - 1, words:] == 7).all()


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("words", [1, 7, 8, 9, 1023, 1024])
def test_range_masks(table: str, words: int) -> None:
    """The mask of each of few and of many ranges; nothing is written behind the words."""
    rng = np.random.default_rng(words)
    values = rng.integers(0, 256, 64 * words).astype(np.uint8)
    lows = np.array([0, 0, 255, 1, 200, 77, 16, 15, 239, 254], np.uint8)
    spans = np.array([0, 255, 0, 13, 55, 1, 15, 16, 1, 1], np.uint8)
    check_ranges(table, values, lows, spans)
    for most in (256, 200, 16, 3):
        lows = rng.integers(0, most, 100).astype(np.uint8)
        spans = rng.integers(0, most - lows.astype(np.int64)).astype(np.uint8)
        check_ranges(table, values, lows, spans)
        check_ranges(table, values % np.uint8(most - 1), lows, spans)
        # Some go around.
        spans = rng.integers(0, 256, 100).astype(np.uint8)
        check_ranges(table, values, lows, spans)


def check_ranges(
    table: str, values: NDArray[np.uint8], lows: NDArray[np.uint8], spans: NDArray[np.uint8]
) -> None:
    words = len(values) // 64
    out = np.full((len(lows), 1032), 7, np.uint64)
    kernels.range_masks(table, values, lows, spans, out)
    for low, span, mask in zip(lows, spans, out, strict=True):
        expected = np.packbits(values - low <= span, bitorder="little").view(np.uint64)
        assert (mask[:words] == expected).all()
        assert (mask[words:] == 7).all()


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("highest", [1, 255, 2_047, 2_048, 70_000, 2**31, 2**32 - 2])
def test_ranks(table: str, highest: int) -> None:
    """How many cuts values have reached, at them and beside them; up to four in one bucket."""
    rng = np.random.default_rng(highest)
    for count in (1, 2, 86, 254):
        cuts = np.unique(rng.integers(1, highest, count, np.uint32, endpoint=True))
        values = rng.integers(0, highest, 64 * 40, np.uint32, endpoint=True)
        near = np.concatenate([cuts, cuts - np.uint32(1), np.minimum(cuts, highest - 1) + 1])
        values[: len(near)] = near
        values[-2:] = 0, highest
        out = np.zeros(len(values), np.uint8)
        if kernels.ranks(table, values, cuts, highest, 1, out):
            assert (out == 1 + np.searchsorted(cuts, values, side="right")).all()
        else:
            assert len(cuts) > 4


@pytest.mark.parametrize("table", TABLES)
def test_ranks_of_cuts_close_together(table: str) -> None:
    """Some beside each other and one far from them, and cuts at both ends of all numbers."""
    top = 2**32 - 2
    apart = [[5, 5 + 2**bits + over] for bits in (15, 16) for over in range(-6, 3)]
    ends = [[1, 2, 2**31, top - 1, top], [top], [1]]
    for some in ([70, 71, 73, 10**9], [5, 6, 7, 8, 500], *ends, *apart):
        cuts = np.array(some, np.uint32)
        steps = np.arange(-40, 40, dtype=np.int64)
        near = (cuts.astype(np.int64)[:, None] + steps).clip(0, top).astype(np.uint32).ravel()
        values = np.concatenate([near, np.zeros(-len(near) % 64, np.uint32)])
        out = np.zeros(len(values), np.uint8)
        assert kernels.ranks(table, values, cuts, top, 3, out)
        assert (out == 3 + np.searchsorted(cuts, values, side="right")).all()


def test_no_ranks_where_cuts_crowd() -> None:
    """Five cuts in a bucket are one too many, and the greatest value there is has none."""
    values, out = np.zeros(64, np.uint32), np.full(64, 9, np.uint8)
    crowd = np.array([1, 2, 3, 4, 5, 2**31], np.uint32)
    assert not kernels.ranks("portable", values, crowd, 2**31, 0, out)
    assert not kernels.ranks("portable", values, crowd[:1], 2**32 - 1, 0, out)
    assert (out == 9).all()
    assert kernels.ranks("portable", values, crowd[1:], 2**31, 0, out)
    assert (out == 0).all()


def sets_of_rows() -> Iterator[NDArray[np.uint16]]:
    """Rows whose container is empty, an array, a bitset or runs, at the borders of each."""
    rng = np.random.default_rng(9)
    for rows in ([], [0], [63], [64], [65_535], [0, 65_535], range(65_536), range(1, 65_535)):
        yield np.array(rows, np.uint16)
    for count in (2, 4_095, 4_096, 4_097, 40_000):
        yield np.sort(rng.choice(65_536, count, replace=False)).astype(np.uint16)
    ends = np.sort(rng.choice(65_536, 300, replace=False)).reshape(-1, 2)
    yield np.concatenate([np.arange(a, b) for a, b in ends]).astype(np.uint16)
    yield np.concatenate([np.arange(a, a + 64) for a in range(0, 65_536, 256)]).astype(np.uint16)


@pytest.mark.parametrize("table", TABLES)
def test_containers(table: str) -> None:
    """A mask and a container of each form."""
    met = set()
    for rows in sets_of_rows():
        kind, content, cardinality = containers.encode(rows)
        met.add(kind)
        hits = np.zeros(65_536, bool)
        hits[rows] = True
        other = naive_words(hits)
        for mask in masks():
            for name, expected in (("and", mask & other), ("and_not", mask & ~other)):
                result = mask.copy()
                array = np.frombuffer(content, np.uint8)
                left = kernels.narrow_by_container(table, name, result, kind, array, cardinality)
                assert left == naive_count(expected)
                assert (result == expected).all()
            count = kernels.narrow_by_container(table, "count", mask, kind, array, cardinality)
            assert count == naive_count(mask & other)
    assert met == {containers.EMPTY, containers.ARRAY, containers.BITSET, containers.RUN}


def numbers(width: Any, count: int) -> NDArray[Any]:
    """Random values with the extremes of the type among them, and NaN and infinities of doubles."""
    rng = np.random.default_rng(2)
    if width is np.float64:
        values = rng.normal(0, 10, count)
        special = [0.0, -0.0, 5e-324, 1e308, -1e308, 1.0, math.nan, math.inf, -math.inf]
        values[: len(special)] = special
        return values
    most = int(np.iinfo(width).max)
    values = rng.integers(0, most, count, dtype=width, endpoint=True)
    values[:4] = [0, 1, most - 1, most]
    return values


def bounds(width: Any, values: NDArray[Any]) -> list[tuple[Any, Any]]:
    """Ranges at the ends of the type, of one value, of about half, and that wrap around."""
    if width is np.float64:
        above = math.nextafter(1.0, 2.0)
        both = [(-math.inf, math.inf), (math.inf, math.inf), (0.0, 0.0), (above, 2.0), (-3.5, 4.25)]
        return [*both, (1.0, -1.0), (math.nan, 1.0), (1.0, math.nan)]
    most = int(np.iinfo(width).max)
    middle = int(values[9])
    plain = [(0, 0), (0, most), (most, most), (1, most - 1), (middle, middle), (0, most // 2)]
    return [*plain, (most, 0), (most - 1, 1), (most // 2 + 9, 7), (3, 2)]


def in_range(values: NDArray[Any], low: Any, high: Any) -> NDArray[np.bool_]:
    """The hits; of integers low > high is a range that wraps around."""
    if values.dtype != np.float64 and low > high:
        return np.asarray((values >= low) | (values <= high))
    return np.asarray((values >= low) & (values <= high))


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("width", NUMBERS)
def test_range(table: str, width: Any) -> None:
    """One word, three, and a block."""
    for count in (64, 192, 65_536):
        values = numbers(width, count)
        for low, high in bounds(width, values):
            expected = naive_words(in_range(values, low, high))
            assert (kernels.in_range(table, values, low, high) == expected).all(), (low, high)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("width", NUMBERS)
def test_narrow_to_range(table: str, width: Any) -> None:
    """Masks of every kind, with presence and without, kept and turned."""
    values = numbers(width, 64 * 40)
    given: list[Words | None] = [None, *masks(40)[1:6:4]]
    for low, high in bounds(width, values):
        hits = naive_words(in_range(values, low, high))
        for mask, present, flip in itertools.product(masks(40), given, (False, True)):
            here = hits if present is None else hits & present
            expected = mask & (~here if flip else here)
            result = mask.copy()
            left = kernels.narrow_to_range(table, values, low, high, present, flip, result)
            assert left == naive_count(expected)
            assert (result == expected).all(), (low, high, flip)


def code_sets(values: NDArray[Any]) -> Iterator[tuple[NDArray[np.bool_], Words]]:
    """No code, all codes, one, and a random half: as bools and as bits."""
    rng = np.random.default_rng(4)
    count = max(256, (int(values.max()) // 64 + 1) * 64)
    one = np.arange(count) == int(values[0])
    for hits in (np.zeros(count, bool), np.ones(count, bool), one, rng.random(count) < 0.5):
        yield hits, np.packbits(hits, bitorder="little").view(np.uint64)


def codes(width: Any, count: int) -> NDArray[Any]:
    """Random codes, every one of a byte, and the last of the type as far as a dictionary goes."""
    most = min(int(np.iinfo(width).max), 100_000)
    values = np.random.default_rng(4).integers(0, most, count, dtype=width, endpoint=True)
    values[:256] = np.arange(256)
    values[256:258] = most - 1, most
    return np.random.default_rng(5).permutation(values)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("width", CODES)
def test_member(table: str, width: Any) -> None:
    """Filled, and narrowed with masks of every kind, kept and turned."""
    values = codes(width, 6_400)
    for hits, members in code_sets(values):
        words = naive_words(hits[values])
        assert (kernels.is_member(table, values, members) == words).all()
        for mask, flip in itertools.product(masks(100), (False, True)):
            expected = mask & (~words if flip else words)
            result = mask.copy()
            left = kernels.narrow_to_members(table, values, members, flip, result)
            assert left == naive_count(expected)
            assert (result == expected).all()


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("width", INTEGERS)
def test_adding_to_rows(table: str, width: Any) -> None:
    """Row by row, with numbers that wrap around."""
    rng = np.random.default_rng(3)
    most = int(np.iinfo(width).max)
    for mask, value in itertools.product(masks(), (0, 1, 5, most, most // 2 + 1)):
        values = rng.integers(0, most, 65_536, dtype=width, endpoint=True)
        rows = np.unpackbits(mask.view(np.uint8), bitorder="little").tolist()
        expected = [
            (one + value) & most if here else one
            for one, here in zip(values.tolist(), rows, strict=True)
        ]
        kernels.add_to_rows(table, values, mask, value)
        assert values.tolist() == expected


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("most", [0, 1, 15, 16, 31, 63, 64, 127, 128, 200, 255])
def test_adding_by_a_table(table: str, most: int) -> None:
    """Lane by lane, with sums that wrap around; no more values than there are."""
    rng = np.random.default_rng(most)
    points = rng.integers(0, 255, 256, np.uint8, endpoint=True)
    for words in (1, 3, 64):
        values = rng.integers(0, most, 64 * words, np.uint8, endpoint=True)
        values[-1] = most
        lanes = rng.integers(0, 255, 64 * words, np.uint8, endpoint=True)
        given = zip(lanes.tolist(), values.tolist(), strict=True)
        expected = [(lane + int(points[value])) & 255 for lane, value in given]
        kernels.add_by_table(table, lanes, values, points, most)
        assert lanes.tolist() == expected


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("width", [np.uint16, np.uint32])
def test_adding_in_a_range(table: str, width: Any) -> None:
    """Lane by lane, at both ends, over the ends of the type, and with numbers that wrap around."""
    rng = np.random.default_rng(4)
    most = int(np.iinfo(width).max)
    for low, high in ((0, 0), (1, 5), (5, most), (most, most), (0, most), (most - 1, 2)):
        for number in (0, 1, 200, 255):
            values = rng.integers(0, most, 64 * 5, width, endpoint=True)
            edges = [low, high, (low - 1) & most, (high + 1) & most, 0, most]
            values[: 3 * len(edges) : 3] = edges
            lanes = rng.integers(0, 255, 64 * 5, np.uint8, endpoint=True)
            expected = [
                (lane + number * (((value - low) & most) <= ((high - low) & most))) & 255
                for lane, value in zip(lanes.tolist(), values.tolist(), strict=True)
            ]
            kernels.add_in_range(table, lanes, values, low, high, number)
            assert lanes.tolist() == expected


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("bits", [0, 1, 2, 4, 8, 31])
def test_taking_pairs(table: str, bits: int) -> None:
    """Lane by lane, at both ends of counts and sums."""
    rng = np.random.default_rng(6)
    counts, most = 2**bits - 1, (2**32 - 1) >> bits
    for least, (low, high) in itertools.product(
        {0, 1 & counts, counts}, ((0, 0), (0, most), (1, most), (most, most), (most // 2, most - 1))
    ):
        lanes = rng.integers(0, 2**32 - 1, 64 * 5, np.uint32, endpoint=True)
        edges = [low, high, max(low, 1) - 1, min(high + 1, most), 0, most]
        lanes[: 3 * len(edges) : 3] = [(sum_ << bits) | least for sum_ in edges]
        lanes[1 : 3 * len(edges) : 3] = [(sum_ << bits) | max(least, 1) - 1 for sum_ in edges]
        expected = [
            i
            for i, lane in enumerate(lanes.tolist())
            if lane & counts >= least and low <= lane >> bits <= high
        ]
        assert bits_of(kernels.take_pairs(table, lanes, bits, least, low, high)) == expected
        assert not lanes.any()


@pytest.mark.parametrize("table", TABLES)
def test_after_the_latest(table: str) -> None:
    """Instant by instant, at both ends of what is near, for any count of them."""
    rng = np.random.default_rng(5)
    top = 2**32 - 1
    for count, (sure, most) in itertools.product(
        (0, 1, 15, 16, 17, 63, 64, 65, 200), ((0, 0), (0, 2), (3, 3), (3, 5), (2**31, 2**31 + 1))
    ):
        rows = rng.integers(0, 65_536, count, np.uint16)
        times = rng.integers(most + 1, top, count, np.uint32, endpoint=True)
        times[::2] = rng.integers(top - 9, top, times[::2].size, np.uint32, endpoint=True)
        latest = np.zeros(65_536, np.uint32)
        apart = rng.choice([-1, 0, 1, sure, sure + 1, most, most + 1], count)
        found = np.minimum(times - apart, top).astype(np.uint32)
        latest[rows] = np.where(rng.random(count) < 0.8, found, 0)
        past = [int(time) - int(latest[row]) for time, row in zip(times, rows, strict=True)]
        hits, unsure = kernels.after(table, rows, times, latest, sure, most)
        assert bits_of(hits) == [i for i, gap in enumerate(past) if 0 < gap <= sure]
        expected = [i for i, gap in enumerate(past) if gap <= 0 or sure < gap <= most]
        assert bits_of(unsure) == expected


def bits_of(words: Words) -> list[int]:
    """Places of the bits that are set."""
    bits = np.unpackbits(words.view(np.uint8), bitorder="little")
    places: list[int] = np.flatnonzero(bits).tolist()
    return places


def test_ratio_is_rounded_once() -> None:
    """Narrow and wide division equal Python's, which rounds fractions correctly."""
    pick = random.Random(5)
    for _ in range(20_000):
        numerator = pick.getrandbits(pick.randint(1, 126)) * pick.choice((1, -1))
        denominator = pick.choice((1, 3, 10, 10**9, 10**18, pick.getrandbits(59) | 1))
        expected = float(Fraction(numerator, denominator))
        assert kernels.ratio_to_double(numerator, denominator) == expected
        assert kernels.wide_ratio_to_double(numerator, denominator) == expected


def test_ratio_ties_go_to_even() -> None:
    """Numbers half way between two doubles, and a hair beside."""
    pick = random.Random(6)
    for _ in range(5_000):
        tie = (pick.getrandbits(52) | 1 << 52) * 2 + 1
        shift = pick.randint(0, 60)
        for numerator in (tie << shift, (tie << shift) + 1, (tie << shift) - 1):
            assert kernels.ratio_to_double(numerator, 1) == float(numerator)
            assert kernels.wide_ratio_to_double(numerator, 1) == float(numerator)


def test_wide_ratio() -> None:
    """Denominators of a hundred digits."""
    pick = random.Random(7)
    for _ in range(3_000):
        numerator = pick.getrandbits(pick.randint(1, 500)) * pick.choice((1, -1))
        denominator = 10 ** pick.randint(0, 130)
        ratio = Fraction(numerator, denominator)
        if 1e-290 < abs(ratio) < 1e300:
            assert kernels.wide_ratio_to_double(numerator, denominator) == float(ratio)


def test_linear_sign() -> None:
    """Signs of sums of large products, and of sums that cancel to 0, 1 and -1."""
    pick = random.Random(8)
    for _ in range(5_000):
        factors = [pick.getrandbits(pick.randint(1, 380)) * pick.choice((1, -1)) for _ in range(4)]
        values = [
            pick.choice((pick.randint(-(2**63), 2**63 - 1), 0, 1, -1, -(2**63), 2**63 - 1))
            for _ in range(4)
        ]
        total = sum(f * v for f, v in zip(factors, values, strict=True))
        for constant in (0, -total, -total + 1, -total - 1):
            exact = total + constant
            expected = (exact > 0) - (exact < 0)
            assert kernels.linear_sign(factors, values, constant) == expected
