"""Questions about events in ClickHouse: a Memory table for each type, in the order of people
(`by_person`) or of time (`by_time`); sequences by windowFunnel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.questions import Answer, AnyOf, Did, Draw, Followed, Spent
from bench.rivals.clickhouse_session import PERSON_NUMBER, ClickHouseSession, code_of
from bench.rivals.rival import EventRival, codes_of
from bench.rivals.sql import DAY_US, order_of

__all__ = ["ClickHouseEvents"]


class ClickHouseEvents(ClickHouseSession, EventRival):
    """One session with a database of its own."""

    def load(self, files: Sequence[Path]) -> None:
        """The stage of everybody, by number."""
        self._run("CREATE TABLE people (row UInt32, stage UInt8) ENGINE = Memory")
        for file in files:
            self._run(
                f"INSERT INTO people SELECT {PERSON_NUMBER}, {code_of('stage')}"
                f" FROM file('{file}', Parquet)"
            )

    def load_events(self, files: Mapping[str, Sequence[Path]]) -> None:
        """A table for each type."""
        for kind, paths in files.items():
            amount = ", amount Int32" if kind == "order" else ""
            read = ", toInt32(amount * 100)" if kind == "order" else ""
            self._run(f"CREATE TABLE `{kind}` (row UInt32, time Int64{amount}) ENGINE = Memory")
            of_files = " UNION ALL ".join(
                f"SELECT assumeNotNull(row) AS row, toUnixTimestamp64Micro(assumeNotNull(time))"
                f" AS time{', amount' if amount else ''} FROM file('{path}', Parquet)"
                for path in paths
            )
            self._run(
                f"INSERT INTO `{kind}` SELECT row, time{read} FROM ({of_files})"
                f" ORDER BY {order_of(self.layout)}"
            )

    def ask(self, draw: Draw) -> Answer:
        """The count."""
        return self._run(_query(draw))[0][0]


def _query(draw: Draw) -> str:
    assert draw.as_of_us is not None
    now = draw.as_of_us
    match draw.audiences[0]:
        case (Did(event, days, times), AnyOf() as among):
            codes = ", ".join(map(str, codes_of(among)))
            return (
                f"SELECT count() FROM people WHERE stage IN ({codes}) AND row IN"
                f" (SELECT row FROM `{event}` WHERE time > {now - days * DAY_US}"
                f" GROUP BY row HAVING count() >= {times})"
            )
        case (Did("order", days, times), Spent(_, amount)):
            return (
                f"SELECT count() FROM (SELECT row FROM `order` WHERE time > {now - days * DAY_US}"
                f" GROUP BY row HAVING count() >= {times} AND sum(amount) > {amount})"
            )
        case (Followed(first, second, within, days),):
            funnel = f"windowFunnel({within * DAY_US}, 'strict_increase')"
            return (
                f"SELECT count() FROM (SELECT row FROM"
                f" (SELECT row, toUInt64(time) AS time, 0 AS step FROM `{first}`"
                f" WHERE time > {now - days * DAY_US} UNION ALL"
                f" SELECT row, toUInt64(time) AS time, 1 AS step FROM `{second}`)"
                f" GROUP BY row HAVING {funnel}(time, step = 0, step = 1) = 2)"
            )
        case other:
            raise AssertionError(f"no way to ask {other}")
