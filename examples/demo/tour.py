"""The questions that the demo asks, and what the answers must be where that is known."""

from __future__ import annotations

from examples.demo.terminal import Terminal

__all__ = ["QUESTIONS", "real_customers", "synthetic_customers"]

QUESTIONS = "examples/demo/questions.txt"

_AUDIENCE = (
    "segment('target_industry') and (segment('decision_maker') or tag = 'VIP')"
    " and revenue >= 500 and not segment('asleep')"
)
_BEHAVIOUR = (
    "stage in ('lead', 'mql') and count(read where asset = '白皮书' in last 30 days) >= 1"
    " and days(any in last 4 calendar weeks) >= 3 and count(order) = 0"
)
# The cells of CDNOW at the end of the data, as SQL has them; letters in the order R, F, M.
_CELLS = {
    "重要价值": 4_617,  # HHH
    "重要发展": 268,  # HLH
    "重要保持": 449,  # LHH
    "重要挽留": 579,  # LLH
    "一般价值": 1_974,  # HHL
    "一般发展": 1_532,  # HLL
    "一般保持": 543,  # LHL
    "一般挽留": 13_608,  # LLL
}
# The synthetic customers were last seen before this day.
_TODAY = "2026-11-01"


def real_customers(terminal: Terminal, server: str) -> None:
    """Questions about CDNOW, whose answers are known."""
    at = ("--server", server)
    then = ("--as-of", "1998-06-30", *at)
    terminal.heading("Who bought exactly once?")
    terminal.count("count(purchase) = 1", *then, expected=11_908)
    terminal.heading("Whose last purchase was more than 180 days before the end of the data?")
    terminal.count("last(purchase) < now - 180 days", *then, expected=18_196)
    terminal.heading("The same half a year earlier: any instant can be asked for")
    terminal.count("last(purchase) < now - 180 days", "--as-of", "1997-12-31", *at, expected=None)
    terminal.heading("How many bought how often, and what they spent")
    terminal.run(
        "distribution", "count(purchase)", "--of", "count(purchase) >= 1",
        "--thresholds", "1,2,3,5,10,20", *then,
    )  # fmt: skip
    terminal.run("summarize", "sum(purchase.amount)", "--of", "count(purchase) >= 1", *then)
    terminal.heading("Who spent more than 6,000 dollars")
    best = terminal.run("list", "sum(purchase.amount) > 6000", "--ids", "cdnow", *then)
    terminal.heading("Value classes: the cuts are worked out from today's data, and stay")
    terminal.run("refresh", "value", *at)
    told = terminal.run("count", "last(purchase) is present", "--group-by", "tier('value')", *then)
    terminal.check_groups(told, _CELLS)
    for customer in best.split()[:1]:
        terminal.heading("Why one of them is in his class")
        terminal.run("explain", f"cdnow:{customer}", "--tier", "value", *then)


def synthetic_customers(terminal: Terminal, server: str) -> None:
    """Questions about the people, of every kind that this version answers."""
    at = ("--server", server)
    now = ("--as-of", _TODAY, *at)
    terminal.heading("An audience, with the exact count at every node of its rule")
    terminal.count(_AUDIENCE, "--nodes", *now, expected=None)
    terminal.heading("The same audience by region")
    terminal.run("count", _AUDIENCE, "--group-by", "region", *now)
    terminal.heading("What people did counts like what they are")
    terminal.count(_BEHAVIOUR, "--nodes", *now, expected=None)
    terminal.heading("What they spent in thirty days, by stage")
    terminal.run(
        "summarize", "sum(order.amount in last 30 days)", "--of",
        "count(order in last 30 days) >= 1", "--by", "stage", *now,
    )  # fmt: skip
    terminal.heading("Several questions in one pass over the data")
    terminal.run("count", "--file", QUESTIONS, *now)
    terminal.heading("Five members, drawn at random: the same five whenever it is asked")
    members = terminal.run(
        "list", _AUDIENCE, "--ids", "person", "--limit", "5", "--salt", "demo", *now
    )
    for person in members.split()[:1]:  # among a handful of customers there may be nobody
        terminal.heading("One of them")
        terminal.run("profile", f"person:{person}", *at)
        terminal.heading("Why he has so many points, and what is missing to more")
        terminal.run("explain", f"person:{person}", "--score", "lead", *now)
    terminal.heading("The canonical form of a rule, and what a slip of the pen is told")
    terminal.run("format", "NOT stage='lead' AND((age>=30))", *at)
    terminal.run("count", "industy = '制造业' and age > 30", *at, fails=True)
