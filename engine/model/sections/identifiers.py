"""`identifiers`: the kinds of identifier, the strongest first."""

from __future__ import annotations

from collections.abc import Iterator

from engine.model.definitions import Identifier
from engine.model.sections.declared import Declared
from engine.model.shape import Fault, Shape, repeated
from engine.model.written import AnyValue, Whole

__all__ = ["IdentifierShape", "build", "check"]

# A profile's own id is addressed like an identifier of this kind.
_BUILT_IN = "uid"


class IdentifierShape(Shape):
    """How many values of this kind a profile may own, and which identify nobody."""

    may_be_empty = True

    per_profile: Whole | None = None
    blocked: tuple[AnyValue, ...] = ()


def check(name: str, shape: IdentifierShape, declared: Declared) -> Iterator[Fault]:
    """Faults of one kind of identifier beyond its shape."""
    path = ("identifiers", name)
    if name == _BUILT_IN:
        yield Fault(path, f"'{name}' is built in: the id that every profile has", "rename it")
    if ":" in name:
        yield Fault(path, f"the kind '{name}' holds ':'", "an identifier is written kind:value")
    yield from repeated((*path, "blocked"), shape.blocked)


def build(name: str, shape: IdentifierShape, rank: int) -> Identifier:
    """The definition; `rank` counts from 0, the strongest."""
    return Identifier(name, rank, shape.per_profile, frozenset(shape.blocked))
