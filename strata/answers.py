"""What calls answer with: plain immutable data."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

__all__ = [
    "BatchAck",
    "Comparison",
    "CountAnswer",
    "DefinitionChange",
    "Formatted",
    "Frozen",
    "FrozenAudience",
    "GroupCount",
    "MembersChunk",
    "MembersHeader",
    "ModelChange",
    "ModelPlan",
    "ModelText",
    "NodeCount",
    "Profile",
    "ProfileEvent",
    "RefusedRecord",
    "UploadedList",
    "Value",
    "Verified",
]

# A value of an attribute: category and text are str, a set is a tuple of str in code point
# order, times have UTC; None is missing.
Value = (
    str | int | Decimal | float | bool | datetime.date | datetime.datetime | tuple[str, ...] | None
)


@dataclass(frozen=True, slots=True)
class NodeCount:
    """The count of one node of an expression; the root has depth 0.

    `text` is the canonical text of a predicate, and "and", "or" or "not" for logic.
    """

    text: str
    depth: int
    count: int


@dataclass(frozen=True, slots=True)
class GroupCount:
    """The count of one group; `value` is None for the profiles without one."""

    value: str | None
    count: int


@dataclass(frozen=True, slots=True)
class CountAnswer:
    """An exact count.

    `as_of` has UTC and whole microseconds. `nodes` are in order, each before its children;
    `waiting` counts list identifiers that no profile owns yet; `read_as_of_today` names what
    was read as it is today although `as_of` is another instant; `notes` say which events are
    dropped that a window reaches back to. `gone`, of a frozen audience, are no profiles any more.
    """

    expression: str
    count: int
    as_of: datetime.datetime
    data_version: int
    elapsed_us: int
    nodes: tuple[NodeCount, ...] = ()
    groups: tuple[GroupCount, ...] = ()
    waiting: int = 0
    read_as_of_today: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    gone: int = 0


@dataclass(frozen=True, slots=True)
class Frozen:
    """The name of a frozen audience, where an expression could stand."""

    name: str


@dataclass(frozen=True, slots=True)
class FrozenAudience:
    """A frozen audience, without its members: `count` profiles, of which `gone` are none any more.

    `expression` held for `matched` profiles at `as_of` in the data of `data_version`; those kept of
    them were chosen by `limit` (None: all), `salt`, `order_by` and `descending`. `expires_at` is
    None for one that is kept until it is dropped.
    """

    name: str
    expression: str
    count: int
    gone: int
    matched: int
    as_of: datetime.datetime
    data_version: int
    model_version: int
    row_epoch: int
    made_at: datetime.datetime
    made_by: str
    expires_at: datetime.datetime | None
    limit: int | None
    salt: str
    order_by: str
    descending: bool
    waiting: int
    read_as_of_today: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The sizes of two audiences, and how many profiles are in both."""

    left: int
    right: int
    both: int
    as_of: datetime.datetime
    data_version: int


@dataclass(frozen=True, slots=True)
class MembersHeader:
    """What a member list is a list of: `matched` profiles satisfy, `listed` follow.

    With `frozen` it is a list of that audience, or of a page of it, of which `gone` are no
    profiles any more.
    """

    expression: str
    matched: int
    listed: int
    as_of: datetime.datetime
    data_version: int
    row_epoch: int
    waiting: int
    read_as_of_today: tuple[str, ...]
    frozen: FrozenAudience | None = None
    gone: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MembersChunk:
    """A piece of a member list: `identifiers`, or `uids` of 16 bytes each, joined.

    `columns` has one value per entry for each attribute asked for; `roaring` holds the next bytes
    of a bitmap.
    """

    identifiers: tuple[str, ...] = ()
    uids: bytes = b""
    columns: Mapping[str, tuple[Value, ...]] | None = None
    roaring: bytes = b""

    @property
    def entries(self) -> tuple[str, ...]:
        """The identifiers, or the uids as 32 hexadecimal digits."""
        if not self.uids:
            return self.identifiers
        digits = self.uids.hex()
        return tuple(digits[at : at + 32] for at in range(0, len(digits), 32))

    @property
    def lines(self) -> str:
        """The entries as text, one a line."""
        if self.uids:
            return self.uids.hex("\n", 16) + "\n"
        return "\n".join((*self.identifiers, ""))


