"""Customers that never lived, the same ones each time.

Most values follow the shapes that real customer tables have: few values that are common and
many that are rare (Zipf), sums of money that are log-normal, gaps where nobody asked. Sixty tags
reach from half of all customers down to one in a million.

Customers are made in pieces of `PIECE_ROWS`, each from a seed of its own, so that any piece can be
made alone and a larger set begins with all of a smaller one.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

__all__ = [
    "INDUSTRIES",
    "NOW",
    "PIECE_ROWS",
    "REGIONS",
    "SEED",
    "STAGES",
    "TAGS",
    "TITLES",
    "VALUES",
    "decimals",
    "microseconds",
    "person_ids",
    "tag_share",
    "write_people",
]

INDUSTRIES = (
    "制造业", "高科技", "零售", "金融", "医疗", "教育", "物流", "能源", "汽车", "地产",
    "传媒", "旅游", "农业", "化工", "建筑", "餐饮", "电信", "公共服务", "法律", "其他",
)  # fmt: skip
REGIONS = (
    "广东", "江苏", "山东", "浙江", "河南", "四川", "湖北", "福建", "湖南", "上海", "安徽",
    "河北", "北京", "陕西", "江西", "重庆", "辽宁", "云南", "广西", "山西", "内蒙古", "贵州",
    "新疆", "天津", "黑龙江", "吉林", "甘肃", "海南", "宁夏", "青海", "西藏",
)  # fmt: skip
TITLES = (
    "CEO", "CIO", "CTO", "CFO", "CMO", "技术总监", "市场总监", "采购经理", "产品经理", "工程师",
    "分析师", "助理",
)  # fmt: skip
STAGES = ("lead", "mql", "sql", "trial", "customer", "loyal", "champion")
# The values of each category, the most common first.
VALUES = {"industry": INDUSTRIES, "region": REGIONS, "title": TITLES, "stage": STAGES}
# 60 tags, the most common first; they fit into the bits of one integer.
TAGS = (
    "newsletter", "webinar", "白皮书", "展会", "trial-2026", "beta", "partner", "VIP",
    "speaker", "advisor", *(f"campaign-{number:02}" for number in range(1, 51)),
)  # fmt: skip

SEED = 20_261_101
PIECE_ROWS = 50_000
_FIRST_SHARE, _LAST_SHARE = 0.5, 1e-6
_FIRST_JOINED = datetime.datetime(2016, 1, 1, tzinfo=datetime.UTC)
NOW = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
_ID_DIGITS = 9
# Enough rows that a column's pages are large, few enough that a reader holds little at once.
_ROW_GROUP = 250_000


def tag_share(place: int) -> float:
    """The share of customers that has the tag at a place of `TAGS`."""
    ratio = (_LAST_SHARE / _FIRST_SHARE) ** (1 / (len(TAGS) - 1))
    return float(_FIRST_SHARE * ratio**place)


def write_people(path: Path, count: int, *, first: int = 0, seed: int = SEED) -> str:
    """Writes the customers `first` to `first + count` as Parquet, and says what they are.

    `first` is a multiple of `PIECE_ROWS`. The answer is a digest of all values in hexadecimal; it
    stands in the file's metadata too, under "digest". Memory holds some row groups at most.
    """
    assert first % PIECE_ROWS == 0 and count > 0
    digest = hashlib.blake2b(digest_size=16)
    writer: pq.ParquetWriter | None = None
    pieces: list[pa.Table] = []
    for piece in _pieces(seed, first, count, digest):
        pieces.append(piece)
        if writer is None:
            writer = pq.ParquetWriter(path, piece.schema)
        if len(pieces) * PIECE_ROWS >= _ROW_GROUP:
            writer.write_table(pa.concat_tables(pieces), row_group_size=_ROW_GROUP)
            pieces.clear()
    assert writer is not None
    if pieces:
        writer.write_table(pa.concat_tables(pieces), row_group_size=_ROW_GROUP)
    writer.add_key_value_metadata({"digest": digest.hexdigest()})
    writer.close()
    return digest.hexdigest()


def _pieces(seed: int, first: int, count: int, digest: hashlib.blake2b) -> Iterator[pa.Table]:
    for start in range(first, first + count, PIECE_ROWS):
        rng = np.random.default_rng([seed, start // PIECE_ROWS])
        rows = min(PIECE_ROWS, first + count - start)
        yield _Piece(rng, start, rows, digest).table()


class _Piece:
    """One piece: it is always made whole, then cut, so that it begins alike at any length."""

    def __init__(
        self, rng: np.random.Generator, start: int, rows: int, digest: hashlib.blake2b
    ) -> None:
        self._rng = rng
        self._start = start
        self._rows = rows
        self._digest = digest

    def table(self) -> pa.Table:
        """The columns of the piece."""
        rng, size = self._rng, PIECE_ROWS
        joined = _instants(rng.random(size))
        since = (microseconds(NOW) - joined) * rng.beta(1, 4, size)
        last_seen = (microseconds(NOW) - since).astype(np.int64)
        columns = {
            "id": person_ids(np.arange(self._start, self._start + self._rows)),
            "industry": self._zipf(INDUSTRIES, missing=0.05),
            "region": self._zipf(REGIONS, missing=0.02),
            "title": self._zipf(TITLES, missing=0.2),
            "stage": self._zipf(STAGES, missing=0.0),
            "age": self._some(np.clip(rng.normal(41, 12, size), 18, 90), 0.3),
            "company_size": self._some(np.exp(rng.normal(4, 1.7, size)) + 1, 0.1),
            "revenue": decimals(self._some(100 * np.exp(rng.normal(6, 1.8, size)), 0.25)),
            "joined": self._moments(joined),
            "last_seen": self._moments(last_seen),
            **self._tags(),
        }
        return pa.table(columns)

    def _kept(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        kept = np.ascontiguousarray(values[: self._rows])
        self._digest.update(kept.tobytes())
        return kept

    def _zipf(self, values: Sequence[str], *, missing: float) -> pa.Array:
        weights = 1 / np.arange(1, len(values) + 1)
        codes = self._rng.choice(len(values), PIECE_ROWS, p=weights / weights.sum())
        mask = self._rng.random(PIECE_ROWS) < missing
        indices = pa.array(self._kept(codes.astype(np.int32)), mask=self._kept(mask))
        return pa.DictionaryArray.from_arrays(indices, pa.array(values))

    def _some(self, values: NDArray[np.float64], missing: float) -> pa.Array:
        mask = self._rng.random(PIECE_ROWS) < missing
        return pa.array(self._kept(values.astype(np.int64)), mask=self._kept(mask))

    def _moments(self, us: NDArray[np.int64]) -> pa.Array:
        return pa.array(self._kept(us), pa.timestamp("us", "UTC"))

    def _tags(self) -> dict[str, pa.Array]:
        """The tags as a list for each customer, and as the bits of one integer."""
        limits = np.array([tag_share(place) * 2.0**32 for place in range(len(TAGS))], np.uint32)
        drawn = self._rng.integers(0, 1 << 32, (PIECE_ROWS, len(TAGS)), np.uint32)
        has = (drawn < limits)[: self._rows]
        bits = np.zeros((self._rows, 8), np.uint8)
        packed = np.packbits(has, axis=1, bitorder="little")
        bits[:, : packed.shape[1]] = packed
        codes = np.nonzero(has)[1].astype(np.int32)
        offsets = np.zeros(self._rows + 1, np.int32)
        np.cumsum(has.sum(axis=1), out=offsets[1:])
        values = pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(TAGS))
        return {
            "tags": pa.ListArray.from_arrays(pa.array(offsets), values.dictionary_decode()),
            "tag_bits": pa.array(self._kept(bits.view(np.uint64).ravel())),
        }


def person_ids(numbers: NDArray[np.int64]) -> pa.Array:
    """Of each customer by number: P000000000 and on, without a Python object for each."""
    count = len(numbers)
    letters = np.full((count, _ID_DIGITS + 1), ord("P"), np.uint8)
    for place in range(_ID_DIGITS, 0, -1):
        letters[:, place] = ord("0") + numbers % 10
        numbers = numbers // 10
    offsets = np.arange(count + 1, dtype=np.int32) * (_ID_DIGITS + 1)
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(letters))


def decimals(hundredths: pa.Array) -> pa.Array:
    """Whole hundredths as decimals with two digits: the low and the high half of 128 bits."""
    low = np.asarray(hundredths.fill_null(0))
    halves = np.stack([low, low >> 63], axis=1)
    return pa.Array.from_buffers(
        pa.decimal128(18, 2), len(hundredths), [hundredths.buffers()[0], pa.py_buffer(halves)]
    )


def microseconds(moment: datetime.datetime) -> int:
    """An instant of whole seconds in microseconds from 1970-01-01T00:00Z."""
    return int(moment.timestamp()) * 1_000_000


def _instants(shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Instants between the first day and now, more of them late than early."""
    span = microseconds(NOW) - microseconds(_FIRST_JOINED)
    return microseconds(_FIRST_JOINED) + (np.sqrt(shares) * span).astype(np.int64)
