"""`strata overlap` and `strata waterfall`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from strata.cli import show
from strata.cli.member_files import write_members
from strata.cli.options import AsOf, Json, Salt, ServerAt, StoreAt, WrongUsage, read_instant
from strata.cli.plain import about, command
from strata.cli.session import place, session
from strata.cli.waiting import waiting
from strata.overlapping import (
    AudienceInAll,
    Overlap,
    Segment,
    Step,
    Waterfall,
    step_members,
)
from strata.overlapping import overlap as ask_overlap
from strata.overlapping import waterfall as ask_waterfall

__all__ = ["overlap", "waterfall"]

# What is named like this is a segment; an attribute that is true or false is written `vip = true`.
BARE_NAME = re.compile(r"[^\W\d]\w*")
CAP = re.compile(r"\s*(\d{1,4})\s*=\s*(\d{1,10})\s*")
# More columns than this are no table for a terminal; --json has all.
MATRIX_MOST = 12
PAIRS = 20
ITEMS_MOST = 100
NAME_CELLS = 48


@command
def overlap(
    audiences: Annotated[list[str], typer.Argument(metavar="SEGMENT|EXPR...")],
    pairs: Annotated[
        int, typer.Option("--pairs", min=0, help="Show so many pairs, the most alike first.")
    ] = PAIRS,
    as_of: AsOf = None,
    store: StoreAt = None,
    server: ServerAt = None,
    as_json: Json = False,
) -> None:
    """Show how segments or expressions overlap, each two of them. A bare name is a segment."""
    if not 2 <= len(audiences) <= ITEMS_MOST:
        raise WrongUsage(f"give 2 to {ITEMS_MOST} segments or expressions")
    with session(place(store, server)) as client, about(audiences=audiences):
        moment = read_instant(as_of, lambda: client.model().time_zone)
        with waiting("Counting"):
            answer = ask_overlap(client, [*map(_meant, audiences)], as_of=moment)
    if as_json:
        show.json_line(_overlap_json(answer))
        return
    typer.echo(_head(answer, f"{answer.profiles:,} profiles"))
    for line in (*_notes(answer.audiences), *_matrix(answer, audiences), *_pairs(answer, pairs)):
        typer.echo(line)


@command
def waterfall(
    steps: Annotated[list[str], typer.Argument(metavar="SEGMENT|EXPR...")],
    caps: Annotated[
        list[str] | None,
        typer.Option("--cap", metavar="STEP=N", help="Step, from 1, takes N at most; repeatable."),
    ] = None,
    salt: Salt = "",
    listed: Annotated[
        int | None,
        typer.Option("--list", metavar="STEP", min=1, help="List those of a step instead."),
    ] = None,
    ids: Annotated[
        str, typer.Option("--ids", metavar="KIND", help="With --list: this kind, or uid.")
    ] = "uid",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="With --list: to here.")
    ] = None,
    as_of: AsOf = None,
    store: StoreAt = None,
    server: ServerAt = None,
    as_json: Json = False,
) -> None:
    """Give each profile to the first segment or expression that it is in. A bare name is a
    segment."""
    if len(steps) > ITEMS_MOST:
        raise WrongUsage(f"give 1 to {ITEMS_MOST} segments or expressions")
    if listed is not None and listed > len(steps):
        raise WrongUsage(f"--list {listed}: there are {len(steps)} steps")
    if listed is None and (ids != "uid" or output is not None):
        raise WrongUsage("--ids and --output go with --list STEP")
    limits = _caps(caps or (), len(steps))
    asked = [Step(_meant(text), limits.get(number)) for number, text in enumerate(steps, 1)]
    with (
        session(place(store, server)) as client,
        about(**{"steps": steps, "audience.step.steps": steps}),
    ):
        moment = read_instant(as_of, lambda: client.model().time_zone)
        with waiting("Counting"):
            if listed is None:
                answer = ask_waterfall(client, asked, salt=salt, as_of=moment)
            else:
                kind = "" if ids == "uid" else ids
                members = step_members(
                    client, asked, listed - 1, salt=salt, identifier_kind=kind, as_of=moment
                )
        if listed is not None:
            try:
                write_members(members, "json" if as_json else "lines", ids, [], output)
            finally:
                members.close()
            if sys.stderr.isatty():
                typer.echo(f"{members.header.listed:,} profiles listed", err=True)
            return
    if as_json:
        show.json_line(_waterfall_json(answer))
        return
    typer.echo(_head(answer, f"{answer.profiles:,} profiles"))
    for line in (*_notes([one.audience for one in answer.steps]), *_steps(answer, steps)):
        typer.echo(line)


# ---------------------------------------------------------------------------- arguments


def _meant(text: str) -> str | Segment:
    """The segment or the expression that an argument means."""
    bare = text.strip()
    is_name = BARE_NAME.fullmatch(bare) and bare.lower() not in ("true", "false")
    return Segment(bare) if is_name else text


def _caps(given: Sequence[str], count: int) -> dict[int, int]:
    caps: dict[int, int] = {}
    for text in given:
        found = CAP.fullmatch(text)
        if found is None or int(found[2]) < 1:
            raise WrongUsage(f"--cap: {text!r} is no cap; write STEP=N, such as 2=5000")
        step = int(found[1])
        if not 1 <= step <= count:
            raise WrongUsage(f"--cap {text}: steps count from 1 to {count}")
        if step in caps:
            raise WrongUsage(f"--cap {text}: step {step} has a cap already")
        caps[step] = int(found[2])
    return caps


# -------------------------------------------------------------------------------- text


def _head(answer: Overlap | Waterfall, what: str) -> str:
    return f"{what}   {answer.elapsed_us / 1000:,.3f} ms   as of {show.instant(answer.as_of)}"


def _notes(audiences: Sequence[AudienceInAll]) -> Iterator[str]:
    waits = sum(one.waiting for one in audiences)
    if waits:
        yield f"{waits:,} uploaded identifiers have no profile yet"
    today = dict.fromkeys(name for one in audiences for name in one.read_as_of_today)
    if today:
        yield f"as it is today: {', '.join(today)}"


def _named(number: int, text: str) -> str:
    line = " ".join(text.split())
    short = line if len(line) <= NAME_CELLS else f"{line[: NAME_CELLS - 3]}..."
    return f"{number}  {short}"


def _rows(names: Sequence[str], heads: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str]:
    """A table with the names on the left and numbers on the right."""
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    lines = []
    for name, texts in zip(("", *names), (heads, *cells), strict=True):
        aligned = (f"{text:>{width}}" for text, width in zip(texts, widths, strict=True))
        lines.append(f"{show.padded(name, names)}  {'  '.join(aligned)}".rstrip())
    return lines


def _matrix(answer: Overlap, texts: Sequence[str]) -> list[str]:
    """The sizes, and where it fits how many are in each two."""
    count = len(answer.audiences)
    names = [_named(number, text) for number, text in enumerate(texts, 1)]
    both = {(one.first, one.second): one.both for one in answer.pairs}
    cells = [[f"{one.count:,}"] for one in answer.audiences]
    if count > MATRIX_MOST:
        return _rows(names, ["profiles"], cells)
    for i, line in enumerate(cells):
        for j in range(count):
            line.append("" if i == j else f"{both[min(i, j), max(i, j)]:,}")
    return _rows(names, ["profiles", *(f"& {number}" for number in range(1, count + 1))], cells)


def _pairs(answer: Overlap, most: int) -> Iterator[str]:
    """The pairs most alike."""
    ranked = sorted(answer.pairs, key=lambda one: (-(one.jaccard or 0), one.first, one.second))
    shown = ranked[:most]
    if not shown:
        return
    yield ""
    yield from _rows(
        [f"{one.first + 1} & {one.second + 1}" for one in shown],
        ["both", "jaccard", "lift"],
        [(f"{one.both:,}", _ratio(one.jaccard), _ratio(one.lift)) for one in shown],
    )
    if len(ranked) > most:
        yield f"and {len(ranked) - most:,} more (--pairs)"


def _ratio(given: float | None) -> str:
    return "-" if given is None else f"{given:,.4f}"


def _steps(answer: Waterfall, texts: Sequence[str]) -> list[str]:
    names = [_named(number, text) for number, text in enumerate(texts, 1)]
    lines = [
        (
            f"{one.taken:,}",
            f"{one.left:,}",
            f"{one.audience.count:,}",
            "" if one.cap is None else f"{one.cap:,}",
        )
        for one in answer.steps
    ]
    rest = (f"{answer.rest:,}", "", "", "")
    return _rows([*names, "(rest)"], ("taken", "left", "profiles", "cap"), [*lines, rest])


# -------------------------------------------------------------------------------- JSON


def _audience_json(one: AudienceInAll) -> dict[str, Any]:
    shown: dict[str, Any] = {"expression": one.expression, "count": one.count}
    if one.waiting:
        shown["waiting"] = one.waiting
    if one.read_as_of_today:
        shown["read_as_of_today"] = list(one.read_as_of_today)
    return shown


def _when_json(answer: Overlap | Waterfall) -> dict[str, Any]:
    return {
        "profiles": answer.profiles,
        "as_of": show.instant(answer.as_of),
        "elapsed_ms": answer.elapsed_us / 1000,
        "data_version": answer.data_version,
    }


def _overlap_json(answer: Overlap) -> dict[str, Any]:
    return {
        "audiences": [*map(_audience_json, answer.audiences)],
        "pairs": [
            {
                "first": one.first,
                "second": one.second,
                "both": one.both,
                "jaccard": one.jaccard,
                "lift": one.lift,
            }
            for one in answer.pairs
        ],
        **_when_json(answer),
    }


def _waterfall_json(answer: Waterfall) -> dict[str, Any]:
    return {
        "steps": [
            {
                **_audience_json(one.audience),
                "left": one.left,
                "taken": one.taken,
                **({} if one.cap is None else {"cap": one.cap}),
            }
            for one in answer.steps
        ],
        "rest": answer.rest,
        **_when_json(answer),
    }