@dataclass(frozen=True, slots=True)
class ProfileEvent:
    """Something that a profile did. `time` has UTC; `properties` are in the order of the model,
    those without a value left out."""

    type: str
    time: datetime.datetime
    properties: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class FoundEvent:
    """An event that something comes from; `value` is the property that was read, None for none, and
    `points` what it gives in a ledger, before `at_most`; None elsewhere."""

    type: str
    time: datetime.datetime
    value: Value
    points: Decimal | None = None


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """What one rule of a score gives, or one end of it adds or takes.

    `kind` is when, each, floor or ceiling; `rule` the place of a rule, from 0, and `text` what it
    asks. `uncapped` is what it would give without its `at_most`, None where that is the same.
    """

    kind: str
    points: Decimal
    rule: int | None = None
    text: str = ""
    uncapped: Decimal | None = None
    events: tuple[FoundEvent, ...] = ()
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class ScoreLedger:
    """A score of a profile: its points, its band ("": none) and its lines, which add up to it."""

    score: str
    points: Decimal
    band: str
    lines: tuple[LedgerLine, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile. `uid` is 32 hexadecimal digits; `identifiers` are (kind, value) pairs.

    `segments` are those of the kept segments that it is in. `recent_events`, the latest first,
    are its last ones where it was asked for alone. `tiers` maps each tier in which it has a name
    to that. `notes` says by the key of the model why something of these is left out. Where it was
    asked for another instant than now, `as_of` is that, and `read_as_of_today` names what was read
    as it is today.
    """

    uid: str
    identifiers: tuple[tuple[str, str], ...]
    attributes: Mapping[str, Value]
    tags: tuple[str, ...]
    segments: tuple[str, ...] = ()
    recent_events: tuple[ProfileEvent, ...] = ()
    scores: tuple[ScoreLedger, ...] = ()
    tiers: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    as_of: datetime.datetime | None = None
    read_as_of_today: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RefusedRecord:
    """A record of a batch that was not taken: its index, its number where it has one, and why."""

    index: int
    offset: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class BatchAck:
    """What became of a batch; what was accepted is durable.

    `offset` is what a read names as `min_offset` to see it; `durable_offset` is the number of
    the batch's last record. `refused` names the first 10,000 of `refused_count`.
    """

    offset: int
    durable_offset: int | None
    accepted: int
    duplicates: int
    created: int
    blocked: int
    refused_count: int
    refused: tuple[RefusedRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class UploadedList:
    """A list as it stands: of `size` identifiers `known` have an owner, `waiting` do not.

    `ignored` values of an upload could identify nobody, and are not in the list.
    """

    name: str
    identifier_kind: str
    size: int
    known: int
    waiting: int
    ignored: int = 0


@dataclass(frozen=True, slots=True)
class DefinitionChange:
    """What an edit does to one definition, named by its key path: exact numbers of profiles.

    `kept` says whether the store keeps its members under the new model. The numbers are exact
    either way; those of a definition that is not kept are computed for the answer.
    """

    definition: str
    kept: bool
    old_size: int
    new_size: int
    joiners: int
    leavers: int


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """What an apply would do."""

    added_keys: tuple[str, ...]
    removed_keys: tuple[str, ...]
    changed_keys: tuple[str, ...]
    changes: tuple[DefinitionChange, ...]


@dataclass(frozen=True, slots=True)
class ModelChange:
    """What an apply did; keys are paths such as "segments.high_value".

    `not_yet_keys` is what a check found to be valid and not built in this version.
    """

    version: int
    changed: bool
    added_keys: tuple[str, ...]
    removed_keys: tuple[str, ...]
    changed_keys: tuple[str, ...]
    not_yet_keys: tuple[str, ...] = ()
    changes: tuple[DefinitionChange, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelText:
    """The model in force: its files by name, and its time zone's IANA name."""

    version: int
    files: Mapping[str, str]
    time_zone: str


@dataclass(frozen=True, slots=True)
class Formatted:
    """An expression in its canonical text, and as the JSON form of message Expr."""

    expression: str
    tree: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Verified:
    """What a check of the store read, and every fault it found, a sentence each."""

    data_version: int
    record_count: int
    payload_bytes: int
    faults: tuple[str, ...]
