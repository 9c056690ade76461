"""A whole run: every question, ours and the rivals', and what it was measured on.

1. The data are made and loaded where they are not there yet.
2. The bandwidth of the machine is measured.
3. For one thread, then for all: our engine, in process, beside one rival after the other.
4. Our engine behind gRPC, with the server as a process of its own.

The answer is plain data, ready for JSON; `bench.report` makes tables and pages of it.
"""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.bandwidth import bytes_read, read_bandwidth
from bench.data.data_set import EventSet, PeopleSet, data_folder, events, people
from bench.data.people import SEED
from bench.data.stores import ENGINE_SIDE, stored
from bench.failure import BenchFailed
from bench.machine import commit, cores, machine, versions
from bench.match import (
    FEWEST,
    OURS,
    Answers,
    Ask,
    alone,
    ask_engine,
    ask_rival,
    ask_singly,
    match,
)
from bench.questions import QUESTIONS, Question
from bench.rivals import RIVALS, RivalKind, missing_package
from bench.served import ask_server, served
from bench.sides.process import MemoryWatch, Side
from strata.client import Client

__all__ = ["ENGINE", "SERVED", "SINGLY", "Wanted", "about", "engine", "run"]

ENGINE, SERVED, SINGLY = "strata", "strata-grpc", "strata-singly"
FORMAT = 1
# Draws from which the bytes that a question reads are worked out.
SAMPLED = 50
# The largest amount whose reading is measured is this share of the memory at most.
BANDWIDTH_SHARE = 16

