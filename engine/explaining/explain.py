"""One profile and one expression: the truth of every node, what it is made of, and what is missing.

1. The profile and the events that the expression reads are read once.
2. Every node is read, and every leaf says what it found.
3. Where the whole is false, it says what would bring it there, and so does each leaf on whose
   account it is false: a part that is as wanted is not to blame, and no part of an `or` that holds.
4. Every node says when time alone turns it.
"""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from engine.explaining.changes import Way
from engine.explaining.courses import Course, course_of
from engine.explaining.evidence import FoundStep, FoundValue, found_steps, found_values
from engine.explaining.ledgers import Ledger, ledger_of
from engine.explaining.outline import Outline, OutlineNode
from engine.explaining.reading import Reading
from engine.explaining.standings import Standing
from engine.explaining.ways import Ways
from engine.model.definitions import Model
from engine.rules import bound

__all__ = ["ExplainedNode", "Explanation", "explain"]

# Nodes whose ways are looked for: a text of ten thousand conditions is told what it is, and not
# what each of them would take.
_MOST_MISSES = 64


@dataclass(frozen=True, slots=True)
class ExplainedNode:
    """A node of the expression, as OutlineNode says, for the profile.

    `owned` has the identifiers of the profile that are in the list, `ledgers` the scores that it
    reads. `in_the_way`: the whole is
    false on account of this node, too; `ways` then says what would help, the nearest first, empty
    where nothing is known to. `turns_at_us` is the next instant at which time alone turns it; None
    where it never does, or, unless `turn_is_known`, where that cannot be told.
    """

    text: str
    depth: int
    parent: int | None
    truth: bool
    values: tuple[FoundValue, ...] = ()
    steps: tuple[FoundStep, ...] = ()
    owned: tuple[tuple[str, str], ...] = ()
    ledgers: tuple[Ledger, ...] = ()
    in_the_way: bool = False
    ways: tuple[Way, ...] = ()
    turns_at_us: int | None = None
    turn_is_known: bool = True


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a profile satisfies an expression or not. `nodes` are in the order of the text, each
    before its parts; the first is the whole. Times are microseconds from 1970; `zone` is the
    model's. `with_ways`: what would help was asked for.

    Of something explained by its name `standing` is the answer, and the nodes are those of its
    conditions, one whole behind the other.
    """

    uid: bytes
    expression: str
    as_of_us: int
    zone: ZoneInfo
    nodes: tuple[ExplainedNode, ...]
    data_version: int = 0
    read_as_of_today: tuple[str, ...] = ()
    with_ways: bool = True
    standing: Standing | None = None

    @property
    def truth(self) -> bool:
        """Whether the profile satisfies it; has points, a band, a name in a tier, or a tag."""
        return self.nodes[0].truth if self.standing is None else self.standing.has


def explain(
    outline: Outline, reading: Reading, model: Model, *, with_ways: bool = True
) -> Explanation:
    """The explanation of an expression for the profile of a reading; `with_ways`: with what would
    help. Raises NotYet for what has no evaluator so far."""
    ways = Ways(model)
    wanted: list[bool] = []
    blamed: list[bool] = []
    told = 0
    found = []
    for node in outline.nodes:
        truth = reading.holds(node.item)
        if node.parent is None:
            want, blame = True, not truth
        else:
            want = wanted[node.parent] != node.negated
            blame = blamed[node.parent] and truth != want
        wanted.append(want)
        blamed.append(blame)
        course = course_of(node.item, reading)
        helping: list[Way] = []
        if with_ways and blame and told < _MOST_MISSES and (node.is_leaf or node.parent is None):
            told += 1
            helping = ways.find(node.item, want, reading)
        found.append(_explained(node, reading, truth, blame, helping, course, model))
    return Explanation(
        reading.profile.uid,
        outline.expression,
        reading.now_us,
        reading.profile.zone,
        tuple(found),
        with_ways=with_ways,
    )


def _explained(
    node: OutlineNode,
    reading: Reading,
    truth: bool,
    blame: bool,
    ways: list[Way],
    course: Course,
    model: Model,
) -> ExplainedNode:
    owned: tuple[tuple[str, str], ...] = ()
    if isinstance(node.item, bound.BoundList):
        owned = tuple(reading.profile.owned.get(node.item.name, ()))
    return ExplainedNode(
        text=node.text,
        depth=node.depth,
        parent=node.parent,
        truth=truth,
        values=found_values(node, reading),
        steps=found_steps(node, reading),
        owned=owned,
        ledgers=tuple(
            ledger_of(score, model.scores[score.name], reading)
            for score in dict.fromkeys(score for one in node.asked for score in one.scores)
        ),
        in_the_way=blame,
        ways=tuple(ways),
        turns_at_us=course.next_turn,
        turn_is_known=course.next_turn is not None or course.stays,
    )
