"""A small store whose segments are kept by hand: changes are written as whole blocks, version
after version, and each is followed by an update of the stored segments."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.columns.bools import decode_bools, encode_bools
from engine.columns.codes import decode_codes, encode_codes
from engine.columns.floats import decode_floats, encode_floats
from engine.columns.ints import decode_ints, encode_ints
from engine.columns.sets import decode_rows, decode_set_pairs, encode_rows, encode_set_pairs
from engine.columns.strings import Strings
from engine.columns.texts import decode_texts, encode_texts
from engine.core.memberships import stored_masks
from engine.live.block_changes import change_rows
from engine.live.change import Touched
from engine.live.field_load import each_block
from engine.live.schema import change_fields
from engine.live.segment_change import SegmentChange
from engine.live.segments import StoredSegments
from engine.model.load import load_model
from engine.rules.bind import Binder
from engine.store.catalog import LIVE, FieldKind
from engine.store.snapshot import Snapshot
from engine.store.store import Store
from tests.worlds import MODEL, TAGS, TYPES, World

__all__ = ["KeptWorld", "model_files", "rows_of"]

NOBODY = np.zeros(0, np.uint32)
INTS = ("level", "points", "price", "birthday", "signed", "joined")


def model_files(segments: Mapping[str, str], base: str = MODEL) -> dict[str, str]:
    """The files of the model of worlds with other segments."""
    head = base.split("segments:\n")[0].replace("  member: {}\n", "  member: {}\n  phone: {}\n")
    lines = [
        f"  {name}: {json.dumps(rule, ensure_ascii=False)}\n" for name, rule in segments.items()
    ]
    sources = "sources:\n  world: {identify: {member: id, phone: phone}}\n"
    return {"world.yaml": head + "segments:\n" + "".join(lines) + sources}


def rows_of(masks: NDArray[np.uint64]) -> list[int]:
    """The rows of masks, in order."""
    bits = np.unpackbits(masks.view(np.uint8).reshape(-1), bitorder="little")
    return np.flatnonzero(bits).tolist()


class KeptWorld:
    """A world in a store that nothing but this keeps: `store`, its `model`, its `segments`."""

    def __init__(self, path: Path, world: World, segments: Mapping[str, str]) -> None:
        self.world = world
        world.fill(path).close()
        self.store = Store.open(path)
        self.random = random.Random(world.seed)
        self.dead: set[int] = set()
        files = model_files(segments)
        self.model, _ = load_model(files)
        binder = Binder(self.model)
        with self.store.write() as writer:
            kept = StoredSegments(self.model, binder, writer.fields).kept
            change_fields(writer, self.model, dict.fromkeys(kept, 1))
            writer.set_model(files)
        with self.store.snapshot() as snapshot:
            self.segments = StoredSegments(self.model, binder, snapshot.fields)
            self.put(self.segments.refresh(snapshot))

    def put(self, change: SegmentChange) -> None:
        """Writes the memberships that a change brings."""
        with self.store.write() as writer:
            for field_id, rows, entered in change.moves.each():
                for block, inside, at in each_block(rows):
                    parts = writer.snapshot.payloads(field_id, block)
                    encoded, _ = change_rows(parts, inside, entered[at])
                    assert encoded is not None
                    writer.put_field(field_id, block, encoded)
            for field_id, blocks in change.memberships.items():
                for block, encoded in blocks.items():
                    writer.put_field(field_id, block, encoded)

    def members(self, name: str) -> list[int]:
        """The stored members of a segment."""
        with self.store.snapshot() as snapshot:
            field_id = self.segments.membership_field(name)
            assert field_id is not None
            return rows_of(stored_masks(snapshot.addresses(field_id), snapshot.block_count))

    # ---------------------------------------------------------------------- changes of data

    def write(self, cells: Mapping[str, Mapping[int, Any]]) -> Touched:
        """Writes attribute -> row -> value (None: missing; sets: the values) and `:live` -> row
        -> bool; says what was touched."""
        touched = {}
        with self.store.write() as writer:
            for name, of_rows in cells.items():
                if not of_rows:
                    continue
                field_id = writer.fields[name].id
                touched[field_id] = np.array(sorted(of_rows), np.uint32)
                for block in {row >> 16 for row in of_rows}:
                    inside = {row & 0xFFFF: v for row, v in of_rows.items() if row >> 16 == block}
                    parts = writer.snapshot.payloads(field_id, block)
                    encoded = self._changed(writer, name, parts, inside)
                    writer.put_field(field_id, block, encoded)
        return Touched(NOBODY, touched)

    def _changed(self, writer: Any, name: str, parts: Any, cells: Mapping[int, Any]) -> Any:
        field = writer.fields[name]
        rows = np.array(list(cells))
        there = np.array([value is not None for value in cells.values()])
        match field.kind:
            case FieldKind.LIVE:
                alive = set(decode_rows(parts).tolist()) - set(rows[~there].tolist())
                alive |= set(rows[there].tolist())
                return encode_rows(np.array(sorted(alive), np.uint16))
            case FieldKind.INTS:
                values, present = _room(decode_ints(parts) if parts else None, np.int64)
                values[rows] = [value or 0 for value in cells.values()]
                present[rows] = there
                return encode_ints(values, present)
            case FieldKind.FLOATS:
                assert not there.any(), "floats are only taken away here"
                values, present = _room(decode_floats(parts) if parts else None, np.float64)
                values[rows], present[rows] = 0.0, False
                return encode_floats(values, present)
            case FieldKind.TEXTS:
                assert not there.any(), "texts are only taken away here"
                texts = decode_texts(parts).to_list() if parts else []
                texts = [None if i in cells else text for i, text in enumerate(texts)]
                return encode_texts(Strings.from_list(texts))
            case FieldKind.BOOL:
                values, present = _room(decode_bools(parts, 65_536) if parts else None, np.bool_)
                values[rows] = [bool(value) for value in cells.values()]
                present[rows] = there
                return encode_bools(values, present)
            case FieldKind.CODES:
                codes = np.zeros(65_536, np.uint32)
                if parts:
                    stored = decode_codes(parts)
                    codes[: len(stored)] = stored
                codes[rows] = writer.intern(field.id, Strings.from_list(list(cells.values())))
                return encode_codes(codes)
        assert field.kind == FieldKind.SET
        held, codes = decode_set_pairs(parts) if parts else (np.zeros(0, np.uint16),) * 2
        stay = ~np.isin(held, rows)
        new_rows = [row for row, values in cells.items() for _ in values or ()]
        texts = [text for values in cells.values() for text in values or ()]
        return encode_set_pairs(
            np.concatenate([held[stay], np.array(new_rows, np.uint16)]),
            np.concatenate(
                [codes[stay].astype(np.uint32), writer.intern(field.id, Strings.from_list(texts))]
            ),
        )

    def random_cells(self, count: int) -> dict[str, dict[int, Any]]:
        """Cells of a few attributes of random rows, borders and new values among them."""
        with self.store.snapshot() as snapshot:
            row_count = snapshot.row_count
        rows = [self.random.randrange(row_count) for _ in range(count)]
        borders = [row for row in (0, 65_535, 65_536, row_count - 1) if row < row_count]
        rows = [row for row in rows + borders if row not in self.dead]
        # Every seventh is in a list by its identifier, which would have to go too.
        if self.random.random() < 0.25 and rows and rows[0] % 7:
            self.dead.add(rows[0])
            return self.death(rows[0])
        names = self.random.sample((*INTS, "city", "code", "active", "tag", "interests"), 3)
        return {name: {row: self._value(name) for row in rows} for name in names}

    def death(self, row: int) -> dict[str, dict[int, Any]]:
        """Cells of a profile that goes: nothing is left of a row that is not alive."""
        return {name: {row: None} for name in (LIVE.name, *TYPES)}

    def _value(self, name: str) -> Any:
        if self.random.random() < 0.2:
            return None
        if name in INTS:
            values, _ = self.world.columns[name]
            near = int(values[self.random.randrange(self.world.rows)])
            return near + self.random.choice((0, 0, 1, -1, 500))
        if name == "active":
            return self.random.random() < 0.5
        if name in ("tag", "interests"):
            return self.random.sample((*TAGS, "brand new", "evergreen"), 2)
        prefix = {"city": "c", "code": "k"}[name]
        return f"{prefix}{self.random.randrange(900)}"

    # -------------------------------------------------------------------------- segments

    def update(self, touched: Touched) -> SegmentChange:
        """Updates the stored segments, writes what changed, and holds it against everything."""
        before = {name: set(self.members(name)) for name in self.segments.stored}
        with self.store.snapshot() as candidate:
            change = self.segments.update(candidate, touched)
            self.put(change)
        self.check(before, change)
        return change

    def check(self, before: Mapping[str, set[int]], change: SegmentChange) -> None:
        """Stored membership = recomputed, and transitions and deltas lead from `before` to it."""
        after = {name: set(self.members(name)) for name in self.segments.stored}
        with self.store.snapshot() as snapshot:
            masks = self.segments.evaluate(snapshot, self.segments.stored, now_us=0)
            for name in self.segments.stored:
                assert sorted(after[name]) == rows_of(masks[name]), name
            assert not self.segments.refresh(snapshot).memberships
            assert_sound(snapshot, self.segments)
        moved = dict(before)
        for transition in change.transitions:
            name = transition.definition.removeprefix("segments.").strip('"')
            entered, left = transition.entered.tolist(), transition.left.tolist()
            assert entered == sorted(set(entered)) and left == sorted(set(left)) and entered + left
            assert moved[name].isdisjoint(entered) and moved[name].issuperset(left), name
            moved[name] = (moved[name] | set(entered)) - set(left)
        assert moved == after
        deltas = {name: len(after[name]) - len(before[name]) for name in after}
        assert change.count_deltas == {name: delta for name, delta in deltas.items() if delta}


def assert_sound(snapshot: Snapshot, segments: StoredSegments) -> None:
    """Payloads are what encode_rows makes of the same rows."""
    for name in segments.stored:
        field_id = segments.membership_field(name)
        assert field_id is not None
        for block in range(snapshot.block_count):
            parts = snapshot.payloads(field_id, block)
            if parts:
                rows = decode_rows(parts)
                assert [bytes(part) for part in parts] == list(encode_rows(rows).parts)


def _room(
    decoded: tuple[NDArray[Any], NDArray[np.bool_]] | None, dtype: Any
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Decoded values with room for a whole block."""
    values, present = np.zeros(65_536, dtype), np.zeros(65_536, np.bool_)
    if decoded is not None:
        values[: len(decoded[0])], present[: len(decoded[1])] = decoded
    return values, present
