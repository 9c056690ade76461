"""LMDB's own pages, checked before LMDB follows them.

LMDB trusts what it reads: a flipped bit in a page of its tree can send it past the end of
the file, which ends the process, and one in its list of free pages can have it write over
pages in use. Its pages are few (one in hundreds of the file), so all of them are walked at
opening, level by level from the meta page, and held to what LMDB writes:

1. A page carries its own number and kind, its nodes fill it exactly and stay inside it.
2. Keys ascend over the whole tree, and those of branches stand between the leaves that
   they part; large values lie inside the file.
3. The counts of pages and entries are those of the meta page.
4. No page is used twice, free pages included.

Pages of large values are not read: their records have checksums. The layout is that of
struct MDB_page and MDB_node in mdb.c of LMDB 0.9.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.errors import StoreCorrupt
from engine.store.data_file import DATA_FILE, NO_PAGE, MetaPage, TreeMeta

__all__ = ["Anchor", "check_page_trees"]

_HEADER_BYTES = 16
_NODE_BYTES = 8
_BRANCH, _LEAF, _OVERFLOW = 0x01, 0x02, 0x04
_BIG = 0x01
# Deeper than any tree of 2^48 pages.
_DEPTH_LIMIT = 32
# Longest key that a store writes, rounded up to two words.
_KEY_BYTES = 16
# Pages looked at together: few enough that all arrays about them stay in the cache.
_PAGES_AT_ONCE = 32


class Anchor(NamedTuple):
    """A large value and the page it begins on: what tells where the map begins in memory."""

    key: bytes
    page: int


class _Fault(Exception):
    """Something that LMDB would not have written."""


@dataclass(frozen=True, slots=True)
class _Nodes:
    """The nodes of some pages of one level, in order; all arrays of the same length.

    `start` is where a node's data begin in `flat`, the pages one after the other. `target`
    is the child page (branches) or the first page of a large value (leaves, else 0), and
    `slot` counts the nodes of each page.
    """

    flat: NDArray[np.uint8]
    slot: NDArray[np.int64]
    key: NDArray[np.uint8]
    key_size: NDArray[np.int64]
    start: NDArray[np.int64]
    size: NDArray[np.int64]
    big: NDArray[np.bool_]
    target: NDArray[np.int64]


def check_page_trees(folder: Path, meta: MetaPage) -> Anchor | None:
    """Check both trees of a data file; StoreCorrupt names the fault.

    Returns the place of one large value, None where there is none.
    """
    descriptor = os.open(folder / DATA_FILE, os.O_RDONLY)
    try:
        walk = _Walk(descriptor, meta)
        for pages in walk.free_lists():
            walk.use(pages, np.ones(len(pages), np.int64))
        anchor = walk.main()
        walk.check_use()
    except _Fault as fault:
        raise StoreCorrupt(
            f"The store at {folder} is damaged: in {DATA_FILE}, {fault}. Restore it from a backup."
        ) from None
    finally:
        os.close(descriptor)
    return anchor


class _Walk:
    """One reading of the two trees."""

    def __init__(self, descriptor: int, meta: MetaPage) -> None:
        self._descriptor = descriptor
        self._meta = meta
        self._page_size = meta.page_size
        # First differences of how often each page is used.
        self._used = np.zeros(meta.last_page + 2, np.int32)

    # -------------------------------------------------------------------- pages in use

    def use(self, first: NDArray[np.int64], count: NDArray[np.int64]) -> None:
        """Note runs of pages as used; faults where one is outside of the file."""
        if len(first) == 0:
            return
        if int(first.min()) < 2 or int((first + count).max()) > self._meta.last_page + 1:
            raise _Fault("a page outside of the file is referred to")
        np.add.at(self._used, first, 1)
        np.subtract.at(self._used, first + count, 1)

    def check_use(self) -> None:
        """Fault where a page is used twice."""
        twice = np.flatnonzero(np.cumsum(self._used) > 1)
        if len(twice):
            raise _Fault(f"page {twice[0]} is used twice")

    # ------------------------------------------------------------------------- the trees

    def main(self) -> Anchor | None:
        """Walk the tree of records."""
        anchor: Anchor | None = None
        for nodes in self._leaves(self._meta.main, ">u8"):
            if anchor is None and nodes.big.any():
                i = int(np.argmax(nodes.big))
                key = nodes.key[i, : nodes.key_size[i]].tobytes()
                anchor = Anchor(key, int(nodes.target[i]))
        return anchor

    def free_lists(self) -> list[NDArray[np.int64]]:
        """Walk the tree of free pages; returns the pages of each list."""
        lists: list[NDArray[np.int64]] = []
        for nodes in self._leaves(self._meta.free, "<u8"):
            if bool((nodes.key_size != 8).any()):
                raise _Fault("a list of free pages has a damaged key")
            for i in range(len(nodes.start)):
                lists.append(self._free_list(nodes, i))
        return lists

    def _free_list(self, nodes: _Nodes, i: int) -> NDArray[np.int64]:
        size = int(nodes.size[i])
        if nodes.big[i]:
            data = self._overflow(int(nodes.target[i]), size)
        else:
            start = int(nodes.start[i])
            data = nodes.flat[start : start + size].tobytes()
        if size < 8 or size % 8 or int.from_bytes(data[:8], "little") > size // 8 - 1:
            raise _Fault("a list of free pages has a wrong length")
        words = np.frombuffer(data, "<u8")
        pages = words[1 : 1 + int(words[0])].astype(np.int64)
        if bool((np.diff(pages) >= 0).any()):
            raise _Fault("a list of free pages is out of order")
        return pages

    def _overflow(self, page: int, size: int) -> bytes:
        """Data of a large value of the free tree, its page header checked."""
        header = np.frombuffer(self._read(page, _HEADER_BYTES + size), np.uint8)
        number, flags, count = _header_of(header)
        if (number, flags, count) != (page, _OVERFLOW, self._page_count(size)):
            raise _Fault(f"page {page} is not the large value that it should be")
        return header[_HEADER_BYTES:].tobytes()

    def _page_count(self, size: int) -> int:
        return (_HEADER_BYTES - 1 + size) // self._page_size + 1

    def _leaves(self, tree: TreeMeta, words: str) -> list[_Nodes]:
        """All leaf nodes of a tree, in order of keys, its keys and counts checked.

        `words` says how LMDB compares its keys: as bytes (">u8") or as numbers ("<u8").
        """
        found = TreeMeta(tree.depth, 0, 0, 0, 0, tree.root)
        level = np.zeros(0, np.int64)
        if tree.root != NO_PAGE:
            if not 0 < tree.depth <= _DEPTH_LIMIT or not 2 <= tree.root <= self._meta.last_page:
                raise _Fault("the meta page leads nowhere")
            level = np.array([tree.root], np.int64)
        branches, leaves = 0, []
        # The key of a branch that stands before each page of the level but the first.
        borders = np.zeros((len(level), 3), np.uint64)
        for depth in range(1, tree.depth + 1):
            is_leaf = depth == tree.depth
            self.use(level, np.ones(len(level), np.int64))
            if len(np.unique(level)) != len(level):
                raise _Fault("a page stands in the tree twice")
            pieces = [
                self._nodes(level[i : i + _PAGES_AT_ONCE], is_leaf)
                for i in range(0, len(level), _PAGES_AT_ONCE)
            ]
            if is_leaf:
                leaves = pieces
            else:
                branches += len(level)
                level = np.concatenate([nodes.target for nodes in pieces])
                borders = _borders(pieces, borders, words)
        if leaves:
            _check_order(leaves, borders, words)
        overflow = sum(self._note_large_values(nodes) for nodes in leaves)
        entries = sum(len(nodes.start) for nodes in leaves)
        found = TreeMeta(tree.depth, branches, len(level), overflow, entries, tree.root)
        if found != tree:
            raise _Fault("the tree has other counts than the meta page says")
        return leaves

    def _note_large_values(self, nodes: _Nodes) -> int:
        """Note the pages of large values as used; returns how many."""
        counts = (_HEADER_BYTES - 1 + nodes.size[nodes.big]) // self._page_size + 1
        self.use(nodes.target[nodes.big], counts)
        return int(counts.sum())

    # ------------------------------------------------------------------------- one level

    def _read(self, page: int, size: int) -> bytes:
        data = os.pread(self._descriptor, size, page * self._page_size)
        if len(data) != size:
            raise _Fault(f"page {page} is beyond the end")
        return data

    def _nodes(self, numbers: NDArray[np.int64], is_leaf: bool) -> _Nodes:
        """The nodes of pages of one level, each page and node checked."""
        size = self._page_size
        flat = np.frombuffer(
            b"".join(self._read(number, size) for number in numbers.tolist()), np.uint8
        )
        pages = flat.reshape(len(numbers), size)
        words = pages.view("<u2")
        lower, upper = words[:, 6].astype(np.int64), words[:, 7].astype(np.int64)
        wrong = (
            (pages[:, :8].copy().view("<u8")[:, 0] != numbers.astype(np.uint64))
            | (words[:, 5] != (_LEAF if is_leaf else _BRANCH))
            | (lower % 2 != 0)
            | (lower <= _HEADER_BYTES)
            | (lower > upper)
            | (upper > size)
        )
        _fault_at(wrong, numbers, "has a damaged head")
        counts = (lower - _HEADER_BYTES) // 2
        page = np.repeat(np.arange(len(numbers)), counts)
        slot = np.arange(len(page)) - np.repeat(np.cumsum(counts) - counts, counts)
        at = words[page, _HEADER_BYTES // 2 + slot].astype(np.int64)
        _fault_at(
            (at % 2 != 0) | (at < upper[page]) | (at > size - _NODE_BYTES),
            numbers[page],
            "has a node outside of it",
        )
        low, high, flags, key_size = (words[page, at // 2 + i].astype(np.int64) for i in range(4))
        data_size = low | high << 16
        big = (flags == _BIG) if is_leaf else np.zeros(len(page), np.bool_)
        inside = np.where(big, 8, data_size) if is_leaf else np.zeros(len(page), np.int64)
        used = _NODE_BYTES + key_size + inside
        first = slot == 0
        least_key = 1 if is_leaf else np.where(first, 0, 1)
        _fault_at(
            (at + used > size)
            | (key_size > _KEY_BYTES)
            | (key_size < least_key)
            | (is_leaf & ~big & (flags != 0)),
            numbers[page],
            "has a damaged node",
        )
        filled = np.bincount(page, weights=used + used % 2, minlength=len(numbers))
        _fault_at(filled != size - upper, numbers, "is not filled by its nodes")
        start = page * size + at + _NODE_BYTES
        key = _gather(flat, start, key_size, _KEY_BYTES)
        if is_leaf:
            target = np.zeros(len(page), np.int64)
            where = (start + key_size)[big]
            target[big] = _gather(flat, where, None, 8).view("<i8")[:, 0]
        else:
            target = data_size | flags << 32
        return _Nodes(flat, slot, key, key_size, start + key_size, data_size, big, target)


def _header_of(page: NDArray[np.uint8]) -> tuple[int, int, int]:
    """Number, flags and page count in the header of a large value."""
    head = page[:_HEADER_BYTES].tobytes()
    return (
        int.from_bytes(head[:8], "little"),
        int.from_bytes(head[10:12], "little"),
        int.from_bytes(head[12:16], "little"),
    )


def _fault_at(wrong: NDArray[np.bool_], numbers: NDArray[np.int64], what: str) -> None:
    if wrong.any():
        raise _Fault(f"page {numbers[int(np.argmax(wrong))]} {what}")


def _gather(
    flat: NDArray[np.uint8], start: NDArray[np.int64], size: NDArray[np.int64] | None, width: int
) -> NDArray[np.uint8]:
    """`width` bytes from each start, zero from its size on."""
    columns = np.arange(width)
    at = (start[:, None] + columns).clip(max=len(flat) - 1)
    taken: NDArray[np.uint8] = flat[at]
    if size is not None:
        taken[columns >= size[:, None]] = 0
    return taken


def _keys(pieces: list[_Nodes], words: str) -> NDArray[np.uint64]:
    """The keys of nodes as rows that compare as LMDB compares them: two words and the size."""
    keys = np.empty((sum(len(nodes.key) for nodes in pieces), 3), np.uint64)
    keys[:, :2] = np.concatenate([nodes.key for nodes in pieces]).view(words)
    keys[:, 2] = np.concatenate([nodes.key_size for nodes in pieces])
    return keys


def _borders(pieces: list[_Nodes], above: NDArray[np.uint64], words: str) -> NDArray[np.uint64]:
    """The borders of the children of branches, which have the borders `above` themselves.

    The first child of a page begins where the page does: LMDB does not look at its key.
    """
    borders = _keys(pieces, words)
    borders[np.concatenate([nodes.slot for nodes in pieces]) == 0] = above
    return borders


def _check_order(leaves: list[_Nodes], borders: NDArray[np.uint64], words: str) -> None:
    """Fault unless the keys of leaves ascend strictly, and a border stands between two pages:
    after all keys of the one, and not after any of the other."""
    keys = _keys(leaves, words)
    if not _less(keys[:-1], keys[1:]).all():
        raise _Fault("keys are out of order")
    first = np.flatnonzero(np.concatenate([nodes.slot for nodes in leaves]) == 0)[1:]
    if not _less(keys[first - 1], borders[1:]).all() or _less(keys[first], borders[1:]).any():
        raise _Fault("keys of a branch are out of order")


def _less(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Where rows of three words stand before others."""
    less = left[:, 2] < right[:, 2]
    for i in (1, 0):
        less = (left[:, i] < right[:, i]) | ((left[:, i] == right[:, i]) & less)
    return less
