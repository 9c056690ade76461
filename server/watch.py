"""WatchService: what changes, from the stored feed.

A watcher is a place in the feed and nothing else: no queue, no thread.

1. It reads a step on the reading lane, sends it, and reads the next when gRPC has taken it. So a
   slow caller slows nobody: what it has not read stays in the store, until it is dropped there.
2. When it has caught up it waits on the event loop, and takes a turn again when the feed has
   grown. Few watchers read at a time, the others stand in line without a place of the lane.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from engine.actions import Actions
from engine.errors import InputInvalid, NotFound, NotYet, Overloaded
from engine.limits import FEED_PROGRESS_S, FEED_READS
from engine.live.feed import FeedCompacted, FeedSource, side_of
from engine.live.resume_token import FeedPosition
from engine.model.definitions import Model
from engine.model.hidden_events import tag_places, tag_values
from engine.model.plain import Score, TagRule
from engine.model.positions import key_text
from engine.nearest import nearest
from server import convert
from server.call import Call
from server.changes import changes
from server.failures import ShuttingDown
from server.feed_bell import FeedBell
from server.lanes import Lane
from strata.v1 import watch_pb2 as pb

__all__ = ["WatchService", "WatchedDatabase"]

T = TypeVar("T")

# As many names of a kind as a model can hold.
NAMES_MOST = 10_000
SEGMENTS = "segments."


class WatchedDatabase(Protocol):
    """What a watch needs of a database."""

    @property
    def model(self) -> Model | None:
        """The model in force; None before the first apply."""

    @property
    def feed(self) -> FeedSource:
        """Reads the feed; the same object as long as the database is open."""

    @property
    def actions(self) -> Actions:
        """Says what there is to do by entries of actions."""

    def unkept_segments(self) -> Mapping[str, str]:
        """Segments of the model that are evaluated only when asked -> why, as the end of a
        sentence: "it depends on the time of asking"."""

    def untold_definitions(self) -> Mapping[str, str]:
        """Key path of each score, tier and tag of the model that the feed does not tell of -> why,
        as the end of a sentence."""

    def add_feed_listener(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls `listener`, on any thread, whenever the feed has grown; returns what ends that."""


@dataclass(frozen=True, slots=True)
class Watcher:
    """What one caller wants to see, by key path, or by key path and name (`side_of`). None means
    all segments that are kept."""

    definitions: frozenset[str] | None
    kind: str

    def wants(self, definition: str) -> bool:
        """Whether entries of a definition are to be sent."""
        if self.definitions is None:
            return definition.startswith(SEGMENTS)
        return definition in self.definitions


