"""Pins: who waits for whom when memory is to be changed in place, and who does not."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.store.pins import Pin, Pins
from engine.store.snapshot import Snapshot
from engine.store.version import Version

# Long enough for anything that is not waited for in vain; a test that passes never takes it.
FOREVER_S = 60.0


def version(number: int, content: Any = None) -> Version:
    """All that pins ask of a version."""
    return cast("Version", SimpleNamespace(data_version=number, content=content))


def pin(pins: Pins, number: int) -> Pin:
    return pins.pin(lambda: version(number))


def until(condition: Callable[[], object]) -> None:
    """Waits for what another thread is about to do."""
    end = time.monotonic() + FOREVER_S
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.001)


def newest_open(pins: Pins) -> int:
    """What a change under way now would be told; nothing may be waited for."""
    with pins.changing() as newest:
        return newest


class Beside:
    """A thread that does one thing, and what came of it."""

    def __init__(self, task: Callable[[], Any]) -> None:
        self.result: Any = None
        self._task = task
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.result = self._task()

    def end(self) -> Any:
        """What the task returned."""
        self._thread.join(FOREVER_S)
        assert not self._thread.is_alive(), "it waits for ever"
        return self.result


@pytest.fixture
def pins() -> Pins:
    return Pins()


@pytest.fixture
def patient(pins: Pins, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change waits for as long as it takes."""
    monkeypatch.setattr("engine.store.pins.PATIENCE_S", 10 * FOREVER_S)
    pins._patience_s = 10 * FOREVER_S


