"""Updates through gRPC while segments are kept: how many, how soon, and beside what.

    python -m bench.live [--size 1m] [--what events,attributes,month] [--forms arrow,rows]
                         [--segments 100] [--rows 5000] [--seconds 20] [--data DIR] [--out DIR]

Measured, with the server as a process of its own and one client:
1. full load: one pipelined stream; rows a second made durable, processor time of the server for
   each row until it is visible, time from sending a batch to its acknowledgement;
2. beside scans: the same at the rate that is the goal, while another client counts back to back;
3. half load: the same at half of the goal; after each acknowledgement how long until a count sees
   the batch, and until a watcher has its feed; before it, how long the disk alone takes to sync;
4. killed: SIGKILL under full load, and how long until the server answers again;
5. a month's end (`bench.live.month`).

`events` are what people do, at random: half of the segments are over windows from 30 seconds to 90
days, half over attributes, beside three scores with bands. So much load goes before (`--warm-up`)
that what runs out of windows of 30 seconds is as much as comes in; before 3 again, at its rate.
`attributes` are updates of stage, industry, revenue, last seen, and a tag for every tenth;
all segments read attributes. Not shown: several streams, a network, another machine's disk. The
size of every segment is compared with a recomputation at the end.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.data_set import EventSet, PeopleSet, data_folder, events, people, read_size
from bench.data.stores import stored
from bench.live.behaviour import WATCHED, month_text, rules_of, segment_names, windows_text
from bench.live.disk import syncs_ms
from bench.live.killed import killed
from bench.live.load import Load, beside_scans, half_load, percentiles
from bench.live.model import model_text
from bench.live.month import ZONE, months_end
from bench.live.updates import MAKERS
from bench.machine import commit, fixed_work_ms, machine
from bench.report.results import results_folder
from bench.served import Server
from strata.client import Client

ROOT = Path(__file__).resolve().parents[2]
# Different rows, made before the clock starts: in Arrow enough that hardly a row comes twice with
# the same values; rows take the client longer to make than the server to take.
ROWS_MADE = {"arrow": 4_000_000, "rows": 200_000}
# Rows a second that the figures to reach ask for.
GOAL = {"arrow": 200_000, "rows": 50_000}
# The longest window of which as much has to run out as comes in before anything is measured.
WARM_UP_S = 35.0


def main() -> int:
    """Prepares a store, runs the loads, prints the figures and writes them down."""
    asked = _asked()
    # Beside the data, since a copy of a store takes gigabytes.
    folder = data_folder(asked.data)
    folder.mkdir(parents=True, exist_ok=True)
    data = people(folder, asked.size, tell=_tell)
    done = events(data, tell=_tell)
    for what in asked.what.split(","):
        for form in ["engine"] if what == "month" else asked.forms.split(","):
            with tempfile.TemporaryDirectory(prefix="live-", dir=folder) as scratch:
                figures = measured(data, done, what, form, asked, Path(scratch))
            print(json.dumps(figures, indent=2, ensure_ascii=False), flush=True)
            _write(figures, asked)
    return 0


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=read_size, default=1_000_000)
    parser.add_argument("--what", default="events,month")
    parser.add_argument("--forms", default="arrow,rows")
    parser.add_argument("--segments", type=int, default=100)
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--warm-up", type=float, default=WARM_UP_S)
    parser.add_argument("--data", type=Path, help="where data and stores are kept")
    parser.add_argument("--out", type=Path, help="where the figures go")
    return parser.parse_args()


def _tell(doing: str, share: float) -> None:
    """Says once what takes long."""
    if not share:
        print(doing, file=sys.stderr)


def measured(
    data: PeopleSet, done: EventSet, what: str, form: str, asked: Any, scratch: Path
) -> dict[str, Any]:
    """The figures of one kind of updates in one form."""
    about = {
        "what": what,
        "form": form,
        "profiles": data.count,
        "segments": asked.segments,
        "machine": machine(),
        "commit": commit(),
    }
    text = {
        "events": windows_text(asked.segments),
        "attributes": model_text(asked.segments),
        "month": month_text(asked.segments, ZONE),
    }[what]
    kept = stored(data, tell=_tell, events=None if what == "attributes" else done)
    store = _copied(kept.path, scratch)
    if what == "month":
        return {**about, **months_end(store, text, data.count, segment_names(asked.segments))}
    _apply(store, scratch, text)
    return {**about, **_loaded(store, scratch, data.count, what, form, asked)}


def _copied(kept: Path, scratch: Path) -> Path:
    """A copy of a store, to be written to."""
    store = scratch / "store"
    shutil.copytree(kept, store, copy_function=_copy_sparse)
    return store


def _apply(store: Path, scratch: Path, text: str) -> None:
    model = scratch / "model.yaml"
    model.write_text(text)
    command = [sys.executable, "-m", "strata", "apply", str(model), "--store", str(store)]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


def _copy_sparse(source: str, target: str) -> None:
    subprocess.run(["cp", "--sparse=always", source, target], check=True)


def _loaded(
    store: Path, scratch: Path, profiles: int, what: str, form: str, asked: Any
) -> dict[str, Any]:
    rng = np.random.default_rng(7)
    count = max(ROWS_MADE[form] // asked.rows, 1)
    if asked.size < ROWS_MADE[form]:
        count = max(asked.size // asked.rows, 1)
    batches = [MAKERS[what, form](rng, profiles, asked.rows) for _ in range(count)]
    watched = WATCHED if what == "events" else "s000"
    names = [name for name in segment_names(asked.segments) if what == "events"]
    server = Server(store, scratch)
    try:
        load = Load(server, batches, asked.rows)
        figures: dict[str, Any] = {"rows_a_batch": asked.rows}
        load.run(asked.warm_up if what == "events" else 2.0)
        figures["full"] = {"fixed_work_ms": fixed_work_ms(), **load.run(asked.seconds)}
        figures["beside_scans"] = {
            "fixed_work_ms": fixed_work_ms(),
            **beside_scans(server, load, asked.seconds, GOAL[form]),
        }
        rate = GOAL[form] / 2
        if what == "events":
            # Until what runs out is as much as comes in at this rate.
            load.run(asked.warm_up, rate)
        alone_ms = syncs_ms(scratch, asked.seconds, rate / asked.rows)
        figures["half"] = {
            "fixed_work_ms": fixed_work_ms(),
            **half_load(server, load, asked.seconds, rate, watched),
            "disk_alone_ms": percentiles(alone_ms),
        }
        figures["server_anonymous_bytes"] = server.memory_bytes()
        server, figures["killed"] = killed(
            server, store, scratch, load.batches, asked.rows, asked.seconds
        )
        with Client(server.address) as client:
            figures["stats"] = client.stats()
            figures["segments_checked"] = _check(client, names)
    finally:
        server.stop()
    figures["file_bytes"] = (store / "data.mdb").stat().st_size
    return figures


def _check(client: Client, names: list[str]) -> int:
    """Compares what is kept with what the definitions say; the number of segments."""
    (text,) = client.model().files.values()
    rules = rules_of(text)
    for name in names or rules:
        # One call at one instant; what is joined with `true` is no longer the stored segment.
        kept, computed = client.count_many([f"segment('{name}')", f"({rules[name]}) and true"])
        assert kept.count == computed.count, f"{name}: {kept.count} kept, {computed.count} match"
    return len(names or rules)


def _write(figures: dict[str, Any], asked: argparse.Namespace) -> None:
    folder = results_folder(asked.out)
    folder.mkdir(parents=True, exist_ok=True)
    parts = ("live", figures["what"], figures["form"], figures["profiles"], figures["commit"])
    text = json.dumps(figures, indent=2, ensure_ascii=False) + "\n"
    (folder / f"{'-'.join(map(str, parts))}.json").write_text(text)


if __name__ == "__main__":
    sys.exit(main())