class WatchService:
    """Follows definitions. Belongs to one event loop; `progress_s` is the longest silence."""

    def __init__(
        self, database: WatchedDatabase, reads: Lane, *, progress_s: float = FEED_PROGRESS_S
    ) -> None:
        self._database = database
        self._reads = reads
        self._progress_s = progress_s
        self._turns = asyncio.Semaphore(FEED_READS)
        self._bell = FeedBell(
            lambda: database.feed, lambda listener: database.add_feed_listener(listener)
        )
        self._draining = False

    def drain(self) -> None:
        """From now on, and for good, nobody can watch; those who do are told to come back."""
        self._draining = True
        self._bell.ring()

    async def watch(self, request: pb.WatchRequest, call: Call) -> AsyncIterator[pb.WatchResponse]:
        """Every entry from the place asked for, as long as the caller stays."""
        self._refuse_draining()
        loop = asyncio.get_running_loop()
        watcher, position = await self._turn(lambda: self._begin(request), call)
        told_at: float | None = None
        told_caught_up = False
        while True:
            try:
                step = await self._turn(lambda: self._step(watcher, position), call)  # noqa: B023
            except FeedCompacted as gone:
                yield self._compacted(gone)
                return
            position, caught_up = step.end, step.caught_up
            for response in step.responses:
                yield response
                told_at, told_caught_up = loop.time(), response.caught_up
            silent_s = self._progress_s if told_at is None else loop.time() - told_at
            if silent_s >= self._progress_s or (caught_up and not told_caught_up):
                yield self._progress(position, caught_up)
                told_at, told_caught_up, silent_s = loop.time(), caught_up, 0.0
            if caught_up:
                await self._bell.wait(position.sequence, self._progress_s - silent_s)
            self._refuse_draining()

    def _refuse_draining(self) -> None:
        if self._draining:
            raise ShuttingDown("The server is about to stop; resume with the last token.")

    async def _turn(self, work: Callable[[], T], call: Call) -> T:
        """Work on the lane, in turn; where the lane is full, a little later."""
        while True:
            call.control.check()
            try:
                async with self._turns:
                    return await self._reads.run(work, call.control)
            except Overloaded as full:
                await asyncio.sleep(full.retry_after_ms / 1000)

    # ------------------------------------------------------------------- on the lane

    def _begin(self, request: pb.WatchRequest) -> tuple[Watcher, FeedPosition]:
        """What to watch, and from where. Raises InputInvalid, NotFound, NotYet."""
        model = self._database.model
        named = self._segments(request.segments, () if model is None else model.segments)
        named += self._others("scores", request.scores, () if model is None else model.scores)
        named += self._others("tiers", request.tiers, () if model is None else model.tiers)
        named += self._tags(request.tags, () if model is None else model.tag_rules)
        named += self._others("actions", request.actions, () if model is None else model.actions)
        named += self._points(request.points, {} if model is None else model.scores)
        kind = request.identifier_kind
        kinds = () if model is None else model.identifiers
        if kind and kind not in kinds:
            close = nearest(kind, kinds)
            raise convert.invalid(
                "identifier_kind",
                f"there is no kind of identifier {kind}",
                f"did you mean {close}?" if close else "",
            )
        return Watcher(frozenset(named) or None, kind), self._start(request)

    def _segments(self, names: Iterable[str], known: Iterable[str]) -> list[str]:
        """The key paths of segments that can be watched."""
        named = _checked("segments", "segment", names, known, ", or none for all")
        unkept = self._database.unkept_segments() if named else {}
        for name in named:
            if name in unkept:
                raise NotYet(
                    f"Segment {name} cannot be watched in this version: {unkept[name]}. It is not"
                    " kept up to date, but evaluated when it is counted or listed."
                )
        return [key_text(("segments", name)) for name in named]

    def _others(self, section: str, names: Iterable[str], known: Iterable[str]) -> list[str]:
        """The key paths of scores, tiers or actions that can be watched."""
        named = _checked(section, section[:-1], names, known, "")
        return self._told([key_text((section, name)) for name in named])

    def _tags(self, names: Iterable[str], rules: Sequence[TagRule]) -> list[str]:
        """The key paths of tags, and of those that properties name the tag beside that of the rule,
        where one of them alone is asked for."""
        known = {rule["tag"]: rule for rule in rules}
        named = [name for name in names if name not in known]
        by_rule = {name: _rules_naming(name, rules) for name in named}
        there = [*known, *(name for name in named if by_rule[name])]
        _checked("tags", "rule for the tag", names, there, "")
        keys = []
        for name in names:
            of_rules = [name] if name in known else by_rule[name]
            for key in self._told([key_text(("tags", tag)) for tag in of_rules]):
                keys.append(key if name in known else side_of(key, name))
        return keys

    def _points(self, names: Iterable[str], known: Mapping[str, Score]) -> list[str]:
        """The key paths of the points of scores."""
        named = _checked("points", "score", names, known, "")
        for name in named:
            if "feed" not in known[name]:
                hint = f"set `feed: changes` for scores.{name} in the model, or watch its bands"
                raise convert.invalid("points", f"the feed tells the bands of {name} alone", hint)
        return self._told([key_text(("scores", name, "points")) for name in named])

    def _told(self, keys: list[str]) -> list[str]:
        """Key paths that the feed tells of. Raises NotYet for others."""
        untold = self._database.untold_definitions() if keys else {}
        for key in keys:
            if key in untold:
                raise NotYet(f"{key} cannot be watched in this version: {untold[key]}.")
        return keys

    def _start(self, request: pb.WatchRequest) -> FeedPosition:
        feed = self._database.feed
        start = request.WhichOneof("start")
        try:
            if start == "resume_token":
                return feed.position(request.resume_token)
            if start == "after_data_version":
                return feed.after(request.after_data_version)
        except InputInvalid as error:
            raise convert.invalid(start or "", error.message) from None
        return feed.oldest() if request.from_oldest else feed.newest()

    def _step(self, watcher: Watcher, position: FeedPosition) -> _Step:
        feed = self._database.feed
        chunk = feed.read(position, watcher.wants)
        found = changes(feed, chunk, watcher.kind, self._database.actions)
        return _Step(found, chunk.end, chunk.caught_up)

    # ---------------------------------------------------------------------- messages

    def _progress(self, position: FeedPosition, caught_up: bool) -> pb.WatchResponse:
        return pb.WatchResponse(
            resume_token=self._database.feed.token(position),
            caught_up=caught_up,
            progress=pb.WatchProgress(),
        )

    def _compacted(self, gone: FeedCompacted) -> pb.WatchResponse:
        return pb.WatchResponse(
            resume_token=self._database.feed.token(gone.oldest),
            compacted=pb.WatchCompacted(oldest_sequence=gone.oldest.sequence),
        )


def _checked(
    section: str, what: str, names: Iterable[str], known: Iterable[str], otherwise: str
) -> list[str]:
    """Names that the model has, and not too many of them. Raises InputInvalid, NotFound."""
    named = list(names)
    if len(named) > NAMES_MOST:
        raise convert.invalid(
            section, f"has {len(named):,} entries", f"give at most {NAMES_MOST:,}{otherwise}"
        )
    there = frozenset(known)
    for name in named:
        if name not in there:
            close = nearest(name, known)
            hint = f" Did you mean {close}?" if close else ""
            raise NotFound(f"There is no {what} {name} to watch.{hint}")
    return named


def _rules_naming(tag: str, rules: Iterable[TagRule]) -> list[str]:
    """The rules whose tags properties name, and that may give a tag."""
    named = (rule["tag"] for rule in rules if tag_places(rule["tag"]))
    return [one for one in named if next(tag_values(one, tag), None) is not None]


@dataclass(frozen=True, slots=True)
class _Step:
    """What one step of reading found: messages, where to go on, and whether that was all."""

    responses: list[pb.WatchResponse]
    end: FeedPosition
    caught_up: bool
