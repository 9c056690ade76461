"""Why the members of an expression can change while no data does: because time passes.

Of the leaves of a bound tree these move with the clock:
- a form with `now` in it (`joined > now - 7 days`), also one without a field (`now > time '...'`);
- whatever reads an attribute with `history`, whose value is that of the instant asked, and an
  attribute that `needs` a purpose, since consent expires;
- aggregates over events and scores, by their windows, half-lives and consent; `band`, `tier`,
  `consent` and `sequence` too, which are bound to BoundLater.
And these do not: an attribute compared with literals or with other attributes, presence, sets,
texts, lists, buckets, and the first instant of a date's day (DateStartSource), which the model's
time zone fixes once and for all. `now - now` is gone when a form is bound. A computed attribute is
counted with the first, since it has no evaluator so far.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.model.definitions import Attribute
from engine.rules import bound

__all__ = ["why_it_moves"]


def why_it_moves(expression: bound.BoundExpr) -> str:
    """Why the answer depends on the instant asked, through segments too, as the end of a
    sentence; '' where it follows from the stored data alone."""
    for predicate in bound.predicates_of(expression):
        if isinstance(predicate, bound.BoundLater):
            return f"it reads {predicate.construct}, which is not evaluated so far"
        for form in _forms(predicate):
            if form.now_factor:
                return "it reads now"
        for source in _sources(predicate):
            match source:
                case bound.AggregateSource(aggregate=aggregate):
                    return f"it reads {aggregate.function}(...), which is not evaluated so far"
                case bound.ScoreSource(name=name):
                    return f"it reads score('{name}'), which is not evaluated so far"
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


def _sources(predicate: bound.BoundExpr) -> Iterator[bound.Source]:
    for form in _forms(predicate):
        yield from (term.source for term in form.terms)
    match predicate:
        case bound.BoundFloatCompare(left=left, right=right):
            terms = (*left.terms, *right.terms)
        case bound.BoundFloatIn(value=value):
            terms = value.terms
        case _:
            return
    yield from (term.source for term in terms if not isinstance(term.source, float))
