"""The folder of a store: made whole or not at all, and looked at before it is opened."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from engine.errors import AlreadyExists, InputInvalid, StoreMissing, StoreUnwritable

__all__ = ["check_folder", "create_folder"]


def check_folder(path: Path) -> None:
    """Raise StoreMissing where no folder is, InputInvalid where it may not be entered."""
    try:
        os.listdir(path)
    except FileNotFoundError:
        raise StoreMissing(
            f"There is no store at {path}. Check the path, or create the store by applying a "
            "model to it."
        ) from None
    except NotADirectoryError:
        raise StoreMissing(
            f"There is no store at {path}: that is a file, and a store is a folder."
        ) from None
    except OSError as error:
        raise InputInvalid(
            f"The store at {path} cannot be read: {error.strerror}. Check who owns the folder."
        ) from error


def create_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Make the folder `path` with what `fill` puts into the folder it is given.

    It is filled beside its place under a temporary name, synced, and renamed, so that an
    interrupted creation leaves no half store. An empty folder may stand there already.
    Raises AlreadyExists, StoreUnwritable.
    """
    if path.is_symlink() or (path.exists() and not _is_empty_folder(path)):
        raise _exists(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    try:
        temporary.mkdir(mode=0o755)
    except OSError as error:
        raise _refused(path, error) from error
    try:
        fill(temporary)
        for entry in temporary.iterdir():
            sync(entry)
        sync(temporary)
        os.rename(temporary, path)
        sync(path.parent)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise _exists(path) from None
        raise _refused(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sync(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _exists(path: Path) -> AlreadyExists:
    return AlreadyExists(
        f"Something stands at {path} already. Open it, choose another path, or remove it first."
    )


def _refused(path: Path, error: OSError) -> StoreUnwritable:
    hint = (
        f"The folder {path.parent} must be there first."
        if error.errno == errno.ENOENT
        else "Check who owns the folder it goes into, and that the disk is not full or read-only."
    )
    return StoreUnwritable(f"A store cannot be created at {path}: {error.strerror}. {hint}")
