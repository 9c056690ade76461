"""Stores of everything that a batch can say, written to at random, whose blocks and identities are
saved at random too, so that each is ahead of the log by another stretch; copied as a crash would
leave them, and read as what they have."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

from engine.columns.strings import Strings
from engine.database import Database
from engine.store.writer import Writer
from tests.block_contents import decoded
from tests.event_stores import event_batch
from tests.live_databases import place
from tests.loads import ERASE
from tests.moving_worlds import DAY_US, START_US
from tests.sliced_ticks import slice_by_slice

__all__ = ["REPLAYED_MODELS", "SLICED_MODELS", "ReplayedWorld", "contents_of"]

_PEOPLE = 14
_BLOCKS = 4
_HOUR_US = 3_600_000_000

_HEAD = """\
time_zone: Europe/Berlin
identifiers:
  member: {per_profile: 1}
  phone: {per_profile: 3}
  mail: {}
attributes:
  city: {type: category}
  size: {type: int}
  spent: {type: decimal, scale: 2}
  rate: {type: float}
  vip: {type: bool}
  born: {type: date}
  joined: {type: time}
  remark: {type: text}
  likes: {type: set}
  twice: {type: int, is: "2 * size"}
  past: {type: category, history: true}
events:
  order: {properties: {amount: {type: decimal, scale: 2}, channel: category}}
sources:
  crm: {identify: {member: member}, attributes: {size: size}}
"""
_STILL = {
    "large": "size >= 50",
    "rich": "spent > 10.5 or rate < 0.25",
    "fan": "likes = 'x' and not tag = 'asleep'",
    "northern": "city in ('a', 'b') and segment('large')",
    "blank": "city is missing and remark is missing",
    "chosen": "segment('fan') or segment('northern') or vip",
    "double": "twice > 60 or remark contains 'a'",
    "invited": "list('invited') and born is present",
    "reached": "list('called') and not segment('invited')",
    "buyer": "count(order where channel = 'web') >= 2",
    "given": "tag starts with 'by' or tag = 'LIVE'",
}
_MOVING = {
    "fresh": "joined > now - 1 day",
    "exact": "joined = now - 1 hour",
    "of_late": "count(order in last 2 days) > 0 and size < 90",
    "stepped": "sequence(order where channel = 'web' then order within 1 day)",
    "gone_by": "sequence(order where channel = 'web' then no order within 1 day)",
    "both_ways": "distinct(order.channel in last 2 days) >= 2",
    "two_shop": "count(order where channel = 'shop' in last 1 day) >= 2",
    "sum_late": "sum(order.amount in last 2 days) > 15 and not segment('of_late')",
    "hot": "score('heat') >= 10.5 or segment('fresh')",
    "new_here": "list('called') and joined > now - 2 days",
}
_SCORE = """\
scores:
  flat:
    rules:
    - {when: "size >= 50", points: 8}
    - {when: "segment('fan')", points: 5.5}
    - {when: "list('called')", points: 2}
    - {when: "likes has all ('x', 'y')", points: -3}
    bands: {low: 0, mid: 5, high: 8}
    feed: changes
"""
_HELD_SCORE = _SCORE.replace("    feed", "    hold: {mid: 2}\n    feed")
_FADING_SCORE = """\
  heat:
    rules:
    - {when: "size >= 50", points: 8}
    - {each: order, points: 20, half_life: 1 day, at_most: 30}
    bands: {warm: 5, boiling: 25}
    feed: changes
"""
_TIERS_AND_TAGS = """\
tiers:
  grade:
    stages: [{name: A, when: "band('flat') = 'high'"}, {name: B, when: "vip and size < 50"}]
    default: C
