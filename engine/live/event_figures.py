"""How many events a store has, and how many bytes of its file they take."""

from __future__ import annotations

from engine.store.catalog import FieldKind, event_field
from engine.store.snapshot import Snapshot

__all__ = ["event_figures"]


def event_figures(snapshot: Snapshot) -> dict[str, int]:
    """`events` and `event_bytes`, then `events.TYPE` and `events.TYPE.stored_bytes` of each type.

    Events are those that the snapshot sees, bytes those of the chunks that are saved.
    """
    prefix = event_field("")
    counts: dict[str, int] = {}
    sizes: dict[str, int] = {}
    for field in snapshot.fields.values():
        if field.kind == FieldKind.EVENTS:
            name = field.name.removeprefix(prefix)
            zones = (snapshot.zone(field.id, block) for block in range(snapshot.block_count))
            counts[name] = sum(int(zone.present_count) for zone in zones if zone is not None)
            listed = (manifest.field(field.id) for manifest in snapshot.version.state.manifests)
            sizes[name] = sum(int(entries["length"].sum()) for entries in listed)
    figures = {"events": sum(counts.values()), "event_bytes": sum(sizes.values())}
    for name, count in counts.items():
        figures[f"events.{name}"] = count
        figures[f"events.{name}.stored_bytes"] = sizes[name]
    return figures
