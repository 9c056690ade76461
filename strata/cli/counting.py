"""`strata count` and `strata format`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from strata.answers import Formatted, Frozen
from strata.cli import show
from strata.cli.options import AsOf, Json, ServerAt, StoreAt, WrongUsage, read_instant
from strata.cli.plain import about, command
from strata.cli.session import place, session
from strata.cli.waiting import waiting
from strata.client import Client
from strata.errors import StrataError

__all__ = ["count", "format_text"]


@command
def count(
    expression: Annotated[str | None, typer.Argument(metavar="EXPR")] = None,
    frozen: Annotated[
        str | None,
        typer.Option(
            "--frozen",
            metavar="NAME",
            help="Count a frozen audience; with EXPR those of it for whom that holds.",
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="FILE", help="Count each line; one JSON object per line."),
    ] = None,
    nodes: Annotated[bool, typer.Option("--nodes", help="Count every node as well.")] = False,
    group_by: Annotated[
        str | None, typer.Option("--group-by", metavar="ATTRIBUTE", help="Count per value.")
    ] = None,
    as_of: AsOf = None,
    store: StoreAt = None,
    server: ServerAt = None,
    as_json: Json = False,
) -> None:
    """Count the profiles for which an expression holds, or those of a frozen audience."""
    if (file is None) == (expression is None and frozen is None):
        raise WrongUsage("give an expression, --frozen NAME, or --file FILE with one per line")
    if frozen is not None and expression is None:
        _refuse_beside_frozen(nodes, as_of is not None and group_by is None)
    if file is not None and group_by is not None:
        raise WrongUsage("--group-by goes with one expression, not with --file")
    lines = {} if file is None else _lines(file)
    expressions = [*lines.values()] if file is not None else [expression] if expression else []
    where = place(store, server)
    with session(where) as client, _at_line(file, [*lines]), about(*expressions):
        moment = read_instant(as_of, lambda: client.model().time_zone)
        if file is not None:
            if not expressions:
                return
            with waiting("Counting"):
                answers = client.count_many(expressions, as_of=moment, nodes=nodes)
            for answer in answers:
                show.json_line(show.count_json(answer, with_nodes=nodes, with_groups=False))
            return
        audience = None if frozen is None else Frozen(frozen)
        with waiting("Counting"):
            answer = client.count(
                audience if expression is None and audience else expression or "",
                as_of=moment,
                nodes=nodes,
                group_by=group_by,
                among=None if expression is None else audience,
            )
    if as_json:
        grouped = group_by is not None
        show.json_line(show.count_json(answer, with_nodes=nodes, with_groups=grouped))
        return
    typer.echo(
        f"{answer.count:,}   {answer.elapsed_us / 1000:,.3f} ms"
        f"   as of {show.instant(answer.as_of)}"
    )
    if answer.gone:
        typer.echo(f"{answer.gone:,} who were frozen are no profiles any more")
    if answer.waiting:
        typer.echo(f"{answer.waiting:,} uploaded identifiers have no profile yet")
    if answer.read_as_of_today:
        typer.echo(f"as it is today: {', '.join(answer.read_as_of_today)}")
    for note in answer.notes:
        typer.echo(note)
    for line in show.nodes(answer.nodes):
        typer.echo(line)
    for line in show.groups(answer.groups):
        typer.echo(line)


@command
def format_text(
    expression: Annotated[str, typer.Argument(metavar="EXPR")],
    server: ServerAt = None,
    as_json: Json = False,
) -> None:
    """Print an expression in its canonical form. Needs no store."""
    formatted = _formatted(expression, place(None, server, needed=False).server)
    if as_json:
        show.json_line({"expression": formatted.expression, "tree": formatted.tree})
    else:
        typer.echo(formatted.expression)


def _formatted(expression: str, server: str | None) -> Formatted:
    """Both forms, from a server or worked out here."""
    with about(expression):
        if server is not None:
            with Client(server) as client:
                return client.format(expression)
        from engine.rules.canonical import format_expression
        from engine.rules.parse import parse
        from engine.rules.structured import to_structured
        from strata.cli.embedded import engine_failures

        with engine_failures():
            tree = parse(expression)
            return Formatted(format_expression(tree), to_structured(tree))


def _refuse_beside_frozen(nodes: bool, as_of_alone: bool) -> None:
    """What means nothing of a frozen audience without an expression beside it."""
    if nodes:
        raise WrongUsage(
            "--nodes needs an expression: a frozen audience keeps who was in it, and not why; give "
            "EXPR beside --frozen NAME, and its nodes are counted among those frozen"
        )
    if as_of_alone:
        raise WrongUsage(
            "--as-of needs EXPR or --group-by beside --frozen NAME, to be taken at that instant; "
            "who was frozen is as it was"
        )


def _lines(file: Path) -> dict[int, str]:
    """The expressions of a file by their lines, from 1; lines that are empty, or all comment, are
    left out."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise WrongUsage(f"{file} is not UTF-8 text") from None
    numbered = enumerate(text.split("\n"), 1)
    return {at: line for at, line in numbered if line.strip() and not line.strip().startswith("--")}


@contextmanager
def _at_line(file: Path | None, lines: Sequence[int]) -> Iterator[None]:
    """Names the line of a file where a failure names the expression by its place."""
    try:
        yield
    except StrataError as error:
        found = re.match(r"audiences\[([0-9]+)\](, line 1)?", error.message)
        if file is not None and found is not None:
            said = f"{file}, line {lines[int(found[1])]}{error.message[found.end() :]}"
            error.message, error.args = said, (said,)
        raise
