"""The file of refused records: file, line, reason and the record, as CSV.

It is written beside its name and takes the name only when the load has succeeded, so a load
that fails leaves nothing, and a file of an earlier load stays until there is a newer one.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from engine.errors import InputInvalid
from loaders.chunks import BadRecord

__all__ = ["RefusedFile"]


class RefusedFile:
    """Made when the first record comes; a context manager that removes what was not kept.

    Raises InputInvalid where it cannot be written, or would replace one of `inputs`.
    """

    def __init__(self, path: Path, inputs: Sequence[Path]) -> None:
        self.path = path
        self.count = 0
        self._draft = path.with_name(f".{path.name}.{os.getpid()}")
        self._file: IO[str] | None = None
        self._writer: Any = None
        for given in inputs:
            if path.exists() and given.exists() and path.samefile(given):
                raise InputInvalid(
                    f"Refused records would replace {given}, which is to be loaded; name "
                    "another file with --refused."
                )

    def __enter__(self) -> RefusedFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._draft.unlink(missing_ok=True)

    def add(self, records: Iterable[BadRecord]) -> None:
        """Writes records."""
        for record in records:
            try:
                if self._file is None:
                    self._open()
                row = [record.file, record.line, record.reason, record.record]
                self._writer.writerow(row)
            except OSError as error:
                raise self._unwritable(error) from error
            self.count += 1

    def flush(self) -> None:
        """Makes sure that all that was added can be kept."""
        if self._file is not None:
            try:
                if self.path.is_dir():
                    raise IsADirectoryError(0, "it is a folder")
                self._file.flush()
            except OSError as error:
                raise self._unwritable(error) from error

    def keep(self) -> None:
        """Gives the file its name; the load has succeeded."""
        if self._file is not None:
            self._file.close()
            self._draft.replace(self.path)

    def _open(self) -> None:
        self._file = self._draft.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow(["file", "line", "reason", "record"])

    def _unwritable(self, error: OSError) -> InputInvalid:
        return InputInvalid(
            f"Records are refused, and {self.path} cannot be written to keep them "
            f"({error.strerror}); name another file with --refused. Nothing was loaded."
        )
