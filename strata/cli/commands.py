"""All commands, by name."""

from __future__ import annotations

from strata.cli import (
    benching,
    coming,
    counting,
    delivering,
    explaining,
    frozen,
    listing,
    lists,
    loading,
    measuring,
    modelling,
    overlapping,
    profiles,
    serving,
    storing,
    tiers,
    trying,
    watching,
)
from strata.cli.main import new_app

__all__ = ["app"]

app = new_app()
app.command()(serving.serve)
app.command()(modelling.apply)
app.command()(modelling.plan)
app.command()(modelling.model)
app.command()(loading.load)
app.command()(counting.count)
app.command()(measuring.distribution)
app.command()(measuring.summarize)
app.command()(measuring.funnel)
app.command()(overlapping.overlap)
app.command()(overlapping.waterfall)
app.command()(trying.whatif)
app.command()(tiers.refresh)
app.command()(tiers.flow)
app.command("list")(listing.list_members)
app.command()(frozen.freeze)
app.add_typer(frozen.app, name="frozen")
app.command()(profiles.profile)
app.command()(profiles.events)
app.command()(explaining.explain)
app.command()(watching.watch)
app.command()(delivering.deliver)
app.command("next")(coming.coming)
app.command("format")(counting.format_text)
app.add_typer(lists.app, name="lists")
app.command()(storing.verify)
app.command()(storing.checkpoint)
app.command()(storing.stats)
app.command()(benching.bench)
