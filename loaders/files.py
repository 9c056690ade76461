"""Opening a file: which format it has, and its bytes without compression.

The format follows from the name, `.gz`, `.bz2`, `.zst`, `.lz4` and `.xz` aside: `.csv`,
`.tsv` and `.txt`; `.jsonl`, `.ndjson` and `.json` with one object a line; `.parquet`.
"""

from __future__ import annotations

import lzma
from pathlib import Path
from typing import IO, Literal, cast

import pyarrow as pa

from engine.errors import InputInvalid

__all__ = ["Format", "file_format", "open_bytes", "unreadable"]

Format = Literal["csv", "jsonl", "parquet"]

_COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4", ".xz": "xz"}
_FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}


def file_format(path: Path) -> Format:
    """The format that a file's name promises. Raises InputInvalid where it is none of ours."""
    suffixes = path.suffixes
    if suffixes and suffixes[-1].lower() in _COMPRESSIONS:
        suffixes = suffixes[:-1]
    found = _FORMATS.get(suffixes[-1].lower()) if suffixes else None
    if found is None:
        raise InputInvalid(
            f"{path} has no name that tells its format; rename it to end in .csv, .jsonl or "
            ".parquet, with .gz, .bz2, .xz or .zst behind it where it is compressed."
        )
    return found


def open_bytes(path: Path) -> tuple[IO[bytes], IO[bytes]]:
    """The bytes of a file without compression, and the file itself (its position is how much
    has been read). Raises InputInvalid where it is missing or may not be read."""
    try:
        raw = path.open("rb")
    except IsADirectoryError:
        raise InputInvalid(f"{path} is a folder; name the files in it.") from None
    except OSError as error:
        raise unreadable(path, error) from error
    compression = _COMPRESSIONS.get(path.suffix.lower())
    if compression is None:
        return raw, raw
    if compression == "xz":
        return cast(IO[bytes], lzma.open(raw)), raw
    return cast(IO[bytes], pa.CompressedInputStream(raw, compression)), raw


def unreadable(path: Path, error: Exception) -> InputInvalid:
    """The refusal of a file that the system or its compression cannot give us."""
    if isinstance(error, FileNotFoundError):
        return InputInvalid(f"There is no file {path}.")
    if isinstance(error, PermissionError):
        return InputInvalid(f"{path} may not be read by this user; change its permissions.")
    return InputInvalid(
        f"{path} cannot be read to its end: it is damaged or was not written whole. Get it "
        "again; nothing of it was loaded."
    )
