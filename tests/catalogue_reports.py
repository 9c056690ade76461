"""Reports of the catalogue: what is asked of a store rather than written in a model."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["REPORTS", "Report"]


@dataclass(frozen=True)
class Report:
    """A report: the number of its row, what it is, whose model it is asked of, and the commands."""

    number: int
    says: str
    model: str
    commands: tuple[str, ...]


_LEADS = (
    "sequence(lead where channel = '{}' then opportunity within 90 days then deal within 180 days)"
)
_FLOW = "strata flow lifecycle --from 2026-10-01 --to 2026-11-01"


def _by(tier: str, expression: str = "true") -> str:
    return f'strata count "{expression}" --group-by "tier(\'{tier}\')"'


REPORTS = (
    Report(6, "The core fifth by interactions", "b2b_wechat", (_by("core"),)),
    Report(6, "The core fifth by purchases", "retail", (_by("core"),)),
    Report(23, "Recency, frequency, engagement", "b2b_wechat", (_by("rfe"),)),
    Report(31, "High, medium and low value by RFM", "retail", (_by("value"),)),
    Report(
        32,
        "The eight cells, cut by means, medians, fifths, fixed values",
        "retail",
        tuple(_by(f"rfm{cut}") for cut in ("", "_median", "_quintile", "_fixed")),
    ),
    Report(52, "Customers by stage", "b2b_wechat", (_by("lifecycle"),)),
    Report(52, "Customers by stage", "retail", (_by("lifecycle"),)),
    Report(
        52,
        "High-value customers and conversion by first source",
        "b2b_wechat",
        (
            "strata distribution first_source --of \"tier('rfe') = '重要价值'\"",
            "strata distribution first_source",
            'strata distribution first_source --of "count(deal) >= 1"',
        ),
    ),
    Report(
        53,
        "From lead to opportunity to deal with the loss at each step, by channel",
        "b2b_wechat",
        tuple(f'strata funnel "{_LEADS.format(channel)}"' for channel in ("S", "展会")),
    ),
    Report(
        54,
        "Sales cycle: mean time between two first events",
        "b2b_wechat",
        ('strata summarize "first(deal) - first(lead)" --of "segment(\'from_lead_to_deal\')"',),
    ),
    Report(
        55,
        "Sign-up, show-up and conversion after an event, all and of a tier",
        "b2b_wechat",
        (
            'strata funnel "sequence(register then finish_live within 7 days'
            ' then trial within 30 days)"',
            'strata funnel "sequence(register then finish_live within 7 days'
            " then trial within 30 days)\" --of \"tier('breadth') = '三渠道'\"",
        ),
    ),
    Report(
        56,
        "Repurchase, churn and average order value by class",
        "retail",
        (
            _by("value", "segment('bought_again')"),
            _by("value", "segment('churned')"),
            'strata summarize "avg(order.amount)" --by "tier(\'value\')"',
        ),
    ),
    Report(57, "Flow between stages in a period", "retail", (_FLOW,)),
    Report(57, "Flow between stages in a period", "b2b_wechat", (_FLOW,)),
    Report(58, "Overlap of segments", "retail", ("strata overlap vip bought_again churned",)),
)
