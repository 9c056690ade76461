"""Where the command line begins.

Python takes longer to bring a command's modules along than `strata count` takes to count. So that
command comes alone; any other, and any help on all of them, comes with all.
"""

from __future__ import annotations

import os
import sys

import typer

__all__ = ["main", "new_app"]

COUNT = "count"


def new_app() -> typer.Typer:
    """The program, without any command yet."""
    return typer.Typer(
        help="Exact audiences over customer profiles.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
    )


def _counting() -> typer.Typer:
    """The program with the command `count` alone."""
    from strata.cli.counting import count

    app = new_app()
    # Otherwise the only command would be called without its name.
    app.callback()(lambda: None)
    app.command(COUNT)(count)
    return app


def main() -> None:
    """Runs the command line; exit status 0 done, 1 refused or failed, 2 bad usage."""
    # Pydantic looks through all that is installed for plugins, of which a model file has no need.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    if sys.argv[1:2] == [COUNT]:
        app = _counting()
    else:
        from strata.cli.commands import app
    app(prog_name="strata")
