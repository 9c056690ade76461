"""What is kept of a model: which definitions, under which numbers and versions, and why not others.

A definition is kept when nothing in it moves with the clock, or when the instants are known at
which it does (`engine.rules.time_dependence`); its members stand in a field of the store. Of each
other there is a reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from engine.live.definitions import Definition, definitions_of, key_of
from engine.model.definitions import Model
from engine.rules import bound
from engine.rules.bind import Binder
from engine.rules.meaning import meaning_of
from engine.rules.retention import retentions
from engine.rules.time_dependence import why_unkept
from engine.store.catalog import Catalog, segment_field

__all__ = ["KeptDefinitions", "version_of"]

_UNSTORED = "its members are stored once the store has been opened for writing"


class KeptDefinitions:
    """The definitions of one model version by their names; see StoredSegments."""

    def __init__(
        self,
        model: Model,
        binder: Binder,
        catalog: Catalog,
        versions: Mapping[str, int] | None = None,
    ) -> None:
        self.model = model
        self._versions = dict(versions or {})
        self.definitions: Mapping[str, Definition] = MappingProxyType(
            {definition.name: definition for definition in definitions_of(model, binder)}
        )
        reasons = {name: why_unkept(one.says) for name, one in self.definitions.items()}
        self.not_kept: Mapping[str, str] = MappingProxyType(
            {name: reason for name, reason in reasons.items() if reason}
        )
        self.kept = tuple(name for name, reason in reasons.items() if not reason)
        self._fields = {
            name: catalog[segment_field(name)].id
            for name in self.kept
            if segment_field(name) in catalog
        }

    @property
    def stored(self) -> tuple[str, ...]:
        """Names of the kept definitions that have a membership field, in model order; `moving` has
        those among them that change by time alone."""
        return tuple(self._fields)

    @property
    def unstored(self) -> tuple[str, ...]:
        """Names of the definitions that can be kept, and have no field so far: an earlier version
        of this program, which wrote the store, could not keep them."""
        return tuple(name for name in self.kept if name not in self._fields)

    @property
    def unkept(self) -> Mapping[str, str]:
        """Name of each segment without stored members -> why, as the end of a sentence."""
        return {n: reason for n, reason in self._reasons().items() if n in self.model.segments}

    @property
    def untold(self) -> Mapping[str, str]:
        """Key path of each score, tier and tag that the feed does not tell of -> why, as `unkept`
        has it of segments."""
        return {
            self.definitions[name].told or key_of(name): reason
            for name, reason in self._reasons().items()
            if name not in self.model.segments and not self.definitions[name].sets_facts
        }

    def _reasons(self) -> Mapping[str, str]:
        return {**self.not_kept, **dict.fromkeys(self.unstored, _UNSTORED)}

    def membership_field(self, name: str) -> int | None:
        """Number of the field with the members of a definition; None where none are stored."""
        return self._fields.get(name)

    def definition_version(self, name: str) -> int:
        """Number of a definition."""
        return version_of(self._versions, name)

    def meaning(self, name: str) -> bytes:
        """What a definition says, through the segments it mentions, and for how long the events are
        kept that it reads: equal for equal meanings."""
        body = self.definitions[name].says
        kept = retentions(body, self.model)
        return meaning_of(body, self.model.time_zone.key) + (repr(kept).encode() if kept else b"")

    def reading_list(self, list_name: str) -> tuple[str, ...]:
        """The stored definitions that read an uploaded list, through others too."""
        return tuple(
            name
            for name in self._fields
            if any(
                isinstance(predicate, bound.BoundList) and predicate.name == list_name
                for predicate in bound.predicates_of(self.definitions[name].body)
            )
        )


def version_of(versions: Mapping[str, int], name: str) -> int:
    """The number of a definition."""
    return versions.get(name, 1)
