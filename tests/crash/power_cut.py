"""A disk that forgets: what may stand on it after a power cut, from the calls of a program.

1. A file is what its last sync left (`durable`) and the pages written since (`pending`). Of
   each such page any number of its writes, the first ones first, may have reached the disk;
   in one fate whole pages do, in another sectors of 512 bytes. The length is one of those
   that the file had since its last sync.
2. A folder is the same with names: those of its last sync, and what changed since, of which
   the disk has the beginning, up to any place. A file without its name is lost.
3. A write through O_DSYNC is like any other until it returns, and then durable.

A call is begun (`begin`: it may have reached the disk) and done (`finish`: what it promises
holds); the power may go at any instant between.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from tests.crash.tracing import Call, Kind

__all__ = ["ACKNOWLEDGED", "Disk", "Fate", "Image", "images"]

PAGE = 4096
SECTOR = 512

# A file in the traced folder to which a program writes a line for what it was promised.
ACKNOWLEDGED = "acknowledged"


class Fate(Enum):
    """What becomes of writes that were not synced."""

    LOST = "lost"
    PAGES = "some pages kept"
    TORN = "some sectors kept"
    KEPT = "all kept"


@dataclass
class File:
    """The bytes of a file, and what was done to them since they were synced."""

    durable: bytearray = field(default_factory=bytearray)
    pending: dict[int, list[tuple[int, bytes]]] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=lambda: [0])

    def write(self, start: int, data: bytes) -> None:
        """Split at the borders of pages."""
        at = 0
        while at < len(data):
            page, within = divmod(start + at, PAGE)
            piece = data[at : at + PAGE - within]
            self.pending.setdefault(page, []).append((start + at, piece))
            at += len(piece)
        self.set_size(max(self.sizes[-1], start + len(data)))

    def set_size(self, size: int) -> None:
        """A file made shorter loses what stood behind, also from its pending writes."""
        if size < self.sizes[-1]:
            gone = self.sizes[-1] - size
            self.write(size, bytes(gone))
        self.sizes.append(size)

    def sync(self) -> None:
        """All of it is durable."""
        self.durable = bytearray(self._with(self.pending, self.sizes[-1]))
        self.pending.clear()
        del self.sizes[:-1]

    def sync_pages(self, start: int, size: int) -> None:
        """The pages with these bytes are durable."""
        pages = range(start // PAGE, -(-(start + size) // PAGE))
        through = {page: self.pending.pop(page) for page in pages if page in self.pending}
        self.durable = bytearray(self._with(through, max(len(self.durable), start + size)))

    def after(self, fate: Fate, chance: random.Random) -> bytes:
        """What a disk may have of it."""
        if fate is Fate.LOST:
            return bytes(self.durable)
        if fate is Fate.KEPT:
            return self._with(self.pending, self.sizes[-1])
        share = chance.choice([0.1, 0.5, 0.9])
        kept: dict[int, list[tuple[int, bytes]]] = {}
        for page, pieces in self.pending.items():
            if fate is Fate.TORN:
                pieces = [sector for piece in pieces for sector in _sectors(*piece)]
                kept[page] = [piece for piece in pieces if chance.random() < share]
            elif chance.random() < share:
                kept[page] = pieces[: chance.randint(1, len(pieces))]
        return self._with(kept, max(chance.choice(self.sizes), len(self.durable)))

    def _with(self, pieces: dict[int, list[tuple[int, bytes]]], size: int) -> bytes:
        reach = [start + len(data) for page in pieces.values() for start, data in page]
        result = bytearray(max([size, len(self.durable), *reach]))
        result[: len(self.durable)] = self.durable
        for page in pieces.values():
            for start, data in page:
                result[start : start + len(data)] = data
        return bytes(result[:size])


def _sectors(start: int, data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        size = SECTOR - (start + at) % SECTOR
        yield start + at, data[at : at + size]
        at += size


@dataclass
class Folder:
    """The names in a folder, and what was done to them since they were synced."""

    durable: dict[str, Node] = field(default_factory=dict)
    pending: list[tuple[str, str, Node | None]] = field(default_factory=list)

    def change(self, gone: str, come: str, node: Node | None) -> None:
        """One name goes and one comes, in one step; either may be ''."""
        self.pending.append((gone, come, node))

    def now(self, changes: int | None = None) -> dict[str, Node]:
        """The names after the first `changes` of what was done to them."""
        names = dict(self.durable)
        for gone, come, node in self.pending[:changes]:
            names.pop(gone, None)
            if node is not None:
                names[come] = node
        return names

    def sync(self) -> None:
        """All names are durable."""
        self.durable = self.now()
        self.pending.clear()


Node = File | Folder


@dataclass(frozen=True, slots=True)
class Image:
    """What a disk may hold: path -> bytes, None for a folder; and the lines that the program
    had written to ACKNOWLEDGED before the power went."""

    place: str
    entries: dict[str, bytes | None]
    acknowledged: list[str]

    def write(self, folder: Path) -> None:
        """Make the files in a folder that is not there yet."""
        folder.mkdir(parents=True)
        for path, data in self.entries.items():
            if data is None:
                (folder / path).mkdir()
            else:
                (folder / path).write_bytes(data)


class Disk:
    """The traced folder on a disk. `syncs` False is a disk that lies about syncs."""

    def __init__(self, *, syncs: bool = True) -> None:
        self.root = Folder()
        self._inodes: dict[int, Node] = {}
        self._acknowledged = b""
        self._syncs = syncs

    def begin(self, call: Call) -> None:
        """The call may have had its effect, and promises nothing yet."""
        if call.kind is Kind.OPEN:
            self._open(call)
        elif call.kind is Kind.MKDIR:
            parent, name = self._parent(call.path)
            parent.change("", name, Folder())
        elif call.kind is Kind.UNLINK:
            parent, name = self._parent(call.path)
            parent.change(name, "", None)
        elif call.kind is Kind.RENAME:
            parent, gone = self._parent(call.path)
            other, come = self._parent(call.target)
            assert parent is other, "a rename between folders"
            parent.change(gone, come, parent.now()[gone])
        elif call.kind is not Kind.SYNC:
            file = self._inodes[call.inode]
            assert isinstance(file, File)
            if call.kind is Kind.WRITE:
                file.write(call.start, call.data)
            elif call.kind is Kind.TRUNCATE:
                file.set_size(call.size)
            else:
                file.set_size(max(file.sizes[-1], call.start + call.size))

    def finish(self, call: Call) -> None:
        """The call has returned."""
        node = self._inodes.get(call.inode)
        if node is None:
            return
        if call.kind is Kind.SYNC and self._syncs:
            node.sync()
        elif call.kind is Kind.WRITE and call.is_written_through and self._syncs:
            assert isinstance(node, File)
            node.sync_pages(call.start, call.size)
        elif call.kind is Kind.WRITE and node is self.root.now().get(ACKNOWLEDGED):
            self._acknowledged += call.data

    def image(self, place: str, fate: Fate, chance: random.Random) -> Image:
        """One state in which the power may leave the disk now."""
        entries: dict[str, bytes | None] = {}

        def walk(folder: Folder, prefix: str) -> None:
            count = len(folder.pending)
            random_count = chance.randint(0, count)
            kept = {Fate.LOST: 0, Fate.KEPT: count}.get(fate, random_count)
            for name, node in folder.now(kept).items():
                if prefix + name == ACKNOWLEDGED:
                    continue
                if isinstance(node, File):
                    entries[prefix + name] = node.after(fate, chance)
                else:
                    entries[prefix + name] = None
                    walk(node, f"{prefix}{name}/")

        walk(self.root, "")
        lines = self._acknowledged.decode().splitlines()
        return Image(f"{place}, {fate.value}", entries, lines)

    def _open(self, call: Call) -> None:
        if not call.path:
            self._inodes[call.inode] = self.root
            return
        if call.flags & os.O_TMPFILE == os.O_TMPFILE:
            # The path is that of the folder; the file has no name, and is lost.
            self._inodes[call.inode] = File()
            return
        parent, name = self._parent(call.path)
        node = parent.now().get(name)
        if node is None:
            node = File()
            parent.change("", name, node)
        self._inodes[call.inode] = node
        if call.flags & os.O_TRUNC and isinstance(node, File):
            node.set_size(0)

    def _parent(self, path: str) -> tuple[Folder, str]:
        *folders, name = path.split("/")
        node: Node = self.root
        for one in folders:
            assert isinstance(node, Folder)
            node = node.now()[one]
        assert isinstance(node, Folder)
        return node, name


def images(
    calls: Iterable[Call], chance: random.Random, count: int, *, syncs: bool = True
) -> Iterator[Image]:
    """About `count` images of power cuts, spread over the calls; all fates by turns.

    Half of the cuts fall on the instants around syncs and writes through, where promises
    are made.
    """
    calls = list(calls)
    around = [n for n, call in enumerate(calls) if call.kind is Kind.SYNC or _through(call)]
    other = [n for n, call in enumerate(calls) if call.kind is not Kind.OPEN]
    wanted: dict[int, int] = {}
    for pool in (around, other):
        for _ in range(-(-count // 2)):
            at = chance.choice(pool)
            wanted[at] = wanted.get(at, 0) + 1
    fates = _by_turns()
    disk = Disk(syncs=syncs)
    for number, call in enumerate(calls):
        cuts = wanted.get(number, 0)
        disk.begin(call)
        for _ in range(cuts // 2):
            yield disk.image(f"during call {number} ({call.kind.name})", next(fates), chance)
        disk.finish(call)
        for _ in range(cuts - cuts // 2):
            yield disk.image(f"after call {number} ({call.kind.name})", next(fates), chance)


def _through(call: Call) -> bool:
    return call.kind is Kind.WRITE and call.is_written_through


def _by_turns() -> Iterator[Fate]:
    while True:
        yield from Fate
