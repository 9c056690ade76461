"""A generated year of each example model: what everybody is in, and each report of the catalogue,
held against DuckDB over the same files.

DuckDB reads the Parquet files of the year, and knows nothing of the model.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest

from engine.model.load import load_model
from engine.model.plain import tier_names
from tests.catalogue_reports import REPORTS, Report
from tests.example_models import KINDS, YearStore, example_files, loaded_year

PEOPLE = 2000
UNTIL = "2026-11-01T00:00:00"
DAY_US = 86_400_000_000
HIGH = ("重要价值", "重要发展", "重要保持", "重要挽留")
LOW = ("一般价值", "一般发展", "一般保持", "一般挽留")
# Which of recency, frequency and amount are high in them.
CELLS = dict(zip(("HHH", "HLH", "LHH", "LLH", "HHL", "HLL", "LHL", "LLL"), HIGH + LOW, strict=True))

# One of the tags that a property gives its name.
NAMED = {
    "搜过{word}": "搜过婴儿车",
    "参与{topic}直播": "参与CRM直播",
    "来自{channel}": "来自老客户推荐",
    "来自{scene}": "来自搜一搜",
}


@pytest.fixture(scope="module")
def years(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], YearStore]:
    made: dict[str, YearStore] = {}

    def year(model: str) -> YearStore:
        if model not in made:
            made[model] = loaded_year(tmp_path_factory.mktemp(model), model, PEOPLE, UNTIL)
        return made[model]

    return year


class Tables:
    """The files of a year in DuckDB: `who`, `t` in microseconds, and the other columns."""

    def __init__(self, year: YearStore) -> None:
        self._sql = duckdb.connect()
        who = {"b2b_wechat": "unionid", "retail": "member"}[year.model]
        for path in sorted(year.files.glob("*.parquet")):
            match path.stem:
                case "members":
                    columns = "id as who, *"
                case "contacts":
                    columns = "unionid as who, *"
                case "message":
                    # The platform's identifier, and the same message once.
                    columns = (
                        "distinct 'M' || substr(from_user, 2) as who, epoch_us(create_time) as t"
                    )
                case _:
                    columns = f"{who} as who, epoch_us(time) as t, *"
            self._sql.execute(f"create table \"{path.stem}\" as select {columns} from '{path}'")
        self._until_us = year.until_us
        kinds = {
            "b2b_wechat": "scan menu_click read reply chat visit download form register"
            " watch_live finish_live trial",
            "retail": "form consult trial search share view cart message",
        }[year.model]
        parts = " union all ".join(f"select who, t from {kind}" for kind in kinds.split())
        self._sql.execute(f"create view interaction as {parts}")

    def rows(self, text: str, at_us: int | None = None) -> list[tuple[Any, ...]]:
        """Rows of a query in which $at stands for the instant asked, by default the year's end."""
        asked_us = self._until_us if at_us is None else at_us
        return self._sql.execute(text.replace("$at", f"{asked_us}::bigint")).fetchall()

    def one(self, text: str) -> Any:
        """The first value of the first row."""
        return self.rows(text)[0][0]


@pytest.fixture(scope="module")
def tables(years: Callable[[str], YearStore]) -> Callable[[str], Tables]:
    made: dict[str, Tables] = {}

    def of(model: str) -> Tables:
        if model not in made:
            made[model] = Tables(years(model))
        return made[model]

    return of


def count(step: str, window: str = "") -> str:
    """How many events somebody has, as a subquery over p.who."""
    return f"(select count(*) from {step} e where e.who = p.who and e.t <= $at {window})"


def in_last(days: int) -> str:
    return f"and e.t > $at - {days * DAY_US}"


RETAIL_STAGES = f"""
    select who, case
        when ({count("order_line")} > 0 or {count("interaction")} > 0)
            and {count("order_line", in_last(180))} = 0
            and {count("interaction", in_last(180))} = 0 then '休眠'
        when {count("order_line")} >= 5 and {count("order_line", in_last(90))} >= 1 then '忠诚'
        when {count("order_line", in_last(30))} >= 3 then '复购'
        when {count("order_line")} >= 1 then '首单'
        when {count("consult", "and depth = '深度'")} >= 1 or {count("trial")} >= 1 then '意向'
        when {count("form")} >= 1 then '潜在' end as stage
    from members p
""".replace("order_line", '"order"')

