"""A year of a shop: who follows, looks, puts into the cart, and orders.

The way of a person: follow -> message, search, view, share -> cart -> order, of whom some come
again and again and some never do. Orders have several lines, each an event of its own.
"""

from __future__ import annotations

from datetime import datetime
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

_CITIES = {"上海": 4.0, "北京": 4, "广州": 3, "成都": 2, "杭州": 2, "武汉": 1}
_LEVELS = {"普通": 12.0, "银卡": 5, "金卡": 2, "黑卡": 0.5}
_CATEGORIES = ("母婴", "美妆", "数码", "家居", "食品", "运动")
_WORDS = {"婴儿车": 2.0, "口红": 3, "耳机": 3, "沙发": 1, "零食": 2}
_SKUS = {f"SKU-{number:03}": 1.0 / (number + 1) for number in range(60)}
_LINES = 1.8
_SENT_AGAIN = 0.02


def write_year(folder: Path, count: int, until: datetime, seed: int) -> dict[str, Path]:
    """Writes a year of `count` people to a folder; source of the model -> file."""
    year = Year(count, until, seed)
    names = [f"M{number:07}" for number in range(count)]
    files = {"members": write_people(folder, "members", _people(year, names))}
    for kind, happened in _events(year).items():
        if kind == "message":
            # The platform knows its own identifier only.
            openids = [f"O{number:07}" for number in range(count)]
            files["messages"] = write_events(
                folder, kind, happened, "from_user", openids, time="create_time"
            )
        else:
            files[f"{kind}s" if kind == "order" else kind] = write_events(
                folder, kind, happened, "member", names
            )
    return files


def _people(year: Year, names: list[str]) -> dict[str, list[object]]:
    count = year.count
    chosen = year.rng.random((count, len(_CATEGORIES))) < 0.2
    return {
        "id": list(names),
        "openid": [f"O{number:07}" for number in range(count)],
        "mobile": [f"138{number:08}" if number % 4 else None for number in range(count)],
        "gender": pick(year, count, {"女": 3.0, "男": 2}, missing=0.1).tolist(),
        "age_band": pick(
            year, count, {"18-24": 2.0, "25-34": 4, "35-44": 3, "45+": 1}, missing=0.1
        ).tolist(),
        "city": pick(year, count, _CITIES, missing=0.05).tolist(),
        "level": pick(year, count, _LEVELS).tolist(),
        "likes": ["|".join(np.array(_CATEGORIES)[row]) for row in chosen],
        "koc": (year.rng.random(count) < 0.03).tolist(),
        "joined": [datetime.fromtimestamp(at // 1_000_000, ZONE) for at in year.came_us.tolist()],
    }


def _events(year: Year) -> dict[str, Happened]:
    follow = np.where(year.rng.random(year.count) < 0.8, year.came_us, NEVER)
    made = {
        "follow": _happened(year, *year.once(follow), scene={"门店": 3.0, "朋友圈": 2, "搜索": 1}),
        "form": _happened(
            year, *year.once(year.after(year.came_us, 0.2, 5)), interest={"新品": 2.0, "优惠": 3}
        ),
        "consult": _happened(
            year,
            *year.once(year.after(year.came_us, 0.15, 10)),
            depth={"深度": 1.0, "一般": 2},
        ),
        "trial": _happened(year, *year.once(year.after(year.came_us, 0.05, 8)), sku=_SKUS),
    }
    often = {
        "search": (0.6, "word", _WORDS),
        "share": (0.2, "sku", _SKUS),
        "view": (2.0, "sku", _SKUS),
        "message": (0.4, "kind", {"text": 3.0, "event": 5}),
    }
    for kind, (a_month, name, choices) in often.items():
        people, at_us = year.again(a_month, year.came_us, year.left_us)
        made[kind] = _happened(year, people, at_us, **{name: choices})
    made["message"] = _sent_again(year, made["message"])
    people, cart_us = year.again(0.5, year.came_us, year.left_us)
    made["cart"] = _happened(year, people, cart_us, sku=_SKUS)
    # Two carts in three are paid, most within the hour.
    paid = year.rng.random(len(people)) < 0.66
    lag_us = year.rng.exponential(DAY_US / 30, len(people)).astype(np.int64) + 60_000_000
    order_us = cart_us + lag_us
    paid &= order_us <= year.until_us
    made["order"] = _orders(year, people[paid], order_us[paid])
    return made


def _sent_again(year: Year, messages: Happened) -> Happened:
    """The same messages, some of them twice, as the platform sends what nobody answered in time."""
    again = np.flatnonzero(year.rng.random(len(messages.people)) < _SENT_AGAIN)
    rows = np.concatenate([np.arange(len(messages.people)), again])
    properties = {name: np.asarray(of)[rows] for name, of in messages.properties.items()}
    return Happened(messages.people[rows], messages.at_us[rows], properties)


def _orders(year: Year, people: NDArray[np.intp], at_us: NDArray[np.int64]) -> Happened:
    lines = 1 + year.rng.poisson(_LINES - 1, len(people))
    of = np.repeat(np.arange(len(people)), lines)
    number = np.arange(len(of)) - np.repeat(np.cumsum(lines) - lines, lines)
    # Now and then somebody furnishes a home.
    furnishes = year.rng.random(len(people)) < 0.02
    drawn = year.rng.lognormal(5.2, 0.9, len(of)) * np.where(furnishes, 30, 1)[of]
    channels = pick(year, len(people), {"小程序": 4.0, "门店": 3, "抖音": 2})
    properties = {
        "order_no": np.array([f"D{order:08}" for order in of], object),
        "line_no": number,
        "amount": np.array([Decimal(int(amount * 100)).scaleb(-2) for amount in drawn], object),
        "sku": pick(year, len(of), _SKUS),
        "channel": channels[of],
    }
    return Happened(people[of], at_us[of], properties)


def _happened(
    year: Year, people: NDArray[np.intp], at_us: NDArray[np.int64], **choices: dict[str, float]
) -> Happened:
    picked = {name: pick(year, len(people), of) for name, of in choices.items()}
    return Happened(people, at_us, picked)
