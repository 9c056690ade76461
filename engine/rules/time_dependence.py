"""Why the members of an expression can change while no data does: because time passes.

Of the leaves of a bound tree these move with the clock:
- a form with `now` in it (`joined > now - 7 days`), also one without a field (`now > time '...'`);
- whatever reads an attribute with `history`, whose value is that of the instant asked, and an
  attribute that `needs` a purpose, since consent expires;
- aggregates over events, sequences and scores, by their windows, half-lives and consent; `band`,
  `tier` and `consent` too, which are bound to BoundLater.
And these do not: an attribute compared with literals or with other attributes, presence, sets,
texts, lists, buckets, and the first instant of a date's day (DateStartSource), which the model's
time zone fixes once and for all. `now - now` is gone when a form is bound. A computed attribute is
counted with the first, since it has no evaluator so far.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.model.definitions import Attribute
from engine.rules import bound
from engine.rules.bound_events import BoundSequence

__all__ = ["why_it_moves"]


def why_it_moves(expression: bound.BoundExpr) -> str:
    """Why the answer depends on the instant asked, through segments too, as the end of a
    sentence; '' where it follows from the stored data alone."""
    for predicate in bound.predicates_of(expression):
        if isinstance(predicate, bound.BoundLater):
            return f"it reads {predicate.construct}, which is not evaluated so far"
        if isinstance(predicate, BoundSequence):
            return "it reads sequence(...), which is not evaluated so far"
        for aggregate in bound.aggregates_of(predicate):
            return f"it reads {aggregate.function}(...), which is not evaluated so far"
        if any(form.now_factor for form in _forms(predicate)):
            return "it reads now"
        for source in bound.sources_of(predicate):
            if isinstance(source, bound.ScoreSource):
                return f"it reads score('{source.name}'), which is not evaluated so far"
        for attribute in bound.attributes_of(predicate):
            reason = _why_attribute_moves(attribute)
            if reason:
                return reason
    return ""


def _why_attribute_moves(attribute: Attribute) -> str:
    if attribute.history:
        return f"it reads the history of {attribute.name}"
    if attribute.needs is not None:
        return f"it reads {attribute.name}, which needs consent"
    if attribute.computed is not None:
        return f"it reads {attribute.name}, which is computed"
    return ""


def _forms(predicate: bound.BoundExpr) -> Iterator[bound.Linear]:
    match predicate:
        case bound.BoundCompare(form=form) | bound.BoundIn(form=form):
            yield form
        case bound.BoundFloatCompare(left=left, right=right):
            yield from (side.exact for side in (left, right) if side.exact is not None)
        case bound.BoundFloatIn(value=value) if value.exact is not None:
            yield value.exact