@pytest.fixture
def hasty(pins: Pins, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change gives up at once."""
    monkeypatch.setattr("engine.store.pins.PATIENCE_S", 0.0)
    monkeypatch.setattr("engine.store.pins.LEAST_PATIENCE_S", 0.0)
    pins._patience_s = 0.0


@pytest.fixture
def unwaited(pins: Pins, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whoever would wait fails."""

    def refuse(_: float | None = None) -> bool:
        raise AssertionError("this need not wait")

    monkeypatch.setattr(pins._changed, "wait", refuse)
    yield


# ----------------------------------------------------------------------------- snapshots


def test_a_new_snapshot_waits_for_the_end_of_a_change(pins: Pins) -> None:
    visible, events = [4], list[str]()
    with pins.changing() as newest:
        assert newest == 0
        reader = Beside(lambda: (pins.pin(lambda: version(visible[0])), events.append("pinned"))[0])
        until(lambda: pins._waiting)
        events.append("changed")
        visible[0] = 5
    assert reader.end().version.data_version == 5, "it sees what the change has made"
    assert events == ["changed", "pinned"]


@pytest.mark.usefixtures("hasty")
def test_who_waited_gets_in_before_the_next_change(pins: Pins) -> None:
    """Or readers could wait through one change after the other."""
    visible = [0]
    for number in range(1, 20):
        with pins.changing():
            readers = [Beside(lambda: pins.pin(lambda: version(visible[0]))) for _ in range(3)]
            until(lambda: pins._waiting == 3)
            visible[0] = number
        with pins.changing() as newest:
            assert newest == number and pins._count_of[number] == 3
        for reader in readers:
            reader.end().release()
    assert newest_open(pins) == 0


@pytest.mark.usefixtures("unwaited")
def test_a_snapshot_between_changes_waits_for_nobody(pins: Pins) -> None:
    assert newest_open(pins) == 0
    first, second = pin(pins, 1), pin(pins, 2)
    assert first.version.data_version == 1 and second.version.data_version == 2


# ------------------------------------------------------------------------------- changes


@pytest.mark.usefixtures("patient")
def test_an_open_snapshot_is_waited_for(pins: Pins) -> None:
    held = [pin(pins, 7), pin(pins, 9), pin(pins, 9)]
    change = Beside(lambda: newest_open(pins))
    for one in held:
        assert change.result is None
        one.release()
    assert change.end() == 0, "it began when the last one was closed"


@pytest.mark.usefixtures("patient")
def test_an_older_snapshot_that_was_given_up_does_not_hide_a_newer_one(pins: Pins) -> None:
    old = pin(pins, 7)
    patience, pins._patience_s = pins._patience_s, 0.0
    assert newest_open(pins) == 7
    pins._patience_s = patience
    new = pin(pins, 9)
    change = Beside(lambda: newest_open(pins))
    assert change.result is None
    new.release()
    assert change.end() == 7, "the old one still sees what it sees"
    old.release()
    assert newest_open(pins) == 0


@pytest.mark.usefixtures("hasty")
def test_a_snapshot_is_given_up_once_and_not_waited_for_again(pins: Pins) -> None:
    held = pin(pins, 7)
    assert newest_open(pins) == 7
    assert pins._given_up == 7
    pins._patience_s = 10 * FOREVER_S
    also = pin(pins, 7)
    assert newest_open(pins) == newest_open(pins) == 7, "the same data version never again"
    for one in (also, held):
        one.release()
    assert newest_open(pins) == 0


def test_who_copied_fast_waits_no_longer_than_that_took(
    pins: Pins, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr("engine.store.pins.time.monotonic", lambda: clock[0])
    pins._patience_s = 0.0
    held = pin(pins, 7)
    with pins.changing() as newest:
        assert newest == 7
        clock[0] += 0.1
    assert pins._patience_s == pytest.approx(0.05)
    with pins.changing() as newest:
        assert newest == 7
        clock[0] += 0.02
    assert pins._patience_s == pytest.approx(0.05), "nothing had to be copied"
    held.release()


def test_at_first_new_snapshots_are_let_in_while_a_change_waits(pins: Pins) -> None:
    pins._patience_s = 20 * FOREVER_S
    held = pin(pins, 7)
    change = Beside(lambda: newest_open(pins))
    pin(pins, 7).release()
    held.release()
    assert change.end() == 0


def test_later_they_are_held_back(pins: Pins) -> None:
    pins._patience_s = 0.02
    held = pin(pins, 7)
    began = threading.Event()
    ended = threading.Event()

    def change() -> int:
        with pins.changing() as newest:
            began.set()
            assert ended.wait(FOREVER_S)
            return newest

    changing = Beside(change)
    until(lambda: pins._changer)
    reader = Beside(lambda: pin(pins, 8))
    until(lambda: pins._waiting)
    ended.set()
    assert changing.end() == 7 and began.is_set()
    reader.end().release()
    held.release()


def test_one_thread_changes_memory(pins: Pins) -> None:
    with pins.changing():
        with pytest.raises(AssertionError, match="one thread"), pins.changing():
            pass
        assert pins._changer, "the change under way goes on"
    assert newest_open(pins) == 0


@pytest.mark.usefixtures("unwaited")
def test_who_changes_memory_takes_no_snapshot(pins: Pins) -> None:
    """It would wait for itself."""
    with pins.changing(), pytest.raises(AssertionError, match="reads the change"):
        pin(pins, 1)
    pin(pins, 1).release()
    assert pins._waiting == 0


@pytest.mark.usefixtures("unwaited")
def test_a_change_that_fails_lets_everybody_in(pins: Pins) -> None:
    with pytest.raises(KeyError), pins.changing():
        raise KeyError
    pin(pins, 1).release()
    assert newest_open(pins) == 0


# ------------------------------------------------------------------------------- release


@pytest.mark.usefixtures("hasty")
def test_closing_a_snapshot_releases_its_pin_once(pins: Pins) -> None:
    first, second = (Snapshot(one.version, one) for one in (pin(pins, 3), pin(pins, 3)))
    first.close()
    first.close()
    assert newest_open(pins) == 3, "the other one is open"
    with second:
        assert second.data_version == 3
    assert newest_open(pins) == 0
    assert not pins._count_of


@pytest.mark.usefixtures("hasty")
def test_a_snapshot_that_nobody_has_any_more_releases_its_pin(pins: Pins) -> None:
    one = pin(pins, 3)
    snapshot = Snapshot(one.version, one)
    del one
    assert newest_open(pins) == 3
    del snapshot
    assert newest_open(pins) == 0
    # The same in a cycle of garbage, as an error with its traceback makes one.
    one = pin(pins, 4)
    holder = SimpleNamespace(snapshot=Snapshot(one.version, one))
    holder.itself = holder
    del one, holder
    gc.collect()
    assert newest_open(pins) == 0


def test_garbage_is_collected_while_pins_are_looked_at(pins: Pins) -> None:
    """The collector may start anywhere, also where it is asked which versions are open."""
    held = [pin(pins, number) for number in range(1, 31)]
    threshold = gc.get_threshold()
    for after in range(1, 41):
        gc.disable()
        try:
            holder = SimpleNamespace(pin=pin(pins, 50))
            holder.itself = holder
            del holder
            gc.set_threshold(after)
            gc.enable()
            newest = pins._newest()
        finally:
            gc.set_threshold(*threshold)
            gc.enable()
        assert newest in (30, 50)
        gc.collect()
        assert pins._newest() == 30
    del held


# ------------------------------------------------------------------------------ together


def test_nobody_sees_memory_change(pins: Pins, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers open and close snapshots of a pair that always says its data version twice."""
    monkeypatch.setattr("engine.store.pins.PATIENCE_S", 0.0005)
    pins._patience_s = 0.0005
    visible = [version(1, [1, 1])]
    over = threading.Event()

    def read() -> list[str]:
        faults, chance = list[str](), 0
        while not over.is_set():
            with Snapshot((one := pins.pin(lambda: visible[0])).version, one) as snapshot:
                number, content = snapshot.data_version, cast("Any", snapshot.version).content
                for _ in range(chance % 4):
                    if content != [number, number]:
                        faults.append(f"{number} is {content}")
                    time.sleep(0.0003 * (chance % 3))
            chance += 1
        return faults

    readers = [Beside(read) for _ in range(3)]
    born, in_place, copied = 1, 0, 0
    end = time.monotonic() + FOREVER_S
    while in_place < 60 or copied < 20:
        assert time.monotonic() < end, "readers and changes hinder each other"
        number = visible[0].data_version + 1
        with pins.changing() as newest:
            content = cast("Any", visible[0]).content
            if born > newest:
                in_place += 1
            else:
                content, born, copied = list(content), number, copied + 1
            content[0] = number
            time.sleep(0)
            content[1] = number
            visible[0] = version(number, content)
    over.set()
    assert [reader.end() for reader in readers] == [[], [], []]
