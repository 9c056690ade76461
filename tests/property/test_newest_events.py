"""The newest of a profile's events, beside the first ones of all in order."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from engine.live.profile_event import ProfileEvent, between, newest

FEW = st.integers(-3, 3)
EVENTS = st.lists(st.builds(ProfileEvent, st.sampled_from("abc"), FEW), max_size=12)


@given(EVENTS, st.integers(0, 14), st.tuples(FEW, FEW))
def test_the_newest_are_the_first_in_order(
    events: list[ProfileEvent], limit: int, bounds: tuple[int, int]
) -> None:
    pairs = [*enumerate(events)]
    first, last = bounds
    inside = between(pairs, first, last)
    assert inside == [one for one in pairs if first <= one[1].time_us <= last]
    ordered = sorted(events, key=lambda one: (-one.time_us, one.type))
    keys = [(one.time_us, one.type) for one in ordered[: limit + 1]]
    # A twin behind the last one counts: which of the two is the last is open.
    twins = limit > 0 and any(one == other for one, other in pairwise(keys))
    assert newest(pairs, limit) == (None if twins else ordered[:limit])
    assert pairs == [*enumerate(events)]
