"""`strata bench`: the benchmarks, on this machine."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from strata.cli.options import Json, WrongUsage
from strata.cli.plain import command
from strata.errors import StrataError

__all__ = ["bench"]


class Part(enum.StrEnum):
    """What is measured."""

    QUESTIONS = "questions"
    GROWTH = "growth"


@command
def bench(
    part: Annotated[
        Part, typer.Argument(help="Questions beside the rivals, or growth from size to size.")
    ] = Part.QUESTIONS,
    questions: Annotated[
        str, typer.Option("--questions", "-q", metavar="Q1,Q2", help="Default: all.")
    ] = "",
    sizes: Annotated[
        str,
        typer.Option(
            "--size", "--sizes", metavar="N", help="People, such as 500k; for growth 1m,10m,100m."
        ),
    ] = "",
    rivals: Annotated[
        str, typer.Option("--rivals", metavar="NAMES", help="Default: all that are installed.")
    ] = "",
    threads: Annotated[
        str, typer.Option("--threads", metavar="N,N", help="Default: 1 and all.")
    ] = "",
    rounds: Annotated[int, typer.Option("--rounds", help="At least 7.")] = 7,
    seed: Annotated[int, typer.Option("--seed", help="Of the literals in the questions.")] = 1,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="DIR", help="Keep data and stores here. [env: STRATA_BENCH_DATA]"
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write the result here.")
    ] = None,
    load_again: Annotated[
        bool, typer.Option("--load-again", help="Load the store although it is there.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure Strata, and others beside it, on data made from a seed."""
    from bench.data.data_set import read_size
    from bench.failure import BenchFailed
    from bench.growth import SIZES
    from bench.match import FEWEST
    from bench.run import Wanted
    from bench.session import measure_growth, measure_questions

    try:
        asked = [read_size(name) for name in _names(sizes)]
        counts = [int(name) for name in _names(threads)]
    except ValueError as error:
        raise WrongUsage(str(error)) from None
    if part is Part.QUESTIONS and len(asked) > 1:
        raise WrongUsage("give one size; several go with `strata bench growth`")
    if any(count < 1 for count in counts):
        raise WrongUsage("--threads counts from 1")
    if rounds < FEWEST:
        raise WrongUsage(f"--rounds: a median of {rounds} says little; take {FEWEST} or more")
    wanted = Wanted(
        size=asked[0] if asked else SIZES[0],
        questions=_names(questions),
        rivals=_names(rivals),
        threads=counts,
        rounds=rounds,
        seed=seed,
        data=data,
        load_again=load_again,
    )
    try:
        if part is Part.GROWTH:
            measure_growth(wanted, asked or SIZES, out, as_json=as_json)
        else:
            measure_questions(wanted, out, as_json=as_json)
    except BenchFailed as error:
        raise StrataError("BENCH_FAILED", str(error)) from None


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
