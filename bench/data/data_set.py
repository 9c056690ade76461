"""People of any number, kept as Parquet in chunks of a million.

    people-1m, people-10m, people-100m: the first 1, 10 and 100 chunks of the same people

A chunk that is there is finished, since it gets its name only then: what was interrupted goes on
where it stopped, and sizes share their chunks. A size that is no multiple of a million has a last
chunk of its own. Events of the same people stand beside them, chunk by chunk, a file for each type.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from bench.data.events import TYPES, write_events
from bench.data.people import SEED, write_people

__all__ = [
    "CHUNK_ROWS",
    "EventSet",
    "PeopleSet",
    "data_folder",
    "events",
    "people",
    "read_size",
    "size_name",
]

CHUNK_ROWS = 1_000_000
# Raised when the same seed gives other people than before.
_EDITION = 1

Tell = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class PeopleSet:
    """People on disk, in order; `digest` is one of all their values."""

    folder: Path
    count: int
    seed: int
    files: tuple[Path, ...]
    digest: str

    @property
    def name(self) -> str:
        """people-10m and the like."""
        return f"people-{size_name(self.count)}"


@dataclass(frozen=True, slots=True)
class EventSet:
    """What the people of a set did: files by type, in the order of people; see PeopleSet."""

    files: Mapping[str, tuple[Path, ...]]
    count: int
    digest: str


def data_folder(given: Path | None = None) -> Path:
    """The folder for data sets and stores: as given, else STRATA_BENCH_DATA, else the user's
    cache."""
    named = given or os.environ.get("STRATA_BENCH_DATA")
    if named:
        return Path(named).absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "strata" / "bench"


def read_size(text: str) -> int:
    """20000, 500k, 10m; ValueError with a sentence for anything else."""
    found = re.fullmatch(r"(\d+)([km]?)", text.strip().lower())
    size = 0 if found is None else int(found[1]) * {"": 1, "k": 1_000, "m": 1_000_000}[found[2]]
    if not size:
        raise ValueError(f"{text!r} is no size; write a number of profiles such as 500k or 10m")
    return size


def size_name(count: int) -> str:
    """The shortest text that read_size reads as this."""
    for unit, name in ((1_000_000, "m"), (1_000, "k")):
        if count % unit == 0:
            return f"{count // unit}{name}"
    return str(count)


def people(
    folder: Path, count: int, *, seed: int = SEED, tell: Tell, workers: int | None = None
) -> PeopleSet:
    """The first `count` people of a seed; what is not there yet is made, by all cores.

    `tell` gets what is being done and which share of it is done. Each worker holds some hundred
    megabytes at most.
    """
    place = folder / f"people-{seed}-{_EDITION}"
    place.mkdir(parents=True, exist_ok=True)
    chunks = [(place / f"{name}.parquet", first, rows) for name, first, rows in _chunks(count)]
    wanting = [(*chunk, seed) for chunk in chunks if not chunk[0].exists()]
    _make_all(_make_people, wanting, f"Making people-{size_name(count)}", tell, workers)
    files = tuple(path for path, _, _ in chunks)
    return PeopleSet(place, count, seed, files, _digest(files))


def events(data: PeopleSet, *, tell: Tell, workers: int | None = None) -> EventSet:
    """What those people did; made like them where it is not there yet."""
    chunks = _chunks(data.count)
    files = {
        kind: tuple(data.folder / f"{name}-{kind}.parquet" for name, _, _ in chunks)
        for kind in TYPES
    }
    # The last file of a chunk gets its name last.
    wanting = [
        (data.folder, *chunk, data.seed)
        for chunk, last in zip(chunks, files[TYPES[-1]], strict=True)
        if not last.exists()
    ]
    _make_all(_make_events, wanting, f"Making events of {data.name}", tell, workers)
    every = tuple(path for of_kind in files.values() for path in of_kind)
    count = sum(pq.read_metadata(path).num_rows for path in every)
    return EventSet(files, count, _digest(every))


def _chunks(count: int) -> list[tuple[str, int, int]]:
    """The chunks of so many people: name, first number, how many."""
    found = []
    for first in range(0, count, CHUNK_ROWS):
        rows = min(CHUNK_ROWS, count - first)
        name = f"chunk-{first // CHUNK_ROWS:04}"
        found.append((name if rows == CHUNK_ROWS else f"{name}-{rows}", first, rows))
    return found


def _make_all(
    make: Callable[..., None],
    wanting: Sequence[tuple[object, ...]],
    doing: str,
    tell: Tell,
    workers: int | None,
) -> None:
    """Calls `make` with each of the arguments, in processes of their own where that is worth it."""
    workers = min(workers or len(os.sched_getaffinity(0)), len(wanting))
    if workers == 1:
        for made, arguments in enumerate(wanting):
            tell(doing, made / len(wanting))
            make(*arguments)
    elif workers:
        # Spawned: a fork of a process with threads of other libraries may hang.
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=spawn) as pool:
            running = [pool.submit(make, *arguments) for arguments in wanting]
            for made, future in enumerate(as_completed(running)):
                future.result()
                tell(doing, (made + 1) / len(wanting))


def _make_people(path: Path, first: int, rows: int, seed: int) -> None:
    unfinished = path.with_suffix(f".{os.getpid()}.part")
    try:
        write_people(unfinished, rows, first=first, seed=seed)
        unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _make_events(folder: Path, name: str, first: int, rows: int, seed: int) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as unfinished:
        write_events(Path(unfinished), name, rows, first=first, seed=seed)
        for kind in TYPES:
            (Path(unfinished) / f"{name}-{kind}.parquet").rename(folder / f"{name}-{kind}.parquet")


def _digest(files: tuple[Path, ...]) -> str:
    whole = hashlib.blake2b(digest_size=16)
    for path in files:
        whole.update(pq.read_metadata(path).metadata[b"digest"])
    return whole.hexdigest()
