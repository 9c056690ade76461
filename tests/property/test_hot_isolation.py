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

from engine.columns.hot_block import HotBlock
from engine.columns.hot_cells import read_rows
from engine.columns.patch import patch_ints
from engine.columns.strings import Strings
from engine.columns.zone import Encoded
from engine.events.check import check_events
from engine.live.applying import apply_update
from engine.live.block_writer import BlockWriter
from engine.live.log_record import pack_update, unpack_update
from engine.live.update import (
    ProfileUpdate,
    VectorCells,
)
from engine.store.catalog import (
    GIVERS,
    LIVE,
    FieldKind,
)
from engine.store.commit import BARRIER
from engine.store.snapshot import Snapshot
from engine.store.store import Store
from engine.store.writer import Writer
from tests.block_contents import decoded, encoded, of_block, row_of
from tests.random_records import (
    BIG,
    BIG_SIZE,
    CELLS,
    DTYPES,
    FIELDS,
    GIVEN,
    KINDS,
    ORDER,
    PROPERTIES,
    VALUES,
    Content,
    RandomRecord,
)
from tests.sample_stores import BLOCK_ROWS, MAP_BYTES, contents
from tests.skips import soaking

# Profiles begin at the end of the first block.
FIRST_ROWS = (65_500, 65_534)
CODES = 300

# So few that tails are sealed, and that some blocks have several sealed chunks.
SEALED_EVENTS = 25


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


def check_stored_events(
    snapshot: Snapshot, block: int, stored: Sequence[bytes], wanted: dict[Any, Any]
) -> None:
    """Chunks that are sound and hold these events, however they are divided; an exact zone."""
    assert decoded(FieldKind.EVENTS, stored, block) == wanted
    zone = snapshot.zone(snapshot.fields[ORDER].id, block)
    if stored:
        assert check_events(stored) == ""
        assert zone == encoded(FieldKind.EVENTS, wanted).zone
    else:
        assert zone is None or zone.present_count == 0


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
            if kind == FieldKind.EVENTS:
                check_stored_events(snapshot, block, stored, wanted)
            elif stored:
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
        self.patched.setattr("engine.store.open_events.SEALED_EVENTS", SEALED_EVENTS)
        self.patched.setattr("engine.store.hot.EVENT_CHAINS_BYTES", 500_000)
        self.folder = Path(tempfile.mkdtemp(prefix="strata-hot-"))
        self.store = Store.create(self.folder / "s", map_size=MAP_BYTES)
        with self.store.write() as writer:
            for name, number in PROPERTIES.items():
                type_ = name.split(":")[2]
                assert writer.add_field(name, FieldKind.PROPERTY, type_).id == number
                if type_ == "category":
                    writer.intern(number, Strings.from_list([f"{i}" for i in range(CODES)]))
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
            made = RandomRecord(chance, content, self.row_count)
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

    @rule(seed=st.integers(0, 2**20))
    def reload(self, seed: int) -> None:
        """An ordinary write makes the events of a block anew, half of them."""
        chance = random.Random(seed)
        block = chance.randrange(self.store.newest().block_count)
        mine = of_block(self.content[ORDER], block)
        made = dict(chance.sample(sorted(mine.items(), key=repr), (len(mine) + 1) // 2))
        if not made:
            return
        others = {key: count for key, count in self.content[ORDER].items() if key not in mine}
        self.content = {**self.content, ORDER: {**others, **made}}
        with self.store.write() as writer:
            field = writer.fields[ORDER].id
            writer.put_field(field, block, encoded(FieldKind.EVENTS, made))
        self.note_saved([block], self.content)

    @rule(name=st.sampled_from(["city", "rate", "listed", "remark", "likes", ORDER]))
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
