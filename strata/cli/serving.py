"""`strata serve`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from strata.cli.options import StoreAt
from strata.cli.plain import command
from strata.errors import StrataError

__all__ = ["serve", "set_up_log"]


@command
def serve(
    store: StoreAt = None,
    listen: Annotated[
        str | None,
        typer.Option("--listen", metavar="HOST:PORT", help="Default: 127.0.0.1:7411."),
    ] = None,
    port_file: Annotated[
        Path | None,
        typer.Option("--port-file", metavar="FILE", help="Keep the port here while serving."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Settings, as TOML.")
    ] = None,
    insecure: Annotated[
        bool,
        typer.Option("--insecure", help="Allow other machines in, without TLS or tokens."),
    ] = False,
) -> None:
    """Serve a store over gRPC until SIGTERM or Ctrl-C."""
    from server.failures import StartRefused
    from server.run import serve as run
    from server.settings import load_settings
    from strata.cli.embedded import engine_failures

    set_up_log()
    try:
        settings = load_settings(
            config,
            store=store,
            listen=listen,
            port_file=port_file,
            insecure=insecure or None,
        )
        with engine_failures():
            run(settings)
    except StartRefused as error:
        raise StrataError("START_REFUSED", str(error)) from None


def set_up_log() -> None:
    """One line per event on stderr: for people on a terminal, JSON otherwise."""
    # Only here: its traces bring half of rich along.
    import structlog

    # Tracebacks never show local variables: they hold what profiles say.
    render: structlog.typing.Processor
    if sys.stderr.isatty():
        render = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    else:
        render = structlog.processors.JSONRenderer(ensure_ascii=False)
    trace = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if sys.stderr.isatty() else [structlog.processors.ExceptionRenderer(trace)]),
            render,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