tag_rules:
- {tag: LIVE, when: "size >= 20 and not vip"}
"""
_NAMED = "- {tag: 'by {channel}', each: order}\n"
_NAMED_OF_LATE = "- {tag: 'by {channel}', each: order in last 2 days}\n"
_FACTS = """\
- {tag: BIG, when: "size >= 50", keep: sticky}
- {tag: OFTEN, when: "count(order in last 1 day) >= 2", keep: sticky}
- {tag: WAS, when: "likes = 'y' and not tag = 'BIG'", keep: sticky}
- {tag: ALONE, when: "not list('called') and size >= 20", keep: sticky}
"""


def _model(segments: dict[str, str], rules: str) -> dict[str, str]:
    lines = [f'  {name}: "{text}"\n' for name, text in segments.items()]
    return {"model.yaml": _HEAD + "segments:\n" + ("".join(lines) or "  {}\n") + rules}


REPLAYED_MODELS = {
    "still": _model(_STILL, _SCORE + _TIERS_AND_TAGS),
    "named": _model(_STILL, _SCORE + _TIERS_AND_TAGS + _NAMED),
    "named moving": _model(_STILL, _SCORE + _TIERS_AND_TAGS + _NAMED_OF_LATE),
    "moving": _model(_STILL | _MOVING, _SCORE + _FADING_SCORE + _TIERS_AND_TAGS),
    "facts": _model(_STILL | _MOVING, _HELD_SCORE + _FADING_SCORE + _TIERS_AND_TAGS + _FACTS),
}
# Whose ticks may be cut: what live rules with names tell is found in one piece.
SLICED_MODELS = ("moving", "facts")


class ReplayedWorld:
    """A store of one of the models, which is written to."""

    def __init__(self, path: Path, model: str, chance: random.Random) -> None:
        self.path, self.now_us = path, START_US
        self._chance = chance
        self.database = Database.create(path, threads=1, now=lambda: self.now_us)
        self.database.apply_model(_model({}, ""))
        people = range(0, _PEOPLE, 2)
        self._upload("invited", "member", *(f"m{n}" for n in people))
        self._upload("called", "phone", *(f"p{n} {i}" for n in people for i in (0, 1)))
        self.database.apply_model(REPLAYED_MODELS[model])
        self._offset = self._people = 0
        # What the next commit saves: blocks, and whether identities.
        self._blocks: list[int] = []
        self._with_identities = False
        self._committer = self.database._live._committer
        self._committer._save = self._save  # type: ignore[method-assign]

    def close(self) -> None:
        """Saves everything, as always."""
        del self._committer._save
        self.database.close()

    def copy(self, folder: Path) -> None:
        """What the disk has."""
        folder.mkdir()
        with self.database._store._writing:
            shutil.copy(self.path / "data.mdb", folder)

    def step(self) -> None:
        """Some batches, and perhaps some time."""
        chance = self._chance
        if chance.random() < 0.3:
            self._save_some()
        self._send(chance.randrange(1, 4))
        if chance.random() < 0.4:
            gone = (0, 1, _HOUR_US, DAY_US, chance.randrange(2 * DAY_US))
            self.now_us += chance.choice(gone)
            if chance.random() < 0.6:
                self.database.tick()

    def tick_in_slices(self) -> None:
        """A tick in slices, with batches in between."""
        chance = self._chance
        self.now_us += chance.choice((_HOUR_US, DAY_US))
        with slice_by_slice(self) as slices:
            slices.begin()
            for _ in range(chance.randrange(4)):
                slices.go(chance.randrange(3))
                if chance.random() < 0.3:
                    self._save_some()
                self._send(chance.randrange(1, 3))
                if chance.random() < 0.5:
                    self.now_us += chance.choice((0, 1, _HOUR_US))
            if chance.random() < 0.5:
                slices.go(5)

    def copy_in_slices(self, folder: Path) -> None:
        """The same as a crash in the middle of a tick leaves it."""
        with slice_by_slice(self) as slices:
            self.now_us += _HOUR_US
            slices.begin()
            slices.go(1)
            self._send(3)
            self.copy(folder)

    # ---------------------------------------------------------------------------- inside

    def _upload(self, name: str, kind: str, *values: str) -> None:
        self.database.upload_list(name, kind, Strings.from_list(list(values)))

    def _save_some(self) -> None:
        chance = self._chance
        self._blocks = chance.sample(range(_BLOCKS), chance.randrange(1, _BLOCKS))
        self._with_identities = chance.random() < 0.5

    def _save(self, writer: Writer, **_: object) -> tuple[int, int]:
        """In place of what a committer chooses to save; of records that it logs now, too."""
        committer, given = self._committer, 0
        blocks, self._blocks = self._blocks, []
        whole, self._with_identities = self._with_identities, False
        writer.catch_up()
        with writer.resting():
            through = committer._put_feed(writer)
            dirty = set(writer.snapshot.version.overlay.dirty)
            given += sum(writer.save_block(block) for block in blocks if block in dirty)
        given += committer.identities.save_slice(writer, 1 << 20 if whole else 0)
        committer._saved_positions = False
        if whole:
            committer._save_positions(writer, save_more=True)
        return through, given

    def _send(self, batches: int) -> None:
        """Batches, handed over at once."""
        chance, futures = self._chance, []
        assert self.database.model is not None
        for _ in range(batches):
            # Most have none: records with events are carried out one by one.
            with_events = chance.random() < 0.25
            updates = [self._update(with_events) for _ in range(chance.randrange(1, 8))]
            position = None
            if chance.random() < 0.4:
                offsets = [self._offset + n for n in range(1, len(updates) + 1)]
                self._offset += chance.choice((len(updates), len(updates), 0))
                position = place(offsets, partition=chance.choice("pq"))
            batch = event_batch(updates, self.database.model)
            giver = chance.choice(("crm", "shop"))
            futures.append(self.database.submit(batch, position, giver=giver))
        for future in futures:
            self.database.wait_visible(future.result(60).offset)

    def _update(self, with_events: bool) -> dict[str, Any]:
        chance = self._chance
        if chance.random() < 0.3 or not self._people:
            self._people += 1
            number = self._people - 1
        else:
            number = chance.randrange(self._people)
        way = chance.random()
        update: dict[str, Any] = {}
        if way < 0.8:
            update["member"] = f"m{number}"
        if way > 0.5:
            update["phone"] = f"p{number} {chance.randrange(3)}"
        if chance.random() < 0.15:
            update["mail"] = f"e{number} {chance.randrange(9)}"
        cells = self._cells()
        for name in chance.sample(sorted(cells), chance.choice((1, 2, 3, 8))):
            is_erased = name[0] not in "+-" and chance.random() < 0.12
            update[name] = ERASE if is_erased else cells[name]
        if chance.random() < 0.04:
            update["past"] = chance.choice("abc")
        if chance.random() < 0.5:
            update["time"] = START_US - chance.randrange(6) * 10**6
        if chance.random() < 0.3:
            update["by"] = chance.choice(("ann", "bob", ""))
        if with_events and chance.random() < 0.6:
            update["order"] = {
                "time": self.now_us - chance.randrange(3 * DAY_US),
                "id": f"o{chance.randrange(12)}",
                "channel": chance.choice(("web", "shop")),
                "amount": chance.randrange(2000),
            }
            if chance.random() < 0.25:
                update["order"] = {"id": update["order"]["id"], "gone": True}
        return update

    def _cells(self) -> dict[str, Any]:
        pick = self._chance.choice
        return {
            "city": pick(("a", "b", "c", "", f"city {self._chance.random()}")),
            "size": pick((0, 19, 20, 49, 50, 99, -(2**63), 2**62)),
            "spent": pick((0, 1050, 1051, -325)),
            "rate": pick((0.0, -0.0, 0.25, 0.2499, 1e300)),
            "vip": pick((True, False)),
            "born": pick((0, 1, 20_000)),
            "joined": self.now_us - pick((0, _HOUR_US, DAY_US, 2 * DAY_US, -_HOUR_US)),
            "remark": pick(("a", "ü", "b", "x" * 300, "")),
            "likes": pick((["x"], ["y", "x"], ["z"], [])),
            "+likes": pick((["x"], ["y"], ["x", "w"])),
            "-likes": pick((["x"], ["x", "y", "z"])),
            "tag": pick((["asleep"], ["by web", "asleep"])),
            "+tag": pick((["asleep"], ["by web"], ["by shop", "t3"], ["BIG"])),
            "-tag": pick((["asleep"], ["by web"], ["BIG", "WAS", "ALONE"])),
        }


def contents_of(database: Database) -> dict[str, Any]:
    """Everything in a store of these models, as plain values."""
    found: dict[str, Any] = {"positions": database._live.positions.all()}
    with database._store.snapshot() as snapshot:
        found |= {
            "rows": (snapshot.row_count, snapshot.live_count),
            "version": snapshot.data_version,
            "counts": dict(snapshot.segment_counts),
        }
        for name, field in snapshot.fields.items():
            for block in range(snapshot.block_count):
                parts = snapshot.payloads(field.id, block)
                found[f"{name} {block}"] = decoded(field.kind, parts, block)
                zone = snapshot.zone(field.id, block)
                found[f"zone {name} {block}"] = 0 if zone is None else zone.present_count
            found[f"dictionary {name}"] = list(snapshot.dictionary(field.id).values)
    people = range(3 * _PEOPLE)
    pairs = [("member", f"m{n}") for n in people]
    pairs += [("phone", f"p{n} {i}") for n in people for i in range(3)]
    pairs += [("mail", f"e{n} {i}") for n in people for i in range(9)]
    found["profiles"] = database.profiles(pairs)
    found["lag"] = database._live._applier.lagging.lag
    return found
