"""`strata apply`, `strata plan` and `strata model`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from strata.answers import ModelChange, ModelPlan
from strata.cli import show
from strata.cli.options import Json, ServerAt, StoreAt
from strata.cli.plain import command
from strata.cli.session import place, session
from strata.cli.waiting import waiting

__all__ = ["apply", "model", "plan"]


@command
def apply(
    path: Annotated[Path, typer.Argument(metavar="MODEL", help="A YAML file, or a folder.")],
    check: Annotated[
        bool, typer.Option("--check", help="Only report faults; change nothing.")
    ] = False,
    store: StoreAt = None,
    server: ServerAt = None,
    as_json: Json = False,
) -> None:
    """Put a model in force. Makes the store where --store names none yet."""
    from engine.model.files import read_model_files
    from strata.cli.embedded import engine_failures

    where = place(store, server, needed=not check)
    with engine_failures():
        files = read_model_files(path)
        if check and where.server is None:
            change = _checked(files)
    if not check or where.server is not None:
        with session(where, writes=not check, creates=not check) as client:
            change = client.apply_model(files, validate_only=check)
    if as_json:
        show.json_line(dataclasses.asdict(change))
    elif check:
        later = ", ".join(change.not_yet_keys)
        typer.echo(
            f"The model has no faults. Not built in this version, so an apply refuses: {later}."
            if later
            else "The model has no faults."
        )
    else:
        typer.echo(_told(change))
        for line in show.definition_changes(change.changes):
            typer.echo(line)


@command
def plan(
    path: Annotated[Path, typer.Argument(metavar="MODEL", help="A YAML file, or a folder.")],
    store: StoreAt = None,
    server: ServerAt = None,
    as_json: Json = False,
) -> None:
    """Show who would enter and leave what if a model were applied. Changes nothing."""
    from engine.model.files import read_model_files
    from strata.cli.embedded import engine_failures

    where = place(store, server)
    with engine_failures():
        files = read_model_files(path)
    with session(where) as client, waiting("Planning"):
        planned = client.plan_model(files)
    if as_json:
        show.json_line(dataclasses.asdict(planned))
        return
    for line in _planned(planned):
        typer.echo(line)


def _planned(planned: ModelPlan) -> Iterator[str]:
    """What a plan says to people."""
    said = (
        ("New", planned.added_keys),
        ("Changed", planned.changed_keys),
        ("Gone", planned.removed_keys),
    )
    if not any(keys for _, keys in said):
        yield "Nothing would change."
        return
    for what, keys in said:
        if keys:
            yield f"{what}: {', '.join(keys)}"
    yield from show.definition_changes(planned.changes)


def _checked(files: Mapping[str, str]) -> ModelChange:
    """What a check says; it needs no store."""
    from engine.database import Database

    return ModelChange(0, False, (), (), (), Database.check_model(files).not_yet)


def _told(change: ModelChange) -> str:
    if not change.changed:
        return f"Nothing changed; model version {change.version} stays in force."
    parts = [f"Model version {change.version} is in force."]
    for what, keys in (
        ("New", change.added_keys),
        ("Changed", change.changed_keys),
        ("Gone", change.removed_keys),
    ):
        if keys:
            parts.append(f"{what}: {', '.join(keys)}.")
    return " ".join(parts)


@command
def model(
    schema: Annotated[
        bool,
        typer.Option("--schema", help="Print the JSON Schema of model files, for editors."),
    ] = False,
    store: StoreAt = None,
    server: ServerAt = None,
    as_json: Json = False,
) -> None:
    """Print the model in force."""
    if schema:
        import json

        from engine.model.schema import schema as schema_of_models

        typer.echo(json.dumps(schema_of_models(), ensure_ascii=False, indent=2))
        return
    with session(place(store, server)) as client:
        current = client.model()
    if as_json:
        show.json_line(dataclasses.asdict(current))
        return
    for name, text in current.files.items():
        if len(current.files) > 1:
            typer.echo(f"# {name}")
        typer.echo(text, nl=not text.endswith("\n"))
