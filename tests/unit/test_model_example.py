"""Complete models load, and say what they are meant to say."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from engine.errors import NotYet
from engine.model.definitions import (
    Attribute,
    EventProperty,
    Identifier,
    Model,
    Segment,
    SourceColumn,
)
from engine.model.load import load_model
from engine.model.not_yet import refuse_not_yet
from engine.model.plain import CELLS, tier_names
from engine.model.positions import Positions
from engine.rules.check import check_expressions

GUIDE = Path(__file__).parents[2] / "docs" / "models.md"
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US

# The example of the language's contract, which leaves out some declarations...
CONTRACT = """\
time_zone: Asia/Shanghai
identifiers:                      # OneID: ordered by trust, first is strongest
  unionid: {per_profile: 1}
  member:  {per_profile: 1}
  phone:   {per_profile: 3, blocked: ['', '00000000000']}
purposes:
  marketing: {channels: [wechat, sms, mail]}
  profiling: {}
attributes:
  industry: {type: category, label: 行业}
  company_size: {type: int}
  revenue:  {type: decimal, scale: 2, history: true}
  joined:   {type: time}
  is_listed: {type: bool}
  gender:   {type: category, needs: profiling}          # readable only with that consent
  interests: {type: set}
  first_source: {type: category, is: "first_value(entry.code)"}    # computed
  remark:   {type: text}
events:
  download: {properties: {asset: category}}
  order:    {properties: {amount: {type: decimal, scale: 2}, sku: category, channel: category}}
  unsubscribe: {erases: true}
event_groups: {content: [read, download, watch]}
tag_rules:
  - {tag: A产品-感兴趣, when: "count(download where asset = 'A产品白皮书') >= 1", keep: sticky}
  - {tag: '参与{topic}直播', each: finish_live, keep: sticky}        # one tag per value
scores:
  lead:
    rules:
      - {when: "industry in ('制造业')", points: 20}
      - {each: "visit where page = '官网'", points: 5, at_most: 25}
      - {each: "download where asset = '白皮书'", points: 30, half_life: 30 days}
      - {when: "count(any in last 30 days) = 0", points: -15}
    floor: 0
    ceiling: 200
    bands: {cold: 0, nurture: 40, hot: 70, mql: 100}
    hold: {mql: 80}               # hysteresis: entered at 100, left below 80
tiers:
  lifecycle:
    stages: [{name: dormant, when: "count(any) = 0"}, {name: loyal, when: "count(order) > 5"}]
    default: potential
  rfm:
    rfm: {recency: "last(order)", frequency: "count(order in last 365 days)", cut: mean,
          monetary: "sum(order.amount in last 365 days)"}
  rfe:
    rfe: {recency: "last(content)", frequency: "count(content in last 90 days)", cut: mean,
          engagement: {read: 1, download: 5, trial: 20}, in_last: 90 days}
  core: {top: {by: "count(order)", shares: {core: 20%}}, default: rest}
segments:
  high_value: "count(order in last 90 days) >= 3 and sum(order.amount in last 90 days) > 5000"
actions:
  mql_to_sales: {on: "band('lead') = 'mql'", do: assign, owner: {by: region,
    table: {华东: east, 华北: north}, else: hub}, due: 2 hours, send: [industry, title]}
sources:
  orders: {event: order, identify: {member: customer_id}, id: [order_no, line_no],
    time: order_date, properties: {amount: total, sku: sku}}
  customers: {identify: {member: id, phone: mobile}, attributes: {industry: 行业,
    interests: {column: likes, split: '|'}}, tags: {column: tags, split: '|'}}
"""

# ...which a second file of the same folder adds.
REST = """\
attributes: {region: category, title: category}
events:
  read:
  watch:
  trial: {}
  visit: {properties: {page: category}}
  finish_live: {properties: {topic: category}}
  entry: {properties: {code: category}}
