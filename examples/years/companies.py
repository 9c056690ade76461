"""A year of a company that sells to companies: who follows, asks, tries, and buys.

The way of a person, each step for some of those of the step before it: follow (by a scene) -> add
WeCom (by a channel) -> chat -> form or trial, which make a lead -> contact by sales -> opportunity
-> deal, and for some another -> in service, until it goes quiet. On the way people read, click,
visit, download, watch.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.years.year import (
    DAY_US,
    NEVER,
    ZONE,
    Happened,
    Year,
    pick,
    write_events,
    write_people,
)

__all__ = ["write_year"]

_INDUSTRIES = {"制造业": 5.0, "高科技": 4, "零售": 3, "教育": 2, "医疗": 2, "金融": 1}
_REGIONS = {"华东": 5.0, "华北": 4, "华南": 3, "西南": 1, "西北": 0.5}
_POSITIONS = {"CEO": 1.0, "CIO": 1, "技术总监": 2, "采购经理": 3, "工程师": 6, "市场经理": 3}
_DEPARTMENTS = {"信息": 3.0, "采购": 2, "市场": 2, "生产": 2}
_ROLES = {"决策者": 1.0, "影响者": 2, "使用者": 5}
_SCENES = {"官网二维码": 4.0, "线下展会二维码": 2, "朋友圈": 3, "搜一搜": 3}
_CHANNELS = {"S": 3.0, "A": 2, "展会": 2, "老客户推荐": 1}
_ASSETS = {"白皮书": 5.0, "A产品白皮书": 3, "智能工厂案例": 2, "价格表": 1, "新闻": 8}
_PAGES = {"官网": 8.0, "PaaS平台": 2, "A产品详情": 3, "价格页": 2, "案例": 3}
_TOPICS = {"制造业数字化": 3.0, "CRM": 2, "数据安全": 2}
_TEXTS = {
    "你好": 6.0,
    "请问价格是多少": 2,
    "能发一份报价吗": 1,
    "可以试用吗": 1,
    "有没有适合我们行业的解决方案": 1,
    "谢谢": 4,
}

# How long a contract runs.
_TERM = timedelta(days=365)


def write_year(folder: Path, count: int, until: datetime, seed: int) -> dict[str, Path]:
    """Writes a year of `count` people to a folder; source of the model -> file."""
    year = Year(count, until, seed)
    names = [f"U{number:07}" for number in range(count)]
    company = _Company(year)
    files = {"contacts": write_people(folder, "contacts", company.people(names))}
    for kind, happened in company.events().items():
        files[kind] = write_events(folder, kind, happened, "unionid", names)
    return files


class _Company:
    """The ways of all people, step by step."""

    def __init__(self, year: Year) -> None:
        self._year = year
        self._role = pick(year, year.count, _ROLES, missing=0.4)
        decides = np.where(self._role == "决策者", 2.0, 1.0)
        self._follow = np.where(year.rng.random(year.count) < 0.9, year.came_us, NEVER)
        self._wecom = year.after(self._follow, 0.45, 12)
        self._chat = year.after(self._wecom, 0.8, 2)
        self._form = year.after(self._chat, 0.3, 10)
        self._trial = year.after(self._chat, np.minimum(0.2 * decides, 1), 15)
        self._lead = np.minimum(self._form, self._trial)
        self._contact = year.after(self._lead, 0.85, 0.2)
        self._opportunity = year.after(self._contact, np.minimum(0.4 * decides, 1), 14)
        self._deal = year.after(self._opportunity, 0.45, 30)
        self._second_deal = year.after(self._deal, 0.4, 60)
        # Customers stay until they go quiet; others as long as they care.
        quiet = self._year.rng.exponential(220 * DAY_US, year.count).astype(np.int64)
        bought = self._deal != NEVER
        self._left = year.left_us.copy()
        self._left[bought] = np.maximum(self._left, np.where(bought, self._deal, 0) + quiet)[bought]

    def people(self, names: list[str]) -> dict[str, list[object]]:
        """Who they are, as the CRM says."""
        year, count = self._year, self._year.count
        serviced = self._deal != NEVER
        nurtured = (self._wecom != NEVER) & ~serviced
        status = np.where(serviced, "服务中", np.where(nurtured, "市场培育线索", "新线索"))
        return {
            "unionid": list(names),
            "wecom": [
                f"W{number:07}" if at != NEVER else None
                for number, at in enumerate(self._wecom.tolist())
            ],
            "mobile": [f"139{number:08}" if number % 3 else None for number in range(count)],
            "industry": pick(year, count, _INDUSTRIES, missing=0.1).tolist(),
            "headcount": np.round(year.rng.lognormal(4.6, 1.4, count)).astype(int).tolist(),
            "revenue": _amounts(year, count, 15.0, 1.5),
            "region": pick(year, count, _REGIONS, missing=0.1).tolist(),
            "listed": (year.rng.random(count) < 0.05).tolist(),
            "specialised": (year.rng.random(count) < 0.15).tolist(),
            "position": pick(year, count, _POSITIONS, missing=0.2).tolist(),
            "department": pick(year, count, _DEPARTMENTS, missing=0.3).tolist(),
            "role": self._role.tolist(),
            "status": status.tolist(),
            "contract_until": [
                None
                if at == NEVER
                else (datetime.fromtimestamp(at // 1_000_000, ZONE) + _TERM).date()
                for at in self._deal.tolist()
            ],
            "tags": pick(year, count, {"制造业": 1.0, "VIP": 0.2}, missing=0.7).tolist(),
        }

    def events(self) -> dict[str, Happened]:
        """What they do, by type."""
        year = self._year
        since = {"follow": self._follow, "wecom": self._wecom}
        made: dict[str, Happened] = {
            "follow": self._once(self._follow, scene=_SCENES),
            "add_wecom": self._once(self._wecom, channel=_CHANNELS),
            "form": self._once(self._form, interest={"CRM": 2.0, "ERP": 1, "MES": 1}),
            "trial": self._once(self._trial, product={"A产品": 2.0, "B产品": 1}),
            "lead": self._once(self._lead, channel=_CHANNELS),
            "contact": self._once(self._contact, by={"电话": 2.0, "企业微信": 3}),
        }
        made["form"] = self._with(
            made["form"], "company_size", self._sizes(len(made["form"].people))
        )
        for kind, often in (
            ("opportunity", [self._opportunity]),
            ("deal", [self._deal, self._second_deal]),
        ):
            one = self._once(*often, channel=_CHANNELS)
            made[kind] = self._with(one, "amount", _amounts(year, len(one.people), 11.0, 0.8))
        rates = {
            "scan": (0.1, "follow", "scene", _SCENES),
            "menu_click": (0.3, "follow", "menu", {"预约演示": 1.0, "产品": 4, "案例": 3}),
            "read": (1.2, "follow", "asset", _ASSETS),
            "reply": (0.1, "follow", "choice", {"1": 3.0, "2": 2}),
            "chat": (0.8, "wecom", "text", _TEXTS),
            "visit": (1.0, "follow", "page", _PAGES),
            "download": (0.3, "follow", "asset", _ASSETS),
            "register": (0.1, "follow", "topic", _TOPICS),
            "finish_live": (0.08, "follow", "topic", _TOPICS),
        }
        for kind, (a_month, begin, name, choices) in rates.items():
            made[kind] = self._again(a_month, since[begin], **{name: choices})
        made["chat"] = self._with(
            made["chat"], "direction", pick(year, len(made["chat"].people), {"in": 2.0, "out": 1})
        )
        made["watch_live"] = self._again(
            0.15, since["follow"], industry={"A行业": 1.0, "B行业": 2}, topic=_TOPICS
        )
        # An advertisement comes before somebody follows.
        clicked = np.where(
            (self._follow != NEVER) & (year.rng.random(year.count) < 0.2),
            self._follow - year.rng.integers(DAY_US // 24, 3 * DAY_US, year.count),
            NEVER,
        )
        made["ad_click"] = self._once(
            clicked, channel={"百度": 2.0, "抖音": 1}, keyword={"CRM系统": 2.0, "智能工厂": 1}
        )
        return made

    def _once(self, *at_us: NDArray[np.int64], **choices: dict[str, float]) -> Happened:
        found = [self._year.once(one) for one in at_us]
        people = np.concatenate([who for who, _ in found])
        return self._happened(people, np.concatenate([when for _, when in found]), choices)

    def _again(
        self, a_month: float, from_us: NDArray[np.int64], **choices: dict[str, float]
    ) -> Happened:
        return self._happened(*self._year.again(a_month, from_us, self._left), choices)

    def _happened(
        self,
        people: NDArray[np.intp],
        at_us: NDArray[np.int64],
        choices: dict[str, dict[str, float]],
    ) -> Happened:
        picked = {name: pick(self._year, len(people), of) for name, of in choices.items()}
        return Happened(people, at_us, picked)

    def _with(self, happened: Happened, name: str, values: object) -> Happened:
        assert isinstance(values, list | np.ndarray)
        properties = {**happened.properties, name: values}
        return Happened(happened.people, happened.at_us, properties)

    def _sizes(self, count: int) -> NDArray[np.int64]:
        return np.round(self._year.rng.lognormal(4.6, 1.4, count)).astype(np.int64)


def _amounts(year: Year, count: int, mean: float, spread: float) -> list[object]:
    drawn = year.rng.lognormal(mean, spread, count)
    return [Decimal(int(amount * 100)).scaleb(-2) for amount in drawn]
