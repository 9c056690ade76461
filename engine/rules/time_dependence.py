"""What changes the members of an expression while no data does: the passing of time.

Of the leaves of a bound tree these move with the clock:
- a form with `now` in it (`joined > now - 7 days`), also one without a field (`now > time '...'`);
- whatever reads an aggregate or a sequence of events, whose window goes on, and which an event that
  is dated ahead enters at its own time.
  The instants at which either changes follow from the row and its events, so a segment that
  reads it can be kept (`moves`);
- a score that counts events, which come, go and fade at whole hours of their age, or one of whose
  rules moves;
- whatever reads an attribute that `needs` a purpose, since consent expires;
- `consent`, which is bound to BoundLater.
Nothing finds the instants of the last two so far, and who reads them is not kept (`why_unkept`).

And these do not move: an attribute compared with literals or with other attributes (at the clock
one with `history` is what is stored), presence, sets, texts, lists, buckets, and the first instant
of a date's day (DateStartSource), which the model's time zone fixes once and for all. `now - now`
is gone when a form is bound, and a computed attribute has become what computes it.
"""

from __future__ import annotations

from engine.rules import bound
from engine.rules.bound_events import BoundSequence

__all__ = ["moves", "moves_anywhere", "why_unkept"]


def moves(predicate: bound.BoundExpr) -> bool:
    """Whether one predicate reads `now` or events, itself or by what a score counts, and changes at
    instants that can be worked out."""
    if isinstance(predicate, BoundSequence) or bound.aggregates_of(predicate):
        return True
    if any(score.counted for score in bound.scores_of(predicate)):
        return True
    match predicate:
        case bound.BoundCompare(form=form) | bound.BoundIn(form=form):
            return bool(form.now_factor)
        case _:
            # A time is never compared with a float, so there is no `now` in doubles.
            return False


def moves_anywhere(expression: bound.BoundExpr) -> bool:
    """Whether an expression reads `now` or events somewhere, through segments and scores too."""
    return any(moves(predicate) for predicate in bound.predicates_of(expression))


def why_unkept(expression: bound.BoundExpr) -> str:
    """Why nobody can say when the answer changes, through segments too, as the end of a
    sentence; '' where the instants are known, or there are none."""
    for predicate in bound.predicates_of(expression):
        if isinstance(predicate, bound.BoundLater):
            return f"it reads {predicate.construct}, which is not evaluated so far"
        for attribute in bound.attributes_of(predicate):
            if attribute.needs is not None:
                return f"it reads {attribute.name}, which needs consent"
    return ""
