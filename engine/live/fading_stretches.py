"""Where points that halve change what a row is in, over a long time, without looking at each hour.

An event with a half-life is worth something else each hour for months. But what it is worth goes
towards 0 and never back; so on a stretch of time on which no leaf flips and no event comes or
goes, what a rule gives lies between what it gives at both ends, and with it each score and each
comparison (`RowsJudged.bounds`). Of a row and a definition:

1. its flips cut the time into such stretches;
2. a stretch on which the definition is decided needs no more looking at, and mostly that is all of
   it: a score that has fallen below the lowest bound of a band stays there;
3. any other stretch is cut in two, until it is short;
4. of a short one, each instant at which something changes is to be judged.

So the work grows with how often somebody enters or leaves, and with the logarithm of the time, not
with the time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.live.moving_plan import RowsJudged
from engine.live.score_flips import ScoreFlips
from engine.rules.half_life import HOUR_US

__all__ = ["fading_instants"]

# A stretch no longer than this is not cut any more: each event changes something in it once at
# most, and few of those of one row do.
SHORT_US = HOUR_US // 8

_Listed = tuple[NDArray[np.intp], NDArray[np.int64]]


def fading_instants(
    judged: RowsJudged,
    segment: int,
    scores: Sequence[ScoreFlips],
    flips: _Listed,
    after_us: int,
    through_us: int,
) -> tuple[NDArray[np.intp], NDArray[np.int64], int]:
    """The instants after one and up to another at which the fading of `scores` may change who is
    in a segment: places of rows and instants, and how many stretches were judged. `flips` are all
    at which anything else may, by place, then instant, each once."""
    places, starts, ends = _stretches(judged, scores, flips, after_us, through_us)
    found_places, found = [places[:0]], [starts[:0]]
    judged_count = 0
    while len(places):
        may, may_not = judged.bounds(segment, places, starts, ends)
        judged_count += len(places)
        open_ = np.flatnonzero(may & may_not)
        places, starts, ends = places[open_], starts[open_], ends[open_]
        short = ends - starts <= SHORT_US
        for score in scores:
            listed = score.fading_within(judged.read, places[short], starts[short], ends[short])
            found_places.append(listed[0])
            found.append(listed[1])
        places, starts, ends = places[~short], starts[~short], ends[~short]
        middles = starts + (ends - starts) // 2
        places = np.concatenate([places, places])
        starts, ends = np.concatenate([starts, middles]), np.concatenate([middles, ends])
    return np.concatenate(found_places), np.concatenate(found), judged_count


def _stretches(
    judged: RowsJudged,
    scores: Sequence[ScoreFlips],
    flips: _Listed,
    after_us: int,
    through_us: int,
) -> tuple[NDArray[np.intp], NDArray[np.int64], NDArray[np.int64]]:
    """Of each row of which anything fades the stretches between its flips: places, and the first
    and last instants."""
    fades = np.zeros(len(judged.read.rows), np.bool_)
    for score in scores:
        fades |= score.fades(judged.read, after_us, through_us)
    of_fading = fades[flips[0]]
    everybody = np.flatnonzero(fades)
    places = np.concatenate([everybody, flips[0][of_fading]])
    starts = np.concatenate([np.full(len(everybody), after_us), flips[1][of_fading]])
    order = np.lexsort((starts, places))
    places, starts = places[order], starts[order]
    ends = np.full(len(places), through_us, np.int64)
    same = places[1:] == places[:-1]
    ends[:-1][same] = starts[1:][same] - 1
    longer = ends > starts
    return places[longer], starts[longer], ends[longer]
