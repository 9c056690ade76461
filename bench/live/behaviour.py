"""The models of the live benchmark over events: windows that run out, scores, and a month's end."""

from __future__ import annotations

import numpy as np

from bench.data.events import CATEGORIES, TYPES
from bench.data.model import model_text as people_text
from bench.data.people import INDUSTRIES, STAGES
from bench.live.model import attribute_segments

__all__ = ["WATCHED", "month_text", "rules_of", "segment_names", "windows_text"]

# Some of each batch enter it, though batches come again, and leave it half a minute later.
WATCHED = "w002"
# The shortest are as many as the longer ones: what comes in by them goes out again at once.
_WINDOWS = ("30 seconds", "10 minutes", "1 hour", "1 day", "7 days", "30 days", "90 days")
_SCORES = """\
  activity:
    rules:
      - {each: "visit in last 30 days", points: 1, at_most: 20}
      - {each: "download where asset = '白皮书' in last 90 days", points: 10, at_most: 40}
      - {when: "count(order in last 30 days) >= 1", points: 30}
    bands: {cold: 0, warm: 20, hot: 50}
  loyalty:
    rules:
      - {each: "order in last 90 days", points: 5, at_most: 50}
      - {when: "sum(order.amount in last 90 days) >= 500", points: 25}
      - {when: "stage in ('loyal', 'champion')", points: 15}
    bands: {guest: 0, regular: 20, fan: 60}
  interest:
    rules:
      - {each: "read in last 7 days", points: 3, at_most: 15}
      - {each: "watch in last 7 days", points: 5, at_most: 25}
      - {when: "count(chat in last 10 minutes) >= 1", points: 20}
    bands: {none: 0, some: 5, much: 25}
"""


def segment_names(segment_count: int) -> list[str]:
    """The segments of both models."""
    half = segment_count // 2
    return [f"w{n:03}" for n in range(half)] + [f"s{n:03}" for n in range(segment_count - half)]


def rules_of(text: str) -> dict[str, str]:
    """Name of each segment of a model of these -> what it says."""
    lines = (line.strip().partition(": ") for line in text.splitlines())
    return {name: rule[1:-1] for name, _, rule in lines if name[:1] in "ws" and name[1:].isdigit()}


def windows_text(segment_count: int, seed: int = 1) -> str:
    """Three scores, and as many segments: half of them over windows of 30 seconds to 90 days, half
    over attributes and tags."""
    rng = np.random.default_rng(seed)
    half = segment_count // 2
    rules = [f"count({', '.join(TYPES)} in last 10 minutes) >= 1"]
    rules += [_over_window(rng, number) for number in range(1, half)]
    return _text("UTC", rules, segment_count - half)


def month_text(segment_count: int, zone: str, seed: int = 1) -> str:
    """As many segments of which half read `this month`, `today` or dates of a local calendar."""
    rng = np.random.default_rng(seed)
    half = segment_count // 2
    rules = [_of_calendar(rng, number) for number in range(half)]
    return _text(zone, rules, segment_count - half)


def _text(zone: str, rules: list[str], attribute_count: int) -> str:
    # The people's model ends with its score.
    text = people_text(events=True).replace("time_zone: UTC", f"time_zone: {zone}")
    lines = [f'  w{number:03}: "{rule}"\n' for number, rule in enumerate(rules)]
    return f"{text}{_SCORES}segments:\n{''.join(lines)}{attribute_segments(attribute_count)}"


def _over_window(rng: np.random.Generator, number: int) -> str:
    kind = TYPES[number % len(TYPES)]
    # So that each type has windows of each length.
    window = f"in last {_WINDOWS[number // len(TYPES) % len(_WINDOWS)]}"
    stages = ", ".join(f"'{stage}'" for stage in rng.choice(STAGES, 4, replace=False))
    match int(rng.integers(0, 4)):
        case 0:
            return f"count({kind} {window}) >= 1 and stage in ({stages})"
        case 1:
            channel = CATEGORIES["channel"][int(rng.integers(0, 3))]
            return f"count({kind} where channel = '{channel}' {window}) >= 1"
        case 2 if kind == "order":
            return f"sum(order.amount {window}) >= {rng.integers(50, 500)}"
        case 2:
            return f"count({kind} {window}) >= 2 or count({kind}) >= 5"
        case _:
            return f"count({kind} {window}) >= 1 and count(order in last 90 days) = 0"


def _of_calendar(rng: np.random.Generator, number: int) -> str:
    kind = TYPES[number % len(TYPES)]
    industry = INDUSTRIES[int(rng.integers(0, 5))]
    match number % 5:
        case 0:
            return f"count({kind} this month) >= {1 + number // 25}"
        case 1:
            return f"count({kind} today) >= 1"
        case 2:
            return f"count({kind} this month) >= 1 and industry = '{industry}'"
        case 3:
            return f"count({kind} today) >= 1 or count({kind} this month) >= 3"
        case _:
            # Turns at the same midnight for those who joined on one day.
            return f"joined < now - {30 * (1 + number)} days and industry = '{industry}'"
