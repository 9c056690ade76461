"""A store whose payloads are written in place, against plain dictionaries.

Records are carried out while snapshots are open and while none is; blocks are saved, edited, let
go of and read again from the disk. After every step the newest state is what the dictionaries
say, its payloads are saved as the codecs would store them, and every snapshot that is open has
not changed by a byte, however it is read.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.bitmaps import Buffer
from engine.columns.givers import decode_givers, encode_givers
from engine.columns.hot_block import HotBlock
from engine.columns.hot_cells import read_rows
from engine.columns.patch import patch_ints
from engine.columns.sets import decode_rows, decode_set_pairs, encode_rows, encode_set_pairs
from engine.columns.strings import Strings
from engine.columns.texts import decode_texts
from engine.columns.uids import decode_uids
from engine.columns.values import decode_values, encode_values
from engine.columns.zone import Encoded
from engine.live.applying import apply_update
from engine.live.block_cells import lay_cells, whole_block
from engine.live.block_writer import BlockWriter
from engine.live.identity_fields import add_uids
from engine.live.log_record import pack_update, unpack_update
from engine.live.text_field import lay_texts
from engine.live.update import (
    ADD,
    NO_TIME,
    REMOVE,
    REPLACE,
    LinkedIdentifiers,
    ProfileUpdate,
    SetCells,
    TextCells,
    VectorCells,
)
from engine.store.catalog import (
    GIVERS,
    LIVE,
    UIDS,
    FieldKind,
    giver_field,
    identifier_field,
    segment_field,
    time_field,
)
from engine.store.commit import BARRIER
from engine.store.snapshot import Snapshot
from engine.store.store import Store
from engine.store.writer import Writer
from tests.sample_stores import BLOCK_ROWS, MAP_BYTES, contents
from tests.skips import soaking

MEMBER, SEEN = identifier_field("member"), time_field("size")
BIG, GIVEN = segment_field("big"), giver_field("likes")
FIELDS = {
    "city": FieldKind.CODES,
    "size": FieldKind.INTS,
    SEEN: FieldKind.INTS,
    "rate": FieldKind.FLOATS,
    "listed": FieldKind.BOOL,
    "remark": FieldKind.TEXTS,
    "likes": FieldKind.SET,
    GIVEN: FieldKind.GIVERS,
    MEMBER: FieldKind.VALUES,
    BIG: FieldKind.MEMBERSHIP,
}
CELLS = ("city", "size", "rate", "listed")
KINDS = {LIVE.name: LIVE.kind, UIDS.name: UIDS.kind, **FIELDS}

# Profiles begin at the end of the first block. Some values fit the width and the bounds of those
# before, others make a block refuse.
FIRST_ROWS = (65_500, 65_534)
BIG_SIZE = 50
VALUES: dict[str, Sequence[Any]] = {
    "city": (1, 2, 3, 250, 255, 256, 300),
    "size": (0, 1, 49, 50, 51, 255, 256, 70_000, -1, 2**63 - 1, -(2**63)),
    "rate": (0.0, 1.5, -0.0, -2.25, 1e300),
    "listed": (False, True),
    "remark": ("", "a", "ü", "longer than that"),
}
DTYPES = {"city": np.uint32, "size": np.int64, "rate": np.float64, "listed": np.bool_}
CODES = 300

# name -> key -> value. The key is a row, or a tuple that begins with one where a row has several.
Content = dict[str, dict[Any, Any]]


def row_of(key: Any) -> int:
    return int(key[0]) if isinstance(key, tuple) else int(key)


def of_block(content: dict[Any, Any], block: int) -> dict[Any, Any]:
    """What one block has of a field."""
    return {key: value for key, value in content.items() if row_of(key) // BLOCK_ROWS == block}


def decoded(kind: FieldKind, parts: Sequence[Buffer], block: int) -> dict[Any, Any]:
    """What the parts of a block say."""
    first = block * BLOCK_ROWS
    if not parts:
        return {}
    match kind:
        case FieldKind.LIVE | FieldKind.MEMBERSHIP:
            return dict.fromkeys((decode_rows(parts) + np.int64(first)).tolist(), True)
        case FieldKind.UIDS:
            uids = decode_uids(parts)
            rows = np.flatnonzero(uids.any(axis=1)).tolist()
            return {first + row: uids[row].tobytes() for row in rows}
        case FieldKind.TEXTS:
            texts = enumerate(decode_texts(parts).to_list(), first)
            return {row: text for row, text in texts if text is not None}
        case FieldKind.VALUES:
            rows, strings = decode_values(parts)
            columns = [rows.tolist(), strings.to_list()]
        case FieldKind.SET:
            columns = [column.tolist() for column in decode_set_pairs(parts)]
        case FieldKind.GIVERS:
            columns = [column.tolist() for column in decode_givers(parts)]
        case _:
            values, present = whole_block(kind, parts)
            at = np.flatnonzero(present)
            return dict(zip((at + first).tolist(), values[at].tolist(), strict=True))
    return {(first + row, *rest): True for row, *rest in zip(*columns, strict=True)}


def encoded(kind: FieldKind, content: dict[Any, Any]) -> Encoded:
    """How the codec stores what one block has."""
    keys = sorted(content)
    rows = np.array([row_of(key) % BLOCK_ROWS for key in keys], np.uint16)
    values = [content[key] for key in keys]
    match kind:
        case FieldKind.LIVE | FieldKind.MEMBERSHIP:
            return encode_rows(rows)
        case FieldKind.UIDS:
            uids = np.frombuffer(b"".join(values), np.uint8).reshape(-1, 16)
            return add_uids((), rows, uids)
        case FieldKind.TEXTS:
            return lay_texts((), rows, Strings.from_list(values))
        case FieldKind.VALUES:
            return encode_values(rows, Strings.from_list([value for _, value in keys]))
        case FieldKind.SET:
            return encode_set_pairs(rows, np.array([code for _, code in keys], np.uint32))
        case FieldKind.GIVERS:
            triples = np.array(keys, np.int64).reshape(-1, 3).astype(np.uint32)
            return encode_givers(rows, triples[:, 1].copy(), triples[:, 2].copy())
    dtype = {FieldKind.INTS: np.int64, FieldKind.FLOATS: np.float64, FieldKind.BOOL: np.bool_}
    cells = np.array(values, dtype.get(kind, np.uint32))
    return lay_cells(kind, (), rows, cells, np.ones(len(rows), np.bool_))


def check_zone(snapshot: Snapshot, name: str, block: int, exact: Encoded) -> None:
    """Exact in its count, and its bounds hold every value."""
    zone = snapshot.zone(snapshot.fields[name].id, block)
    assert zone is not None and zone.present_count == exact.zone.present_count
    if exact.zone.minimum is not None and exact.zone.maximum is not None:
        assert zone.minimum is not None and zone.maximum is not None
        assert zone.minimum <= exact.zone.minimum and exact.zone.maximum <= zone.maximum


def check_ints(stored: Sequence[bytes], wanted: dict[Any, Any], block: int) -> None:
    """Ints keep their frame (base, step) where the codec might find another; see patch.pyx."""
    assert decoded(FieldKind.INTS, stored, block) == wanted
    nothing = np.zeros(0, np.uint16), np.zeros(0, np.int64), np.zeros(0, np.bool_)
    assert list(stored) == list(patch_ints(stored, *nothing).parts)


def check_content(snapshot: Snapshot, expected: Content, row_count: int) -> None:
    """A snapshot has what it should, in the form in which it is saved, too."""
    assert snapshot.row_count == row_count
    for name, kind in KINDS.items():
        field = snapshot.fields[name].id
        kept = list(expected[name])
        assert {row_of(key) // BLOCK_ROWS for key in kept} <= {*range(snapshot.block_count)}
        for block in range(snapshot.block_count):
            wanted = of_block(expected[name], block)
            assert decoded(kind, snapshot.payloads(field, block), block) == wanted, name
            stored = [bytes(part) for part in snapshot.stored_payloads(field, block)]
            assert stored or not wanted
            if stored:
                canonical = encoded(kind, wanted)
                if kind == FieldKind.INTS:
                    check_ints(stored, wanted, block)
                else:
                    assert stored == list(canonical.parts), f"{name}, block {block}"
                check_zone(snapshot, name, block, canonical)
    assert snapshot.live_count == len(expected[LIVE.name])
    assert dict(snapshot.segment_counts) == {"big": len(expected[BIG])}
    size = snapshot.fields["size"].id
    rows = np.array(sorted({*expected[LIVE.name], *expected["size"], 0, row_count + 5}), np.uint32)
    values, known = read_rows(snapshot.addresses(size), rows)
    found = dict(zip(rows[known].tolist(), values[known].tolist(), strict=True))
    assert found == expected["size"], "as the part table leads to it"


class Made:
    """A random record: what it says to the store, and to the dictionaries."""

    def __init__(self, chance: random.Random, content: Content, row_count: int) -> None:
        self.content = content
        new = chance.choice([0, 0, 0, 1, 2, 40, 300])
        self.created = list(range(row_count, row_count + new))
        uids = np.frombuffer(chance.randbytes(16 * new), np.uint8).reshape(new, 16)
        digests = np.zeros((new, 2), np.uint64)
        content[LIVE.name].update(dict.fromkeys(self.created, True))
        for row, uid in zip(self.created, uids, strict=True):
            content[UIDS.name][row] = uid.tobytes()
        self._alive = sorted(content[LIVE.name])
        self._chance = chance
        self._before = dict(content["size"])
        self._fields: dict[str, int] = {}
        self.first_new, self.uids, self.digests = row_count, uids, digests

    def update(self, fields: Any) -> ProfileUpdate:
        """The record; the dictionaries have it then."""
        some = [name for name in CELLS if self._chance.random() < 0.6]
        vectors = tuple(self._cells(name, fields) for name in some)
        texts = (self._texts(fields),) if self._chance.random() < 0.3 else ()
        sets = (self._mentions(fields),) if self._chance.random() < 0.6 else ()
        members = (self._members(fields),) if self.created else ()
        sizes = self.content["size"].items() ^ self._before.items()
        for row in {row for row, _ in sizes}:
            if self.content["size"].get(row, BIG_SIZE - 1) >= BIG_SIZE:
                self.content[BIG][row] = True
            else:
                self.content[BIG].pop(row, None)
        return ProfileUpdate(self.first_new, self.uids, self.digests, members, vectors, texts, sets)

    def _rows(self) -> list[int]:
        """Some rows, with repeats, or everybody."""
        if not self._alive:
            return []
        if self._chance.random() < 0.1:
            return self._alive
        # Neighbours of the borders of blocks more often than others.
        near = [self._alive[0], self._alive[-1], *self._alive[:3], *self._alive[-3:]]
        return self._chance.choices([*near, *self._chance.choices(self._alive, k=8)], k=9)

    def _cells(self, name: str, fields: Any) -> VectorCells:
        rows = self._rows()
        values = self._chance.choices(VALUES[name], k=len(rows))
        present = [self._chance.random() < 0.8 for _ in rows]
        times = None
        if name == "size" and self._chance.random() < 0.7:
            times = self._chance.choices([NO_TIME, 10, 20, 30], k=len(rows))
        given = times or [NO_TIME] * len(rows)
        for row, value, is_there, time in zip(rows, values, present, given, strict=True):
            self._write(name, row, value if is_there else None, time)
        return VectorCells(
            fields[name].id,
            np.array(rows, np.uint32),
            np.array(values, DTYPES[name]),
            np.array(present, np.bool_),
            None if times is None else np.array(times, np.int64),
        )

    def _write(self, name: str, row: int, value: Any, time: int) -> None:
        content = self.content
        if name == "size":
            if time != NO_TIME and time < content[SEEN].get(row, NO_TIME):
                return
            content[SEEN].pop(row, None)
            if time != NO_TIME:
                content[SEEN][row] = time
        content[name].pop(row, None)
        if value is not None:
            content[name][row] = value

    def _texts(self, fields: Any) -> TextCells:
        rows = self._rows()[:40]
        values = [self._chance.choice([None, *VALUES["remark"]]) for _ in rows]
        for row, value in zip(rows, values, strict=True):
            self._write("remark", row, value, NO_TIME)
        return TextCells(fields["remark"].id, np.array(rows, np.uint32), Strings.from_list(values))

    def _mentions(self, fields: Any) -> SetCells:
        content, chance = self.content, self._chance
        rows = self._rows()
        givers = chance.choices([1, 2, 3], k=len(rows))
        modes = chance.choices([REPLACE, ADD, ADD, REMOVE], k=len(rows))
        named = [chance.choices([1, 2, 7, 40, 299], k=chance.randint(0, 3)) for _ in rows]
        held: dict[tuple[int, int], set[int]] = {}
        for row, value, giver in content[GIVEN]:
            held.setdefault((row, giver), set()).add(value)
        for row, giver, mode, values in zip(rows, givers, modes, named, strict=True):
            mine = held.setdefault((row, giver), set())
            if mode == REPLACE:
                mine.clear()
            if mode == REMOVE:
                mine.difference_update(values)
            else:
                mine.update(values)
        triples = [(row, v, giver) for (row, giver), mine in held.items() for v in mine]
        content[GIVEN] = dict.fromkeys(triples, True)
        content["likes"] = {(row, value): True for row, value, _ in triples}
        return SetCells(
            fields["likes"].id,
            fields[GIVEN].id,
            np.array(rows, np.uint32),
            np.array(givers, np.uint32),
            np.append(0, np.cumsum([len(values) for values in named])).astype(np.int64),
            np.array([value for values in named for value in values], np.uint32),
            np.array(modes, np.uint8),
        )

    def _members(self, fields: Any) -> LinkedIdentifiers:
        names = [f"m{row}" for row in self.created]
        keys = zip(self.created, names, strict=True)
        self.content[MEMBER].update(dict.fromkeys(keys, True))
        digests = np.zeros((len(names), 2), np.uint64)
        rows = np.array(self.created, np.uint32)
        return LinkedIdentifiers(fields[MEMBER].id, rows, Strings.from_list(names), digests)


def carry_out(
    store: Store, sequence: int, record: bytes, absorbs: Any = None, writer: Any = None
) -> None:
    """Applies a record as the applier does; the segment has those whose size is big. The group
    commit `writer`, if there is one, ends between the candidate and its publication."""
    with store.mutation(sequence) as mutation:
        if record == BARRIER:
            mutation.candidate(mutation.snapshot.row_count)
        else:
            applied = apply_update(mutation, unpack_update(record), absorbs)
            candidate = mutation.candidate(applied.row_count)
            size = candidate.fields["size"].id
            rows = applied.touched.fields.get(size)
            if rows is not None:
                values, known = read_rows(candidate.addresses(size), rows)
                big = candidate.fields[BIG].id
                BlockWriter(mutation).write_rows(big, rows, known & (values >= BIG_SIZE))
        if writer is not None:
            writer.close()
        store.publish(mutation)


class HotStates(RuleBasedStateMachine):
    """One store, what it should hold, what is saved of it, and the snapshots that are open."""

    @initialize(first_row=st.sampled_from(FIRST_ROWS))
    def create(self, first_row: int) -> None:
        """A store whose next profile is near the end of the first block."""
        self.patched = pytest.MonkeyPatch()
        self.patched.setattr("engine.store.pins.PATIENCE_S", 0.0)
        self.folder = Path(tempfile.mkdtemp(prefix="strata-hot-"))
        self.store = Store.create(self.folder / "s", map_size=MAP_BYTES)
        with self.store.write() as writer:
            for name, kind in FIELDS.items():
                self.add_field(writer, name, kind)
            writer.intern(GIVERS, Strings.from_list(["ann", "bob", "eve"]))
            writer.set_row_count(first_row)
        self.content: Content = {name: {} for name in KINDS}
        self.saved: Content = {name: {} for name in KINDS}
        self.row_count = first_row
        self.held: list[tuple[Snapshot, list[Any], Content, int]] = []

    @staticmethod
    def add_field(writer: Writer, name: str, kind: FieldKind) -> None:
        """A field, with all the strings it will need."""
        field = writer.add_field(name, kind, "1" if kind == FieldKind.MEMBERSHIP else "")
        if kind in (FieldKind.CODES, FieldKind.SET):
            writer.intern(field.id, Strings.from_list([f"{i}" for i in range(CODES)]))

    @property
    def dirty(self) -> list[int]:
        return list(self.store.newest().version.overlay.dirty)

    # ------------------------------------------------------------------------ records

    @rule(seed=st.integers(0, 2**20), count=st.integers(1, 3))
    def apply(self, seed: int, count: int) -> None:
        """Some records; a commit that saves a block may end while one is carried out."""
        chance = random.Random(seed)
        before = self.store.newest().data_version
        fields = self.store.newest().fields
        states, records = [self.content], list[bytes]()
        for _ in range(count):
            content = {name: dict(cells) for name, cells in self.content.items()}
            made = Made(chance, content, self.row_count)
            records.append(pack_update(made.update(fields)))
            self.content, self.row_count = content, self.row_count + len(made.created)
            states.append(content)
        with self.store.write_group() as writer:
            for record in records:
                writer.log(record)
        for number, record in enumerate(records):
            writer = None
            if self.dirty and chance.random() < 0.4:
                writer = contextlib.ExitStack()
                group = writer.enter_context(self.store.write_group())
                self.save_blocks(group, chance.sample(self.dirty, 1), states[number])
            carry_out(self.store, before + number + 1, record, writer=writer)

    def save_blocks(
        self, writer: Writer, blocks: Sequence[int], content: Content | None = None
    ) -> None:
        """Has a group commit save some blocks, which hold `content`."""
        with writer.resting():
            writer.set_feed_through(writer.snapshot.data_version)
            for block in blocks:
                writer.save_block(block)
        self.note_saved(blocks, self.content if content is None else content)

    def note_saved(self, blocks: Sequence[int], content: Content) -> None:
        """Remembers what is on the disk from here on."""
        for name, cells in content.items():
            kept = self.saved[name].items()
            saved = {k: v for k, v in kept if row_of(k) // BLOCK_ROWS not in blocks}
            for block in blocks:
                saved.update(of_block(cells, block))
            self.saved[name] = saved

    # ---------------------------------------------------------------------- snapshots

    @precondition(lambda self: len(self.held) < 3)
    @rule()
    def hold(self) -> None:
        """Opens a snapshot and remembers all of it."""
        snapshot = self.store.snapshot()
        self.held.append((snapshot, contents(snapshot), self.content, self.row_count))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), is_closed=st.booleans())
    def let_go(self, data: st.DataObject, is_closed: bool) -> None:
        """Looks at a snapshot thoroughly, and closes it or lets it go out of use."""
        held = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        snapshot, _, content, row_count = held
        check_content(snapshot, content, row_count)
        if is_closed:
            snapshot.close()

    # --------------------------------------------------------------------- the disk

    @precondition(lambda self: self.dirty)
    @rule(data=st.data(), is_all=st.booleans(), kept=st.sampled_from([None, 0, 100_000]))
    def save(self, data: st.DataObject, is_all: bool, kept: int | None) -> None:
        """A dirty block, or all of them; the heap may have room for little of what is saved."""
        blocks = self.dirty if is_all else [data.draw(st.sampled_from(sorted(self.dirty)))]
        with self.store.write_group() as writer:
            self.save_blocks(writer, blocks)
        if kept is not None:
            self.cool(kept)

    def save_all(self) -> None:
        """Every dirty block."""
        with self.store.write_group() as writer:
            self.save_blocks(writer, self.dirty)

    def cool(self, kept: int) -> None:
        """Lets go of what is saved, but for so many bytes."""
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("engine.store.store.HEAP_KEPT_BYTES", kept)
            self.store._cool()

    @rule(seed=st.integers(0, 2**20), name=st.sampled_from([*CELLS, BIG]), is_shown=st.booleans())
    def replace(self, seed: int, name: str, is_shown: bool) -> None:
        """An ordinary write makes a field of a block anew."""
        chance = random.Random(seed)
        block = chance.randrange(self.store.newest().block_count)
        if name == BIG:
            # Or the log would bring back who was a member before.
            self.save_all()
        alive = [row for row in self.content[LIVE.name] if row // BLOCK_ROWS == block]
        rows = chance.sample(alive, len(alive) // 2)
        made = {row: True if name == BIG else chance.choice(VALUES[name]) for row in rows}
        cells = {k: v for k, v in self.content[name].items() if k // BLOCK_ROWS != block}
        self.content = {**self.content, name: {**cells, **made}}
        with self.store.write(show=is_shown) as writer:
            field = writer.fields[name].id
            writer.put_field(field, block, encoded(FIELDS[name], made))
        # Such a block is saved whole, but for the members of a segment.
        staged = {name: self.content[name]} if name == BIG else self.content
        self.note_saved([block], staged)
        self.store.reveal()

    @rule(name=st.sampled_from(["city", "rate", "listed", "remark", "likes"]))
    def drop(self, name: str) -> None:
        """A field goes, and one of its name comes, empty."""
        gone = [name, GIVEN] if name == "likes" else [name]
        with self.store.write() as writer:
            for each in gone:
                writer.drop_field(writer.fields[each].id)
            for each in gone:
                self.add_field(writer, each, FIELDS[each])
        self.content = {**self.content, **{each: {} for each in gone}}
        self.saved.update({each: {} for each in gone})

    @precondition(lambda self: self.row_count < 2 * BLOCK_ROWS - 2)
    @rule()
    def pass_over(self) -> None:
        """The next profile is near the end of the second block."""
        self.row_count = 2 * BLOCK_ROWS - 2
        with self.store.write() as writer:
            writer.set_row_count(self.row_count)

    @rule()
    def reopen(self) -> None:
        """What is saved is there, and the log makes of it what was visible."""
        self.held.clear()
        self.store.close()
        self.store = Store.open(self.folder / "s", map_size=MAP_BYTES)
        with self.store.snapshot() as snapshot:
            check_content(snapshot, self.saved, snapshot.row_count)
            absorbed = [manifest.sequence for manifest in snapshot.version.state.manifests]
        for sequence, record in [(each.sequence, each.payload) for each in self.store.log().read()]:

            def absorbs(block: int, sequence: int = sequence) -> bool:
                return block >= len(absorbed) or absorbed[block] < sequence

            carry_out(self.store, sequence, record, absorbs)

    # ------------------------------------------------------------------------- checks

    @invariant()
    def nothing_is_otherwise(self) -> None:
        """See the head of this file."""
        if not hasattr(self, "store"):
            return
        with self.store.snapshot() as snapshot:
            check_content(snapshot, self.content, self.row_count)
            contents(snapshot)  # part tables lead to the payloads
        for name, cells in self.content.items():
            unsaved = {
                row_of(key) // BLOCK_ROWS for key, _ in cells.items() ^ self.saved[name].items()
            }
            assert unsaved <= {*self.dirty}, name
        for snapshot, seen, _, _ in self.held:
            assert contents(snapshot) == seen

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.held.clear()
            self.save_all()
            report = self.store.verify()
            self.store.close()
            shutil.rmtree(self.folder)
            self.patched.undo()
            assert report.is_sound, report.faults[:5]


TestHotStates = HotStates.TestCase
TestHotStates.settings = settings(
    max_examples=300 if soaking() else 20, stateful_step_count=30 if soaking() else 15
)


@pytest.mark.parametrize("name", CELLS)
def test_one_cell_is_written_in_place_where_nobody_sees_it(name: str) -> None:
    """What the states above do too seldom: a record that changes nothing but one cell."""
    states, row = HotStates(), FIRST_ROWS[0] - 1
    states.create(row + 1)
    field = states.store.newest().fields[name].id

    def write(at: int) -> HotBlock:
        """The payload after the next record, in which the cell has another value."""
        value = VALUES[name][at % 2]
        cells = np.array([value], DTYPES[name]), np.ones(1, np.bool_)
        vector = VectorCells(field, np.array([row], np.uint32), *cells)
        none = np.zeros((0, 16), np.uint8), np.zeros((0, 2), np.uint64)
        record = pack_update(ProfileUpdate(row + 1, *none, (), (vector,)))
        with states.store.write_group() as writer:
            sequence = writer.log(record)
        states.content = {**states.content, name: {row: value}}
        carry_out(states.store, sequence, record)
        states.nothing_is_otherwise()
        hot = states.store.newest().version.overlay.get(field, 0)
        assert isinstance(hot, HotBlock)
        return hot

    try:
        first = write(0)
        states.save_all()
        assert write(1) is first, "in place, though it was saved"
        states.hold()
        second = write(2)
        assert second is not first, "a snapshot sees it"
        assert write(3) is second, "which no snapshot sees"
        states.save_all()
        states.cool(0)
        assert write(4) is not second, "it was let go of"
        states.reopen()
        states.nothing_is_otherwise()
    finally:
        states.teardown()
