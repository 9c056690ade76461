"""One measurement of a load, in this process: `bench.load` runs it as a module of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from bench.data.model import SOURCE
from bench.data.people import write_people
from bench.live.model import model_text
from engine.database import Database
from engine.store.data_file import DATA_FILE

__all__ = ["FORMS", "answers", "load_people", "people_file"]

FORMS = ("parquet", "csv", "jsonl")

# Questions whose answers tell whether the right data came in.
QUESTIONS = (
    "true",
    "age between 30 and 40 and tag = 'webinar'",
    "industry in ('零售', '金融') and not tag = 'VIP' and revenue >= 500.25",
    "title is present and joined >= time '2024-01-01T00:00:00Z' and "
    "last_seen < time '2026-06-01T00:00:00Z'",
    "company_size > 100 or region = '青海' or stage = 'champion'",
)
_SAMPLED_EVERY_S = 0.02


def people_file(folder: Path, count: int, form: str) -> Path:
    """The file of so many people in a form; made where it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    parquet, file = (folder / f"people-{count}.{kind}" for kind in ("parquet", form))
    if not parquet.exists():
        draft = parquet.with_suffix(".draft")
        write_people(draft, count)
        draft.rename(parquet)
    if not file.exists():
        with file.with_suffix(".draft").open("wb") as out:
            for number, batch in enumerate(pq.ParquetFile(parquet).iter_batches(65_536)):
                out.write(_text(batch, form, with_head=number == 0))
        file.with_suffix(".draft").rename(file)
    return file


def _text(batch: pa.RecordBatch, form: str, *, with_head: bool) -> bytes:
    """Records as CSV, tags parted by bars, or as lines of JSON."""
    if form == "jsonl":
        lines = (json.dumps(row, ensure_ascii=False, default=str) for row in batch.to_pylist())
        return "".join(f"{line}\n" for line in lines).encode()
    tags = ["|".join(cell) for cell in batch.column("tags").to_pylist()]
    place = batch.schema.get_field_index("tags")
    flat = batch.set_column(place, "tags", pa.array(tags))
    out = pa.BufferOutputStream()
    pyarrow.csv.write_csv(flat, out, pyarrow.csv.WriteOptions(include_header=with_head))
    return bytes(out.getvalue().to_pybytes())


def load_people(file: Path, store: Path, segments: int) -> dict[str, float | int]:
    """Loads the people into a store, which is made where it is not there."""
    from loaders import load

    split = ', split: "|"' if file.suffix == ".csv" else ""
    text = model_text(segments).replace("tags: tags", f"tags: {{column: tags{split}}}")
    made = not store.exists()
    with Database.create(store) if made else Database.open(store) as database:
        if made:
            database.apply_model({"model.yaml": text})
        with _most_anonymous() as most:
            began, began_cpu = time.perf_counter(), time.process_time()
            summary = load(database, SOURCE, [file])
            seconds, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    rows = summary.accepted + summary.refused
    return {
        "rows": rows,
        "changed": summary.profiles_changed or 0,
        "rows_a_second": round(rows / seconds),
        "cpu_us_a_row": round(cpu / rows * 1e6, 3),
        "anonymous_MiB": most[0] >> 10,
        "file_MiB": (store / DATA_FILE).stat().st_size >> 20,
    }


def answers(database: Database) -> list[int]:
    """The counts that the data alone decide."""
    return [result.count for result in database.count_many(QUESTIONS)]


def _open(store: Path) -> dict[str, float | int]:
    began = time.perf_counter()
    with Database.open(store, read_only=True) as database:
        opened = time.perf_counter()
        database.count("true")
        counted = time.perf_counter()
        found = answers(database)
    return {
        "open_ms": round((opened - began) * 1e3, 1),
        "first_count_ms": round((counted - opened) * 1e3, 1),
        "answers": zlib.crc32(json.dumps(found).encode()),
    }


def _command(store: Path) -> dict[str, float | int]:
    from_start = []
    for _ in range(5):
        began = time.perf_counter()
        command = "from strata.cli.main import main; main()"
        arguments = ["count", "true", "--store", str(store), "--json"]
        subprocess.run(
            [sys.executable, "-c", command, *arguments], check=True, stdout=subprocess.DEVNULL
        )
        from_start.append(time.perf_counter() - began)
    return {"start_to_answer_ms": round(sorted(from_start)[2] * 1e3)}


@contextmanager
def _most_anonymous() -> Iterator[list[int]]:
    """The most KiB of anonymous memory that this process had meanwhile, in a list of one."""
    most, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(_SAMPLED_EVERY_S):
            most[0] = max(most[0], _anonymous())

    thread = threading.Thread(target=watch, name="memory", daemon=True)
    thread.start()
    try:
        yield most
    finally:
        over.set()
        thread.join()


def _anonymous() -> int:
    lines = Path(f"/proc/{os.getpid()}/status").read_text().splitlines()
    found = next((line for line in lines if line.startswith("RssAnon:")), "RssAnon: 0")
    return int(found.split()[1])


def main() -> int:
    """Prints one measurement as JSON."""
    what, file, store, segments = sys.argv[1:]
    match what:
        case "load" | "again":
            figures = load_people(Path(file), Path(store), int(segments))
        case "open":
            figures = _open(Path(store))
        case _:
            figures = _command(Path(store))
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
