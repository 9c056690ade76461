"""`strata deliver`: changes of the feed, posted to other systems."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from strata.cli import show
from strata.cli.options import Json, ServerAt, StoreAt, WrongUsage
from strata.cli.plain import command
from strata.cli.session import place
from strata.client import Client
from strata.errors import StrataError

__all__ = ["deliver"]

# The name of an endpoint that stands on the command line.
ONLY = "endpoint"


@command
def deliver(
    url: Annotated[
        str | None, typer.Option("--url", metavar="URL", help="Post changes here; or --config.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Endpoints, as TOML.")
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option("--state", metavar="DIR", help="Cursors and dead letters are kept here."),
    ] = None,
    segments: Annotated[
        list[str] | None,
        typer.Option("--segment", metavar="NAME", help="With --url: only these; repeatable."),
    ] = None,
    actions: Annotated[
        list[str] | None,
        typer.Option("--action", metavar="NAME", help="With --url: what it asks for; repeatable."),
    ] = None,
    ids: Annotated[
        str | None,
        typer.Option("--ids", metavar="KIND", help="With --url: send identifiers of this kind."),
    ] = None,
    secret_file: Annotated[
        Path | None,
        typer.Option("--secret-file", metavar="FILE", help="With --url: what signs deliveries."),
    ] = None,
    from_start: Annotated[
        bool,
        typer.Option("--from-start", help="With --url: at first, begin with the oldest change."),
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", help="Wait for changes to come.")
    ] = True,
    retry_dead: Annotated[
        bool, typer.Option("--retry-dead", help="Only try again what was given up.")
    ] = False,
    metrics: Annotated[
        str | None,
        typer.Option("--metrics", metavar="HOST:PORT", help="Show metrics for Prometheus."),
    ] = None,
    store: StoreAt = None,
    server: ServerAt = None,
    as_json: Json = False,
) -> None:
    """Post changes of segments, and what actions ask for, to other systems, each at least once and
    in their order.

    Signs with the secrets of --secret-file or STRATA_WEBHOOK_SECRET. Ctrl-C ends it; the next
    start goes on where it was.
    """
    from delivery.failures import DeliveryRefused
    from delivery.settings import load_settings

    if (url is None) == (config is None):
        raise WrongUsage("give --url URL for one endpoint, or --config FILE for several")
    endpoint: dict[str, Any] = {
        "segments": segments,
        "actions": actions,
        "identifier_kind": ids,
        "secret_file": secret_file,
        "from_start": from_start,
    }
    given = _only_endpoint(url, state, {name: value for name, value in endpoint.items() if value})
    if state is not None:
        given["state"] = state
    if metrics is not None:
        given["metrics"] = metrics
    try:
        settings = load_settings(config, **given)
        if retry_dead:
            _retry(settings, as_json)
        else:
            _deliver(settings, store, server, follow)
    except DeliveryRefused as error:
        raise StrataError("DELIVERY_REFUSED", str(error)) from None


def _only_endpoint(url: str | None, state: Path | None, chosen: dict[str, Any]) -> dict[str, Any]:
    """Settings of the endpoint that the command line names; none where a file has them."""
    if url is None:
        if chosen:
            raise WrongUsage(
                "--segment, --action, --ids, --secret-file and --from-start belong to --url"
            )
        return {}
    if state is None:
        raise WrongUsage("give --state DIR, where the sender keeps how far it is")
    return {"endpoints": {ONLY: {"url": url, **chosen}}}


def _retry(settings: Any, as_json: bool) -> None:
    from delivery.run import retry_dead

    tried = retry_dead(settings)
    for name, (taken, failed) in tried.items():
        if as_json:
            show.json_line({"endpoint": name, "delivered": taken, "dead": failed})
        else:
            typer.echo(f"{name}  {taken:,} delivered  {failed:,} still dead")
    if any(failed for _, failed in tried.values()):
        raise typer.Exit(1)


def _deliver(settings: Any, store: Path | None, server: str | None, follow: bool) -> None:
    from delivery.run import deliver as run
    from strata.cli.serving import set_up_log

    where = place(store, server)
    set_up_log()
    if where.server is not None:
        address = where.server
        run(settings, lambda: Client(address), follow=follow)
        return
    from strata.cli import embedded

    assert where.store is not None, "place() promises one of the two"
    # Nobody writes to a store that this command has open, so there is nothing to wait for.
    with (
        embedded.engine_failures(),
        embedded.opened(where.store, writes=False, creates=False) as database,
    ):
        run(
            settings,
            lambda: Client(transport=embedded.EmbeddedTransport(database)),
            follow=False,
        )