B2B_STAGES = f"""
    select who, case
        when status = '服务中' and 2 * {count("interaction", in_last(30))} <
            {count("interaction", in_last(60))} - {count("interaction", in_last(30))}
            then '流失风险'
        when {count("deal")} >= 2 then '忠诚'
        when status = '服务中' or {count("deal")} >= 1 then '签约服务中'
        when {count("trial")} >= 1 or {count("menu_click", "and menu = '预约演示'")} >= 1
            then '意向'
        when {count("add_wecom")} >= 1 and {count("chat")} >= 1 then '建联'
        when {count("follow")} >= 1 then '潜在' end as stage
    from contacts p
"""
STAGES = {"retail": RETAIL_STAGES, "b2b_wechat": B2B_STAGES}


def groups(answer: Any) -> dict[str | None, int]:
    return {one["value"]: one["count"] for one in answer["groups"]}


def ranks(numbers: list[Any]) -> list[int]:
    """q of each by the rules: 1 + floor(5 x number with a strictly smaller value / population)."""
    ordered = sorted(numbers)
    first = {value: at for at, value in reversed(list(enumerate(ordered)))}
    return [1 + 5 * first[value] // len(numbers) for value in numbers]


def high(numbers: list[Any], cut: str) -> list[bool]:
    """Who is high in a metric, exactly."""
    size = len(numbers)
    match cut:
        case "":
            total = sum(numbers)
            return [value * size >= total for value in numbers]
        case "_median":
            ordered = sorted(numbers)
            middle = ordered[(size - 1) // 2] + ordered[size // 2]
            return [2 * value >= middle for value in numbers]
        case "_quintile":
            return [rank >= 4 for rank in ranks(numbers)]
    raise AssertionError(cut)


def cells(rows: list[tuple[Any, ...]], cut: str, at_us: int) -> dict[str, str]:
    """The cell of each of (who, last, how often, how much)."""
    people, *metrics = zip(*rows, strict=True)
    if cut == "_fixed":
        of = [
            [at_us - last <= 30 * DAY_US for last in metrics[0]],
            [often >= 3 for often in metrics[1]],
            [much >= 5000 for much in metrics[2]],
        ]
    else:
        of = [high(list(metric), cut) for metric in metrics]
    names = ["".join("H" if one else "L" for one in three) for three in zip(*of, strict=True)]
    return {who: CELLS[name] for who, name in zip(people, names, strict=True)}


def retail_cells(tables: Tables, cut: str, at_us: int) -> dict[str, str]:
    rows = tables.rows(
        f"""select who, max(t), count(*) filter (t > $at - {365 * DAY_US}),
            coalesce(sum(amount) filter (t > $at - {365 * DAY_US}), 0)
            from "order" where t <= $at group by who"""
    )
    return cells(rows, cut, at_us)


def values(tables: Tables, at_us: int) -> dict[str, str]:
    """The tier `value` of those who have one."""
    worth = {"重要价值": "高", "一般发展": "低", "一般保持": "低", "一般挽留": "低"}
    return {who: worth.get(cell, "中") for who, cell in retail_cells(tables, "", at_us).items()}


def counted(values: Iterator[Any] | Any, everybody: int = PEOPLE) -> dict[str | None, int]:
    """How many of each, and None for those who have none."""
    found: dict[str | None, int] = {}
    for value in values:
        found[value] = found.get(value, 0) + 1
    missing = everybody - sum(found.values()) + found.pop(None, 0)
    return {**found, None: missing} if missing else found


def asked(year: YearStore, command: str) -> Any:
    """What a command of the page answers."""
    strata, *arguments = shlex.split(command)
    assert strata == "strata"
    return year.json(*arguments)


def test_every_command_of_the_page_is_understood(years: Callable[[str], YearStore]) -> None:
    for report in REPORTS:
        for command in report.commands:
            assert asked(years(report.model), command), command


def commands(number: int, model: str) -> Report:
    (found, *_) = [one for one in REPORTS if (one.number, one.model) == (number, model)]
    return found


@pytest.mark.parametrize(("model", "by"), [("retail", '"order"'), ("b2b_wechat", "interaction")])
def test_the_core_fifth(
    years: Callable[[str], YearStore], tables: Callable[[str], Tables], model: str, by: str
) -> None:
    people = "members" if model == "retail" else "contacts"
    often = [n for (n,) in tables(model).rows(f"select {count(by)} from {people} p")]
    cut = sorted(often, reverse=True)[PEOPLE // 5 - 1]
    core = sum(n >= cut for n in often)
    (command,) = commands(6, model).commands
    assert groups(asked(years(model), command)) == {"core": core, "rest": PEOPLE - core}


def test_cells_of_engagement(
    years: Callable[[str], YearStore], tables: Callable[[str], Tables]
) -> None:
    weights = " + ".join(
        f"{weight} * {count(kind, in_last(90))}"
        for kind, weight in (("read", 1), ("download", 5), ("trial", 20))
    )
    content = "(select who, t from read union all select who, t from download)"
    rows = tables("b2b_wechat").rows(
        f"""select who, (select max(t) from {content} e where e.who = p.who and t <= $at) as latest,
            {count(content, in_last(90))}, {weights} from contacts p where latest is not null"""
    )
    found = counted(cells(rows, "", years("b2b_wechat").until_us).values())
    (command,) = commands(23, "b2b_wechat").commands
    assert groups(asked(years("b2b_wechat"), command)) == found


def test_cells_by_every_kind_of_cut(
    years: Callable[[str], YearStore], tables: Callable[[str], Tables]
) -> None:
    year = years("retail")
    cuts = ("", "_median", "_quintile", "_fixed")
    for cut, command in zip(cuts, commands(32, "retail").commands, strict=True):
        found = counted(retail_cells(tables("retail"), cut, year.until_us).values())
        assert groups(asked(year, command)) == found, cut


def test_value_and_what_it_is_worth(
    years: Callable[[str], YearStore], tables: Callable[[str], Tables]
) -> None:
    year, sql = years("retail"), tables("retail")
    worth = values(sql, year.until_us)
    (command,) = commands(31, "retail").commands
    assert groups(asked(year, command)) == counted(worth.values())
    lasts = {
        who: (often, last)
        for who, often, last in sql.rows('select who, count(*), max(t) from "order" group by who')
    }
    again = [worth[who] for who, (often, _) in lasts.items() if often >= 2]
    gone = [worth[who] for who, (_, t) in lasts.items() if t <= year.until_us - 180 * DAY_US]
    repurchase, churn, mean = (asked(year, one) for one in commands(56, "retail").commands)
    assert groups(repurchase) == counted(again, len(again))
    assert groups(churn) == counted(gone, len(gone))
    average = {
        who: Decimal(total) / many
        for who, total, many in sql.rows(
            'select who, sum(amount), count(*) from "order" group by who'
        )
    }
    for one in mean["groups"]:
        if one["group"] is not None:
            of = [average[who] for who, value in worth.items() if value == one["group"]]
            assert one["present"] == len(of)
            assert abs(Decimal(one["mean"]) - sum(of) / len(of)) <= Decimal("0.0000005")


@pytest.mark.parametrize("model", STAGES)
def test_stages(
    years: Callable[[str], YearStore], tables: Callable[[str], Tables], model: str
) -> None:
    (command,) = commands(52, model).commands
    found = counted(stage for _, stage in tables(model).rows(STAGES[model]))
    assert groups(asked(years(model), command)) == found


def test_sources_of_customers(
    years: Callable[[str], YearStore], tables: Callable[[str], Tables]
) -> None:
    year = years("b2b_wechat")
    first = "select who, arg_min(channel, t) as channel from add_wecom group by who"
    _, all_of, buyers = next(one for one in REPORTS if one.says.startswith("High-value")).commands
    for command, where in ((all_of, "true"), (buyers, "who in (select who from deal)")):
        rows = tables("b2b_wechat").rows(
            f"select channel, count(*) from ({first}) where {where} group by channel"
        )
        got = {one["value"]: one["count"] for one in asked(year, command)["values"]}
        assert got == dict(rows)


def test_funnels(years: Callable[[str], YearStore], tables: Callable[[str], Tables]) -> None:
    year, sql = years("b2b_wechat"), tables("b2b_wechat")
    steps = (
        "select distinct a.who from {a} a where {where}",
        "select distinct a.who from {a} a join {b} b on b.who = a.who and b.t > a.t"
        " and b.t <= a.t + {ab} * $day where {where}",
        "select distinct a.who from {a} a join {b} b on b.who = a.who and b.t > a.t"
        " and b.t <= a.t + {ab} * $day join {c} c on c.who = b.who and c.t > b.t"
        " and c.t <= b.t + {bc} * $day where {where}",
    )

    def found(**names: object) -> list[int]:
        texts = [step.format(**names).replace("$day", str(DAY_US)) for step in steps]
        return [len(sql.rows(text)) for text in texts]

    leads = {"a": "lead", "b": "opportunity", "c": "deal", "ab": 90, "bc": 180}
    shown = {"a": "register", "b": "finish_live", "c": "trial", "ab": 7, "bc": 30}
    met = (
        "a.who in (select who from follow) and a.who in (select who from add_wecom) and a.who in"
        " (select who from scan union select who from register union select who from finish_live)"
    )
    expected = [
        found(**leads, where="a.channel = 'S'"),
        found(**leads, where="a.channel = '展会'"),
        found(**shown, where="true"),
        found(**shown, where=met),
    ]
    asked_of = [*commands(53, "b2b_wechat").commands, *commands(55, "b2b_wechat").commands]
    answers = [[s["count"] for s in asked(year, command)["steps"]] for command in asked_of]
    assert answers == expected
    assert all(steps[0] > steps[1] > 0 for steps in answers)


def test_the_sales_cycle(
    years: Callable[[str], YearStore], tables: Callable[[str], Tables]
) -> None:
    (command,) = commands(54, "b2b_wechat").commands
    answer = asked(years("b2b_wechat"), command)
    size, total = tables("b2b_wechat").rows(
        """select count(*), sum(d - l)::bigint from
            (select who, min(t) as d from deal group by who)
            join (select who, min(t) as l from lead group by who) using (who)"""
    )[0]
    assert answer["present"] == size > 1
    assert Decimal(answer["sum"]) * 1_000_000 == total
    assert abs(Decimal(answer["mean"]) * 1_000_000 - Decimal(total) / size) <= Decimal("0.5")


@pytest.mark.parametrize("model", STAGES)
def test_flows(
    years: Callable[[str], YearStore], tables: Callable[[str], Tables], model: str
) -> None:
    zone = ZoneInfo("Asia/Shanghai")
    (command,) = commands(57, model).commands
    before, after = (
        dict(tables(model).rows(STAGES[model], round(instant.timestamp()) * 1_000_000))
        for instant in (datetime(2026, 10, 1, tzinfo=zone), datetime(2026, 11, 1, tzinfo=zone))
    )
    moves: dict[tuple[str | None, str | None], int] = {}
    for who, stage in before.items():
        moves[stage, after[who]] = moves.get((stage, after[who]), 0) + 1
    flows = asked(years(model), command)["flows"]
    assert {(one["from"], one["to"]): one["count"] for one in flows} == moves


def test_overlaps(years: Callable[[str], YearStore], tables: Callable[[str], Tables]) -> None:
    (command,) = commands(58, "retail").commands
    sql = tables("retail")
    of = [
        {who for (who,) in sql.rows(f'select who from "order" group by who having {having}')}
        for having in (
            f"count(*) filter (t > $at - {90 * DAY_US}) >= 3"
            f" and sum(amount) filter (t > $at - {90 * DAY_US}) > 5000",
            "count(*) >= 2",
            f"max(t) <= $at - {180 * DAY_US}",
        )
    ]
    answer = asked(years("retail"), command)
    assert [one["count"] for one in answer["audiences"]] == [len(members) for members in of]
    assert all(one["both"] == len(of[one["first"]] & of[one["second"]]) for one in answer["pairs"])


def test_a_message_sent_again_counts_once(
    years: Callable[[str], YearStore], tables: Callable[[str], Tables]
) -> None:
    year = years("retail")
    path = year.files / "message.parquet"
    different = tables("retail").one("select count(*) from message")
    assert different < tables("retail").one(f"select count(*) from '{path}'")
    answer = year.json("summarize", "count(message)")
    assert int(answer["sum"]) == different


@pytest.mark.parametrize("model", KINDS)
def test_everything_holds_for_some_and_not_for_all(
    years: Callable[[str], YearStore], model: str
) -> None:
    found, _ = load_model(example_files(model))
    asked_for = [f"segment('{name}')" for name in found.segments]
    for name, tier in found.tiers.items():
        asked_for += [f"tier('{name}') = '{value}'" for value in tier_names(tier)]
    for name in found.scores:
        asked_for += [f"band('{name}') = '{band}'" for band in found.bands(name)]
    for rule in found.tag_rules:
        if "when" in rule:
            asked_for.append(f"tag = '{rule['tag']}'")
        else:
            asked_for.append(f"tag = '{NAMED[rule['tag']]}'")
    questions = years(model).folder / "questions.txt"
    questions.write_text("\n".join(asked_for))
    answers = years(model).run("count", "--file", str(questions), "--json").splitlines()
    assert len(answers) == len(asked_for) > 20
    counts = {
        text: json.loads(line)["count"] for text, line in zip(asked_for, answers, strict=True)
    }
    assert {text: n for text, n in counts.items() if not 0 < n < PEOPLE} == {}
