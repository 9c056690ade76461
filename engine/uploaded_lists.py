"""The uploaded lists of an open store: stored, described and removed as edits of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.columns.strings import Strings
from engine.errors import InputInvalid
from engine.identity.of_snapshot import identities_of
from engine.live.lists import (
    ListInfo,
    delete_list,
    list_names,
    list_rows,
    prepare_list,
    upload_list,
)
from engine.live.staged import Staged
from engine.model.definitions import Model
from engine.store.snapshot import Snapshot
from engine.store.store import Store, Writer

if TYPE_CHECKING:
    from engine.live.live_store import LiveStore

__all__ = ["UploadedList", "UploadedLists"]


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


class UploadedLists:
    """The lists of one database. `model_of` gives the model in force in a snapshot."""

    def __init__(
        self, store: Store, live: LiveStore, model_of: Callable[[Snapshot], Model]
    ) -> None:
        self._store = store
        self._live = live
        self._model_of = model_of

    def upload(self, name: str, kind: str, values: Strings) -> UploadedList:
        """Stores a list of identifiers under a name, in place of what it held before."""
        with self._store.snapshot() as snapshot:
            model = self._model_of(snapshot)
        upload = prepare_list(model, name, kind, values)
        outcome = None

        def stage(writer: Writer) -> Staged:
            nonlocal outcome
            outcome = upload_list(writer, identities_of(writer.snapshot), model, upload)
            return Staged(self._reading_list(name))

        self._live.edit(stage)
        assert outcome is not None, "an edit stages once"
        return UploadedList(
            name, kind, outcome.size, outcome.known, outcome.waiting, outcome.ignored
        )

    def all(self) -> list[UploadedList]:
        """The uploaded lists, by name."""
        with self._store.snapshot() as snapshot:
            infos = list_names(snapshot)
            if not infos:
                return []
            model = self._model_of(snapshot)
            return [_described(snapshot, model, info) for info in infos]

    def delete(self, name: str) -> None:
        """Removes an uploaded list. NotFound where there is none, InputInvalid where segments
        whose members are stored read it."""

        def stage(writer: Writer) -> Staged:
            readers = self._reading_list(name)
            if readers:
                raise InputInvalid(
                    f"The list {name} is read by the segments {', '.join(readers)}. Change them "
                    "first, or upload an empty list."
                )
            delete_list(writer, name)
            return Staged()

        self._live.edit(stage)

    def _reading_list(self, name: str) -> Sequence[str]:
        in_force = self._live.in_force
        return () if in_force is None else in_force.segments.reading_list(name)


def _described(snapshot: Snapshot, model: Model, info: ListInfo) -> UploadedList:
    _, waiting = list_rows(snapshot, identities_of(snapshot), model, info.name)
    return UploadedList(info.name, info.kind, info.size, info.size - waiting, waiting)
