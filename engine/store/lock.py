"""The lock on a store's folder: one writer, or any number of readers.

An advisory `flock` on the file LOCK, held for as long as the store is open; the kernel
releases it when the process ends, however it ends. A writer leaves its process number in
the file, so that whoever is turned away can be told who holds it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from pathlib import Path

from engine.errors import InputInvalid, StoreInUse, StoreUnwritable

__all__ = ["LOCK_FILE", "FolderLock"]

LOCK_FILE = "LOCK"


class FolderLock:
    """A held lock; `release` or the end of the object lets go."""

    def __init__(self, folder: Path, *, exclusive: bool) -> None:
        self._file = -1
        self._exclusive = exclusive
        self._file = _opened(folder, exclusive)
        try:
            fcntl.flock(self._file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._file, 32, 0).decode("ascii", "replace").strip()
            os.close(self._file)
            self._file = -1
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise StoreUnwritable(
                    f"The store at {folder} cannot be locked: {error.strerror}. The disk under "
                    "it must support file locks."
                ) from error
            raise StoreInUse(_in_use(folder, holder)) from None
        if exclusive:
            try:
                os.ftruncate(self._file, 0)
                os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
            except OSError as error:
                self.release()
                raise StoreUnwritable(
                    f"The store at {folder} cannot be opened for writing: {error.strerror} "
                    f"while writing {LOCK_FILE}. Check the disk."
                ) from error

    def release(self) -> None:
        """Let go; harmless when done before."""
        if self._file >= 0:
            file, self._file = self._file, -1
            if self._exclusive:
                # The number is a courtesy to whoever comes next; the lock goes either way.
                with contextlib.suppress(OSError):
                    os.ftruncate(file, 0)
            os.close(file)

    def __del__(self) -> None:
        self.release()


def _opened(folder: Path, exclusive: bool) -> int:
    path = folder / LOCK_FILE
    try:
        return os.open(path, (os.O_RDWR if exclusive else os.O_RDONLY) | os.O_CREAT, 0o644)
    except OSError as error:
        if exclusive:
            raise StoreUnwritable(
                f"The store at {folder} cannot be opened for writing: {error.strerror}. Check "
                "who owns the folder and its files, and that the disk is not read-only."
            ) from error
        try:
            return os.open(path, os.O_RDONLY)
        except OSError as failed:
            raise InputInvalid(
                f"The store at {folder} cannot be read: {path.name}: {failed.strerror}. Check "
                "who owns the folder and its files."
            ) from failed


def _in_use(folder: Path, holder: str) -> str:
    if holder.isdigit():
        return (
            f"The store at {folder} is in use: process {holder} has it open for writing. Stop "
            "it, or send the command to its server with --server."
        )
    return (
        f"The store at {folder} is in use: another process is reading it. Wait until it has "
        "finished, or stop it."
    )
