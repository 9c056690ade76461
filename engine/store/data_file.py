"""The data file, read with our own eyes before LMDB maps it.

A file shorter than its last used page kills the process (SIGBUS) at the first touch of what
is missing, and LMDB picks the newer of its two meta pages by a number that nothing protects.
So the two pages are read here first and held to what LMDB writes; see mdb.c of LMDB 0.9,
struct MDB_meta, for the layout.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

from engine.errors import InputInvalid, StoreCorrupt, StoreMissing, StoreUnwritable

__all__ = ["DATA_FILE", "MetaPage", "TreeMeta", "check_data_file"]

DATA_FILE = "data.mdb"

NO_PAGE = 0xFFFFFFFFFFFFFFFF

_PAGE = struct.Struct("<QHHI")  # number, pad, flags, bounds
_META = struct.Struct("<IIQQ")  # magic, version, map address, map size
_TREE = struct.Struct("<IHHQQQQQ")  # pad, flags, depth, branch, leaf, overflow, entries, root
_TAIL = struct.Struct("<QQ")  # last page, transaction
_META_BYTES = _PAGE.size + _META.size + 2 * _TREE.size + _TAIL.size
_SMALLEST_PAGE, _LARGEST_PAGE = 512, 65536
_META_FLAG = 0x08
_MAGIC, _VERSION = 0xBEEFC0DE, 1
_INTEGER_KEYS = 0x08


@dataclass(frozen=True, slots=True)
class TreeMeta:
    """One tree as a meta page describes it; `root` is NO_PAGE where it is empty."""

    depth: int
    branch_pages: int
    leaf_pages: int
    overflow_pages: int
    entries: int
    root: int


@dataclass(frozen=True, slots=True)
class MetaPage:
    """A sound meta page: page size, last used page, transaction and the two trees."""

    page_size: int
    last_page: int
    transaction: int
    free: TreeMeta
    main: TreeMeta


def check_data_file(folder: Path) -> MetaPage:
    """The newest meta page of the folder's data file; raises where the file cannot be mapped.

    StoreMissing without a file, StoreCorrupt for one that is empty, foreign, damaged in its
    meta pages or shorter than it was.
    """
    path = folder / DATA_FILE
    try:
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(2 * _LARGEST_PAGE)
    except FileNotFoundError:
        raise StoreMissing(
            f"There is no store at {folder}: the folder has no {DATA_FILE}. Check the path, or "
            "remove the folder if its creation was interrupted."
        ) from None
    except IsADirectoryError:
        raise _damaged(folder, "is a folder") from None
    except PermissionError as error:
        raise InputInvalid(
            f"The store at {folder} cannot be read: {DATA_FILE}: {error.strerror}. Check who "
            "owns it."
        ) from error
    except OSError as error:
        raise StoreUnwritable(f"{path} cannot be read: {error.strerror}.") from error
    if size == 0:
        raise _damaged(folder, "is empty")
    newest = _newest_meta(folder, head)
    if size < (newest.last_page + 1) * newest.page_size:
        raise _damaged(
            folder,
            f"is truncated: it has {size:,} bytes of {(newest.last_page + 1) * newest.page_size:,}",
        )
    return newest


def _damaged(folder: Path, what: str) -> StoreCorrupt:
    return StoreCorrupt(
        f"The store at {folder} is damaged: {DATA_FILE} {what}. Restore it from a backup."
    )


def _newest_meta(folder: Path, head: bytes) -> MetaPage:
    first = _meta_at(head, 0, 0)
    if first is None:
        if head[_PAGE.size : _PAGE.size + 4] != _MAGIC.to_bytes(4, "little"):
            raise _damaged(folder, "does not begin like a store's file")
        raise _damaged(folder, "has a damaged first page")
    second = _meta_at(head, first.page_size, 1)
    if second is None:
        raise _damaged(folder, "has a damaged second page, or ends before it")
    # LMDB writes its meta pages by turns, transaction t on page t % 2.
    older, newer = sorted((first, second), key=lambda meta: meta.transaction)
    numbers = (first.transaction, second.transaction)
    if numbers != (0, 0) and (
        newer.transaction != older.transaction + 1
        or first.transaction % 2 != 0
        or newer.page_size != older.page_size
    ):
        raise _damaged(folder, "has meta pages that contradict each other")
    return newer


def _meta_at(head: bytes, at: int, number: int) -> MetaPage | None:
    if len(head) < at + _META_BYTES:
        return None
    page_number, page_pad, page_flags, _ = _PAGE.unpack_from(head, at)
    at += _PAGE.size
    magic, version, address, _ = _META.unpack_from(head, at)
    at += _META.size
    page_size, free_flags, *free = _TREE.unpack_from(head, at)
    pad, main_flags, *main = _TREE.unpack_from(head, at + _TREE.size)
    last_page, transaction = _TAIL.unpack_from(head, at + 2 * _TREE.size)
    sound = (
        (page_number, page_pad, page_flags) == (number, 0, _META_FLAG)
        and (magic, version, address) == (_MAGIC, _VERSION, 0)
        and (free_flags, pad, main_flags) == (_INTEGER_KEYS, 0, 0)
        and _SMALLEST_PAGE <= page_size <= _LARGEST_PAGE
        and page_size & (page_size - 1) == 0
        and last_page >= 1
    )
    if not sound:
        return None
    return MetaPage(page_size, last_page, transaction, TreeMeta(*free), TreeMeta(*main))
