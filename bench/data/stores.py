"""The people in a store, loaded once and kept beside the data."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.data.data_set import EventSet, PeopleSet, Tell
from bench.data.model import SOURCE, model_text
from bench.machine import CHANGED, commit
from bench.sides.process import MemoryWatch, Side

__all__ = ["ENGINE_SIDE", "LoadFigures", "StoredPeople", "stored"]

# The model that a store was given last, beside it.
MODEL = "model.yaml"
ENGINE_SIDE = Path(__file__).resolve().parents[1] / "sides" / "engine_side.py"


@dataclass(frozen=True, slots=True)
class LoadFigures:
    """What loading took: seconds, rows a second, and the peaks of memory, in bytes.

    `rows` are people; of events, where there are any, how many and how many a second.
    """

    commit: str
    rows: int
    seconds: float
    close_seconds: float
    rows_a_second: int
    anonymous_bytes: int
    mapped_bytes: int
    file_bytes: int
    events: int = 0
    events_a_second: int = 0


@dataclass(frozen=True, slots=True)
class StoredPeople:
    """A store with everybody of a data set, and how it was loaded."""

    path: Path
    load: LoadFigures


def stored(
    data: PeopleSet,
    *,
    tell: Tell,
    events: EventSet | None = None,
    again: bool = False,
    by_this_commit: bool = False,
    folder: Path | None = None,
    source_tree: Path | None = None,
) -> StoredPeople:
    """The store of a data set; loaded where it is not there, or `again`.

    A store is kept by the layout of its bytes, so one that another commit loaded may serve, unless
    it is asked for `by_this_commit`; its figures say which. `source_tree` names a checkout whose
    engine loads it, `folder` where it goes: else this one, and beside the data. `events` are
    loaded after the people.
    """
    from engine.store.records import LAYOUT_VERSION

    kept = folder or data.folder.parent / "stores" / f"{data.name}-{data.digest[:8]}"
    what = "" if events is None else f"-events-{events.digest[:8]}"
    kept = kept if folder else kept.with_name(f"{kept.name}{what}-layout-{LAYOUT_VERSION}")
    figures = kept / "load.json"
    model = model_text(events=bool(events))
    environment = {"PYTHONPATH": str(source_tree or ENGINE_SIDE.parents[2])}
    name = source_tree.name if source_tree else commit()
    if not again and figures.exists():
        known = StoredPeople(kept / "store", LoadFigures(**json.loads(figures.read_text())))
        if not by_this_commit or (known.load.commit == name and not name.endswith(CHANGED)):
            _bring_up_to_date(kept, model, environment)
            return known
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    store = kept / "store"
    tell(f"Loading {data.name}", 0.0)
    with (
        Side("Strata", str(ENGINE_SIDE), environment=environment, cwd=kept) as side,
        MemoryWatch(side.process.pid) as memory,
    ):
        loads = [(SOURCE, [str(file) for file in data.files])]
        for kind, files in () if events is None else events.files.items():
            loads.append((kind, [str(file) for file in files]))
        made, *more = side.call("make", str(store), model, loads)
    (kept / MODEL).write_text(model)
    assert made["accepted"] == data.count, f"{made} of {data.count}"
    event_count = sum(one["accepted"] for one in more)
    assert events is None or event_count == events.count, f"{more} of {events}"
    event_seconds = sum(one["seconds"] for one in more)
    load = LoadFigures(
        commit=name,
        rows=data.count,
        seconds=round(made["seconds"], 3),
        close_seconds=round([made, *more][-1]["close_seconds"], 3),
        rows_a_second=round(data.count / made["seconds"]),
        anonymous_bytes=memory.anonymous,
        mapped_bytes=memory.mapped,
        file_bytes=(store / "data.mdb").stat().st_size,
        events=event_count,
        events_a_second=round(event_count / event_seconds) if event_count else 0,
    )
    figures.write_text(json.dumps(asdict(load), indent=2) + "\n")
    return StoredPeople(store, load)


def _bring_up_to_date(kept: Path, model: str, environment: dict[str, str]) -> None:
    """Gives a store that was loaded with another model this one: what differs are scores, which
    are no part of what is loaded."""
    text = kept / MODEL
    if text.exists() and text.read_text() == model:
        return
    with Side("Strata", str(ENGINE_SIDE), environment=environment, cwd=kept) as side:
        side.call("apply_model", str(kept / "store"), model)
    text.write_text(model)
