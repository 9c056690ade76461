"""The model that the tests of binding bind to: every type, and one of everything else."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from zoneinfo import ZoneInfo

from engine.model.definitions import (
    TAG,
    Attribute,
    EventProperty,
    EventType,
    Model,
    Purpose,
    Segment,
)

__all__ = ["ATTRIBUTES", "SEGMENTS", "model"]

ATTRIBUTES = {
    attribute.name: attribute
    for attribute in (
        Attribute("city", "category"),
        Attribute("region", "category"),
        Attribute("age", "int"),
        Attribute("size", "int"),
        Attribute("rev", "decimal", 2),
        Attribute("cost", "decimal", 3),
        Attribute("weight", "float"),
        Attribute("height", "float"),
        Attribute("joined", "time"),
        Attribute("seen", "time"),
        Attribute("born", "date"),
        Attribute("due", "date"),
        Attribute("vip", "bool"),
        Attribute("listed", "bool"),
        Attribute("remark", "text"),
        Attribute("interests", "set"),
        Attribute(TAG, "set"),
    )
}

SEGMENTS = {
    "adults": "age >= 18",
    "local": "segment('adults') and city = 'x'",
    "loop": "segment('round') or age > 1",
    "round": "not segment('loop')",
    "wrong": "cty = 'x'",
    "unclosed": "(age > 1",
}


def _event(name: str, fee_scale: int | None = None, **properties: str) -> EventType:
    """A type of event; `fee` is a decimal that types have with different numbers of digits."""
    found = {key: EventProperty(key, type_) for key, type_ in properties.items()}  # type: ignore[arg-type]
    if fee_scale is not None:
        found["fee"] = EventProperty("fee", "decimal", fee_scale)
    return EventType(name, found)


@cache
def model(zone: str = "Asia/Shanghai") -> Model:
    """The model with that time zone."""
    order = _event(
        "order",
        2,
        amount="decimal",
        sku="category",
        channel="category",
        day="date",
        load="float",
        gift="bool",
        pieces="int",
        note="text",
        paid="time",
    )
    return Model(
        time_zone=ZoneInfo(zone),
        identifiers={},
        attributes=ATTRIBUTES,
        purposes={"marketing": Purpose("marketing", ("sms", "mail"))},
        events={
            "order": order,
            "visit": _event("visit", 0, page="category", amount="int"),
            "download": _event("download", 4, asset="category"),
            "register": _event("register"),
        },
        event_groups={"content": ("visit", "download")},
        segments={name: Segment(name, rule) for name, rule in SEGMENTS.items()},
        scores={
            "lead": {
                "rules": (),
                "bands": {"hot": Decimal(70), "cold": Decimal(0), "warm": Decimal(40)},
                "hold": {},
            },
            "plain": {"rules": (), "bands": {}, "hold": {}},
        },
        tiers={
            "stage": {"stages": ({"name": "dormant", "when": "age > 3"},), "default": "rest"},
        },
    )
