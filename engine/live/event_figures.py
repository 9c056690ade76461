"""How many events a store has, and how many bytes of its file they take."""

from __future__ import annotations

from engine.model.hidden_events import is_hidden, is_told
from engine.store.catalog import FieldKind, event_field
from engine.store.snapshot import Snapshot

__all__ = ["event_figures"]


def event_figures(snapshot: Snapshot) -> dict[str, int]:
    """`events` and `event_bytes`, then `events.TYPE` and `events.TYPE.stored_bytes` of each type
    that is declared; `hidden_events` and `hidden_event_bytes` of facts and histories together,
    `told_tags` and `told_tag_bytes` of the tags that properties name, as the feed told them.

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
    declared = [name for name in counts if not is_hidden(name)]
    told = [name for name in counts if is_told(name)]
    hidden = [name for name in counts if is_hidden(name) and not is_told(name)]
    figures = {
        "events": sum(counts[name] for name in declared),
        "event_bytes": sum(sizes[name] for name in declared),
        "hidden_events": sum(counts[name] for name in hidden),
        "hidden_event_bytes": sum(sizes[name] for name in hidden),
        "told_tags": sum(counts[name] for name in told),
        "told_tag_bytes": sum(sizes[name] for name in told),
    }
    for name in declared:
        figures[f"events.{name}"] = counts[name]
        figures[f"events.{name}.stored_bytes"] = sizes[name]
    return figures
