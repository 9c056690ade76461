"""The questions that the demo asks, and what the answers must be where that is known."""

from __future__ import annotations

from examples.demo.terminal import Terminal

__all__ = ["QUESTIONS", "real_customers", "synthetic_customers"]

QUESTIONS = "examples/demo/questions.txt"

_AUDIENCE = (
    "segment('target_industry') and (segment('decision_maker') or tag = 'VIP')"
    " and revenue >= 500 and not segment('asleep')"
)
# The synthetic customers were last seen before this day.
_TODAY = "2026-11-01"


def real_customers(terminal: Terminal, server: str) -> None:
    """Questions about CDNOW, whose answers are known."""
    at = ("--server", server)
    terminal.heading("Who bought exactly once?")
    terminal.count("orders = 1", *at, expected=11_908)
    terminal.heading("Whose last purchase was more than 180 days before the end of the data?")
    terminal.count("last_purchase < now - 180 days", "--as-of", "1998-06-30", *at, expected=18_196)
    terminal.heading("The three who spent most, and all that is known about one of them")
    best = terminal.run(
        "list", "spent > 0", "--ids", "cdnow", "--order-by", "spent", "--descending",
        "--limit", "3", *at,
    )  # fmt: skip
    terminal.run("profile", f"cdnow:{best.split()[0]}", *at)


def synthetic_customers(terminal: Terminal, server: str) -> None:
    """Questions about the people, of every kind that this version answers."""
    at = ("--server", server)
    now = ("--as-of", _TODAY, *at)
    terminal.heading("An audience, with the exact count at every node of its rule")
    terminal.count(_AUDIENCE, "--nodes", *now, expected=None)
    terminal.heading("The same audience by region")
    terminal.run("count", _AUDIENCE, "--group-by", "region", *now)
    terminal.heading("Several questions in one pass over the data")
    terminal.run("count", "--file", QUESTIONS, *now)
    terminal.heading("Five members, drawn at random: the same five whenever it is asked")
    members = terminal.run(
        "list", _AUDIENCE, "--ids", "person", "--limit", "5", "--salt", "demo", *now
    )
    for person in members.split()[:1]:  # among a handful of customers there may be nobody
        terminal.heading("One of them")
        terminal.run("profile", f"person:{person}", *at)
    terminal.heading("The canonical form of a rule, and what a slip of the pen is told")
    terminal.run("format", "NOT stage='lead' AND((age>=30))", *at)
    terminal.run("count", "industy = '制造业' and age > 30", *at, fails=True)
