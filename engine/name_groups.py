"""Groups by the names of a band or a tier: each is one more expression of the same question."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from engine.audience import Audience, CountResult
from engine.errors import InputInvalid, NotFound, about_field
from engine.model.definitions import Model
from engine.model.plain import tier_names
from engine.nearest import nearest
from engine.rules import tree

__all__ = ["count_by_names", "counted", "group_call", "group_expressions", "group_names_of"]

_CALL = re.compile(r"\s*(tier|band|score)\s*\(\s*'((?:[^']|'')*)'\s*\)\s*", re.IGNORECASE)


def group_call(text: str, model: Model) -> tree.Call | None:
    """The band or tier that a text names, `tier('x')`; None where it names none, as an attribute.
    Raises NotFound, and InputInvalid for a score, or one without bands."""
    while text in model.attributes:
        computed = model.attributes[text].computed
        if computed is None:
            return None
        text = computed.strip()
    found = _CALL.fullmatch(text)
    if found is None:
        return None
    name = found[2].replace("''", "'")
    if found[1].lower() == "tier":
        _require(name, "tier", model.tiers)
        return tree.Call("tier", name)
    _require(name, "score", model.scores)
    if found[1].lower() == "score":
        raise about_field(
            InputInvalid,
            "group_by",
            f"A score has too many values to group by; take {text.replace(found[1], 'band', 1)}, "
            "or ask for its distribution.",
        )
    if not model.bands(name):
        message = f"The score '{name}' has no bands to group by."
        raise about_field(InputInvalid, "group_by", message)
    return tree.Call("band", name)


def group_names_of(call: tree.Call, model: Model) -> tuple[str, ...]:
    """The names of a band, lowest first, or of a tier."""
    if call.function == "tier":
        return tier_names(model.tiers[call.argument])
    return tuple(model.bands(call.argument))


def group_expressions(
    among: tree.Expr, call: tree.Call, model: Model
) -> Iterator[tuple[str | None, tree.Expr]]:
    """Each name with those of an audience who have it; None with those who have none."""
    items = among.items if isinstance(among, tree.And) else (among,)
    for name in group_names_of(call, model):
        yield name, tree.And((*items, tree.Compare(call, "=", tree.Text(name))))
    yield None, tree.And((*items, tree.Presence(call, False)))


def counted(
    audience: Audience,
    expression: str | tree.Expr,
    *,
    nodes: bool = False,
    group_by: str | None = None,
) -> CountResult:
    """The count of an expression, which is added; with `nodes` at each node of its tree, with
    `group_by` split by a category or bool attribute, or by `tier('x')` or `band('x')`."""
    model = audience.binder.model
    call = None if group_by is None else group_call(group_by, model)
    audience.add(expression, keeps_tree=nodes or call is not None)
    if call is not None:
        return count_by_names(audience, call, model, nodes=nodes)
    if group_by is not None:
        return audience.count_by(group_by, nodes=nodes)
    return audience.counts(nodes=nodes)[0]


def count_by_names(
    audience: Audience, call: tree.Call, model: Model, *, nodes: bool = False
) -> CountResult:
    """The count of the one expression added, and its split by the names of a band or tier."""
    groups = list(group_expressions(audience.expression, call, model))
    for _, expression in groups:
        audience.add(expression)
    whole, *parts = audience.counts(nodes=nodes)
    names = (name for name, _ in groups)
    found = {name: one.count for name, one in zip(names, parts, strict=True) if one.count}
    return replace(whole, groups=found)


def _require(name: str, what: str, known: Mapping[str, object]) -> None:
    if name not in known:
        close = nearest(name, known)
        hint = f" Did you mean '{close}'?" if close else ""
        message = f"There is no {what} named '{name}' to group by.{hint}"
        raise about_field(NotFound, "group_by", message)
