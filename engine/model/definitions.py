"""What a model declares, after validation: plain immutable data, in model order.

These are the nouns that every other room works with. They hold no text positions and no
parsed expressions: `rule` fields keep the text as written (it has parsed and bound once,
or the model would not be here).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

__all__ = [
    "TAG",
    "Attribute",
    "AttributeType",
    "EventProperty",
    "EventType",
    "Identifier",
    "Model",
    "Purpose",
    "Segment",
    "Source",
    "SourceColumn",
]

AttributeType = Literal[
    "category", "set", "int", "decimal", "float", "bool", "date", "time", "text"
]

# The built-in set attribute that tag rules, loads and updates write.
TAG = "tag"


@dataclass(frozen=True, slots=True)
class Identifier:
    """A kind of identifier. `rank` 0 is the strongest.

    `per_profile` is how many values one profile may own, None for any number; `blocked`
    values never identify anyone.
    """

    kind: str
    rank: int
    per_profile: int | None = None
    blocked: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Purpose:
    """A purpose of processing, with the channels on which it can be granted."""

    name: str
    channels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attribute:
    """A profile attribute. `scale` counts decimal places (0..18), for decimals only.

    `needs` names a purpose, `computed` holds the text of `is:`; both None where absent.
    """

    name: str
    type: AttributeType
    scale: int = 0
    label: str | None = None
    history: bool = False
    needs: str | None = None
    computed: str | None = None


@dataclass(frozen=True, slots=True)
class EventProperty:
    """A property of one type of event."""

    name: str
    type: AttributeType
    scale: int = 0


@dataclass(frozen=True, slots=True)
class EventType:
    """A type of event. `erases`: its arrival erases the profile. `retention_us`: None keeps all.

    `dropped_us`: events before it were dropped under an earlier model (`engine.rules.retention`).
    """

    name: str
    properties: Mapping[str, EventProperty] = field(default_factory=dict)
    erases: bool = False
    retention_us: int | None = None
    label: str | None = None
    dropped_us: int = field(default=-(2**63), compare=False)


@dataclass(frozen=True, slots=True)
class Segment:
    """A named expression."""

    name: str
    rule: str
    label: str | None = None


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """Which column feeds a field, and how. `split` cuts one cell into set values."""

    column: str
    split: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """How files of one source become updates.

    `event` is None for a source of profiles. `identify` maps identifier kinds to columns,
    `attributes` and `properties` map fields to columns. `by` names the column of the giver
    of set values (None: the source itself). `empty_unsets`: an empty cell erases the
    attribute instead of leaving it. `query` is DuckDB SQL over a relation named `input`.
    """

    name: str
    identify: Mapping[str, str]
    event: str | None = None
    id: tuple[str, ...] = ()
    time: str | None = None
    attributes: Mapping[str, SourceColumn] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    tags: SourceColumn | None = None
    by: str | None = None
    empty_unsets: bool = False
    time_zone: ZoneInfo | None = None
    query: str | None = None
    encoding: str = "utf-8"


@dataclass(frozen=True, slots=True)
class Model:
    """A validated model.

    `attributes` has the declared ones and the built-in set `tag`, in model order, `tag` last.
    `scores`, `tiers`, `tag_rules` and `actions` are validated plain data, bound where they are
    read. `not_yet` names the keys in use that an apply must refuse for now (for example
    `tiers.rfm`, `scores.lead.hold`), in model order.
    `text` is the source, file by file, as it was given.
    """

    time_zone: ZoneInfo
    identifiers: Mapping[str, Identifier]
    attributes: Mapping[str, Attribute]
    purposes: Mapping[str, Purpose] = field(default_factory=dict)
    events: Mapping[str, EventType] = field(default_factory=dict)
    event_groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    segments: Mapping[str, Segment] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    scores: Mapping[str, Any] = field(default_factory=dict)
    tiers: Mapping[str, Any] = field(default_factory=dict)
    tag_rules: tuple[Any, ...] = ()
    actions: Mapping[str, Any] = field(default_factory=dict)
    not_yet: tuple[str, ...] = ()
    text: Mapping[str, str] = field(default_factory=dict)

    def bands(self, score: str) -> Mapping[str, Decimal]:
        """Names of a score's bands with their lower bounds, lowest first; KeyError if unknown."""
        bounds: Mapping[str, Decimal] = self.scores[score].get("bands", {})
        return dict(sorted(bounds.items(), key=lambda item: item[1]))
