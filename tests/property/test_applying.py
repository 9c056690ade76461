"""Records of the log, applied, equal their updates carried out one by one on dictionaries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.live.committing import Logged
from engine.live.joined_records import JoinRules, RecordJoiner
from engine.live.log_record import unpack_update
from engine.live.update import ProfileUpdate
from tests.loads import ERASE
from tests.updates import HeapMutation, HeapState, Log

# The profiles lie on both sides of the border of the first two blocks.
_FIRST_ROW = 65_534

_TIMES = st.sampled_from([None, 10, 20, 30])
_VALUES = st.lists(st.sampled_from("xyz"), max_size=3)
_CELLS = {
    "city": st.sampled_from([None, "沪", "京", "", ERASE]),
    "size": st.sampled_from([None, 0, 7, 2**63 - 1, -(2**63), ERASE]),
    "rate": st.sampled_from([None, 0.0, -1.5, 1e300, ERASE]),
    "remark": st.sampled_from([None, "a", "ü", "longer", ERASE]),
    "listed": st.sampled_from([None, True, False, ERASE]),
}
_UPDATE = st.fixed_dictionaries(
    {
        "member": st.sampled_from(["m1", "m2", "m3", "m4"]),
        "phone": st.sampled_from([None, None, "p1", "p2", "p3"]),
        **_CELLS,
        "likes": st.one_of(st.none(), st.just(ERASE), _VALUES),
        "+likes": _VALUES,
        "-likes": _VALUES,
        "by": st.sampled_from([None, "ann", "bob"]),
        "time": _TIMES,
    }
)
_BATCHES = st.lists(st.lists(_UPDATE, min_size=1, max_size=9), min_size=1, max_size=4)


@dataclass
class _Person:
    phones: set[str] = field(default_factory=set)
    attributes: dict[str, Any] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)
    given: dict[str, set[str]] = field(default_factory=dict)

    def visible(self) -> dict[str, Any]:
        likes = sorted(set().union(*self.given.values()))
        return {**self.attributes, **({"likes": likes} if likes else {})}


@dataclass
class _World:
    """People by their member number, in the order of their rows."""

    people: dict[str, _Person] = field(default_factory=dict)

    def apply(self, update: dict[str, Any], giver: str) -> bool:
        """Whether the update is accepted."""
        member, phone = update["member"], update["phone"]
        owner = next((m for m, p in self.people.items() if phone in p.phones), member)
        if owner != member:
            return False
        standing = self.people.get(member, _Person())
        if phone and phone not in standing.phones and len(standing.phones) == 2:
            return False
        person = self.people.setdefault(member, standing)
        if phone:
            person.phones.add(phone)
        for name in _CELLS:
            self._write(person, name, update[name], update["time"])
        values = person.given.setdefault(update["by"] or giver, set())
        if update["likes"]:
            values.clear()
            values.update(() if update["likes"] is ERASE else update["likes"])
        values.difference_update(update["-likes"])
        values.update(update["+likes"])
        return True

    @staticmethod
    def _write(person: _Person, name: str, cell: Any, time: int | None) -> None:
        if cell is None or (time is not None and time < person.times.get(name, 0)):
            return
        person.times.pop(name, None)
        if time is not None:
            person.times[name] = time
        person.attributes.pop(name, None)
        if cell is not ERASE:
            person.attributes[name] = cell


def _alive(state: HeapState) -> int:
    return sum(len(rows) for name, rows in state.content().items() if name.startswith(":live"))


def _without_uids(state: HeapState) -> dict[str, Any]:
    return {k: v for k, v in state.content().items() if not k.startswith(":uid")}


def _check(log: Log, world: _World) -> None:
    rows = range(_FIRST_ROW, _FIRST_ROW + len(world.people))
    assert log.state.row_count == rows.stop
    records = log.state.records(rows)
    shown = [(r.identifiers, dict(r.attributes)) for r in records if r is not None]
    expected = [
        (
            {"member": [member], **({"phone": sorted(p.phones)} if p.phones else {})},
            p.visible(),
        )
        for member, p in world.people.items()
    ]
    assert shown == expected


@given(_BATCHES)
def test_records_applied_equal_updates_one_by_one(
    batches: Sequence[Sequence[dict[str, Any]]],
) -> None:
    log, world = Log(first_row=_FIRST_ROW), _World()
    for updates in batches:
        before = [(person.visible(), set(person.phones)) for person in world.people.values()]
        outcomes = [world.apply(update, "crm") for update in updates]
        resolved = log.submit(updates)
        assert resolved.accepted == sum(outcomes)
        assert [at for at, _ in resolved.refused] == [
            at for at, accepted in enumerate(outcomes) if not accepted
        ]
        applied = log.apply()
        _check(log, world)
        created = len(world.people) - len(before)
        assert (resolved.created, log.mutations[-1].live_added) == (created, created)
        first_new = _FIRST_ROW + len(before)
        assert applied.touched.created.tolist() == list(range(first_new, first_new + created))
        before += [({}, set())] * created
        for name in (*_CELLS, "likes"):
            differing = [
                _FIRST_ROW + at
                for at, (person, (shown, _)) in enumerate(
                    zip(world.people.values(), before, strict=True)
                )
                if person.visible().get(name) != shown.get(name)
            ]
            touched = applied.touched.fields.get(log.fields[name].id)
            assert ([] if touched is None else touched.tolist()) == differing
        linked = [
            _FIRST_ROW + at
            for at, (person, (_, phones)) in enumerate(
                zip(world.people.values(), before, strict=True)
            )
            if person.phones != phones
        ]
        touched = applied.touched.fields.get(log.fields[":id:phone"].id)
        assert ([] if touched is None else touched.tolist()) == linked


_AGES = st.lists(st.integers(0, 4), min_size=2, max_size=2)


def _aged(batches: Sequence[Sequence[dict[str, Any]]], ages: list[int]) -> tuple[Log, HeapState]:
    """The log of some batches, and a stored state: each block as it was at its age, rows given out
    as of the newest."""
    log = Log(first_row=_FIRST_ROW, pinned=True)
    states = [log.state]
    for updates in batches:
        log.submit(updates)
        log.apply()
        states.append(log.state)
    stored = HeapState(
        log.fields,
        max(states[age].row_count for age in ages),
        {
            key: parts
            for block in (0, 1)
            for key, parts in states[ages[block]].parts.items()
            if key[1] == block
        },
        log.strings,
    )
    return log, stored


@given(_BATCHES, _AGES)
def test_a_replay_makes_of_blocks_of_any_age_what_they_were(
    batches: Sequence[Sequence[dict[str, Any]]], ages: list[int]
) -> None:
    ages = [min(age, len(batches)) for age in ages]
    log, stored = _aged(batches, ages)
    live_count = _alive(stored)
    for sequence, record in enumerate(log.records, 1):
        mutation = HeapMutation(stored, sequence)
        applied, after = mutation.apply(
            unpack_update(record), lambda block, sequence=sequence: sequence > ages[block]
        )
        for block in (0, 1):
            if sequence <= ages[block]:
                assert block not in mutation.blocks
                rows = [applied.touched.created, *applied.touched.fields.values()]
                assert all((touched >> 16 != block).all() for touched in rows)
        live_count += mutation.live_added
        assert applied.row_count >= stored.row_count
        stored = after
    _check_replayed(log, stored, live_count)


@given(_BATCHES, _AGES, st.integers(0, 4))
def test_records_carried_out_as_one_do_what_they_do_one_by_one(
    batches: Sequence[Sequence[dict[str, Any]]], ages: list[int], through: int
) -> None:
    ages = [min(age, len(batches)) for age in ages]
    log, stored = _aged(batches, ages)
    live_count = _alive(stored)
    rules = JoinRules(through, one_instant=False, dated=frozenset())
    joiner = RecordJoiner(ages, rules)
    taken = 0

    def carry_out(
        update: ProfileUpdate, first: int, sequence: int, absorbs: Callable[[int], bool] | None
    ) -> None:
        nonlocal stored, live_count, taken
        assert first == taken + 1
        mutation = HeapMutation(stored, sequence)
        _, stored = mutation.apply(update, absorbs)
        live_count += mutation.live_added
        assert all(block not in mutation.blocks for block in (0, 1) if sequence <= ages[block])
        taken = sequence

    def carry_out_taken() -> None:
        if (joined := joiner.joined()) is not None:
            assert joined.logged.update is not None
            carry_out(joined.logged.update, joined.first, joined.logged.sequence, None)

    for sequence, record in enumerate(log.records, 1):
        logged = Logged(sequence, 0, unpack_update(record))
        if not joiner.takes(logged):
            carry_out_taken()
        if joiner.takes(logged):
            joiner.take(logged)
            continue
        assert logged.update is not None

        def absorbs(block: int, sequence: int = sequence) -> bool:
            return sequence > ages[block]

        carry_out(logged.update, sequence, sequence, absorbs)
    carry_out_taken()
    assert taken == len(log.records)
    _check_replayed(log, stored, live_count)


def _check_replayed(log: Log, stored: HeapState, live_count: int) -> None:
    rows = range(_FIRST_ROW, log.state.row_count)
    assert stored.row_count == log.state.row_count
    assert live_count == _alive(stored)
    assert stored.records(rows) == log.state.records(rows)
    assert stored.content() == log.state.content()


@given(_BATCHES)
def test_cells_of_fields_that_are_gone_are_passed_over(
    batches: Sequence[Sequence[dict[str, Any]]],
) -> None:
    log = Log(first_row=_FIRST_ROW)
    fields = log.fields
    for name in ("city", "remark", ":giver:likes", ":id:phone", ":time:size"):
        fields = fields.without(fields[name].id)
    state = HeapState(fields, _FIRST_ROW)
    for updates in batches:
        log.submit(updates)
        log.apply()
        mutation = HeapMutation(state, len(log.records))
        applied, state = mutation.apply(unpack_update(log.records[-1]))
        assert set(mutation.changes) <= {field.id for field in fields.values()}
        assert set(applied.touched.fields) <= {field.id for field in fields.values()}
    gone = {"city", "remark", ":giver:likes", ":id:phone", ":time:size"}
    # Without its givers the set is left alone; sizes without their times are taken as they come.
    other = {*gone, "likes", "size", ":time:city", ":time:remark"}
    whole = log.state.content()
    kept = {name for name in whole if name.split("/")[0] not in other}
    shown = state.content()
    assert {name: shown[name] for name in kept} == {name: whole[name] for name in kept}
    assert not any(name.split("/")[0] in (other - {"size"}) for name in shown)


@given(_BATCHES)
def test_without_a_place_for_event_times_they_are_ignored(
    batches: Sequence[Sequence[dict[str, Any]]],
) -> None:
    log = Log(first_row=_FIRST_ROW)
    bare = Log(first_row=_FIRST_ROW)
    for name in _CELLS:
        bare.state.fields = bare.state.fields.without(log.fields[f":time:{name}"].id)
    timeless = [[{**update, "time": None} for update in updates] for updates in batches]
    for updates, same in zip(batches, timeless, strict=True):
        bare.submit(updates)
        bare.apply()
        log.submit(same)
        log.apply()
    rows = range(_FIRST_ROW, log.state.row_count)
    attributes = [[r and r.attributes for r in each.state.records(rows)] for each in (log, bare)]
    assert attributes[0] == attributes[1]


@pytest.mark.parametrize("lag", [1, 2, 9])
def test_records_resolved_ahead_equal_records_resolved_one_by_one(lag: int) -> None:
    @given(_BATCHES)
    def check(batches: Sequence[Sequence[dict[str, Any]]]) -> None:
        ahead, prompt = Log(first_row=_FIRST_ROW), Log(first_row=_FIRST_ROW)
        for at, updates in enumerate(batches):
            expected = prompt.submit(updates)
            prompt.apply()
            resolved = ahead.submit(updates)
            assert (resolved.accepted, resolved.refused) == (expected.accepted, expected.refused)
            if at >= lag:
                ahead.apply()
        while len(ahead.applied) < len(batches):
            ahead.apply()
        assert _without_uids(ahead.state) == _without_uids(prompt.state)

    check()