"""


@pytest.fixture(scope="module")
def loaded() -> tuple[Model, Positions]:
    return load_model({"10-core.yaml": CONTRACT, "20-rest.yaml": REST})


@pytest.fixture(scope="module")
def model(loaded: tuple[Model, Positions]) -> Model:
    return loaded[0]


def guide_example() -> str:
    return re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.S)[0]


def test_the_example_of_the_guide_loads() -> None:
    model, positions = load_model({"model.yaml": guide_example()})
    assert check_expressions(model, positions) == []
    assert list(model.segments) == ["high_value", "decision_makers"]
    makers = model.segments["decision_makers"].rule
    assert makers.strip() == "title in ('CIO', '技术总监') and company_size >= 50"
    assert model.identifiers["phone"].blocked == {"", "00000000000"}
    assert model.tiers["value"]["rfm"]["cut"] == {
        "recency_us": 30 * DAY_US,
        "frequency": Decimal(3),
        "monetary": Decimal(5000),
    }
    assert model.tiers["value"]["rfm"]["cells"] == {**CELLS, "HHH": "champions", "LLL": "asleep"}
    assert model.events["order"].retention_us == 1000 * DAY_US
    source = model.sources["customers"]
    assert (source.by, source.empty_unsets, source.encoding) == ("employee", True, "gb18030")
    assert model.sources["orders"].time_zone == ZoneInfo("Asia/Tokyo")
    assert model.sources["orders"].query == "select *, price * quantity as total from input"
    starts = [line.strip().split(":")[0] for line in guide_example().splitlines()]
    line = starts.index("high_value") + 1
    assert positions["segments", "high_value"] == ("model.yaml", line)


def test_profile_definitions(model: Model) -> None:
    assert model.time_zone == ZoneInfo("Asia/Shanghai")
    assert list(model.identifiers.values()) == [
        Identifier("unionid", 0, 1),
        Identifier("member", 1, 1),
        Identifier("phone", 2, 3, frozenset({"", "00000000000"})),
    ]
    assert model.purposes["marketing"].channels == ("wechat", "sms", "mail")
    assert model.attributes["revenue"] == Attribute("revenue", "decimal", scale=2, history=True)
    assert model.attributes["industry"].label == "行业"
    assert model.attributes["gender"].needs == "profiling"
    assert model.attributes["first_source"].computed == "first_value(entry.code)"
    assert list(model.attributes)[-3:] == ["region", "title", "tag"]
    assert model.attributes["tag"] == Attribute("tag", "set")
    assert model.segments["high_value"] == Segment(
        "high_value",
        "count(order in last 90 days) >= 3 and sum(order.amount in last 90 days) > 5000",
    )


def test_event_definitions(model: Model) -> None:
    assert model.events["order"].properties["amount"] == EventProperty("amount", "decimal", 2)
    assert model.events["order"].properties["sku"] == EventProperty("sku", "category")
    assert model.events["unsubscribe"].erases
    assert not model.events["order"].erases
    assert model.event_groups == {"content": ("read", "download", "watch")}


def test_plain_data(model: Model) -> None:
    assert model.tag_rules[1] == {
        "tag": "参与{topic}直播",
        "each": "finish_live",
        "keep": "sticky",
    }
    score = model.scores["lead"]
    assert score["rules"][1] == {
        "each": "visit where page = '官网'",
        "points": Decimal(5),
        "at_most": Decimal(25),
    }
    assert score["rules"][2]["half_life_us"] == 30 * DAY_US
    assert score["rules"][3]["points"] == Decimal(-15)
    assert (score["floor"], score["ceiling"], score["hold"]) == (0, 200, {"mql": 80})
    assert model.bands("lead") == {"cold": 0, "nurture": 40, "hot": 70, "mql": 100}
    assert list(model.bands("lead")) == ["cold", "nurture", "hot", "mql"]
    assert model.tiers["core"] == {
        "top": {"by": "count(order)", "shares": {"core": Decimal(20)}},
        "default": "rest",
    }
    assert model.tiers["rfe"]["rfe"]["in_last_us"] == 90 * DAY_US
    assert model.tiers["rfe"]["rfe"]["cut"] == "mean"
    assert model.actions["mql_to_sales"] == {
        "on": "band('lead') = 'mql'",
        "do": "assign",
        "owner": {"by": "region", "table": {"华东": "east", "华北": "north"}, "else": "hub"},
        "due_us": 2 * HOUR_US,
        "send": ("industry", "title"),
    }


def test_tier_names(model: Model) -> None:
    assert tier_names(model.tiers["lifecycle"]) == ("dormant", "loyal", "potential")
    assert tier_names(model.tiers["core"]) == ("core", "rest")
    assert tier_names(model.tiers["rfm"]) == tuple(CELLS.values())


def test_sources(model: Model) -> None:
    orders, customers = model.sources["orders"], model.sources["customers"]
    assert (orders.event, orders.id, orders.time) == (
        "order",
        ("order_no", "line_no"),
        "order_date",
    )
    assert orders.properties == {"amount": "total", "sku": "sku"}
    assert customers.identify == {"member": "id", "phone": "mobile"}
    assert customers.attributes == {
        "industry": SourceColumn("行业"),
        "interests": SourceColumn("likes", "|"),
    }
    assert customers.tags == SourceColumn("tags", "|")
    assert customers.event is None
    assert not customers.empty_unsets


def test_positions_know_every_key(loaded: tuple[Model, Positions]) -> None:
    positions = loaded[1]
    line = CONTRACT.splitlines().index("    bands: {cold: 0, nurture: 40, hot: 70, mql: 100}") + 1
    assert positions["scores", "lead", "bands", "hot"] == ("10-core.yaml", line)
    assert positions["events", "visit", "properties", "page"] == ("20-rest.yaml", 6)
    assert positions["scores", "lead", "rules", 0, "when"][1] == line - 6
    # A key that is not written leads to what is around it.
    assert positions["events", "visit", "properties", "page", "type"] == ("20-rest.yaml", 6)
    assert ("scores", "lead", "no_such") not in positions


def test_what_cannot_be_applied_is_named_in_model_order(model: Model) -> None:
    assert model.not_yet == (
        "purposes.marketing",
        "purposes.profiling",
        "attributes.gender.needs",
        "events.unsubscribe.erases",
    )
    with pytest.raises(NotYet, match=r"^not yet: purposes\.marketing, .*nothing was changed\.$"):
        refuse_not_yet(model)


def test_events_groups_and_sources_of_events_can_be_applied() -> None:
    text = (
        "identifiers: {id: {}}\n"
        "events: {order: {properties: {amount: {type: decimal, scale: 2}}}, read: }\n"
        "event_groups: {all: [order, read]}\n"
        "segments: {s: count(all) > 1}\n"
        "sources: {f: {event: order, identify: {id: x}, time: t, properties: {amount: a}}}\n"
    )
    model, _ = load_model({"m.yaml": text})
    assert model.not_yet == ()
    refuse_not_yet(model)


def test_a_model_of_attributes_can_be_applied() -> None:
    text = "identifiers: {id: {}}\nattributes: {a: int}\nsegments: {s: a > 1}\n"
    model, _ = load_model({"m.yaml": text + "sources: {f: {identify: {id: x}}}"})
    assert model.not_yet == ()
    assert model.time_zone == ZoneInfo("UTC")
    assert model.text == {"m.yaml": text + "sources: {f: {identify: {id: x}}}"}
    refuse_not_yet(model)
