"""Small live databases for tests: updates written as dictionaries, and everything that must
agree about a segment."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.columns.strings import Strings
from engine.database import Database
from engine.live.batch import ProfileBatch
from engine.live.change import Cause
from engine.live.committing import Committer
from engine.live.feed import FeedRun, replay_feed
from engine.live.positions import IngestAck, Position
from engine.live.profiles import ProfileRecord
from engine.live.segments import segment_key
from engine.store.catalog import segment_field
from engine.store.lock import LOCK_FILE
from engine.store.writer import Writer
from tests.crash.live_check import stored_rows
from tests.told import runs_told, wait_told
from tests.updates import update_batch

__all__ = [
    "SEGMENTS",
    "LiveDatabase",
    "copy_store",
    "model_files",
    "only_the_log",
    "place",
]

_HEAD = """\
time_zone: UTC
identifiers:
  member: {per_profile: 1}
  phone: {per_profile: 2, blocked: ['000']}
attributes:
  city: {type: category}
  size: {type: int}
  spent: {type: decimal, scale: 2}
  rate: {type: float}
  seen: {type: time}
  remark: {type: text}
  likes: {type: set}
sources:
  crm: {identify: {member: member}, attributes: {size: size}}
segments:
"""

SEGMENTS = {
    "large": "size >= 50",
    "northern": "city in ('京', '津')",
    "both": "segment('large') and segment('northern')",
    "fan": "likes = 'x' or tag = 'vip'",
}


def model_files(segments: Mapping[str, str] = SEGMENTS, head: str = _HEAD) -> dict[str, str]:
    """The files of a model with these segments."""
    lines = [f'  {name}: "{text}"\n' for name, text in segments.items()]
    return {"model.yaml": head + ("".join(lines) or "  {}\n")}


def place(
    offsets: Sequence[int], *, partition: str = "p", epoch: int = 1, source: str = "orders"
) -> Position:
    """The position of a batch with these offsets."""
    return Position(source, partition, epoch, np.array(offsets, np.uint64))


class LiveDatabase:
    """An open database and short ways to write and ask."""

    def __init__(
        self,
        path: Path,
        segments: Mapping[str, str] = SEGMENTS,
        *,
        read_only: bool = False,
    ) -> None:
        """The store that is there, or a new one with a model of these segments."""
        self.path = path
        self._names: dict[int, str] = {}
        if path.exists():
            self.database = Database.open(path, read_only=read_only, threads=1)
            return
        self.database = Database.create(path, threads=1)
        self.database.apply_model(model_files(segments))

    def batch(self, *updates: Mapping[str, Any]) -> ProfileBatch:
        """Updates as tests.updates writes them."""
        assert self.database.model is not None
        return update_batch(updates, self.database.model)

    def send(
        self, *updates: Mapping[str, Any], at: Position | None = None, giver: str = ""
    ) -> IngestAck:
        """Ingests updates as one batch, and waits until they are visible."""
        ack = self.database.ingest(self.batch(*updates), at, giver=giver)
        self.database.wait_visible(ack.offset)
        return ack

    def sizes(self, *pairs: tuple[str, int]) -> IngestAck:
        """Members with their size."""
        return self.send(*({"member": member, "size": size} for member, size in pairs))

    def profile(self, value: str, kind: str = "member") -> ProfileRecord | None:
        """Who owns an identifier."""
        (found,) = self.database.profiles([(kind, value)])
        return found

    def attributes(self, value: str) -> dict[str, Any]:
        """What a member has."""
        found = self.profile(value)
        assert found is not None, value
        return dict(found.attributes)

    def members(self, expression: str) -> list[str]:
        """The members for whom an expression is true, sorted."""
        with self.database.members(expression) as members:
            found = [value for chunk in members.identifiers("member") for value in chunk]
        return sorted(found)

    def upload(self, name: str, *values: str, kind: str = "member") -> None:
        """Uploads a list."""
        self.database.upload_list(name, kind, Strings.from_list(list(values)))

    # ---------------------------------------------------------------------------- feed

    def entries(self, after: int = 0) -> list[tuple[str, str, str, int, Cause]]:
        """(member, `+` or `-` and the segment, version, cause) of the feed after a record of
        the log, in order, once it is complete."""
        return [
            (self._member(row), ("+" if run.entered else "-") + run.definition[9:],
             run.version, run.cause)
            for run in self.runs(after)
            for row in run.rows.tolist()
        ]  # fmt: skip

    def runs(self, after: int = 0) -> list[FeedRun]:
        """The same, as the feed has it."""
        return runs_told(self.database, after)

    def runs_as_text(self) -> list[str]:
        """The whole feed in a form that can be compared."""
        return [f"{run}{run.rows.tolist()}" for run in self.runs()]

    def moves(self, after: int = 0) -> list[str]:
        """`member+segment` of the feed after a record of the log, sorted."""
        return sorted(member + what for member, what, _, _ in self.entries(after))

    def wait_told(self) -> None:
        """Until the feed has everything that is visible."""
        wait_told(self.database)

    def _member(self, row: int) -> str:
        if row not in self._names:
            with self.database.members("true") as members:
                names = [value for chunk in members.identifiers("member") for value in chunk]
                self._names = dict(zip(members.rows.tolist(), names, strict=True))
        return self._names[row]

    # ----------------------------------------------------------------------- agreement

    def agree(self, *, whole_feed: bool = True) -> dict[str, list[str]]:
        """Segment -> members, once its rule, what is stored of it, its count, the profiles and
        (with `whole_feed`) the feed from its beginning say the same."""
        database, found = self.database, dict[str, list[str]]()
        model = database.model
        assert model is not None
        told: dict[str, Any] = {}
        if whole_feed:
            self.wait_told()
            told = replay_feed(database.feed)
        kept = [name for name in model.segments if name not in database.unkept_segments()]
        for name in kept:
            with database.members(model.segments[name].rule) as members:
                rows = members.rows.tolist()
            with database._store.snapshot() as snapshot:
                assert segment_field(name) in snapshot.fields
                assert stored_rows(snapshot, name) == rows, name
                assert snapshot.segment_counts[name] == len(rows), name
            assert database.count(f"segment('{name}')").count == len(rows), name
            if whole_feed:
                assert told.pop(segment_key(name), np.zeros(0)).tolist() == rows, name
            found[name] = self.members(f"segment('{name}')")
        assert not told, f"the feed has members of {sorted(told)}"
        everybody = self.members("true")
        records = database.profiles([("member", member) for member in everybody])
        for member, record in zip(everybody, records, strict=True):
            assert record is not None
            assert record.segments == [name for name in kept if member in found[name]], member
        return found


def copy_store(database: Database, target: Path) -> Path:
    """The files of an open store as a crash would leave them at this moment."""
    with database._live.pipeline.drained():
        lock = shutil.ignore_patterns(LOCK_FILE)
        shutil.copytree(database._store.path, target, ignore=lock)
    return target


def only_the_log(monkeypatch: Any) -> None:
    """From now on commits save no block, so the disk has records of the log and little else.

    Undo it before the database is closed: closing saves until nothing is left.
    """

    def save_the_key(committer: Committer, writer: Writer, **_: object) -> tuple[int, int]:
        given = committer.identities.save_slice(writer, 0)
        return committer._put_feed(writer), given

    monkeypatch.setattr(Committer, "_save", save_the_key)
