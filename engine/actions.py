"""What there is to do by an action of the model, for whom, and why: beside its entry in the feed.

The entry is durable, and says which action, for whom and from when on. The rest is worked out when
the entry is read, by the model in force and what is known of the profile then: so who is handed a
profile gets what is right at that time. The evidence is what was found at the instant of the entry,
and what computed attributes come to is that of the same instant: beside a reason that counts 3
orders no other number of orders is sent.
Of an action with `each` the entry names an event, which is read as it is by then, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.explaining.explain import ExplainedNode, Explanation
from engine.explaining.wording import Wording
from engine.explanations import Explanations
from engine.listing.batches import batches_of_rows
from engine.live.feed import ACTIONS, FeedRun
from engine.live.moved_key import NamedEvent
from engine.live.profile_event import ProfileEvent
from engine.live.profiles import ProfileRecord, read_profiles
from engine.live.row_events import RowEvents
from engine.live.stored_values import AttributeValue
from engine.member_values import MemberValues
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

    def __init__(
        self,
        model_of: Callable[[Snapshot], Model],
        explanations: Explanations,
        values: Callable[[Snapshot, int], MemberValues],
    ) -> None:
        self._model_of = model_of
        self._explanations = explanations
        self._values = values

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
        rows = run.rows.tolist()
        records = read_profiles(snapshot, model, rows)
        alive = run.rows[[record is not None for record in records]]
        computed = self._computed(snapshot, model, action, alive, run.instant_us)
        return [
            self._to_do(snapshot, model, action, run, row, record, computed.get(row, {}))
            for row, record in zip(rows, records, strict=True)
        ]

    def _computed(
        self,
        snapshot: Snapshot,
        model: Model,
        action: Action,
        rows: NDArray[np.uint32],
        instant_us: int,
    ) -> dict[int, dict[str, AttributeValue]]:
        """What the computed attributes of an action come to at an instant, row by row."""
        owner = action.get("owner")
        named = dict.fromkeys((*action["send"], *([] if owner is None else [owner["by"]])))
        wanted = [model.attributes[name] for name in named if model.attributes[name].computed]
        found: dict[int, dict[str, AttributeValue]] = {row: {} for row in rows.tolist()}
        if not wanted or not len(rows):
            return found
        values = self._values(snapshot, instant_us)
        for batch in batches_of_rows(np.unique(rows)):
            batch_rows = batch.rows().tolist()
            for attribute in wanted:
                cells = values.cells(attribute, batch)
                for row, cell in zip(batch_rows, cells, strict=True):
                    if cell is not None:
                        found[row][attribute.name] = cell
        return found

    def _to_do(
        self,
        snapshot: Snapshot,
        model: Model,
        action: Action,
        run: FeedRun,
        row: int,
        record: ProfileRecord | None,
        computed: Mapping[str, AttributeValue],
    ) -> ToDo:
        known = {} if record is None else {**record.attributes, **computed}
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
