"""The steps of a sequence, each as the expression that says who reached it.

A profile reached step k of `sequence(s1 then s2 within D ...)` if the sequence of the first k
steps holds for it, the window of the whole restricting its first. So each step is counted by
the sequence that ends with it, and the first, alone, by its events: `count(s1 window) >= 1`.
A step `then no ...` is one like the others: who reached it did what came before, and not that.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from engine.rules import tree
from engine.rules.canonical import format_step
from engine.rules.literals import write_duration

__all__ = ["FunnelStep", "funnel_steps"]


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """A step as it is written in the sequence (`then ... within ...`), and who reached it."""

    text: str
    reached: tree.Expr


def funnel_steps(sequence: tree.Sequence) -> list[FunnelStep]:
    """The steps of a sequence, in order; the last holds for whom the sequence does."""
    first = sequence.first
    begun = tree.Aggregate("count", step=first, window=sequence.window)
    steps = [
        FunnelStep(
            format_step(first, sequence.window),
            tree.Compare(begun, ">=", tree.Number(Decimal(1))),
        )
    ]
    for place, link in enumerate(sequence.links, 1):
        prefix = tree.Sequence(first, sequence.links[:place], sequence.window)
        word = "then no" if link.absent else "then"
        within = write_duration(link.within.amount, link.within.unit)
        text = f"{word} {format_step(link.step, None)} within {within}"
        steps.append(FunnelStep(text, prefix))
    return steps
