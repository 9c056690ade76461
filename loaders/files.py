"""Opening a file: which format it has, and its bytes without compression.

The format follows from the name, `.gz`, `.bz2`, `.zst`, `.lz4` and `.xz` aside: `.csv`,
`.tsv` and `.txt`; `.jsonl`, `.ndjson` and `.json` with one object a line; `.parquet`.
"""

from __future__ import annotations

import lzma
import shutil
from pathlib import Path
from typing import IO, Literal, cast

import pyarrow as pa

from engine.errors import InputInvalid

__all__ = [
    "READ_FAILURES",
    "Format",
    "cut_short",
    "file_format",
    "is_compressed",
    "open_bytes",
    "unpack",
    "unreadable",
]

Format = Literal["csv", "jsonl", "parquet"]

# What the system and the decompressors raise while a file is read.
READ_FAILURES = (OSError, EOFError, lzma.LZMAError, pa.ArrowException)

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
_COPY_BYTES = 1 << 20


def is_compressed(path: Path) -> bool:
    """Whether a file's name says that it is compressed as a whole."""
    return path.suffix.lower() in _COMPRESSIONS


def file_format(path: Path) -> Format:
    """The format that a file's name promises. Raises InputInvalid where it is none of ours,
    and where the file is a folder or not there."""
    if path.is_dir():
        raise InputInvalid(f"{path} is a folder; name the files in it.")
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _COMPRESSIONS:
        suffixes.pop()
    found = _FORMATS.get(suffixes[-1]) if suffixes else None
    if found is None:
        if not path.exists():
            raise InputInvalid(f"There is no file {path}.")
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
    except OSError as error:
        raise unreadable(path, error) from error
    compression = _COMPRESSIONS.get(path.suffix.lower())
    if compression is None:
        return raw, raw
    if compression == "xz":
        return cast(IO[bytes], lzma.open(raw)), raw
    try:
        return cast(IO[bytes], pa.CompressedInputStream(raw, compression)), raw
    except READ_FAILURES as error:
        raw.close()
        raise unreadable(path, error) from error


def unpack(path: Path, to: Path) -> None:
    """Writes the bytes of a file, without its compression, into another.

    Raises InputInvalid where the file cannot be read to its end.
    """
    packed, raw = open_bytes(path)
    with raw, packed, to.open("wb") as out:
        try:
            shutil.copyfileobj(packed, out, _COPY_BYTES)
        except READ_FAILURES as error:
            raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> InputInvalid:
    """The refusal of a file that the system or its compression cannot give us."""
    if isinstance(error, FileNotFoundError):
        return InputInvalid(f"There is no file {path}.")
    if isinstance(error, IsADirectoryError):
        return InputInvalid(f"{path} is a folder; name the files in it.")
    if isinstance(error, PermissionError):
        return InputInvalid(f"{path} may not be read by this user; change its permissions.")
    if isinstance(error, OSError) and error.errno is not None:
        return InputInvalid(f"{path} cannot be read ({error.strerror}); nothing was loaded.")
    return InputInvalid(
        f"{path} cannot be read to its end: it is damaged or was not written whole. Get it "
        "again; nothing of it was loaded."
    )


def cut_short(path: Path, line: int) -> InputInvalid:
    """The refusal of a file whose last line stops in the middle of a record."""
    return InputInvalid(
        f"{path}, line {line}: the file ends in the middle of this record, so it was not "
        "written whole. Get it again; nothing of it was loaded. If the record is merely wrong, "
        "end its line with a line break, and it alone is refused."
    )
