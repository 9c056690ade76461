"""The rows of the catalogue that `examples/retail` holds."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from tests.catalogue import Did, Person, Row, ago, did, times

__all__ = ["ROWS"]


def _who(*events: Did | Sequence[Did], **attributes: object) -> Person:
    flat = [one for part in events for one in ([part] if isinstance(part, Did) else part)]
    return Person(attributes, flat)  # type: ignore[arg-type]


def _order(amount: str, **since: float) -> Did:
    return did("order", ago(**(since or {"days": 2})), amount=Decimal(amount))


_MOTHER = {"gender": "女", "age_band": "25-34", "city": "上海", "categories": ("母婴",)}

ROWS: tuple[Row, ...] = (
    Row(
        4,
        "性别、年龄段、城市、会员等级、关注品类",
        "segments.young_mothers_in_shanghai",
        "segment('young_mothers_in_shanghai')",
        [_who(**_MOTHER, level="金卡")],
        [
            _who(**_MOTHER, level="银卡"),
            _who(**{**_MOTHER, "categories": ("美妆",)}, level="金卡"),
            _who(**{**_MOTHER, "city": "北京"}, level="金卡"),
        ],
    ),
    Row(
        4,
        "KOC/KOL，且30天内分享过",
        "segments.opinion_leaders",
        "segment('opinion_leaders')",
        [_who(did("share", ago(days=29, hours=23)), is_koc=True)],
        [
            _who(did("share", ago(days=30)), is_koc=True),
            _who(did("share"), is_koc=False),
            _who(did("share")),
        ],
    ),
    Row(
        4,
        "搜索过婴儿车",
        "segments.searched_for_prams",
        "segment('searched_for_prams') and tag = '搜过婴儿车'",
        [_who(did("search", word="婴儿车"))],
        [_who(did("search", word="口红")), _who(did("search", ago(days=30), word="婴儿车"))],
    ),
    Row(
        14,
        "已加购未付款：待激活",
        "tag_rules[0]",
        "tag = '待激活'",
        [_who(did("cart")), _who(_order("9.00", days=3), did("cart"))],
        [_who(did("cart"), _order("9.00", days=1)), _who(_order("9.00")), _who()],
    ),
    Row(
        27,
        "超过180天无购买无互动：休眠",
        "tiers.lifecycle",
        "tier('lifecycle') = '休眠'",
        [_who(_order("9.00", days=181)), _who(did("view", ago(days=180)))],
        [
            _who(_order("9.00", days=181), did("view", ago(days=179, hours=23))),
            _who(_order("9.00", days=179)),
            _who(),
        ],
    ),
    Row(
        27,
        "潜在：有表单无购买；意向：深度咨询或试用",
        "tiers.lifecycle",
        "tier('lifecycle') in ('潜在', '意向')",
        [_who(did("form")), _who(did("consult", depth="深度")), _who(did("trial"))],
        [_who(did("form"), _order("9.00")), _who(did("consult", depth="一般"))],
    ),
    Row(
        27,
        "首单；30天内再购2次以上：复购",
        "tiers.lifecycle",
        "tier('lifecycle') = '复购'",
        [_who(times(3, _order("9.00")))],
        [_who(times(2, _order("9.00"))), _who(times(2, _order("9.00")), _order("9.00", days=30))],
    ),
    Row(
        28,
        "新关注、潜在、首购、复购、流失预警",
        "tiers.membership",
        "tier('membership') = '流失预警'",
        [_who(_order("9.00", days=60))],
        [_who(_order("9.00", days=59, hours=23)), _who(did("follow"))],
    ),
    Row(
        28,
        "新关注：7天内关注且未购买",
        "tiers.membership",
        "tier('membership') = '新关注'",
        [_who(did("follow", ago(days=6, hours=23)))],
        [_who(did("follow", ago(days=7))), _who(did("follow"), _order("9.00"))],
    ),
    Row(
        30,
        "VIP：近90天购买3次以上且累计超过5000元",
        "segments.vip",
        "segment('vip')",
        [_who(times(2, _order("2000.00")), _order("1000.01", days=89, hours=23))],
        [
            _who(times(2, _order("2000.00")), _order("1000.00")),
            _who(times(2, _order("3000.00"))),
            _who(times(2, _order("2000.00")), _order("1000.01", days=90)),
        ],
    ),
    Row(
        32,
        "固定阈值RFM：30天内、3次、5000元：重要价值",
        "tiers.rfm_fixed",
        "tier('rfm_fixed') = '重要价值'",
        [_who(times(2, _order("2000.00")), _order("1000.00", days=30))],
        [
            _who(times(2, _order("2000.00")), _order("999.99")),
            _who(times(2, _order("5000.00"))),
            _who(times(3, _order("2000.00", days=30, hours=1))),
        ],
    ),
    Row(
        33,
        "首次与最近购买、次数、客单价",
        "segments.large_baskets",
        "segment('large_baskets') and order_count = 2 and last_order - first_order = 2 days",
        [_who(_order("999.99", days=4), _order("0.01", days=2))],
        [
            _who(_order("999.98", days=4), _order("0.01", days=2)),
            _who(_order("999.99", days=4)),
            _who(_order("999.99", days=5), _order("0.01", days=2)),
        ],
    ),
    Row(
        56,
        "复购率与流失率的分子",
        "segments.bought_again",
        "segment('bought_again') and not segment('churned')",
        [_who(_order("9.00", days=300), _order("9.00", days=179))],
        [_who(_order("9.00")), _who(_order("9.00", days=300), _order("9.00", days=180))],
    ),
)
