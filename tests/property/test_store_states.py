"""A store against a plain dictionary: any order of writes, failures, snapshots and reopening."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from engine.columns.strings import Strings
from engine.store.catalog import FieldKind
from engine.store.store import Snapshot, Store
from tests.sample_stores import BLOCK_ROWS, MAP_BYTES, opaque

# Around the sizes at which LMDB gives a value pages of its own, and one part more.
SIZES = st.sampled_from([0, 1, 47, 1_900, 1_980, 1_990, 2_000, 2_100, 4_032, 4_033, 60_000])
BLOCKS = 3

change = st.one_of(
    st.tuples(
        st.just("field"),
        st.integers(0, BLOCKS - 1),
        st.integers(0, 2),
        st.lists(SIZES, min_size=1, max_size=3).map(tuple),
    ),
    st.tuples(st.just("meta"), st.sampled_from("abc"), st.sampled_from([0, 5, 2_000, 262_145])),
    st.tuples(st.just("no meta"), st.sampled_from("abc")),
    st.tuples(st.just("words"), st.lists(st.text("xyz", max_size=2), max_size=4)),
    st.tuples(st.just("model"), st.text("mn", max_size=2)),
)


class Expected:
    """What the store should hold."""

    def __init__(self) -> None:
        self.version = 1
        self.fields: dict[tuple[int, int], tuple[int, tuple[int, ...]]] = {}
        self.metas: dict[str, bytes] = {}
        self.words: list[str] = []
        self.model = ""

    def copy(self) -> Expected:
        """One that later changes do not touch."""
        other = Expected()
        other.__dict__.update(self.__dict__)
        other.fields, other.metas = dict(self.fields), dict(self.metas)
        other.words = list(self.words)
        return other

    def holds(self, other: Expected) -> bool:
        """Whether both are the same but for the version."""
        return {**self.__dict__, "version": 0} == {**other.__dict__, "version": 0}


class States(RuleBasedStateMachine):
    """Writes that succeed or fail, with snapshots held across them."""

    @initialize()
    def create(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="strata-states-"))
        self.store = Store.create(self.folder / "s", map_size=MAP_BYTES)
        self.expected = Expected()
        self.held: list[tuple[Snapshot, Expected]] = []
        with self.store.write() as writer:
            for number in range(3):
                writer.add_field(f"f{number}", FieldKind.SET, "set")
            writer.set_row_count(BLOCKS * BLOCK_ROWS)

    @rule(changes=st.lists(change, max_size=5), fails=st.booleans(), seed=st.integers(0, 3))
    def write(self, changes: list[Any], fails: bool, seed: int) -> None:
        expected = self.expected.copy()
        try:
            with self.store.write() as writer:
                for what, *rest in changes:
                    self.stage(writer, expected, what, rest, seed)
                if fails:
                    raise KeyError
        except KeyError:
            return
        if not expected.holds(self.expected):
            expected.version += 1
        self.expected = expected
        assert writer.data_version == expected.version

    def stage(self, writer: Any, expected: Expected, what: str, rest: list[Any], seed: int) -> None:
        match what:
            case "field":
                block, number, sizes = rest
                writer.put_field(writer.fields[f"f{number}"].id, block, opaque(seed, *sizes))
                expected.fields[number, block] = (seed, sizes)
            case "meta":
                name, size = rest
                expected.metas[name] = bytes([seed]) * size
                writer.put_meta(name, expected.metas[name])
            case "no meta":
                writer.delete_meta(rest[0])
                expected.metas.pop(rest[0], None)
            case "words":
                codes = writer.intern(writer.fields["f0"].id, Strings.from_list(rest[0]))
                for word in rest[0]:
                    if word not in expected.words:
                        expected.words.append(word)
                assert codes.tolist() == [expected.words.index(word) + 1 for word in rest[0]]
            case "model":
                writer.set_model({"m": rest[0]} if rest[0] else {})
                expected.model = rest[0]

    @rule()
    def look(self) -> None:
        self.compare(self.store.snapshot(), self.expected)

    @rule()
    def hold(self) -> None:
        self.held.append((self.store.snapshot(), self.expected))

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def look_back(self, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, len(self.held) - 1))
        self.compare(*self.held.pop(at))

    @rule(read_only=st.booleans())
    def reopen(self, read_only: bool) -> None:
        self.held.clear()
        self.store.close()
        if read_only:
            with Store.open(self.folder / "s", read_only=True, map_size=MAP_BYTES) as store:
                self.compare(store.snapshot(), self.expected)
        self.store = Store.open(self.folder / "s", map_size=MAP_BYTES)

    def compare(self, snapshot: Snapshot, expected: Expected) -> None:
        assert snapshot.data_version == expected.version
        assert snapshot.model_files == ({"m": expected.model} if expected.model else {})
        metas = {name: snapshot.meta(name) for name in snapshot.meta_names()}
        assert metas == expected.metas
        assert list(snapshot.dictionary(snapshot.fields["f0"].id).values) == expected.words
        for number in range(3):
            field = snapshot.fields[f"f{number}"].id
            table = snapshot.addresses(field)
            for block in range(BLOCKS):
                parts = [bytes(part) for part in snapshot.payloads(field, block)]
                wanted = expected.fields.get((number, block))
                assert parts == (
                    [] if wanted is None else list(opaque(wanted[0], *wanted[1]).parts)
                )
                first, end = table.first_part[block : block + 2].tolist()
                assert table.length[first:end].tolist() == [len(part) for part in parts]

    def teardown(self) -> None:
        if hasattr(self, "store"):
            faults = self.store.verify().faults
            self.held.clear()
            self.store.close()
            shutil.rmtree(self.folder)
            # Opaque parts mean nothing to the codecs.
            assert all(fault.startswith("'f") for fault in faults), faults


TestStates = States.TestCase
TestStates.settings = settings(stateful_step_count=25)
