"""Ends of commands: exit status 0, 1 or 2, and one plain paragraph for a failure."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ParamSpec, TypeVar

import typer
from rich.cells import cell_len

from strata.errors import Issue, StrataError

__all__ = ["about", "command", "explain"]

P = ParamSpec("P")
R = TypeVar("R")

INTERRUPTED = 130
# Cells of an expression shown on either side of the fault.
AROUND = 60


def command(run: Callable[P, R]) -> Callable[P, R]:
    """A command whose failures end it with a paragraph on stderr and status 1."""

    @functools.wraps(run)
    def plainly(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return run(*args, **kwargs)
        except StrataError as error:
            typer.echo(f"strata: {error.message}", err=True)
            for line in getattr(error, "__notes__", ()):
                typer.echo(line, err=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # The reader has seen enough. Python would complain while flushing at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except OSError as error:
            where = f": {error.filename}" if error.filename else ""
            typer.echo(f"strata: {error.strerror or error}{where}", err=True)
            raise typer.Exit(1) from None
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as error:
            if os.environ.get("STRATA_TRACEBACK"):
                raise
            typer.echo(
                f"strata: a fault of the program itself stopped it ({type(error).__name__});"
                " please report it, with what STRATA_TRACEBACK=1 makes it print.",
                err=True,
            )
            raise typer.Exit(1) from None

    return plainly


@contextlib.contextmanager
def about(*expressions: str, **named: str | Sequence[str]) -> Iterator[None]:
    """Shows the offending part of the expression that a failure is about; texts that stand in
    fields of their own are given by the name of the field."""
    try:
        yield
    except StrataError as error:
        for issue in error.issues:
            text = _meant(issue, expressions, named)
            if issue.line and text is not None:
                for line in explain(issue, text):
                    error.add_note(line)
        raise


def _meant(
    issue: Issue, expressions: Sequence[str], named: Mapping[str, str | Sequence[str]]
) -> str | None:
    """The expression that an issue's field names: `value`, `audiences[3]`, or the only one."""
    field, bracket, rest = issue.field.partition("[")
    if field in named:
        texts = named[field]
        expressions = [texts] if isinstance(texts, str) else texts
    index = int(rest.partition("]")[0]) if bracket and rest[0].isdigit() else 0
    if bracket or len(expressions) == 1:
        return expressions[index] if index < len(expressions) else None
    return None


def explain(issue: Issue, text: str) -> tuple[str, str]:
    """The line of the text with the fault, and a line with a caret under it."""
    lines = text.split("\n")
    written = lines[issue.line - 1] if issue.line <= len(lines) else ""
    # Tabs and the like have no width of their own and would shift the caret.
    line = "".join(c if c.isprintable() else " " for c in written)
    start = min(issue.column - 1, len(line))
    end = min(start + max(issue.length, 1), len(line))
    first, last = max(start - AROUND, 0), min(end, start + AROUND) + AROUND
    before = ("... " if first else "") + line[first:start]
    marks = max(cell_len(line[start : min(end, last)]), 1)
    more = " ..." if last < len(line) else ""
    return f"  {before}{line[start:last]}{more}", f"  {' ' * cell_len(before)}^{'~' * (marks - 1)}"
