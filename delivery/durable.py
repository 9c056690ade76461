"""Files that a kill or a power cut leaves whole."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["append_lines", "replace_file"]


def replace_file(path: Path, text: str) -> None:
    """Puts a text in place of what a file holds: the old or the new is there, never a part."""
    draft = path.with_name(f"{path.name}.draft")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    _sync_folder(path.parent)


def append_lines(path: Path, lines: list[str]) -> None:
    """Adds lines to a file that may not be there yet; they are durable when this returns.

    A line that a kill has left half written is ended first, so that it spoils no other.
    """
    with path.open("a+b") as file:
        end = file.seek(0, os.SEEK_END)
        torn = False
        if end:
            file.seek(end - 1)
            torn = file.read(1) != b"\n"
        file.write((("\n" if torn else "") + "".join(f"{line}\n" for line in lines)).encode())
        file.flush()
        os.fsync(file.fileno())
    if not end:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
