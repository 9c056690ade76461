"""What there is to do by an action of the model, for whom, and why: beside its entry in the feed.

The entry is durable, and says which action, for whom and from when on. The rest is worked out when
the entry is read, by the model in force and what is known of the profile then: so who is handed a
profile gets what is right at that time. The evidence is what was found at the instant of the entry.
Of an action with `each` the entry names an event, which is read as it is by then, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from engine.explaining.explain import ExplainedNode, Explanation
from engine.explaining.wording import Wording
from engine.explanations import Explanations
from engine.live.feed import ACTIONS, FeedRun
from engine.live.moved_key import NamedEvent
from engine.live.profile_event import ProfileEvent
from engine.live.profiles import read_profiles
from engine.live.row_events import RowEvents
from engine.live.stored_values import AttributeValue
from engine.model.definitions import Model
from engine.model.plain import Action, Owner
from engine.model.positions import key_text
from engine.store.snapshot import Snapshot

__all__ = ["Actions", "ToDo"]

# Sentences of evidence at most: a reason that is read, and not the whole of an explanation.
EVIDENCE_MOST = 20


@dataclass(frozen=True, slots=True)
class ToDo:
    """What is to be done for one profile: `do` by `owner` (None where nobody is named) until
    `due_us`, microseconds from 1970 (None where there is no time limit). `send` has attributes by
    their names, those without a value left out; `evidence` says why, in sentences."""

    do: str
    owner: str | None = None
    due_us: int | None = None
    send: Mapping[str, AttributeValue] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()
    event: ProfileEvent | None = None


class Actions:
    """The actions of the models of one store. Safe to share between threads."""

    def __init__(self, model_of: Callable[[Snapshot], Model], explanations: Explanations) -> None:
        self._model_of = model_of
        self._explanations = explanations

    def of_run(self, snapshot: Snapshot, run: FeedRun) -> list[ToDo] | None:
        """What there is to do for each profile of entries of the feed; None where they are not of
        an action that the model still has."""
        if not run.definition.startswith(ACTIONS):
            return None
        model = self._model_of(snapshot)
        action = {key_text(("actions", name)): one for name, one in model.actions.items()}.get(
            run.definition
        )
        if action is None:
            return None
        return [self._to_do(snapshot, model, action, run, row) for row in run.rows.tolist()]

    def _to_do(
        self, snapshot: Snapshot, model: Model, action: Action, run: FeedRun, row: int
    ) -> ToDo:
        (record,) = read_profiles(snapshot, model, [row])
        known = {} if record is None else record.attributes
        evidence: tuple[str, ...] = ()
        if "on" in action:
            found = self._explanations.of_row(snapshot, row, action["on"], run.instant_us)
            evidence = () if found is None else _sentences(found)
        event = None if run.event is None else _event(snapshot, model, row, run.event)
        if event is not None and "each" in action:
            happened = Wording(model.time_zone, run.instant_us).instant(event.time_us)
            evidence = (f"{action['each'].strip()}: {happened}",)
        return ToDo(
            do=action["do"],
            owner=_owner(action["owner"], known) if "owner" in action else None,
            due_us=run.instant_us + action["due_us"] if "due_us" in action else None,
            send={name: known[name] for name in action["send"] if name in known},
            evidence=evidence,
            event=event,
        )


def _event(snapshot: Snapshot, model: Model, row: int, named: NamedEvent) -> ProfileEvent:
    """What is known of an event that the feed names."""
    found = RowEvents(snapshot, model, row).named(named)
    return found or ProfileEvent(named.type, named.time_us, {})


def _owner(owner: Owner, known: Mapping[str, AttributeValue]) -> str | None:
    value = known.get(owner["by"])
    table: Mapping[str, str] = owner["table"]
    text = str(value)
    if isinstance(value, bool):
        # A table may have True as well as true.
        text, table = text.lower(), {written.lower(): found for written, found in table.items()}
    found = None if value is None else table.get(text)
    return owner.get("else") if found is None else found


def _sentences(found: Explanation) -> tuple[str, ...]:
    """What was found of the conditions that hold, in the order of the text."""
    wording = Wording(found.zone, found.as_of_us)
    said = [line for node in found.nodes if _tells(node) for line in _said(wording, node)]
    return tuple(dict.fromkeys(line.strip() for line in said))[:EVIDENCE_MOST]


def _tells(node: ExplainedNode) -> bool:
    return node.truth and bool(node.values or node.steps or node.owned or node.ledgers)


def _said(wording: Wording, node: ExplainedNode) -> Iterator[str]:
    yield node.text
    yield from wording.evidence(node)
