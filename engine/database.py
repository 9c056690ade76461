"""One open store with its model: the face that servers, loaders and command lines use.

Reads take a snapshot and never wait for writes; writes go one at a time. Every failure that
can be expected is one of engine.errors.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from engine.audience import Audience, CountResult, Threads
from engine.columns.strings import Strings
from engine.core.control import Control
from engine.errors import InputInvalid, ModelInvalid
from engine.identity.owners import rows_of
from engine.live.bulk_load import BulkLoad
from engine.live.lists import ListInfo, delete_list, list_names, list_rows, upload_list
from engine.live.profiles import ProfileRecord, read_profiles
from engine.live.schema import change_fields, holds_data
from engine.members import Members
from engine.model.definitions import Model, Source
from engine.model.diff import diff, refuse_impossible
from engine.model.load import load_model
from engine.model.not_yet import refuse_not_yet
from engine.rules import tree
from engine.rules.bind import Binder
from engine.rules.check import check_expressions
from engine.store.data_file import DATA_FILE
from engine.store.snapshot import Snapshot
from engine.store.store import Store, VerifyReport

__all__ = ["AppliedModel", "Database", "UploadedList"]


@dataclass(frozen=True, slots=True)
class AppliedModel:
    """What an apply did: the model version now in force, and the key paths that changed.

    `changed` is False where the model said the same before; the version is then the old one.
    """

    version: int
    changed: bool
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UploadedList:
    """A list of identifiers: `size` different ones of a kind, of which `known` have an owner
    and `waiting` have none. `ignored` entries of an upload could identify nobody."""

    name: str
    kind: str
    size: int
    known: int
    waiting: int
    ignored: int = 0


class Database:
    """An open store. Safe to share between threads."""

    def __init__(self, store: Store, threads: int | None) -> None:
        self._store = store
        count = threads or min(len(os.sched_getaffinity(0)), 16)
        pool = ThreadPoolExecutor(count - 1, "evaluate") if count > 1 else None
        self._threads = Threads(pool, count)
        self._guard = threading.Lock()
        self._binder: tuple[int, Binder] | None = None

    @classmethod
    def create(cls, path: Path, *, threads: int | None = None) -> Self:
        """A new, empty store in a folder that is not there yet. Raises AlreadyExists,
        StoreUnwritable."""
        return cls(Store.create(path), threads)

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False, threads: int | None = None) -> Self:
        """A store that is there. `threads` None takes one for each processor, at most 16.

        Raises StoreMissing, StoreInUse, StoreVersionUnsupported, StoreCorrupt.
        """
        return cls(Store.open(path, read_only=read_only), threads)

    def close(self) -> None:
        """Let go of the store; harmless when done before."""
        if self._threads.pool is not None:
            self._threads.pool.shutdown()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------------- state

    @property
    def model(self) -> Model | None:
        """The model in force; None before the first apply."""
        with self._store.snapshot() as snapshot:
            binder = self._binder_of(snapshot)
            return None if binder is None else binder.model

    @property
    def model_version(self) -> int:
        """How often the model changed; 0 before the first apply."""
        with self._store.snapshot() as snapshot:
            return snapshot.model_version

    @property
    def data_version(self) -> int:
        """Number of the last commit."""
        with self._store.snapshot() as snapshot:
            return snapshot.data_version

    @property
    def profile_count(self) -> int:
        """Live profiles."""
        with self._store.snapshot() as snapshot:
            return snapshot.live_count

    def stats(self) -> dict[str, int]:
        """Figures of the store: profiles, blocks, versions, bytes."""
        with self._store.snapshot() as snapshot:
            return {
                "profiles": snapshot.live_count,
                "rows": snapshot.row_count,
                "blocks": snapshot.block_count,
                "fields": len(snapshot.fields),
                "lists": len(list_names(snapshot)),
                "data_version": snapshot.data_version,
                "model_version": snapshot.model_version,
                "file_bytes": (self._store.path / DATA_FILE).stat().st_size,
            }

    def verify(self) -> VerifyReport:
        """Reads and checks every stored record."""
        return self._store.verify()

    def _binder_of(self, snapshot: Snapshot) -> Binder | None:
        """The binder of a snapshot's model, made once for each model version."""
        if not snapshot.model_version:
            return None
        with self._guard:
            if self._binder is None or self._binder[0] != snapshot.model_version:
                model, _ = load_model(snapshot.model_files)
                self._binder = (snapshot.model_version, Binder(model))
            return self._binder[1]

    # ------------------------------------------------------------------------- model

    @staticmethod
    def check_model(files: Mapping[str, str]) -> Model:
        """The model of some files, expressions checked. Raises ModelInvalid with every fault."""
        model, positions = load_model(files)
        issues = check_expressions(model, positions)
        if issues:
            raise ModelInvalid(*issues)
        return model

    def apply_model(self, files: Mapping[str, str]) -> AppliedModel:
        """Puts a model in force. Raises ModelInvalid, NotYet; nothing is changed then."""
        model = self.check_model(files)
        refuse_not_yet(model)
        with self._store.write() as writer:
            binder = self._binder_of(writer.snapshot)
            old = None if binder is None else binder.model
            change = diff(old, model)
            refuse_impossible(old, model, holds_data=lambda key: holds_data(writer.snapshot, key))
            change_fields(writer, model)
            version = writer.set_model(files)
        return AppliedModel(
            version=version,
            changed=bool(change),
            added=change.added,
            removed=change.removed,
            changed_keys=change.changed,
        )

    # ------------------------------------------------------------------------- reads

    def count(
        self,
        expression: str | tree.Expr,
        *,
        as_of_us: int | None = None,
        nodes: bool = False,
        group_by: str | None = None,
        control: Control | None = None,
    ) -> CountResult:
        """How many profiles an expression holds for; with `nodes` at each node of its tree,
        with `group_by` split by a category or bool attribute."""
        with self._store.snapshot() as snapshot:
            audience = self._audience(snapshot, as_of_us, control)
            audience.add(expression)
            if group_by is not None:
                return audience.count_by(group_by, nodes=nodes)
            return audience.counts(nodes=nodes)[0]

    def count_many(
        self,
        expressions: Sequence[str | tree.Expr],
        *,
        as_of_us: int | None = None,
        nodes: bool = False,
        where: str = "expressions[{}]",
        control: Control | None = None,
    ) -> list[CountResult]:
        """Counts of many expressions in one pass over the data, in order.

        `where` names an expression in errors, by its place from 0.
        """
        with self._store.snapshot() as snapshot:
            audience = self._audience(snapshot, as_of_us, control)
            for place, expression in enumerate(expressions):
                audience.add(expression, where.format(place))
            return audience.counts(nodes=nodes) if expressions else []

    def members(
        self,
        expression: str | tree.Expr,
        *,
        as_of_us: int | None = None,
        limit: int | None = None,
        salt: str = "",
        order_by: str | None = None,
        descending: bool = False,
        control: Control | None = None,
    ) -> Members:
        """The profiles that an expression holds for; `limit` of them as Members.choose says.

        Close the answer when done with it.
        """
        if limit is not None and limit < 0:
            raise InputInvalid(f"A limit of {limit} makes no sense; give 0 or more.")
        snapshot = self._store.snapshot()
        try:
            audience = self._audience(snapshot, as_of_us, control)
            audience.add(expression)
            members = audience.members(order_by)
            members.choose(limit, salt=salt, order_by=order_by, descending=descending)
        except BaseException:
            snapshot.close()
            raise
        return members

    def profiles(self, identifiers: Sequence[tuple[str, str]]) -> list[ProfileRecord | None]:
        """The profile that owns each (kind, value), None where nobody does; kind `uid` takes
        32 hexadecimal digits."""
        with self._store.snapshot() as snapshot:
            model = self._require_binder(snapshot).model
            rows = rows_of(snapshot, model, identifiers)
            return read_profiles(snapshot, model, rows.tolist())

    def _audience(
        self, snapshot: Snapshot, as_of_us: int | None, control: Control | None
    ) -> Audience:
        binder = self._require_binder(snapshot)
        return Audience(snapshot, binder, as_of_us=as_of_us, threads=self._threads, control=control)

    def _require_binder(self, snapshot: Snapshot) -> Binder:
        binder = self._binder_of(snapshot)
        if binder is None:
            raise InputInvalid(
                "The store has no model yet, so no name means anything; apply a model first "
                "(strata apply MODEL)."
            )
        return binder

    # ------------------------------------------------------------------------- writes

    def upload_list(self, name: str, kind: str, values: Strings) -> UploadedList:
        """Stores a list of identifiers under a name, in place of what it held before."""
        with self._store.snapshot() as snapshot:
            model = self._require_binder(snapshot).model
        outcome = upload_list(self._store, model, name, kind, values)
        return UploadedList(
            name, kind, outcome.size, outcome.known, outcome.waiting, outcome.ignored
        )

    def lists(self) -> list[UploadedList]:
        """The uploaded lists, by name."""
        with self._store.snapshot() as snapshot:
            infos = list_names(snapshot)
            if not infos:
                return []
            model = self._require_binder(snapshot).model
            return [_described(snapshot, model, info) for info in infos]

    def delete_list(self, name: str) -> None:
        """Removes an uploaded list; NotFound where there is none."""
        delete_list(self._store, name)

    def bulk_load(self, source: Source) -> BulkLoad:
        """A load of profiles from a source; nothing is changed until it finishes."""
        with self._store.snapshot() as snapshot:
            model = self._require_binder(snapshot).model
        return BulkLoad(self._store, model, source)


def _described(snapshot: Snapshot, model: Model, info: ListInfo) -> UploadedList:
    _, waiting = list_rows(snapshot, model, info.name)
    return UploadedList(info.name, info.kind, info.size, info.size - waiting, waiting)