Tell = Callable[[str, float], None]
Measured = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to measure; empty lists stand for all there are."""

    size: int
    questions: Sequence[str] = ()
    rivals: Sequence[str] = ()
    threads: Sequence[int] = ()
    data: Path | None = None
    rounds: int = FEWEST
    seed: int = 1
    data_seed: int = SEED
    served: bool = True
    load_again: bool = False
    bandwidth: bool = True

    def chosen_questions(self) -> list[Question]:
        """The questions asked for. Raises BenchFailed for a name that is none."""
        return [_known(QUESTIONS, name) for name in self.questions or QUESTIONS]

    def chosen_rivals(self) -> list[RivalKind]:
        """The rivals asked for, in the same way."""
        return [_known(RIVALS, name) for name in self.rivals or RIVALS]

    def chosen_threads(self) -> list[int]:
        """One, and all that there are."""
        return sorted(set(self.threads or (1, cores())))


def _known(known: Mapping[str, Any], name: str) -> Any:
    found = {key.lower(): value for key, value in known.items()}.get(name.lower())
    if found is None:
        raise BenchFailed(f"There is no {name} here; there are {', '.join(known)}.")
    return found


class _Run:
    """What a run has found so far."""

    def __init__(self, wanted: Wanted, questions: list[Question], tell: Tell) -> None:
        self.questions = questions
        self.rounds = wanted.rounds
        self.tell = tell
        self.measured: list[dict[str, Any]] = []
        self.skipped: list[dict[str, str]] = []
        self.ours_us: dict[tuple[str, int], list[float]] = {}
        self.answers = {one.name: Answers(one, wanted.seed) for one in questions}

    def match(self, question: Question, ours: Ask, theirs: Ask, what: Measured) -> None:
        """Measures both sides and keeps the times."""
        answers = self.answers[question.name]
        times = match(answers, ours, theirs, what["side"], self.rounds)
        self.ours_us.setdefault((question.name, what["threads"]), []).extend(times.ours_us)
        self.measured.append(
            {
                "question": question.name,
                **what,
                "ratio": round(times.ratio, 3),
                "times_us": _rounded(times.theirs_us),
                "ours_us": _rounded(times.ours_us),
            }
        )

    def alone(self, question: Question, ask: Ask, name: str) -> list[float]:
        """Times of one side, in microseconds."""
        return alone(self.answers[question.name], ask, name, self.rounds)


def run(wanted: Wanted, tell: Tell) -> dict[str, Any]:
    """The result of a run. Raises BenchFailed, and where answers differ nothing is given."""
    questions, rivals = wanted.chosen_questions(), wanted.chosen_rivals()
    result = about("questions")
    folder = data_folder(wanted.data)
    data = people(folder, wanted.size, seed=wanted.data_seed, tell=tell)
    happened = events(data, tell=tell) if any(one.events for one in questions) else None
    store = stored(data, tell=tell, again=wanted.load_again, events=happened)
    threads = wanted.chosen_threads()
    bandwidth = []
    if wanted.bandwidth:
        tell("Measuring how fast memory is read", 0.0)
        bandwidth = read_bandwidth(threads, int(machine()["memory_bytes"]) // BANDWIDTH_SHARE)
    state = _Run(wanted, questions, tell)
    installed = []
    for kind in rivals:
        reason = missing_package(kind)
        if reason is None:
            installed.append(kind)
        else:
            state.skipped.append({"side": kind.name, "reason": reason})
    for count in threads:
        with engine(store.path, count) as ours:
            _by_itself(state, ours, count)
            for kind in installed:
                _beside(state, ours, kind, (data, happened), count)
    if wanted.served:
        for count in threads:
            _through_grpc(state, store.path, count)
    return result | {
        "data": {
            "name": data.name,
            "rows": data.count,
            "seed": data.seed,
            "digest": data.digest,
            "events": 0 if happened is None else happened.count,
        },
        "store": asdict(store.load),
        "settings": {"seed": wanted.seed, "rounds": wanted.rounds, "threads": threads},
        "bandwidth": bandwidth,
        "questions": [_described(state, question, data.count) for question in questions],
        "ours": [
            {"question": name, "threads": count, "times_us": _rounded(times)}
            for (name, count), times in state.ours_us.items()
        ],
        "measured": state.measured,
        "skipped": state.skipped,
    }


def about(kind: str) -> dict[str, Any]:
    """The head of a result: what was measured, on what, when."""
    return {
        "kind": kind,
        "format": FORMAT,
        "commit": commit(),
        "measured_on": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine(),
        # Of what ran before: nothing has been measured yet.
        "load_average": round(os.getloadavg()[0], 2),
        "versions": versions(),
    }


def _described(state: _Run, question: Question, rows: int) -> dict[str, Any]:
    read = [bytes_read(question.drawn(0, number), rows) for number in range(SAMPLED)]
    return {
        "name": question.name,
        "words": question.words,
        "bytes": round(median(read)),
        "answers": state.answers[question.name].digest(state.rounds),
        "goals": [{"times": goal.times, "rivals": list(goal.rivals)} for goal in question.goals],
    }


@contextlib.contextmanager
def engine(store: Path, threads: int) -> Iterator[Side]:
    """Our engine in a process of its own, with the store open."""
    environment = {"PYTHONPATH": str(ENGINE_SIDE.parents[2])}
    with Side("Strata", str(ENGINE_SIDE), environment=environment) as side:
        side.call("open", str(store), threads)
        yield side


def _by_itself(state: _Run, ours: Side, threads: int) -> None:
    """Our engine before any rival; many audiences in one call beside as many calls."""
    for question in state.questions:
        state.tell(f"Strata, {_threads(threads)}: {question.name}", 0.0)
        if question.rivals is not None and SINGLY in question.rivals:
            what = {"side": SINGLY, "layout": "calls", "threads": threads}
            state.match(question, ask_engine(ours), ask_singly(ours), what)
        else:
            times = state.alone(question, ask_engine(ours), OURS)
            state.ours_us[question.name, threads] = times


def _beside(
    state: _Run,
    ours: Side,
    kind: RivalKind,
    given: tuple[PeopleSet, EventSet | None],
    threads: int,
) -> None:
    """Our engine beside one rival, in each of its layouts."""
    if threads > 1 and not kind.threads:
        return
    data, happened = given
    for layout, can in kind.layouts.items():
        asked = [
            question
            for question in state.questions
            if question.name in can.questions
            and (question.rivals is None or kind.name in question.rivals)
        ]
        if not asked:
            continue
        doing = f"{kind.title}, {layout}, {_threads(threads)}"
        state.tell(f"{doing}: loading", 0.0)
        environment = {kind.threads_variable: str(threads)} if kind.threads_variable else {}
        program = ("-m", "bench.sides.rival_side", kind.name, layout, str(threads))
        with Side(kind.title, *program, environment=environment) as theirs:
            with MemoryWatch(theirs.process.pid) as memory:
                seconds = theirs.call("load", [str(file) for file in data.files])
                if can.events and happened is not None:
                    files = {kind: [*map(str, of)] for kind, of in happened.files.items()}
                    seconds += theirs.call("load_events", files)
            what = {
                "side": kind.name,
                "layout": layout,
                "threads": threads,
                "load_s": round(seconds, 2),
                "load_anonymous_bytes": memory.anonymous,
            }
            for done, question in enumerate(asked):
                state.tell(f"{doing}: {question.name}", done / len(asked))
                state.match(question, ask_engine(ours), ask_rival(theirs), what)


def _through_grpc(state: _Run, store: Path, threads: int) -> None:
    """The server has the store to itself, so it is asked after the others; what it answers is
    compared with what they said, and its ratio is to all of our times in process."""
    with served(store, threads) as server, Client(server.address) as client:
        for done, question in enumerate(state.questions):
            doing = f"Strata through gRPC, {_threads(threads)}: {question.name}"
            state.tell(doing, done / len(state.questions))
            times = state.alone(question, ask_server(client), SERVED)
            ratio = median(times) / median(state.ours_us[question.name, threads])
            state.measured.append(
                {
                    "question": question.name,
                    "side": SERVED,
                    "layout": "loopback",
                    "threads": threads,
                    "ratio": round(ratio, 3),
                    "times_us": _rounded(times),
                }
            )


def _rounded(times_us: Sequence[float]) -> list[float]:
    return [round(time, 1) for time in times_us]


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"
