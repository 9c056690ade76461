"""A million customers that never lived, the same ones each time.

Most values follow the shapes that real customer tables have: few values that are common and
many that are rare (Zipf), sums of money that are log-normal, gaps where nobody asked.
"""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

__all__ = ["INDUSTRIES", "REGIONS", "STAGES", "TAGS", "TITLES", "write_people"]

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
# The share of customers that has the first, halved for each that follows.
TAGS = (
    "newsletter", "webinar", "白皮书", "展会", "trial-2026", "beta", "partner", "VIP",
    "speaker", "advisor",
)  # fmt: skip

_SEED = 20_261_101
_ROW_GROUP = 131_072
_FIRST_JOINED = datetime.datetime(2016, 1, 1, tzinfo=datetime.UTC)
_NOW = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)


def write_people(path: Path, count: int) -> None:
    """Writes `count` customers as Parquet; piece by piece, so that memory stays small."""
    rng = np.random.default_rng(_SEED)
    writer: pq.ParquetWriter | None = None
    for start in range(0, count, _ROW_GROUP):
        table = _people(rng, start, min(_ROW_GROUP, count - start))
        if writer is None:
            writer = pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None, "somebody must be written"
    writer.close()


def _people(rng: np.random.Generator, start: int, count: int) -> pa.Table:
    joined = _instants(rng.random(count))
    since = (_us(_NOW) - joined) * rng.beta(1, 4, count)
    columns = {
        "id": pa.array([f"P{number:07}" for number in range(start, start + count)]),
        "industry": _zipf(rng, INDUSTRIES, count, missing=0.05),
        "region": _zipf(rng, REGIONS, count, missing=0.02),
        "title": _zipf(rng, TITLES, count, missing=0.2),
        "stage": _zipf(rng, STAGES, count, missing=0.0),
        "age": _some(rng, np.clip(rng.normal(41, 12, count), 18, 90).astype(np.int64), 0.3),
        "company_size": _some(rng, np.exp(rng.normal(4, 1.7, count)).astype(np.int64) + 1, 0.1),
        "revenue": _some(rng, np.round(np.exp(rng.normal(6, 1.8, count)), 2), 0.25),
        "joined": pa.array(joined, pa.timestamp("us", "UTC")),
        "last_seen": pa.array((_us(_NOW) - since).astype(np.int64), pa.timestamp("us", "UTC")),
        "tags": _tags(rng, count),
    }
    return pa.table(columns)


def _us(moment: datetime.datetime) -> int:
    return int(moment.timestamp()) * 1_000_000


def _instants(shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Instants between the first day and now, more of them late than early."""
    span = _us(_NOW) - _us(_FIRST_JOINED)
    return _us(_FIRST_JOINED) + (np.sqrt(shares) * span).astype(np.int64)


def _zipf(
    rng: np.random.Generator, values: tuple[str, ...], count: int, *, missing: float
) -> pa.Array:
    weights = 1 / np.arange(1, len(values) + 1)
    codes = rng.choice(len(values), count, p=weights / weights.sum()).astype(np.int32)
    indices = pa.array(codes, mask=rng.random(count) < missing)
    return pa.DictionaryArray.from_arrays(indices, pa.array(values))


def _some(rng: np.random.Generator, values: NDArray[np.generic], missing: float) -> pa.Array:
    return pa.array(values, mask=rng.random(len(values)) < missing)


def _tags(rng: np.random.Generator, count: int) -> pa.Array:
    """A list of tags for each customer."""
    shares = 0.5 ** np.arange(1, len(TAGS) + 1)
    has = rng.random((count, len(TAGS))) < shares
    codes = np.nonzero(has)[1].astype(np.int32)
    offsets = np.zeros(count + 1, np.int32)
    np.cumsum(has.sum(axis=1), out=offsets[1:])
    values = pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(TAGS)).dictionary_decode()
    return pa.ListArray.from_arrays(pa.array(offsets), values)
