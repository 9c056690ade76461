"""A load equals its updates applied one by one to plain dictionaries, however it is cut."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.identity.digests import UNKNOWN
from engine.identity.index import IdentityIndex
from engine.identity.owners import rows_of
from engine.live import load_folding
from engine.live.bulk_load import BulkLoad
from engine.live.profiles import read_profiles
from engine.store.store import Store
from tests.loads import ERASE, MODEL, SOURCE, batch_of, new_store

# Few values, so that updates of one batch meet each other in every way.
_IDENTIFIERS = {
    "member": st.sampled_from([None, "m1", "m2", "m3"]),
    "phone": st.sampled_from([None, "", "000", "p1", "p2", "p3", "p4"]),
    "mail": st.sampled_from([None, None, "e1", "e2"]),
}
_CELLS = {
    "city": st.sampled_from([None, "沪", "京", "", ERASE]),
    "size": st.sampled_from([None, 0, 7, -(2**63), ERASE]),
    "remark": st.sampled_from([None, "a", "ü", "longer", ERASE]),
    "listed": st.sampled_from([None, True, False, ERASE]),
    "likes": st.sampled_from([None, [], ["x"], ["y", "x", "y"], ["z"], ERASE]),
    "by": st.sampled_from([None, "", "ann", "bob"]),
}
_UPDATE = st.fixed_dictionaries({**_IDENTIFIERS, **_CELLS})
_LOADS = st.lists(st.lists(st.lists(_UPDATE, min_size=1, max_size=9), max_size=3), max_size=3)


@dataclass
class _Person:
    identifiers: dict[str, set[str]] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    given: dict[str, set[str]] = field(default_factory=dict)

    def visible(self) -> tuple[dict[str, list[str]], dict[str, Any]]:
        likes = sorted(set().union(*self.given.values()))
        attributes = {**self.attributes, **({"likes": likes} if likes else {})}
        return {k: sorted(v) for k, v in self.identifiers.items()}, attributes


@dataclass
class _World:
    """Owners and people, as the rules of loading say it, one update at a time."""

    people: list[_Person] = field(default_factory=list)
    owners: dict[tuple[str, str], _Person] = field(default_factory=dict)

    def apply(self, update: dict[str, Any]) -> str | None:
        """Applies one update, or says how the reason of its refusal begins or ends."""
        usable = {
            kind: update[kind]
            for kind, identifier in MODEL.identifiers.items()
            if update[kind] and update[kind] not in identifier.blocked
        }
        if not usable:
            return "no identifier"
        found: list[_Person] = []
        for owner in (self.owners.get(pair) for pair in usable.items()):
            if owner is not None and all(owner is not other for other in found):
                found.append(owner)
        if len(found) > 1:
            return "merging profiles is not built yet"
        person = found[0] if found else _Person()
        for kind, value in usable.items():
            limit = MODEL.identifiers[kind].per_profile
            owned = person.identifiers.get(kind, set())
            if (kind, value) not in self.owners and limit is not None and len(owned) >= limit:
                return f"may have {limit}"
        if not found:
            self.people.append(person)
        for pair in usable.items():
            self.owners[pair] = person
            person.identifiers.setdefault(pair[0], set()).add(pair[1])
        self._write(person, update)
        return None

    def _write(self, person: _Person, update: dict[str, Any]) -> None:
        for name in ("city", "size", "remark", "listed"):
            if update[name] is ERASE:
                person.attributes.pop(name, None)
            elif update[name] is not None:
                person.attributes[name] = update[name]
        giver = update["by"] or SOURCE.name
        if update["likes"] is ERASE:
            person.given[giver] = set()
        elif update["likes"]:
            person.given[giver] = set(update["likes"])


@pytest.fixture(scope="module")
def empty_store() -> Any:
    """The folder of an empty store with the model, to be copied."""
    with tempfile.TemporaryDirectory() as folder:
        new_store(Path(folder) / "store").close()
        yield Path(folder) / "store"


@pytest.mark.parametrize("staged_bytes", [0, 1 << 20])
def test_loads_equal_one_by_one(
    empty_store: Path, monkeypatch: pytest.MonkeyPatch, staged_bytes: int
) -> None:
    monkeypatch.setattr(load_folding, "LOAD_STAGED_BYTES", staged_bytes)
    monkeypatch.setattr(load_folding, "LOAD_ORDERED_BYTES", staged_bytes)
    monkeypatch.setattr(load_folding, "LOAD_KEPT_BYTES", staged_bytes - 1)

    @given(_LOADS)
    def check(loads: list[list[list[dict[str, Any]]]]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "store"
            shutil.copytree(empty_store, path)
            _check_loads(path, loads)

    check()


def _check_loads(path: Path, loads: list[list[list[dict[str, Any]]]]) -> None:
    world = _World()
    with Store.open(path) as store:
        for batches in loads:
            people_before = len(world.people)
            shown_before = [person.visible() for person in world.people]
            given_before = [dict(person.given) for person in world.people]
            version_before = store.snapshot().data_version
            with BulkLoad(store, MODEL, SOURCE) as load:
                for updates in batches:
                    expected = {i: world.apply(update) for i, update in enumerate(updates)}
                    outcome = load.add(batch_of(updates))
                    refusals = {i: reason for i, reason in expected.items() if reason}
                    assert [i for i, _ in outcome.refused] == sorted(refusals)
                    for i, reason in outcome.refused:
                        assert reason.endswith(refusals[i])
                    assert outcome.accepted == len(updates) - len(refusals)
                    assert outcome.blocked == sum(u["phone"] == "000" for u in updates)
                done = load.finish()
            assert done.created == len(world.people) - people_before
            changed = sum(
                shown != person.visible() or _held(given) != _held(person.given)
                for person, shown, given in zip(
                    world.people, shown_before, given_before, strict=False
                )
            )
            assert done.profiles_changed == changed + done.created
            assert (done.blocks_written > 0) == (done.profiles_changed > 0)
            assert (done.data_version > version_before) == (done.profiles_changed > 0)
            _check_state(store, world)


def _held(given: dict[str, set[str]]) -> dict[str, set[str]]:
    return {giver: values for giver, values in given.items() if values}


def _check_state(store: Any, world: _World) -> None:
    with store.snapshot() as snapshot:
        assert snapshot.row_count == snapshot.live_count == len(world.people)
        records = read_profiles(snapshot, MODEL, range(len(world.people)))
        assert [(r.identifiers, r.attributes) for r in records if r] == [
            person.visible() for person in world.people
        ]
        every = [
            (k, v)
            for k in MODEL.identifiers
            for v in ("m1", "m2", "m3", "p1", "p2", "p3", "p4", "e1", "e2", "000", "")
        ]
        rows = {id(person): row for row, person in enumerate(world.people)}
        expected = [
            rows[id(world.owners[pair])] if pair in world.owners else UNKNOWN for pair in every
        ]
        assert rows_of(IdentityIndex(snapshot), MODEL, every).tolist() == expected
        by_uid = [("uid", record.uid.hex()) for record in records if record]
        assert rows_of(IdentityIndex(snapshot), MODEL, by_uid).tolist() == list(
            range(len(world.people))
        )


def test_a_source_of_another_name_is_another_giver(empty_store: Path, tmp_path: Path) -> None:
    path = tmp_path / "store"
    shutil.copytree(empty_store, path)
    other = replace(SOURCE, name="shop")
    with Store.open(path) as store:
        for source, likes in ((SOURCE, ["a", "b"]), (other, ["b", "c"]), (SOURCE, ["d"])):
            with BulkLoad(store, MODEL, source) as load:
                load.add(batch_of([{"member": "m1", "likes": likes}]))
                load.finish()
        (record,) = read_profiles(store.snapshot(), MODEL, [0])
        assert record is not None and record.attributes["likes"] == ["b", "c", "d"]
