"""The text of a file: decoded, line by line, with what can be told when that goes wrong."""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO, Any

from engine.errors import InputInvalid
from loaders.files import READ_FAILURES, open_bytes, unreadable

__all__ = ["TextFile"]

# How a file begins that is not text in the source's encoding at all, and what to say then.
_FOREIGN_STARTS = {
    b"\xff\xfe": "is in UTF-16; save it as UTF-8",
    b"\xfe\xff": "is in UTF-16; save it as UTF-8",
    b"\x1f\x8b": "is compressed by gzip, and its name does not say so; add .gz to the name",
    b"\x28\xb5\x2f\xfd": "is compressed by zstd, and its name does not say so; add .zst to it",
    b"PK\x03\x04": "is a zip archive or a workbook; unpack it, or save it as CSV",
    b"PAR1": "is a Parquet file; rename it to end in .parquet",
}
_UTF8_MARK = b"\xef\xbb\xbf"
_MARK = "\ufeff"


class TextFile:
    """Lines of a file in UTF-8 (with or without its mark) or another encoding.

    `number` counts the lines taken so far; `total` is the size of the file in bytes. Raises
    InputInvalid wherever the file cannot be read or decoded.
    """

    def __init__(self, path: Path, encoding: str) -> None:
        self.path = path
        self.number = 0
        self._encoding = encoding
        self._bytes, self._raw = open_bytes(path)
        self.total = path.stat().st_size
        buffered = io.BufferedReader(self._bytes)  # type: ignore[type-var]
        self._text: IO[str] = io.TextIOWrapper(buffered, encoding=encoding, newline="")
        try:
            self._refuse_foreign(self._peeked(buffered))
        except BaseException:
            self.close()
            raise

    def _peeked(self, buffered: io.BufferedReader[Any]) -> bytes:
        try:
            return buffered.peek(4)[:4]
        except READ_FAILURES as error:
            raise unreadable(self.path, error) from error

    def _refuse_foreign(self, start: bytes) -> None:
        for foreign, what in _FOREIGN_STARTS.items():
            if start.startswith(foreign):
                raise InputInvalid(f"{self.path} {what}.")
        if start.startswith(_UTF8_MARK) and self._encoding != "utf-8":
            raise InputInvalid(
                f"{self.path} begins with the mark of UTF-8, and the source says "
                f"{self._encoding}; correct the source's encoding."
            )

    @property
    def done(self) -> int:
        """Bytes of the file read so far, compressed as they are."""
        return self.total if self._raw.closed else self._raw.tell()

    def line(self) -> str:
        """The next line with its end, '' after the last."""
        try:
            line = self._text.readline()
        except UnicodeDecodeError as error:
            other = "gb18030" if self._encoding == "utf-8" else "utf-8"
            raise InputInvalid(
                f"{self.path}, near line {self.number + 1}: the bytes are not "
                f"{self._encoding.upper()}. If the file is in another encoding, say so in the "
                f"source (encoding: {other})."
            ) from error
        except READ_FAILURES as error:
            raise unreadable(self.path, error) from error
        if not self.number:
            line = line.removeprefix(_MARK)
        self.number += 1
        return line

    def close(self) -> None:
        """Closes the file."""
        self._text.close()
        self._raw.close()
