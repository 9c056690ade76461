"""How our engine grows: the same questions over ever more people.

For each size: loading (rate, memory), the file, opening, time for each question in one thread and
in all, and the peaks of memory while they are answered, anonymous and mapped. The page cache is
warm: the store has just been written, or was read by the run before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from statistics import median
from typing import Any

from bench.data.data_set import data_folder, events, people
from bench.data.stores import StoredPeople, stored
from bench.match import OURS, Answers, alone, ask_engine
from bench.questions import Question
from bench.run import Tell, Wanted, about, engine
from bench.sides.process import MemoryWatch

__all__ = ["SIZES", "growth"]

SIZES = (1_000_000, 10_000_000, 100_000_000)


def growth(wanted: Wanted, sizes: Sequence[int], tell: Tell) -> dict[str, Any]:
    """The result over several sizes; `wanted.size` does not matter."""
    questions = wanted.chosen_questions()
    return about("growth") | {
        "settings": {
            "seed": wanted.seed,
            "rounds": wanted.rounds,
            "threads": wanted.chosen_threads(),
        },
        "questions": [{"name": one.name, "words": one.words} for one in questions],
        "sizes": [_of_size(replace(wanted, size=size), questions, tell) for size in sorted(sizes)],
    }


def _of_size(wanted: Wanted, questions: list[Question], tell: Tell) -> dict[str, Any]:
    data = people(data_folder(wanted.data), wanted.size, seed=wanted.data_seed, tell=tell)
    # The rate of a load by another commit says nothing of this one.
    happened = events(data, tell=tell) if any(one.events for one in questions) else None
    store = stored(data, tell=tell, events=happened, again=wanted.load_again, by_this_commit=True)
    answers = {question.name: Answers(question, wanted.seed) for question in questions}
    runs = [
        _run(wanted, store, answers, questions, count, tell) for count in wanted.chosen_threads()
    ]
    return {
        "rows": data.count,
        "digest": data.digest,
        "load": asdict(store.load),
        "answers": {name: known.digest(wanted.rounds) for name, known in answers.items()},
        "runs": runs,
    }


def _run(
    wanted: Wanted,
    store: StoredPeople,
    answers: dict[str, Answers],
    questions: list[Question],
    threads: int,
    tell: Tell,
) -> dict[str, Any]:
    times: dict[str, list[float]] = {}
    with engine(store.path, threads) as side, MemoryWatch(side.process.pid) as memory:
        for done, question in enumerate(questions):
            tell(f"{wanted.size:,} people, {threads} threads: {question.name}",
                 done / len(questions))  # fmt: skip
            found = alone(answers[question.name], ask_engine(side), OURS, wanted.rounds)
            times[question.name] = [round(one, 1) for one in found]
        memory.look_closely()
        # Opened again in the same process: what opening takes without Python's own start.
        opened = [side.call("open", str(store.path), threads) for _ in range(wanted.rounds)]
    return {
        "threads": threads,
        "open_s": round(median(one["open_s"] for one in opened), 4),
        "open_and_count_s": round(median(one["first_count_s"] for one in opened), 4),
        "anonymous_bytes": memory.anonymous,
        "mapped_bytes": memory.mapped,
        "times_us": times,
    }
